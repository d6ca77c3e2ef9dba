"""Several processes log to one run, each its own samples: nothing is lost, doubled or mixed."""

import json
import os
import signal
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rdmtools as rdm
from rdmtools import FormatError, ParameterError, ProbeLogger, RdmtoolsWarning, read_run
from rdmtools.logger.ranks import rank_and_world_size

RANKS = 3


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "run.parquet"


def ids(rank: int) -> list[int]:
    """Every third sample, the last first."""
    return [9 - RANKS * place - rank for place in range(3)]


def row(step: int, rank: int, attempt: int = 0) -> list[float]:
    return [step + attempt / 4 + sample / 64 for sample in ids(rank)]


def logger(path: Path, rank: int, **options) -> ProbeLogger:
    return ProbeLogger(path, ids(rank), rank=rank, world_size=RANKS, **options)


def killed(log: ProbeLogger) -> None:
    log._attempt.end()
    log._sealed = log._closed = True


def expected(steps, attempts=None) -> np.ndarray:
    """Losses of all samples in order of their ids."""
    samples = sorted(sample for rank in range(RANKS) for sample in ids(rank))
    found = [[step + (attempts or {}).get(step, 0) / 4 + sample / 64 for sample in samples] for step in steps]
    return np.array(found, np.float32)


def check(path: Path, steps, attempts=None, dropped=0):
    run = read_run(path)
    assert run.steps.tolist() == list(steps)
    np.testing.assert_array_equal(run.losses, expected(steps, attempts))
    assert run.quality.dropped_steps == dropped
    return run


def test_the_last_to_close_merges_the_shards_by_sample_id(path):
    logs = [logger(path, rank) for rank in range(RANKS)]
    for step in range(4):
        for rank, log in enumerate(logs):
            log(step, row(step, rank))
            log.scalars(step, loss=rank, **{f"of_{rank}": step})
            log.draws(step, [row(step, rank)] * 2)
    for log in logs:
        assert not path.exists()
        check(path, range(4))
        log.close()
    assert not path.with_suffix(".rdm").joinpath("journal").exists()
    run = check(path, range(4))
    assert run.scalars["loss"].tolist() == [0] * 4  # the lowest rank's
    assert run.scalars["of_2"].tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(run.draws[3][1], expected([3, 3]))


def test_what_is_known_of_the_samples_is_joined(path):
    logs = []
    for rank in range(RANKS):
        table = {"sample_id": ids(rank), "group": [f"of {rank}"] * 3}
        logs.append(ProbeLogger(path, table, rank=rank, world_size=RANKS))
        logs[-1](0, row(0, rank))
    for _ in range(2):
        assert read_run(path).samples["group"].tolist() == ["of 2", "of 1", "of 0"] * 3
        for log in logs:
            log.close()


@given(
    st.lists(st.lists(st.integers(0, 9), min_size=1, unique=True).map(sorted), min_size=RANKS, max_size=RANKS)
)
def test_steps_that_some_rank_lacks_are_left_out_and_kept_in_the_journal(tmp_path_factory, steps):
    path = tmp_path_factory.mktemp("run") / "run.parquet"
    logs = [logger(path, rank) for rank in range(RANKS)]
    for rank, log in enumerate(logs):
        for step in steps[rank]:
            log(step, row(step, rank))
    for log in logs[:-1]:
        log.close()
    common = sorted(set.intersection(*map(set, steps)))
    dropped = len(set.union(*map(set, steps))) - len(common)
    journal = path.with_suffix(".rdm") / "journal"
    if dropped:
        with pytest.warns(RdmtoolsWarning, match=rf"{dropped} steps? that some rank lacks would be"):
            logs[-1].close()
        assert journal.exists()
    else:
        logs[-1].close()
        assert not journal.exists()
    if not common:
        with pytest.raises(FormatError, match="no step that every rank has"):
            read_run(path)
        return
    check(path, common, dropped=dropped)
    if dropped:
        assert rdm.recover(path).dropped_steps == dropped
        check(path, common, dropped=dropped)
        assert journal.with_name("journal.partial").exists()


