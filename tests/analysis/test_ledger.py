"""What became of samples and groups is what was done to them, and noise alone does little."""

import numpy as np
import pandas as pd
import pytest
from helpers.runs import with_event

import rdmtools as rdm
from rdmtools.analysis.groups import groupings
from rdmtools.analysis.histories import histories_of
from rdmtools.analysis.ledger import early_fall, ledger_table, samples_table
from rdmtools.analysis.splits import split
from rdmtools.analysis.states import states, trailing_mean
from rdmtools.errors import ParameterError, RdmtoolsWarning
from rdmtools.run.run import Run

ROWS = 300
ROW = np.arange(ROWS)


def step(*levels):
    """Levels that follow each other, each for as many rows."""
    return np.repeat(levels, ROWS // len(levels)).astype(float)


COURSES = {
    "learned": step(3, 0.2, 0.2),
    "learning": step(3, 2.0, 2.0),
    "lost": step(3, 0.2, 1.5),
    "lost and regained": step(3, 0.2, 1.5, 0.2),
    "never": step(3, 3, 3),
    "rising": step(1, 1, 2.5),
}


def run_of(courses, each=9, seed=0, noise=0.05, **how):
    rng = np.random.default_rng(seed)
    level = np.repeat(np.stack([*courses.values()], axis=1), each, axis=1)
    losses = level * np.exp(noise * rng.standard_normal(level.shape))
    names = np.repeat([*courses], each)
    return Run.from_arrays(10 * np.arange(len(losses)), losses, samples={"group": names}, **how)


def ledger_of(run, **options):
    past = histories_of(run.losses, run.steps)
    table = ledger_table(run, past, split(past.losses), groupings(run, ("group",)), **options)
    return table[table["column"] == "group"].set_index("group")


def test_each_course_has_its_status():
    run = run_of(COURSES)
    found = ledger_of(run)
    assert found["status"].to_dict() == {name: name for name in COURSES}
    past = histories_of(run.losses, run.steps)
    samples = samples_table(run, past, split(past.losses), pd.Series(pd.NA, run.samples.index))
    assert (samples["status"] == run.samples["group"]).mean() > 0.95
    assert samples["group"].tolist() == run.samples["group"].tolist()


def test_levels_and_steps_are_those_of_the_courses():
    lost = ledger_of(run_of(COURSES, noise=1e-6)).loc["lost"]
    np.testing.assert_allclose(
        lost[["first_loss", "best_loss", "last_loss"]].tolist(), [3, 0.2, 1.5], rtol=1e-4
    )
    assert lost["lost_ratio"] == pytest.approx(7.5, rel=1e-4)
    assert (lost["t10_step"], lost["t50_step"], lost["t90_step"]) == (980, 1000, 1020)  # a mean of five rows
    assert abs(lost["lost_step"] - 2000) <= 100
    assert (lost["first_step"], lost["last_step"], lost["samples"]) == (0, 2990, 9)


def test_the_step_of_a_loss_comes_soon_after_it_doubled():
    ramp = 0.2 * np.exp(np.clip((ROW - 150) / 40, 0, 3))
    course = np.where(ROW < 30, 3.0, ramp)
    found = ledger_of(run_of({"forgotten": course, "kept": step(3, 0.2, 0.2)}))
    doubled = 150 + 40 * np.log(2)
    assert found["status"].tolist() == ["lost", "learned"]
    assert abs(found["lost_step"].iloc[0] / 10 - doubled) < 10


def test_what_was_known_at_the_start_may_be_lost_or_kept():
    courses = {"kept": step(0.2, 0.2), "lost": step(0.2, 2.0)}
    assert ledger_of(run_of(courses))["status"].tolist() == ["never", "rising"]
    assert ledger_of(run_of(courses), known_at_start=True)["status"].tolist() == ["kept", "lost"]
    analysis = rdm.analyze(run_of(courses), known_at_start=True)
    ledger = analysis.ledger.set_index(["column", "group"])["status"]
    assert ledger["group"].tolist() == ["kept", "lost"]
    assert ledger["(factor)"].to_dict() == {"1": "lost", "(none)": "kept"}
    assert "1 “lost”" not in analysis.summary()["verdict"]
    assert "“lost” lost (2" in analysis.summary()["verdict"]


def test_a_group_never_trained_that_falls_by_accident_is_not_lost():
    accident = step(3, 2.0, 4.5)
    assert ledger_of(run_of({"never trained": accident}))["status"].tolist() == ["rising"]


def test_a_fall_that_is_given_back_by_less_than_a_tenth_is_not_lost():
    assert ledger_of(run_of({"a": step(10, 0.2, 0.6)}))["status"].tolist() == ["learned"]


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_the_unit_of_the_loss_has_no_part_in_it(factor):
    run = run_of(COURSES)
    scaled = Run.from_arrays(run.steps, run.losses * factor, samples=run.samples)
    one, other = ledger_of(run), ledger_of(scaled)
    assert one["status"].tolist() == other["status"].tolist()
    np.testing.assert_allclose(other["best_loss"], one["best_loss"] * factor)
    pd.testing.assert_series_equal(one["lost_step"], other["lost_step"])


def test_the_order_of_samples_has_no_part_in_it():
    run = run_of(COURSES)
    order = np.random.default_rng(1).permutation(run.shape[1])
    mixed = Run.from_arrays(run.steps, run.losses[:, order], samples=run.samples.iloc[order])
    one, other = ledger_of(run), ledger_of(mixed).loc[[*COURSES]]
    assert one["status"].tolist() == other["status"].tolist()


def test_losses_below_zero_are_counted_from_their_lowest():
    assert ledger_of(run_of({"a": step(3, 0.2), "b": step(2, 2)}), known_at_start=False)[
        "status"
    ].tolist() == [
        "learned",
        "never",
    ]
    run = run_of({"a": step(3, 0.2), "b": step(2, 2)})
    below = Run.from_arrays(run.steps, run.losses - 5, samples=run.samples)
    assert ledger_of(below)["status"].tolist() == ["learned", "never"]
    np.testing.assert_allclose(ledger_of(below)["best_loss"], ledger_of(run)["best_loss"] - 5)


def test_short_runs_are_not_judged():
    run = Run.from_arrays(np.arange(12), np.linspace(3, 0.1, 12)[:, None] * np.ones(4))
    past = histories_of(run.losses, run.steps)
    table = ledger_table(run, past, split(past.losses), groupings(run, ("group",)))
    assert table["status"].tolist() == ["too short to judge"]
    assert rdm.analyze(run, window=4).ledger["status"].tolist() == ["too short to judge"]


def test_losses_that_never_move_and_one_sample_are_never():
    for losses in (np.ones((40, 3)), np.zeros((40, 1))):
        run = Run.from_arrays(np.arange(40), losses)
        analysis = rdm.analyze(run)
        assert set(analysis.ledger["status"]) | set(analysis.samples["status"]) == {"never"}
        assert (analysis.samples["direction"] == "none").all()


def test_noise_is_seldom_lost():
    rng = np.random.default_rng(7)
    lost = 0
    for _ in range(20):
        shocks = 0.3 * np.sqrt(1 - 0.9**2) * rng.standard_normal((400, 6))
        course = np.zeros((400, 6))
        for row in range(1, 400):
            course[row] = 0.9 * course[row - 1] + shocks[row]
        found = states(histories_of(np.abs(1 + course), np.arange(400)), np.abs(1 + course))
        lost += (found.status == "lost").any()
    assert lost <= 1


def test_columns_that_are_asked_for_are_told_and_others_refused():
    run = run_of(COURSES)
    run.samples["kind"] = ["x", "y"] * (len(run.samples) // 2)
    run.samples["status"] = "mine"
    analysis = rdm.analyze(run, by=["kind", "group"])
    factors = ["(factor)"] * (1 + len(analysis.factors))
    assert analysis.ledger["column"].tolist() == ["", "kind", "kind", *["group"] * 6, *factors]
    assert analysis.samples["logged_status"].tolist() == ["mine"] * len(run.samples)
    with pytest.raises(
        ParameterError, match="no column 'nope' of the samples; found group, kind, status; choose by"
    ):
        rdm.analyze(run, by="nope")
    names = ["(all)", *map(str, analysis.factors["factor"]), "(none)"]
    assert rdm.analyze(Run.from_arrays(run.steps, run.losses)).ledger["group"].tolist() == names
    with pytest.raises(ParameterError, match="no column 'group' of the samples; found none; log one"):
        rdm.analyze(Run.from_arrays(run.steps, run.losses), by=["group", "kind"])


def test_a_fall_before_the_first_window_is_told():
    rng = np.random.default_rng(0)
    course = 0.5 + 3 * np.exp(-np.arange(200) / 8)
    run = Run.from_arrays(np.arange(200), course[:, None] + 0.01 * rng.standard_normal((200, 5)))
    with pytest.warns(
        RdmtoolsWarning, match="of the probe’s fall was over before the first full window of 20 rows"
    ):
        analysis = rdm.analyze(run, window=20)
    expected = (course[0] - course[19]) / (course[0] - course.min())
    assert analysis.early_fall.share == pytest.approx(expected, abs=0.01)
    assert (analysis.early_fall.step, analysis.early_fall.window) == (19, 20)
    assert analysis.summary()["early_fall"]["step"] == 19
    assert early_fall(histories_of(run.losses, run.steps), 4).share < 1 / 3
    assert rdm.analyze(with_event()).early_fall.share < 0.1  # no warning


def test_the_trailing_mean_is_that_of_the_last_rows():
    series = np.random.default_rng(0).random((30, 2))
    found = trailing_mean(series, 7)
    expected = [series[max(row - 6, 0) : row + 1].mean(axis=0) for row in range(30)]
    np.testing.assert_allclose(found, expected)
