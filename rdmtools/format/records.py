"""How does a logged row survive a kill? As a record in the journal, which reads as it is.

    run.rdm/journal/rank0-attempt0/   one folder per process and start of the training, made exclusively
      manifest.json                   what the records hold: ids, dtype, metadata; on disk before any of them
      losses-000000.rdj               a segment: records, one after the other, each in one write
      losses-000001.rdj               the next one; a segment that is large or old is followed by another
      losses-000000.parquet           a part: the rows of a segment that was sealed, instead of it
      scalars-000000.rdj              and so on, a segment for each kind
      samples.parquet                 what else is known of the samples

A record is a little-endian header of 32 bytes and its payload:

    magic "RDJ1" | kind u32 | bytes u32 | step i64 | time f64 | CRC-32 of all that and of the payload u32

    losses    (samples,) values in the manifest's dtype
    draws     (draws, samples) values in the manifest's dtype
    scalars   a JSON object, name -> number

A reader stops at the first record that is cut or does not match its CRC, and says how many bytes it left.
Standard library and NumPy only.
"""

import json
import os
import re
import struct
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from glob import glob
from pathlib import Path
from typing import IO, Any, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

import rdmtools
from rdmtools.errors import FormatError, one_line
from rdmtools.format.names import FORMAT_VERSION, Named
from rdmtools.format.trusted import Tell, from_json, manifest_fields

MANIFEST_FILE = "manifest.json"
_ATTEMPT = re.compile(r"rank([0-9]+)-attempt([0-9]+)")
_SEGMENT = re.compile(r"(losses|scalars|draws)-([0-9]{6,})\.rdj")
_PART = re.compile(r"(losses)-([0-9]{6,})\.parquet")

_MAGIC = b"RDJ1"
_FIELDS = struct.Struct("<4sIIqd")
_CRC_BYTES = 4
HEADER_BYTES = _FIELDS.size + _CRC_BYTES


class Kind(IntEnum):
    """What a record holds; the numbers are the file's."""

    LOSSES = 1
    SCALARS = 2
    DRAWS = 3

    # Each call looks up a few; the enumeration's own hash, of the name, would be a function of Python's.
    __hash__ = int.__hash__

    @property
    def word(self) -> str:
        """As files and messages call it."""
        return self.name.lower()


class Record(NamedTuple):
    """One valid record; `time` is in seconds since the epoch."""

    step: int
    time: float
    payload: bytes
    offset: int
    """Of the payload in the segment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What every record of one folder shares. `samples` is None until the first losses."""

    name: str
    unit: str | None  # of the losses, None where nobody said
    dtype: str  # "float32" or "float64"
    samples: int | list[int] | list[str] | None  # a count stands for the ids 0 ... n-1
    metadata: dict[str, Any]
    created: str  # ISO 8601, UTC
    rank: int = 0
    world_size: int = 1
    # Attempts of other ranks that were open when it began.
    beside: list[str] = field(default_factory=list[str])
    segments: str | None = None  # the folder of the segments, where that is not the manifest's
    host: str = ""  # the machine that has that folder
    accepted: dict[str, int] | None = None  # records by kind, once the logger was closed
    closed: float | None = None  # when that was, in seconds since the epoch
    refused: dict[str, int] = field(default_factory=dict[str, int])  # calls, by reason

    @property
    def sample_ids(self) -> NDArray[Any]:
        """Ids of the samples, (samples,): int64, or object holding str."""
        if not isinstance(self.samples, list):
            return np.arange(self.samples or 0, dtype=np.int64)
        return np.array(self.samples, dtype=object if isinstance(self.samples[0], str) else np.int64)

    @property
    def count(self) -> int:
        """How many samples there are; 0 while that is not known."""
        return len(self.samples) if isinstance(self.samples, list) else self.samples or 0

    @property
    def values(self) -> np.dtype[Any]:
        """Type of the losses as they lie in a record."""
        return np.dtype(self.dtype).newbyteorder("<")

    @property
    def row_bytes(self) -> int:
        """Bytes of one row of losses; 0 while the samples are not known."""
        return self.count * self.values.itemsize


def record_header(kind: Kind, step: int, time: float, payload: bytes | memoryview) -> bytes:
    """Header of a record, `HEADER_BYTES` long, to be written in front of `payload` (a flat view of bytes)."""
    head = _FIELDS.pack(_MAGIC, kind, len(payload), step, time)
    return head + crc32(payload, crc32(head)).to_bytes(_CRC_BYTES, "little")


def read_records(
    segment: Path, kind: Kind, row_bytes: int, after: int | None = None, start: int = 0
) -> Iterator[Record]:
    """Valid records of one segment, oldest first; what follows a bad one is left.

    A step that does not rise (of scalars: that falls) is as bad, also from that `after` which they begin.
    The first of them begins at byte `start`.
    """
    with segment.open("rb") as file:
        size, offset = os.fstat(file.fileno()).st_size, start + HEADER_BYTES
        file.seek(start)
        while len(header := file.read(HEADER_BYTES)) == HEADER_BYTES:
            magic, found, length, step, time = _FIELDS.unpack_from(header)
            if magic != _MAGIC or found != kind or length > size - offset:
                return
            payload = file.read(length)
            crc = crc32(payload, crc32(header[: _FIELDS.size]))
            if header[_FIELDS.size :] != crc.to_bytes(_CRC_BYTES, "little"):
                return
            if kind == Kind.LOSSES and length != row_bytes:
                return
            if kind == Kind.DRAWS and (not length or not row_bytes or length % row_bytes):
                return
            if after is not None and (step < after or (step == after and kind != Kind.SCALARS)):
                return
            after = step
            yield Record(step, time, payload, offset)
            offset += length + HEADER_BYTES


