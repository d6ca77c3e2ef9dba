"""The lag of PR behind SHC: against windows one by one, its interval, and that nothing is claimed."""

import numpy as np
import pandas as pd
import pytest
from helpers import runs

import rdmtools as rdm
from rdmtools.analysis.events import events_table
from rdmtools.analysis.order import order_table
from rdmtools.run.run import Run


def an_event(floor, alarm, peak, window=12):
    row = {"event": 1, "window": window, "floor_step": floor, "alarm_step": alarm, "shc_peak_step": peak}
    return pd.DataFrame([row])


def half_way(steps, series):
    """The slow way: first crossing of the middle between the ends."""
    middle = (series[0] + series[-1]) / 2
    for before, after in zip(range(len(steps)), range(1, len(steps)), strict=False):
        low, high = sorted((series[before], series[after]))
        if low <= middle <= high:
            share = (middle - series[before]) / (series[after] - series[before])
            return steps[before] + share * (steps[after] - steps[before])
    raise AssertionError


@pytest.mark.parametrize("detrend", ["constant", "linear"])
def test_the_lag_is_that_of_the_observables(detrend):
    run = runs.with_event()
    analysis = rdm.analyze(run, window=12, detrend=detrend, decades=1.0)
    event, row = analysis.events.iloc[0], analysis.order.iloc[0]
    table = analysis.observables.set_index("step")
    places = [
        int(np.searchsorted(run.steps, event[name])) for name in ("floor_step", "alarm_step", "shc_peak_step")
    ]
    first, last = max(places[0], places[1] - 24), min(places[2], places[1] + 24)
    ends = np.unique(np.linspace(first, last, 17).round().astype(int))
    told = table.loc[run.steps[ends]]
    assert row["shc_half_step"] == pytest.approx(half_way(run.steps[ends], np.log10(told["shc"].to_numpy())))
    assert row["pr_half_step"] == pytest.approx(half_way(run.steps[ends], np.log10(told["pr"].to_numpy())))
    assert row["lag_steps"] == pytest.approx(row["pr_half_step"] - row["shc_half_step"])


def test_the_interval_is_about_the_lag_and_nothing_is_claimed():
    row = rdm.analyze(runs.with_event(), window=12).order.iloc[0]
    assert row["lag_low"] <= row["lag_steps"] <= row["lag_high"]
    assert row["lag_low"] < row["lag_high"]
    assert row["outcome"] == "unresolved"


def test_more_samples_make_a_narrower_interval():
    def width(copies):
        rng = np.random.default_rng(0)
        losses = 0.05 * rng.standard_normal((150, 16 * copies))
        losses -= (1 / (1 + np.exp(-(np.arange(150) - 90) / 3)))[:, None] * rng.uniform(0.5, 2, 16 * copies)
        run = Run.from_arrays(np.arange(150), losses)
        row = order_table(run, an_event(70, 88, 105), "constant").iloc[0]
        return row["lag_high"] - row["lag_low"]

    assert width(40) < 0.5 * width(1)


def test_where_pr_does_not_change_there_is_no_lag():
    fall = (1 / (1 + np.exp(-(np.arange(150) - 90) / 3)))[:, None] * np.linspace(1, 2, 9)
    row = order_table(Run.from_arrays(np.arange(150), 3 - fall), an_event(70, 88, 105), "constant").iloc[0]
    assert np.isfinite(row["shc_half_step"])
    assert np.isnan(row[["pr_half_step", "lag_steps", "lag_low", "lag_high"]].astype(float)).all()
    assert row["outcome"] == "unresolved"


@pytest.mark.parametrize("samples", [1, 2, 5])
def test_few_samples_and_still_windows_make_a_row(samples):
    losses = np.ones((60, samples))
    losses[40:] -= np.linspace(0, 1, 20)[:, None] * np.arange(1, samples + 1)
    found = order_table(Run.from_arrays(np.arange(60), losses), an_event(20, 41, 59), "constant")
    assert found["event"].tolist() == [1]


def test_an_alarm_at_the_peak_is_one_window():
    found = order_table(runs.with_event(), an_event(900, 900, 900), "constant")
    assert found["shc_half_step"].isna().tolist() == [True]


def test_no_event_no_row_and_the_same_bits_again():
    run = runs.with_event()
    assert len(order_table(run, events_table([]), "constant")) == 0
    first, again = (rdm.analyze(run, window=12).order for _ in range(2))
    pd.testing.assert_frame_equal(first, again)
