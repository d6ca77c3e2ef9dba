"""The logger never stops a training, never loses an accepted row, and says what it refused."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.journals import read_journal
from hypothesis import given, settings
from hypothesis import strategies as st

import rdmtools.logger.segment as segment
import rdmtools.logger.writer as writer
from rdmtools import FormatError, ParameterError, ProbeLogger, RdmtoolsWarning
from rdmtools.format.records import HEADER_BYTES

SAMPLES, DRAWS = 3, 2


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "run.parquet"


def companion(path: Path) -> Path:
    return path.with_suffix(".rdm")


def journal(path: Path):
    return read_journal(companion(path) / "journal")


def table(path: Path) -> dict[str, list]:
    with pq.ParquetFile(path) as file:
        return file.read().to_pydict()


def row(step: int) -> list[float]:
    return [step + 0.25, step + 0.5, step + 0.75]


class Tensor:
    """What the logger needs of a torch tensor: bfloat16 on a device, which NumPy cannot take as it is."""

    def __init__(self, values, dtype="bfloat16", device="cuda", attached=True):
        self.values, self.dtype, self.device, self.attached = np.asarray(values), dtype, device, attached
        self.ndim, self.shape = self.values.ndim, self.values.shape

    def _with(self, **changes):
        return Tensor(
            self.values, **{"dtype": self.dtype, "device": self.device, "attached": self.attached} | changes
        )

    def detach(self):
        return self._with(attached=False)

    def float(self):
        return self._with(dtype="float32")

    def double(self):
        return self._with(dtype="float64")

    def cpu(self):
        return self._with(device="cpu")

    def numpy(self):
        assert not self.attached
        assert self.device == "cpu"
        return self.values.astype(self.dtype)

    def __float__(self):
        return float(self.values)

    def __array__(self, *args, **kwargs):
        raise TypeError("can't convert cuda:0 device type tensor to numpy")


# what goes in comes out


@settings(max_examples=25)
@given(
    rows=st.lists(st.lists(st.floats(width=32), min_size=SAMPLES, max_size=SAMPLES), min_size=1, max_size=6),
    start=st.integers(-(2**62), 2**62),
)
def test_rows_come_back_from_the_journal_and_from_the_table(tmp_path_factory, rows, start):
    path = tmp_path_factory.mktemp("run") / "run.parquet"
    expected = np.array(rows, np.float32)
    with ProbeLogger(path, SAMPLES) as log:
        for step, losses in enumerate(rows, start):
            log(step, losses)
        np.testing.assert_array_equal(journal(path).losses, expected)
    found = table(path)
    np.testing.assert_array_equal(np.array(found["loss"], np.float32), expected.ravel())
    assert found["step"] == np.repeat(range(start, start + len(rows)), SAMPLES).tolist()
    assert found["sample_id"] == list(range(SAMPLES)) * len(rows)
    assert log.nonfinite == np.count_nonzero(~np.isfinite(expected))
    assert not companion(path).exists()


def test_close_leaves_the_run_and_its_companions_and_no_journal(path):
    with ProbeLogger(path, {"sample_id": ["c", "a", "b"], "group": [1, 2, 2]}, metadata={"lr": 0.1}) as log:
        for step in (0, 20):
            log(step, row(step))
            log.draws(step, [row(step)] * DRAWS)
        log.scalars(20, acc=0.5)
        log.scalars(20, lr=1)
        log.scalars(40, acc=np.float32(0.25))
    assert sorted(file.name for file in companion(path).iterdir()) == [
        "draws.parquet",
        "samples.parquet",
        "scalars.parquet",
    ]
    assert table(path) == {
        "step": [0] * 3 + [20] * 3,
        "sample_id": ["a", "b", "c"] * 2,
        "loss": [0.5, 0.75, 0.25, 20.5, 20.75, 20.25],
    }
    assert table(companion(path) / "samples.parquet") == {"sample_id": ["c", "a", "b"], "group": [1, 2, 2]}
    scalars = table(companion(path) / "scalars.parquet")
    assert scalars == {"step": [20, 40], "acc": [0.5, 0.25], "lr": [1.0, None]}
    assert table(companion(path) / "draws.parquet")["draw"] == [0] * 3 + [1] * 3 + [0] * 3 + [1] * 3


def test_the_file_names_the_run(path):
    with ProbeLogger(path, unit="bits", metadata={"lr": 0.1}) as log:
        log(0, row(0))
    with pq.ParquetFile(path) as file:
        text = file.metadata.metadata[b"rdmtools"].decode()
    for part in ('"name": "run"', '"unit": "bits"', '"metadata": {"lr": 0.1}', '"created": "20'):
        assert part in text


def test_float64_keeps_its_digits(path):
    with ProbeLogger(path, dtype="float64") as log:
        log(0, [1 / 3, 2 / 3, 1e300])
        log(1, Tensor([1 / 3, 2 / 3, 1e300], dtype="float64"))
    assert table(path)["loss"] == [1 / 3, 2 / 3, 1e300] * 2


@pytest.mark.parametrize(
    "losses",
    [
        np.array([1, 2, 4]),
        np.array([1, 2, 4], np.float16),
        np.array([1, 9, 2, 9, 4, 9.0])[::2],
        (1, 2.0, np.float64(4)),
        pd.Series([1, 2, 4], index=[7, 8, 9]),
        Tensor([1, 2, 4]),
    ],
    ids=["int", "float16", "strided", "tuple", "series", "tensor"],
)
def test_losses_are_taken_from_whatever_holds_numbers(path, losses):
    with ProbeLogger(path) as log:
        log(0, losses)
        log.scalars(0, tensor=Tensor(0.5), array=np.array(2), flag=True)
    assert table(path)["loss"] == [1.0, 2.0, 4.0]
    assert table(companion(path) / "scalars.parquet") == {
        "step": [0],
        "tensor": [0.5],
        "array": [2.0],
        "flag": [1.0],
    }


def test_a_row_that_another_thread_changes_meanwhile_is_still_a_valid_record(path, monkeypatch):
    losses, write = np.array(row(0), np.float32), segment._write

    def change_then_write(fd, *parts):
        losses[:] = -1
        return write(fd, *parts)

    with ProbeLogger(path) as log:
        monkeypatch.setattr(segment, "_write", change_then_write)
        log(0, losses)
    assert table(path)["loss"] == row(0)


def test_losses_that_are_not_finite_are_data_and_counted(path):
    with ProbeLogger(path) as log:
        log(0, [np.nan, np.inf, 1.0])
        log(1, [1e300, -np.inf, 1.0])  # what float32 cannot hold is inf
        log.draws(1, [[np.nan, 1.0, 2.0]])
    assert (log.rows, log.nonfinite, log.refused.total()) == (2, 5, 0)
    np.testing.assert_array_equal(table(path)["loss"], [np.nan, np.inf, 1.0, np.inf, -np.inf, 1.0])


@pytest.mark.parametrize(
    ("samples", "ids", "kept"),
    [
        (None, [0, 1, 2], None),
        (3, [0, 1, 2], None),
        (np.int64(3), [0, 1, 2], None),
        (range(5, 8), [5, 6, 7], {"sample_id": [5, 6, 7]}),
        (["a", "b", "c"], ["a", "b", "c"], {"sample_id": ["a", "b", "c"]}),
        (np.array([7, 8, 2**40]), [7, 8, 2**40], {"sample_id": [7, 8, 2**40]}),
        ({"group": ["x", "y", "y"]}, [0, 1, 2], {"sample_id": [0, 1, 2], "group": ["x", "y", "y"]}),
        (
            pd.DataFrame({"sample_id": [4, 5, 6], "g": "x"}),
            [4, 5, 6],
            {"sample_id": [4, 5, 6], "g": ["x"] * 3},
        ),
        (
            pd.DataFrame({"g": [1, 2, 3]}, index=[7, 8, 9]),
            [0, 1, 2],
            {"sample_id": [0, 1, 2], "g": [1, 2, 3]},
        ),
        (pa.table({"sample_id": ["a", "b", "c"]}), ["a", "b", "c"], {"sample_id": ["a", "b", "c"]}),
    ],
)
def test_samples_are_a_count_ids_or_a_table(path, samples, ids, kept):
    with ProbeLogger(path, samples) as log:
        log(0, row(0))
    assert table(path)["sample_id"] == ids
    file = companion(path) / "samples.parquet"
    assert (table(file) if file.exists() else None) == kept


def test_a_polars_frame_says_what_the_samples_are(path):
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"sample_id": ["a", "b", "c"], "group": [1, 1, 2]})
    with ProbeLogger(path, frame) as log:
        log(0, row(0))
    assert table(companion(path) / "samples.parquet") == frame.to_dict(as_series=False)


# what raises


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"path": "run.csv"}, "'run.csv'; needed a local file name"),
        ({"path": "s3://bucket/run.parquet"}, "needed a local file name"),
        ({"samples": 0}, "samples is 0; needed at least 1"),
        ({"samples": []}, "samples is empty"),
        ({"samples": {"a", "b"}}, "samples is a set, which has no order"),
        ({"samples": "abc"}, "text 'abc'"),
        ({"samples": [1, 1, 2]}, "3 sample ids, 2 of them distinct"),
        ({"samples": [1, "a"]}, "of type int, str; needed all int or all str"),
        ({"samples": [1.5]}, "of type float"),
        ({"samples": [True, False]}, "of type bool"),
        ({"samples": [2**63]}, "needed 64-bit integers"),
        ({"samples": {"sample_id": [1, 2], "group": [1]}}, "columns of one length"),
        ({"samples": object()}, "is no table"),
        ({"samples": ["\ud800"]}, "is no table"),
        ({"metadata": {"a": {1}}}, "metadata cannot be JSON"),
        ({"metadata": {"a": float("nan")}}, "metadata cannot be JSON"),
        ({"metadata": {1: "a"}}, "metadata cannot be JSON"),
        ({"dtype": "float16"}, "dtype is 'float16'; needed one of 'float32', 'float64'"),
        ({"sync": "often"}, "sync is 'often'; needed one of"),
    ],
)
def test_wrong_arguments_raise_at_construction_and_leave_nothing(tmp_path, arguments, message):
    with pytest.raises(ParameterError, match=message) as caught:
        ProbeLogger(**{"path": tmp_path / "run.parquet"} | arguments)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_cannot_be_written_raises_at_construction(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ParameterError, match="cannot be written"):
        ProbeLogger(tmp_path / "file" / "run.parquet")


def test_a_run_that_cannot_be_begun_leaves_nothing(path, monkeypatch):
    monkeypatch.setattr("rdmtools.logger.begin.Writer", full_disk)
    for arguments in ({"samples": ["a"]}, {"samples": {"text": ["a"]}}):
        with pytest.raises(ParameterError, match="cannot be begun"):
            ProbeLogger(path, **arguments)
        assert list(path.parent.iterdir()) == []


def test_a_run_that_is_there_is_replaced_only_when_asked(path):
    with ProbeLogger(path, ["a", "b", "c"]) as log:
        log(0, row(0))
        log.scalars(0, a=1)
    with pytest.raises(
        ParameterError, match="already exists; pass resume=True to go on, overwrite=True to delete"
    ):
        ProbeLogger(path)
    with ProbeLogger(path, overwrite=True) as log:
        log(7, row(7))
    assert table(path)["step"] == [7, 7, 7]
    assert not companion(path).exists()


def test_a_journal_that_is_there_is_replaced_only_when_asked(path):
    crashed = ProbeLogger(path)
    crashed(0, row(0))
    with pytest.raises(ParameterError, match=r"has rows .*left in .*journal.*; pass resume=True to go on"):
        ProbeLogger(path)
    assert len(journal(path).steps) == 1
    with ProbeLogger(path, overwrite=True) as log:
        log(7, row(7))
    assert table(path)["step"] == [7, 7, 7]


def test_overwriting_ends_the_open_logger_of_the_same_process(path):
    before = ProbeLogger(path)  # a notebook's cell, interrupted and run again
    before(0, row(0))
    with ProbeLogger(path, overwrite=True) as log:
        log(7, row(7))
        with pytest.warns(RdmtoolsWarning, match="the run is closed"):
            before(1, row(1))
        before.close()
        log(8, row(8))
    assert table(path)["step"] == [7, 7, 7, 8, 8, 8]
    assert before.refused == {"closed": 1}


OVERWRITING = """
import sys, rdmtools
try:
    rdmtools.ProbeLogger(sys.argv[1], overwrite=sys.argv[2] == "yes")
