"""Where may results be written? Into a new folder, which then takes its place as a whole.

Only a folder that is empty, or that holds nothing but earlier results of the same kind, is ever replaced.
"""

import json
import os
import shutil
import uuid
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pandas as pd

from rdmtools.errors import ParameterError
from rdmtools.format.names import (
    ANALYSIS_FOLDER,
    ANALYSIS_MARK,
    ANALYSIS_TABLES,
    FIGURES_FOLDER,
    REPORT_FILE,
    SUMMARY_FILE,
)
from rdmtools.read.paths import companion_of, is_address
from rdmtools.run.run import Run

PAGE_FILE, SCORE_PAGE_FILE = "comparison.html", "score.html"
ELSEWHERE = 'name another folder: --out DIR, or save("DIR")'
_UNNOTICED = {".DS_Store", "Thumbs.db", "desktop.ini"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a folder of ours holds, and how it is known."""

    what: str
    mark: str
    """`contents` of the JSON object in the marked file."""
    marked_file: str
    tables: tuple[str, ...]
    """Each in a Parquet file of its name."""
    drawn: tuple[str, ...]
    """Pages and folders of figures."""

    @property
    def names(self) -> set[str]:
        """All that it may hold."""
        return {self.marked_file, *self.drawn, *map(table_file, self.tables)}


ANALYSIS = Contents(
    what="an analysis",
    mark=ANALYSIS_MARK,
    marked_file=SUMMARY_FILE,
    tables=ANALYSIS_TABLES,
    drawn=(REPORT_FILE, FIGURES_FOLDER),
)
COMPARISON = Contents(
    what="a comparison",
    mark="rdmtools comparison",
    marked_file="comparison.json",
    tables=("runs", "events", "observables"),
    drawn=(PAGE_FILE, FIGURES_FOLDER),
)
SCORE = Contents(
    what="a score",
    mark="rdmtools score",
    marked_file="score.json",
    tables=(
        *("rules", "truth", "transitions", "false_alarms", "alarms", "contest", "rates", "areas", "roc"),
        *("loadings", "groups", "separation"),
    ),
    drawn=(SCORE_PAGE_FILE,),
)


def table_file(table: str) -> str:
    """Name of the file that a table is in."""
    return f"{table}.parquet"


def write_tables(place: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write each table by its name into the folder `place`."""
    for name, table in tables.items():
        table.to_parquet(place / table_file(name), index=False, write_page_checksum=True)


def write_json(path: Path, content: Mapping[str, Any], indent: int | None = 2) -> None:
    """Write plain values; NaN and infinities, which JSON does not know, are errors."""
    text = json.dumps(content, indent=indent, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


@contextmanager
def replaced(folder: Path, ours: Contents) -> Generator[Path]:
    """A new folder to write into, which then takes the place of `folder`; on failure nothing is left."""
    refuse_place(folder, ours)
    target = folder.resolve()
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
        raise ParameterError(f"{folder} cannot be written ({why}); {ELSEWHERE}") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(stale, ignore_errors=True)


def refuse_place(folder: Path, ours: Contents) -> None:
    """Raise ParameterError where `folder` may not be replaced: an address, or not only ours."""
    refuse_address(folder)
    _refuse_foreign(folder, folder.resolve(), ours)


def refuse_address(folder: Path) -> None:
    """Raise ParameterError where `folder` is an address, of which `Path` would make a folder named "s3:"."""
    if is_address(folder):
        raise ParameterError(f"{folder} is an address; needed a folder on this machine; {ELSEWHERE}")


def _refuse_foreign(folder: Path, target: Path, ours: Contents) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise ParameterError(f"{folder} is a file; needed a folder for the results; {ELSEWHERE}")
    if Path.cwd().is_relative_to(target):
        raise ParameterError(f"{folder} is the current folder, which cannot be replaced; {ELSEWHERE}")
    held = {entry.name for entry in target.iterdir()} - _UNNOTICED
    if not held:
        return
    for other in (ANALYSIS, COMPARISON, SCORE):
        if other is not ours and _is_marked(target, other):
            raise ParameterError(f"{folder} holds {other.what}, needed a folder for {ours.what}; {ELSEWHERE}")
    if not _is_marked(target, ours):
        raise ParameterError(
            f"{folder} is not empty and rdmtools did not write it; needed a new or empty folder; {ELSEWHERE}"
        )
    if foreign := sorted(held - ours.names):
        raise ParameterError(
            f"{folder} holds {foreign[0]!r}, which rdmtools did not write; move it away, or {ELSEWHERE}"
        )


def _is_marked(folder: Path, contents: Contents) -> bool:
    try:
        found = json.loads((folder / contents.marked_file).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and cast(dict[str, Any], found).get("contents") == contents.mark


def default_folder(run: Run) -> Path:
    """``analysis/`` in the companion folder of the run's file. Raises ParameterError without one here."""
    source = run.source
    if source is None:
        raise ParameterError(f"run {run.name!r} has no file to save beside; needed a folder; {ELSEWHERE}")
    if not isinstance(source, Path):
        raise ParameterError(
            f"{source} lies in a store, where nothing is written; needed a folder; {ELSEWHERE}"
        )
    if source.name in ("", ".."):
        source = source.resolve()
    return companion_of(source) / ANALYSIS_FOLDER
