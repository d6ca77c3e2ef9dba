"""How are reference runs kept, to rank later runs among them? One small JSON file, checked when it is read.

    {"contents": "rdmtools reference", "format": "1.0", "writer": "0.1.0", "rule": "...", "windows": [20],
     "runs": [{"name": "quiet 1", "rows": 400, "samples": 64, "digest": "9f...", "scores": [0.83]}, ...]}

Of each run the highest score for each window length, null where it is too short to judge. A file may come
from a stranger: nothing in it is trusted, and what later releases may add is passed over.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pandas as pd

from rdmtools.alarms.ranks import RULE
from rdmtools.analysis.reference import ReferenceRun
from rdmtools.errors import FormatError, ParameterError, cause, reading
from rdmtools.format.names import REFERENCE_SUFFIX
from rdmtools.format.records import check_version, replacing, versioned
from rdmtools.read.paths import local_path
from rdmtools.read.stores import Location, StorePath
from rdmtools.results.folder import read_json
from rdmtools.results.plain import plain
from rdmtools.results.words import shown
from rdmtools.run.quality import counted

MARK = "rdmtools reference"
_MOST_RUNS = 100_000
_MOST_ROWS = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Runs in which nothing happened, as far as later runs are ranked among them."""

    windows: tuple[int, ...]
    runs: tuple[ReferenceRun, ...]

    @property
    def scores(self) -> pd.DataFrame:
        """One row per run and window length: `run`, `rows`, `samples`, `window`, `score`, its largest; NaN
        where it is too short to judge."""
        rows = [
            {
                "run": each.name,
                "rows": each.rows,
                "samples": each.samples,
                "window": window,
                "score": each.scores[window],
            }
            for each in self.runs
            for window in self.windows
        ]
        return pd.DataFrame(rows)

    def save(self, path: str | Path) -> Path:
        """Write it as one JSON file; returns its path.

        Raises
        ------
        ParameterError
            Where the path does not end in ``.json``, cannot be written, or holds something else.
        """
        place = local_path(path)
        refuse_place(place)
        content = versioned(
            {
                "contents": MARK,
                "rule": RULE,
                "windows": [*self.windows],
                "runs": [_record(each, self.windows) for each in self.runs],
            }
        )
        try:
            with replacing(place) as file:
                file.write(json.dumps(plain(content), indent=1, allow_nan=False).encode())
        except OSError as error:
            raise ParameterError(
                f'{place} cannot be written ({error.strerror}); name another file: save("reference.json")'
            ) from error
        return place

    def __repr__(self) -> str:
        lengths = f"window{'s' * (len(self.windows) > 1)} {', '.join(map(str, self.windows))}"
        return f"Reference of {counted(len(self.runs), 'run')}, {lengths}"


def _record(run: ReferenceRun, windows: Sequence[int]) -> dict[str, Any]:
    return {
        "name": run.name,
        "rows": run.rows,
        "samples": run.samples,
        "digest": run.digest,
        "scores": [run.scores[window] for window in windows],
    }


def refuse_place(place: Path) -> None:
    """Raise ParameterError where no reference may be written."""
    if place.suffix != REFERENCE_SUFFIX:
        raise ParameterError(
            f"{place} does not end in {REFERENCE_SUFFIX}, by which a reference is known; "
            f'choose save("{place}{REFERENCE_SUFFIX}")'
        )
    if not place.exists():
        return
    try:
        ours = read_json(place).get("contents") == MARK
    except (OSError, ValueError):
        ours = False
    if not ours:
        raise ParameterError(
            f"{place} is there and holds no reference; needed a new file; "
            f'choose save("{place.with_name("new_" + place.name)}")'
        )


def read_reference(path: Location, source: str | None = None) -> Reference:
    """What `Reference.save` wrote; runs are named `source`, else by the path, as their source.

    Raises
    ------
    FormatError
        Where the file is missing or holds anything else, or scores of another rule.
    """

    def explain(error: Exception) -> FormatError:
        return FormatError(
            f"{path} is no reference ({cause(error)}); needed what rdm.reference(runs).save writes; "
            "make it again"
        )

    if isinstance(path, StorePath):
        raise FormatError(f"{path} lies in a store; needed a reference on this machine; copy it here first")
    if not path.is_file():  # a pipe, maybe, of which one would wait for ever
        raise FormatError(f"no file {path}; needed what rdm.reference(runs).save writes; check the path")
    with reading(path, explain=explain):
        return _checked(read_json(path), path, source or str(path))


def _checked(found: Mapping[str, Any], path: Path, source: str) -> Reference:
    if found.get("contents") != MARK:
        raise ValueError(f"its contents are not {MARK!r}")
    version = found.get("format")
    if not isinstance(version, str) or not re.fullmatch(r"\d{1,9}(\.\d{1,9})*", version, re.ASCII):
        raise ValueError("it has no version")
    check_version(dict(found), path)
    if found.get("rule") != RULE:
        raise FormatError(
            f"{path} has scores of another rule than this release's; needed those of {RULE!r}; "
            "make it again from its runs"
        )
    windows = _windows(found.get("windows"))
    runs = found.get("runs")
    if not isinstance(runs, list) or not 0 < len(cast("list[Any]", runs)) <= _MOST_RUNS:
        raise ValueError(f"'runs' is no list of 1 to {_MOST_RUNS:,} runs")
    listed = cast("list[Any]", runs)
    return Reference(
        windows=windows,
        runs=tuple(_run(each, number, windows, source) for number, each in enumerate(listed, start=1)),
    )


def _windows(found: Any) -> tuple[int, ...]:
    if isinstance(found, list):
        lengths = cast("list[Any]", found)
        if lengths and all(map(_is_count, lengths)) and len(set(lengths)) == len(lengths):
            return tuple(lengths)
    raise ValueError("'windows' is no list of distinct lengths")


def _run(found: Any, number: int, windows: Sequence[int], source: str) -> ReferenceRun:
    if not isinstance(found, dict):
        raise ValueError(f"run {number} is no object")
    run = cast("dict[str, Any]", found)
    for name, fits in _NEEDED.items():
        if not fits(run.get(name)):
            raise ValueError(f"{name!r} of run {number} is {shown(repr(run.get(name)), 60)}")
    scores = run.get("scores")
    if not isinstance(scores, list) or len(cast("list[Any]", scores)) != len(windows):
        raise ValueError(f"run {number} has no score for each window length")
    listed = cast("list[Any]", scores)
    if not all(map(_is_score, listed)):
        raise ValueError(f"a score of run {number} is no finite number, and not null")
    return ReferenceRun(
        name=plain(run["name"]),
        rows=run["rows"],
        samples=run["samples"],
        digest=run["digest"],
        scores={
            window: math.nan if score is None else float(score)
            for window, score in zip(windows, listed, strict=True)
        },
        source=source,
    )


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _MOST_ROWS


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 1 << 12


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{32}", value, re.ASCII) is not None


def _is_score(value: Any) -> bool:
    if value is None:
        return True
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and abs(value) <= 1e9


_NEEDED = {"name": _is_text, "digest": _is_digest, "rows": _is_count, "samples": _is_count}
