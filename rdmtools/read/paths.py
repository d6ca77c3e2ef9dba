"""Which runs do paths, folders and globs name, and which Parquet files hold one?

A path means ``run.parquet``; beside it lies its companion folder, ``run.rdm``, which is never a run.
"""

import glob
import os
import re
from collections.abc import Iterable
from difflib import get_close_matches
from fnmatch import fnmatch
from pathlib import Path
from urllib.parse import unquote, urlsplit

from rdmtools.errors import FormatError, ParameterError
from rdmtools.format.names import COMPANION_SUFFIX, JOURNAL_FOLDER, LOSSES_SUFFIX, Named, Place
from rdmtools.format.records import MANIFEST_FILE, listed
from rdmtools.read import formats
from rdmtools.read.formats import hive
from rdmtools.read.stores import Location, StorePath, at

_NAMED = 3  # of what is in a folder

_COMPANION = "{folder} is a companion folder; needed the run: {run}"


# `Path` takes one of the two slashes away; a single letter would be a disk.
_ADDRESS = re.compile(r"[A-Za-z][\w+.-]+:/")


def located(path: str | Location) -> Location:
    """`path`, on this machine or, where it is an address such as ``s3://bucket/run.parquet``, in a store.

    Raises ParameterError where it can be no run, FormatError where the store or the form cannot be read.
    """
    if isinstance(path, StorePath):
        return path
    if not isinstance(path, str) or "://" not in path:
        return local_path(path)
    if path.startswith("file://"):
        return local_path(unquote(urlsplit(path).path))
    found = at(path)
    if found.name.endswith(formats.suffixes()):
        raise FormatError(
            f"{found} lies in a store, where losses are read as *{LOSSES_SUFFIX} alone; copy it here first"
        )
    return found


def is_address(path: str | Path) -> bool:
    """Whether `path` begins as an address does, and no folder of that name is here."""
    return _ADDRESS.match(str(path)) is not None and not Path(str(path).partition("/")[0]).exists()


def local_path(path: str | Path) -> Path:
    """`path` with a name and without ``~``. Raises ParameterError where it can be no run on this machine."""
    if not isinstance(path, str | os.PathLike) or not str(path):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ParameterError(f"path is {path!r}; needed that of a run, such as 'run{LOSSES_SUFFIX}'")
    if "://" in str(path):
        raise ParameterError(f"path is {str(path)!r}; needed a file on this machine: copy it here first")
    if is_address(path):
        raise ParameterError(
            f"path is {str(path)!r}, an address that lost a slash; needed it as text, not as a Path"
        )
    local = Path(path).expanduser()
    named = local if local.name not in ("", "..") else local.resolve()
    if not named.name:
        raise ParameterError(f"path is {str(path)!r}; needed a run or a folder of the parts of one")
    return named


def run_paths(paths: Iterable[str | Location]) -> list[Location]:
    """Paths of the runs that paths and globs name, each once, however it is written.

    Raises FormatError where one names none, ParameterError where one can be no path.
    """
    found: dict[Location, Location] = {}
    companions: list[Location] = []
    for given in map(located, paths):
        matches = _expanded(given) if is_pattern(given) else [given]
        if not matches:
            raise FormatError(
                f"no run matches {given}; needed at least one; check the pattern and the folder"
            )
        for match in matches:
            if (run := _run_of(match)) is not None:
                found.setdefault(run.resolve(), run)
            elif match == given:
                companions.append(match)
    for folder in companions:  # `analyze *` names them beside their runs, and that is fine
        if _run(folder).resolve() not in found:
            raise FormatError(_COMPANION.format(folder=folder, run=_run(folder)))
    return list(found.values())


def only_path(given: str | Location) -> Location:
    """The one path that `given`, a path or a glob, names. Raises FormatError, ParameterError."""
    path = located(given)
    if not is_pattern(path):
        return path
    first, *others = run_paths([path])
    if others:
        raise ParameterError(
            f"{path} matches {len(others) + 1} runs, such as {first}; needed one; read_runs reads them all"
        )
    return first


def companion_of(path: Place) -> Place:
    """Companion folder of a run in any form: ``run.parquet``, ``run.csv`` -> ``run.rdm``."""
    return path.with_name(stem_of(path) + COMPANION_SUFFIX)


def stem_of(path: Named) -> str:
    """Name of `path` without what tells its form: ``run.parquet`` and ``run.csv.gz`` -> ``run``."""
    ends = (LOSSES_SUFFIX, *formats.suffixes())
    return path.name.removesuffix(next(filter(path.name.endswith, ends), "")) or path.name


def is_pattern(given: Location) -> bool:
    """Whether `given` is no name but a glob."""
    return glob.has_magic(given.key if isinstance(given, StorePath) else str(given)) and not given.exists()


