"""A training that starts again goes on with its run: what it logs anew supersedes, and no more is lost."""

import json
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.command import rdmtools as command
from hypothesis import given
from hypothesis import strategies as st

import rdmtools as rdm
from rdmtools import FormatError, ParameterError, ProbeLogger, RdmtoolsWarning, read_run
from rdmtools.errors import ChangedError
from rdmtools.format.read_table import ParquetPart

SAMPLES, DRAWS = 3, 2
IDS = ["c", "a", "b"]


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "run.parquet"


def companion(path: Path) -> Path:
    return path.with_suffix(".rdm")


def row(step: int, attempt: int = 0) -> list[float]:
    return [step + attempt / 8 + sample / 64 for sample in range(SAMPLES)]


def full_disk(*_, **__):
    raise OSError("No space left on device")


def killed(log: ProbeLogger) -> None:
    """Leave what a killed process leaves: a journal that nobody holds or will close."""
    log._attempt.end()
    log._sealed = log._closed = True


def log_attempt(path, steps, attempt=0, *, crash=False, samples=SAMPLES, **options):
    log = ProbeLogger(path, samples, resume=attempt > 0, **options)
    for step in steps:
        log(step, row(step, attempt))
    killed(log) if crash else log.close()
    return log


def superseded(attempts: list[list[int]]) -> tuple[dict[int, int], int]:
    """Which attempt each step is left from, and how many steps were logged in vain: the rule in words."""
    left: dict[int, int] = {}
    lost = 0
    for attempt, steps in enumerate(attempts):
        if steps:
            lost += sum(step >= steps[0] for step in left)
            left = {step: of for step, of in left.items() if step < steps[0]}
        left |= dict.fromkeys(steps, attempt)
    return left, lost


@given(
    st.lists(
        st.tuples(st.lists(st.integers(0, 12), max_size=6, unique=True).map(sorted), st.booleans()),
        min_size=1,
        max_size=4,
    ).filter(lambda attempts: any(steps for steps, _ in attempts))
)
@pytest.mark.filterwarnings("ignore:no losses:rdmtools.RdmtoolsWarning")
def test_any_sequence_of_attempts_reads_as_the_rule_says(tmp_path_factory, attempts):
    path = tmp_path_factory.mktemp("run") / "run.parquet"
    for number, (steps, crash) in enumerate(attempts):
        log_attempt(path, steps, number, crash=crash)
    left, lost = superseded([steps for steps, _ in attempts])
    expected = np.array([row(step, of) for step, of in sorted(left.items())], np.float32)

    def check():
        run = read_run(path)
        assert run.steps.tolist() == sorted(left)
        np.testing.assert_array_equal(run.losses, expected)
        assert run.quality.superseded_rows == lost * SAMPLES

    check()
    if companion(path).exists():
        rdm.recover(path)
        check()
    assert not (companion(path) / "journal").exists()


def test_scalars_and_draws_go_on_by_their_own_steps(path):
    with ProbeLogger(path, IDS) as log:
        for step in (0, 10, 20):
            log(step, row(step))
            log.scalars(step, acc=step, lr=1)
            log.draws(step, [row(step)] * DRAWS)
    with ProbeLogger(path, resume=True, metadata={"restarts": 1}) as log:
        log.scalars(20, acc=-1)
        log(30, row(30, 1))
        log.draws(10, [row(10, 1)] * DRAWS)
    run = read_run(path)
    assert run.steps.tolist() == [0, 10, 20, 30]
    assert run.scalars["step"].tolist() == [0, 10, 20]
    assert run.scalars["acc"].tolist() == [0, 10, -1]
    assert [step for step, _ in run.draws] == [0, 10]
    order = np.argsort(IDS)
    np.testing.assert_array_equal(run.draws[1][1], np.array([row(10, 1)] * DRAWS)[:, order])
    assert run.metadata == {"restarts": 1}


@pytest.mark.parametrize("crash", [False, True])
def test_samples_are_those_of_the_run_in_any_order(path, crash):
    table = {"sample_id": IDS, "group": [1, 2, 2]}
    log_attempt(path, [0, 10], samples=table, crash=crash, metadata={"lr": 0.1, "seed": 1}, unit="nats")
    with ProbeLogger(path, ["a", "b", "c"], resume=True, metadata={"lr": 0.2}) as log:
        log(20, [1.0, 2.0, 3.0])
    run = read_run(path)
    assert run.samples.to_dict("list") == {"sample_id": ["a", "b", "c"], "group": [2, 2, 1]}
    np.testing.assert_array_equal(run.losses[0], np.array(row(0), np.float32)[[1, 2, 0]])
    np.testing.assert_array_equal(run.losses[2], [1, 2, 3])
    assert run.metadata == {"lr": 0.2, "seed": 1}
    with pytest.raises(ParameterError, match=r"cannot be resumed: .* samples.*needed .*probe set"):
        ProbeLogger(path, ["a", "b"], resume=True)
    with pytest.raises(ParameterError, match=r"has losses in nats, unit is 'bits'; .* pass unit='nats'"):
        ProbeLogger(path, resume=True, unit="bits")
    with pytest.raises(ParameterError, match="resume and overwrite are both True"):
        ProbeLogger(path, resume=True, overwrite=True)
    with ProbeLogger(path, resume=True) as log:  # in the order of the first
        log(30, row(30))
    np.testing.assert_array_equal(read_run(path).losses[3], np.array(row(30), np.float32)[[1, 2, 0]])


