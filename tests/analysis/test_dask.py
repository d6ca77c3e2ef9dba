"""A cluster of Dask workers, each a process of its own, one of which is killed in the middle of the work."""

import os
import signal
import subprocess
import sys

import pandas as pd
import pytest
from helpers.command import rdmtools_process as command
from helpers.walks import assert_same, stored, walk

import rdmtools as rdm

distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed")

# What a cluster warns of while it starts, moves data and loses workers.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        yield cluster


def test_a_cluster_gives_the_same_bits_though_a_worker_is_killed(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr("rdmtools.analysis.spans._SHORTEST_SPAN", 1)
    run = stored(tmp_path, rows=4000)
    alone = rdm.analyze(run, spectrum=True)
    killed = []

    def kill_one(done, total):
        if not killed and done < total / 2:
            killed.append(next(iter(cluster.workers.values())).pid)
            os.kill(killed[0], signal.SIGKILL)

    with distributed.Client(cluster) as client:
        before = {worker["nanny"] for worker in client.scheduler_info()["workers"].values()}
        assert len(before) == 2
        found = rdm.analyze(run, spectrum=True, executor=client.get_executor(), progress=kill_one)
    assert killed
    assert_same(found, alone)


def test_losses_in_memory_travel_to_a_cluster(cluster):
    run = walk(700, 260)
    with distributed.Client(cluster) as client:
        found = rdm.analyze(run, detrend="linear", executor=client.get_executor())
    assert_same(found, rdm.analyze(run, detrend="linear"))


def test_the_command_takes_the_address_of_a_cluster(cluster, tmp_path):
    stored(tmp_path)
    at = ("--dask", cluster.scheduler_address)
    done = command("analyze", "run.parquet", "--no-report", *at, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    saved = pd.read_parquet(tmp_path / "run.rdm" / "analysis" / "observables.parquet")
    expected = rdm.analyze(rdm.read_run(tmp_path / "run.parquet")).observables
    pd.testing.assert_frame_equal(saved, expected, check_exact=True)


def test_a_cluster_that_does_not_answer_is_told_in_one_line(tmp_path):
    stored(tmp_path)
    script = "from rdmtools_cli import main, workers; workers._PATIENCE_S = 0.5; main.main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "analyze", "run.parquet", "--dask", "tcp://127.0.0.1:9"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr
