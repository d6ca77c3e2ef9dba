"""One row per run and truth, and observables beside each other from the same event on."""

import numpy as np
import pandas as pd
import pytest
from helpers import runs

import rdmtools as rdm

COLUMNS = ["run", "truth", "event", "window", "t10", "t50", "t90", "alarm_step"]


def several():
    return [runs.with_event(seed, name=f"seed {seed}") for seed in (0, 1)] + [
        runs.without_event(
            scalars={"step": runs.EVERY * np.arange(runs.ROWS), "accuracy": np.zeros(runs.ROWS)}
        )
    ]


def test_one_row_a_run_and_truth_with_metadata():
    table = rdm.compare(several(), truth="accuracy").transitions
    assert list(table)[: len(COLUMNS)] == COLUMNS
    assert table["run"].tolist() == ["seed 0", "seed 1", "quiet"]
    assert table["t50"].tolist()[:2] == [900, 900]
    assert table["outcome"].tolist() == ["before T50", "before T10", "no transition: never risen"]
    alone = rdm.analyze(runs.with_event(1), truth="accuracy")
    assert table["lead_steps"].iloc[1] == alone.leads["lead_steps"].iloc[0] > 0
    assert table.groupby("lr")["lead_steps"].count().to_dict() == {0.0: 0, 0.1: 2}


def test_several_truths_make_several_rows():
    table = rdm.compare(several()[:2], truth=("accuracy", "accuracy@0.9")).transitions
    assert table[["run", "truth"]].to_numpy().tolist() == [
        [run, truth] for run in ("seed 0", "seed 1") for truth in ("accuracy", "accuracy@0.9")
    ]


def test_of_several_windows_the_first_is_told():
    table = rdm.compare(several()[:1], truth="accuracy", windows=(30, 10)).transitions
    assert table["window"].tolist() == [30]


def test_nobody_asked_and_there_is_none():
    comparison = rdm.compare(several())
    assert len(comparison.transitions) == 0
    assert {*COLUMNS, "lr"} <= {*comparison.transitions.columns}


def test_a_saved_analysis_has_the_truths_it_was_made_with(tmp_path):
    run = runs.with_event()
    with_truth = rdm.analyze(run, truth="accuracy").save(tmp_path / "with", report=False)
    without = rdm.analyze(run).save(tmp_path / "without", report=False)
    table = rdm.compare([with_truth, without, run], truth="accuracy").transitions
    assert table["outcome"].tolist() == ["before T50", "not asked", "before T50"]
    assert table["run"].tolist() == ["with", "without", "event"]
    assert table["lr"].tolist() == [0.1] * 3
    assert rdm.compare([with_truth, without]).transitions["run"].tolist() == ["with"]


def test_a_cache_keeps_truths(tmp_path):
    path = tmp_path / "run.parquet"
    run = runs.with_event()
    with rdm.ProbeLogger(path) as log:
        for row in range(runs.ROWS):
            log(int(run.steps[row]), run.losses[row])
            log.scalars(int(run.steps[row]), accuracy=float(run.scalars["accuracy"].iloc[row]))
    first, again = (
        rdm.compare([path], truth="accuracy", cache=tmp_path / "kept").transitions for _ in range(2)
    )
    pd.testing.assert_frame_equal(first, again)
    assert first["outcome"].tolist() == ["before T50"]


def test_a_run_without_the_scalar_is_told():
    with pytest.raises(
        rdm.ParameterError, match=r"^no scalar 'accuracy' for the truth; found none; log one$"
    ):
        rdm.compare([runs.without_event()], truth="accuracy")
    failures = rdm.compare([runs.without_event(), several()[0]], truth="accuracy", errors="report").failures
    assert failures["run"].tolist() == ["quiet"]


def test_rows_and_steps_count_from_the_alarm():
    comparison = rdm.compare(several())
    with pytest.warns(rdm.RdmtoolsWarning, match=r"^1 run of 3 without 'event 1', left out: quiet$"):
        table = comparison.aligned("event 1")
    assert list(table)[:3] == ["run", "relative_row", "relative_step"]
    assert set(table["run"]) == {"seed 0", "seed 1"}
    here = table[table["relative_row"] == 0].set_index("run")
    assert (here["relative_step"] == 0).all()
    assert here["step"].to_dict() == comparison.events.set_index("run")["alarm_step"].to_dict()
    assert (table["relative_step"] == runs.EVERY * table["relative_row"]).all()
    assert len(table) == 2 * (runs.ROWS - 19)


def test_a_truth_may_lie_between_the_rows():
    steps = np.arange(0, runs.EVERY * runs.ROWS, 7)
    run = runs.with_event(scalars={"step": steps, "skill": (steps >= 903).astype(float)})
    table = rdm.compare([run], truth="skill").aligned("skill")
    here = table[table["relative_row"] == 0].iloc[0]
    assert (here["step"], here["relative_step"]) == (910, 7)  # the truth is logged at 903, the losses at 910
    assert table["relative_row"].is_monotonic_increasing


def test_an_event_has_the_windows_of_its_length():
    comparison = rdm.compare(several()[:1], windows=(30, 10), truth="accuracy")
    assert set(comparison.aligned("event 2")["window"]) == {10}
    every = comparison.aligned("accuracy")
    assert set(every["window"]) == {30, 10}
    assert (every[every["relative_row"] == 0]["step"] == 900).all()


@pytest.mark.parametrize(
    ("at", "message"),
    [
        ("event 7", r"^no run has 'event 7'; choose one of event 1, accuracy$"),
        ("peak", r"^no run has 'peak'; choose one of event 1, accuracy$"),
    ],
)
def test_what_no_run_has_is_told(at, message):
    comparison = rdm.compare(several(), truth="accuracy")
    with pytest.raises(rdm.ParameterError, match=message):
        comparison.aligned(at)


def test_runs_without_any_event_align_at_nothing():
    with pytest.raises(rdm.ParameterError, match=r"^no run has 'event 1'; there is no event$"):
        rdm.compare([runs.without_event()]).aligned("event 1")
