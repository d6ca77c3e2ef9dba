"""A new observable is one row, and so is a new panel: each is found wherever it belongs."""

import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.runs import with_event

import rdmtools as rdm
from rdmtools.analysis.observables import OBSERVABLES, Observable
from rdmtools.analysis.tables import JUDGED
from rdmtools.evaluation.signals import measure, signals
from rdmtools.report import overview as overview_module
from rdmtools.report.comparison_figure import comparison_figure
from rdmtools.report.overview import overview_figure
from rdmtools.report.panels import PANELS
from rdmtools.report.run_page import page
from rdmtools.report.scale import linear_scale
from rdmtools.report.section import Section
from rdmtools.report.stack import Panel
from rdmtools.results.summary import summarise

ROOT = Path(__file__).parents[2]


def documented():
    """Names of the columns in the reference, as Sphinx gets them."""
    table = runpy.run_path(str(ROOT / "docs" / "conf.py"))["myst_substitutions"]["observables"]
    return [row.split("`")[1] for row in table.splitlines()[2:]]


def drawn(figure):
    """The words of a figure, and the values of the lines of each panel."""
    words = [text.get_text() for text in figure.texts]
    return words, [[line.get_ydata() for line in axes.lines] for axes in figure.axes]


def log_total_variance(sums):
    return np.log(sums.trace)


@pytest.fixture
def toy(monkeypatch):
    row = Observable(
        name="log_total_variance",
        unit="1",
        meaning="natural logarithm of total variance",
        formula=log_total_variance,
        title="Log of total variance",
        at_peak=True,
        signal="1",
        either_way=True,
    )
    monkeypatch.setitem(OBSERVABLES, row.name, row)
    return row.name


def test_an_observable_of_one_row_is_in_tables_summary_docs_and_contest(toy):
    run = with_event()
    analysis = rdm.analyze(run, window=12)
    table = analysis.observables
    np.testing.assert_array_equal(table[toy], np.log(table["total_variance"]))
    assert list(table.columns)[-1] == toy
    assert toy not in analysis.gaussian.columns
    peak = summarise(analysis)["peaks"][0]
    assert peak[toy] == table[toy][table["shc"].idxmax()]
    assert documented()[-1] == toy
    assert [signal.scale for signal in signals() if signal.name == toy] == ["1"]
    up, down = measure(run, window=12)[toy]
    np.testing.assert_array_equal(up, table[toy])
    np.testing.assert_array_equal(down, -up)


def test_an_observable_with_a_title_has_its_panel(toy):
    analysis = rdm.analyze(with_event(), window=12)
    words, panels = drawn(overview_figure(analysis))
    assert words.index("Log of total variance") == words.index("Mean loss over the window, loss") + 1
    np.testing.assert_array_equal(panels[6][0], analysis.observables[toy])
    assert toy not in " ".join(drawn(comparison_figure(rdm.compare([analysis])))[0])


def test_an_observable_that_is_compared_is_in_the_figure_of_a_comparison(toy, monkeypatch):
    monkeypatch.setitem(OBSERVABLES, toy, replace(OBSERVABLES[toy], compared=True))
    comparison = rdm.compare({"a": with_event(), "b": with_event()}, window=12)
    words, panels = drawn(comparison_figure(comparison))
    assert "Log of total variance" in words
    by_run = [table[toy] for _, table in comparison.observables.groupby("run")]
    for line, values in zip(panels[-1], by_run, strict=True):
        np.testing.assert_array_equal(line, values)


def losses_at_ends(findings):
    run = findings.run
    lines = [(run.steps, run.losses[:, sample].astype(np.float64)) for sample in (0, -1)]
    return [Panel(titles=[("First and last", "ink")], scale=linear_scale([y for _, y in lines]), lines=lines)]


def test_a_panel_of_one_row_is_drawn_in_its_place(monkeypatch):
    analysis = rdm.analyze(with_event(), window=12)
    before = overview_figure(analysis)
    monkeypatch.setattr(overview_module, "PANELS", (PANELS[0], losses_at_ends, *PANELS[1:]))
    after = overview_figure(analysis)
    words, panels = drawn(after)
    assert words.index("First and last") < words.index("SHC, spectral heat capacity, loss⁴")
    for line, sample in zip(panels[1], (0, -1), strict=True):
        np.testing.assert_array_equal(line, analysis.run.losses[:, sample])
    others, untouched = drawn(before)
    assert [word for word in words if word != "First and last"] == others
    assert [len(lines) for lines in panels[:1] + panels[2:]] == [len(lines) for lines in untouched]
    assert after.get_figheight() > before.get_figheight() + 0.9


def test_without_its_row_it_is_nowhere():
    assert "log_total_variance" not in [*documented(), *(signal.name for signal in signals())]
    assert "Log of total variance" not in drawn(overview_figure(rdm.analyze(with_event(), window=12)))[0]


def test_the_reference_has_the_columns_of_the_table(tmp_path):
    folder = rdm.analyze(with_event(), window=12).save(tmp_path / "out", report=False)
    stored = pd.read_parquet(folder / "observables.parquet")
    assert ["step", "first_step", "window", *documented(), *JUDGED] == list(stored.columns)
    assert "{{ observables }}" in (ROOT / "docs" / "reference.md").read_text()


def test_a_section_of_one_function_is_on_the_page(monkeypatch):
    def toy(findings):
        return Section(
            title="Toys",
            sentences=["Two & more."],
            columns=["name", ">count"],
            rows=[["<b>", f"{len(findings.events):,}"]],
            note="No more.",
        )

    monkeypatch.setattr("rdmtools.report.sections.SECTIONS", [toy, lambda findings: None])
    text = page(rdm.analyze(with_event(), window=12))
    assert "<h2>Toys</h2>" in text
    assert "<p>Two &amp; more.</p>" in text
    assert '<td>&lt;b&gt;</td><td class="n">1</td>' in text
    assert '<th>name</th><th class="n">count</th>' in text
