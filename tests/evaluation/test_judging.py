"""Detected, late or missed, to the row; and which rows hold nothing of a transition."""

import numpy as np
import pytest
from helpers.corpora import SPACING, transition
from hypothesis import given
from hypothesis import strategies as st

from rdmtools.evaluation.judging import idle_rows, judge

T10, T50, T90 = 360, 400, 440


def verdict(*alarms, start=0, **of_transition):
    return judge(transition(T50, **of_transition), np.array(alarms, dtype=np.int64), start=start)


@pytest.mark.parametrize(
    ("alarm", "outcome", "lead", "before_t10"),
    [
        (0, "detected", 400, True),
        (T10 - SPACING, "detected", 50, True),
        (T10, "detected", 40, False),
        (T50 - SPACING, "detected", 10, False),
        (T50, "late", 0, False),
        (T90, "late", 0, False),
        (T90 + SPACING, "missed", None, False),
    ],
)
def test_one_alarm(alarm, outcome, lead, before_t10):
    found = verdict(alarm)
    assert (found.outcome, found.lead_steps, found.before_t10) == (outcome, lead, before_t10)
    assert found.lead_share == (None if lead is None else lead / T50)
    assert found.alarm_step == (None if lead is None else alarm)


def test_no_alarm_at_all():
    found = verdict()
    assert (found.outcome, found.alarm_step, found.alarms, found.before_t10) == ("missed", None, 0, False)


def test_the_first_alarm_counts_and_the_others_are_told():
    found = verdict(100, 200, 390, 400, 500)
    assert (found.outcome, found.alarm_step, found.lead_steps, found.alarms) == ("detected", 100, 300, 3)


def test_alarms_before_the_watch_warn_of_something_else():
    assert verdict(190, watched_from=200).outcome == "missed"
    assert verdict(190, 410, watched_from=200).outcome == "late"
    found = verdict(190, 200, watched_from=200)
    assert (found.lead_steps, found.alarms) == (200, 1)


def test_the_share_is_of_the_way_from_the_cause():
    assert verdict(300, start=200, watched_from=200).lead_share == 0.5


@pytest.mark.parametrize(("alarm", "lead"), [(T50 - 50, 50), (T50 - 49, 0), (T50 - 1, 0)])
def test_a_lead_shorter_than_the_logging_interval_counts_as_none(alarm, lead):
    found = verdict(alarm, resolution=50)
    assert (found.outcome, found.lead_steps) == ("detected" if lead else "late", lead)


@given(st.lists(st.integers(0, 80).map(lambda k: SPACING * k), unique=True).map(sorted))
def test_no_alarm_warns_of_two_transitions(alarms):
    one = transition(200, t10=180, t90=240)
    two = transition(500, t10=480, t90=540, watched_from=241)
    verdicts = [judge(each, np.array(alarms, dtype=np.int64), start=0) for each in (one, two)]
    steps = [each.alarm_step for each in verdicts if each.alarm_step is not None]
    assert len(set(steps)) == len(steps)
    for each, of in zip(verdicts, (one, two), strict=True):
        warned = [s for s in alarms if of.watched_from <= s < of.t50]
        assert (each.outcome == "detected") == bool(warned)
        assert each.alarms == len(warned)


STEPS, WINDOW = SPACING * np.arange(30), 4
ENDS = STEPS[WINDOW - 1 :]


def idle(*transitions, start=0):
    return ENDS[idle_rows(STEPS, transitions, window=WINDOW, start=start)].tolist()


def test_without_a_transition_all_is_idle():
    assert idle() == ENDS.tolist()
    assert idle(transition(100, status="no transition: never risen")) == ENDS.tolist()
    assert idle(start=150) == ENDS.tolist()


def test_idle_again_once_the_window_holds_nothing_of_it():
    # T90 is row 14; the first window without it is that of rows 15 ... 18.
    assert idle(transition(100, t90=140)) == list(range(180, 300, SPACING))
    # Between two rows: row 14 is the first after it.
    assert idle(transition(100, t90=135)) == list(range(180, 300, SPACING))


def test_idle_until_the_cause():
    assert idle(transition(100, t90=140), start=60) == [30, 40, 50, *range(180, 300, SPACING)]
    assert idle(transition(100, t90=140), start=25) == list(range(180, 300, SPACING))


def test_nothing_is_idle_between_transitions_nor_after_one_that_is_open():
    assert idle(transition(60, t90=70), transition(200, t90=220)) == [260, 270, 280, 290]
    assert idle(transition(200, t90=260)) == []
    unfinished = transition(100, status="not covered: never complete")
    unfinished = type(unfinished)(
        truth=unfinished.truth, t10=90, t50=100, t90=None, status=unfinished.status, watched_from=0
    )
    assert idle(unfinished, start=50) == [30, 40]


@pytest.mark.parametrize("row", range(10, 26))
def test_an_idle_window_and_the_transition_share_no_row(row):
    after = idle(transition(100, t90=int(STEPS[row])))
    assert after == [int(STEPS[k]) for k in range(30) if k - WINDOW + 1 > row]
