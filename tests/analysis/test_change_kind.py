"""Drift or fluctuation, more of the same or a new direction: from movements whose answer is known."""

import numpy as np
import pytest

from rdmtools.analysis.change_kind import change_kind
from rdmtools.analysis.moments import residual

W, N = 20, 40
RNG = np.random.default_rng(3)


def asked(losses, floor, alarm, *, detrend="constant"):
    rows = losses[alarm - W + 1 : alarm + 1]
    whole, left = (float(np.sum(residual(rows, degree) ** 2)) for degree in (0, 1))
    past = losses[max(floor + 1 - 5 * W, 0) : floor + 1]
    return change_kind(past, rows, drift_share=1 - left / whole, detrend=detrend)


def moving(along, course, *, noise=1e-3):
    """Losses that follow a course along a direction, over rows."""
    return np.outer(course, along) + noise * RNG.standard_normal((len(course), N))


def unit(seed):
    vector = np.random.default_rng(seed).standard_normal(N)
    return vector / np.linalg.norm(vector)


def test_a_line_is_drift_and_noise_that_grows_is_fluctuation():
    rows = np.arange(200)
    ramp = moving(unit(0), np.maximum(rows - 160.0, 0))
    assert asked(ramp, 150, 179).kind == "drift"
    noise = moving(unit(0), RNG.standard_normal(200) * np.where(rows < 160, 0.1, 10.0))
    found = asked(noise, 150, 179)
    assert found.kind == "fluctuation"


def test_nothing_is_fluctuation_where_a_line_is_most_of_it():
    """92 % of drift never again: whatever is left of the rise without the line."""
    rows = np.arange(200)
    course = np.maximum(rows - 160.0, 0) + 1.5 * RNG.standard_normal(200) * (rows > 160)
    losses = moving(unit(0), course)
    whole, left = (np.sum(residual(losses[160:180], degree) ** 2) for degree in (0, 1))
    assert 0.05 < left / whole < 0.2
    assert asked(losses, 150, 179).kind == "drift"


def test_where_no_movement_without_lines_grew_it_is_unresolved():
    noise = moving(unit(0), RNG.standard_normal(200))
    assert asked(noise, 150, 179).kind == "unresolved"


@pytest.mark.parametrize("detrend", ["constant", "linear"])
def test_more_along_the_same_direction_is_amplitude(detrend):
    rows = np.arange(200)
    losses = moving(unit(0), RNG.standard_normal(200) * np.where(rows < 160, 1.0, 10.0))
    found = asked(losses, 150, 179, detrend=detrend)
    assert found.movement == "amplitude"
    assert found.overlap > 0.99
    assert found.past_overlap > 0.99


@pytest.mark.parametrize("detrend", ["constant", "linear"])
def test_another_direction_than_ever_is_new(detrend):
    rows = np.arange(200)
    losses = moving(unit(0), RNG.standard_normal(200)) + moving(
        unit(1), 10 * RNG.standard_normal(200) * (rows > 159)
    )
    found = asked(losses, 150, 179, detrend=detrend)
    assert found.movement == "new direction"
    assert found.overlap < 0.2


def test_a_direction_that_always_changes_is_unresolved_and_so_is_too_little_past():
    noise = RNG.standard_normal((200, N))
    noise[160:] *= 10
    assert asked(noise, 150, 179).movement == "unresolved"
    rows = np.arange(100)
    losses = moving(unit(0), RNG.standard_normal(100)) + moving(
        unit(1), 10 * RNG.standard_normal(100) * (rows > 59)
    )
    found = asked(losses, 50, 79)
    assert found.movement == "unresolved"
    assert np.isnan(found.past_overlap)


def test_what_stands_still_has_no_direction():
    assert asked(np.ones((200, N)) + np.r_[np.zeros(179), np.arange(21)][:, None], 150, 185).overlap == 0
