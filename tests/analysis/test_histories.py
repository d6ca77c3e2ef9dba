"""Block means: those of the rows, whoever reads them, and never more of them than can be kept."""

import numpy as np
import pytest
from helpers.walks import walk

import rdmtools as rdm
from rdmtools.analysis import histories as module
from rdmtools.analysis import spans
from rdmtools.analysis.histories import histories, histories_of, rows_per_block
from rdmtools.run.losses import ShardedLosses, StoredLosses


def of_spans(run, *, apart):
    settings = rdm.AnalysisSettings(windows=(7,))
    cut = [*spans.spans(run.stored, run.steps, settings, apart=apart)]
    blocks = spans.joined([spans.span_values(span) for span in cut]).blocks
    return len(cut), histories(blocks, run.steps)


def same(found, expected):
    for name in ("steps", "edges", "losses", "first", "last"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


@pytest.mark.parametrize("rows", [1, 5, 33, 100, 1024])
def test_short_runs_keep_every_row(rows):
    losses = np.random.default_rng(rows).random((rows, 3))
    found = histories_of(losses, 10 * np.arange(rows))
    np.testing.assert_array_equal(found.losses, losses)
    np.testing.assert_array_equal(found.steps, 10 * np.arange(rows))
    np.testing.assert_array_equal([found.first, found.last], losses[[0, -1]])
    assert found.block_rows == 1


@pytest.mark.parametrize("most", [3, 40, 700])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_blocks_are_means_of_their_rows(monkeypatch, most, dtype):
    monkeypatch.setattr(module, "MOST_BLOCKS", most)
    losses = np.random.default_rng(0).random((1777, 5)).astype(dtype)
    found = histories_of(losses, np.arange(1777))
    assert len(found.losses) <= most < 2 * len(found.losses) + 2
    for block, (start, stop) in enumerate(zip(found.edges[:-1], found.edges[1:], strict=True)):
        np.testing.assert_allclose(
            found.losses[block], losses[start:stop].mean(axis=0, dtype=float), rtol=1e-14
        )
        assert found.steps[block] == stop - 1


@pytest.mark.parametrize("most", [15, 60, 1024])
def test_spans_and_shards_give_the_same_bits(monkeypatch, most):
    monkeypatch.setattr(module, "MOST_BLOCKS", most)
    monkeypatch.setattr(spans, "_SHORTEST_SPAN", 1)
    monkeypatch.setattr(spans, "tile_rows", lambda samples: 48)
    monkeypatch.setattr(spans, "BLOCK_BYTES", 1 << 12)
    run = walk(911, 7)
    expected = histories_of(run.losses, run.steps)
    cuts, found = of_spans(run, apart=True)
    same(found, expected)
    assert cuts > 1
    places = [np.array([0, 3, 4]), np.array([1, 2, 5, 6])]
    run.stored = ShardedLosses(
        shards=[StoredLosses.of(run.losses[:, place].copy()) for place in places], places=places
    )
    for apart in (False, True):
        same(of_spans(run, apart=apart)[1], expected)


def test_very_many_samples_have_fewer_blocks():
    assert rows_per_block(1024, 4096) == 1
    assert rows_per_block(1025, 4096) == 2
    assert rows_per_block(4000, 4096) == 4
    assert rows_per_block(1_000_000, 64) == 1024
    assert 4000 / rows_per_block(4000, 10_000_000) <= 64


def test_a_prefix_has_the_same_blocks_where_they_are_as_long():
    losses = np.random.default_rng(0).random((4000, 3))
    whole, prefix = (histories_of(losses[:rows], np.arange(rows)) for rows in (4000, 3001))
    count = 3001 // 4
    np.testing.assert_array_equal(whole.losses[:count], prefix.losses[:count])
