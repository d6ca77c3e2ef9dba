"""Runs side by side: tidy tables, metadata as columns, saved analyses as they are."""

import json

import pandas as pd
import pytest
from helpers import runs

import rdmtools as rdm


def three_runs():
    return [runs.with_event(seed, name=f"seed {seed}") for seed in (0, 1)] + [runs.without_event()]


def test_one_row_a_run_and_one_row_an_event():
    comparison = rdm.compare(three_runs())
    assert list(comparison.runs["run"]) == ["seed 0", "seed 1", "quiet"]
    assert list(comparison.runs["events"]) == [1, 1, 0]
    assert list(comparison.events["run"]) == ["seed 0", "seed 1"]
    assert comparison.runs.groupby("lr")["events"].sum().to_dict() == {0.0: 0, 0.1: 2}
    assert list(comparison.events["lr"]) == [0.1, 0.1]
    alone = rdm.analyze(runs.with_event(1))
    row = comparison.runs.set_index("run").loc["seed 1"]
    peak = alone.observables.loc[alone.observables["shc"].idxmax()]
    assert row["largest_shc"] == peak["shc"]
    assert row["total_variance_at_largest_shc"] == peak["total_variance"]
    assert row["pr_at_largest_shc"] == peak["pr"]
    assert row["first_alarm_step"] == alone.events["alarm_step"].iloc[0]
    assert row["largest_rise_decades"] >= alone.events["rise_decades"].iloc[0]
    assert pd.isna(comparison.runs["first_alarm_step"].iloc[2])
    by_run = comparison.observables.groupby("run", sort=False)["shc"].max()
    assert by_run.tolist() == comparison.runs["largest_shc"].tolist()


def test_paths_globs_analyses_and_saved_folders_compare_alike(tmp_path):
    for seed in (0, 1):
        run = runs.with_event(seed)
        tidy = pd.DataFrame(run.losses, index=run.steps).stack().rename_axis(["step", "sample_id"])
        tidy.rename("loss").reset_index().to_parquet(tmp_path / f"run{seed}.parquet")
    analyses = [rdm.analyze(rdm.read_run(tmp_path / f"run{seed}.parquet")) for seed in (0, 1)]
    folders = [
        analysis.save(tmp_path / f"saved{seed}", report=False) for seed, analysis in enumerate(analyses)
    ]
    base = rdm.compare(analyses)
    for same in (
        [tmp_path / "run0.parquet", str(tmp_path / "run1.parquet")],
        [str(tmp_path / "run*.parquet")],
        {"run0": folders[0], "run1": folders[1]},
    ):
        other = rdm.compare(same)
        pd.testing.assert_frame_equal(other.runs, base.runs)
        pd.testing.assert_frame_equal(other.events, base.events, check_dtype=False)
        pd.testing.assert_frame_equal(other.observables, base.observables)
    assert list(rdm.compare(folders).runs["run"]) == ["saved0", "saved1"]


def test_saved_analyses_keep_their_settings(tmp_path):
    folder = rdm.analyze(runs.with_event(), window=9).save(tmp_path / "saved", report=False)
    comparison = rdm.compare([folder, runs.with_event()], window=30)
    assert list(comparison.runs["window"]) == [9, 30]


def test_names_that_come_again_get_a_number():
    twice = rdm.compare([runs.with_event(), runs.with_event(1), runs.with_event(2)])
    assert list(twice.runs["run"]) == ["event", "event (2)", "event (3)"]


def test_names_that_are_no_text_become_text():
    comparison = rdm.compare([runs.with_event(name="bad\udcff"), runs.without_event()])
    assert list(comparison.runs["run"]) == ["bad?", "quiet"]


def test_several_windows_tell_the_first_in_the_row():
    comparison = rdm.compare([runs.with_event()], windows=(30, 10))
    assert list(comparison.runs["window"]) == [30]
    assert set(comparison.events["window"]) == {10, 30}


def test_metadata_never_hides_a_column():
    comparison = rdm.compare([runs.with_event(metadata={"rows": "mine", "lr": 3})])
    assert comparison.runs["rows"].tolist() == [runs.ROWS]
    assert comparison.runs["metadata_rows"].tolist() == ["mine"]
    assert comparison.runs["lr"].tolist() == [3]
    awkward = {"metadata_rows": "theirs", "rows": "mine", "self": 1}
    row = rdm.compare([runs.with_event(metadata=awkward)]).runs.iloc[0]
    assert (row["metadata_rows"], row["metadata_metadata_rows"], row["self"]) == ("theirs", "mine", 1)


