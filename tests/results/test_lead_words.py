"""Each outcome in words."""

import pandas as pd
import pytest

from rdmtools.results.lead_words import NAME_ONE, leads_told


def row(outcome, lead=None, alarm=None, t50=500, t10=480, truth="mode_1", window=20):
    return {
        "truth": truth,
        "window": window,
        "t10": t10,
        "t50": t50,
        "alarm_step": alarm,
        "lead_steps": lead,
        "outcome": outcome,
    }


@pytest.mark.parametrize(
    ("told", "line"),
    [
        (
            row("before T10", 220, 280),
            "220 steps early: alarm 280, mode_1 half-way at 500, before it had moved 10 %.",
        ),
        (
            row("before T50", 10, 490),
            "10 steps early: alarm 490, mode_1 half-way at 500, after it had moved 10 %.",
        ),
        (row("before T50", 10, 490, t10=None), "10 steps early: alarm 490, mode_1 reached at 500."),
        (
            row("unresolved", 0, 500),
            "No lead above the logging interval: alarm 500, mode_1 half-way at 500.",
        ),
        (row("late", -1500, 2000), "1,500 steps late: alarm 2,000, mode_1 half-way at 500."),
        (row("missed"), "mode_1 half-way at 500: missed, no alarm."),
        (row("not covered: why"), "mode_1 half-way at 500: not covered: why."),
        (row("no transition: why", t50=None, t10=None), "mode_1: no transition: why."),
    ],
)
def test_each_outcome_has_its_line(told, line):
    assert leads_told([told], events=1) == [line]
    absent = {key: pd.NA if value is None else value for key, value in told.items()}
    assert leads_told([absent], events=1) == [line]


def test_the_first_alarm_of_each_truth_is_told_in_the_first_window():
    leads = [
        row("before T10", 220, 280),
        row("late", -10, 510),
        row("missed", window=50),
        row("missed", truth="mode_2"),
    ]
    first, second = leads_told(leads, events=2)
    assert first.startswith("220 steps early")
    assert second == "mode_2 half-way at 500: missed, no alarm."


def test_without_a_truth_an_event_says_what_to_name():
    assert leads_told([], events=1) == [NAME_ONE]
    assert leads_told([], events=0) == []


def test_many_truths_are_counted():
    lines = leads_told([row("missed", truth=f"{k}") for k in range(20)], events=1)
    assert len(lines) == 13
    assert lines[-1] == "8 further truths in the table of leads."
