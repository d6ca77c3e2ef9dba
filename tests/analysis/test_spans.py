"""A run cut into spans, by whoever does the work: the same bits as in one piece."""

import os
import signal
import subprocess
import sys
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from itertools import pairwise
from multiprocessing import get_context

import numpy as np
import pytest
from helpers import naive, runs
from helpers.walks import assert_same, stored, walk
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import ThreadpoolController

import rdmtools as rdm
from rdmtools.analysis import spans as module
from rdmtools.analysis.blas import one_blas_thread
from rdmtools.analysis.log_energies import log_energies_of
from rdmtools.analysis.spans import (
    first_reached,
    joined,
    map_every,
    map_lengths,
    row_energies,
    span_values,
    spans,
)
from rdmtools.executor import results
from rdmtools.run.losses import StoredLosses


class Here(Executor):
    """The work done at once, in this process."""

    def __init__(self):
        self.tasks = 0

    def submit(self, work, task):
        self.tasks += 1
        future = Future()
        future.set_result(work(task))
        return future


@pytest.fixture
def short_spans(monkeypatch):
    monkeypatch.setattr(module, "_SHORTEST_SPAN", 1)


@settings(max_examples=25)
@given(
    rows=st.integers(40, 900),
    samples=st.sampled_from([1, 3, 40, 300]),
    longest=st.integers(4, 40),
    detrend=st.sampled_from(["constant", "linear"]),
    precision=st.sampled_from(["double", "single"]),
    stride=st.integers(1, 5),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_values_do_not_depend_on_the_cuts(rows, samples, longest, detrend, precision, stride, dtype):
    run = walk(rows, samples, seed=rows, dtype=dtype)
    chosen = rdm.AnalysisSettings(
        windows=(longest, 3), detrend=detrend, precision=precision, stride=stride, spectrum=True
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "tile_rows", lambda samples: 32)
        whole = [*spans(run.stored, run.steps, chosen, apart=False)]
        patch.setattr(module, "_SHORTEST_SPAN", 1)
        cut = [*spans(run.stored, run.steps, chosen, apart=True)]
        assert len(whole) == 1
        assert [span.stop for span in cut[:-1]] == [span.start for span in cut[1:]]
        assert len(cut) > 1 or rows <= 16 * longest + 31
        expected, found = span_values(whole[0]), joined([span_values(span) for span in cut])
    for index in range(2):
        for name, values in expected.observables[index].items():
            np.testing.assert_array_equal(found.observables[index][name], values, err_msg=name)
        np.testing.assert_array_equal(found.spectra[index], expected.spectra[index])
    for values, others in zip(expected.shc_map, found.shc_map, strict=True):
        np.testing.assert_array_equal(values, others)
    assert len(found.energies) == (longest >= 6)
    for values, others in zip(expected.energies, found.energies, strict=True):
        for name, signal_values in values.items():
            assert len(signal_values) == rows - longest // 2 + 1
            np.testing.assert_array_equal(others[name], signal_values, err_msg=name)


@settings(max_examples=25)
@given(
    rows=st.integers(45, 900),
    samples=st.sampled_from([1, 3, 40, 300]),
    window=st.integers(6, 39),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 5),
)
def test_energies_of_a_few_rows_have_the_bits_of_the_whole_run(rows, samples, window, dtype, seed):
    run, rng = walk(rows, samples, seed=rows, dtype=dtype), np.random.default_rng(seed)
    losses = np.asarray(run.losses)
    windows = window, 45 - window
    chosen = rdm.AnalysisSettings(windows=windows)
    cuts = sorted({0, *rng.integers(0, rows, 6).tolist(), rows})
    with pytest.MonkeyPatch.context() as patch:
        if rng.random() < 0.5:
            patch.setattr(module, "tile_rows", lambda samples: 32)
        expected = joined([span_values(span) for span in spans(run.stored, run.steps, chosen, apart=False)])
        found = {(length, name): [] for length in range(2) for name in ("shc", "mean_slope")}
        for start, stop in pairwise(cuts):
            first = first_reached(start, max(windows), samples)
            held = StoredLosses.of(losses[first:stop])
            of_lengths = row_energies(held, start, stop, windows=windows, first=first)
            for length, energies in enumerate(of_lengths):
                for name, values in energies.items():
                    found[length, name].append(values)
    for (length, name), values in found.items():
        whole, early = np.concatenate(values), windows[length] // 2 - 1
        assert np.isnan(whole[:early]).all()
        np.testing.assert_array_equal(whole[early:], expected.energies[length][name], err_msg=name)


