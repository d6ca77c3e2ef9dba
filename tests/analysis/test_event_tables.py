"""Lift, explained columns and loud rows as `analyze` has them: whose event it is, and nothing looks ahead."""

import numpy as np
import pandas as pd
import pytest
from helpers import runs

import rdmtools as rdm
from rdmtools.analysis.choices import DEGREES
from rdmtools.analysis.events import records
from rdmtools.analysis.explained import run_change
from rdmtools.analysis.histories import histories_of
from rdmtools.analysis.modes import window_modes
from rdmtools.analysis.moments import residual

AT_ALARM = [
    "group",
    "samples",
    "sample_share",
    "floor_share",
    "alarm_share",
    "lift",
    "floor_movement",
    "alarm_movement",
    "gain",
    "margin",
    "chance",
    "rank",
    "resolved",
]


def with_a_loud_group(seed=0, rows=160):
    """Half of the samples fluctuate loudly all along; of the others six are learned at row 100."""
    rng = np.random.default_rng(seed)
    size = np.repeat([0.3, 0.01], [12, 12])
    losses = 5 + size * rng.standard_normal((rows, 24))
    losses[:, :12] -= np.linspace(0, 3, rows)[:, None] * rng.uniform(0.5, 1, 12)
    losses[:, 12:18] -= 4 / (1 + np.exp(-(np.arange(rows) - 100.0) / 4))[:, None]
    losses[:, :12] -= 5 / (1 + np.exp(-(np.arange(rows) - 100.0) / 4))[:, None] * rng.uniform(0.8, 1.2, 12)
    samples = {
        "sample_id": [f"s{at}" for at in range(24)],
        "group": ["loud"] * 12 + ["learned"] * 6 + ["still"] * 6,
        "source": ["a", "b"] * 12,
        "text": [f"text {at}" for at in range(24)],
    }
    return rdm.Run.from_arrays(10 * np.arange(rows), losses, samples=samples, name="loud")


def test_the_group_that_moved_is_named_and_not_the_loudest():
    analysis = rdm.analyze(with_a_loud_group())
    (event,) = analysis.events.to_dict("records")
    lift = analysis.lift.set_index("group")
    assert lift.loc["loud", "alarm_share"] > lift.loc["learned", "alarm_share"]
    assert (event["top_group"], event["group_status"]) == ("learned", "resolved")
    assert event["top_group_share"] == lift.loc["learned", "alarm_share"]
    assert event["top_group_sample_share"] == 0.25
    groups = analysis.groups.query("mode == 1").set_index("group")
    np.testing.assert_allclose(lift["peak_share"], groups["mode_share"][lift.index])
    assert list(analysis.lift.columns) == ["event", *AT_ALARM[:5], "peak_share", *AT_ALARM[5:]]


@pytest.mark.parametrize("detrend", ["constant", "linear"])
def test_shares_are_those_of_the_windows_named(detrend):
    analysis = rdm.analyze(with_a_loud_group(), detrend=detrend)
    event, run = analysis.events.iloc[0], analysis.run
    loud = (run.samples["group"] == "loud").to_numpy()
    row = analysis.lift.query("event == 1").set_index("group").loc["loud"]
    for name, step in (("floor", "floor_step"), ("alarm", "alarm_step"), ("peak", "shc_peak_step")):
        stop = event[step] // 10 + 1
        loadings = window_modes(run.rows(stop - 20, stop), count=1, detrend=detrend).loadings[0]
        assert row[f"{name}_share"] == pytest.approx(np.sum(loadings[loud] ** 2)), name
        if name != "peak":
            energy = np.sum(residual(run.rows(stop - 20, stop), DEGREES[detrend]) ** 2, axis=0)
            assert row[f"{name}_movement"] == pytest.approx(energy[loud].sum() / energy.sum()), name


@pytest.mark.parametrize("more", [0, 1, 3, 30])
def test_the_lift_at_the_alarm_uses_nothing_after_it(more):
    whole = rdm.analyze(with_a_loud_group())
    run, alarm = whole.run, int(whole.events["alarm_step"].iloc[0]) // 10
    early = rdm.Run.from_arrays(
        run.steps[: alarm + 1 + more], run.losses[: alarm + 1 + more], samples=run.samples
    )
    found = rdm.analyze(early)
    pd.testing.assert_frame_equal(found.lift[AT_ALARM], whole.lift[AT_ALARM], check_exact=True)
    names = ["top_group", "group_status", "top_group_share"]
    pd.testing.assert_frame_equal(found.events[names], whole.events[names], check_exact=True)
    here, there = (each.explained.query("place == 'alarm'") for each in (found, whole))
    pd.testing.assert_frame_equal(here.reset_index(drop=True), there.reset_index(drop=True), check_exact=True)


