"""Does one row carry the event? Spikes do; jumps, ramps and fluctuations that last do not."""

import numpy as np
import pytest
from helpers import naive

from rdmtools.alarms.rule import decades, find_rises
from rdmtools.analysis.loud_row import _Window, loud_row


def shc(losses, window, degree=0):
    return np.array(
        [
            naive.observables(losses[stop - window : stop], degree)["shc"]
            for stop in range(window, len(losses) + 1)
        ]
    )


def answer(losses, window=10, detrend="constant"):
    """Row of the run that carries its first event, None where none does."""
    values = shc(losses, window, ("constant", "linear").index(detrend))
    (rise, *_) = find_rises(decades(values), threshold=1.5)
    found = loud_row(
        losses[rise.alarm : rise.alarm + window],
        losses[rise.peak : rise.peak + window],
        later=rise.peak - rise.alarm,
        floor=values[rise.floor],
        decades=1.5,
        detrend=detrend,
    )
    return None if found is None else rise.alarm + found


def noise(rows=120, samples=7, seed=0):
    return 2 + 0.01 * np.random.default_rng(seed).standard_normal((rows, samples))


@pytest.mark.parametrize("degree", [0, 1])
@pytest.mark.parametrize("row", [0, 4, 8])
def test_what_is_left_is_the_shc_of_the_other_rows(row, degree):
    losses = noise(9, 5)
    losses[row] += 1e5
    left = np.delete(losses, row, axis=0)
    times = np.delete(np.arange(9.0), row)
    basis, _ = np.linalg.qr(np.vander(times - times.mean(), degree + 1))
    field = left - basis @ (basis.T @ left)
    spectrum = np.linalg.eigvalsh(field.T @ field / (7 - degree))
    assert _Window(losses, degree).shc(without=row) == pytest.approx(spectrum.var(), rel=1e-6)


def test_a_whole_window_has_its_shc():
    losses = np.cumsum(noise(9, 5), axis=0)
    for degree in (0, 1):
        assert _Window(losses, degree).shc() == pytest.approx(naive.observables(losses, degree)["shc"])


@pytest.mark.parametrize("detrend", ["constant", "linear"])
@pytest.mark.parametrize("size", [0.3, 30.0, 3e6])
def test_a_spike_is_one_loud_row(size, detrend):
    losses = noise()
    losses[80] += size * np.linspace(-1, 2, 7)
    assert answer(losses, detrend=detrend) == 80


def test_a_spike_of_one_sample_is_one_loud_row():
    losses = noise()
    losses[80, 3] += 1.0
    assert answer(losses) == 80


def test_a_jump_that_lasts_is_not():
    losses = noise()
    losses[80:] -= np.linspace(0, 1, 7)
    assert answer(losses) is None
    assert answer(losses[:81]) == 80  # so far, for nothing tells the two apart
    assert answer(losses[:84]) is None


@pytest.mark.parametrize("rows", [3, 10, 40])
def test_ramps_and_sigmoids_are_not(rows):
    losses = noise(200)
    place = np.arange(200)[:, None] - 120
    assert answer(losses - np.clip(place / rows, 0, 1) * np.linspace(0, 1, 7)) is None
    assert answer(losses - np.linspace(0, 1, 7) / (1 + np.exp(-4 * place / rows))) is None


def test_noise_that_grows_is_not():
    losses = noise()
    losses[80:] = 2 + 20 * (losses[80:] - 2)
    assert answer(losses) is None


def test_a_spike_on_the_way_up_is_told_only_where_it_carries_the_alarm():
    losses = noise() - np.clip(np.arange(120)[:, None] - 70, 0, None) * 0.05 * np.ones(7)
    losses[90] += 0.5
    assert answer(losses) is None


def test_windows_that_are_too_short_have_none():
    rows = noise(4, 3)
    assert loud_row(rows[:2], rows[:2], later=0, floor=1e-9, decades=1.5) is None
    assert loud_row(rows[:3], rows[1:], later=3, floor=1e-9, decades=1.5) is None
    assert loud_row(rows[:3], rows[:3], later=0, floor=1e-9, decades=1.5, detrend="linear") is None


def test_scale_and_offset_change_nothing():
    losses = noise()
    losses[80] += 1
    assert answer(7 + 100 * losses) == answer(losses) == 80