@pytest.mark.parametrize("detrend", ["constant", "linear"])
def test_energies_are_those_of_the_whole_run_without_a_trend_taken_out(detrend):
    run = walk(120, 9)
    chosen = rdm.AnalysisSettings(windows=(20, 5, 12), detrend=detrend)
    (span,) = spans(run.stored, run.steps, chosen, apart=False)
    for window, found in zip((20, 12), span_values(span).energies, strict=True):
        expected = log_energies_of(np.asarray(run.losses), window)
        for name, values in found.items():
            np.testing.assert_allclose(values, expected[name][window // 2 - 1 :], atol=1e-12, err_msg=name)


def test_a_pool_of_threads_gives_the_same_bits(tmp_path, short_spans):
    for run in (stored(tmp_path), walk(700, 260)):
        alone = rdm.analyze(run, windows=(20, 7), spectrum=True)
        with ThreadPoolExecutor(3) as executor:
            assert_same(rdm.analyze(run, windows=(20, 7), spectrum=True, executor=executor), alone)


def test_a_pool_of_processes_gives_the_same_bits(tmp_path, short_spans):
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        for run in (stored(tmp_path), walk(700, 260)):
            heard = []
            found = rdm.analyze(
                run, detrend="linear", executor=executor, progress=lambda *done, to=heard: to.append(done)
            )
            assert_same(found, rdm.analyze(run, detrend="linear"))
            assert heard[-1] == (700, 700)
            assert len(heard) > 1


def test_losses_in_files_are_read_by_the_workers(tmp_path, short_spans):
    run = stored(tmp_path)
    [*parts] = spans(run.stored, run.steps, rdm.AnalysisSettings(), apart=True)
    assert len(parts) > 1
    for part in parts:
        assert {type(group).__name__ for group in part.losses.groups} == {"RowGroup"}
        np.testing.assert_array_equal(
            part.losses.read(0, part.losses.shape[0]), run.rows(part.begin, part.stop)
        )


def test_few_losses_travel_at_a_time(monkeypatch, short_spans):
    monkeypatch.setattr("rdmtools.executor.MOST_BYTES", 1)
    run, executor = walk(700, 260), Here()
    assert_same(rdm.analyze(run, executor=executor), rdm.analyze(run))
    assert executor.tasks > 1


def test_what_is_wrong_with_a_file_is_told_by_a_worker_as_here(tmp_path):
    run = stored(tmp_path)
    (tmp_path / "run.parquet").unlink()
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor,
        pytest.raises(rdm.FormatError, match=r"run\.parquet changed while it was read; read it again"),
    ):
        rdm.analyze(run, executor=executor)


def killed(task):
    os.kill(os.getpid(), signal.SIGKILL)


def test_workers_that_die_are_told_in_one_line():
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor,
        pytest.raises(rdm.WorkerError, match="a worker process died") as caught,
    ):
        [*results(killed, [(0, 0), (1, 0)], executor)]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("executor", [4, "dask"])
def test_only_an_executor_is_taken(executor):
    with pytest.raises(rdm.ParameterError, match=r"needed a concurrent\.futures\.Executor"):
        rdm.analyze(runs.with_event(), executor=executor)


def test_what_waits_is_not_begun_after_an_error():
    class Never(Executor):
        def submit(self, work, task):
            futures.append(Future())
            if task == 0:
                futures[0].set_exception(OSError("no"))
            return futures[-1]

    futures = []
    with pytest.raises(OSError, match="no"):
        [*results(print, [(0, 0), (1, 0), (2, 0)], Never())]
    assert all(future.cancelled() for future in futures[1:])


def test_an_executor_that_was_shut_down_is_told_in_one_line():
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(rdm.WorkerError, match=r"takes no work .*; needed one that does; make a new one"):
        rdm.analyze(runs.with_event(), executor=executor)


def test_a_task_is_made_when_there_is_room_for_it(monkeypatch, short_spans):
    monkeypatch.setattr("rdmtools.executor.MOST_BYTES", 1)
    made = []
    run, executor = walk(3000, 260), Here()
    part = type(run.stored).part
    monkeypatch.setattr(type(run.stored), "part", lambda *a: made.append(executor.tasks) or part(*a))
    rdm.analyze(run, executor=executor)
    assert made == [*range(len(made))]
    assert len(made) > 5


def test_what_stays_in_files_takes_no_room_on_the_way(tmp_path, short_spans):
    run = stored(tmp_path)
    assert {
        span.losses.nbytes for span in spans(run.stored, run.steps, rdm.AnalysisSettings(), apart=True)
    } == {0}
    [whole] = spans(walk(50, 9).stored, np.arange(50), rdm.AnalysisSettings(), apart=True)
    assert whole.losses.nbytes == 50 * 9 * 4


@pytest.mark.parametrize(("rows", "samples"), [(9000, 100), (5000, 150)])
@pytest.mark.parametrize("precision", ["double", "single"])
def test_means_do_not_depend_on_the_cuts_whatever_the_tile(rows, samples, precision):
    losses = np.random.default_rng(0).standard_normal((rows, samples))
    run = rdm.Run.from_arrays(np.arange(rows), losses)
    with ThreadPoolExecutor(2) as executor:
        assert_same(
            rdm.analyze(run, precision=precision, executor=executor), rdm.analyze(run, precision=precision)
        )