def test_metadata_that_some_runs_lack_are_missing_there():
    comparison = rdm.compare([runs.with_event(metadata={"a": 1}), runs.without_event(metadata={"b": 2})])
    assert pd.isna(comparison.runs["a"].iloc[1])
    assert pd.isna(comparison.runs["b"].iloc[0])


def test_no_events_at_all_leave_the_columns():
    comparison = rdm.compare([runs.without_event(), runs.without_event(1, name="again")])
    assert len(comparison.events) == 0
    assert {"run", "alarm_step", "shc_peak_step", "lr"} <= set(comparison.events.columns)


@pytest.mark.parametrize("nothing", [[], {}])
def test_nothing_to_compare_is_an_error(nothing):
    with pytest.raises(rdm.ParameterError, match="no runs to compare; name at least one"):
        rdm.compare(nothing)


@pytest.mark.parametrize("one", [runs.with_event(), 5])
def test_a_single_run_is_not_a_list(one):
    with pytest.raises(rdm.ParameterError, match="needed a list"):
        rdm.compare(one)


def test_what_is_no_run_is_named_by_its_type(tmp_path):
    with pytest.raises(rdm.ParameterError, match="run '1' is a int; needed an Analysis, a Run or a path"):
        rdm.compare([1, 2])
    with pytest.raises(rdm.ParameterError, match=r"'all' names 'runs/\*.parquet', a pattern; needed one run"):
        rdm.compare({"all": "runs/*.parquet"})


def test_analyses_in_companion_folders_go_by_the_names_of_their_runs(tmp_path):
    for seed in ("a/run", "b/run"):
        rdm.analyze(runs.with_event()).save(tmp_path / f"{seed}.rdm" / "analysis", report=False)
    comparison = rdm.compare([str(tmp_path / "*" / "*.rdm" / "analysis")])
    assert list(comparison.runs["run"]) == ["a/run", "b/run"]


def test_paths_are_read_as_asked(tmp_path):
    run = runs.without_event()
    tidy = pd.DataFrame(run.losses, index=run.steps).stack().rename_axis(["step", "idx"]).rename("loss")
    tidy.iloc[7] = float("nan")
    tidy.reset_index().to_parquet(tmp_path / "run.parquet")
    path = tmp_path / "run.parquet"
    row = rdm.compare([path], columns={"sample_id": "idx"}, nonfinite="drop-samples").runs.iloc[0]
    assert row["samples"] == run.shape[1] - 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "2.0"}, "has format 2.0, this release reads up to 1"),
        ({"run": {"metadata": [1]}}, "not a whole saved analysis"),
    ],
)
def test_a_summary_from_elsewhere_or_later_is_told(tmp_path, change, message):
    folder = rdm.analyze(runs.with_event()).save(tmp_path / "saved", report=False)
    summary = json.loads((folder / "summary.json").read_text())
    for key, value in change.items():
        summary[key] = {**summary[key], **value} if isinstance(value, dict) else value
    (folder / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(rdm.FormatError, match=message):
        rdm.compare([folder])


def test_half_a_saved_analysis_is_an_error(tmp_path):
    folder = rdm.analyze(runs.with_event()).save(tmp_path / "saved", report=False)
    (folder / "events.parquet").unlink()
    with pytest.raises(rdm.FormatError, match="not a whole saved analysis"):
        rdm.compare([folder])
    other = rdm.analyze(runs.with_event()).save(tmp_path / "other", report=False)
    (other / "summary.json").write_text(json.dumps({"contents": "something else"}))
    with pytest.raises(rdm.FormatError, match="not a whole saved analysis"):
        rdm.compare([other])


@pytest.mark.parametrize(
    "changes", [{"window": 12, "truth": "accuracy"}, {"windows": (8, 20), "rule": "decades"}]
)
def test_what_is_compared_is_what_an_analysis_finds(changes):
    run = runs.with_event()
    whole, brief = rdm.analyze(run, **changes), rdm.compare([run], **changes)
    for table in ("events", "observables"):
        ours = getattr(brief, table)[getattr(whole, table).columns]
        pd.testing.assert_frame_equal(ours, getattr(whole, table), check_dtype=False)
    from_whole = rdm.compare([whole], **({"truth": changes["truth"]} if "truth" in changes else {}))
    pd.testing.assert_frame_equal(brief.runs, from_whole.runs)
    pd.testing.assert_frame_equal(brief.transitions, from_whole.transitions)
