"""Which runs do paths, folders and globs name, and which Parquet files hold one?

A path means ``run.parquet``; beside it lies its companion folder, ``run.rdm``, which is never a run.
"""

import glob
import os
from collections.abc import Iterable
from difflib import get_close_matches
from fnmatch import fnmatch
from pathlib import Path

from rdmtools.errors import FormatError, ParameterError
from rdmtools.journal import MANIFEST_FILE, listed
from rdmtools.schema import COMPANION_SUFFIX, JOURNAL_FOLDER, LOSSES_SUFFIX, stem

_COMPANION = "{folder} is a companion folder; needed the run: {run}"


def local_path(path: str | Path) -> Path:
    """`path` with a name and without ``~``. Raises ParameterError where it can be no run on this machine."""
    if not isinstance(path, str | os.PathLike) or not str(path):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ParameterError(f"path is {path!r}; needed that of a run, such as 'run{LOSSES_SUFFIX}'")
    if "://" in str(path):
        raise ParameterError(f"path is {str(path)!r}; needed a file on this machine: copy it here first")
    local = Path(path).expanduser()
    named = local if local.name not in ("", "..") else local.resolve()
    if not named.name:
        raise ParameterError(f"path is {str(path)!r}; needed a run or a folder of the parts of one")
    return named


def run_paths(paths: Iterable[str | Path]) -> list[Path]:
    """Paths of the runs that paths and globs name, each once, however it is written.

    Raises FormatError where one names none, ParameterError where one can be no path.
    """
    found: dict[Path, Path] = {}
    companions: list[Path] = []
    for given in map(local_path, paths):
        matches = [given] if given.exists() or not glob.has_magic(str(given)) else _expanded(str(given))
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


def run_names(paths: list[Path]) -> list[str]:
    """Names of distinct runs: each the shortest tail of its path that no other shares, without the suffix."""
    whole = [Path(os.path.abspath(path)) for path in paths]
    short = [path.with_name(stem(path)) for path in whole]
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


def named_paths(paths: Iterable[str | Path]) -> dict[str, Path]:
    """`run_paths` by the names of the runs."""
    found = run_paths(paths)
    return dict(zip(run_names(found), found, strict=True))


def _expanded(pattern: str) -> list[Path]:
    matches = {Path(match) for match in glob.glob(pattern, recursive=True)}
    folders = glob.glob(str(Path(pattern).with_name("*" + COMPANION_SUFFIX)), recursive=True)
    matches |= {run for folder in folders if (run := _run_of(Path(folder))) and fnmatch(str(run), pattern)}
    return sorted(match for match in matches if not any(p.suffix == COMPANION_SUFFIX for p in match.parents))


def _run_of(path: Path) -> Path | None:
    """`path`, or of a companion folder the run whose journal it holds, None if it holds none."""
    if path.suffix != COMPANION_SUFFIX:
        return path
    return _run(path) if has_journal(path) else None


def _run(companion: Path) -> Path:
    """The run that a companion folder belongs to: a folder of parts, or else a file."""
    folder = companion.with_suffix("")
    return folder if folder.is_dir() else companion.with_suffix(LOSSES_SUFFIX)


def has_journal(folder: Path) -> bool:
    return bool(listed(folder / JOURNAL_FOLDER, f"*/{MANIFEST_FILE}"))


def run_files(path: Path, journal: bool) -> list[Path]:
    """The Parquet files of the run at `path`; none where all there is is a journal."""
    if path.suffix == COMPANION_SUFFIX:
        raise FormatError(_COMPANION.format(folder=path, run=_run(path)))
    if path.is_dir():
        files = sorted(each for each in path.glob("*" + LOSSES_SUFFIX) if each.name[0] not in "._")
        if not (files or journal):
            raise FormatError(f"{path} has no *{LOSSES_SUFFIX} files in it; needed the parts of one run")
        return files
    if path.exists():
        return [path]
    if journal:
        return []
    if not path.parent.is_dir():
        raise FormatError(
            f"no folder {path.parent}; needed the folder of the run {path.name}; check the path"
        )
    # By stem: the suffix that all of them share would make any two names alike.
    names = {each.stem: each.name for each in path.parent.iterdir() if each.suffix in ("", LOSSES_SUFFIX)}
    close = [names[stem] for stem in get_close_matches(path.stem, names)]
    fix = f"did you mean {' or '.join(close)}?" if close else "check the path"
    raise FormatError(f"no file {path}; needed a Parquet file, a folder of its parts or a journal; {fix}")
