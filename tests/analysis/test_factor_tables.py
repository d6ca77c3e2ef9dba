"""Factors have numbers in the order in which they appear, and say what their samples have in common."""

import numpy as np
import pandas as pd
import pytest
from helpers import runs
from scipy.stats import hypergeom

import rdmtools as rdm
from rdmtools.analysis.factor_tables import _log_chance, find_factors
from rdmtools.analysis.histories import histories_of
from rdmtools.results.verdict import verdict


def late_and_early(late=300, early=100, rows=400, seed=0):
    """Of 60 samples 20 fall late, then 30 early; the last 10 are noise. Text ids, two columns, one unique."""
    rng = np.random.default_rng(seed)
    step = np.arange(rows)[:, None]
    losses = 3 + 0.1 * rng.standard_normal((rows, 60))
    losses[:, :20] -= 2 / (1 + np.exp(-(step - late) / 5))
    losses[:, 20:50] -= 1 / (1 + np.exp(-(step - early) / 5))
    samples = pd.DataFrame(
        {
            "sample_id": [f"s{number}" for number in range(60)],
            "kind": ["json"] * 20 + ["prose"] * 30 + [None] * 10,
            "text": [f"text {number}" for number in range(60)],
            "coin": rng.integers(0, 2, 60),
        }
    )
    return rdm.Run.from_arrays(10 * np.arange(rows), losses, samples=samples)


def test_factors_are_numbered_as_they_appear_and_name_what_they_have_in_common():
    analysis = rdm.analyze(late_and_early())
    factors = analysis.factors
    assert factors["factor"].tolist() == [1, 2]
    assert factors["samples"].tolist() == [30, 20]
    assert factors["column"].tolist() == ["kind", "kind"]
    assert factors["value"].tolist() == ["prose", "json"]
    assert factors["value_inside"].tolist() == [30, 20]
    assert factors["direction"].tolist() == ["falling", "falling"]
    np.testing.assert_allclose(factors["half_step"], [1000, 3000], atol=60)
    np.testing.assert_allclose(factors["loss_change"], [-1, -2], atol=0.1)
    # The share of what moves, noise included, by hand.
    losses = analysis.run.losses
    energy = np.sum((losses - losses.mean(axis=0)) ** 2, axis=0)
    assert factors["variance_share"].sum() == pytest.approx(energy[:50].sum() / energy.sum(), abs=0.06)
    assert set(factors["nearest"][1].split(", ")) <= {f"s{number}" for number in range(20)}

    members = analysis.factor_samples
    assert members.loc[members["factor"] == 1, "sample_id"].tolist() == [f"s{n}" for n in range(20, 50)]
    assert (members["membership"] > 0.7).all()
    courses = analysis.factor_courses
    assert courses.groupby("factor").size().nunique() == 1
    assert courses["step"].max() == 3990
    np.testing.assert_allclose(courses.groupby("factor")["activity"].sum(), 1)


def test_factors_arrive_where_samples_have_no_groups():
    arrivals = rdm.analyze(late_and_early()).arrivals
    whole = arrivals[arrivals["event"].isna()].set_index("group")
    assert whole["outcome"].to_dict() == {"factor 1": "first", "factor 2": "later", "(none)": "did not move"}
    assert whole.loc[["factor 1", "factor 2"], "half_step"].tolist() == pytest.approx([1000, 3000], abs=20)


def test_an_event_is_carried_by_the_factor_that_moves_then():
    analysis = rdm.analyze(late_and_early())
    carried = analysis.factors["events"]
    assert carried[0] == "1"
    tracks = analysis.mode_tracks
    assert {1, 2} <= set(tracks["factor"].dropna())
    late = tracks[tracks["factor"] == 2]
    assert ((late["first_step"] <= 3200) & (late["last_step"] >= 3000)).any()
    assert (late["factor_share"] > 0.9).any()


def test_modes_say_group_and_label_of_their_samples():
    modes = rdm.analyze(late_and_early()).modes
    assert modes["group"].isna().all()
    labelled = late_and_early()
    samples = labelled.samples.assign(group=labelled.samples["kind"], label=range(60))
    run = rdm.Run.from_arrays(labelled.steps, labelled.losses, samples=samples)
    analysis = rdm.analyze(run)
    first = analysis.modes[(analysis.modes["event"] == 1) & (analysis.modes["mode"] == 1)]
    assert first["group"].tolist()[:50] == ["json"] * 20 + ["prose"] * 30
    assert first["group"].isna().tolist() == [False] * 50 + [True] * 10
    assert first["label"].tolist() == [str(number) for number in range(60)]
    assert list(analysis.modes_at(1000)) == [name for name in analysis.modes if name != "event"]


