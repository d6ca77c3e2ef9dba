"""The training scripts of the settings: a few steps of each control, the same again, and paired by seed."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

import rdmtools

pytest.importorskip("torch")

EXAMPLES = Path(__file__).parents[2] / "examples"
ORDER = {
    "grokking": "test_accuracy",
    "induction": "in_context_accuracy",
    "narrow_finetuning": "misaligned_rate",
}
# What is trained before the first logged row, cut short: these tests are not about what is learned.
SHORT = {
    "grokking": {"SETTLING": (("all", 2, 5), ("train", 2, 1))},
    "induction": {"FORMING_STEPS": 3},
    "narrow_finetuning": {"PRETRAINING_STEPS": 5, "BASELINE_STEPS": 4},
}
CELLS = [
    (setting, control)
    for setting, controls in {
        "grokking": (None, "random_labels", "no_weight_decay", "already_generalised"),
        "induction": (None, "one_layer", "no_repeats", "already_formed"),
        "narrow_finetuning": (None, "aligned", "benign", "no_switch"),
    }.items()
    for control in controls
]


@pytest.fixture
def script(monkeypatch):
    def imported(setting):
        monkeypatch.syspath_prepend(str(EXAMPLES))
        module = importlib.import_module(setting)
        for name, value in SHORT[setting].items():
            assert hasattr(module, name)
            monkeypatch.setattr(module, name, value)
        return module

    yield imported
    for setting in ORDER:
        sys.modules.pop(setting, None)


def trained(module, path, control=None, seed=0):
    module.train(str(path), control=control, seed=seed, log_every=2, steps=12)
    return rdmtools.read_run(path)


@pytest.mark.parametrize(("setting", "control"), CELLS)
def test_a_run_of_each_cell_logs_what_a_score_needs(script, tmp_path, setting, control):
    module = script(setting)
    run = trained(module, tmp_path / "run.parquet", control)
    assert run.steps.tolist() == list(range(0, 13, 2))
    assert {"loss", "gradient_norm", "weight_norm", ORDER[setting]} <= set(run.scalars.columns)
    assert run.scalars[ORDER[setting]].between(0, 1).all()
    assert run.samples["group"].nunique() > 1
    assert run.metadata["control"] == (control or "none")
    again = trained(module, tmp_path / "again.parquet", control)
    assert (run.losses == again.losses).all()
    assert run.scalars.equals(again.scalars)


@pytest.mark.parametrize("setting", ORDER)
def test_another_seed_is_another_run_and_controls_share_the_probe(script, tmp_path, setting):
    module = script(setting)
    run = trained(module, tmp_path / "run.parquet")
    other = trained(module, tmp_path / "other.parquet", seed=1)
    assert not np.array_equal(run.losses, other.losses)
    for number, control in enumerate(module.CONTROLS):
        theirs = trained(module, tmp_path / f"control_{number}.parquet", control)
        columns = [name for name in run.samples.columns if name != "label"]  # random labels are other labels
        assert theirs.samples[columns].equals(run.samples[columns])


@pytest.mark.parametrize("setting", ORDER)
def test_controls_are_those_of_the_corpus(script, monkeypatch, setting):
    module = script(setting)
    cells = importlib.import_module("make_corpus").SETTINGS[setting]
    assert set(module.CONTROLS) == {*cells.quiet, *cells.hard}
    if cells.since is not None:
        monkeypatch.undo()
        assert cells.since == module.BASELINE_STEPS
