"""A long run is compacted while it is logged: it reads the same at any moment, and nothing is lost."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rdmtools as rdm
from rdmtools import FormatError, ParameterError, ProbeLogger, RdmtoolsWarning, read_run
from rdmtools.logger import begin, compaction, segment, writer

SAMPLES, IDS = 3, ["c", "a", "b"]
ROW_BYTES = 32 + 4 * SAMPLES


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "run.parquet"


@pytest.fixture
def small(monkeypatch):
    """Segments of ten rows, compacted without a rest."""
    monkeypatch.setattr(writer, "_SEGMENT_BYTES", 10 * ROW_BYTES)
    monkeypatch.setattr(compaction, "_SLEEPS", 0.0)


def journal(path: Path) -> Path:
    return path.with_suffix(".rdm") / "journal"


def files(path: Path) -> list[str]:
    found = journal(path).glob("rank0-attempt0/losses-*")
    return sorted(file.name for file in found if file.suffix in (".rdj", ".parquet"))


def row(step: int) -> list[float]:
    return [step + sample / 8 for sample in range(SAMPLES)]


def log_rows(log: ProbeLogger, steps) -> None:
    for step in steps:
        log(step, row(step))


def compacted(log: ProbeLogger) -> None:
    """Wait until all that is sealed is compacted."""
    log._writer._compactor._waiting.put(None)
    log._writer._compactor._thread.join()
    log._writer._compactor._thread = None


def killed(log: ProbeLogger) -> None:
    log._attempt.end()
    log._sealed = log._closed = True


def check(path: Path, rows: int) -> None:
    run = read_run(path)
    order = np.argsort(IDS)
    assert run.steps.tolist() == list(range(rows))
    assert run.samples["sample_id"].tolist() == sorted(IDS)
    np.testing.assert_array_equal(
        run.losses, np.array([row(step) for step in range(rows)], np.float32)[:, order]
    )
    assert run.quality.notes() == []


@pytest.mark.usefixtures("small")
def test_full_segments_become_parts_and_the_run_reads_the_same(path):
    log = ProbeLogger(path, IDS)
    log_rows(log, range(35))
    compacted(log)
    assert files(path) == [f"losses-00000{n}.parquet" for n in range(3)] + ["losses-000003.rdj"]
    check(path, 35)
    assert pq.read_table(journal(path) / "rank0-attempt0" / "losses-000001.parquet")["step"].to_pylist()[
        ::3
    ] == [*range(10, 20)]
    log.close()
    check(path, 35)
    assert not journal(path).exists()


@given(st.lists(st.integers(1, 25), min_size=1, max_size=5), st.booleans())
def test_any_sequence_of_segments_attempts_and_kills_loses_nothing(tmp_path_factory, lengths, recovered):
    path = tmp_path_factory.mktemp("run") / "run.parquet"
    rows = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "_SEGMENT_BYTES", 10 * ROW_BYTES)
        for length in lengths:
            log = ProbeLogger(path, IDS, resume=True)
            log_rows(log, range(rows, rows + length))
            rows += length
            killed(log)
            check(path, rows)
    if recovered:
        assert rdm.recover(path).rows == rows
        check(path, rows)


@pytest.mark.usefixtures("small")
def test_a_segment_beside_its_part_is_not_read_twice(path):
    log = ProbeLogger(path, IDS)
    log_rows(log, range(10))
    whole = (journal(path) / "rank0-attempt0" / "losses-000000.rdj").read_bytes()
    log_rows(log, range(10, 15))
    compacted(log)
    (journal(path) / "rank0-attempt0" / "losses-000000.rdj").write_bytes(
        whole
    )  # killed before it was removed
    check(path, 15)
    log.close()
    check(path, 15)


def test_an_old_segment_is_compacted_too(path, monkeypatch):
    log = ProbeLogger(path, IDS)
    log_rows(log, range(3))
    monkeypatch.setattr(writer, "_SEGMENT_S", -1.0)
    log_rows(log, range(3, 5))
    compacted(log)
    assert (
        files(path)
        == ["losses-000000.parquet", "losses-000001.parquet", "losses-000002.rdj"][: len(files(path))]
    )
    check(path, 5)
    log.close()


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("why", ["damage", "full disk", "no room"])
def test_what_cannot_be_compacted_stays_and_is_told_at_the_end(path, monkeypatch, why):
    log = ProbeLogger(path, IDS)
    log_rows(log, range(10))
    first = journal(path) / "rank0-attempt0" / "losses-000000.rdj"
    if why == "damage":
        damaged = bytearray(first.read_bytes())
        damaged[5 * ROW_BYTES + 40] ^= 1
        first.write_bytes(damaged)
    elif why == "full disk":
        monkeypatch.setattr(compaction, "write_losses", full_disk)
    else:
        monkeypatch.setattr(compaction, "room_for", lambda *_: False)
    log_rows(log, range(10, 15))
    compacted(log)
    assert files(path) == ["losses-000000.rdj", "losses-000001.rdj"]
    if why == "damage":
        with pytest.raises(FormatError, match="10 of 15 records of losses can be read back"):
            log.close()
        return
    log.close()
    check(path, 15)


def full_disk(*_, **__):
    raise OSError(28, "No space left on device")


def test_no_room_to_merge_keeps_the_journal_and_says_how_much_is_needed(path, monkeypatch):
    log = ProbeLogger(path, IDS)
    log_rows(log, range(5))
    with monkeypatch.context() as patch:
        patch.setattr(compaction, "_SPARE", 1 << 60)
        with pytest.raises(FormatError, match=r"0\.0 MB to write, .* MB free in .*; make room for more"):
            log.close()
    check(path, 5)
    log.close()
    check(path, 5)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("merge", ["auto", False])
def test_a_large_run_is_left_in_parts_which_read_as_well(path, monkeypatch, merge):
    monkeypatch.setattr("rdmtools.logger.merge.MERGED_BYTES", 100)
    log = ProbeLogger(path, IDS, metadata={"lr": 1})
    log_rows(log, range(25))
    log.scalars(3, acc=0.5)
    log.draws(4, [row(4)] * 2)
    if merge == "auto":
        with pytest.warns(
            RdmtoolsWarning, match=r"0 MB stay in .*journal, and read as well; `rdmtools recover"
        ):
            log.close()
    else:
        log.close(merge=False)
    assert not path.exists()
    assert files(path) == [f"losses-00000{n}.parquet" for n in range(3)]
    check(path, 25)
    run = read_run(path)
    assert (run.scalars.to_dict("list"), run.metadata) == ({"step": [3], "acc": [0.5]}, {"lr": 1})
    log = ProbeLogger(path, resume=True)
    log_rows(log, range(25, 30))
    log.close(merge=True)
    assert not journal(path).exists()
    check(path, 30)
    assert [step for step, _ in read_run(path).draws] == [4]


@pytest.mark.usefixtures("small")
def test_rows_go_first_to_a_disk_of_the_machine_where_asked(path, tmp_path):
    scratch = tmp_path / "scratch"
    log = ProbeLogger(path, IDS, journal_dir=scratch)
    log_rows(log, range(15))
    log.draws(4, [row(4)] * 2)
    compacted(log)
    assert files(path) == ["losses-000000.parquet"]
    [folder] = scratch.iterdir()
    found = {file.name for file in folder.iterdir()}
    assert found == {"losses-000001.rdj", "draws-000000.rdj", "rdmtools-attempt.json"}
    check(path, 15)
    killed(log)
    away = folder.rename(tmp_path / "away")  # as on another machine
    run = read_run(path)
    assert run.steps.tolist() == list(range(10))
    assert run.quality.notes() == ["lacks what 1 journal may still hold on the machine that wrote it"]
    with pytest.raises(FormatError, match=r"has rows in .*scratch.* on .*; needed that folder here: recover"):
        rdm.recover(path)
    away.rename(folder)
    with ProbeLogger(path, resume=True, journal_dir=scratch) as log:
        log_rows(log, range(15, 20))
    check(path, 20)
    assert not journal(path).exists()
    assert list(scratch.iterdir()) == []


@pytest.mark.usefixtures("small")
def test_what_is_left_in_parts_leaves_nothing_on_the_machine(path, tmp_path):
    log = ProbeLogger(path, IDS, journal_dir=tmp_path / "scratch")
    log_rows(log, range(15))
    log.scalars(1, a=2.0)
    log.close(merge=False)
    assert list((tmp_path / "scratch").iterdir()) == []
    check(path, 15)
    assert read_run(path).scalars["a"].tolist() == [2.0]
    assert rdm.recover(path).rows == 15
    check(path, 15)


TRAINING = """
import os, signal, sys, time
from rdmtools.logger import compaction, writer
import rdmtools
writer._SEGMENT_BYTES, compaction._SLEEPS = 10 * 44, 0.0
log = rdmtools.ProbeLogger(sys.argv[1], ["c", "a", "b"])
for step in range(1000):
    log(step, [step + sample / 8 for sample in range(3)])
    print(step, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no kill -9 here")
@pytest.mark.parametrize("after", [15, 200, 487])
def test_kill_9_while_segments_are_compacted_leaves_every_accepted_row(path, after):
    with subprocess.Popen(
        [sys.executable, "-c", TRAINING, path], stdout=subprocess.PIPE, text=True
    ) as training:
        for line in training.stdout:
            if int(line) == after:
                training.send_signal(signal.SIGKILL)
        training.wait()
    rows = len(read_run(path).steps)
    assert rows > after
    check(path, rows)
    assert rdm.recover(path).rows == rows
    check(path, rows)


TERMINATED = """
import os, signal, sys, rdmtools
from rdmtools.logger import segment
log = rdmtools.ProbeLogger(sys.argv[1], 3, sync="never")
log(0, [1.0, 2.0, 3.0])
segment._to_disk = lambda fd: print("on disk", flush=True)
if sys.argv[2] == "own":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGTERM here")
@pytest.mark.parametrize(("handler", "code"), [("none", -signal.SIGTERM), ("own", 7)])
def test_a_job_that_is_told_to_end_puts_its_rows_on_disk_and_ends_as_it_would(path, handler, code):
    words = [sys.executable, "-c", TERMINATED, path, handler]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (code, "on disk\n", "")
    assert read_run(path).steps.tolist() == [0]


def test_the_signal_is_as_it_was_once_no_logger_is_open(path):
    before = signal.getsignal(signal.SIGTERM)
    with ProbeLogger(path) as log:
        log(0, row(0))
    assert signal.getsignal(signal.SIGTERM) == before


def test_threads_end_with_the_logger(path, monkeypatch):
    monkeypatch.setattr(writer, "_SEGMENT_BYTES", 10 * ROW_BYTES)
    with ProbeLogger(path, IDS) as log:
        log_rows(log, range(50))
        assert any(thread.name == "rdmtools-compaction" for thread in threading.enumerate())
    assert not any(thread.name == "rdmtools-compaction" for thread in threading.enumerate())
    check(path, 50)
    assert os.listdir(path.parent) == ["run.parquet", "run.rdm"] or path.exists()


# where the system or the user interferes


def test_rows_on_a_disk_of_the_machine_come_home_before_anything_can_fail(path, tmp_path, monkeypatch):
    log = ProbeLogger(path, IDS, journal_dir=tmp_path / "scratch")
    log_rows(log, range(10))
    with monkeypatch.context() as patch:
        patch.setattr(compaction, "_SPARE", 1 << 60)
        with pytest.raises(
            FormatError, match=r"10 rows are safe in .*run\.rdm.journal.rank0-attempt0: make room"
        ):
            log.close()
    assert list((tmp_path / "scratch").iterdir()) == []
    check(path, 10)
    log.close()
    check(path, 10)


@pytest.mark.usefixtures("small")
def test_where_no_thread_can_be_had_the_training_goes_on(path, monkeypatch):
    with monkeypatch.context() as patch:

        def no_thread(self):
            raise RuntimeError("can't start new thread")

        patch.setattr(threading.Thread, "start", no_thread)
        log = ProbeLogger(path, IDS)
        log_rows(log, range(25))
        log.close()
    check(path, 25)


class Surprise(Exception):
    pass


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("error", [Surprise, FormatError, pa.ArrowNotImplementedError, DeprecationWarning])
def test_whatever_compaction_meets_the_next_segment_is_compacted(path, monkeypatch, error):
    real, failed = compaction.write_losses, []

    def fails_once(*arguments, **options):
        if not failed:
            failed.append(True)
            raise error("once")
        return real(*arguments, **options)

    monkeypatch.setattr(compaction, "write_losses", fails_once)
    log = ProbeLogger(path, IDS)
    log_rows(log, range(35))
    compacted(log)
    assert files(path) == [
        "losses-000000.rdj",
        "losses-000001.parquet",
        "losses-000002.parquet",
        "losses-000003.rdj",
    ]
    check(path, 35)
    log.close()
    check(path, 35)


@pytest.mark.usefixtures("small")
def test_an_interrupt_between_two_segments_loses_nothing(path, monkeypatch):
    log = ProbeLogger(path, IDS)
    log_rows(log, range(10))
    real = log._writer._segment

    def interrupted(kind):
        real(kind)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(log._writer, "_segment", interrupted)
        with pytest.raises(KeyboardInterrupt):
            log(10, row(10))
    log_rows(log, range(11, 35))
    log.close()
    assert read_run(path).steps.tolist() == [*range(10), *range(11, 35)]


def test_a_close_that_the_system_refuses_is_a_close(path, monkeypatch):
    log = ProbeLogger(path, IDS)
    log_rows(log, range(3))
    real = os.close

    def refused(fd):
        real(fd)
        raise OSError(122, "Disk quota exceeded")

    with monkeypatch.context() as patch:
        patch.setattr(segment.os, "close", refused)
        log._writer.end()
    log.close()
    check(path, 3)


TROUBLED = """
import sys, warnings, rdmtools
warnings.simplefilter("error")
log = rdmtools.ProbeLogger(sys.argv[1], 3)
with log:
    log(0, [1.0, 2.0, 3.0])
    log(0, [1.0, 2.0, 3.0])
with rdmtools.ProbeLogger(sys.argv[1] + "2.parquet", 3):
    pass
print("trained")
"""


def test_warnings_that_are_to_be_errors_do_not_end_the_training(path):
    done = subprocess.run([sys.executable, "-c", TROUBLED, path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "trained\n")
    first, second = done.stderr.splitlines()
    assert first.startswith("RdmtoolsWarning: losses of step 0 not recorded: step 0 follows step 0")
    assert second.startswith("RdmtoolsWarning: no losses were recorded")


CLOSED_TWICE = """
import os, signal, sys, rdmtools
from rdmtools.logger import merge
log = rdmtools.ProbeLogger(sys.argv[1], 3)
log(0, [1.0, 2.0, 3.0])
signal.signal(signal.SIGTERM, lambda *_: log.close())
real = merge.write_losses
def interrupted(*arguments, **options):
    os.kill(os.getpid(), signal.SIGTERM)
    return real(*arguments, **options)
merge.write_losses = interrupted
log.close()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGTERM here")
def test_a_handler_that_closes_while_it_closes_does_not_wait_for_itself(path):
    subprocess.run([sys.executable, "-c", CLOSED_TWICE, path], check=True, timeout=60)
    assert read_run(path).steps.tolist() == [0]


ORPHAN = """
import os, sys, time, rdmtools
log = rdmtools.ProbeLogger(sys.argv[1], 3)
log(0, [1.0, 2.0, 3.0])
begun, begins = os.pipe()
child = os.fork()
if child == 0:
    os.write(begins, b"!")
    time.sleep(60)
os.read(begun, 1)
print(child, flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_worker_that_outlives_a_killed_job_does_not_keep_its_run(path):
    with subprocess.Popen([sys.executable, "-c", ORPHAN, path], stdout=subprocess.PIPE, text=True) as job:
        child = int(job.stdout.readline())
        job.wait()
        try:
            with ProbeLogger(path, resume=True) as log:
                log(1, [1.0, 2.0, 3.0])
        finally:
            os.kill(child, signal.SIGKILL)
    assert read_run(path).steps.tolist() == [0, 1]


def test_of_two_that_begin_at_once_the_later_leaves_the_other_alone(path, monkeypatch):
    log = ProbeLogger(path, IDS)
    log_rows(log, range(3))
    taken = log._attempt.folder
    with monkeypatch.context() as patch:  # as on a file system without locks
        patch.setattr(begin, "refuse_live", lambda *_: None)
        patch.setattr(begin, "_refuse", lambda *_: None)
        patch.setattr(begin, "next_attempt", lambda *_: taken)
        with pytest.raises(ParameterError, match=r"cannot be written .*exists"):
            ProbeLogger(path, IDS)
    log.close()
    check(path, 3)