def test_a_run_resumed_without_samples_knows_them(path):
    log_attempt(path, [0, 10])
    with ProbeLogger(path, resume=True) as log:
        with pytest.raises(ParameterError, match=r"shape \(2,\); needed \(3,\)"):
            log(20, [1.0, 2.0])
        log(20, row(20))
    assert read_run(path).shape == (3, SAMPLES)


def test_float64_stays_when_one_attempt_had_it(path):
    log_attempt(path, [0], dtype="float64")
    with ProbeLogger(path, resume=True, dtype="float64") as log:
        log(1, [1 / 3] * SAMPLES)
        log.draws(1, [[1 / 3] * SAMPLES])
    with ProbeLogger(path, resume=True) as log:  # float32
        log(2, row(2))
        log.draws(2, [row(2)])
    run = read_run(path)
    assert run.losses[1].tolist() == [1 / 3] * SAMPLES
    assert run.draws[0][1].tolist() == [[1 / 3] * SAMPLES]


def test_resuming_nothing_begins_and_logging_nothing_changes_nothing(path):
    log_attempt(path, [0, 10], attempt=1)
    before = path.read_bytes()
    ProbeLogger(path, resume=True).close()
    assert path.read_bytes() == before
    assert not companion(path).exists()


def test_a_file_that_somebody_rewrote_is_not_resumed_over(path):
    log_attempt(path, [0, 10])
    pd.read_parquet(path).sample(frac=1, random_state=0).to_parquet(path)
    with pytest.raises(ParameterError, match=r"cannot be resumed: .* is not in the order that a ProbeLogger"):
        ProbeLogger(path, SAMPLES, resume=True)
    assert read_run(path).steps.tolist() == [0, 10]


def test_an_open_logger_of_this_process_is_ended_and_its_rows_stay(path):
    before = ProbeLogger(path, SAMPLES)
    before(0, row(0))
    with ProbeLogger(path, resume=True) as log:
        with pytest.warns(RdmtoolsWarning, match="the run is closed"):
            before(1, row(1))
        log(1, row(1, 1))
    assert read_run(path).losses[:, 0].tolist() == [0, 1.125]


