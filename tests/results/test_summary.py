"""What an analysis says in plain values and plain words, and where it is saved."""

import json
import os
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from helpers.runs import with_event, without_event

import rdmtools as rdm
from rdmtools.analyses import save
from rdmtools.errors import ParameterError
from rdmtools.format.names import ANALYSIS_TABLES
from rdmtools.report.compare_page import save_comparison
from rdmtools.results.plain import plain
from rdmtools.results.summary import plain_records, summarise
from rdmtools.results.verdict import largest_rise, verdict


@pytest.fixture(scope="module")
def one():
    return rdm.analyze(with_event(), window=12)


def frozen():
    """A run in which nothing moves: SHC is 0 and PR is NaN in every window."""
    return rdm.Run.from_arrays(np.arange(30), np.ones((30, 4)), name="frozen")


def test_summary_has_its_documented_keys_and_round_trips_through_strict_json(one):
    summary = summarise(one)
    assert list(summary) == [
        *("contents", "rdmtools", "format", "run", "settings", "quality", "notes", "verdict"),
        *(
            "answers",
            "early_fall",
            "events",
            "alarms",
            "judged",
            "reference",
            "control",
            "peaks",
            "gaussian",
            "first_mean_loss",
            "last_mean_loss",
        ),
    ]
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert summary["events"][0]["alarm_step"] == one.events["alarm_step"].iloc[0]
    assert summary["events"][0]["p_value"] is None
    assert summary["settings"]["windows"] == [12]


def test_the_peak_has_shc_and_total_variance_of_one_window(one):
    peak = summarise(one)["peaks"][0]
    row = one.observables.loc[one.observables["shc"].idxmax()]
    assert (peak["step"], peak["shc"], peak["total_variance"]) == (
        row["step"],
        row["shc"],
        row["total_variance"],
    )


def test_the_gaussian_2rdm_is_told_at_its_first_step(one):
    assert summarise(one)["gaussian"] is None
    rng = np.random.default_rng(2)
    draws = [(20, rng.standard_normal((6, 14))), (900, rng.standard_normal((9, 14)))]
    analysis = rdm.analyze(replace(with_event(), stored_draws=lambda: draws))
    first = analysis.gaussian.iloc[0]
    assert summarise(analysis)["gaussian"] == {
        **{"steps": 2, "first_step": 20},
        **{name: first[name] for name in ("shc", "pr", "total_variance")},
    }
    draws[0][1][0, 0] = np.nan
    assert (
        summarise(rdm.analyze(replace(with_event(), stored_draws=lambda: draws)))["gaussian"]["shc"] is None
    )


def test_values_that_json_lacks_become_null_or_text():
    metadata = {
        "nan": float("nan"),
        "inf": np.float32("inf"),
        "path": os.fsdecode(b"a\xff"),
        3: np.int64(4),
        "when": pd.Timestamp("2020-01-01"),
        "array": np.array([1.0, np.nan]),
        "missing": pd.NA,
    }
    run = with_event(metadata=metadata)
    found = summarise(rdm.analyze(run))["run"]["metadata"]
    assert found == {
        "nan": None,
        "inf": None,
        "path": "a?",
        "3": 4,
        "when": "2020-01-01 00:00:00",
        "array": [1.0, None],
        "missing": None,
    }
    json.dumps(found, allow_nan=False).encode("utf-8")


def test_a_frozen_run_has_a_summary_without_nan():
    summary = summarise(rdm.analyze(frozen()))
    json.dumps(summary, allow_nan=False)
    assert summary["peaks"][0]["pr"] is None
    assert summary["verdict"].startswith("No event: SHC is 0 in every window")
    assert "Only 30 rows" in summary["verdict"]


@pytest.mark.parametrize(
    ("losses", "why"),
    [
        (np.ones((30, 4)), "no loss moved"),
        (np.random.default_rng(0).standard_normal((30, 1)), "one sample has one"),
        (1e-90 * np.random.default_rng(0).standard_normal((30, 4)), "their fourth powers round to 0"),
        (1e-81 * np.random.default_rng(0).standard_normal((30, 4)), "their fourth powers round to 0"),
        (1e-200 * np.random.default_rng(0).standard_normal((30, 4)), "their fourth powers round to 0"),
        (np.tile([[1.0, 1], [1, -1], [-1, 1], [-1, -1]], (8, 1)), "independently of each other"),
    ],
    ids=["frozen", "one sample", "tiny", "barely", "tiny squares", "isotropic"],
)
def test_verdict_where_shc_is_0_says_why(losses, why):
    analysis = rdm.analyze(rdm.Run.from_arrays(np.arange(len(losses)), losses), window=4)
    assert (analysis.observables["shc"] == 0).all()
    first = verdict(analysis).splitlines()[0]
    assert first.startswith("No event: SHC is 0 in every window")
    assert why in first


