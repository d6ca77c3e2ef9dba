"""How does a logged row survive a kill? As a record in the journal, which reads as it is.

    run.rdm/journal/rank0-attempt0/   one folder per process and start of the training, made exclusively
      manifest.json                   what the records hold: ids, dtype, metadata; on disk before any of them
      segment-000000.rdj              the records, one after the other, each in one write

A record is a little-endian header of 32 bytes and its payload:

    magic "RDJ1" | kind u32 | bytes u32 | step i64 | time f64 | CRC-32 of all that and of the payload u32

    losses    (samples,) values in the manifest's dtype
    draws     (draws, samples) values in the manifest's dtype
    scalars   a JSON object, name -> number

A reader stops at the first record that is cut or does not match its CRC, and says how many bytes it left.
Kinds that it does not know (a later minor version) it passes over. Standard library and NumPy only.
"""

import json
import os
import re
import struct
import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from enum import IntEnum
from functools import reduce
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import rdmtools
from rdmtools.errors import ChangedError, FormatError
from rdmtools.schema import FORMAT_VERSION, STEP

MANIFEST_FILE = "manifest.json"
_ATTEMPT = re.compile(r"rank0-attempt(\d+)")
SEGMENT_FILE = "segment-000000.rdj"

_MAGIC = b"RDJ1"
_FIELDS = struct.Struct("<4sIIqd")
_CRC = struct.Struct("<I")
HEADER_BYTES = _FIELDS.size + _CRC.size


class Kind(IntEnum):
    """What a record holds; the numbers are the file's."""

    LOSSES = 1
    SCALARS = 2
    DRAWS = 3


class Record(NamedTuple):
    """One valid record; `time` is in seconds since the epoch."""

    kind: int
    step: int
    time: float
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What every record of one folder shares. `samples` is None until the first losses."""

    name: str
    unit: str
    dtype: str  # "float32" or "float64"
    samples: int | list[int] | list[str] | None  # a count stands for the ids 0 ... n-1
    metadata: dict[str, Any]
    created: str  # ISO 8601, UTC

    @property
    def sample_ids(self) -> NDArray[Any]:
        """Ids of the samples, (samples,): int64, or object holding str."""
        if not isinstance(self.samples, list):
            return np.arange(self.samples or 0, dtype=np.int64)
        return np.array(self.samples, dtype=object if isinstance(self.samples[0], str) else np.int64)

    @property
    def values(self) -> np.dtype[Any]:
        """Type of the losses as they lie in a record."""
        return np.dtype(self.dtype).newbyteorder("<")

    @property
    def row_bytes(self) -> int:
        """Bytes of one row of losses; 0 while the samples are not known."""
        samples = len(self.samples) if isinstance(self.samples, list) else self.samples or 0
        return samples * self.values.itemsize


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """Everything valid under one ``run.rdm/journal/`` folder, in the order written."""

    steps: NDArray[np.int64]  # (rows,)
    times: NDArray[np.float64]  # (rows,) seconds since the epoch
    losses: NDArray[Any]  # (rows, samples) in the manifest's dtype
    sample_ids: NDArray[Any]  # (samples,) int64, or object holding str
    scalars: list[dict[str, float]]  # one per step that has any, "step" (int) among the keys
    draws: list[tuple[int, NDArray[Any]]]  # (step, (draws, samples))
    name: str
    unit: str
    metadata: dict[str, Any]
    created: str
    bytes_left: int  # after the first bad record, over all segments; 0 is clean


def record_header(kind: Kind, step: int, time: float, payload: bytes | memoryview) -> bytes:
    """Header of a record, `HEADER_BYTES` long, to be written in front of `payload` (a flat view of bytes)."""
    head = _FIELDS.pack(_MAGIC, kind, len(payload), step, time)
    return head + _CRC.pack(zlib.crc32(payload, zlib.crc32(head)))


def read_records(folder: Path, row_bytes: int) -> Iterator[Record]:
    """Valid records of one attempt's folder, oldest first; what follows a bad one in its segment is left."""
    for segment in segments(folder):
        with segment.open("rb") as file:
            left = os.fstat(file.fileno()).st_size
            while (record := _next_record(file, left, row_bytes)) is not None:
                left -= HEADER_BYTES + len(record.payload)
                yield record