def test_a_sample_of_two_ranks_is_an_error_that_names_it(path):
    log = ProbeLogger(path, ["a", "b"], rank=0, world_size=2)
    with pytest.raises(ParameterError, match=r"sample 'b' is logged by ranks 0 and 1; needed each sample"):
        ProbeLogger(path, ["b", "c"], rank=1, world_size=2)
    other = ProbeLogger(path, ["c"], rank=1, world_size=2)
    for each, losses in ((log, [1.0, 2.0]), (other, [3.0])):
        each(0, losses)
        each.close()
    assert read_run(path).losses.tolist() == [[1, 2, 3]]


def test_samples_that_nobody_named_are_the_same_on_every_rank(path):
    logs = [ProbeLogger(path, rank=rank, world_size=2) for rank in range(2)]
    logs[0](0, [1.0, 2.0])
    with pytest.raises(ParameterError, match=r"sample 0 is logged by ranks 0 and 1; .* its own samples="):
        logs[1](0, [1.0, 2.0])
    for log in logs:
        log.close()
    assert read_run(path).shape == (1, 2)


def test_one_rank_may_log_alone(path, monkeypatch):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "8")
    with ProbeLogger(path, 2) as log:
        log(0, [1.0, 2.0])
    assert read_run(path).losses.tolist() == [[1, 2]]


def test_all_ranks_resume_together_and_supersede_what_any_of_them_logged(path):
    first = [logger(path, rank) for rank in range(RANKS)]
    for rank, log in enumerate(first):
        for step in range(0, 8 - rank):  # one is killed after the other
            log(step, row(step, rank))
        killed(log)
    check(path, range(6), dropped=2)
    again = [logger(path, rank, resume=True) for rank in reversed(range(RANKS))]
    for log, rank in zip(again, reversed(range(RANKS)), strict=True):
        for step in range(4, 10):
            log(step, row(step, rank, 1))
    attempts = dict.fromkeys(range(4, 10), 1)
    run = check(path, range(10), attempts)
    assert run.quality.superseded_rows == 2 * 9
    for log in again:
        log.close()
    check(path, range(10), attempts)


def test_a_rank_that_misses_a_start_is_not_taken_for_one_of_an_earlier(path):
    first = [logger(path, rank) for rank in range(RANKS)]
    for step in range(4):
        for rank, log in enumerate(first):
            log(step, row(step, rank))
    for log in first:
        killed(log)
    for rank in range(RANKS - 1):  # the last one dies before its logger begins
        log = logger(path, rank, resume=True)
        log(2, row(2, rank, 1))
        killed(log)
    run = check(path, range(4), dropped=1)  # no step of that start is whole, so it supersedes none
    assert run.quality.superseded_rows == 0
    third = [logger(path, rank, resume=True) for rank in reversed(range(RANKS))]
    for log, rank in zip(third, reversed(range(RANKS)), strict=True):
        log(1, row(1, rank, 2))
        log.close()
    check(path, [0, 1], {1: 2})


def test_overwriting_spares_the_ranks_that_have_begun_again(path):
    logs = [logger(path, rank) for rank in range(RANKS)]
    for rank, log in enumerate(logs):
        log(0, row(0, rank))
        log.close()
    with pytest.raises(ParameterError, match=r"run\.parquet already exists; pass resume=True"):
        logger(path, 0)
    logs = [logger(path, rank, overwrite=True) for rank in range(RANKS)]
    for rank, log in enumerate(logs):
        log(7, row(7, rank))
        log.close()
    check(path, [7])


