"""Hundreds of runs: shared out, a broken one told and the rest done, and nothing done twice."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pandas as pd
import pytest
from helpers import runs
from helpers.command import rdmtools, rdmtools_process

import rdmtools as rdm
from rdmtools import comparing
from rdmtools.analysis.settings import AnalysisSettings
from rdmtools.results import fingerprint
from rdmtools.run.rules import Rules
from rdmtools_cli import analyze, workers

RUNS = 5


@pytest.fixture
def folder(tmp_path):
    """Five runs with an event each, and their samples."""
    for seed in range(RUNS):
        run = runs.with_event(seed)
        with rdm.ProbeLogger(
            tmp_path / f"s{seed}.parquet", samples=run.samples, metadata={"seed": seed}
        ) as log:
            for step, losses in zip(run.steps.tolist(), run.losses, strict=True):
                log(step, losses)
    return tmp_path


def paths(folder):
    return sorted(folder.glob("s*.parquet"))


def assert_same(found, expected):
    for name in ("runs", "events", "observables", "failures"):
        pd.testing.assert_frame_equal(getattr(found, name), getattr(expected, name), check_exact=True)


@pytest.fixture
def counted(monkeypatch):
    """How many runs were analysed, in this process."""
    calls = []
    find = comparing.find_brief
    monkeypatch.setattr(comparing, "find_brief", lambda *a, **k: calls.append(a) or find(*a, **k))
    return calls


def test_workers_find_what_is_found_here(folder):
    alone = rdm.compare(paths(folder), window=15)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        assert_same(rdm.compare(paths(folder), window=15, executor=executor), alone)
        given = [rdm.read_run(path) for path in paths(folder)]
        in_memory = rdm.compare(given, window=15, executor=executor)
    pd.testing.assert_frame_equal(in_memory.events, alone.events)
    assert len(alone.failures) == 0


def test_a_broken_run_is_reported_and_the_rest_are_done(folder):
    (folder / "s1.parquet").write_bytes(b"PAR1 and no more")
    given = paths(folder)
    with ThreadPoolExecutor(2) as executor:
        for how in ({}, {"executor": executor}):
            found = rdm.compare(given, errors="report", **how)
            assert list(found.runs["run"]) == ["s0", "s2", "s3", "s4"]
            [failure] = found.failures.to_dict("records")
            assert failure["run"] == "s1"
            assert "s1.parquet is cut short after 16 bytes" in failure["error"]
            with pytest.raises(rdm.FormatError, match="cut short"):
                rdm.compare(given, **how)


def test_runs_that_are_all_broken_leave_empty_tables(tmp_path):
    (tmp_path / "s.parquet").write_bytes(b"")
    found = rdm.compare([tmp_path / "s.parquet"], errors="report")
    assert len(found.runs) == len(found.events) == len(found.observables) == 0
    assert len(found.failures) == 1


def test_what_to_do_about_errors_is_one_of_two():
    with pytest.raises(rdm.ParameterError, match="errors is 'ignore'; choose one of raise, report"):
        rdm.compare([runs.with_event()], errors="ignore")


def test_warnings_of_workers_are_warned_of_here(tmp_path):
    losses = runs.with_event().losses
    np.save(tmp_path / "a.npy", losses)
    np.save(tmp_path / "b.npy", losses)
    given = sorted(tmp_path.glob("*.npy"))
    with pytest.warns(rdm.RdmtoolsWarning) as alone:
        rdm.compare(given)
    with ThreadPoolExecutor(1) as executor, pytest.warns(rdm.RdmtoolsWarning) as told:
        rdm.compare(given, executor=executor)
    assert [str(each.message).split("/")[-1] for each in told] == [
        str(each.message).split("/")[-1] for each in alone
    ]


def test_a_second_call_analyses_nothing(folder, tmp_path, counted):
    cache = tmp_path / "new" / "cache"
    first = rdm.compare(paths(folder), window=15, cache=cache)
    assert len(counted) == RUNS
    assert_same(rdm.compare(paths(folder), window=15, cache=cache), first)
    assert len(counted) == RUNS
    assert len([*cache.iterdir()]) == RUNS


def test_what_differs_is_analysed_again(folder, tmp_path, counted):
    cache = tmp_path / "cache"

    def analysed(**changes):
        before = len(counted)
        rdm.compare([folder / "s0.parquet"], cache=cache, **changes)
        return len(counted) - before

    assert analysed() == 1
    assert analysed() == 0
    assert analysed(window=15) == 1
    assert analysed(missing="drop-steps") == 1
    shutil.copy(folder / "s1.parquet", folder / "s0.parquet")
    assert analysed() == 1
    samples = folder / "s0.rdm" / "samples.parquet"
    table = pd.read_parquet(samples)
    table.assign(group="all").to_parquet(samples, index=False)
    assert analysed() == 1
    assert analysed() == 0


def test_where_a_run_lies_makes_no_difference(folder, tmp_path, counted):
    cache = tmp_path / "cache"
    found = rdm.compare([folder / "s0.parquet"], cache=cache)
    shutil.copytree(folder / "s0.rdm", folder / "moved.rdm")
    (folder / "s0.parquet").rename(folder / "moved.parquet")
    moved = rdm.compare([folder / "moved.parquet"], cache=cache)
    assert len(counted) == 1
    assert moved.runs["run"].tolist() == ["moved"]
    pd.testing.assert_frame_equal(moved.runs.drop(columns="run"), found.runs.drop(columns="run"))


def test_other_code_is_another_analysis(folder, monkeypatch):
    path = folder / "s0.parquet"
    before = fingerprint.fingerprint(path, Rules(), AnalysisSettings())
    assert fingerprint.fingerprint(path, Rules(), AnalysisSettings()) == before
    monkeypatch.setattr(fingerprint, "_code", lambda: "other")
    assert fingerprint.fingerprint(path, Rules(), AnalysisSettings()) != before


def test_a_large_file_is_known_by_its_ends_size_and_time(tmp_path, monkeypatch):
    monkeypatch.setattr(fingerprint, "WHOLE_BYTES", 100)
    file = tmp_path / "f"
    file.write_bytes(bytes(1000))
    os.utime(file, ns=(0, 5))
    before = fingerprint._content(file)
    for change in (b"\1" + bytes(999), bytes(999) + b"\1", bytes(1001)):
        file.write_bytes(change)
        os.utime(file, ns=(0, 5))
        assert fingerprint._content(file) != before
    file.write_bytes(bytes(500) + b"\1" + bytes(499))
    assert fingerprint._content(file) != before  # another time


def test_half_a_cache_is_made_again(folder, tmp_path, counted):
    cache = tmp_path / "cache"
    first = rdm.compare([folder / "s0.parquet"], cache=cache)
    [kept] = cache.iterdir()
    (kept / "events.parquet").unlink()
    assert_same(rdm.compare([folder / "s0.parquet"], cache=cache), first)
    assert len(counted) == 2


def test_a_cache_that_cannot_be_written_is_told(folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(rdm.ParameterError, match=r"file cannot be written .*; needed a folder that can"):
        rdm.compare([folder / "s0.parquet"], cache=tmp_path / "file")


def test_what_the_command_left_beside_a_run_is_used(folder, counted):
    assert rdmtools("analyze", "s0.parquet", "s1.parquet", "--no-report", cwd=folder).returncode == 0
    rdm.compare([folder / "s0.parquet", folder / "s1.parquet"])
    assert len(counted) == 0
    rdm.compare([folder / "s0.parquet"], window=15)
    assert len(counted) == 1


# On the command line


def test_the_command_shares_runs_out_and_tells_them_in_order(folder):
    (folder / "s1.parquet").write_bytes(b"no")
    alone = rdmtools("analyze", "s*.parquet", "--out", "a", "--figures", "svg", cwd=folder)
    shared = rdmtools_process(
        "analyze", "s*.parquet", "--out", "b", "--workers", 2, "--figures", "svg", cwd=folder
    )
    assert alone.returncode == shared.returncode == 1
    assert shared.stdout.replace("b/", "a/") == alone.stdout
    assert "s1.parquet starts with b'no'" in shared.stderr
    for seed in (0, 2, 3, 4):
        for name in ("observables", "events", "modes"):
            tables = [pd.read_parquet(folder / out / f"s{seed}" / f"{name}.parquet") for out in "ab"]
            pd.testing.assert_frame_equal(*tables, check_exact=True)
        pages = [(folder / out / f"s{seed}" / "figures" / "overview.svg").read_bytes() for out in "ab"]
        assert pages[0] == pages[1]


def test_few_runs_are_shared_out_by_rows(folder):
    shared = rdmtools_process("analyze", "s0.parquet", "--out", "b", "--workers", 2, "--json", cwd=folder)
    alone = rdmtools("analyze", "s0.parquet", "--out", "a", "--json", cwd=folder)
    assert (shared.returncode, shared.stdout) == (0, alone.stdout)


def test_threads_share_the_rows_of_a_large_run_and_find_the_same(folder, monkeypatch):
    asked = []
    monkeypatch.setattr(workers, "_cores", lambda: 3)
    monkeypatch.setattr(
        workers, "ThreadPoolExecutor", lambda count: asked.append(count) or ThreadPoolExecutor(count)
    )

    def found(out, *words):
        done = rdmtools("analyze", "s0.parquet", "--out", out, "--json", *words, cwd=folder)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), pd.read_parquet(folder / out / "observables.parquet")

    alone, table = found("a", "--workers", 1)
    assert asked == []
    monkeypatch.setattr(analyze, "_LARGE", 1)
    submitted = []
    submit = ThreadPoolExecutor.submit
    monkeypatch.setattr(
        ThreadPoolExecutor, "submit", lambda *a, **k: submitted.append(a[1]) or submit(*a, **k)
    )
    shared, same = found("b")
    assert asked == [3]
    assert submitted
    assert shared == alone
    pd.testing.assert_frame_equal(same, table, check_exact=True)


def test_many_runs_are_shared_out_to_all_cores_unless_told_otherwise(monkeypatch):
    monkeypatch.setattr(workers, "_cores", lambda: 4)

    def hired(asked, runs, worth):
        with workers.staff(workers.Sharing(workers=asked), runs=runs, worth=worth) as staff:
            return staff.workers

    assert [hired(None, runs, 8) for runs in (1, 15, 16, 31, 400)] == [1, 1, 2, 3, 4]
    assert [hired(asked, 400, 8) for asked in (1, 2)] == [1, 2]


def test_compare_shares_runs_out(folder):
    (folder / "s1.parquet").write_bytes(b"no")
    alone = rdmtools("compare", "s*.parquet", cwd=folder)
    shared = rdmtools_process("compare", "s*.parquet", "--workers", 2, "--cache", "kept", cwd=folder)
    assert (shared.returncode, shared.stdout) == (1, alone.stdout)
    assert "s1.parquet starts with" in shared.stderr
    again = rdmtools("compare", "s*.parquet", "--cache", "kept", cwd=folder)
    assert again.stdout == alone.stdout + "4 of 4 runs as found before; --fresh looks again\n"
    assert len([*(folder / "kept").iterdir()]) == 4


def test_compare_keeps_what_it_found_beside_each_run_and_looks_again_where_that_changed(folder):
    def told(*words):
        done = rdmtools("compare", "s*.parquet", *words, cwd=folder)
        assert done.returncode == 0, done.stderr
        return done.stdout

    first = told()
    assert "as found before" not in first
    kept = sorted(folder.glob("s*.rdm/compared/summary.json"))
    assert len(kept) == RUNS
    told_again = told()
    assert told_again == f"{first}{RUNS} of {RUNS} runs as found before; --fresh looks again\n"
    assert told("--fresh") == first
    kept[0].write_text("{}")
    assert f"{RUNS - 1} of {RUNS} runs as found before" in told()
    assert "as found before" not in told("--window", 15)  # the last settings alone are kept
    assert len(sorted(folder.glob("s*.rdm/compared/*"))) == 4 * RUNS


def test_a_folder_that_is_not_ours_is_left_and_nothing_is_kept_there(folder):
    mine = folder / "s0.rdm" / "compared" / "mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("precious")
    for _ in range(2):
        assert "as found before" not in rdmtools("compare", "s0.parquet", cwd=folder).stdout
    assert [*mine.parent.iterdir()] == [mine]
    assert sorted(path.name for path in (folder / "s0.rdm").iterdir() if path.name.startswith(".")) == []


def test_a_run_that_has_not_changed_is_not_analysed_again(folder):
    place = folder / "s0.rdm" / "analysis"

    def made(*words):
        done = rdmtools("analyze", "s0.parquet", *words, cwd=folder)
        assert done.returncode == 0, done.stderr
        return (place / "summary.json").stat().st_mtime_ns, done.stdout

    first, said = made()
    again, same = made()
    assert again == first
    assert "unchanged since it was analysed; --fresh makes it again" in same
    assert same.startswith(said.rstrip("\n"))
    assert made("--fresh", "--no-report")[0] != first
    before = made("--no-report")[0]
    assert made("--window", 15, "--no-report")[0] != before
    before = made("--window", 15)[0]
    (place / "report.html").unlink()
    assert made("--window", 15, "--no-report")[0] == before
    assert made("--window", 15)[0] != before
    summary = json.loads((place / "summary.json").read_text())
    (place / "summary.json").write_text(json.dumps(summary | {"fingerprint": "other"}))
    before = (place / "summary.json").stat().st_mtime_ns
    assert made("--window", 15, "--no-report")[0] != before


def test_results_that_are_not_whole_are_made_again(folder):
    place = folder / "s0.rdm" / "analysis"
    for gone in ("observables.parquet", "figures/overview.svg"):
        assert rdmtools("analyze", "s0.parquet", "--figures", "svg", cwd=folder).returncode == 0
        (place / gone).unlink()
        assert rdmtools("analyze", "s0.parquet", "--figures", "svg", cwd=folder).returncode == 0
        assert (place / gone).is_file()
    summary = json.loads((place / "summary.json").read_text())
    del summary["notes"]
    (place / "summary.json").write_text(json.dumps(summary | {"verdict": "none"}))
    done = rdmtools("analyze", "s0.parquet", cwd=folder)
    assert "unchanged since" not in done.stdout
    assert "1 change" in done.stdout


def test_results_of_a_copy_elsewhere_are_not_taken_for_those_of_a_run(folder):
    (folder / "x").mkdir()
    shutil.copy(folder / "s0.parquet", folder / "x" / "s0.parquet")
    shutil.copytree(folder / "s0.rdm", folder / "x" / "s0.rdm")
    for path in ("s0.parquet", "x/s0.parquet"):
        assert rdmtools("analyze", path, "--out", "r", cwd=folder).returncode == 0
        assert json.loads((folder / "r" / "summary.json").read_text())["run"]["source"] == path


def test_results_inside_results_are_refused(folder):
    for place in ("a", "x/a/b", "y/c/b"):
        (folder / "n" / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "s0.parquet", folder / "n" / f"{place}.parquet")
    done = rdmtools("analyze", "n/**/*.parquet", "--out", "r", cwd=folder)
    assert (done.returncode, "would lie inside those in" in done.stderr) == (2, True)
    assert not (folder / "r").exists()


def test_a_run_that_cannot_travel_is_shared_out_by_rows(tmp_path, monkeypatch):
    monkeypatch.setattr("rdmtools.read.out_of_core.LARGE_ROWS", 10)
    run = runs.with_event()
    rows = np.random.default_rng(0).permutation(run.losses.size)
    frame = pd.DataFrame(
        {
            "step": np.repeat(run.steps, runs.SAMPLES)[rows],
            "sample_id": np.tile(np.arange(runs.SAMPLES), runs.ROWS)[rows],
            "loss": run.losses.ravel()[rows],
        }
    )
    frame.to_parquet(tmp_path / "run.parquet", index=False)
    on_disk = rdm.read_run(tmp_path / "run.parquet")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        found = rdm.compare([on_disk], executor=executor)
    assert_same(found, rdm.compare([on_disk]))


def test_threads_leave_warnings_as_they_were(folder):
    before = warnings.filters[:]
    with ThreadPoolExecutor(4) as executor:
        for _ in range(3):
            rdm.compare([*paths(folder)] * 2, executor=executor)
    assert warnings.filters == before


def test_workers_and_a_cluster_are_one_too_many(folder):
    done = rdmtools("analyze", "s0.parquet", "--workers", 2, "--dask", "tcp://host:1", cwd=folder)
    assert (done.returncode, "both --workers and --dask" in done.stderr) == (2, True)
    done = rdmtools("analyze", "s0.parquet", "--workers", 0, cwd=folder)
    assert (done.returncode, "workers is 0; choose at least 1" in done.stderr) == (2, True)


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_an_interrupt_stops_the_workers_too(tmp_path):
    rng = np.random.default_rng(0)
    run = rdm.Run.from_arrays(np.arange(30_000), rng.random((30_000, 200), np.float32))
    frame = pd.DataFrame(
        {
            "step": np.repeat(run.steps, 200),
            "sample_id": np.tile(np.arange(200), 30_000),
            "loss": run.losses.ravel(),
        }
    )
    frame.to_parquet(tmp_path / "run.parquet", row_group_size=200_000, index=False)
    child = subprocess.Popen(
        [sys.executable, "-m", "rdmtools_cli", "analyze", "run.parquet", "--workers", "2", "-w", "600"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    # Two, and what keeps Python's books of shared things: all have begun, on a busy machine too.
    while not (len(workers := _children(child.pid)) > 2 and all(map(_ignores_interrupts, workers))):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.5)
    os.killpg(child.pid, signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert (child.returncode, out, "Traceback" in err) == (130, "", False), err
    deadline = time.monotonic() + 20  # what keeps the books goes last
    while any(map(_alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(_alive, workers))


def _children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def _ignores_interrupts(pid):
    try:
        with open(f"/proc/{pid}/status") as file:
            [ignored] = [line.split()[1] for line in file if line.startswith("SigIgn:")]
    except OSError:
        return False
    return bool(int(ignored, 16) >> (signal.SIGINT - 1) & 1)


def _alive(pid):
    """Whether it works still; one that ended may wait for somebody to ask."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