@pytest.mark.parametrize(("rows", "window"), [(2048, 2048), (4096, 4093), (1100, 1090)])
def test_a_window_as_long_as_the_run_has_no_place_in_the_map(rows, window):
    losses = np.random.default_rng(0).standard_normal((rows, 3))
    run = rdm.Run.from_arrays(np.arange(rows), losses)
    found = rdm.analyze(run, window=window)
    expected = naive.observables(losses[-window:], 0)
    assert found.observables["shc"].iloc[-1] == pytest.approx(expected["shc"], rel=1e-9)


def blas_threads():
    return {pool["num_threads"] for pool in ThreadpoolController().info() if pool["user_api"] == "blas"}


def test_products_take_one_thread_and_give_back_what_was_set():
    before = blas_threads()
    with one_blas_thread():
        with one_blas_thread():
            assert blas_threads() == {1}
        assert blas_threads() == {1}
    assert blas_threads() == before


def test_a_library_that_comes_later_takes_one_thread_too():
    child = (
        "from threadpoolctl import ThreadpoolController\n"
        "from rdmtools.analysis.blas import one_blas_thread\n"
        "def threads(): return [info['num_threads'] for info in ThreadpoolController().info()]\n"
        "with one_blas_thread(): pass\n"
        "import scipy.linalg\n"
        "with one_blas_thread(): assert set(threads()) == {1}, threads()\n"
    )
    done = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_threads_that_end_in_any_order_give_back_what_was_set():
    with ThreadpoolController().limit(limits=2, user_api="blas"):
        first, second = one_blas_thread(), one_blas_thread()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert blas_threads() == {1}
        second.__exit__(None, None, None)
        assert blas_threads() == {2}


@pytest.mark.parametrize("rows", [37, 512, 513, 1500])
@pytest.mark.parametrize("detrend", ["constant", "linear"])
def test_the_map_holds_what_an_analysis_of_each_length_says(rows, detrend):
    run = walk(rows, 9)
    chosen = rdm.AnalysisSettings(windows=(7, 30), detrend=detrend)
    lengths = map_lengths(chosen)
    assert lengths[0] == {"constant": 4, "linear": 5}[detrend]
    assert lengths[-1] == 30
    found = rdm.analyze(run, chosen).shc_map
    assert list(found.columns) == ["window", "step", "shc"]
    every = map_every(rows)
    assert rows / every <= 512
    for length in lengths:
        table = rdm.analyze(run, chosen, windows=(length,)).observables
        kept = table[np.isin(table["step"], run.steps[::every])]
        mapped = found[found["window"] == length]
        np.testing.assert_array_equal(mapped["step"], kept["step"])
        np.testing.assert_allclose(mapped["shc"], kept["shc"], rtol=1e-9)


def test_a_map_of_one_short_length_is_that_length():
    assert map_lengths(rdm.AnalysisSettings(windows=(2,))) == [2]
    assert map_lengths(rdm.AnalysisSettings(windows=(3,), detrend="linear")) == [3]


@pytest.mark.parametrize("detrend", ["constant", "linear"])
def test_single_precision_is_close(detrend):
    rng = np.random.default_rng(0)
    losses = (2 + 0.1 * rng.standard_normal((300, 60))).astype(np.float32)
    losses[150:] += np.linspace(0, 1, 150, dtype=np.float32)[:, None]
    run = rdm.Run.from_arrays(np.arange(300), losses)
    double, single = (
        rdm.analyze(run, detrend=detrend, precision=precision).observables
        for precision in ("double", "single")
    )
    for name in ("shc", "pr", "total_variance", "autocorrelation", "mean_loss"):
        np.testing.assert_allclose(single[name], double[name], rtol=2e-5, atol=1e-5, err_msg=name)
    assert not single["shc"].equals(double["shc"])


def test_single_precision_keeps_small_changes_of_large_float64_losses():
    losses = 1e6 + 1e-3 * np.random.default_rng(0).standard_normal((60, 8))
    run = rdm.Run.from_arrays(np.arange(60), losses)
    found = rdm.analyze(run, window=10, precision="single").observables
    expected = naive.observables(losses[20:30], 0)
    assert found["shc"][20] == pytest.approx(expected["shc"], rel=1e-5)


def test_single_precision_says_what_it_cannot_hold():
    losses = 1e25 * np.random.default_rng(0).standard_normal((60, 8))
    run = rdm.Run.from_arrays(np.arange(60), losses)
    with pytest.raises(rdm.ParameterError, match="needed less with precision='single'; choose 'double'"):
        rdm.analyze(run, precision="single")
    assert np.isfinite(rdm.analyze(run).observables["shc"]).all()
