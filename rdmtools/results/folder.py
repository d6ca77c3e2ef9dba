"""Where may results be written? Into a new folder, which then takes its place as a whole.

Only a folder that is empty, or that holds nothing but earlier results of the same kind, is ever replaced; and
of it only files that are ours by name are removed, one by one.
"""

# pyright: reportUnknownMemberType=false

import json
import os
import re
import uuid
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pandas as pd
import pyarrow as pa

from rdmtools.errors import ParameterError, RdmtoolsWarning, one_line
from rdmtools.format.names import (
    ANALYSIS_FOLDER,
    ANALYSIS_MARK,
    ANALYSIS_TABLES,
    CARDS_FILE,
    FIGURE_FORMATS,
    FIGURES_FOLDER,
    REPORT_FILE,
    SUMMARY_FILE,
)
from rdmtools.read.paths import companion_of, is_address
from rdmtools.results.leftovers import HERE, abandoned
from rdmtools.results.words import is_missing
from rdmtools.run.run import Run

PAGE_FILE, SCORE_PAGE_FILE = "comparison.html", "score.html"
ELSEWHERE = 'name another folder: save("DIR")'
# What file managers leave anywhere; nobody misses it.
_UNNOTICED = {".DS_Store", "Thumbs.db", "desktop.ini"}
_MOST_BYTES = 32 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a folder of ours holds, and how it is known."""

    what: str
    mark: str
    """`contents` of the JSON object in the marked file."""
    marked_file: str
    tables: tuple[str, ...]
    """Each in a Parquet file of its name."""
    page: str
    words: tuple[str, ...] = ()
    """Other files of JSON."""
    figures: str = ""
    """Pattern of the names of figures, which lie in a folder of their own; none without."""

    @property
    def names(self) -> set[str]:
        """All files that it may hold, but for figures."""
        return {self.marked_file, self.page, *self.words, *map(table_file, self.tables)}

    def is_ours(self, name: str) -> bool:
        """Whether we give a file that name, the page also one while it is written; or nobody misses it."""
        return name in self.names or name == f".{self.page}.new" or name in _UNNOTICED

    def strangers(self, folder: Path) -> Iterator[str]:
        """What lies in `folder`, or among its figures, that is not ours by name. Raises OSError."""
        for entry in list(os.scandir(folder)):
            if entry.name == FIGURES_FOLDER and self.figures and entry.is_dir(follow_symlinks=False):
                for figure in list(os.scandir(entry)):
                    ours = re.fullmatch(self.figures, figure.name) or figure.name in _UNNOTICED
                    if not (ours and figure.is_file(follow_symlinks=False)):
                        yield f"{FIGURES_FOLDER}/{figure.name}"
            elif not (self.is_ours(entry.name) and entry.is_file(follow_symlinks=False)):
                yield entry.name


ANALYSIS = Contents(
    what="an analysis",
    mark=ANALYSIS_MARK,
    marked_file=SUMMARY_FILE,
    tables=ANALYSIS_TABLES,
    page=REPORT_FILE,
    words=(CARDS_FILE,),
    figures=r"(overview|event_\d+)\.(png|svg|pdf)",
)
COMPARISON = Contents(
    what="a comparison",
    mark="rdmtools comparison",
    marked_file="comparison.json",
    tables=("runs", "events", "observables", "transitions", "failures"),
    page=PAGE_FILE,
    figures=r"comparison\.(png|svg|pdf)",
)
SCORE = Contents(
    what="a score",
    mark="rdmtools score",
    marked_file="score.json",
    tables=(
        *("rules", "truth", "transitions", "false_alarms", "alarms", "contest", "rates"),
        *("realised", "paired", "areas", "roc", "loadings", "groups", "separation"),
    ),
    page=SCORE_PAGE_FILE,
)


def figure_formats(asked: str | Iterable[str]) -> tuple[str, ...]:
    """The formats that are asked for, each once, in our order: "png,svg", or names. Raises ParameterError."""
    names = [name.strip().lower() for name in (asked.split(",") if isinstance(asked, str) else asked)]
    for name in filter(None, names):
        if name not in FIGURE_FORMATS:
            raise ParameterError(f'figures has {name!r}; choose of figures="{",".join(FIGURE_FORMATS)}"')
    return tuple(name for name in FIGURE_FORMATS if name in names)


def table_file(table: str) -> str:
    """Name of the file that a table is in."""
    return f"{table}.parquet"


def write_tables(place: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write each table by its name into the folder `place`.

    What users log of samples and runs may be of several types in one column: it is written as text, since a
    Parquet column has one type.
    """
    for name, table in tables.items():
        _storable(table).to_parquet(place / table_file(name), index=False, write_page_checksum=True)


