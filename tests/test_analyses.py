"""From a run to tables: what is in them, what the settings refuse, and that nothing looks ahead."""

import numpy as np
import pandas as pd
import pytest
from helpers import naive, runs

import rdmtools as rdm

OBSERVABLES = [
    "step",
    "first_step",
    "window",
    "shc",
    "pr",
    "total_variance",
    "drift_share",
    "autocorrelation",
    "mean_loss",
    "mean_loss_variance",
    "mean_loss_slope",
    "score",
    *("shc_value", "shc_level", "shc_scatter", "shc_line"),
    *("mean_slope_value", "mean_slope_level", "mean_slope_scatter", "mean_slope_line"),
]


def test_observables_belong_to_the_last_row_of_their_window():
    run = runs.with_event()
    table = rdm.analyze(run, window=12).observables
    assert list(table.columns) == OBSERVABLES
    assert len(table) == runs.ROWS - 12 + 1
    row = table.iloc[30]
    assert (row["step"], row["first_step"], row["window"]) == (run.steps[41], run.steps[30], 12)
    expected = naive.observables(run.losses[30:42], 0) | naive.mean_baselines(
        run.losses[30:42], run.steps[30:42], 0
    )
    for name, value in expected.items():
        assert row[name] == pytest.approx(value, rel=1e-9), name


def test_the_event_and_its_samples_are_found():
    run = runs.with_event()
    analysis = rdm.analyze(run)
    assert len(analysis.events) == 1
    event = analysis.events.iloc[0]
    assert event["event"] == 1
    assert event["window"] == 20
    assert event["floor_step"] < event["alarm_step"] < 900 < event["shc_peak_step"] < event["end_step"]
    assert event["direction"] == "falling"
    assert event["top_group"] == "learned"
    assert event["group_status"] == "resolved"
    assert event["top_group_share"] > 0.98
    assert event["top_group_sample_share"] == pytest.approx(8 / 14)
    assert event["samples_90"] <= 8
    assert pd.isna(event["p_value"])
    assert event["pr_at_peak"] == pytest.approx(1, abs=0.05)
    peak = analysis.observables.set_index("step")["shc"]
    assert event["rise_decades"] == pytest.approx(
        np.log10(peak[event["shc_peak_step"]] / peak[event["floor_step"]])
    )
    first = analysis.modes.query("mode == 1")
    assert list(first["sample_id"]) == list(range(runs.SAMPLES))
    assert (first["loss_change"][:8] < -0.3).all()
    assert first["loss_change"][8:].abs().max() < 0.05


def test_a_quiet_run_has_empty_tables_with_the_same_columns():
    loud, quiet = rdm.analyze(runs.with_event()), rdm.analyze(runs.without_event())
    for name in ("events", "modes", "groups", "spectra"):
        assert len(getattr(quiet, name)) == 0
        assert list(getattr(quiet, name).columns) == list(getattr(loud, name).columns)


def test_modes_of_the_window_that_ends_at_a_step():
    analysis = rdm.analyze(runs.with_event(), windows=(20, 9))
    event = analysis.events.iloc[0]
    found = analysis.modes_at(event["shc_peak_step"])
    told = analysis.modes[analysis.modes["event"] == 1].drop(columns="event")
    pd.testing.assert_frame_equal(found, told.reset_index(drop=True))
    short = analysis.modes_at(80, window=9)
    field = naive.residual(analysis.run.losses[:9], 0)
    first = short.query("mode == 1")["loading"].to_numpy()
    assert abs(first @ np.linalg.svd(field)[2][0]) == pytest.approx(1)
    assert short["mode"].max() == 3


@pytest.mark.parametrize(("step", "window"), [(85, 9), (70, 9), (10**9, 9), (-1, 20)])
def test_a_step_at_which_no_window_ends_is_refused(step, window):
    first = 10 * (window - 1)
    message = f"no window of {window} rows ends at step {step}; needed a logged step from {first} on"
    with pytest.raises(rdm.ParameterError, match=message):
        rdm.analyze(runs.with_event()).modes_at(step, window=window)


def test_groups_are_told_beside_their_share_of_samples():
    groups = rdm.analyze(runs.with_event()).groups.query("mode == 1").set_index("group")
    assert groups["mode_share"].sum() == pytest.approx(1)
    assert groups["sample_share"].sum() == pytest.approx(1)
    assert groups.loc["learned", "mode_share"] > 0.99
    assert groups.loc["other", "samples"] == 6