except rdmtools.ParameterError as error:
    print(error)
"""


@pytest.mark.parametrize("overwrite", ["yes", "no"])
def test_a_run_that_another_process_writes_is_never_touched(path, overwrite):
    def another() -> str:
        done = subprocess.run(
            [sys.executable, "-c", OVERWRITING, path, overwrite], capture_output=True, text=True, check=True
        )
        return done.stdout

    with ProbeLogger(path) as log:
        log(0, row(0))
        assert f"is being written by process {os.getpid()} on" in another()
        log(1, row(1))
    assert table(path)["step"] == [0, 0, 0, 1, 1, 1]
    assert (another() == "") == (overwrite == "yes")


FORKED = """
import os, subprocess, sys, rdmtools
path, overwriting = sys.argv[1:]
with rdmtools.ProbeLogger(path) as log:
    log(0, [1.0, 2.0, 3.0])
    if not (child := os.fork()):
        try:
            rdmtools.ProbeLogger(path, overwrite=True)
        except rdmtools.ParameterError:
            log.close()
            log._attempt.lock.release()  # as at the end of a child that ends in its own time
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    words = [sys.executable, "-c", overwriting, path, "yes"]
    assert "is being written by" in subprocess.run(words, capture_output=True, text=True).stdout
    log(1, [1.0, 2.0, 3.0])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_cannot_overwrite_what_its_parent_writes(path):
    subprocess.run([sys.executable, "-c", FORKED, path, OVERWRITING], check=True, timeout=60)
    assert table(path)["step"] == [0, 0, 0, 1, 1, 1]


