"""What of the JSON in a journal may be trusted? Each value is checked once: taken, mended or refused.

Nothing here is as large as a number in it says: how many samples there are is counted, never allocated.
"""

import json
import math
import os
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, cast

from rdmtools.errors import one_line

_INT64 = 1 << 63
_MOST_SAMPLES = 1 << 29  # of four bytes each: a record holds less than 2 GiB
DEEPEST = 64
"""How deep what a user says of the run may be nested: it must read wherever it is read from."""

Tell = Callable[[str], object]
"""Takes one line about what was mended or left out."""


def from_json(text: bytes) -> Any:
    """What `text` holds. Raises ValueError, and nothing else, where it is no JSON that can be read."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def writable(text: str) -> str:
    """`text`, with an escape such as ``\\\\ud800`` where it holds half a character, which no file can."""
    return text.encode("utf-8", "backslashreplace").decode()


def is_number(value: Any) -> bool:
    """Whether JSON gave a number that a float holds; NaN and infinities too."""
    if isinstance(value, int) and not isinstance(value, bool):
        return abs(value) < 1 << 1000
    return isinstance(value, float)


def is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _INT64


def manifest_fields(found: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """The fields of a manifest, from what its file holds. Raises ValueError where one is not as needed."""
    checked = {name: _checked(name, found, check) for name, check in _CHECKS.items()}
    if not checked["rank"] < checked["world_size"]:
        raise ValueError(f"rank is {checked['rank']} of world_size {checked['world_size']}")
    mended = _mended(checked["metadata"], 0)
    name = writable(checked["name"])
    if (mended, name) != (checked["metadata"], checked["name"]):
        tell(
            "its name or metadata hold what no file can; half a character is written out as its number, "
            f"NaN, infinities and what is nested deeper than {DEEPEST} left out"
        )
    return checked | {"metadata": mended, "name": name}


def nesting(value: Any) -> int:
    """How deep dicts and lists lie in each other."""
    deepest, level = 0, [value]
    while level := [each for outer in level for each in _inside(outer)]:
        deepest += 1
    return deepest


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(cast(dict[Any, Any], value).values()) or [None]
    return (cast(list[Any], value) or [None]) if isinstance(value, list) else []


def _mended(value: Any, depth: int) -> Any:
    """What a user said of the run, in numbers that are finite and text that can be written, not too deep."""
    if isinstance(value, str):
        return writable(value)
    if depth > DEEPEST or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, dict):
        pairs = cast(dict[str, Any], value).items()
        return {writable(name): _mended(each, depth + 1) for name, each in pairs}
    if isinstance(value, list):
        return [_mended(each, depth + 1) for each in cast(list[Any], value)]
    return value


def _checked(name: str, found: Mapping[str, Any], check: tuple[str, Callable[[Any], bool]]) -> Any:
    if name not in found:
        raise ValueError(f"no {name}")
    needed, fits = check
    if not fits(found[name]):
        raise ValueError(f"{name} is {one_line(ascii(found[name]))[:60]}; needed {needed}")
    return found[name]


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 1 << 20


def _or_none(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or fits(value)


def _is_path(value: Any) -> bool:
    try:
        return _is_text(value) and b"\0" not in os.fsencode(value)
    except ValueError:
        return False


def _is_time(value: Any) -> bool:
    return is_number(value) and abs(value) < 1e15


def _is_date(value: Any) -> bool:
    try:
        return _is_text(value) and bool(datetime.fromisoformat(value))
    except ValueError:
        return False


def _are_samples(value: Any) -> bool:
    if not isinstance(value, list):
        return is_count(value) and 0 < value <= _MOST_SAMPLES
    ids = cast(list[Any], value)
    types = set(map(type, ids))
    if len(types) != 1 or types not in ({int}, {str}) or len(set(ids)) < len(ids):
        return False
    if types == {str}:
        return _is_utf8("".join(ids))
    return min(ids) >= -_INT64 and max(ids) < _INT64


def _is_utf8(text: str) -> bool:
    try:
        return bool(text.encode()) or not text
    except UnicodeEncodeError:
        return False


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, cast(list[Any], value)))


def _are_counts(value: Any) -> bool:
    return isinstance(value, dict) and all(map(is_count, cast(dict[str, Any], value).values()))


_CHECKS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "name": ("text", _is_text),
    "unit": ("text", _or_none(lambda value: _is_text(value) and _is_utf8(value))),
    "dtype": ("float32 or float64", lambda value: value in ("float32", "float64")),
    "samples": (
        f"a count up to {_MOST_SAMPLES}, or distinct ids, all 64-bit integers or all text",
        _or_none(_are_samples),
    ),
    "metadata": ("an object", lambda value: isinstance(value, dict)),
    "created": ("an ISO date", _is_date),
    "rank": ("a count", is_count),
    "world_size": ("a count", is_count),
    "beside": ("a list of names", _are_names),
    "segments": ("a path", _or_none(_is_path)),
    "host": ("text", _is_text),
    "accepted": ("counts by name", _or_none(_are_counts)),
    "closed": ("a time", _or_none(_is_time)),
    "refused": ("counts by name", _are_counts),
}