def unread_bytes(folder: Path, row_bytes: int) -> int:
    """Bytes of one attempt's segments from their first bad records on; 0 is clean."""
    valid = sum(HEADER_BYTES + len(record.payload) for record in read_records(folder, row_bytes))
    return sum(path.stat().st_size for path in segments(folder)) - valid


def _next_record(file: IO[bytes], left: int, row_bytes: int) -> Record | None:
    header = file.read(HEADER_BYTES)  # at once: a live logger may go on between two reads
    if len(header) < HEADER_BYTES:
        return None
    head, crc = header[: _FIELDS.size], header[_FIELDS.size :]
    magic, kind, length, step, time = _FIELDS.unpack(head)
    if magic != _MAGIC or length > left - HEADER_BYTES:
        return None
    payload = file.read(length)
    if _CRC.unpack(crc)[0] != zlib.crc32(payload, zlib.crc32(head)):
        return None
    if kind == Kind.LOSSES and length != row_bytes:
        return None
    if kind == Kind.DRAWS and (not row_bytes or length % row_bytes):
        return None
    return Record(kind, step, time, payload)


def segments(folder: Path) -> list[Path]:
    """Segments of one attempt's folder, oldest first."""
    return sorted(folder.glob("segment-*.rdj"))


def merge_scalars(records: Iterable[Record]) -> list[dict[str, float]]:
    """One dict per step, with its step: records of the same step, which follow each other, are one."""
    rows: list[dict[str, float]] = []
    for record in records:
        if not rows or rows[-1][STEP] != record.step:
            rows.append({STEP: record.step})
        rows[-1].update(json.loads(record.payload))
    return rows


def attempt_name(number: int) -> str:
    """Folder of one start of the training, counted from 0."""
    return f"rank0-attempt{number}"


def attempt_folders(folder: Path) -> list[Path]:
    """Folders of the attempts under `folder` (``run.rdm/journal/``) that have a manifest, in their order.

    Raises FormatError where a folder is named as none that this release writes.
    """
    numbered: dict[int, Path] = {}
    for path in folder.glob(f"*/{MANIFEST_FILE}"):
        if (name := _ATTEMPT.fullmatch(path.parent.name)) is None:
            raise FormatError(
                f"{path.parent} is no attempt that this release reads; needed {attempt_name(0)} and so on; "
                "read it with the rdmtools that wrote it, or move it away"
            )
        numbered[int(name[1])] = path.parent
    return [numbered[number] for number in sorted(numbered)]


def next_attempt(folder: Path) -> Path:
    """Folder of the attempt after all those under `folder`."""
    taken = [int(name[1]) for path in folder.glob("*") if (name := _ATTEMPT.fullmatch(path.name))]
    return folder / attempt_name(max(taken, default=-1) + 1)


def read_journal(folder: Path) -> Journal:
    """Everything valid under `folder` (``run.rdm/journal/``), left by a crash or still being written.

    Attempts follow one another as they were started; rows that a later one supersedes are still there.
    Raises FormatError where no manifest can be read, a later release wrote it, or samples differ.
    """
    found = attempt_folders(folder)
    if not found:
        raise FormatError(f"no {MANIFEST_FILE} under {folder}; needed a journal left by a ProbeLogger")
    try:
        journals = [_read_attempt(attempt, read_manifest(attempt)) for attempt in found]
    except FileNotFoundError as error:  # its logger closed meanwhile
        raise ChangedError(f"{error.filename} vanished while it was read; read the run again") from error
    return reduce(_followed_by, journals)


def _followed_by(first: Journal, then: Journal) -> Journal:
    """Both attempts as one journal, with the samples in the order of the first."""
    metadata, left = first.metadata | then.metadata, first.bytes_left + then.bytes_left
    if not len(then.sample_ids):
        return replace(first, metadata=metadata, bytes_left=left)
    if not len(first.sample_ids):
        return replace(then, metadata=metadata, bytes_left=left, created=first.created)
    place = same_samples(first.sample_ids, then.sample_ids)
    return Journal(
        steps=np.concatenate([first.steps, then.steps]),
        times=np.concatenate([first.times, then.times]),
        losses=np.concatenate([first.losses, then.losses[:, place]]),
        sample_ids=first.sample_ids,
        scalars=first.scalars + then.scalars,
        draws=first.draws + [(step, losses[:, place]) for step, losses in then.draws],
        name=first.name,
        unit=then.unit,
        metadata=metadata,
        created=first.created,
        bytes_left=left,
    )