def test_a_journal_that_is_removed_takes_no_more_rows_and_close_says_so(path, monkeypatch):
    monkeypatch.setattr(segment, "_LOOK_EVERY_S", 0)
    log = ProbeLogger(path)
    log(0, row(0))
    shutil.rmtree(companion(path))
    with pytest.warns(RdmtoolsWarning, match="the journal was removed"):
        log(1, row(1))
    with ProbeLogger(path.with_name("other.parquet")) as other:
        other(0, row(0))
    with pytest.raises(FormatError, match=r"was removed while it was open, with the rows in it \(1 were"):
        log.close()
    log.close()
    assert (log.rows, log.refused) == (1, {"write": 1})
    assert not path.exists()


def test_overwriting_removes_what_was_analysed_of_the_run_before(path):
    with ProbeLogger(path) as log:
        log(0, row(0))
    analysis = companion(path) / "analysis"
    (analysis / "figures").mkdir(parents=True)
    (analysis / "summary.json").write_text('{"contents": "rdmtools analysis"}')
    for name in ("report.html", "events.parquet", "figures/overview.png", "figures/event_3.svg"):
        (analysis / name).write_text("")
    with ProbeLogger(path, overwrite=True) as log:
        log(0, row(0))
    assert not analysis.exists()


def test_a_relative_path_means_the_folder_of_the_start(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with ProbeLogger("run.parquet") as log:
        os.chdir(tmp_path / "elsewhere")
        log(0, row(0))
    assert table(tmp_path / "run.parquet")["step"] == [0, 0, 0]
    monkeypatch.setenv("HOME", str(tmp_path))
    assert ProbeLogger("~/home.parquet").path == tmp_path / "home.parquet"


FIRST_CALLS = [
    (lambda log: log(0, [1.0, 2.0]), r"losses of step 0.*shape \(2,\); needed \(3,\)"),
    (lambda log: log(0, [row(0)]), r"shape \(1, 3\); needed \(3,\)"),
    (lambda log: log(0, 1.0), r"shape \(\); needed \(3,\)"),
    (lambda log: log(0, [1, [2, 3]]), "not numbers"),
    (lambda log: log(0, ["1", "2", "3"]), "not numbers"),
    (lambda log: log(0, [None] * 3), "not numbers"),
    (lambda log: log(0, [1j] * 3), "not numbers"),
    (lambda log: log(0.5, row(0)), "step is a float; needed an integer"),
    (lambda log: log(2**63, row(0)), "needed a 64-bit integer"),
    (lambda log: log.draws(0, row(0)), r"shape \(3,\); needed \(draws, 3\)"),
    (lambda log: log.draws(0, np.ones((0, 3))), r"shape \(0, 3\); needed \(draws, 3\)"),
    (lambda log: log.scalars(0), "needed at least one"),
    (lambda log: log.scalars(0, step=1), "none named 'step'"),
    (lambda log: log.scalars(0, acc="0.5"), "'acc' is not a number"),
    (lambda log: log.scalars(0, acc=None), "'acc' is not a number"),
    (lambda log: log.scalars(0, acc=np.ones(1)), "'acc' is not a number"),
]


@pytest.mark.parametrize(("call", "message"), FIRST_CALLS)
def test_the_first_call_of_a_kind_raises_what_later_ones_only_count(path, call, message):
    log = ProbeLogger(path, SAMPLES)
    with pytest.raises(ParameterError, match=message) as caught:
        call(log)
    assert "\n" not in str(caught.value)
    with pytest.warns(RdmtoolsWarning, match=message) as warned:
        call(log)
    call(log)  # a second warning would be an error here
    assert warned[0].filename == __file__
    assert log.refused.total() == 2
    assert len(journal(path).steps) == len(journal(path).scalars) == len(journal(path).draws) == 0
    with pytest.warns(RdmtoolsWarning, match="no losses"):
        log.close()


def test_the_first_losses_say_how_many_samples_there_are(path):
    with ProbeLogger(path) as log:
        log.scalars(0, a=1)
        log.draws(0, np.ones((DRAWS, SAMPLES)))
        with pytest.raises(ParameterError, match=r"shape \(2,\); needed \(3,\)"):
            log(0, [1.0, 2.0])
        log(0, row(0))
        assert journal(path).losses.shape == (1, SAMPLES)


# what is refused


def test_a_step_that_does_not_rise_is_refused_and_its_row_too(path):
    with ProbeLogger(path) as log:
        log(10, row(0))
        with pytest.warns(RdmtoolsWarning, match="step 10 follows step 10"):
            log(10, row(1))
        log(5, row(1))
        log.scalars(10, a=1)
        log.scalars(10, b=1)
        log.scalars(9, a=1)
        log(11, row(2))
    assert (log.rows, dict(log.refused)) == (2, {"step": 3})
    assert table(path)["step"] == [10] * 3 + [11] * 3


def test_a_framework_that_fails_does_not_end_the_training(path):
    class Broken:
        def detach(self):
            raise RuntimeError("CUDA error:\nan illegal memory access")

    with ProbeLogger(path) as log:
        log(0, row(0))
        with pytest.warns(RdmtoolsWarning, match="CUDA error: an illegal"):
            log(1, Broken())
    assert dict(log.refused) == {"values": 1}


def short_write(fd, *parts):
    whole = b"".join(parts)
    return os.write(fd, whole[: len(whole) // 2])


def full_disk(fd, *parts):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("fails", [short_write, full_disk])
def test_a_write_that_fails_is_taken_back_and_the_next_one_counts(path, fails, monkeypatch):
    with ProbeLogger(path) as log:
        log(0, row(0))
        with monkeypatch.context() as patch:
            patch.setattr(segment, "_write", fails)
            with pytest.warns(RdmtoolsWarning, match="losses of step 1 not recorded"):
                log(1, row(1))
        found = journal(path)
        assert (found.steps.tolist(), found.bytes_left) == ([0], 0)
        log(1, row(1))
        log(2, row(2))
        assert journal(path).steps.tolist() == [0, 1, 2]
    assert dict(log.refused) == {"write": 1}
    assert table(path)["loss"] == row(0) + row(1) + row(2)


def test_a_step_whose_write_failed_may_come_again_the_first_too(path, monkeypatch):
    with ProbeLogger(path) as log:
        with monkeypatch.context() as patch:
            patch.setattr(segment, "_write", full_disk)
            with pytest.warns(RdmtoolsWarning, match="No space left"):
                log(0, row(0))
        log(0, row(0))
    assert table(path)["loss"] == row(0)


def test_what_could_not_be_taken_back_is_taken_back_before_the_next_record(path, monkeypatch):
    with ProbeLogger(path) as log:
        log(0, row(0))
        with monkeypatch.context() as patch:
            patch.setattr(segment, "_write", short_write)
            patch.setattr(os, "ftruncate", full_disk)
            with pytest.warns(RdmtoolsWarning, match="not recorded"):
                log(1, row(1))
            patch.setattr(segment, "_write", lambda fd, *parts: pytest.fail("written behind a cut record"))
            log(2, row(2))
        [file] = (companion(path) / "journal").glob("*/losses-*.rdj")
        assert file.stat().st_size % (HEADER_BYTES + 12) > 0
        assert journal(path).bytes_left == 0  # a record that is being written is no damage
        log(3, row(3))
        assert (journal(path).steps.tolist(), journal(path).bytes_left) == ([0, 3], 0)


def test_sync_always_refuses_what_the_disk_did_not_take(path, monkeypatch):
    with ProbeLogger(path, sync="always") as log:
        log(0, row(0))
        with monkeypatch.context() as patch:
            patch.setattr(segment, "_to_disk", lambda fd: full_disk(fd))
            with pytest.warns(RdmtoolsWarning, match="not recorded"):
                log(1, row(1))
        log(1, row(1))
    assert table(path)["step"] == [0] * 3 + [1] * 3


def test_after_close_calls_are_refused_and_warned_of_once(path):
    log = ProbeLogger(path)
    log(0, row(0))
    log.close()
    log.close()
    log.flush()
    with pytest.warns(RdmtoolsWarning, match="the run is closed"):
        log(1, row(1))
    log.draws(1, [row(1)])
    log.scalars(1, a=1)
    assert dict(log.refused) == {"closed": 3}
    assert table(path)["step"] == [0] * 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_is_refused_and_changes_nothing(path):
    script = """
import os, sys, warnings, rdmtools
log = rdmtools.ProbeLogger(sys.argv[1], sync="never")
log(0, [1.0, 2.0, 3.0])
[segment] = log._writer._open.values()
segment._flushing.acquire()  # as when the fork falls into a sync: nobody in the child will release it
child = os.fork()
if child == 0:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        log(1, [1.0, 2.0, 3.0]); log(2, [1.0, 2.0, 3.0]); log.flush(); log.close()
    sys.exit(0 if len(warned) == 1 and log.refused == {"fork": 2} else 1)
segment._flushing.release()
assert os.waitpid(child, 0)[1] == 0
log(1, [4.0, 5.0, 6.0])
log.close()
"""
    subprocess.run([sys.executable, "-c", script, path], check=True, timeout=60)
    assert table(path)["loss"] == [1, 2, 3, 4, 5, 6]


# what survives


def test_kill_9_leaves_every_accepted_row(path):
    script = """
import sys, rdmtools
log = rdmtools.ProbeLogger(sys.argv[1], samples=["a", "b", "c"])
for step in range(10**9):
    log(step, [step, step, step])
    print(step, flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", script, path], stdout=subprocess.PIPE, text=True) as job:
        lines = [job.stdout.readline() for _ in range(100)]
        job.send_signal(signal.SIGKILL)
        lines += job.stdout.read().split()
    accepted = int(lines[-1])
    found = journal(path)
    assert not path.exists()
    assert len(found.steps) >= accepted + 1 >= 100
    np.testing.assert_array_equal(found.losses, np.repeat(np.arange(len(found.steps)), 3).reshape(-1, 3))
    assert found.sample_ids.tolist() == ["a", "b", "c"]
    assert found.bytes_left == 0


def test_a_job_that_ends_without_close_leaves_the_journal(path):
    script = "import sys, rdmtools; rdmtools.ProbeLogger(sys.argv[1])(0, [1.0, 2.0])"
    subprocess.run([sys.executable, "-W", "error", "-c", script, path], check=True, timeout=60)
    assert journal(path).losses.tolist() == [[1.0, 2.0]]


def test_an_error_in_the_training_keeps_the_rows(path):
    def training():
        with ProbeLogger(path) as log:
            log(0, row(0))
            _ = 1 / 0

    with pytest.raises(ZeroDivisionError):
        training()
    assert table(path)["loss"] == row(0)


def test_a_run_that_cannot_be_written_keeps_its_journal_and_can_be_closed_again(path, monkeypatch):
    log = ProbeLogger(path)
    log(0, row(0))
    with monkeypatch.context() as patch:
        patch.setattr("rdmtools.logger.merge.write_losses", lambda *_, **__: full_disk(0))
        with pytest.raises(FormatError, match=r"No space left.*1 row is safe in .*journal.*close\(\) again"):
            log.close()
        with pytest.warns(RdmtoolsWarning, match="1 row is safe"), pytest.raises(ZeroDivisionError), log:
            _ = 1 / 0
        with pytest.warns(RdmtoolsWarning, match="1 row is safe"), ProbeLogger(path, resume=True) as again:
            again(1, row(1))
        after_the_training = True
    assert after_the_training
    assert journal(path).losses.tolist() == [row(0), row(1)]
    assert not path.exists()
    again.close()
    assert table(path)["loss"] == row(0) + row(1)
    assert not companion(path).exists()


def test_a_journal_that_does_not_read_back_is_never_removed(path):
    log = ProbeLogger(path)
    for step in range(4):
        log(step, row(step))
    file = next((companion(path) / "journal").glob("*/*.rdj"))
    damaged = bytearray(file.read_bytes())
    damaged[2 * (HEADER_BYTES + 12) + 40] ^= 1
    file.write_bytes(damaged)
    with pytest.raises(FormatError, match="2 of 4 records of losses can be read back"):
        log.close()
    assert not path.exists()
    assert len(journal(path).steps) == 2


def test_a_run_without_losses_leaves_a_warning_and_no_file(path):
    with pytest.warns(RdmtoolsWarning, match="no losses were recorded, so .*run.parquet is not written"):
        ProbeLogger(path, ["a", "b"]).close()
    assert list(path.parent.iterdir()) == []


def test_a_run_of_draws_alone_keeps_them(path):
    with pytest.warns(RdmtoolsWarning, match="no losses"), ProbeLogger(path) as log:
        log.draws(0, np.ones((DRAWS, SAMPLES)))
    assert not path.exists()
    assert table(companion(path) / "draws.parquet")["draw"] == [0] * SAMPLES + [1] * SAMPLES
    with pytest.raises(ParameterError, match=r"draws\.parquet already exists"):
        ProbeLogger(path)


@pytest.mark.parametrize(("sync", "expected"), [("second", 1), ("always", 5), ("never", 0)])
def test_rows_reach_the_disk_as_often_as_asked(path, sync, expected, monkeypatch):
    synced = threading.Semaphore(0)
    counted = []
    monkeypatch.setattr(writer, "_SYNC_EVERY_S", 0.2)
    monkeypatch.setattr(segment, "_to_disk", lambda fd: (counted.append(fd), synced.release()))
    log = ProbeLogger(path, sync=sync)
    for step in range(5):
        log(step, row(step))
    if expected:
        assert synced.acquire(timeout=20)
    time.sleep(0.5)  # long enough for another round, which must find nothing to do
    assert len(counted) == expected
    log.flush()
    assert len(counted) == expected + 1
    log.close()


def test_threads_share_a_logger(path):
    with ProbeLogger(path) as log:
        threads = [
            threading.Thread(target=lambda: [log.scalars(0, a=1.0) for _ in range(200)]) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        log(0, row(0))
        assert journal(path).bytes_left == 0
    assert log.refused.total() == 0


def test_its_repr_says_how_it_stands(path):
    log = ProbeLogger(path)
    assert repr(log) == "ProbeLogger('run.parquet': open, 0 rows of ? samples)"
    log(40, [1.0, np.nan, 3.0])
    with pytest.warns(RdmtoolsWarning):
        log(40, row(0))
    log.close()
    assert repr(log) == (
        "ProbeLogger('run.parquet': closed, 1 row of 3 samples, last step 40, 1 refused (step), "
        "1 losses not finite)"
    )