def test_two_groups_that_rise_alike_are_unresolved():
    run = with_a_loud_group()
    groups = np.where(run.samples["group"] == "learned", np.resize(["x", "y"], 24), run.samples["group"])
    analysis = rdm.analyze(rdm.Run.from_arrays(run.steps, run.losses, samples={"group": groups}))
    (event,) = analysis.events.to_dict("records")
    assert event["group_status"] == "unresolved"
    assert pd.isna(event["top_group"])
    assert np.isnan(event["top_group_share"])
    assert not analysis.lift["resolved"].any()
    assert set(analysis.lift.nsmallest(2, "rank")["group"]) == {"x", "y"}


@pytest.mark.parametrize("samples", [None, {"group": ["all"] * 14}])
def test_without_groups_to_tell_apart_there_is_no_top_group(samples):
    events = rdm.analyze(runs.with_event(samples=samples)).events
    assert events["group_status"].tolist() == ["no groups"]
    assert events["top_group"].isna().all()


def test_what_tells_the_changes_of_an_event_and_of_the_run():
    analysis = rdm.analyze(with_a_loud_group())
    table = analysis.explained
    assert table["place"].drop_duplicates().tolist() == ["alarm", "peak", "run"]
    event = analysis.events.iloc[0]
    assert set(table.query("place == 'alarm'")["step"]) == {event["alarm_step"]}
    assert set(table.query("place == 'peak'")["step"]) == {event["shc_peak_step"]}
    of_run = table.query("place == 'run'")
    assert of_run["event"].isna().all()
    assert of_run["step"].isna().all()
    assert set(of_run["column"]) == {"group", "source", "text"}
    assert of_run.query("named")["column"].tolist() == ["group"]
    assert of_run.set_index("column").loc["text", "status"] == "nearly unique"
    assert table.query("column == 'group' and place == 'peak'")["share"].iloc[0] > 0.8


def test_the_change_over_a_run_is_from_its_first_row_to_the_level_of_its_last():
    losses = np.random.default_rng(0).standard_normal((100, 3))
    change = run_change(histories_of(losses, np.arange(100)))
    np.testing.assert_allclose(change.values, losses[-5:].mean(axis=0) - losses[0])
    short = run_change(histories_of(losses[:3], np.arange(3)))
    np.testing.assert_allclose(short.values, losses[2] - losses[0])


def test_one_loud_row_is_told_and_a_change_that_lasts_is_not():
    rng = np.random.default_rng(0)
    losses = 2 + 0.01 * rng.standard_normal((120, 7))
    spike, jump = losses.copy(), losses.copy()
    spike[80] += np.linspace(0, 1, 7)
    jump[80:] -= np.linspace(0, 1, 7)
    events = {
        name: rdm.analyze(rdm.Run.from_arrays(10 * np.arange(120), values), window=12).events.iloc[0]
        for name, values in (("spike", spike), ("jump", jump))
    }
    assert (events["spike"]["one_row"], events["spike"]["loud_step"]) == (True, 800)
    assert not events["jump"]["one_row"]
    assert pd.isna(events["jump"]["loud_step"])


def test_tables_without_events_have_their_types():
    quiet, loud = rdm.analyze(runs.without_event()), rdm.analyze(runs.with_event())
    for name in ("lift", "gaussian_modes", "gaussian_groups"):
        assert len(getattr(quiet, name)) == 0
        assert list(getattr(quiet, name).dtypes) == list(getattr(loud, name).dtypes)
    assert list(quiet.explained.dtypes) == list(loud.explained.dtypes)


@pytest.mark.parametrize("samples", [1, 2, 9])
def test_few_samples_and_rows(samples):
    losses = np.random.default_rng(0).standard_normal((6, samples))
    losses[:3] = losses[0]
    table = {"group": np.resize(["a", "b"], samples), "length": np.arange(samples)}
    analysis = rdm.analyze(rdm.Run.from_arrays(np.arange(6), losses, samples=table), window=4)
    assert not analysis.explained["named"].any()
    assert len(analysis.lift) == len(analysis.events) * min(samples, 2)


def test_rows_of_a_table_are_those_of_pandas():
    table = pd.DataFrame({"n": [1, 2], "x": [0.5, np.nan], "word": ["a", None], "flag": [True, False]})
    table["whole"] = pd.array([3, None], dtype="Int64")
    table["part"] = pd.array([None, 0.25], dtype="Float64")
    ours, theirs = records(table), table.to_dict("records")
    assert repr(ours) == repr(theirs)
    for row, other in zip(ours, theirs, strict=True):
        assert [type(value) for value in row.values()] == [type(value) for value in other.values()]
    assert records(table.head(0)) == []
