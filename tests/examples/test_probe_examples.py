"""The examples run as they stand, learn, and say what to do with the run that they leave."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import rdmtools

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*_probe.py"))
NEEDS = {
    "lightning": ["lightning"],
    "transformers": ["transformers", "accelerate"],
    "keras": ["keras", "torch"],
}


@pytest.mark.filterwarnings("ignore:.*first full window")  # of so short a training
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_example_runs(example, tmp_path):
    framework = example.stem.removesuffix("_probe")
    for name in NEEDS.get(framework, [framework]):
        if find_spec(name) is None:  # importing it here would settle the backend of Keras for all tests
            pytest.skip(f"needs {name}")
    assert len(example.read_text().splitlines()) <= 40
    done = subprocess.run(
        [sys.executable, example],
        cwd=tmp_path,
        env=os.environ | {"KERAS_BACKEND": "torch", "OMP_NUM_THREADS": "1"},  # threads would wait for others
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"rdmtools analyze {example.stem}.parquet"
    run = rdmtools.read_run(tmp_path / f"{example.stem}.parquet")
    assert len(run.steps) > 100
    assert run.losses[-1].mean() < run.losses[0].mean() / 3
    assert len(rdmtools.analyze(run).observables)
