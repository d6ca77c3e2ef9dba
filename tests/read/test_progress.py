"""Whoever waits for a run to open is told how far it is, whichever way it is read."""

import numpy as np
import pandas as pd
import pytest
from helpers.journals import write_journal

from rdmtools.read.read import read_run, read_runs
from rdmtools.run.progress import Opening

STEPS, SAMPLES = np.arange(0, 120, 10), 3
LOSSES = np.random.default_rng(0).random((len(STEPS), SAMPLES), dtype=np.float32)
ROW_BYTES = 8 + 4 + 4  # step, sample, loss


def canonical(path, order=slice(None), rows=4 * SAMPLES):
    frame = pd.DataFrame(
        {
            "step": np.repeat(STEPS, SAMPLES),
            "sample_id": np.tile(np.arange(SAMPLES, dtype=np.int32), len(STEPS)),
            "loss": LOSSES.ravel(),
        }
    )
    frame.iloc[order].to_parquet(path, index=False, row_group_size=rows)


def shuffled(path):
    canonical(path, np.random.default_rng(0).permutation(LOSSES.size), rows=5)


def restarted(path):
    frame = pd.read_parquet(path)
    frame.assign(attempt=frame["step"] // 60).to_parquet(path, index=False, row_group_size=5)


@pytest.fixture
def calls():
    return []


def told(calls, bytes_in_all):
    done, in_all = zip(*calls, strict=True)
    assert set(in_all) == {bytes_in_all}
    assert list(done) == sorted(done)
    assert done[-1] == bytes_in_all
    return done


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("write", [canonical, shuffled])
def test_files_are_told_in_bytes_of_their_rows(write, large, tmp_path, monkeypatch, calls):
    monkeypatch.setattr("rdmtools.read.out_of_core.BATCH_ROWS", 6)
    monkeypatch.setattr("rdmtools.read.out_of_core.LARGE_ROWS", 0 if large else 10**9)
    write(tmp_path / "run.parquet")
    run = read_run(tmp_path / "run.parquet", progress=lambda *given: calls.append(given))
    np.testing.assert_array_equal(run.losses, LOSSES)
    assert len(set(told(calls, LOSSES.size * ROW_BYTES))) >= (6 if write is canonical or large else 2)


def test_restarts_take_one_look_more_and_it_never_runs_back(tmp_path, monkeypatch, calls):
    monkeypatch.setattr("rdmtools.read.out_of_core.BATCH_ROWS", 6)
    monkeypatch.setattr("rdmtools.read.out_of_core.LARGE_ROWS", 0)
    shuffled(tmp_path / "run.parquet")
    restarted(tmp_path / "run.parquet")
    read_run(tmp_path / "run.parquet", progress=lambda *given: calls.append(given))
    told(calls, LOSSES.size * (ROW_BYTES + 8))


def test_journals_are_told_alone_and_upon_a_file(tmp_path, calls):
    write_journal(tmp_path / "alone.parquet", STEPS, LOSSES)
    read_run(tmp_path / "alone.parquet", progress=lambda *given: calls.append(given))
    told(calls, LOSSES.nbytes)
    calls.clear()
    shuffled(tmp_path / "both.parquet")
    write_journal(tmp_path / "both.parquet", STEPS[6:] + 60, LOSSES[6:])
    read_run(tmp_path / "both.parquet", progress=lambda *given: calls.append(given))
    told(calls, LOSSES.size * ROW_BYTES)


def test_many_runs_are_told_one_after_the_other(tmp_path, calls):
    for name in "ab":
        shuffled(tmp_path / f"{name}.parquet")
    read_runs(tmp_path / "*.parquet", progress=lambda *given: calls.append(given))
    told(calls[: len(calls) // 2], LOSSES.size * ROW_BYTES)
    told(calls[len(calls) // 2 :], LOSSES.size * ROW_BYTES)


def test_more_work_than_was_thought_holds_it_where_it_is():
    calls = []
    opening = Opening(lambda *given: calls.append(given), 100)
    opening.left(10)
    opening.seen(5)
    opening.left(45)
    opening.seen(20)
    opening.seen(25)
    assert calls == [(50, 100), (50, 100), (100, 100)]