def _storable(table: pd.DataFrame) -> pd.DataFrame:
    texts: dict[str, Any] = {}
    for name in table.columns:
        try:
            pa.array(table[name], from_pandas=True)
        except (pa.ArrowException, OverflowError):
            texts[name] = [None if is_missing(value) else str(value) for value in table[name]]
    return table.assign(**texts)


def write_json(path: Path, content: Mapping[str, Any], indent: int | None = 2) -> None:
    """Write plain values; NaN and infinities, which JSON does not know, are errors."""
    text = json.dumps(content, indent=indent, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """The object that `write_json` wrote. Raises OSError, or ValueError for anything else in that file."""
    with path.open("rb") as file:
        text = file.read(_MOST_BYTES + 1)
    if len(text) > _MOST_BYTES:
        raise ValueError(f"{path.name} is larger than {_MOST_BYTES >> 20} MiB")
    try:
        found = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError(f"{path.name} is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path.name} holds no object")
    return cast(dict[str, Any], found)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


@contextmanager
def replaced(folder: Path, ours: Contents) -> Generator[Path]:
    """A new folder to write into, which then takes the place of `folder`; on failure nothing is left."""
    target = free_place(folder, ours)
    fresh, stale = new_place(target), new_place(target, "old")
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
        raise _cannot_be_written(folder, error) from error
    finally:
        # Ours: their names were made here, and of what lies in them only what is ours by name is removed.
        remove_ours(fresh, ours)
        remove_ours(stale, ours)
        if stale.exists():
            told = f"{stale} stays, for it holds files that rdmtools did not write; move them away"
            warnings.warn(told, RdmtoolsWarning, stacklevel=4)


def remove_ours(folder: Path, ours: Contents) -> None:
    """Remove the files in `folder` that are ours by name, then the folder if nothing else is left in it.

    Links are never followed: one in place of the folder stays as it is. What cannot be removed stays.
    """
    if folder.is_symlink():
        return
    _remove(folder / FIGURES_FOLDER, lambda name: bool(re.fullmatch(ours.figures, name)))
    _remove(folder, ours.is_ours)


def _remove(folder: Path, is_ours: Callable[[str], bool]) -> None:
    with suppress(OSError):
        if folder.is_symlink():
            return
        for name in os.listdir(folder):
            if is_ours(name) or name in _UNNOTICED:
                (folder / name).unlink()  # ours by name; a folder cannot be unlinked
        folder.rmdir()  # which removes none that holds anything


def new_place(target: Path, kind: str = "new") -> Path:
    """A place beside `target`, known by its name, for results on their way in ("new") or out ("old")."""
    return target.with_name(f".{target.name}.{os.getpid()}-{HERE}{uuid.uuid4().hex[:8]}.{kind}")


def clear_leftovers(folder: Path, ours: Contents) -> None:
    """Put earlier results back that a kill left beside `folder`, and remove what else of ours it left there.

    What is in use, or holds anything else, stays.
    """
    with suppress(OSError, RuntimeError, ValueError):
        target = folder.resolve()
        for place in abandoned(target):
            if place.suffix == ".old" and not target.exists() and _mark_of(place, ours) is not None:
                place.rename(target)  # what was there before: a kill came between two renames
            elif not any(ours.strangers(place)):
                remove_ours(place, ours)


def settled(folder: str | Path) -> Path:
    """`folder` without ``..``, so that it is one place before and after it is made. Raises ParameterError."""
    folder = Path(folder)
    try:
        return folder.resolve() if ".." in folder.parts else folder
    except (OSError, RuntimeError, ValueError) as error:
        raise _cannot_be_written(folder, error) from error


def free_place(folder: Path, ours: Contents) -> Path:
    """The whole path of `folder`, once nothing of ours is left over beside it.

    Raises ParameterError where it may not be replaced: an address, or not only ours.
    """
    refuse_address(folder)
    try:
        target = folder.resolve()
        clear_leftovers(target, ours)
        _refuse_foreign(folder, target, ours)
    except (OSError, RuntimeError) as error:  # too long a name, a circle of links
        raise _cannot_be_written(folder, error) from error
    except ValueError as error:
        if isinstance(error, ParameterError):
            raise
        raise _cannot_be_written(folder, error) from error  # a NUL in a name
    return target


def refuse_address(folder: Path) -> None:
    """Raise ParameterError where `folder` is an address, of which `Path` would make a folder named "s3:"."""
    if is_address(folder):
        raise ParameterError(f"{folder} is an address; needed a folder on this machine; {ELSEWHERE}")


def _cannot_be_written(folder: Path, error: Exception) -> ParameterError:
    why = getattr(error, "strerror", None) or one_line(error)
    return ParameterError(f"{folder} cannot be written ({why}); {ELSEWHERE}")


def _refuse_foreign(folder: Path, target: Path, ours: Contents) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise ParameterError(f"{folder} is a file; needed a folder for the results; {ELSEWHERE}")
    if Path.cwd().is_relative_to(target):
        raise ParameterError(f"{folder} is the current folder, which cannot be replaced; {ELSEWHERE}")
    if not {entry.name for entry in target.iterdir()} - _UNNOTICED:
        return
    for other in (ANALYSIS, COMPARISON, SCORE):
        if other is not ours and _mark_of(target, other) is not None:
            raise ParameterError(f"{folder} holds {other.what}, needed a folder for {ours.what}; {ELSEWHERE}")
    if _mark_of(target, ours) is None:
        raise ParameterError(
            f"{folder} is not empty and rdmtools did not write it; needed a new or empty folder; {ELSEWHERE}"
        )
    if foreign := sorted(ours.strangers(target)):
        raise ParameterError(
            f"{folder} holds {foreign[0]!r}, which rdmtools did not write; move it away, or {ELSEWHERE}"
        )


def _mark_of(folder: Path, contents: Contents) -> dict[str, Any] | None:
    """What the marked file in `folder` holds; None where that is not of these contents."""
    try:
        found = read_json(folder / contents.marked_file)
    except (OSError, ValueError):
        return None
    return found if found.get("contents") == contents.mark else None


def refuse_other_run(folder: Path, path: Path) -> None:
    """Raise ParameterError where `folder`, beside the run at `path`, holds results of another run there.

    Runs of one stem, as ``ok.parquet`` and ``ok.csv``, have one companion folder. What was moved or renamed
    since is no other run.
    """
    run = (_mark_of(folder, ANALYSIS) or {}).get("run")
    source = cast(dict[str, Any], run).get("source") if isinstance(run, dict) else None
    if not isinstance(source, str):
        return
    try:
        name = Path(source).name
        other = path.with_name(name)
        is_other = name != path.name and companion_of(other) == companion_of(path) and other.exists()
        if not is_other or (path.exists() and other.samefile(path)):
            return
    except (OSError, ValueError):  # whatever stands there is the name of no file
        return
    raise ParameterError(
        f"{folder} holds the results of {other}; needed another folder for those of {path}; {ELSEWHERE}"
    )


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
    folder = companion_of(source) / ANALYSIS_FOLDER
    refuse_other_run(folder, source)
    return folder
