"""Each table of an analysis has the columns and types that are said of it, with rows and without."""

import numpy as np
import pandas as pd
import pytest
from helpers import runs

import rdmtools as rdm
from rdmtools.analysis.tables import KINDS, TABLES, AnalysisTables, typed
from rdmtools.format.names import ANALYSIS_TABLES
from rdmtools.run.run import Run


def still():
    return Run.from_arrays(np.arange(40), np.ones((40, 3)), samples={"sample_id": ["a", "b", "c"]})


def test_there_is_one_list_of_them():
    assert tuple(TABLES) == ANALYSIS_TABLES == tuple(AnalysisTables.__dataclass_fields__)
    assert {column.kind for table in TABLES.values() for column in table.columns.values()} <= {*KINDS}


@pytest.mark.parametrize("run", [runs.with_event(), runs.without_event(), still()], ids=lambda run: run.name)
def test_an_analysis_has_them_as_they_are_said_to_be(run):
    analysis = rdm.analyze(run, window=12, spectrum=True)
    for name, table in analysis.tables().items():
        columns = TABLES[name].columns
        assert [*table.columns[: len(columns)]] == [*columns]
        assert TABLES[name].more or len(table.columns) == len(columns)
        for column, about in columns.items():
            kind = table[column].dtype
            if about.kind == "id":
                assert kind == run.samples["sample_id"].dtype
            else:
                assert kind == (pd.Series(["a"]).dtype if about.kind == "text" else about.kind), (
                    name,
                    column,
                )


def test_a_table_of_no_rows_has_types_and_one_of_rows_keeps_what_it_has_besides():
    empty = typed("modes", [], ids=np.dtype("int32"))
    assert empty["sample_id"].dtype == "int32"
    assert empty["loading"].dtype == "float64"
    more = typed("gaussian", [{"step": 3, "draws": 2, "nonfinite": 0, "eigenvalue_1": 0.5}])
    assert [*more.columns][-1] == "eigenvalue_1"
    assert np.isnan(more["shc"].iloc[0])
