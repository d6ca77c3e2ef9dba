"""The stream of tasks: a few steps of each control, the same again, and what comes and goes as it is told."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

import rdmtools

EXAMPLES = Path(__file__).parents[2] / "examples"
TRUTHS = ["learned_6", "learned_7", "learned_8"]


@pytest.fixture
def stream(monkeypatch):
    """The script, its stream shortened."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    module = importlib.import_module("stream")
    monkeypatch.setattr(module, "COME_AT", (600, 1000, 1400))
    monkeypatch.setattr(module, "STARVED_FROM", 800)
    yield module
    del sys.modules["stream"]


def trained(stream, path, control=None, seed=0, steps=12, log_every=2):
    stream.train(str(path), control=control, seed=seed, steps=steps, log_every=log_every)
    return rdmtools.read_run(path)


def by_group(run, group):
    return run.losses[:, (run.samples["group"] == group).to_numpy()].mean(axis=1)


@pytest.mark.parametrize("control", [None, "steady", "starved"])
def test_a_run_of_each_control_logs_what_a_score_needs(stream, tmp_path, control):
    run = trained(stream, tmp_path / "run.parquet", control)
    assert run.steps.tolist() == list(range(0, 13, 2))
    assert {"loss", "gradient_norm", "weight_norm", *TRUTHS} <= set(run.scalars.columns)
    assert (run.scalars[TRUTHS] == 0).all(axis=None)
    assert run.metadata["control"] == (control or "none")
    assert run.samples["group"].value_counts().tolist() == [16] * 8
    again = trained(stream, tmp_path / "again.parquet", control)
    assert (run.losses == again.losses).all()
    assert run.scalars.equals(again.scalars)


def test_another_seed_is_another_run_and_controls_share_the_probe_and_the_beginning(stream, tmp_path):
    run = trained(stream, tmp_path / "run.parquet")
    assert not np.array_equal(run.losses, trained(stream, tmp_path / "other.parquet", seed=1).losses)
    for control in stream.CONTROLS:
        theirs = trained(stream, tmp_path / f"{control}.parquet", control)
        assert theirs.samples.equals(run.samples)
        assert (theirs.losses == run.losses).all()


def test_controls_are_those_of_the_corpus(stream):
    cells = importlib.import_module("make_corpus").SETTINGS["stream"]
    assert set(stream.CONTROLS) == {*cells.quiet, *cells.hard}
    assert [truth.column for truth in cells.truths] == TRUTHS


def test_new_tasks_are_learned_from_when_they_come_and_the_starved_one_is_forgotten(stream, tmp_path):
    run = trained(stream, tmp_path / "run.parquet", steps=2400, log_every=20)
    assert run.metadata["comes"] == {"task 6": 600, "task 7": 1000, "task 8": 1400}
    assert run.metadata["starved_from"] == 800
    for name, step in run.metadata["comes"].items():
        share = run.scalars.set_index("step")[f"learned_{name[-1]}"]
        assert (share.loc[:step] == 0).all()
        assert share.iloc[-1] > 0.5
    losses = {name: by_group(run, name) for name in run.samples["group"].unique()}
    before, kept = int(np.searchsorted(run.steps, 800)), [f"task {task}" for task in range(1, 6)]
    kept.remove(run.metadata["starved"])
    starved = losses[run.metadata["starved"]]
    assert starved[-10:].mean() > 2 * starved[before - 5 : before].mean()
    assert all(losses[name][-10:].mean() < losses[name][0] / 2 for name in kept)
    assert run.losses[-10:].mean() < run.losses[before - 5 : before].mean()  # though one task was forgotten


def test_nothing_comes_and_nothing_is_starved_in_the_quiet_control(stream, tmp_path):
    run = trained(stream, tmp_path / "run.parquet", "steady", steps=2400, log_every=20)
    assert run.metadata["comes"] == {}
    assert run.metadata["starved"] is None
    assert (run.scalars[TRUTHS] == 0).all(axis=None)
    for task in range(1, 6):
        losses = by_group(run, f"task {task}")
        assert losses[-10:].mean() < 1.5 * min(
            losses[row : row + 10].mean() for row in range(len(losses) - 10)
        )


def test_gradients_are_those_of_the_loss(stream):
    world, weights = stream.make_world(0), stream.make_weights(0)
    rng = np.random.default_rng(0)
    views = stream.make_views(world, np.arange(8), np.arange(8), rng)
    loss, slopes = stream.gradients(weights, views.inputs, views.drawers)
    assert loss == pytest.approx(stream.losses(weights, views).mean())
    for layer, slope in zip(weights, slopes, strict=True):
        direction = rng.standard_normal(layer.shape)
        ends = []
        for sign in (1, -1):
            layer += sign * 1e-6 * direction
            ends.append(stream.losses(weights, views).mean())
            layer -= sign * 1e-6 * direction
        assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(np.sum(slope * direction), abs=1e-6)


def test_a_probe_that_cannot_be_had_says_what_can(stream, tmp_path):
    with pytest.raises(ValueError, match="choose 8 to 384 samples"):
        stream.train(str(tmp_path / "run.parquet"), probe_size=7)