def test_records_are_plain():
    frame = pd.DataFrame({"a": pd.array([1, None], "Int64"), "b": [np.nan, 2.0], "c": ["x", None]})
    assert plain_records(frame) == [{"a": 1, "b": None, "c": "x"}, {"a": None, "b": 2.0, "c": None}]
    assert plain(np.bool_(True)) is True


def test_verdict_for_no_event_tells_the_largest_rise():
    words = verdict(rdm.analyze(without_event()))
    assert re.match(
        r"No event: the highest score was 0\.\d\d of the 1\.18 that fires, at step \d+; 75% of", words
    )
    assert "at most 5% of runs alarm within" in words
    fixed = verdict(rdm.analyze(without_event(), rule="decades"))
    assert fixed.startswith(
        "No event: log10 SHC never stood 1.5 decades above its running minimum (largest rise"
    )
    assert "states no false-alarm rate" in fixed


def test_verdict_for_one_event_tells_when_what_and_who(one):
    words = verdict(one)
    event = one.events.iloc[0]
    assert words.startswith("1 event: losses moved together more than their own scatter allows.")
    assert f"alarm at step {event['alarm_step']:,}" in words
    assert f"peak at {event['shc_peak_step']:,}" in words
    assert "“learned”" in words
    assert "its losses fell (−" in words
    assert "at most 5% of runs alarm within" in words
    assert "critical" not in words


def test_verdict_for_many_events_counts_the_rest():
    analysis = rdm.analyze(many_events(), window=5, rule="decades", decades=2.0)
    assert len(analysis.events) == 12
    words = verdict(analysis)
    assert words.startswith("12 events")
    assert "6 further events" in words
    assert "not over" not in words.splitlines()[1]


def many_events():
    rng = np.random.default_rng(1)
    losses = 2 + 0.01 * rng.standard_normal((360, 7))
    for start in range(20, 360, 30):
        losses[start:] += rng.choice([-0.5, 0.5], 7)
    return rdm.Run.from_arrays(7 * np.arange(360), losses)


def test_verdict_without_groups_says_what_losses_do():
    run = with_event(samples=None)
    assert "along it losses fall" in verdict(rdm.analyze(run, window=12))


@pytest.mark.parametrize("others", [["b", "b", "b", "b", "b"], ["b", "c", "d", "e", "f"]])
def test_a_group_of_one_sample_is_told_as_the_sample(others):
    losses = 2 + 0.01 * np.random.default_rng(0).standard_normal((60, 6))
    losses[30:, 0] -= 1
    samples = {"sample_id": list("uvwxyz"), "group": [None, *others]}
    words = verdict(
        rdm.analyze(rdm.Run.from_arrays(np.arange(60), losses, samples=samples), window=12, rule="decades")
    )
    assert "group “" not in words
    assert "what moved is a single sample, u, alone in its group (" in words
    assert "and its loss fell (−" in words


def test_one_of_anything_is_singular(tmp_path):
    losses = 2 + 0.01 * np.random.default_rng(0).standard_normal((60, 62))
    losses[30:, 4] -= 1
    samples = pd.DataFrame({"group": [f"g{n // 2}" for n in range(62)]})
    samples = samples.assign(**{f"known_{n}": n for n in range(30)})
    analysis = rdm.analyze(
        rdm.Run.from_arrays(np.arange(60), losses, samples=samples), window=12, rule="decades"
    )
    assert len(analysis.events) == 1
    assert "1 of 62 samples carries 90%" in verdict(analysis)
    page = analysis.report(tmp_path / "report.html").read_text(encoding="utf-8")
    assert "A row was logged every step." in page
    assert "1 more column in" in page
    assert "1 more group in" in page
    assert not re.search(r"\b1 (rows|steps|samples|groups|events|more groups|more columns)\b", page)
    one = rdm.Run.from_arrays(np.arange(60), losses[:, :1])
    assert "60 rows, 1 sample, window 20" in repr(rdm.analyze(one))
    assert repr(rdm.compare([one])) == "Comparison of 1 run with 0 events"


def test_verdict_of_an_event_that_lasts():
    run = with_event()
    cut = rdm.Run.from_arrays(run.steps[:92], run.losses[:92])
    assert "not over by the last row" in verdict(rdm.analyze(cut, window=12))


def test_verdict_names_the_window_where_there_are_several():
    words = verdict(rdm.analyze(with_event(), windows=(8, 12)))
    assert "1 with 8 rows, 1 with 12 rows" in words
    assert "(window 12)" in words


def test_the_first_line_stays_short_with_many_windows():
    windows = (64, 4, 6, 8, 12, 16, 24, 32)
    first = verdict(rdm.analyze(with_event(), windows=windows)).splitlines()[0]
    assert "(8 window lengths, 4 to 64 rows; one change may show in each)" in first


