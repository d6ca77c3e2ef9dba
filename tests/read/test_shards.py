"""A probe set that lies in several files: analysed shard by shard, as if it were one."""

import numpy as np
import pandas as pd
import pytest

import rdmtools as rdm
from rdmtools.analysis.spans import spans

ROWS = 300


def walk(samples, dtype=np.float32, seed=0):
    rng = np.random.default_rng(seed)
    losses = 2 + 0.01 * rng.standard_normal((ROWS, samples))
    losses[180:] += np.cumsum(0.05 * rng.standard_normal((ROWS - 180, samples)), axis=0)
    return losses.astype(dtype)


def write(folder, name, losses, ids, steps=None, group=64):
    """One part in canonical order, with row groups of `group` steps."""
    steps = 10 * np.arange(len(losses)) if steps is None else steps
    frame = pd.DataFrame(
        {
            "step": np.repeat(steps, len(ids)),
            "sample_id": np.tile(ids, len(steps)),
            "loss": losses.ravel(),
        }
    )
    folder.mkdir(exist_ok=True)
    frame.to_parquet(folder / f"{name}.parquet", row_group_size=group * len(ids), index=False)


@pytest.fixture
def sharded(tmp_path):
    """Losses of 23 samples, in three shards whose ids interleave; the second in two parts."""
    losses = walk(23)
    ids = np.random.default_rng(1).permutation(23)
    first, second, third = ids[:5], ids[5:17], ids[17:]
    write(tmp_path / "run", "a", losses[:, first], first)
    write(tmp_path / "run", "b0", losses[:100, second], second, 10 * np.arange(100), group=33)
    write(tmp_path / "run", "b1", losses[100:, second], second, 10 * np.arange(100, ROWS))
    write(tmp_path / "run", "c", losses[:, third], third)
    return rdm.read_run(tmp_path / "run"), losses


def test_shards_are_one_run(sharded):
    run, losses = sharded
    assert run.shape == (ROWS, 23)
    assert list(run.samples["sample_id"]) == list(range(23))
    assert [shard.shape[1] for shard in run.stored.shards] == [5, 12, 6]
    np.testing.assert_array_equal(run.rows(90, 210), losses[90:210])
    np.testing.assert_array_equal(run.losses, losses)


def test_an_analysis_of_shards_is_that_of_the_whole(sharded):
    run, losses = sharded
    whole = rdm.Run.from_arrays(10 * np.arange(ROWS), losses, name=run.name)
    for detrend in ("constant", "linear"):
        found, expected = (rdm.analyze(each, detrend=detrend, spectrum=True) for each in (run, whole))
        pd.testing.assert_frame_equal(found.observables, expected.observables, rtol=1e-12, atol=1e-15)
        assert len(found.events)
        exact = ["event", "floor_step", "alarm_step", "shc_peak_step", "end_step", "kind", "direction"]
        pd.testing.assert_frame_equal(found.events[exact], expected.events[exact])


def test_shards_are_never_put_together(sharded, monkeypatch):
    run, _ = sharded
    asked = []
    read = type(run.stored).read
    monkeypatch.setattr(
        type(run.stored), "read", lambda losses, *rows: asked.append(rows) or read(losses, *rows)
    )
    found = rdm.analyze(run)
    assert max(stop - start for start, stop in asked) <= 5 * 20  # the windows of events, and rows about one
    assert len(asked) == (3 + 1) * len(found.events)


def test_shards_travel_apart(sharded, monkeypatch):
    monkeypatch.setattr("rdmtools.analysis.spans._SHORTEST_SPAN", 1)
    monkeypatch.setattr("rdmtools.analysis.spans.tile_rows", lambda samples: 32)
    run, losses = sharded
    cut = [*spans(run.stored, run.steps, rdm.AnalysisSettings(windows=(5,)), apart=True)]
    assert len(cut) > 2
    for span in cut:
        assert len(span.losses.shards) == 3
        np.testing.assert_array_equal(
            span.losses.read(0, span.losses.shape[0]), losses[span.begin : span.stop]
        )


def test_losses_that_are_not_finite_are_dropped_from_their_shard(tmp_path):
    losses = walk(9)
    losses[7, 2] = np.nan
    write(tmp_path / "run", "a", losses[:, :3], np.arange(3))
    write(tmp_path / "run", "b", losses[:, 3:], np.arange(3, 9))
    without = rdm.read_run(tmp_path / "run", nonfinite="drop-samples")
    np.testing.assert_array_equal(without.losses, np.delete(losses, 2, axis=1))
    assert without.stored.shape == (ROWS, 8)
    rows = rdm.read_run(tmp_path / "run", nonfinite="drop-steps")
    np.testing.assert_array_equal(rows.losses, np.delete(losses, 7, axis=0))


def test_a_shard_of_which_no_sample_stays_is_gone(tmp_path):
    losses = walk(5)
    losses[7, 0] = np.inf
    write(tmp_path / "run", "a", losses[:, :1], np.arange(1))
    write(tmp_path / "run", "b", losses[:, 1:], np.arange(1, 5))
    run = rdm.read_run(tmp_path / "run", nonfinite="drop-samples")
    assert len(run.stored.shards) == 1
    np.testing.assert_array_equal(run.losses, losses[:, 1:])


def test_a_journal_goes_on_with_a_run_in_shards(tmp_path):
    losses = walk(6, np.float32)
    write(tmp_path / "run", "a", losses[:200, :2], np.array([1, 4]), 10 * np.arange(200))
    write(tmp_path / "run", "b", losses[:200, 2:], np.array([0, 2, 3, 5]), 10 * np.arange(200))
    order = np.argsort([1, 4, 0, 2, 3, 5])
    log = rdm.ProbeLogger(tmp_path / "other.parquet", samples=list(range(6)))
    for row in range(200, ROWS):
        log(10 * row, losses[row, order])
    del log  # its journal stays
    (tmp_path / "other.rdm").rename(tmp_path / "run.rdm")
    run = rdm.read_run(tmp_path / "run")
    assert len(run.stored.shards) == 2
    np.testing.assert_array_equal(run.losses, losses[:, order])


@pytest.mark.parametrize("fault", ["a sample in two", "other steps", "shuffled"])
def test_what_is_no_set_of_shards_is_read_as_any_table(tmp_path, fault):
    losses = walk(6)
    first, second = np.arange(3), np.arange(3, 6)
    steps = 10 * np.arange(ROWS)
    write(tmp_path / "run", "a", losses[:, first], first)
    if fault == "a sample in two":
        write(tmp_path / "run", "b", losses[:, [2, 3, 4, 5]], np.array([2, 3, 4, 5]))
    elif fault == "other steps":
        write(tmp_path / "run", "b", losses[:-1, second], second, steps[:-1])
    else:
        rows = np.random.default_rng(0).permutation(ROWS)
        write(tmp_path / "run", "b", losses[rows][:, second], second, steps[rows])
    run = rdm.read_run(tmp_path / "run", missing="drop-steps")
    assert len(run.stored.shards) == 1
    np.testing.assert_array_equal(run.losses, losses[: ROWS - (fault == "other steps")])
