"""What the top mode tells of a group, on windows where the answer is known."""

import numpy as np
import pandas as pd
import pytest
from helpers.corpora import SPACING, observed, step_up, transition
from hypothesis import given
from hypothesis import strategies as st

from rdmtools.evaluation.corpus import Truth
from rdmtools.evaluation.loadings import (
    PLACES,
    Question,
    answer,
    area,
    groups_table,
    questions,
    scores_of,
    separation_table,
)
from rdmtools.run.run import Run

ROWS, SAMPLES, INSIDE = 9, 14, np.arange(14) < 5
LINE = np.linspace(-1, 1, ROWS)[:, None]


def pairs(score, inside):
    wins = [(a > b) + 0.5 * (a == b) for a in score[inside] for b in score[~inside]]
    return np.mean(wins)


def test_a_window_that_stands_still_tells_nothing():
    found = scores_of(np.full((ROWS, SAMPLES), 2.0), INSIDE)
    assert {found[f"auc_{name}"] for name in ("mode", "variance", "change", "mean_loss", "beyond")} == {0.5}
    assert np.isnan([found[f"share_{name}"] for name in ("mode", "variance", "change")]).all()


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=25))
def test_an_area_is_counted_pair_by_pair(rows):
    score, inside = (np.array(column) for column in zip(*rows, strict=True))
    if inside.any() and not inside.all():
        assert area(score.astype(float), inside.astype(bool)) == pytest.approx(pairs(score, inside))


def test_a_group_that_alone_moves():
    found = scores_of(3 - LINE * INSIDE * np.linspace(1, 2, SAMPLES), INSIDE)
    for name in ("auc_mode", "auc_variance", "auc_change", "share_mode", "share_variance", "share_change"):
        assert found[name] == pytest.approx(1), name


def test_a_group_that_alone_stands_still():
    found = scores_of(3 - LINE * ~INSIDE * np.linspace(1, 2, SAMPLES), INSIDE)
    for name in ("auc_mode", "auc_variance", "auc_change", "share_mode", "share_variance", "share_change"):
        assert found[name] == pytest.approx(0, abs=1e-12), name


def test_mean_loss_is_of_the_level_and_not_of_the_movement():
    found = scores_of(3.0 + INSIDE - 0.1 * LINE * np.linspace(1, 2, SAMPLES), INSIDE)
    assert found["auc_mean_loss"] == 1
    assert found["auc_mode"] == 0


def test_a_fluctuation_has_variance_and_little_change():
    wave = np.array([1, -1, -1, 1, 0, 1, -1, -1, 1.0])[:, None]  # no line in it
    found = scores_of(3 + wave * INSIDE + 0.1 * LINE * ~INSIDE, INSIDE)
    assert found["auc_variance"] == found["auc_mode"] == found["share_mode"] == pytest.approx(1)
    assert found["auc_change"] == 0
    assert found["share_change"] == pytest.approx(0, abs=1e-12)


def test_shares_add_up_over_a_group_and_its_complement():
    rows = np.random.default_rng(0).standard_normal((ROWS, SAMPLES)).astype(np.float32)
    ours, others = scores_of(rows, INSIDE), scores_of(rows, ~INSIDE)
    for name in ("mode", "variance", "change"):
        assert ours[f"share_{name}"] + others[f"share_{name}"] == pytest.approx(1)
    for name in ("mode", "variance", "change", "mean_loss", "beyond"):
        assert ours[f"auc_{name}"] + others[f"auc_{name}"] == pytest.approx(1)


@pytest.mark.parametrize("seed", range(5))
def test_a_loading_that_its_variance_tells_adds_nothing(seed):
    # One mode: |loading|, variance and change rank the samples alike, and only rounding is left of them.
    height = np.random.default_rng(seed).lognormal(size=SAMPLES)
    found = scores_of(3 - LINE * height, INSIDE)
    assert found["auc_mode"] == found["auc_variance"]
    assert found["auc_beyond"] == 0.5


