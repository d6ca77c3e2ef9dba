"""What objects are in a text of JSON, one a line or all in one array? Many at a time, with their places.

Python's own reader, which knows NaN and Infinity; what it lets pass without a word is refused: a name twice
in one object. A depth that ends the interpreter is told, and a last line that is cut short.
"""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, cast

from rdmtools.errors import FormatError, ParameterError, one_line
from rdmtools.read.formats.unfolded import MB, refuse_unfolding

LINES = 1 << 16
BLOCK_BYTES = 16 << 20
ARRAY_BYTES = 1 << 27  # of one array, which is held as text
NEEDED = 'needed an object a line, such as {"step": 0, "sample_id": 17, "loss": 0.5}'
_LONGEST = 1 << 28  # of a line
_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BLANK = " \t\r\n"


@dataclass(slots=True, kw_only=True)
class Chunk:
    """Some objects of a text, and where they stand."""

    noun: str
    """What each is called: "line", or "item" of an array."""
    records: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    numbers: list[int] = field(default_factory=list[int])
    size: int = 0
    """Of their text."""

    def place(self, row: int) -> str:
        return f"{self.noun} {self.numbers[row]}"


def chunks(path: Path, *, bounded: bool = False) -> Iterator[Chunk]:
    """The objects in `path`, gzipped or not, some megabytes at a time, none of the chunks empty.

    Where they are `bounded`, a compressed file that unfolds out of all proportion is refused.
    Raises ParameterError with the line that is wrong, FormatError, and what gzip raises.
    """
    array = _is_array(path)
    noun = "item" if array else "line"
    chunk = Chunk(noun=noun)
    for number, size, value in _items(path) if array else _lines(path, bounded):
        if not isinstance(value, dict):
            raise ParameterError(f"{noun} {number} is no object but {json.dumps(value)[:40]}; {NEEDED}")
        chunk.records.append(cast("dict[str, Any]", value))
        chunk.numbers.append(number)
        chunk.size += size
        if chunk.size >= BLOCK_BYTES or len(chunk.records) >= LINES:
            yield chunk
            chunk = Chunk(noun=noun)
    if chunk.records:
        yield chunk


def _no_name_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the name {next(name for name in names if names.count(name) > 1)!r} twice in it")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_no_name_twice)


def _lines(path: Path, bounded: bool) -> Iterator[tuple[int, int, Any]]:
    """Number, size and value of each line that is not blank."""
    for number, line in _texts(path, bounded):
        if line.isspace():
            continue
        try:
            yield number, len(line), _DECODER.decode(line.decode())
        except RecursionError as error:
            raise ParameterError(f"line {number} nests too deep; {NEEDED}") from error
        except ValueError as error:
            if not line.endswith(b"\n"):
                raise ParameterError(
                    f"line {number} is cut short: the file ends within it; needed whole lines; write or copy "
                    "it again, or remove that line"
                ) from error
            raise ParameterError(f"line {number} is not JSON ({one_line(error)}); {NEEDED}") from error


def _texts(path: Path, bounded: bool = False) -> Iterator[tuple[int, bytes]]:
    """Number and text of each line."""
    with opened(path) as file:
        number, size = 0, 0
        while line := file.readline(_LONGEST):
            number, size = number + 1, size + len(line)
            if len(line) == _LONGEST:
                raise ParameterError(f"line {number} has more than {_LONGEST / MB:.0f} MB; {NEEDED}")
            if bounded and path.suffix == ".gz":
                refuse_unfolding(path, size, f"unpack it first (gunzip -k '{path}')")
            yield number, line


def opened(path: Path) -> Any:
    """The text from its first sign on. Raises ParameterError where it is UTF-16."""
    file: Any = (gzip.open if path.suffix == ".gz" else open)(path, "rb")
    try:
        head = file.read(len(_BOM))
        if head[:2] in _UTF16:
            raise ParameterError("the text is UTF-16; needed UTF-8; write it with encoding='utf-8'")
        file.seek(len(_BOM) if head == _BOM else 0)
    except BaseException:
        file.close()
        raise
    return file


def _is_array(path: Path) -> bool:
    """Whether all of the file is one array, on one line or many: not lines that are arrays each."""
    few = [*islice((line for _, line in _texts(path) if not line.isspace()), 2)]
    if not few or not few[0].lstrip().startswith(b"["):
        return False
    try:
        json.loads(few[0])
    except (ValueError, RecursionError):
        return True
    return len(few) == 1


def _items(path: Path) -> Iterator[tuple[int, int, Any]]:
    """Number, size and value of each item of the array that the file is."""
    with opened(path) as file:
        raw: bytes = file.read(ARRAY_BYTES + 1)
    if len(raw) > ARRAY_BYTES:
        raise FormatError(
            f"{path} is one JSON array of more than {ARRAY_BYTES / MB:.0f} MB; {NEEDED}; "
            f"write lines (jq -c '.[]' '{path}' > lines.jsonl)"
        )
    text = raw.decode()
    del raw
    place, number = _after_blanks(text, _after_blanks(text, 0) + 1), 0
    while place < len(text) and text[place] != "]":
        number += 1
        try:
            value, end = _DECODER.raw_decode(text, place)
        except RecursionError as error:
            raise ParameterError(f"item {number} nests too deep; {NEEDED}") from error
        except ValueError as error:
            raise ParameterError(
                f"item {number} of the array is not JSON ({one_line(error)}); {NEEDED}"
            ) from error
        yield number, end - place, value
        place = _after_blanks(text, end)
        if text[place : place + 1] not in (",", "]"):
            break
        place = _after_blanks(text, place + 1) if text[place] == "," else place
    if text[place : place + 1] != "]":
        raise ParameterError(
            f"the array has no end after item {number}; needed a whole file; write or copy it again"
        )


def _after_blanks(text: str, place: int) -> int:
    while place < len(text) and text[place] in _BLANK:
        place += 1
    return place
