"""Which form do losses come in, and who reads it? A row for each form; the name of a file tells.

CSV, JSON lines, Arrow, NumPy, hive folders, Zarr, TensorBoard, training dynamics -> layout -> `Run`, by the
rules of `read_run`

A new form is a module here and a row in `FORMATS`. What it needs beside NumPy and pyarrow it loads on use.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from shlex import quote

from rdmtools.errors import FormatError, reading
from rdmtools.format.names import COMPANION_SUFFIX, JOURNAL_FOLDER, LOSSES_SUFFIX, companion
from rdmtools.format.unfolding import refuse_unfolded
from rdmtools.read.batches import Batches
from rdmtools.read.formats import (
    arrow,
    cartography,
    csv,
    devinterp,
    dialect,
    hive,
    json_lines,
    npy,
    tensorboard,
)
from rdmtools.read.formats.listing import some_paths
from rdmtools.read.formats.told import refuse_told
from rdmtools.read.formats.unfolded import unfolded_bytes
from rdmtools.run.from_table import Losses
from rdmtools.run.rules import Rules
from rdmtools.run.run import Run

GB = 1e9
LARGE_BYTES = 1 << 29  # read at once, text takes some three times its size of memory

Columns = Mapping[str, str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A form that losses come in."""

    name: str
    """What it is called where the forms are listed, unless its suffixes are."""
    suffixes: tuple[str, ...] = ()
    """Of its files; what is left of a name without them is the run's."""
    claims: Callable[[Path], bool] | None = None
    """Whether a path is of this form where no suffix tells, such as a folder; it may not be there."""
    read: Callable[[Path, str | None, Columns], tuple[Losses, list[str]]]
    """(path, layout, columns) -> losses, and what was guessed or left out."""
    batches: Callable[[Path, str | None, Columns], Batches | None] | None = None
    """The same of a long table that is too large for memory; None where the table is wide."""
    files: Callable[[Path], Iterable[Path]] | None = None
    """Those in a folder that losses are read from; where it is not given, all in it."""
    within: bool = False
    """Whether it is read from the folder around it, too, where nothing else is there to read."""

    def fits(self, path: Path) -> bool:
        """Whether losses at `path` are of this form."""
        if self.claims is not None:
            return self.claims(path)
        return path.name.endswith(self.suffixes) and not path.is_dir()

    def files_in(self, folder: Path) -> Iterable[Path]:
        """Those whose sizes say how large the losses are."""
        return folder.glob("*") if self.files is None else self.files(folder)


# Those that ask for more than a suffix come last, and are asked first.
FORMATS = (
    Format(name="CSV", suffixes=(".csv", ".csv.gz"), read=csv.read, batches=csv.batches),
    Format(
        name="TSV",
        suffixes=(".tsv", ".tsv.gz"),
        read=partial(csv.read, delimiter="\t"),
        batches=partial(csv.batches, delimiter="\t"),
    ),
    Format(
        name="JSON lines",
        suffixes=(".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz"),
        read=json_lines.read,
        batches=json_lines.batches,
    ),
    Format(name="NumPy", suffixes=(".npy", ".npz"), read=npy.read),
    Format(name="Arrow", suffixes=(".arrow", ".feather"), read=arrow.read, batches=arrow.batches),
    Format(
        name="a folder of folders step=0, step=10 and so on",
        claims=hive.is_partitioned,
        read=hive.read,
        files=lambda _: (),  # it looks itself: what matters is what they unfold to
    ),
    Format(
        name="Zarr of devinterp",
        suffixes=(".zarr",),
        claims=devinterp.is_store,
        read=devinterp.read,
        files=lambda _: (),  # it looks itself: the losses are smaller by the number of tokens
        within=True,
    ),
    Format(
        name="a TensorBoard log",
        claims=tensorboard.is_log,
        read=tensorboard.read,
        files=tensorboard.event_files,
        within=True,
    ),
    Format(
        name="a folder of dynamics_epoch_0.jsonl and so on",
        claims=cartography.is_dynamics,
        read=cartography.read,
        files=cartography.files,
    ),
)