def test_missing_groups_are_a_group_and_no_groups_are_none():
    samples = {"sample_id": np.arange(14), "group": ["learned"] * 8 + [None] * 6}
    analysis = rdm.analyze(runs.with_event(samples=samples))
    assert set(analysis.groups["group"]) == {"learned", "(none)"}
    without = rdm.analyze(runs.with_event(samples=None))
    assert pd.isna(without.events.iloc[0]["top_group"])
    assert len(without.groups) == 0


def test_drift_and_fluctuation_are_told_apart():
    rng = np.random.default_rng(5)
    quiet = 0.01 * rng.standard_normal((140, 9))
    ever_faster = np.exp((np.arange(140) - 140) / 30)[:, None]
    louder = np.where(np.arange(140) < 80, 0, 0.5 * rng.standard_normal(140))[:, None]
    kinds = [
        rdm.analyze(rdm.Run.from_arrays(np.arange(140), quiet + movement)).events["kind"].iloc[0]
        for movement in (ever_faster, louder)
    ]
    assert kinds == ["drift", "fluctuation"]


@pytest.mark.parametrize("cut", [21, 64, 95, 97, 104, 130])
@pytest.mark.parametrize("detrend", ["constant", "linear"])
def test_rows_appended_later_change_nothing_earlier(cut, detrend):
    whole = runs.with_event()
    early = rdm.Run.from_arrays(whole.steps[:cut], whole.losses[:cut], samples=whole.samples)
    settings = rdm.AnalysisSettings(windows=(10, 20), detrend=detrend, spectrum=True)
    after, before = rdm.analyze(whole, settings), rdm.analyze(early, settings)
    last = early.steps[-1]
    windows, alarms, ends = (
        after.observables[after.observables["step"] <= last],
        after.events[after.events["alarm_step"] <= last],
        after.events[(after.events["end_step"] <= last).fillna(False)],
    )
    pd.testing.assert_frame_equal(
        before.observables,
        windows.reset_index(drop=True),
        check_exact=True,
    )
    fired = ["signal", "window", "floor_step", "alarm_step", "kind", "drift_share"]
    pd.testing.assert_frame_equal(before.events[fired], alarms[fired].reset_index(drop=True))
    closed = before.events.dropna(subset="end_step"), ends
    pd.testing.assert_frame_equal(*(table.reset_index(drop=True) for table in closed))


def test_several_windows_share_one_pass():
    run = runs.with_event()
    both = rdm.analyze(run, windows=(10, 25)).observables
    for window in (10, 25):
        alone = rdm.analyze(run, window=window).observables
        pd.testing.assert_frame_equal(
            both.query("window == @window").reset_index(drop=True), alone, rtol=1e-12
        )


def test_stride_thins_the_table_and_not_the_events():
    run = runs.with_event()
    every, fifth = rdm.analyze(run), rdm.analyze(run, stride=5)
    pd.testing.assert_frame_equal(
        fifth.observables.reset_index(drop=True), every.observables.iloc[::5].reset_index(drop=True)
    )
    pd.testing.assert_frame_equal(fifth.events, every.events)


def test_spectrum_on_request():
    run = runs.with_event()
    table = rdm.analyze(run, window=9, spectrum=True, modes=2).observables
    assert list(table.columns) == [
        *OBSERVABLES,
        "top_share",
        "effective_rank",
        "eigenvalue_1",
        "eigenvalue_2",
    ]
    spectrum = np.linalg.eigvalsh(naive.covariance(run.losses[40:49], 0))[::-1]
    assert table["eigenvalue_2"][40] == pytest.approx(spectrum[1])
    assert table["top_share"][40] == pytest.approx(spectrum[0] / spectrum.sum())


def test_blocks_do_not_matter(monkeypatch):
    run = runs.with_event()
    whole = rdm.analyze(run).observables
    monkeypatch.setattr("rdmtools.analysis.spans.BLOCK_BYTES", 1)
    pd.testing.assert_frame_equal(rdm.analyze(run).observables, whole, check_exact=True)


def test_progress_is_told():
    heard = []
    rdm.analyze(runs.with_event(), progress=lambda done, total: heard.append((done, total)))
    assert heard[-1] == (runs.ROWS, runs.ROWS)


