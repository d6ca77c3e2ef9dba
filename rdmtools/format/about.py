"""What does a file of ours say of itself? Its version, name, unit, metadata and counts, each checked.

Nothing in it is needed to read the losses: what is not of its type is told, left out, and not taken on trust.
"""

import json
import re
from collections.abc import Callable
from typing import Any, cast

from rdmtools.errors import cause
from rdmtools.format.names import MERGED, METADATA_KEY, RANKS, Named
from rdmtools.format.records import check_version

_VERSION = re.compile(r"\d{1,6}(\.\d{1,6})*")
_DEEPEST = 64  # of what is nested in the user's metadata
_MOST = 1 << 63


def read_about(text: bytes, path: Named) -> tuple[dict[str, Any], list[str]]:
    """What is said, and what is wrong with it, a line each.

    Raises FormatError where a later major version of the format wrote `path`, saying which release reads it.
    """
    key = METADATA_KEY.decode()
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        return {}, [f"its {key!r} metadata do not read ({cause(error)}); needed JSON; read without them"]
    version = cast(dict[str, Any], found).get("format") if isinstance(found, dict) else None
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        return {}, [f"its {key!r} metadata do not read: no format version; read without them"]
    content = cast(dict[str, Any], found)
    content["writer"] = str(content.get("writer", "of that format"))[:99]
    check_version(content, path)
    wrong = [name for name, value in content.items() if not _FIELDS.get(name, _is_plain)(value)]
    about = {name: value for name, value in content.items() if name not in wrong and _is_plain(name)}
    told = [f"{name} is not {_NEEDED[_FIELDS[name]]}" for name in wrong if name in _FIELDS]
    faults = [f"its {key!r} metadata: {words}; read without it" for words in told]
    metadata = cast(dict[str, Any], about.get("metadata", {}))
    if odd := [name for name, value in metadata.items() if not (_is_plain(name) and _is_plain(value))]:
        about["metadata"] = {name: value for name, value in metadata.items() if name not in odd}
        faults.append(f"its metadata have {odd[0]!a:.99}, nested deeply or not UTF-8; read without it")
    return about, faults


def _is_plain(value: Any, depth: int = 0) -> bool:
    """Whether what JSON gave can be written again: as UTF-8, and nested as deeply as it may be."""
    if isinstance(value, str):
        return value.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in value)
    if depth > _DEEPEST:
        return False
    if isinstance(value, dict):
        pairs = cast(dict[str, Any], value).items()
        return all(_is_plain(key) and _is_plain(each, depth + 1) for key, each in pairs)
    if isinstance(value, list):
        return all(_is_plain(each, depth + 1) for each in cast(list[Any], value))
    return True


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and _is_plain(value)


def _is_unit(value: Any) -> bool:
    return value is None or _is_text(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and 0 <= value < _MOST


def _is_ranks(value: Any) -> bool:
    return _is_count(value) and value >= 1 and value is not True


def _are_counts(value: Any) -> bool:
    """A count, or refused calls by reason."""
    if isinstance(value, dict):
        return all(map(_is_count, cast(dict[str, Any], value).values())) and _is_plain(value)
    return _is_count(value)


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, cast(list[Any], value)))


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) < _MOST


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


_COUNTS = (
    *("duplicates", "duplicates_replaced", "order_trusted", "superseded_rows", "missing", "nonfinite"),
    *("dropped_samples", "dropped_steps", "unused_samples", "bytes_left", "out_of_reach", "restarts"),
)
_FIELDS: dict[str, Callable[[Any], bool]] = {
    "name": _is_text,
    "unit": _is_unit,
    "created": _is_text,
    "metadata": _is_object,
    "ended": _is_time,
    MERGED: _are_names,
    RANKS: _is_ranks,
    "refused": _are_counts,
    **dict.fromkeys(_COUNTS, _is_count),
}
_NEEDED: dict[Callable[[Any], bool], str] = {
    _is_text: "text in UTF-8",
    _is_unit: "text in UTF-8",
    _is_object: "an object",
    _is_time: "a time",
    _are_names: "a list of names",
    _is_ranks: "a number of ranks",
    _are_counts: "a count",
    _is_count: "a count",
}