def test_a_rank_that_is_open_is_not_opened_twice(path):
    log = logger(path, 1)
    for options in ({}, {"rank": 1, "world_size": RANKS}):
        script = "import sys, json, rdmtools; rdmtools.ProbeLogger(sys.argv[1], 2, **json.loads(sys.argv[2]))"
        words = [sys.executable, "-c", script, path, json.dumps(options)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert "is being written by process" in done.stderr
    log(0, row(0, 1))
    log.close()


@pytest.mark.parametrize(
    ("given", "environment", "found"),
    [
        ((None, None), {}, (0, 1)),
        ((None, None), {"RANK": "3", "WORLD_SIZE": "8"}, (3, 8)),
        ((None, None), {"RANK": "3"}, (0, 1)),
        ((None, None), {"RANK": "first", "WORLD_SIZE": "many"}, (0, 1)),
        ((1, 2), {"RANK": "3", "WORLD_SIZE": "8"}, (1, 2)),
    ],
)
def test_the_rank_is_what_is_given_or_what_the_launcher_says(given, environment, found, monkeypatch):
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert rank_and_world_size(*given) == found


@pytest.mark.parametrize("given", [(1, None), (None, 2), (2, 2), (-1, 2)])
def test_ranks_that_cannot_be_are_told(given, path):
    with pytest.raises(ParameterError, match=f"rank is {given[0]}.*needed"):
        ProbeLogger(path, rank=given[0], world_size=given[1])
    assert list(path.parent.iterdir()) == []


WORKER = """
import os, sys, time, rdmtools
path, rank = sys.argv[1], int(os.environ["RANK"])
ids = [rank * 4 + sample for sample in range(4)]
with rdmtools.ProbeLogger(path, ids) as log:
    print("open", flush=True)
    sys.stdin.readline()
    for step in range(200):
        log(step, [step + sample / 64 for sample in ids])
        if rank == 5 and step == 120:
            os.kill(os.getpid(), 9)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no kill -9 here")
def test_of_eight_processes_one_is_killed_and_no_row_is_lost(path):
    workers = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", WORKER, path],
            env=os.environ | {"RANK": str(rank), "WORLD_SIZE": "8"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(8)
    ]
    for worker in workers:
        assert worker.stdout.readline() == "open\n"
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    ended = [worker.wait() for worker in workers]
    for worker in workers:
        worker.stdin.close()
        worker.stdout.close()
    assert ended == [-signal.SIGKILL if rank == 5 else 0 for rank in range(8)]
    run = read_run(path)
    assert run.steps.tolist() == list(range(121))
    np.testing.assert_array_equal(run.losses, run.steps[:, None] + np.arange(32) / 64)
    assert run.quality.dropped_steps == 79
    assert run.quality.missing == 79 * 4
    rest = read_run(path, missing="drop-samples")
    assert rest.shape == (200, 28)
    np.testing.assert_array_equal(
        rest.losses, rest.steps[:, None] + rest.samples["sample_id"].to_numpy() / 64
    )


def test_a_rank_that_is_killed_before_its_first_row_is_of_the_same_start(path):
    logs = [logger(path, rank) for rank in range(RANKS)]
    logs[0].scalars(0, lr=0.5)
    for step in range(3):
        for rank in range(1, RANKS):
            logs[rank](step, row(step, rank))
            logs[rank].scalars(step, loss=rank)
    for log in logs:
        killed(log)
    with pytest.raises(FormatError, match=r"no step that every rank has, 3 that some rank lacks"):
        read_run(path)
    rest = read_run(path, missing="drop-samples")
    assert rest.shape == (3, 6)
    assert set(rest.scalars.columns) == {"step", "lr", "loss"}


def test_starts_are_told_apart_whatever_the_clocks_say(path):
    for attempt in range(2):
        logs = [logger(path, rank, resume=attempt > 0) for rank in range(RANKS)]
        for step in range(5 * attempt, 5 * attempt + 5):
            for rank, log in enumerate(logs):
                log(step, row(step, rank, attempt))
        for log in logs:
            killed(log)
    for file in path.with_suffix(".rdm").glob("journal/rank1-*/manifest.json"):  # an hour behind the others
        said = json.loads(file.read_text())
        earlier = datetime.fromisoformat(said["created"]) - timedelta(hours=1)
        file.write_text(json.dumps(said | {"created": earlier.isoformat()}))
    check_all = dict.fromkeys(range(5, 10), 1)
    check(path, range(10), check_all)


def test_a_run_that_is_resumed_reads_while_its_ranks_are_uneven(path):
    for step in range(2):
        logs = [logger(path, rank, resume=step > 0) for rank in range(RANKS)]
        for rank, log in enumerate(logs):
            log(step, row(step, rank))
        for log in logs:
            log.close()
    logs = [logger(path, 0, resume=True)]
    check(path, [0, 1])
    logs[0](2, row(2, 0))
    check(path, [0, 1], dropped=1)
    logs += [logger(path, rank, resume=True) for rank in range(1, RANKS)]
    check(path, [0, 1], dropped=1)
    for rank in range(1, RANKS):
        logs[rank](2, row(2, rank))
    check(path, [0, 1, 2])
    for log in logs:
        log.close()
    check(path, [0, 1, 2])


@pytest.mark.parametrize("crash", [False, True])
@pytest.mark.parametrize("worlds", [(8, 8), (8, 4), (8, None), (None, 8)])
def test_a_job_that_logs_from_one_rank_resumes_as_one_process_does(path, monkeypatch, worlds, crash):
    for attempt, world in enumerate(worlds):
        for name, value in (("RANK", 0), ("WORLD_SIZE", world)):
            monkeypatch.delenv(name, raising=False)
            if world is not None:
                monkeypatch.setenv(name, str(value))
        log = ProbeLogger(path, None if attempt else ["b", "a"], resume=True)
        log(attempt, [2.0, 1.0])
        killed(log) if crash else log.close()
    with pytest.raises(
        ParameterError, match=r"cannot be resumed: .*not the same \(one alone has 'c'\); needed one"
    ):
        ProbeLogger(path, ["a", "b", "c"], resume=True)
    assert read_run(path).losses.tolist() == [[1, 2], [1, 2]]


def test_a_shard_is_not_taken_for_the_whole_probe(path):
    logs = [logger(path, rank) for rank in range(RANKS)]
    for log in logs:
        killed(log)
    with pytest.raises(
        ParameterError, match="each rank has a part of its samples; needed this rank's: pass sam"
    ):
        ProbeLogger(path, resume=True)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        (
            ({"sample_id": [0], "label": [1]}, {"sample_id": [1], "label": ["x"]}),
            "tables of samples do not fit",
        ),
        (([0], ["a"]), "sample ids are text on rank 1 and integers on rank 0; needed one kind"),
    ],
)
def test_what_does_not_fit_together_is_told_when_a_rank_begins(path, tables, message):
    log = ProbeLogger(path, tables[0], rank=0, world_size=2)
    log(0, [1.0])
    with pytest.raises(ParameterError, match=message):
        ProbeLogger(path, tables[1], rank=1, world_size=2)
    log.close()
    assert read_run(path).shape == (1, 1)


def test_categories_and_text_are_the_same(path):
    group = pd.Categorical(["x", "y"])
    first = ProbeLogger(path, pd.DataFrame({"sample_id": [0, 1], "group": group}), rank=0, world_size=2)
    other = ProbeLogger(path, {"sample_id": [2], "group": ["x"]}, rank=1, world_size=2)
    first(0, [1.0, 2.0])
    other(0, [3.0])
    for log in (first, other):
        log.close()
    assert read_run(path).samples["group"].tolist() == ["x", "y", "x"]


def test_draws_that_some_rank_lacks_keep_the_journal(path):
    logs = [logger(path, rank) for rank in range(RANKS)]
    for rank, log in enumerate(logs):
        log(0, row(0, rank))
    logs[1].draws(0, [row(0, 1)] * 2)
    for log in logs[:-1]:
        log.close()
    with pytest.warns(RdmtoolsWarning, match="1 step that some rank lacks would be dropped"):
        logs[-1].close()
    check(path, [0])
    assert rdm.recover(path).dropped_steps == 1
    assert path.with_suffix(".rdm").joinpath("journal.partial").exists()