def test_losses_are_not_changed():
    run = runs.with_event()
    before = run.losses.copy()
    rdm.analyze(run, spectrum=True, detrend="linear")
    np.testing.assert_array_equal(run.losses, before)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"window": 151}, "window of 151 rows is longer than the run's 150; choose at most 150"),
        ({"window": 1}, "window of 1 rows is too short for detrend='constant'; choose at least 2"),
        ({"window": 2, "detrend": "linear"}, "window of 2 rows is too short for detrend='linear'"),
        ({"detrend": "cubic"}, "detrend is 'cubic'; choose one of constant, linear"),
        ({"windows": ()}, "no window was given"),
        ({"windows": (9, 9)}, "name one length twice"),
        ({"window": 5, "windows": (5,)}, "both window and windows were given"),
        ({"stride": 0}, "stride is 0; choose at least 1"),
        ({"modes": 0}, "modes is 0; choose at least 1"),
        ({"decades": 0.0}, "decades is 0.0; choose a rise above 0"),
        ({"decades": float("nan")}, "decades is nan"),
        ({"decades": None}, "decades is None; choose a rise above 0"),
        ({"decades": "1"}, "decades is '1'; choose a rise above 0"),
        ({"windows": 20}, "windows is 20; needed lengths in rows, such as windows=(10, 20)"),
        ({"windows": "20"}, "windows is '20'; needed lengths in rows"),
        ({"windows": ["a"]}, "window is 'a'; needed an integer"),
        ({"window": 20.7}, "window is 20.7; needed an integer"),
        ({"stride": "2"}, "stride is '2'; needed an integer"),
        ({"modes": 2.5}, "modes is 2.5; needed an integer"),
        ({"truth": 3}, 'truth is 3; needed names of columns, such as truth="NAME"'),
        ({"truth": ("accuracy", "")}, "needed names of columns"),
        ({"truth": "skill"}, "no scalar 'skill' for the truth; found accuracy; choose truth=\"accuracy\""),
        ({"settings": 20}, "settings is 20; needed AnalysisSettings; window=20 gives a window alone"),
        ({"colour": 1}, "no setting 'colour'; there are windows, stride"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(rdm.ParameterError) as caught:
        rdm.analyze(runs.with_event(), **changes)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_come_in_numpys_types_too():
    found = rdm.AnalysisSettings(windows=[np.int64(9)], decades=np.float32(1.5), stride=np.int32(2))
    assert found == rdm.AnalysisSettings(windows=(9,), stride=2)


@pytest.mark.parametrize("run", [5, None])
def test_only_a_run_is_analysed(run):
    with pytest.raises(rdm.ParameterError, match=r"needed a Run; read_run\(path\) makes one of a file"):
        rdm.analyze(run)


def test_repr_says_what_was_found():
    found = rdm.analyze(runs.with_event(), windows=(10, 20))
    assert repr(found) == "Analysis of 'event': 150 rows, 14 samples, windows 10, 20, 2 events"


def test_a_path_is_read_first_with_the_options_of_reading(tmp_path):
    path = tmp_path / "run.parquet"
    frame = pd.DataFrame({"step": np.repeat(np.arange(60), 3), "sample_id": np.tile([0, 1, 2], 60)})
    frame["nll"] = np.random.default_rng(0).random(180)
    frame.drop(7).to_parquet(path)
    options = {"columns": {"loss": "nll"}, "missing": "drop-steps"}
    found = rdm.analyze(path, window=20, **options)
    expected = rdm.analyze(rdm.read_run(path, **options), window=20)
    pd.testing.assert_frame_equal(found.observables, expected.observables)
    pd.testing.assert_frame_equal(rdm.analyze(str(path), window=20, **options).observables, found.observables)
    with pytest.raises(rdm.FormatError, match="no column 'loss'"):
        rdm.analyze(path)
    with pytest.raises(rdm.ParameterError, match="missing is an option of reading; needed a path"):
        rdm.analyze(rdm.read_run(path, **options), missing="drop-steps")


def test_a_pattern_alone_names_the_runs_of_a_comparison(tmp_path):
    for name in ("a", "b"):
        runs_frame = pd.DataFrame({"step": np.repeat(np.arange(60), 3), "sample_id": np.tile([0, 1, 2], 60)})
        runs_frame.assign(loss=np.random.default_rng(0).random(180)).to_parquet(tmp_path / f"{name}.parquet")
    assert rdm.compare(str(tmp_path / "*.parquet")).runs["run"].tolist() == ["a", "b"]
    assert rdm.compare(tmp_path / "a.parquet").runs["run"].tolist() == ["a"]
    assert rdm.evaluation.score is not None
