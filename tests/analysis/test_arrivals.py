"""When histories are half-way: closed forms, intervals that hold, who is first, and what is robust."""

import numpy as np
import pandas as pd
import pytest

from rdmtools.analysis.arrivals import MOST_GROUPS, arrivals, arrivals_table, is_before
from rdmtools.analysis.events import events_table
from rdmtools.analysis.histories import histories_of
from rdmtools.analysis.tables import TABLES

ROWS, EVERY = 300, 10
STEPS = EVERY * np.arange(ROWS)
NONE = events_table([])


def step(at, change=-1.0):
    return np.where(np.arange(ROWS) >= at, change, 0.0)


def sigmoid(at, width):
    return -1 / (1 + np.exp(-(np.arange(ROWS) - at) / width))


def noise(seed, count, rho=0.0, size=0.1):
    series = np.random.default_rng(seed).standard_normal((ROWS, count))
    for row in range(1, ROWS):
        series[row] = rho * series[row - 1] + np.sqrt(1 - rho**2) * series[row]
    return size * series


def only(series):
    (found,) = arrivals(np.asarray(series)[:, None])
    return found


def table(losses, groups, events=NONE):
    return arrivals_table(histories_of(losses, STEPS), groups, events, STEPS)


def an_event(floor, alarm, end, window=20, event=1):
    row = {"event": event, "window": window, "floor_step": floor, "alarm_step": alarm, "shc_peak_step": alarm}
    return pd.DataFrame([row | {"end_step": end}]).astype({"end_step": "Int64"})


def test_a_step_is_half_way_between_its_rows():
    found = only(step(120))
    assert (found.half, found.low, found.high, found.change) == (119.5, 119, 120, -1.0)


@pytest.mark.parametrize("width", [2, 5, 10])
def test_a_sigmoid_is_half_way_at_its_middle(width):
    found = only(sigmoid(150.3, width))
    assert found.half == pytest.approx(150.3, abs=0.5)
    assert found.low < 150.3 < found.high


def test_offset_scale_and_sign_change_nothing_but_the_change():
    series = sigmoid(150.3, 5) + noise(0, 1)[:, 0]
    one, other = only(series), only(8.0 * (4.0 - series))
    assert (one.low, one.high) == (other.low, other.high)
    assert one.half == pytest.approx(other.half)
    assert other.change == pytest.approx(-8 * one.change)


@pytest.mark.parametrize("series", [np.zeros(ROWS), np.full(ROWS, 3.7), noise(0, 1)[:, 0]])
def test_what_does_not_move_has_no_half(series):
    assert only(series) is None


def test_too_few_rows_are_not_judged():
    assert arrivals(step(120)[110:125, None]) is None


@pytest.mark.parametrize("rho", [0.0, 0.6, 0.9])
@pytest.mark.parametrize("width", [1, 5, 12])
def test_intervals_hold_the_truth(rho, width):
    middles = np.random.default_rng(1).uniform(100, 200, 200)
    series = np.stack([sigmoid(middle, width) for middle in middles], axis=1) + noise(2, 200, rho)
    found = arrivals(series)
    held = [one.low <= middle <= one.high for one, middle in zip(found, middles, strict=True) if one]
    assert len(held) >= 190
    assert np.mean(held) >= 0.9
    widths = [one.high - one.low for one in found if one]
    assert np.median(widths) < 12 * width + 6


def test_one_is_before_another_by_more_than_noise():
    early, late, same = arrivals(
        np.stack([sigmoid(120, 8), sigmoid(150, 8), sigmoid(120, 8)], axis=1) + noise(3, 3, 0.5)
    )
    assert is_before(early, late)
    assert not is_before(late, early)
    assert not is_before(early, same)
    assert not is_before(same, early)


def test_within_one_row_nobody_is_first():
    early, late = arrivals(np.stack([sigmoid(120.0, 8), sigmoid(120.9, 8)], axis=1))
    assert early.half < late.half
    assert not is_before(early, late)


def test_noise_that_both_have_cancels():
    # Of 6 rows between them: less than the noise of either, but all of it is common.
    common = noise(4, 1, 0.8, size=0.1)
    early, late = arrivals(np.stack([sigmoid(120, 8), sigmoid(126, 8)], axis=1) + common)
    assert early.high > late.low
    assert is_before(early, late)


