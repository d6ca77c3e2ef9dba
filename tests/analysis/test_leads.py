"""Leads in closed form: what a truth is, which event belongs to it, and what is said where none does."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdmtools.analysis.leads import find_truths, first_leads, leads_table
from rdmtools.analysis.tables import TABLES
from rdmtools.errors import ParameterError
from rdmtools.run.run import Run

EVERY, ROWS, WINDOW = 10, 201, 20
STEPS = EVERY * np.arange(ROWS)


def ramp(start, stop, steps=STEPS):
    return np.clip((steps - start) / (stop - start), 0, 1)


def a_run(steps=STEPS, **scalars):
    return Run.from_arrays(STEPS, np.ones((ROWS, 3)), scalars={"step": steps} | scalars)


def crossed(text="skill", **scalars):
    (truth,) = find_truths(a_run(**scalars), [text])
    return truth.found.t10, truth.found.t50, truth.found.t90


def events(*spans, window=WINDOW):
    """Events by alarm and end, None for one that is open."""
    ends = pd.array([end for _, end in spans], dtype="Int64")
    alarms = [alarm for alarm, _ in spans]
    numbers = range(1, len(spans) + 1)
    return pd.DataFrame({"event": numbers, "window": window, "alarm_step": alarms, "end_step": ends})


def leads(*spans, text="skill", windows=(WINDOW,), **scalars):
    run = a_run(**scalars)
    return leads_table(run, find_truths(run, [text]), events(*spans), windows)


def only(*spans, **kwargs):
    table = leads(*spans, **kwargs)
    assert len(table) == 1
    return table.iloc[0]


SKILL = ramp(1003, 1501)  # T10, T50, T90 at 1060, 1260, 1460


def test_a_name_alone_is_the_largest_rise():
    assert crossed(skill=3 + 7 * SKILL) == (1060, 1260, 1460)


def test_a_rise_begins_at_the_lowest_value_before_the_highest():
    assert crossed(skill=4 * SKILL - ramp(0, 500)) == (1060, 1260, 1460)
    assert crossed(skill=4 * SKILL - ramp(1800, 2000)) == (1060, 1260, 1460)


def test_two_values_may_be_named_before_and_after():
    assert crossed("skill=0..2", skill=SKILL) == (1110, 1510, None)
    assert crossed("skill=-1..1", skill=SKILL) == (0, 0, 1410)
    assert crossed("skill=9..5", skill=9 - 4 * SKILL) == (1060, 1260, 1460)


def test_a_level_has_its_half_step_alone():
    assert crossed("skill@0.8", skill=SKILL) == (None, 1410, None)
    assert crossed("skill@2e-1", skill=1 - SKILL) == (None, 1410, None)  # from above
    assert crossed("skill@3", skill=SKILL) == (None, None, None)


def test_a_column_may_be_called_as_a_truth_is_named():
    assert crossed("hits@10", **{"hits@10": SKILL, "hits": STEPS}) == (1060, 1260, 1460)
    assert crossed("a=0..1@0.8", **{"a=0..1": SKILL}) == (None, 1410, None)


@pytest.mark.parametrize(
    ("values", "status"),
    [
        (5 - SKILL, "no transition: it falls; name its ends, as NAME=5..4"),
        (np.ones(ROWS), "no transition: never risen"),
        (np.full(ROWS, np.nan), "no transition: never risen"),
        (
            np.where(STEPS == 1000, 1.0, 0.0),
            "no transition: no more than its noise; name its ends, as NAME=0..1",
        ),
        (ramp(0, 2000), "no transition: creeps, T90 - T10 is 1.6 of T50"),
    ],
)
def test_what_does_not_rise_has_no_lead(values, status):
    row = only((900, 1400), skill=values)
    assert row["outcome"] == status
    assert pd.isna(row["event"])
    assert pd.isna(row["lead_steps"])


def test_the_largest_numbers_are_judged_like_any():
    assert crossed(skill=1e308 * SKILL - 5e307) == crossed(skill=SKILL)
    assert crossed("skill=0..1e308", skill=1e308 * SKILL) == crossed(skill=SKILL)


@pytest.mark.parametrize("rho", [0.0, 0.9])
def test_noise_hardly_ever_rises(rho):
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((ROWS, 200))
    for row in range(1, ROWS):
        noise[row] += rho * noise[row - 1]
    run = a_run(**{f"noise {k}": column for k, column in enumerate(noise.T)})
    found = find_truths(run, [f"noise {k}" for k in range(200)])
    assert sum(truth.found.status == "crossed" for truth in found) <= 200 * 0.05


@pytest.mark.parametrize(
    ("alarm", "lead", "outcome"),
    [
        (1050, 210, "before T10"),
        (1060, 200, "before T50"),
        (1250, 10, "before T50"),
        (1260, 0, "unresolved"),
        (1310, -50, "late"),
        (1460, -200, "late"),
    ],
)
def test_a_lead_is_the_half_step_less_the_alarm(alarm, lead, outcome):
    row = only((alarm, 1600), skill=SKILL)
    assert (row["event"], row["alarm_step"], row["outcome"]) == (1, alarm, outcome)
    assert (row["t10"], row["t50"], row["t90"]) == (1060, 1260, 1460)
    assert (row["lead_steps"], row["lead_rows"]) == (lead, lead / EVERY)
    assert row["lead_windows"] == pytest.approx(lead / EVERY / WINDOW)
    assert row["lead_share"] == pytest.approx(lead / 1260)


def test_a_lead_below_the_logging_interval_counts_as_none():
    coarse = slice(0, None, 5)
    row = only((1260, 1600), steps=STEPS[coarse], skill=SKILL[coarse])
    assert (row["t50"], row["lead_steps"], row["lead_rows"], row["outcome"]) == (1300, 0, 0, "unresolved")


def test_what_was_over_before_or_came_after_is_no_warning():
    assert only((300, 1050), skill=SKILL)["outcome"] == "missed"
    assert only((300, 1060), skill=SKILL)["outcome"] == "before T10"
    assert only((1470, None), skill=SKILL)["outcome"] == "missed"
    assert only((300, None), skill=SKILL)["outcome"] == "before T10"
    assert only(skill=SKILL)["outcome"] == "missed"


def test_each_of_two_transitions_has_its_own_event_whoever_else_is_named():
    run = a_run(first=ramp(500, 600), second=ramp(1400, 1500))
    found = events((450, 700), (1380, 1600))
    both = leads_table(run, find_truths(run, ["first", "second"]), found, [WINDOW])
    assert both["event"].tolist() == [1, 2]
    assert both["lead_steps"].tolist() == [100, 70]
    alone = leads_table(run, find_truths(run, ["second"]), found, [WINDOW])
    pd.testing.assert_frame_equal(alone, both[1:].reset_index(drop=True))


def test_every_event_of_a_transition_has_a_row_and_the_first_leads():
    table = leads((1000, 1100), (1200, 1600), skill=SKILL)
    assert table["event"].tolist() == [1, 2]
    assert table["outcome"].tolist() == ["before T10", "before T50"]
    assert first_leads(table)["event"].tolist() == [1]


def test_what_comes_before_there_is_a_floor_is_not_covered():
    early = (STEPS >= EVERY * (WINDOW - 1)).astype(float)
    assert only((190, 300), skill=early)["outcome"].startswith(
        "not covered: half-way before the first window"
    )
    later = (STEPS >= EVERY * WINDOW).astype(float)
    assert only((190, 300), skill=later)["outcome"] == "before T10"


def test_one_that_is_never_complete_is_watched_to_the_end():
    row = only((1900, None), text="skill=0..2", skill=SKILL)
    assert (row["t50"], row["lead_steps"], row["outcome"]) == (1510, -390, "late")


def test_a_level_may_come_late_in_its_rise():
    row = only((900, 1100), text="skill@0.8", skill=SKILL)
    assert (row["lead_steps"], row["outcome"]) == (510, "before T50")
    assert only((900, 1050), text="skill@0.8", skill=SKILL)["outcome"] == "missed"


def test_each_window_length_has_a_row():
    table = leads((1000, 1600), windows=(WINDOW, 7), skill=SKILL)
    assert table["window"].tolist() == [WINDOW, 7]
    assert table["outcome"].tolist() == ["before T10", "missed"]


def test_without_truths_the_table_is_empty_and_has_its_types():
    table = leads_table(a_run(), [], events((100, 200)), [WINDOW])
    assert list(table) == list(TABLES["leads"].columns)
    assert len(table) == 0
    assert str(table["t50"].dtype) == "Int64"
    assert table.dtypes.equals(leads((1000, 1600), skill=SKILL).dtypes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("acc", r"^no scalar 'acc' for the truth; found loss, skill; choose truth=\"skill\"$"),
        ("acc@0.5", r"^no scalar 'acc' for the truth"),
        ("skill@high", r"^no scalar 'skill@high' for the truth"),
        ("step", r"^no scalar 'step' for the truth"),
        ("skill=1..1", r"^truth 'skill=1..1' goes from 1 to 1; needed two values apart, such as"),
    ],
)
def test_a_truth_that_is_none_is_told(text, message):
    with pytest.raises(ParameterError, match=message):
        find_truths(a_run(loss=STEPS, skill=SKILL), [text])


def test_a_run_without_scalars_says_so():
    with pytest.raises(ParameterError, match=r"^no scalar 'acc' for the truth; found none; log one$"):
        find_truths(Run.from_arrays(STEPS, np.ones((ROWS, 3))), ["acc"])


@given(st.integers(0, 200), st.floats(0.1, 1e6), st.floats(-1e3, 1e3))
def test_offset_and_scale_of_a_truth_change_nothing(seed, scale, offset):
    values = np.random.default_rng(seed).integers(0, 9, ROWS) / 8 + 3 * SKILL
    exact = crossed(skill=values)
    assert crossed(skill=2.0**20 * values + 2.0**10) == exact
    found = crossed(skill=scale * values + offset)
    assert all(abs(a - b) <= 50 * EVERY for a, b in zip(found, exact, strict=True))