def segment_file(kind: Kind, number: int) -> str:
    """Name of a segment."""
    return f"{kind.word}-{number:06d}.rdj"


def part_file(number: int) -> str:
    """Name of the part that a segment of losses becomes."""
    return f"{Kind.LOSSES.word}-{number:06d}.parquet"


def is_segment(name: str) -> bool:
    """Whether a segment of any kind may be called so."""
    return _SEGMENT.fullmatch(name) is not None


def is_part(name: str) -> bool:
    """Whether a part may be called so."""
    return _PART.fullmatch(name) is not None


def segments(folder: Path, kind: Kind) -> dict[int, Path]:
    """Segments of one kind in a folder, by number, oldest first."""
    return _numbered(folder, f"{kind.word}-*.rdj", _SEGMENT)


def parts(folder: Path) -> dict[int, Path]:
    """Parts in a folder, by number, oldest first."""
    return _numbered(folder, f"{Kind.LOSSES.word}-*.parquet", _PART)


def listed(folder: Path, pattern: str) -> list[Path]:
    """What matches `pattern` in `folder`; nothing where the folder vanishes meanwhile, as a live one may."""
    return [folder / name for name in glob(pattern, root_dir=folder)]


def _numbered(folder: Path, pattern: str, names: re.Pattern[str]) -> dict[int, Path]:
    found = ((names.fullmatch(path.name), path) for path in listed(folder, pattern))
    # Files alone: to open a pipe would wait for ever.
    return dict(sorted((int(name[2]), path) for name, path in found if name and path.is_file()))


def is_attempt(name: str) -> bool:
    """Whether the folder of an attempt may be called so."""
    return _ATTEMPT.fullmatch(name) is not None


def attempt_name(number: int, rank: int = 0) -> str:
    """Folder of one start of the training, counted from 0, in one process of it."""
    return f"rank{rank}-attempt{number}"


def attempt_folders(folder: Path) -> dict[tuple[int, int], Path]:
    """Folders under `folder` (``run.rdm/journal/``) that have a manifest, by number and rank.

    Raises FormatError where a folder is named as none that this release writes.
    """
    found: dict[tuple[int, int], Path] = {}
    for path in listed(folder, f"*/{MANIFEST_FILE}"):
        if (name := _ATTEMPT.fullmatch(path.parent.name)) is None:
            raise FormatError(
                f"{path.parent} is no attempt that this release reads; needed {attempt_name(0)} and so on; "
                "read it with the rdmtools that wrote it, or move it away"
            )
        found[int(name[2]), int(name[1])] = path.parent
    return dict(sorted(found.items()))


def next_attempt(folder: Path, rank: int) -> Path:
    """Folder of the attempt after all those of `rank` under `folder`."""
    names = (_ATTEMPT.fullmatch(path.name) for path in listed(folder, "*"))
    taken = [int(name[2]) for name in names if name and int(name[1]) == rank]
    return folder / attempt_name(max(taken, default=-1) + 1, rank)


def identity(folder: Path, manifest: Manifest) -> str:
    """What tells an attempt from any other of the run: numbers begin again once a journal is merged."""
    return f"{folder.name} {manifest.created}"


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write ``manifest.json``, whole and on disk before this returns."""
    with replacing(folder / MANIFEST_FILE) as file:
        file.write(json.dumps(versioned(asdict(manifest))).encode())


def read_manifest(folder: Path, tell: Tell = lambda _: None) -> Manifest:
    """The manifest in one attempt's folder, each of its values checked; what had to be mended is told.

    Raises FormatError where it cannot be read.
    """
    path = folder / MANIFEST_FILE
    try:
        if not path.is_file():  # a pipe, maybe, of which one would wait for ever
            raise OSError("no file")
        found = from_json(path.read_bytes())
        check_version(found, path)
        return Manifest(**manifest_fields(found, lambda told: tell(f"{path}: {told}")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FormatError(
            f"{path} is no manifest of a ProbeLogger ({one_line(repr(error))}); restore or delete it"
        ) from error


def versioned(content: dict[str, Any]) -> dict[str, Any]:
    """`content` with the format's version and that of its writer, as our JSON carries them."""
    return {"format": FORMAT_VERSION, "writer": rdmtools.__version__, **content}


def check_version(found: dict[str, Any], path: Named) -> None:
    """Raise FormatError where `found`, the JSON in `path`, has a newer major format version than ours."""
    version = one_line(str(found["format"]))[:40]
    writer = one_line(str(found.get("writer", "of that format")))[:40]
    if int(version.split(".")[0]) > int(FORMAT_VERSION.split(".")[0]):
        raise FormatError(
            f"{path} has format {version}, this release reads up to {FORMAT_VERSION}; "
            f"read it with rdmtools {writer} or later"
        )


@contextmanager
def replacing(path: Path) -> Generator[IO[bytes]]:
    """A file that becomes `path` when the block ends, whole and on disk, or not at all.

    `path` is what the user named as a run, or of a name of ours in its companion: it alone is replaced, a
    link as a link. Until then it lies beside it under a name that is ours, with ``.tmp``. What a kill left
    of that name is removed, a link as a link; it is made anew, exclusively, so that nothing is ever written
    through a link.
    """
    temporary = path.with_name(path.name + ".tmp")
    temporary.unlink(missing_ok=True)
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Put the names in `folder` on disk, where the system can open a folder (Windows cannot)."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