def test_a_loading_that_tells_more_than_its_variance():
    # All fluctuate as much; inside the group together, outside each by itself.
    rng = np.random.default_rng(0)
    samples, rows = 60, 40
    inside = np.arange(samples) < 20
    field = np.where(inside, rng.standard_normal((rows, 1)), rng.standard_normal((rows, samples)))
    found = scores_of(5 + field / field.std(axis=0), inside)
    assert found["auc_mode"] == 1
    assert found["auc_beyond"] > 0.95


def test_beyond_is_at_a_half_where_the_group_is_any():
    rng = np.random.default_rng(0)
    beyond = [
        scores_of(rng.standard_normal((20, 40)), rng.permutation(40) < 12)["auc_beyond"] for _ in range(150)
    ]
    assert np.mean(beyond) == pytest.approx(0.5, abs=3 * np.std(beyond) / np.sqrt(150))


GROUPED = (Truth(column="skill", group="in"),)


def grouped(seed, kind="transition", *, t50=400, windows=80, start=0, **known):
    moved = transition(t50, truth=GROUPED[0], watched_from=start)
    return observed({"shc": step_up(1, 3, windows)}, moved, seed=seed, kind=kind, start=start, **known)


def test_controls_are_asked_at_the_steps_of_the_run_of_their_seed():
    runs = [
        grouped(1),
        grouped(2, t50=480),
        grouped(1, "quiet", t50=90),
        grouped(1, "hard"),
        grouped(2, "quiet"),
        grouped(3, "quiet"),
        grouped(1, "quiet", setting="other"),
    ]
    asked = questions(runs)
    assert [(each.entry.name, dict(each.places)[1.0]) for each in asked] == [
        ("toy/transition/1", 400),
        ("toy/quiet/1", 400),
        ("toy/hard/1", 400),
        ("toy/transition/2", 480),
        ("toy/quiet/2", 480),
    ]
    assert {(each.truth, each.group) for each in asked} == {("skill", "in")}


