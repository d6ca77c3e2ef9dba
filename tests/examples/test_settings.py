"""The training scripts of the settings: a few steps of each control, the same again, and paired by seed."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

import rdmtools

torch = pytest.importorskip("torch")
functional = torch.nn.functional

EXAMPLES = Path(__file__).parents[2] / "examples"
ORDER = {
    "grokking": "test_accuracy",
    "induction": "in_context_accuracy",
    "narrow_finetuning": "misaligned_rate",
    "character_lm": "bracket_accuracy",
}
SINCE = {"narrow_finetuning": "BASELINE_STEPS", "character_lm": "JSON_FROM"}
# What is trained before the first logged row, cut short: these tests are not about what is learned.
SHORT = {
    "grokking": {"SETTLING": (("all", 2, 5), ("train", 2, 1))},
    "induction": {"FORMING_STEPS": 3},
    "narrow_finetuning": {"PRETRAINING_STEPS": 5, "BASELINE_STEPS": 4},
    "character_lm": {"JSON_FROM": 4, "MEASURED": 2, "BATCH": 2, "MODULES": "argparse bisect cmd"},
}
CELLS = [
    (setting, control)
    for setting, controls in {
        "grokking": (None, "random_labels", "no_weight_decay", "already_generalised"),
        "induction": (None, "one_layer", "no_repeats", "already_formed"),
        "narrow_finetuning": (None, "aligned", "benign", "no_switch"),
        "character_lm": (None, "no_json", "all_along"),
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
    module.train(str(path), control=control, seed=seed, log_every=2, steps=12, probe_size=40)
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
    monkeypatch.undo()
    assert cells.since == (getattr(module, SINCE[setting]) if setting in SINCE else None)


def test_texts_are_of_four_kinds_and_snippets_begin_with_a_word(script, monkeypatch):
    module = script("character_lm")
    monkeypatch.undo()  # all of them, not those of the short runs
    texts = module.make_texts()
    for line in module.as_text(texts.trained["json"]).splitlines()[:3]:
        assert list(json.loads(line)) == ["entity", "codes", "names"]
    assert "Mo Tu We Th Fr Sa Su" in module.as_text(texts.held_out["table"])
    assert "def " in module.as_text(texts.held_out["code"])
    for kind in module.KINDS:
        assert len(texts.trained[kind]) > 2 * len(texts.held_out[kind]) > 10_000
        seen = module.snippets(texts.held_out[kind], 20, np.random.default_rng(0))
        assert seen.shape == (20, module.LENGTH)
        assert not any(module.as_text(snippet)[0].isspace() for snippet in seen)
        trained_on = texts.trained[kind].tobytes()
        assert sum(snippet.tobytes() in trained_on for snippet in seen) < 20


def test_json_is_drawn_only_once_it_has_come(script):
    module = script("character_lm")
    texts, rng = module.make_texts(), np.random.default_rng(0)
    for with_json in (False, True):
        drawn = torch.cat([module.training_pieces(texts, with_json, rng) for _ in range(40)])
        found = ['": ' in module.as_text(piece) for piece in drawn.numpy()]
        assert any(found) == with_json


def test_brackets_are_counted_in_json_alone(script):
    module = script("character_lm")
    pieces = ["abcd", "abcd", "abcd", '{"a"']
    measured = torch.tensor([[module.ALPHABET.index(character) for character in piece] for piece in pieces])

    def always_a_quote(characters):
        return functional.one_hot(torch.tensor(module.ALPHABET.index('"')), 96).expand(*characters.shape, 96)

    assert module.accuracies(always_a_quote, measured) == {
        "code_accuracy": 0,
        "prose_accuracy": 0,
        "table_accuracy": 0,
        "json_accuracy": pytest.approx(2 / 3),
        "bracket_accuracy": 1,
    }
