"""Leading modes over a run are those of its windows, in short."""

import numpy as np
import pytest

import rdmtools as rdm
from rdmtools.analysis.leading_modes import modes_over_run
from rdmtools.analysis.modes import direction, leading_modes, samples_carrying, window_modes


def run_of(rows=90, samples=9, groups=True):
    losses = 3 + np.cumsum(np.random.default_rng(4).standard_normal((rows, samples)), axis=0)
    names = [f"group {n % 3}" for n in range(samples)]
    return rdm.Run.from_arrays(5 * np.arange(rows), losses, samples={"group": names} if groups else None)


@pytest.mark.parametrize("detrend", ["constant", "linear"])
def test_each_window_has_its_own_modes(detrend):
    run = run_of()
    told = modes_over_run(run, 12, detrend=detrend, also=[3, 40], windows=7)
    assert 5 * 40 in [each.step for each in told]
    assert (told[0].first_step, told[0].step, told[-1].step) == (0, 5 * 11, 5 * 89)
    assert len(told) == 8  # row 3 lies before the first full window
    for each in told:
        stop = each.step // 5 + 1
        found = window_modes(run.rows(stop - 12, stop), count=3, detrend=detrend)
        assert each.first_step == each.step - 5 * 11
        assert [mode.share for mode in each.modes] == pytest.approx(found.shares[:3].tolist(), rel=1e-9)
        for mode, loadings, change in zip(each.modes, found.loadings, found.loss_change, strict=True):
            assert mode.loadings_squared == pytest.approx(sorted(loadings**2)[::-1][:3], rel=1e-6)
            assert mode.loss_changes == pytest.approx(change[mode.samples].tolist(), rel=1e-6)
            assert (mode.direction, mode.carrying) == (direction(change), samples_carrying(loadings))
            shares = [float((loadings[group::3] ** 2).sum()) for group in range(3)]
            assert mode.top_group == f"group {int(np.argmax(shares))}"
            assert mode.top_group_share == pytest.approx(max(shares), rel=1e-6)


def test_without_groups_none_is_named_and_of_nothing_no_mode():
    assert {
        mode.top_group
        for each in modes_over_run(run_of(groups=False), 10, detrend="constant")
        for mode in each.modes
    } == {None}
    still = rdm.Run.from_arrays(np.arange(30), np.ones((30, 4)))
    assert all(each.modes == [] for each in modes_over_run(still, 10, detrend="constant"))


def test_wide_runs_of_long_windows_have_fewer(monkeypatch):
    monkeypatch.setattr("rdmtools.analysis.leading_modes._MOST_PRODUCTS", 9 * 100 * 6)
    assert len(modes_over_run(run_of(), 10, detrend="constant")) == 6
    monkeypatch.setattr("rdmtools.analysis.leading_modes._MOST_PRODUCTS", 1.0)
    assert len(modes_over_run(run_of(), 10, detrend="constant")) == 4


@pytest.mark.parametrize("samples", [5, 30])
def test_leading_modes_by_products_are_those_by_singular_values(samples):
    window = np.cumsum(np.random.default_rng(1).standard_normal((12, samples)), axis=0)
    quick, slow = leading_modes(window, count=3), window_modes(window, count=3)
    for name in ("loadings", "loss_change", "time_courses", "eigenvalues"):
        np.testing.assert_allclose(getattr(quick, name), getattr(slow, name), atol=1e-9)