def grouped(seed=5):
    losses = 3 + noise(seed, 12, size=0.05)
    losses[:, :4] += step(120)[:, None]
    losses[:, 4:8] += step(180, 2.0)[:, None]
    return losses, ["a"] * 4 + ["b"] * 4 + ["c"] * 4


def test_the_table_tells_who_was_first_and_who_did_not_move():
    found = table(*grouped())
    assert list(found) == list(TABLES["arrivals"].columns)
    assert found["event"].isna().all()
    assert found["group"].tolist() == ["a", "b", "c"]
    assert found["samples"].tolist() == [4, 4, 4]
    assert found["half_step"].tolist()[:2] == [1200, 1800]
    assert pd.isna(found["half_step"].iloc[2])
    assert found["outcome"].tolist() == ["first", "later", "did not move"]
    assert found["loss_change"].iloc[:2].tolist() == pytest.approx([-1, 2], abs=0.05)


def test_the_order_of_samples_has_no_part_in_it():
    losses, groups = grouped()
    order = np.random.default_rng(6).permutation(12)
    found = table(losses[:, order], [groups[index] for index in order])
    expected = table(losses, groups)
    pd.testing.assert_frame_equal(found.sort_values("group", ignore_index=True), expected)


def test_at_once_is_unresolved():
    losses, groups = grouped()
    losses[:, 8:] += step(120)[:, None]
    assert table(losses, groups)["outcome"].tolist() == ["unresolved", "later", "unresolved"]


def test_what_hardly_moved_is_not_first():
    losses, groups = grouped()
    losses[:, 8:] += step(60, 0.15)[:, None]
    assert table(losses, groups)["outcome"].tolist() == ["first", "later", "hardly moved"]


def test_samples_that_go_both_ways_are_told_apart():
    losses, groups = grouped()
    losses[:, 8:10] += step(100, -3)[:, None]
    losses[:, 10:] += step(140, 3)[:, None]
    found = table(losses, groups)
    assert found["group"].tolist() == ["a", "b", "c", "c"]
    assert found["samples"].tolist() == [4, 4, 2, 2]
    assert found["half_step"].tolist() == [1200, 1800, 1000, 1400]
    assert found["outcome"].tolist() == ["later", "later", "first", "later"]


def test_around_an_event_are_its_own_rows():
    losses, groups = grouped()
    found = table(losses, groups, an_event(1500, 1780, 1900))
    assert found["event"].isna().tolist() == [True] * 3 + [False] * 3
    around = found[found["event"] == 1]
    assert around["outcome"].tolist() == ["did not move", "first", "did not move"]
    assert around["half_step"].tolist()[1] == 1800
    open_ = table(losses, groups, an_event(1450, 1780, None))
    assert open_["outcome"].tolist()[3:] == ["did not move", "first", "did not move"]


def test_an_event_of_few_rows_is_too_short_to_judge():
    losses, groups = grouped()
    found = table(losses, groups, an_event(2900, 2980, None, window=5))
    assert found["outcome"].tolist()[3:] == ["too short to judge"] * 3


def test_without_groups_or_with_too_many_there_are_no_rows():
    assert len(table(grouped()[0], [])) == 0
    many = noise(7, MOST_GROUPS + 1)
    assert len(table(many, [str(index) for index in range(MOST_GROUPS + 1)])) == 0


@pytest.mark.parametrize(
    ("losses", "groups"),
    [
        (step(120)[:, None] + 2, ["only"]),
        (np.full((ROWS, 3), 2.0), ["a", "b", "b"]),
        (grouped()[0][:3], grouped()[1]),
    ],
)
def test_small_and_still_runs_have_a_row_for_each_group(losses, groups):
    steps = STEPS[: len(losses)]
    found = arrivals_table(histories_of(losses, steps), groups, NONE, steps)
    assert found["group"].tolist() == [*dict.fromkeys(groups)]


def test_the_same_bits_again():
    pd.testing.assert_frame_equal(table(*grouped()), table(*grouped()))
