"""A control stands beside the run: its own SHC and score, drawn and told, and nothing else changes."""

import re

import numpy as np
import pandas as pd
import pytest
from helpers.quiet import EVERY, bursting, quiet, write

import rdmtools as rdm
from rdmtools.errors import ParameterError
from rdmtools.report import reproduce
from rdmtools.report.charts import watched_charts
from rdmtools.report.run_page import page
from rdmtools.results.control_words import control_lines

CONTROL = quiet(3)


@pytest.fixture(scope="module")
def beside():
    return rdm.analyze(bursting(), window=10, control=CONTROL)


def test_its_course_is_that_of_its_own_analysis(beside):
    own = rdm.analyze(CONTROL, window=10).observables[["window", "step", "shc", "score"]]
    table = beside.control
    pd.testing.assert_frame_equal(table[own.columns].reset_index(drop=True), own.reset_index(drop=True))
    assert set(table["run"]) == {"q3"}
    assert not table["alarm"].any()


def test_nothing_else_changes(beside):
    without = rdm.analyze(bursting(), window=10)
    assert without.control.empty
    assert control_lines(without) == []
    for name in ("observables", "events", "judged", "reference"):
        pd.testing.assert_frame_equal(getattr(beside, name), getattr(without, name))


def test_it_is_told_whether_it_alarms(beside):
    score = beside.control["score"].max()
    threshold = beside.judged["threshold"].iloc[0]
    assert control_lines(beside) == [
        f"Control “q3”: no alarm, its highest score is {score:.2f} of {threshold:.2f}."
    ]
    both = rdm.analyze(bursting(), window=10, control=bursting())
    (alarm,) = both.events["alarm_step"]
    assert both.control.loc[both.control["alarm"], "step"].tolist() == [alarm]
    assert control_lines(both)[0].startswith(f"Control “burst”: alarms too, at {alarm:,}")
    fixed = rdm.analyze(bursting(), windows=(10, 14), control=CONTROL, rule="decades", decades=30.0)
    assert control_lines(fixed)[1] == "Control “q3”, windows of 14 rows: no alarm."


def test_its_curves_use_nothing_after_a_step(beside):
    for chart, column in zip(watched_charts(beside), ("score", "shc"), strict=True):
        line = chart.lines[0]
        assert (line.label, line.role) == ("control q3", "control")
        values = beside.control[column].to_numpy()
        np.testing.assert_array_equal(line.values, np.log10(values) if column == "shc" else values)
    half = quiet(3, rows=60)
    every_other = rdm.Run.from_arrays(2 * EVERY * np.arange(60), half.losses, name="slow")
    chart = watched_charts(rdm.analyze(bursting(), window=10, control=every_other))[1]
    own = rdm.analyze(every_other, window=10).observables
    for step, value in zip(chart.steps.tolist(), chart.lines[0].values.tolist(), strict=True):
        before = own[own["step"] <= step]
        if before.empty or step > own["step"].max():
            assert np.isnan(value)
        else:
            assert value == pytest.approx(np.log10(before["shc"].iloc[-1]))


def test_the_page_draws_and_tells_it(beside):
    text = page(beside)
    assert "control q3" in text
    assert "Control “q3”: no alarm" in text
    assert "l-control" in text
    assert "<h3>The control</h3>" not in page(rdm.analyze(bursting(), window=10))


def test_it_is_saved_and_made_again(beside, tmp_path):
    write(CONTROL, tmp_path / "q3.parquet")
    write(bursting(), tmp_path / "burst.parquet")
    run, control = str(tmp_path / "burst.parquet"), str(tmp_path / "q3.parquet")
    found = rdm.analyze(run, window=10, control=control)
    assert f"--control {control}" in reproduce.command(found)
    assert f"control={control!r}" in reproduce.python(found)
    assert reproduce.command(beside) is None
    again = rdm.read_analysis(found.save(tmp_path / "out"))
    pd.testing.assert_frame_equal(again.control, found.control)
    assert again.summary()["control"]["windows"][0]["alarm_steps"] == []


def test_one_that_is_too_short_is_refused():
    words = "control 'q0' has 8 rows; needed 10, those of a window; choose window=8, or another control"
    with pytest.raises(ParameterError, match=re.escape(words)):
        rdm.analyze(bursting(), window=10, control=quiet(0, rows=8))
