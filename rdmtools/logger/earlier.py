"""What lies at the path already, when a logger begins? It is refused, deleted or continued, as the user says.

Whatever another process is writing is never touched.
"""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from rdmtools.errors import ParameterError, RdmtoolsError
from rdmtools.journal import Manifest, same_samples
from rdmtools.logger.conversion import read_attempts
from rdmtools.logger.lock import holder
from rdmtools.schema import (
    ANALYSIS_FOLDER,
    DRAWS_FILE,
    JOURNAL_FOLDER,
    SAMPLE_ID,
    SAMPLES_FILE,
    SCALARS_FILE,
    SUMMARY_FILE,
    companion,
)
from rdmtools.table import stored_about, stored_ids, stored_rows, stored_table

_PARTS = (JOURNAL_FOLDER, SAMPLES_FILE, SCALARS_FILE, DRAWS_FILE)


def refuse_live(path: Path) -> None:
    """Raise ParameterError where another logger has the run at `path` open."""
    for attempt in (companion(path) / JOURNAL_FOLDER).glob("*/"):
        if (who := holder(attempt)) is not None:
            raise ParameterError(
                f"{path} is being written by {who}; needed a path of its own for each logger: "
                "choose another, or of several ranks log from one"
            )


def refuse(path: Path) -> None:
    """Raise ParameterError where anything of a run is at `path`."""
    journal = companion(path) / JOURNAL_FOLDER
    if journal.exists():
        raise ParameterError(
            f"{path} has rows that a logger left in {journal}, which read as they are; "
            "pass resume=True to go on, overwrite=True to delete that run, or choose another path"
        )
    if there := _parts(path):
        raise ParameterError(
            f"{there[0]} already exists; pass resume=True to go on, overwrite=True to delete that run, "
            "or choose another path"
        )


def delete(path: Path) -> None:
    """Delete the run at `path`, and what we analysed of it."""
    analysis = companion(path) / ANALYSIS_FOLDER
    for found in (*_parts(path), *([analysis] if (analysis / SUMMARY_FILE).exists() else [])):
        if found.is_dir():
            shutil.rmtree(found)
        else:
            found.unlink()


def continued(path: Path, manifest: Manifest) -> Manifest:
    """`manifest` with the samples of the run at `path`, where it has none of its own.

    Raises ParameterError where the two do not fit together, or the run cannot be read.
    """
    try:
        before = [attempt.manifest for attempt in read_attempts(companion(path) / JOURNAL_FOLDER)]
        units = [each.unit for each in before]
        known = [each for each in before if each.samples is not None]
        if manifest.samples is None:
            manifest = replace(manifest, samples=_samples_as_logged(path, known))
        if path.exists():
            units.append(str(stored_about(path).get("unit", "nats")))
            next(stored_rows(path, manifest.sample_ids), None)
        for other in known:
            same_samples(other.sample_ids, manifest.sample_ids)
    except RdmtoolsError as error:
        raise ParameterError(f"{path} cannot be resumed: {error}; or choose another path") from error
    for unit in units:
        if unit != manifest.unit:
            raise ParameterError(
                f"{path} has losses in {unit}, unit is {manifest.unit!r}; needed the same: pass unit={unit!r}"
            )
    return manifest


def _samples_as_logged(path: Path, known: list[Manifest]) -> int | list[Any] | None:
    """Samples of the run in the order of its logger (the run has them sorted); None without a run."""
    if (file := companion(path) / SAMPLES_FILE).exists():
        return [row[SAMPLE_ID] for row in stored_table(file)]
    if known or not path.exists():
        return known[-1].samples if known else None
    ids = stored_ids(path).tolist()
    if ids != list(range(len(ids))):
        raise ParameterError(f"{file} is not there; needed samples= in the order of the losses: pass it")
    return len(ids)


def _parts(path: Path) -> list[Path]:
    folder = companion(path)
    return [found for found in (path, *(folder / part for part in _PARTS)) if found.exists()]
