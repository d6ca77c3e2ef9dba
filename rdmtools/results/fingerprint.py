"""Was this very run analysed before, with these settings? A name for all that an analysis depends on.

Content of the run's files and of its references', how they are read, the settings, and the code itself: where
any of it differs, so does the name. Where files lie, and what they are called, makes no difference.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from rdmtools import __version__
from rdmtools.analysis.settings import AnalysisSettings
from rdmtools.errors import RdmtoolsError
from rdmtools.format.names import (
    DRAWS_FILE,
    FINGERPRINT,
    JOURNAL_FOLDER,
    REFERENCE_SUFFIX,
    SAMPLES_FILE,
    SCALARS_FILE,
)
from rdmtools.read.formats import suffixes
from rdmtools.read.paths import companion_of, has_journal, run_files
from rdmtools.read.stores import Location, StorePath
from rdmtools.run.rules import Rules

# A larger file is known by its size, the time of its last change, and this much of it: half from either end.
# One in a store is known by what the store says of its version.
WHOLE_BYTES = 1 << 28


def fingerprint(
    path: Location,
    rules: Rules,
    settings: AnalysisSettings,
    references: str | None = "",
    control: str | None = "",
) -> str | None:
    """A name of 32 hexadecimal digits, for a run that is read by those rules.

    None for a run that cannot be read, and for losses in another form: what was guessed when these were read
    is to be said each time. `references` is what `of_references` calls the runs among which it is ranked;
    where that is None the run has no name either. `control` is what it calls the control.
    """
    if path.name.endswith(suffixes()) or references is None or control is None:
        return None
    try:
        return _name(path, rules, settings, references, control)
    except (RdmtoolsError, OSError):
        return None


def of_references(paths: Sequence[Location]) -> str | None:
    """The same for all runs, or saved references, among which runs are ranked; "" for none."""
    if any(path.name.endswith(suffixes()) for path in paths):
        return None
    found = hashlib.blake2b(digest_size=16)
    try:
        for path in paths:
            saved = path.suffix == REFERENCE_SUFFIX
            for role, file in [("reference", path)] if saved else _files(path):
                found.update(role.encode() + b"\0" + _content(file))
    except (RdmtoolsError, OSError):
        return None
    return found.hexdigest() if paths else ""


def sealed(summary: Mapping[str, Any], name: str) -> str:
    """The fingerprint as a summary keeps it: one that was edited does not fit any more."""
    content = {key: value for key, value in summary.items() if key != FINGERPRINT}
    text = json.dumps(content, sort_keys=True)
    return hashlib.blake2b(f"{name}{text}".encode(), digest_size=16).hexdigest()


def _name(path: Location, rules: Rules, settings: AnalysisSettings, references: str, control: str) -> str:
    found = hashlib.blake2b(digest_size=16)
    said = {
        "reading": rules.to_dict(),
        "settings": settings.to_dict(),
        "references": references,
        "control": control,
        "version": __version__,
        "code": _code(),
    }
    found.update(json.dumps(said, sort_keys=True, default=str).encode())
    for role, file in _files(path):
        found.update(role.encode() + b"\0" + _content(file))
    return found.hexdigest()


def _files(path: Location) -> Iterator[tuple[str, Location]]:
    """All files of a run, with what each is to it."""
    folder = companion_of(path)
    journal = isinstance(folder, Path) and has_journal(folder)
    for file in run_files(path, journal):
        yield "losses", file
    for name in (SAMPLES_FILE, SCALARS_FILE, DRAWS_FILE):
        if (folder / name).exists():
            yield name, folder / name
    if isinstance(folder, Path) and journal:
        inside = folder / JOURNAL_FOLDER
        for file in sorted(each for each in inside.rglob("*") if each.is_file()):
            yield str(file.relative_to(inside)), file


def _content(path: Location) -> bytes:
    if isinstance(path, StorePath):
        with path.opened() as (_, stamp):
            return repr(stamp).encode()
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        if size <= WHOLE_BYTES:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest()
        found = hashlib.blake2b(str((size, path.stat().st_mtime_ns)).encode(), digest_size=16)
        found.update(file.read(WHOLE_BYTES // 2))
        file.seek(size - WHOLE_BYTES // 2)
        found.update(file.read())
        return found.digest()


@cache
def _code() -> str:
    """Of the package itself: another version of it may find something else."""
    found = hashlib.blake2b(digest_size=16)
    home = Path(__file__).parents[1]
    for file in sorted(home.rglob("*.py")):
        found.update(str(file.relative_to(home)).encode() + file.read_bytes())
    return found.hexdigest()
