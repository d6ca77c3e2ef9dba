"""Tables of results as polars: the same numbers in the same memory, and null where there is nothing."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import polars as pl
import pytest
from helpers import runs

import rdmtools as rdm
from rdmtools.run.frames import Tables, to_polars


@pytest.fixture(scope="module")
def analysis():
    return rdm.analyze(runs.with_event(), window=20, spectrum=True)


def place(values):
    return values.__array_interface__["data"][0]


def test_every_table_has_the_same_values_and_steps_are_integers(analysis):
    for name, frame in analysis.tables().items():
        found = analysis.table(name, kind="polars")
        assert isinstance(found, pl.DataFrame)
        assert (found.columns, found.shape) == ([*frame], frame.shape)
        for column in found.columns:
            if "step" in column and name != "order":  # whose steps lie between rows
                assert found[column].dtype == pl.Int64, (name, column)
            expected = frame[column].astype(object).where(frame[column].notna(), None).tolist()
            values = [None if value != value else value for value in found[column].to_list()]
            assert values == expected, (name, column)
    assert {*analysis.tables()} >= {
        "observables",
        "events",
        "modes",
        "groups",
        "spectra",
        "gaussian",
        "shc_map",
    }


def test_pandas_is_the_attribute_itself(analysis):
    comparison = rdm.compare([analysis])
    for owner in (analysis, comparison):
        for name in owner.tables():
            assert owner.table(name) is owner.table(name, kind="pandas") is getattr(owner, name)


def test_numbers_are_shared(analysis):
    found, frame = analysis.table("observables", kind="polars"), analysis.observables
    for name in frame:
        assert place(found[name].to_numpy()) == place(frame[name].to_numpy()), name
    comparison = rdm.compare([analysis, runs.without_event()], window=20)
    found, frame = comparison.table("observables", kind="polars"), comparison.observables
    assert place(found["shc"].to_numpy()) == place(frame["shc"].to_numpy())


def test_every_type_of_column():
    frame = pd.DataFrame(
        {
            "step": np.arange(4),
            "x": [0.5, np.nan, np.inf, -0.0],
            "single": np.ones(4, np.float32),
            "flag": [True, False, True, True],
            "text": ["a", None, "é", ""],
            "whole": pd.array([1, None, 2**60 + 1, -1], "Int64"),
            "decimal": pd.array([1.5, None, 2, -1], "Float64"),
            "mixed": [0.1, "adam", None, [1, 2]],
            "empty": [None] * 4,
        }
    )
    found = to_polars(frame)
    kinds = [pl.Int64, pl.Float64, pl.Float32, pl.Boolean, pl.String, pl.Int64, pl.Float64, pl.String]
    assert found.dtypes[:-1] == kinds
    assert np.isnan(found["x"][1])
    assert found["x"].null_count() == 0
    assert found["text"].to_list() == ["a", None, "é", ""]
    assert found["whole"].to_list() == [1, None, 2**60 + 1, -1]
    assert found["decimal"].to_list() == [1.5, None, 2, -1]
    assert found["mixed"].to_list() == ["0.1", "adam", None, "[1, 2]"]
    assert found["empty"].null_count() == 4


def test_a_table_without_rows_keeps_its_columns():
    quiet = rdm.analyze(runs.without_event(), window=20)
    found = quiet.table("events", kind="polars")
    assert found.shape == (0, quiet.events.shape[1])
    assert found["alarm_step"].dtype == pl.Int64


def test_metadata_of_a_comparison_are_columns():
    comparison = rdm.compare([runs.with_event(), runs.without_event()], window=20)
    found = comparison.table("runs", kind="polars")
    assert found["run"].to_list() == comparison.runs["run"].tolist()
    assert found["lr"].to_list() == comparison.runs["lr"].tolist()
    np.testing.assert_array_equal(found["first_alarm_step"], comparison.runs["first_alarm_step"])


@dataclass
class Two(Tables):
    count: int
    one: pd.DataFrame
    other: pd.DataFrame


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("three",), "no table 'three'; choose one of one, other"),
        (("count",), "no table 'count'; choose one of one, other"),
        (("one", "arrow"), "kind is 'arrow'; choose one of pandas, polars"),
    ],
)
def test_what_is_not_there_is_told_in_one_line(arguments, message):
    two = Two(count=2, one=pd.DataFrame({"a": [1]}), other=pd.DataFrame())
    with pytest.raises(rdm.ParameterError) as error:
        two.table(*arguments)
    assert str(error.value) == message
