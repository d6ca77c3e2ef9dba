"""The script that trains a corpus goes on where it stopped, and what it leaves can be scored."""

import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import rdmtools
from rdmtools.evaluation import read_corpus

SCRIPT = Path(__file__).parents[2] / "examples" / "make_corpus.py"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "corpus"
    make(folder)
    return folder


def make(folder, seeds=1):
    command = [
        sys.executable,
        SCRIPT,
        folder,
        "--settings",
        "deep_linear",
        "--workers",
        "2",
        "--seeds",
        seeds,
    ]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_each_cell_has_its_runs_and_their_kind(corpus):
    entries = read_corpus(corpus)
    assert {entry.control: entry.kind for entry in entries} == {
        "": "transition",
        "solution": "quiet",
        "lazy": "quiet",
        "decay": "quiet",
        "noise": "hard",
    }
    assert {truth.column for entry in entries for truth in entry.truths} == {"mode_1", "mode_2", "mode_3"}
    assert not list((corpus / "unfinished").iterdir())


def test_the_theory_agrees_with_the_modes_of_the_network(corpus):
    run = rdmtools.read_run(corpus / "deep_linear" / "transition_00.parquet")
    scalars = run.scalars.set_index("step")
    for mode in (1, 2, 3):
        found, told = (
            [int((scalars[f"{name}_{mode}"] >= level).idxmax()) for level in (0.1, 0.5, 0.9)]
            for name in ("mode", "theory")
        )
        assert found == pytest.approx(told, abs=10)


def test_an_interrupted_corpus_goes_on_with_the_same_runs(corpus, tmp_path):
    folder = tmp_path / "corpus"
    shutil.copytree(corpus, folder)
    lost = folder / "deep_linear" / "lazy_00.parquet"
    before = rdmtools.read_run(lost).losses
    lost.unlink()
    (folder / "unfinished" / "deep_linear_lazy_00.parquet").write_bytes(b"half a run")
    others = {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet") if path.name != lost.name}
    others = {path: time for path, time in others.items() if "unfinished" not in path.parts}
    make(folder)
    assert (rdmtools.read_run(lost).losses == before).all()
    assert {path: path.stat().st_mtime_ns for path in others if "lazy" not in str(path)} == {
        path: time for path, time in others.items() if "lazy" not in str(path)
    }
    assert len(pd.read_csv(folder / "manifest.csv")) == 15


def test_runs_of_an_earlier_command_stay_in_the_manifest(corpus, tmp_path):
    folder = tmp_path / "corpus"
    shutil.copytree(corpus, folder)
    for place in ("deep_linear/solution_01.parquet", "grokking/transition_03.parquet"):
        (folder / place).parent.mkdir(exist_ok=True)
        shutil.copy(folder / "deep_linear" / "solution_00.parquet", folder / place)
    make(folder)
    names = {entry.name for entry in read_corpus(folder)}
    assert {"deep_linear/solution/1", "grokking/transition/3", "deep_linear/lazy/0"} <= names
    assert len(names) == 7


def test_a_corpus_of_no_seeds_has_a_manifest_that_says_so(tmp_path):
    make(tmp_path, seeds=0)
    with pytest.raises(rdmtools.FormatError, match="no runs; needed at least one row"):
        read_corpus(tmp_path)
