"""T10, T50 and T90 in closed form, and what is judged, what is none, what is not covered."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdmtools.errors import FormatError, ParameterError
from rdmtools.evaluation.corpus import Truth
from rdmtools.evaluation.truth import COVERED_WINDOWS, find_transitions
from rdmtools.run.run import Run

EVERY, ROWS, WINDOW = 10, 201, 4
STEPS = EVERY * np.arange(ROWS)


def a_run(steps=STEPS, rows=STEPS, **scalars):
    return Run.from_arrays(rows, np.ones((len(rows), 3)), scalars={"step": steps} | scalars, name="toy")


def ramp(start, stop, steps=STEPS):
    return np.clip((steps - start) / (stop - start), 0, 1)


def one(values, *, steps=STEPS, rows=STEPS, low=0.0, high=1.0, since=None, window=WINDOW):
    truth = Truth(column="skill", low=low, high=high)
    (found,) = find_transitions(a_run(steps, rows, skill=values), [truth], window=window, since=since)
    return found


def crossings(found):
    return found.t10, found.t50, found.t90


def test_a_linear_ramp():
    found = one(ramp(1000, 1500))
    assert crossings(found) == (1050, 1250, 1450)
    assert found.judged
    assert found.watched_from == 0


def test_a_logistic_ramp():
    # 1 / (1 + exp(-(s - m) / w)) is at a share p where s = m + w log(p / (1 - p)).
    found = one(1 / (1 + np.exp(-(STEPS - 1003) / 30)))
    reached = [1003 + 30 * np.log(p / (1 - p)) for p in (0.1, 0.5, 0.9)]
    assert crossings(found) == tuple(EVERY * int(np.ceil(step / EVERY)) for step in reached)
    assert found.judged


def test_low_and_high_turn_the_scalar_into_shares():
    assert crossings(one(0.2 + 0.6 * ramp(1000, 1500), low=0.2, high=0.8)) == pytest.approx(
        (1050, 1250, 1450), abs=EVERY
    )


def test_a_truth_may_fall():
    found = one(5 - 4 * ramp(1000, 1500), low=5.0, high=1.0)
    assert crossings(found) == (1050, 1250, 1450)
    assert found.judged


@pytest.mark.parametrize(
    ("values", "status"),
    [
        (np.zeros(ROWS), "no transition: never risen"),
        (0.49 * ramp(1000, 1500), "no transition: never risen"),
        (np.ones(ROWS), "no transition: risen from the start"),
        (0.1 + 0.9 * ramp(1000, 1500), "no transition: risen from the start"),
        (0.89 * ramp(1000, 1500), "not covered: never complete"),
        (ramp(0, 2000), "no transition: creeps, T90 - T10 is 1.6 of T50"),
        (np.full(ROWS, np.nan), "no transition: never risen"),
    ],
)
def test_what_is_not_judged_says_why(values, status):
    found = one(values)
    assert found.status == status
    assert not found.judged
    assert found.real == status.startswith("not covered")


def test_sharp_is_a_width_of_at_most_t50():
    # T90 - T10 = 0.8 length, T50 = start + 0.5 length: alike where start = 0.3 length.
    assert one(ramp(300, 1300)).judged
    assert one(ramp(290, 1290)).status == "no transition: creeps, T90 - T10 is 1 of T50"


@pytest.mark.parametrize("rows", [COVERED_WINDOWS * WINDOW - 1, COVERED_WINDOWS * WINDOW])
def test_five_windows_of_rows_come_before_t50(rows):
    found = one((np.arange(ROWS) >= rows).astype(float))
    assert found.t50 == EVERY * rows
    needed = COVERED_WINDOWS * WINDOW
    assert found.status == ("judged" if rows == needed else f"not covered: {rows} rows before T50, needed 20")


def test_shares_begin_at_the_cause():
    # Before it the scalar was high already; its first value after it counts as the first.
    values = np.where(STEPS < 500, 1.0, ramp(800, 900))
    assert one(values).status == "no transition: risen from the start"
    found = one(values, since=500)
    assert (crossings(found), found.status, found.watched_from) == ((810, 850, 890), "judged", 500)


def test_width_is_a_share_of_t50_wherever_the_cause_was():
    values = ramp(1000, 1400)  # T90 - T10 = 320, T50 = 1200
    assert one(values, since=890).judged
    assert one(ramp(200, 1700), since=150).status.startswith("no transition: creeps, T90 - T10 is 1.3 of")


def test_a_cause_after_the_end():
    assert one(ramp(800, 900), since=5000).status == "no transition: never risen"


def test_scalars_at_other_steps_than_losses():
    steps = np.arange(7, 2000, 50)
    found = one(ramp(1000, 1500, steps), steps=steps)
    assert crossings(found) == (1057, 1257, 1457)
    assert found.judged
    assert found.resolution == 50


def test_a_lead_is_resolved_to_the_coarser_of_rows_and_scalar():
    assert one(ramp(1000, 1100)).resolution == EVERY
    fine = np.arange(2001)
    assert one(ramp(1000, 1100, fine), steps=fine).resolution == EVERY
    gap = np.where((STEPS > 900) & (STEPS < 1050), np.nan, ramp(1000, 1100))
    assert one(gap).resolution == 1050 - 900


def test_missing_values_of_the_scalar_are_skipped():
    values = ramp(1000, 1500)
    values[STEPS == 1250] = np.nan
    assert crossings(one(values)) == (1050, 1260, 1450)


def test_noise_about_a_tenth_moves_t10_to_its_first_touch():
    values = ramp(1000, 1200)
    values[STEPS == 700] = 0.1
    found = one(values)
    assert crossings(found) == (700, 1100, 1180)
    assert found.judged  # T90 - T10 is 480 of 1100
    values[0] = 0.1
    assert one(values).status == "no transition: risen from the start"


def test_a_dip_after_a_crossing_changes_nothing():
    values = ramp(1000, 1500)
    values[STEPS > 1480] = 0.0
    assert crossings(one(values)) == (1050, 1250, 1450)


def several(**of_column):
    truths = [Truth(column=name) for name in of_column]
    return find_transitions(a_run(**of_column), truths, window=WINDOW, since=None)


def test_transitions_come_in_the_order_of_their_t50():
    found = several(c=ramp(1500, 1600), never=np.zeros(ROWS), a=ramp(500, 600), b=ramp(1000, 1100))
    assert [each.truth.column for each in found] == ["a", "b", "c", "never"]
    assert [each.status for each in found[:3]] == ["judged"] * 3
    # each is watched from the first window that holds nothing of the one before it, which was over at 590
    assert [each.watched_from for each in found[:3]] == [0, 590 + 10 * WINDOW, 1090 + 10 * WINDOW]


def test_a_transition_begins_after_the_one_before_it_is_over():
    first = ramp(500, 600)  # T90 at 590
    early, late = (several(a=first, b=1.0 * (t50 <= STEPS))[1] for t50 in (630, 640))
    assert early.status == "not covered: begins before the one before it is over"
    assert late.judged


def test_one_inside_another_leaves_the_later_end():
    found = several(long=ramp(600, 1000), short=(STEPS >= 850).astype(float), after=ramp(1400, 1500))
    assert [each.status for each in found] == [
        "judged",
        "not covered: begins before the one before it is over",
        "judged",
    ]
    assert found[2].watched_from == 960 + 10 * WINDOW


def test_one_that_never_completes_is_never_over():
    # Alarms of its rise would else be early warnings of the next.
    found = several(half=0.6 * ramp(500, 600), after=ramp(1400, 1500))
    assert [each.status for each in found] == [
        "not covered: never complete",
        "not covered: begins before the one before it is over",
    ]


def test_what_is_none_is_waited_for_by_nobody():
    found = several(creeps=ramp(0, 1000), after=ramp(1400, 1500))
    assert [each.status.split(":")[0] for each in found] == ["no transition", "judged"]
    assert found[1].watched_from == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.integers(0, 30))
def test_crossings_are_the_first_values_that_reach(values, cut):
    steps = EVERY * np.arange(len(values))
    found = one(np.array(values), steps=steps, rows=STEPS)
    for level, step in zip((0.1, 0.5, 0.9), crossings(found), strict=True):
        reached = [at for at, value in zip(steps, values, strict=True) if value >= level]
        assert step == (reached[0] if reached else None)
    # What is logged later moves no crossing that was there.
    early = one(np.array(values[: cut + 1]), steps=steps[: cut + 1], rows=STEPS)
    assert all(a == b for a, b in zip(crossings(early), crossings(found), strict=True) if a is not None)


def test_a_run_without_the_scalar_says_what_it_has():
    with pytest.raises(FormatError, match=r"^no scalar 'skill', its truth; found accuracy, norm; log it$"):
        find_transitions(
            a_run(accuracy=STEPS, norm=STEPS), [Truth(column="skill")], window=WINDOW, since=None
        )


def test_the_steps_are_no_truth():
    with pytest.raises(FormatError, match=r"^no scalar 'step', its truth; found accuracy; log it$"):
        find_transitions(a_run(accuracy=STEPS), [Truth(column="step")], window=WINDOW, since=None)


def test_a_truth_goes_from_somewhere_to_somewhere_else():
    with pytest.raises(ParameterError, match=r"^truth 'skill' goes from 1 to 1; needed two values apart$"):
        Truth(column="skill", low=1.0, high=1.0)
    with pytest.raises(ParameterError, match="from nan to 1"):
        Truth(column="skill", low=np.nan)