def test_a_failed_resume_keeps_what_was_there(path, monkeypatch):
    log_attempt(path, [0, 10], crash=True)
    monkeypatch.setattr("rdmtools.logger.begin.Writer", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(ParameterError, match="cannot be begun"):
        ProbeLogger(path, resume=True)
    assert read_run(path).steps.tolist() == [0, 10]
    assert [each.name for each in (companion(path) / "journal").iterdir()] == ["rank0-attempt0"]


def test_the_eleventh_attempt_follows_the_tenth(path):
    for attempt in range(11):
        log_attempt(path, [attempt * 10, 1000], attempt, crash=True)
    assert read_run(path).steps.tolist() == [*range(0, 101, 10), 1000]


def test_attempts_of_a_later_release_are_told(path):
    log_attempt(path, [0], crash=True)
    folder = companion(path) / "journal"
    shutil.copytree(folder / "rank0-attempt0", folder / "node0-attempt0")
    with pytest.raises(FormatError, match="node0-attempt0 is no attempt that this release reads"):
        read_run(path)


def test_what_was_refused_is_told_with_the_run(path):
    with ProbeLogger(path, SAMPLES) as log:
        log(10, row(10))
        for step, losses in ((10, row(10)), (11, [1.0])):
            with pytest.warns(RdmtoolsWarning):
                log(step, losses)
        log(5, row(5))
    with ProbeLogger(path, resume=True) as log:
        log(20, row(20))
        with pytest.warns(RdmtoolsWarning):
            log(20, row(20))
    run = read_run(path)
    assert run.quality.refused == 4
    assert run.quality.notes() == ["lacks what 4 calls to the logger held, which it refused"]


# recovery


def test_recover_leaves_what_close_would_have_left(path):
    log_attempt(path, [0, 10, 20], samples=IDS, crash=True, metadata={"lr": 0.5})
    before = read_run(path)
    assert rdm.recover(path) == rdm.logger.merge.Written(
        rows=3, superseded_rows=0, bytes_left=0, dropped_steps=0
    )
    after = read_run(path)
    np.testing.assert_array_equal(after.losses, before.losses)
    assert (after.metadata, after.quality.notes()) == ({"lr": 0.5}, [])
    assert not companion(path).exists() or not (companion(path) / "journal").exists()
    with pytest.raises(FormatError, match="has no journal; needed one that a crashed logger left"):
        rdm.recover(path)


@pytest.mark.parametrize("how", ["recover", "resume"])
def test_damaged_bytes_are_counted_and_kept(path, how):
    log_attempt(path, [0, 10, 20], crash=True)
    [segment] = companion(path).glob("journal/*/losses-*.rdj")
    whole = segment.read_bytes()
    segment.write_bytes(whole[:-5])
    if how == "recover":
        assert rdm.recover(path).bytes_left == len(whole) // 3 - 5
    else:
        log_attempt(path, [], attempt=1)
    run = read_run(path)
    assert run.steps.tolist() == [0, 10]
    assert run.quality.notes() == [f"could not read the last {len(whole) // 3 - 5} bytes of the journal"]
    [kept] = companion(path).glob("journal.damaged/rank0-attempt0/*.rdj")
    assert kept.read_bytes() == whole[:-5]


def test_a_run_that_is_open_is_not_recovered(path):
    log = ProbeLogger(path)
    log(0, row(0))
    with pytest.raises(ParameterError, match="is being written by process"):
        rdm.recover(path)
    log.close()
    assert read_run(path).steps.tolist() == [0]


def test_a_journal_that_cannot_be_written_out_stays(path, monkeypatch):
    log_attempt(path, [0, 10], crash=True)

    monkeypatch.setattr("rdmtools.logger.merge.write_losses", full_disk)
    with pytest.raises(FormatError, match=r"not written \(No space left on device\); its rows are safe in"):
        rdm.recover(path)
    monkeypatch.undo()
    assert rdm.recover(path).rows == 2


TRAINING = """
import os, signal, sys, rdmtools
path, first, last, resume = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "resume"
log = rdmtools.ProbeLogger(path, 3, resume=resume)
for step in range(first, last):
    log(step, [step + sample / 64 for sample in range(3)])
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no kill -9 here")
def test_a_job_killed_twice_loses_no_row_and_the_command_makes_one_file_of_it(path):
    for words in ((0, 50, "begin"), (40, 90, "resume")):
        done = subprocess.run([sys.executable, "-c", TRAINING, path, *map(str, words)], check=False)
        assert done.returncode == -signal.SIGKILL
    done = subprocess.run(
        [sys.executable, "-m", "rdmtools_cli", "recover", path], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    # A long path stands alone on its line.
    told = done.stdout.replace(f"{path}\n", f"{path}: ").split()
    assert told == f"{path}: 90 rows; left out 30 losses that came again later".split()
    run = read_run(path)
    assert run.steps.tolist() == list(range(90))
    np.testing.assert_array_equal(run.losses, np.array([row(step) for step in range(90)], np.float32))
    again = command("recover", path, "--json", cwd=path.parent)
    assert again.returncode == 1
    assert "has no journal" in json.loads(again.stdout)["error"]


LIVE = """
import sys, time, rdmtools
for start in range(0, 600, 150):
    with rdmtools.ProbeLogger(sys.argv[1], 3, resume=True) as log:
        for step in range(start, start + 150):
            log(step, [step + sample / 64 for sample in range(3)])
            time.sleep(2e-4)
"""


def test_a_reader_of_a_live_run_sees_no_gap_no_torn_row_and_no_step_back(path):
    with subprocess.Popen([sys.executable, "-c", LIVE, path]) as training:
        seen = polls = 0
        while training.poll() is None:
            with suppress(
                FormatError if not seen else ChangedError
            ):  # nothing there yet; or losses read late
                run = read_run(path)
                assert run.steps.tolist() == list(range(len(run.steps)))
                assert len(run.steps) >= seen
                assert run.quality.bytes_left == 0
                losses = run.losses
                np.testing.assert_array_equal(losses, run.steps[:, None] + np.arange(3) / 64)
                seen, polls = len(run.steps), polls + 1
    assert training.returncode == 0
    assert polls
    assert read_run(path).steps.tolist() == list(range(600))


def test_a_file_that_is_replaced_while_it_is_read_is_read_again(path, monkeypatch):
    log_attempt(path, range(9))
    other = log_attempt(path.with_name("other.parquet"), range(5)).path
    real = ParquetPart.open.__func__

    def replaced_meanwhile(cls, file):
        part = real(cls, file)
        if other.exists():
            other.replace(path)
        return part

    monkeypatch.setattr(ParquetPart, "open", classmethod(replaced_meanwhile))
    assert read_run(path).steps.tolist() == list(range(5))


@pytest.mark.parametrize("then", ["read", "recover", "resume"])
def test_a_journal_that_was_merged_and_not_removed_is_not_read_twice(path, monkeypatch, then):
    log_attempt(path, [0, 10])
    with monkeypatch.context() as patch:  # killed between the two
        patch.setattr("rdmtools.logger.merge.put_away", lambda *_: [])
        log_attempt(path, [10, 20], attempt=1)
    journal = companion(path) / "journal"
    assert journal.exists()
    if then == "recover":
        assert rdm.recover(path).rows == 3
    elif then == "resume":
        log_attempt(path, [30], attempt=2)
    assert journal.exists() == (then == "read")
    run = read_run(path)
    assert run.steps.tolist() == [0, 10, 20] + [30] * (then == "resume")
    assert run.losses[1].tolist() == row(10, 1)
    assert run.quality.notes() == ["left out 3 rows that a later attempt superseded"]
