"""Where do results go? One folder, written beside its place and then moved there as a whole.

    observables.parquet  events.parquet  modes.parquet  groups.parquet  spectra.parquet
    summary.json         report.html     figures/overview.png, .svg, event_1.png, ...

Only a folder that is empty, or that an earlier analysis wrote and nobody added to, is ever replaced.
"""

import json
import os
import shutil
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pandas as pd

from rdmtools.analysis.pipeline import Analysis
from rdmtools.errors import ParameterError
from rdmtools.report.summary import CONTENTS, summarise
from rdmtools.schema import (
    ANALYSIS_FOLDER,
    EVENTS_FILE,
    FIGURES_FOLDER,
    GROUPS_FILE,
    MODES_FILE,
    OBSERVABLES_FILE,
    REPORT_FILE,
    SAMPLE_ID,
    SPECTRA_FILE,
    SUMMARY_FILE,
    companion,
)

_TABLES = {
    "observables": OBSERVABLES_FILE,
    "events": EVENTS_FILE,
    "modes": MODES_FILE,
    "groups": GROUPS_FILE,
    "spectra": SPECTRA_FILE,
}
_OURS = {SUMMARY_FILE, REPORT_FILE, FIGURES_FOLDER, *_TABLES.values()}
_UNNOTICED = {".DS_Store", "Thumbs.db", "desktop.ini"}
_ELSEWHERE = 'name another folder: --out DIR, or save("DIR")'


def save(analysis: Analysis, folder: str | Path | None = None, *, report: bool = True) -> Path:
    """Write tables, summary, and with `report` the page and figures; returns the folder.

    Parameters
    ----------
    folder
        By default ``analysis/`` in the companion folder of the run's file. It is replaced as a whole.

    Raises
    ------
    ParameterError
        Where the run has no file and no folder is named, the place cannot be written, or it holds files that
        rdmtools did not write.
    """
    folder = _default(analysis) if folder is None else Path(folder)
    with _replaced(folder) as place:
        for name, file in _TABLES.items():
            _typed(analysis, name).to_parquet(place / file, index=False)
        text = json.dumps(summarise(analysis), indent=2, ensure_ascii=False, allow_nan=False)
        (place / SUMMARY_FILE).write_text(text + "\n", encoding="utf-8")
        if report:
            from rdmtools.report.figures import save_figures
            from rdmtools.report.page import write_report

            save_figures(analysis, place / FIGURES_FOLDER)
            write_report(analysis, place / REPORT_FILE)
    return folder


def _default(analysis: Analysis) -> Path:
    source = analysis.run.source
    if source is None:
        raise ParameterError(
            f"run {analysis.run.name!r} has no file to save beside; needed a folder; {_ELSEWHERE}"
        )
    if source.name in ("", ".."):
        source = source.resolve()
    return companion(source) / ANALYSIS_FOLDER


def _typed(analysis: Analysis, name: str) -> pd.DataFrame:
    """The table; its columns have their types also where there is no event, so that tables can be joined."""
    table: pd.DataFrame = getattr(analysis, name)
    if len(table):
        return table
    ids = analysis.run.samples[SAMPLE_ID].dtype
    types: dict[str, Any] = {
        **dict.fromkeys(("event", "mode", "samples", "eigenvalue_index"), "int64"),
        **dict.fromkeys(("loading", "loss_change", "sample_share", "mode_share"), "float64"),
        **dict.fromkeys(("eigenvalue", "share"), "float64"),
        "group": "string",
        SAMPLE_ID: ids,
    }
    return table.astype({column: types[column] for column in table.columns if column in types})


@contextmanager
def _replaced(folder: Path) -> Generator[Path]:
    """A new folder to write into, which then takes the place of `folder`; on failure nothing is left."""
    target = folder.resolve()
    _refuse_foreign(folder, target)
    mark = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
    fresh = target.with_name(f".{target.name}.{mark}.new")
    stale = target.with_name(f".{target.name}.{mark}.old")
    try:
        fresh.mkdir(parents=True)
        yield fresh
        if target.exists():
            target.rename(stale)
        try:
            fresh.rename(target)
        except OSError:
            if stale.exists():
                stale.rename(target)
            raise
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise ParameterError(f"{folder} cannot be written ({why}); {_ELSEWHERE}") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(stale, ignore_errors=True)


def _refuse_foreign(folder: Path, target: Path) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise ParameterError(f"{folder} is a file; needed a folder for the results; {_ELSEWHERE}")
    if Path.cwd().is_relative_to(target):
        raise ParameterError(f"{folder} is the current folder, which cannot be replaced; {_ELSEWHERE}")
    held = {entry.name for entry in target.iterdir()} - _UNNOTICED
    if not held:
        return
    if not _is_ours(target / SUMMARY_FILE):
        raise ParameterError(
            f"{folder} is not empty and no analysis wrote it; needed a new or empty folder; {_ELSEWHERE}"
        )
    if foreign := sorted(held - _OURS):
        raise ParameterError(
            f"{folder} holds {foreign[0]!r}, which no analysis wrote; move it away, or {_ELSEWHERE}"
        )


def _is_ours(summary: Path) -> bool:
    try:
        found = json.loads(summary.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and cast(dict[str, Any], found).get("contents") == CONTENTS
