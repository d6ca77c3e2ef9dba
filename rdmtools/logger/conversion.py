"""How does a journal become ``run.parquet``? Record by record, so that memory does not grow with the run."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdmtools.errors import FormatError
from rdmtools.journal import Kind, Manifest, Record, merge_scalars, read_records
from rdmtools.schema import DRAWS_FILE, SCALARS_FILE, companion
from rdmtools.table import write_draws, write_losses, write_scalars


def about(manifest: Manifest) -> dict[str, Any]:
    """What every table of a run says of itself."""
    return {name: getattr(manifest, name) for name in ("name", "unit", "created", "metadata")}


def write_tables(path: Path, attempt: Path, manifest: Manifest, accepted: Mapping[Kind, int]) -> None:
    """Write the tables of which there are records; the losses last: where they are, the rest is.

    Parameters
    ----------
    path
        The run, ``run.parquet``.
    attempt
        The folder of `manifest` and its segments. It is left as it is.
    accepted
        How many records of each kind there must be.

    Raises
    ------
    FormatError
        Fewer can be read back. Then the table is not written.
    """

    def records(kind: Kind) -> Iterator[Record]:
        found = 0
        for record in read_records(attempt, manifest.row_bytes):
            if record.kind == kind:
                found += 1
                yield record
        if found < accepted[kind]:
            raise FormatError(f"{found} of {accepted[kind]} records of {kind.name.lower()} can be read back")

    def array(record: Record) -> NDArray[Any]:
        return np.frombuffer(record.payload, manifest.values).reshape(-1, len(ids))

    ids, dtype, said = manifest.sample_ids, manifest.dtype, about(manifest)
    if accepted[Kind.SCALARS]:
        write_scalars(companion(path) / SCALARS_FILE, merge_scalars(records(Kind.SCALARS)), about=said)
    if accepted[Kind.DRAWS]:
        draws = ((record.step, array(record)) for record in records(Kind.DRAWS))
        write_draws(companion(path) / DRAWS_FILE, draws, ids, dtype=dtype, about=said)
    if accepted[Kind.LOSSES]:
        losses = ((np.array([record.step]), array(record)) for record in records(Kind.LOSSES))
        write_losses(path, losses, ids, dtype=dtype, about=said)