def test_places_are_the_last_rows_at_or_before_shares_of_the_way():
    (asked,) = questions([grouped(1, t50=410, start=10)])
    assert asked.places == tuple((place, SPACING * int((10 + place * 400) // SPACING)) for place in PLACES)
    (asked,) = questions([grouped(1, windows=46)])
    assert [place for place, _ in asked.places] == [place for place in PLACES if place <= 1.1]


def test_no_question_without_a_group_or_a_judged_transition():
    assert questions([observed({"shc": step_up(1, 3)}, transition(400), seed=1)]) == []
    unjudged = transition(400, truth=GROUPED[0], status="not covered: never complete")
    assert questions([observed({"shc": step_up(1, 3)}, unjudged, seed=1)]) == []


def a_run(rows=60, groups=("in",) * 5 + ("out",) * 9):
    losses = 3 + np.random.default_rng(0).standard_normal((rows, len(groups)))
    return Run.from_arrays(
        SPACING * np.arange(rows), losses, samples={"sample_id": np.arange(len(groups)), "group": groups}
    )


def ask(run, *places, group="in", window=10):
    question = Question(entry=grouped(1).entry, truth="skill", group=group, places=places)
    return list(answer(run, question, window=window))


def test_an_answer_is_of_the_window_that_ends_there():
    run = a_run()
    (row,) = ask(run, (0.5, 300))
    assert (row["place"], row["step"], row["run"], row["held_out"]) == (0.5, 300, "toy/transition/1", True)
    assert row["auc_mode"] == scores_of(run.rows(21, 31), INSIDE)["auc_mode"]
    (row,) = ask(run, (0.5, 307))
    assert row["step"] == 300


def test_no_answer_where_there_is_no_window():
    assert [row["step"] for row in ask(a_run(), (0.1, 80), (0.2, 90), (1.0, 590), (1.5, 600))] == [90, 590]


def test_no_answer_of_a_group_that_is_nobody_or_all():
    assert ask(a_run(), (0.5, 300), group="nobody") == []
    assert ask(a_run(groups=("in",) * 4), (0.5, 300)) == []
    assert ask(Run.from_arrays(np.arange(60), np.ones((60, 4))), (0.5, 30)) == []


def answers(values, control="", place=0.5, **known):
    """Answers of seeds 1, 3, 5 ... with these areas and shares of the mode, all else at a half."""
    rows = [
        {
            "run": f"toy/{control or 'transition'}/{2 * k + 1}",
            "setting": "toy",
            "control": control,
            "seed": 2 * k + 1,
            "held_out": True,
            "truth": "skill",
            "group": "in",
            "place": place,
            **{f"auc_{name}": 0.5 for name in ("variance", "change", "mean_loss", "beyond")},
            **{f"share_{name}": 0.5 for name in ("variance", "change")},
            "auc_mode": value,
            "share_mode": value,
        }
        | known
        for k, value in enumerate(values)
    ]
    return pd.DataFrame(rows)


def test_groups_are_medians_and_differences_within_a_seed():
    table = pd.concat(
        [answers([0.9, 0.8, 0.6]), answers([0.7, 0.3, 0.5], "frozen"), answers([0.1] * 3, place=1.0)]
    )
    found = groups_table(table).set_index(["control", "place"])
    mine, theirs = found.loc[("", 0.5)], found.loc[("frozen", 0.5)]
    assert (mine["runs"], mine["auc_mode"], theirs["auc_mode"]) == (3, 0.8, 0.5)
    assert mine["auc_mode_less_simple"] == pytest.approx(0.3)
    assert theirs["auc_mode_less_simple"] == pytest.approx(0.2)  # 0.3 tells as much as 0.7
    # 0.2, 0.5 and 0.1: the median of differences, not the difference of medians
    assert theirs["auc_mode_less_control"] == pytest.approx(0.2)
    low, high = theirs["auc_mode_less_control_low"], theirs["auc_mode_less_control_high"]
    assert (low, high) == pytest.approx((0.1, 0.5))
    assert found.loc[("", 1.0), "auc_mode"] == 0.1


def test_a_control_whose_seed_has_no_transition_is_compared_with_nobody():
    table = pd.concat([answers([0.9, 0.8]), answers([0.7, 0.3, 0.5], "frozen")])
    found = groups_table(table).set_index("control")
    assert found.loc["frozen", "auc_mode_less_control"] == pytest.approx((0.2 + 0.5) / 2)
    assert found.loc["frozen", "runs"] == 3


def test_even_seeds_are_not_shown():
    table = answers([0.9, 0.8])
    hidden = answers([0.1, 0.1], held_out=False)
    pd.testing.assert_frame_equal(groups_table(pd.concat([table, hidden])), groups_table(table))
    assert groups_table(hidden).empty
    assert separation_table(hidden).empty


def test_one_run_has_no_interval():
    found = groups_table(answers([0.9])).iloc[0]
    assert found["auc_mode"] == 0.9
    assert np.isnan([found["auc_mode_low"], found["auc_mode_high"]]).all()


def test_a_run_without_a_share_is_left_out_of_median_and_interval():
    (found,) = groups_table(answers([0.9, 0.8, np.nan])).to_dict("records")
    assert found["share_mode"] == pytest.approx(0.85)
    assert (found["share_mode_low"], found["share_mode_high"]) == pytest.approx((0.8, 0.9))


def test_separation_is_the_area_over_runs():
    table = pd.concat([answers([0.9, 0.4, 0.6]), answers([0.5, 0.3], "frozen")])
    (row,) = separation_table(table).to_dict("records")
    assert row["area_share_mode"] == pytest.approx(5 / 6)
    assert row["area_share_variance"] == 0.5
    assert (row["runs"], row["controls"], row["share_mode_transition"]) == (3, 2, 0.6)