def test_labels_of_any_type_are_told_as_text():
    run = runs.with_event()
    labels = [[1, 2], "x", None, 3.5, {"a": 1}, (4,), np.nan, *["x"] * (run.shape[1] - 7)]
    samples = run.samples.assign(label=pd.Series(labels, dtype=object))
    made = rdm.Run.from_arrays(run.steps, np.asarray(run.losses), samples=samples)
    modes = rdm.analyze(made).modes.query("event == 1 and mode == 1")
    told = ["[1, 2]", "x", None, "3.5", "{'a': 1}", "(4,)", None]
    assert [None if pd.isna(label) else label for label in modes["label"][:7]] == told


def test_the_verdict_tells_none_one_and_several():
    rng = np.random.default_rng(0)
    alone = rdm.Run.from_arrays(np.arange(200), rng.standard_normal((200, 40)))
    assert "No factor:" in verdict(rdm.analyze(alone))
    together = 3 * np.exp(-np.arange(200) / 40)[:, None] + 0.1 * rng.standard_normal((200, 40))
    assert "One factor, so nearly all samples move together: 40 of 40 samples" in (
        verdict(rdm.analyze(rdm.Run.from_arrays(np.arange(200), together)))
    )
    several = verdict(rdm.analyze(late_and_early()))
    assert "(1) 30 of 60 samples (30 of 30 with kind “prose”) fall from step" in several
    short = rdm.Run.from_arrays(np.arange(15), rng.standard_normal((15, 40)))
    assert "Too short to look for samples that move together: 15 rows" in verdict(
        rdm.analyze(short, window=5)
    )


def test_factors_come_back_from_the_folder_as_they_were(tmp_path):
    analysis = rdm.analyze(late_and_early())
    analysis.save(tmp_path / "saved")
    saved = rdm.read_analysis(tmp_path / "saved")
    for name in ("factors", "factor_samples", "factor_courses", "mode_tracks"):
        pd.testing.assert_frame_equal(saved.table(name), analysis.table(name))


@pytest.mark.parametrize("samples", [1, 3])
def test_few_samples_have_empty_tables_of_the_same_types(samples):
    losses = np.random.default_rng(0).standard_normal((60, samples)).cumsum(axis=0)
    analysis = rdm.analyze(rdm.Run.from_arrays(np.arange(60), losses))
    assert len(analysis.factors) == len(analysis.factor_samples) == len(analysis.factor_courses) == 0
    full = rdm.analyze(late_and_early())
    assert (analysis.factors.dtypes == full.factors.dtypes).all()
    assert (analysis.mode_tracks.dtypes == full.mode_tracks.dtypes).all()


def test_columns_of_any_kind_are_looked_at_or_left():
    run = late_and_early()
    odd = run.samples.assign(
        lists=[[number % 2] for number in range(60)], numbers=[np.nan, *range(59)], constant="x"
    ).rename(columns={"kind": "two words"})
    analysis = rdm.analyze(rdm.Run.from_arrays(run.steps, run.losses, samples=odd))
    assert analysis.factors["column"].tolist() == ["two words", "two words"]


def test_the_column_for_the_table_of_samples_is_null_in_no_factor():
    run = late_and_early()
    column = find_factors(histories_of(run.losses, run.steps)).column
    assert column.name == "factor"
    assert column.tolist()[:50] == [2] * 20 + [1] * 30
    assert column.isna().tolist() == [False] * 50 + [True] * 10


@pytest.mark.parametrize("numbers", [(5, 40, 10, 5), (0, 40, 10, 5), (60, 100_000, 300, 80), (7, 8, 7, 8)])
def test_the_chance_of_having_in_common_is_the_hypergeometric(numbers):
    both, every, having, drawn = numbers
    expected = hypergeom.logsf(both - 1, every, having, drawn)
    assert _log_chance(*numbers) == pytest.approx(expected, rel=1e-9, abs=1e-9)
