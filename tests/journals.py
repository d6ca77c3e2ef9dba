"""What a journal holds, read as everything reads it, for tests of those who write and read it."""

from itertools import chain
from types import SimpleNamespace

import numpy as np

from rdmtools.errors import FormatError
from rdmtools.starts import beside, losses
from rdmtools.starts.attempts import read_attempts, together


def read_journal(folder):
    """All starts under ``run.rdm/journal/`` as one, nothing superseded."""
    starts = together(read_attempts(folder))
    each = list(chain(*starts))
    if not each:
        raise FormatError(f"no manifest under {folder}")
    joined = losses.losses(starts)
    rows = [start.read(0, len(start.steps)) for start in joined if len(start.steps)]
    return SimpleNamespace(
        steps=np.concatenate([np.empty(0, np.int64), *(start.steps for start in joined)]),
        losses=np.concatenate(rows) if rows else np.empty((0, len(joined[0].ids) if joined else 0)),
        sample_ids=each[0].manifest.sample_ids,
        scalars=[row for start in starts for row in beside.scalars(start)],
        draws=[(drawn.step, drawn.read()) for start in starts for drawn in beside.draws(start)[0]],
        manifest=each[-1].manifest,
        ended=max(attempt.shard.ended for attempt in each),
        bytes_left=sum(attempt.bytes_left for attempt in each),
    )
