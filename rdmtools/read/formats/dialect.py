"""How is a table written as text? Which sign is between its fields, which in its decimals, and has it names?

The first lines tell: a comma, semicolon, tab or bar; blanks after it; a first line that is data already.
"""

import codecs
import csv
import gzip
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

from rdmtools.errors import ParameterError
from rdmtools.format.unfolding import refuse_unfolded
from rdmtools.read.formats.unfolded import unfolded_bytes

BLOCK_BYTES = 16 << 20
NEEDED = "needed one line of names, then lines as long, with whole steps and numbers for losses"

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_BOM = b"\xef\xbb\xbf"
# How files of other forms begin, what they are, and the end of a name that says so.
_MAGIC = {
    b"PAR1": ("Parquet", ".parquet"),
    b"\x1f\x8b": ("gzipped", ".csv.gz"),
    b"ARROW1": ("an Arrow file", ".arrow"),
    b"PK\x03\x04": ("a zip archive or a spreadsheet", ".zip"),
    b"\x93NUMPY": ("a NumPy array", ".npy"),
}
UNPACK = "unpack it (gunzip), look at it, and read that"
_LONGEST = 1 << 26  # of a field
_EMPTY_LINE = re.compile(rb'("[^"]*")|^\r?\n', re.MULTILINE)  # not within quotes
_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*")
_WHOLE = re.compile(r"\s*[-+]?\d+\s*")
_DECIMAL_COMMA = re.compile(r"\s*[-+]?\d*,\d+([eE][-+]?\d+)?\s*")
_DECIMAL_POINT = re.compile(r"\s*[-+]?\d*\.\d+([eE][-+]?\d+)?\s*")
CUT = "the last line has no end: the file may be cut short"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a table is written."""

    delimiter: str
    decimal: str
    blanks: bool
    """Whether a blank follows each delimiter, and belongs to no field."""
    names: list[str]
    """Of the columns; where the text has none, their numbers."""
    header: bytes
    """The line of names; empty where there is none."""
    notes: list[str]


def dialect(path: Path, delimiter: str) -> Dialect:
    """How the table in `path` is written, by `delimiter` unless another fits.

    Raises ParameterError where there is no telling names from numbers.
    """
    lines = (line for block in blocks(path) for line in block.splitlines())
    header, second = next(lines, b""), next(lines, b"")
    _refuse_no_table(path, header)
    found = _delimiter(header.decode(), delimiter)
    names, data = _fields(header, found), _fields(second, found)
    if not names:
        raise ParameterError(f"Empty CSV file; {NEEDED}")
    notes = [] if found == delimiter else [f"read fields between {_DELIMITERS[found]}"]
    commas = [field for field in (*names, *data) if _DECIMAL_COMMA.fullmatch(field)]
    points = [field for field in data if _DECIMAL_POINT.fullmatch(field)]
    decimal = "," if found != "," and commas and not points else "."
    if decimal == ",":
        notes.append("read commas as decimal marks")
    blanks = _has_blanks(names) and _has_blanks(data)
    if blanks:
        names = [name.strip() for name in names]
        notes.append("left out the blanks after the delimiters")
    if _are_data(names, decimal):
        if any(float(word.replace(decimal, ".")).is_integer() for word in names):
            raise ParameterError(
                f"the first line has numbers and no names ({', '.join(names[:4])}), some of them whole; "
                "needed to know which are steps and ids; add a first line such as step,sample_id,loss"
            )
        notes.append("found no line of names: numbered the columns 0, 1, 2, …")
        return Dialect(
            delimiter=found,
            decimal=decimal,
            blanks=blanks,
            names=[*map(str, range(len(names)))],
            header=b"",
            notes=notes,
        )
    return Dialect(delimiter=found, decimal=decimal, blanks=blanks, names=names, header=header, notes=notes)


def _refuse_no_table(path: Path, first: bytes) -> None:
    """Raise ParameterError where the first line is that of no table, saying of what it is."""
    for magic, (what, suffix) in _MAGIC.items():
        if first.startswith(magic):
            raise ParameterError(
                f"by its first bytes it is {what}; needed a name that says so: mv {quote(path.name)} "
                f"{quote(path.name.removesuffix(path.suffix) + suffix)}"
            )
    try:
        line = first.decode()
    except UnicodeDecodeError as error:
        raise ParameterError(
            f"it is no text in UTF-8 (byte {first[error.start]:#x}); needed that; save it again so: "
            'to_csv(…, encoding="utf-8")'
        ) from error
    if line.startswith("#"):
        raise ParameterError(
            f"the first line is a comment ({line[:40]!r}); needed the names of the columns; "
            f"take comments out: grep -v '^#' {quote(path.name)} > new.csv"
        )
    if len(line.split()) > 1 and not any(sign in line for sign in _DELIMITERS):
        raise ParameterError(
            f"the words of the first line have blanks alone between them ({line[:40]!r}); needed commas, "
            "semicolons, tabs or bars; write it anew: "
            f"pd.read_csv({path.name!r}, sep=r'\\s+').to_csv('new.csv', index=False)"
        )


def blocks(path: Path, note: Callable[[str], None] = lambda said: None) -> Iterator[bytes]:
    """The text as whole lines, none of them empty, many at a time; `note` is told where the end lacks."""
    unfolded, size, said = 0, path.stat().st_size, unfolded_bytes(path)
    with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as binary:
        file = _as_utf8(binary, note)
        text = file.read(len(_BOM)).removeprefix(_BOM)
        while chunk := file.read(BLOCK_BYTES):
            unfolded += len(chunk)
            refuse_unfolded(path, max(unfolded, said), size, UNPACK)
            text += chunk
            end = text.rfind(b"\n") + 1
            if end and (text.count(b'"', 0, end) % 2 == 0 or end > _LONGEST):  # no field goes on after it
                yield _without_empty_lines(text[:end])
                text = text[end:]
            if len(text) > 2 * _LONGEST:
                raise ParameterError(f"a line has more than {len(text) / 1e9:.1f} GB; {NEEDED}")
        if text and not text.endswith((b"\n", b"\r")):
            note(CUT)
        yield _without_empty_lines(text if b"\n" in text else text.replace(b"\r", b"\n"))


def _as_utf8(file: Any, note: Callable[[str], None]) -> Any:
    """The file as UTF-8, also where a spreadsheet wrote it as UTF-16, which its first bytes tell."""
    mark = file.read(2)
    file.seek(0)
    if mark not in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return file
    note("read as UTF-16")
    return codecs.EncodedFile(file, "utf-8", "utf-16")


def _without_empty_lines(text: bytes) -> bytes:
    some = text[:1] in (b"\n", b"\r") or b"\n\n" in text or b"\n\r\n" in text
    return _EMPTY_LINE.sub(rb"\1", text) if some else text


def _delimiter(line: str, usual: str) -> str:
    """The usual one where it is in the line of names, or of others the one that makes most fields."""
    counts = {sign: len(_fields(line.encode(), sign)) for sign in (usual, *_DELIMITERS)}
    if counts[usual] > 1:
        return usual
    return max(counts, key=lambda sign: counts[sign])


def _fields(line: bytes, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line.decode()], delimiter=delimiter), list[str]())
    except csv.Error:  # one very long field: another delimiter's
        return [line.decode()]


def _has_blanks(fields: list[str]) -> bool:
    """Whether every field but the first begins with a blank."""
    return len(fields) > 1 and all(field[:1] == " " for field in fields[1:]) and fields[0][:1] != " "


def _are_data(names: list[str], decimal: str) -> bool:
    """Whether what should be names is numbers; distinct whole ones are ids."""
    words = [name.replace(decimal, ".") for name in names]
    whole = all(map(_WHOLE.fullmatch, words)) and len(set(words)) == len(words)
    return all(map(_NUMBER.fullmatch, words)) and not whole