def suffixes() -> tuple[str, ...]:
    """Of files in any form but ours."""
    return tuple(suffix for row in FORMATS for suffix in row.suffixes)


def format_of(path: Path) -> Format | None:
    """The form of the losses at `path`, there or not; None for ours, and where nothing tells."""
    if path.is_dir() and any(path.glob("*" + LOSSES_SUFFIX)):
        return None
    found = _own(path)
    return _around(path) if found is None and path.is_dir() else found


def _own(path: Path) -> Format | None:
    return next((row for row in reversed(FORMATS) if row.fits(path)), None)


def _around(folder: Path) -> Format | None:
    """The form of the one thing to read in `folder`, if it is one that is read from around it."""
    if (companion(folder) / JOURNAL_FOLDER).is_dir() or len(found := inside(folder)) != 1:
        return None
    (path,) = found
    row = _own(path)
    if row is None or not row.within:
        return None
    return replace(row, read=partial(_read_within, row, path), files=lambda folder: row.files_in(path))


def _read_within(
    row: Format, path: Path, around: Path, layout: str | None, columns: Columns
) -> tuple[Losses, list[str]]:
    losses, notes = row.read(path, layout, columns)
    return losses, [f"read {path.name}, which lies in it", *notes]


def inside(folder: Path) -> dict[Path, str]:
    """What there is to read in `folder`, and what it is; of many entries some."""
    paths = [path for path in some_paths(folder) if path.name[0] not in "._"]
    paths = [path for path in paths if path.suffix != COMPANION_SUFFIX]
    found = {path: row.name for path in paths if (row := _own(path)) is not None}
    parts = [path for path in paths if path.is_dir() and any(path.glob("*" + LOSSES_SUFFIX))]
    return found | dict.fromkeys(parts, "Parquet files")


def refuse_large(path: Path) -> None:
    """Raise FormatError where `path` holds more than is read without being converted first."""
    size = _size_of(path)
    if path.is_file():
        refuse_unfolded(path, size, path.stat().st_size, dialect.UNPACK)
    if size > LARGE_BYTES:
        raise FormatError(
            f"{path} has {size / GB:.1f} GB; needed at most {LARGE_BYTES / GB:.1f} GB of this form; "
            f"convert it first (rdmtools convert {quote(str(path))})"
        )


def read(path: Path, layout: str | None, rules: Rules) -> tuple[Run, list[str]]:
    """The run that is in `path`, and what was guessed or left out. Raises FormatError."""
    with reading(path):
        losses, notes = _known(path).read(path, layout, rules.columns)
        return Run.of(losses, rules), notes


def open_large(path: Path, layout: str | None, columns: Columns) -> Batches | None:
    """The long table in a file that is better not in memory at once; None where it may be, or is none."""
    found = format_of(path)
    if found is None or found.batches is None or _size_of(path) <= LARGE_BYTES:
        return None
    return found.batches(path, layout, columns)


def _known(path: Path) -> Format:
    found = format_of(path)
    if found is not None and path.exists():
        return found
    if path.exists():
        refuse_told(path)
    *names, last = [row.name for row in FORMATS if not row.suffixes]
    needed = f"needed losses as {', '.join((*suffixes(), LOSSES_SUFFIX, *names))}, or {last}"
    if not path.exists():
        raise FormatError(f"no file {path}; {needed}; check the path")
    raise FormatError(f"{path} has a name that does not tell its form; {needed}; rename it")


def _size_of(path: Path) -> int:
    """Bytes that the losses at `path` take: on disk, or of what is compressed, what they unfold to."""
    if path.is_file():
        return unfolded_bytes(path)
    found = format_of(path)
    return sum(file.stat().st_size for file in (path.glob("*") if found is None else found.files_in(path)))