def same_samples(ids: NDArray[Any], others: NDArray[Any]) -> NDArray[np.intp]:
    """Where each of `ids` stands among `others`. Raises FormatError where they are not the same samples."""
    place = {sample: index for index, sample in enumerate(others.tolist())}
    wanted = ids.tolist()
    if len(place) != len(wanted) or any(sample not in place for sample in wanted):
        raise FormatError(
            f"attempts have {len(wanted)} and {len(place)} samples, not the same; needed one probe set"
        )
    return np.array([place[sample] for sample in wanted], np.intp)


def _read_attempt(attempt: Path, manifest: Manifest) -> Journal:
    ids, row_bytes = manifest.sample_ids, manifest.row_bytes
    size = sum(path.stat().st_size for path in segments(attempt))
    # An upper bound, filled in place: rows are never held twice, and pages never touched cost nothing.
    most = size // (HEADER_BYTES + row_bytes) if row_bytes else 0
    losses = np.empty((most, len(ids)), manifest.values)
    steps, times = np.empty(most, np.int64), np.empty(most, np.float64)
    scalars: list[Record] = []
    draws: list[tuple[int, NDArray[Any]]] = []
    rows = valid = 0
    for record in read_records(attempt, row_bytes):
        valid += HEADER_BYTES + len(record.payload)
        if valid > size:  # a live logger went on after the size was taken
            break
        if record.kind == Kind.LOSSES:
            steps[rows], times[rows] = record.step, record.time
            losses[rows] = np.frombuffer(record.payload, manifest.values)
            rows += 1
        elif record.kind == Kind.SCALARS:
            scalars.append(record)
        elif record.kind == Kind.DRAWS:
            draws.append((record.step, np.frombuffer(record.payload, manifest.values).reshape(-1, len(ids))))
    return Journal(
        steps=steps[:rows],
        times=times[:rows],
        losses=losses[:rows],
        sample_ids=ids,
        scalars=merge_scalars(scalars),
        draws=draws,
        name=manifest.name,
        unit=manifest.unit,
        metadata=manifest.metadata,
        created=manifest.created,
        bytes_left=max(0, size - valid),
    )


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write ``manifest.json``, whole and on disk before this returns."""
    with replacing(folder / MANIFEST_FILE) as file:
        file.write(json.dumps(versioned(asdict(manifest))).encode())


def read_manifest(folder: Path) -> Manifest:
    """The manifest in one attempt's folder. Raises FormatError where it cannot be read."""
    path = folder / MANIFEST_FILE
    try:
        found = json.loads(path.read_bytes())
        check_version(found, path)
        return Manifest(**{field.name: found[field.name] for field in fields(Manifest)})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FormatError(
            f"{path} is no manifest of a ProbeLogger ({error!r}); restore or delete it"
        ) from error


def versioned(content: dict[str, Any]) -> dict[str, Any]:
    """`content` with the format's version and that of its writer, as our JSON carries them."""
    return {"format": FORMAT_VERSION, "writer": rdmtools.__version__, **content}


def check_version(found: dict[str, Any], path: Path) -> None:
    """Raise FormatError where `found`, the JSON in `path`, has a newer major format version than ours."""
    if int(str(found["format"]).split(".")[0]) > int(FORMAT_VERSION.split(".")[0]):
        raise FormatError(
            f"{path} has format {found['format']}, this release reads up to {FORMAT_VERSION}; "
            f"read it with rdmtools {found.get('writer', 'of that format')} or later"
        )


@contextmanager
def replacing(path: Path) -> Generator[IO[bytes]]:
    """A file that becomes `path` when the block ends, whole and on disk, or not at all."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        with temporary.open("wb") as file:
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