def test_largest_rise_ignores_zeros_and_nan():
    assert largest_rise(np.array([0.0, np.nan, 1.0, 0.1, 10.0, 1.0])) == pytest.approx(2)
    assert largest_rise(np.array([3.0, 2.0, 1.0])) == 0
    assert largest_rise(np.zeros(3)) == 0


# Saving


def test_saved_tables_are_the_analysis(one, tmp_path):
    folder = save(one, tmp_path / "out", report=False)
    assert {path.name for path in folder.iterdir()} == {
        *(f"{name}.parquet" for name in ANALYSIS_TABLES),
        "summary.json",
        "cards.json",
    }
    for name in ANALYSIS_TABLES:
        read = pd.read_parquet(folder / f"{name}.parquet")
        pd.testing.assert_frame_equal(read, getattr(one, name).reset_index(drop=True), check_dtype=False)
    assert json.loads((folder / "summary.json").read_text(encoding="utf-8")) == summarise(one)


def test_empty_tables_keep_their_types(tmp_path):
    folder = save(rdm.analyze(without_event()), tmp_path / "out", report=False)
    modes = pd.read_parquet(folder / "modes.parquet")
    assert len(modes) == 0
    assert modes["loading"].dtype == "float64"
    assert modes["sample_id"].dtype == "int64"


def test_saving_again_replaces_the_folder_as_a_whole(one, tmp_path):
    folder = save(one, tmp_path / "out")
    assert (folder / "report.html").is_file()
    save(one, folder, report=False)
    assert not (folder / "report.html").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_foreign_folder_is_never_overwritten(one, tmp_path):
    foreign = tmp_path / "mine"
    foreign.mkdir()
    (foreign / "thesis.tex").write_text("precious")
    (foreign / "summary.json").write_text('{"contents": "something else"}')
    with pytest.raises(ParameterError, match="rdmtools did not write it"):
        save(one, foreign, report=False)
    assert (foreign / "thesis.tex").read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine"]


def test_a_comparison_is_not_replaced_by_an_analysis_nor_the_other_way_round(one, tmp_path):
    save_comparison(rdm.compare([with_event()]), tmp_path / "comparison")
    analysis = save(one, tmp_path / "analysis", report=False)
    with pytest.raises(
        ParameterError, match="comparison holds a comparison, needed a folder for an analysis"
    ):
        save(one, tmp_path / "comparison", report=False)
    with pytest.raises(ParameterError, match="analysis holds an analysis, needed a folder for a comparison"):
        save_comparison(rdm.compare([with_event()]), analysis)
    assert (tmp_path / "comparison" / "comparison.html").is_file()
    assert (analysis / "summary.json").is_file()


def test_a_file_added_to_our_folder_stops_us(one, tmp_path):
    folder = save(one, tmp_path / "out", report=False)
    (folder / "notes.txt").write_text("precious")
    with pytest.raises(ParameterError, match=r"notes\.txt"):
        save(one, folder, report=False)
    assert (folder / "notes.txt").read_text() == "precious"


def test_an_empty_folder_is_taken_and_a_file_is_not(one, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("precious")
    assert (save(one, tmp_path / "empty", report=False) / "summary.json").is_file()
    with pytest.raises(ParameterError, match="is a file"):
        save(one, tmp_path / "file", report=False)


def test_the_current_folder_is_not_replaced(one, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParameterError, match="current folder"):
        save(one, ".", report=False)


def test_a_run_without_a_file_needs_a_folder(one):
    with pytest.raises(ParameterError, match=r"no file to save beside.*save\(.DIR.\)"):
        save(one)


def test_a_place_that_cannot_be_written_says_so_and_leaves_nothing(one, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ParameterError, match=r"cannot be written .*save\(.DIR.\)"):
        save(one, tmp_path / "file" / "out", report=False)


def test_a_failure_half_way_leaves_the_old_folder(one, tmp_path, monkeypatch):
    folder = save(one, tmp_path / "out", report=False)
    before = (folder / "summary.json").read_text()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", full)
    with pytest.raises(ParameterError, match="No space left"):
        save(one, folder, report=False)
    assert (folder / "summary.json").read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_results_go_beside_the_run_and_leave_it_as_it_was(tmp_path):
    run = with_event()
    rows, samples = run.shape
    path = tmp_path / "run.parquet"
    pd.DataFrame(
        {
            "step": np.repeat(run.steps, samples),
            "sample_id": np.tile(np.arange(samples), rows),
            "loss": run.losses.ravel(),
        }
    ).to_parquet(path)
    before = path.read_bytes()
    folder = rdm.analyze(rdm.read_run(path)).save()
    assert folder == tmp_path / "run.rdm" / "analysis"
    assert (folder / "report.html").is_file()
    assert path.read_bytes() == before
