"""A new observable is one row, and so is a new panel: each is found wherever it belongs."""

import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.runs import with_event

import rdmtools as rdm
from rdmtools.analysis.observables import OBSERVABLES, Observable
from rdmtools.evaluation.signals import measure, signals
from rdmtools.results.summary import summarise

ROOT = Path(__file__).parents[2]


def documented():
    """Names of the columns in the reference, as Sphinx gets them."""
    table = runpy.run_path(str(ROOT / "docs" / "conf.py"))["myst_substitutions"]["observables"]
    return [row.split("`")[1] for row in table.splitlines()[2:]]


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


def test_without_its_row_it_is_nowhere():
    assert "log_total_variance" not in [*documented(), *(signal.name for signal in signals())]


def test_the_reference_has_the_columns_of_the_table(tmp_path):
    folder = rdm.analyze(with_event(), window=12).save(tmp_path / "out", report=False)
    stored = pd.read_parquet(folder / "observables.parquet")
    assert ["step", "first_step", "window", *documented()] == list(stored.columns)
    assert "{{ observables }}" in (ROOT / "docs" / "reference.md").read_text()