def run_names(paths: list[Location]) -> list[str]:
    """Names of distinct runs: each the shortest tail of its path that no other shares, without the suffix."""
    whole = [path if isinstance(path, StorePath) else Path(os.path.abspath(path)) for path in paths]
    short = [path.with_name(stem_of(path)) for path in whole]
    # x.parquet and x.csv, or x, a folder of parts, differ in the suffix alone.
    tails = [
        (path if short.count(brief) > 1 else brief).parts[1:]
        for path, brief in zip(whole, short, strict=True)
    ]

    def name(parts: tuple[str, ...]) -> str:
        same = [other for other in tails if other[-1] == parts[-1]]
        depth = 1
        while depth < len(parts) and sum(other[-depth:] == parts[-depth:] for other in same) > 1:
            depth += 1
        return "/".join(parts[-depth:])

    return [name(parts) for parts in tails]


def named_paths(paths: Iterable[str | Location]) -> dict[str, Location]:
    """`run_paths` by the names of the runs."""
    found = run_paths(paths)
    return dict(zip(run_names(found), found, strict=True))


def _expanded(pattern: Location) -> list[Location]:
    matches: set[Location]
    if isinstance(pattern, StorePath):
        matches = set(pattern.expanded())
    else:
        matches = {Path(match) for match in glob.glob(str(pattern), recursive=True)}
        folders = glob.glob(str(pattern.with_name("*" + COMPANION_SUFFIX)), recursive=True)
        journals = [run for folder in folders if (run := _run_of(Path(folder)))]
        matches |= {run for run in journals if fnmatch(str(run), str(pattern))}
    return sorted(match for match in matches if not any(map(_is_companion, match.parts[:-1])))


def _is_companion(name: str) -> bool:
    return name.endswith(COMPANION_SUFFIX)


def _run_of(path: Location) -> Location | None:
    """`path`, or of a companion folder the run whose journal it holds, None if it holds none."""
    if path.suffix != COMPANION_SUFFIX:
        return path
    return _run(path) if has_journal(path) else None


def _run(companion: Location) -> Location:
    """The run that a companion folder belongs to: a folder of parts, or else a file."""
    folder = companion.with_suffix("")
    return folder if folder.is_dir() else companion.with_suffix(LOSSES_SUFFIX)


def has_journal(folder: Location) -> bool:
    """Whether a logger left rows in the companion `folder`."""
    if isinstance(folder, StorePath):
        return any(each.is_dir() for each in (folder / JOURNAL_FOLDER).iterdir())
    return bool(listed(folder / JOURNAL_FOLDER, f"*/{MANIFEST_FILE}"))


def run_files(path: Location, journal: bool) -> list[Location]:
    """The Parquet files of the run at `path`; none where all there is is a journal."""
    if path.suffix == COMPANION_SUFFIX:
        raise FormatError(_COMPANION.format(folder=path, run=_run(path)))
    if path.is_dir():
        files = sorted(each for each in path.glob("*" + LOSSES_SUFFIX) if each.name[0] not in "._")
        if not (files or journal):
            raise FormatError(f"{path} has no *{LOSSES_SUFFIX} files in it; {_instead(path)}")
        if files and isinstance(path, Path) and hive.is_partitioned(path):
            raise FormatError(
                f"{path} has Parquet files beside folders such as step=0, which hold some, too; needed one "
                f"or the other; move away {files[0].name}, or the folders"
            )
        return files
    if path.exists():
        if isinstance(path, Path) and path.suffix != LOSSES_SUFFIX:
            formats.refuse_told(path)
        return [path]
    if journal:
        return []
    has_folders = isinstance(path, Path) or not str(path).startswith("http")
    if has_folders and not path.parent.is_dir():
        kind = "folder" if isinstance(path, Path) else "bucket or folder"
        raise FormatError(
            f"no {kind} {path.parent}; needed the folder of the run {path.name}; check the path"
        )
    # By stem: the suffix that all of them share would make any two names alike.
    names = {each.stem: each.name for each in path.parent.iterdir() if each.suffix in ("", LOSSES_SUFFIX)}
    close = [names[stem] for stem in get_close_matches(path.stem, names)]
    needed = "a Parquet file, a folder of its parts or a journal"
    if isinstance(path, StorePath):
        needed = "a Parquet file or a folder of its parts, for no journal is read from a store"
    fix = f"did you mean {' or '.join(close)}?" if close else "check the path"
    raise FormatError(f"no file {path}; needed {needed}; {fix}")


def _instead(folder: Location) -> str:
    """What to read where a folder is no run: what is in it, if anything is."""
    inside = formats.inside(folder) if isinstance(folder, Path) else {}
    if not inside:
        return "needed the parts of one run"
    named = ", ".join(f"{path.name} ({what})" for path, what in [*inside.items()][:_NAMED])
    more = f" and {len(inside) - _NAMED} more" if len(inside) > _NAMED else ""
    return (
        f"found {named}{more} in it; pass one of them: '{next(iter(inside))}'"
        if len(inside) > 1
        else (f"found {named} in it; pass '{next(iter(inside))}'")
    )
