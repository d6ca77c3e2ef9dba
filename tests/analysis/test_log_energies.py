"""What warnings watch: of all rows, one at a time, and from the definitions."""

import numpy as np
import pytest
from helpers import naive

from rdmtools.alarms.self_normalised import SelfNormalised, watched
from rdmtools.analysis.latest_rows import LatestRows
from rdmtools.analysis.log_energies import NAMES, log_energies_of
from rdmtools.errors import ParameterError


def walk(seed, rows=90, samples=7, offset=0.0):
    rng = np.random.default_rng(seed)
    return (
        offset
        + np.cumsum(rng.standard_normal((rows, samples)), axis=0)
        + rng.standard_normal((rows, samples))
    )


def row_by_row(losses, window):
    latest = LatestRows(window, losses.shape[1])
    rows = [latest.update(row) for row in losses]
    return {name: np.array([row[name] for row in rows]) for name in NAMES}


def assert_close(u, other, atol=1e-9):
    assert set(u) == set(other) == set(NAMES)
    for name in NAMES:
        np.testing.assert_allclose(u[name], other[name], rtol=0, atol=atol, err_msg=name)


@pytest.mark.parametrize(("window", "samples"), [(6, 2), (7, 3), (20, 7), (20, 300), (64, 5)])
def test_agree_with_the_definitions(window, samples):
    losses = walk(window + samples, samples=samples)
    expected = naive.log_energies(losses, window)
    assert_close(log_energies_of(losses, window), expected)
    assert_close(row_by_row(losses, window), expected)


def test_of_a_line_the_slope_alone_is_left():
    losses = 3.0 - 0.01 * np.arange(60)[:, None] * np.array([1.0, 3.0])
    for u in (log_energies_of(losses, 20), row_by_row(losses, 20)):
        np.testing.assert_allclose(u["mean_slope"][9:], 4 * np.log10(0.02), atol=1e-9)
        # All movement is drift: tr C = (0.01**2 + 0.03**2) * variance of 0 .. 9, of the mean 0.02**2 of it.
        for name, squares in (("total_variance", 10), ("drift_energy", 10), ("mean_loss_variance", 4)):
            np.testing.assert_allclose(u[name][9:], 2 * np.log10(squares * 1e-4 * 55 / 6), atol=1e-9)
        # Rank 1, lam = (0.01**2 + 0.03**2) * variance of 0 .. 9: SHC = lam**2 (1 / n - 1 / n**2).
        np.testing.assert_allclose(u["shc"][9:], np.log10((0.001 * 55 / 6) ** 2 / 4), atol=1e-9)
        assert all(np.isnan(values[:9]).all() for values in u.values())


@pytest.mark.parametrize("u_of", [log_energies_of, row_by_row])
def test_scale_offset_and_order_of_samples_change_nothing(u_of):
    losses = walk(1)
    u = u_of(losses, 20)
    assert_close(u_of(losses + 1000.0, 20), u)
    assert_close(u_of(losses[:, ::-1], 20), u)
    scaled = u_of(losses * 50.0, 20)
    assert_close({name: values - 4 * np.log10(50.0) for name, values in scaled.items()}, u)


def test_rows_to_come_change_no_bit():
    losses = walk(2, rows=200)
    whole, early = log_energies_of(losses, 20), log_energies_of(losses[:137], 20)
    for name in whole:
        np.testing.assert_array_equal(early[name], whole[name][:137])


@pytest.mark.parametrize("u_of", [log_energies_of, row_by_row])
def test_where_nothing_moves_there_is_no_value(u_of):
    losses = walk(3, rows=80)
    losses[30:60] = losses[29]
    u = u_of(losses, 20)
    for values in u.values():
        assert np.flatnonzero(np.isnan(values)).tolist() == [*range(9), *range(38, 60)]
    one_sample = u_of(walk(4, samples=1), 20)
    assert np.isnan(one_sample.pop("shc")).all()
    assert all(np.isfinite(values[9:]).all() for values in one_sample.values())


def test_fewer_rows_than_half_a_window_have_no_value():
    for rows in (1, 8, 9):
        for u in (log_energies_of(walk(5)[:rows], 20), row_by_row(walk(5)[:rows], 20)):
            assert all(len(values) == rows and np.isnan(values).all() for values in u.values())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_not_finite_costs_the_windows_that_hold_it(bad):
    losses = walk(6)
    u = row_by_row(losses, 20)
    losses[40, 3] = bad
    with_gap = row_by_row(losses, 20)
    for name, values in with_gap.items():
        assert np.isnan(values[40:50]).all()
        rest = np.r_[0:40, 50:90]
        np.testing.assert_allclose(values[rest], u[name][rest], atol=1e-9)


def test_a_jump_leaves_no_rounding_behind():
    losses = 1e-6 * walk(7)
    u = row_by_row(losses, 20)
    losses[:30] += 1e6
    after = row_by_row(losses, 20)
    for name, values in after.items():
        np.testing.assert_allclose(values[39:], u[name][39:], atol=1e-3)


def test_a_run_that_is_watched_has_the_events_of_the_whole_run():
    rng = np.random.default_rng(8)
    losses = 0.05 * rng.standard_normal((700, 12))
    for start in (200, 450):
        losses -= 1 / (1 + np.exp(-(np.arange(700) - start) / 15))[:, None] * rng.random(12)
    whole = watched(log_energies_of(losses, 20), window=20, threshold=1.2)
    latest, rule = LatestRows(20, 12), SelfNormalised(20, 1.2)
    rows = [rule.update(latest.update(row)) for row in losses]
    began = [(event.signal, event.alarm, event.statistic) for row in rows for event in row.began]
    assert began == [(event.signal, event.alarm, event.statistic) for event in whole.events]
    assert {event.alarm // 250 for event in whole.events} == {0, 1}
    np.testing.assert_allclose([row.score for row in rows], whole.score, atol=1e-9)


def test_rows_of_another_probe_are_refused():
    with pytest.raises(ParameterError, match=r"a row of shape \(3,\); needed \(4,\); log the same samples"):
        LatestRows(20, 4).update(np.zeros(3))
    with pytest.raises(ParameterError, match="a window of 5 rows; warnings need at least 6"):
        LatestRows(5, 4)
