"""What a journal holds, read as everything reads it, and one as a crash leaves it, for tests of both."""

import json
from itertools import chain
from types import SimpleNamespace

import numpy as np

from rdmtools.errors import FormatError
from rdmtools.format.records import Kind, Manifest, record_header, segment_file, write_manifest
from rdmtools.journal import extras, supersede
from rdmtools.journal.attempts import read_attempts, together


def read_journal(folder):
    """All starts under ``run.rdm/journal/`` as one, nothing superseded."""
    starts = together(read_attempts(folder))
    each = list(chain(*starts))
    if not each:
        raise FormatError(f"no manifest under {folder}")
    joined = supersede.losses(starts)
    rows = [start.read(0, len(start.steps)) for start in joined if len(start.steps)]
    return SimpleNamespace(
        steps=np.concatenate([np.empty(0, np.int64), *(start.steps for start in joined)]),
        losses=np.concatenate(rows) if rows else np.empty((0, len(joined[0].ids) if joined else 0)),
        sample_ids=each[0].manifest.sample_ids,
        scalars=[row for start in starts for row in extras.scalars(start)],
        draws=[(drawn.step, drawn.read()) for start in starts for drawn in extras.draws(start)[0]],
        manifest=each[-1].manifest,
        ended=max(attempt.shard.ended for attempt in each),
        bytes_left=sum(attempt.bytes_left for attempt in each),
    )


def write_journal(path, steps, losses, ids=None, scalars=(), draws=(), tail=b""):
    """What a killed logger leaves."""
    folder = path.with_suffix(".rdm") / "journal" / "rank0-attempt0"
    folder.mkdir(parents=True)
    samples = losses.shape[1] if ids is None else list(ids)
    write_manifest(
        folder,
        Manifest(
            name="run",
            unit="bits",
            dtype="float32",
            samples=samples,
            metadata={"lr": 2},
            created="2026-01-01",
        ),
    )
    rows = [(step, row.tobytes()) for step, row in zip(steps, losses, strict=True)]
    named = [(step, json.dumps(values).encode()) for step, values in scalars]
    drawn = [(step, values.tobytes()) for step, values in draws]
    for kind, payloads in ((Kind.LOSSES, rows), (Kind.SCALARS, named), (Kind.DRAWS, drawn)):
        records = [record_header(kind, int(step), 0.0, payload) + payload for step, payload in payloads]
        (folder / segment_file(kind, 0)).write_bytes(
            b"".join(records) + (tail if kind is Kind.LOSSES else b"")
        )
