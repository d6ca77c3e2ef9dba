"""What losses are in an Arrow IPC file (which Feather is) or stream?"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from rdmtools.foreign.layout import Losses, from_table

_FILE_MAGIC = b"ARROW1"


def read(path: Path, layout: str | None, columns: Mapping[str, str] | None) -> tuple[Losses, list[str]]:
    """The losses in `path`, and what was guessed. Raises what Arrow raises, and ParameterError."""
    return from_table(_table(path), layout, columns)


def _table(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as file:
        magic = file.read(len(_FILE_MAGIC))
        file.seek(0)
        opened = pa.ipc.open_file(file) if magic == _FILE_MAGIC else pa.ipc.open_stream(file)
        with opened as reader:
            table = reader.read_all()
    table.validate(full=True)  # damaged bytes may decode to offsets that point anywhere
    return table
