"""What differs between runs is told first by what parts them into the fewest sets."""

import pandas as pd
from helpers.runs import with_event

import rdmtools as rdm
from rdmtools.results.differences import MOST_TOLD, RESULTS, differences


def test_columns_of_fewest_values_come_first_and_those_that_most_lack_last():
    runs = pd.DataFrame(
        {
            "run": [*"abcd"],
            "seed": [0, 1, 2, 3],
            "lr": [0.1, 0.1, 0.2, 0.2],
            "rare": [None, None, None, "x"],
            "rows": [10, 10, 20, 20],
            "window": [20] * 4,
            "largest_shc": [1.0, 2.0, 3.0, 4.0],
            "betas": [[1, 2], [1, 2], [1, 2], [1, 2]],
        }
    )
    found = differences(runs)
    assert list(found.told) == ["lr", "rows", "seed", "rare"]
    assert list(found.left) == []
    assert list(found.same) == ["window", "betas"]


def test_at_most_eight_are_told():
    runs = pd.DataFrame({"run": ["a", "b"], **{f"key {n}": [n, -n - 1] for n in range(12)}})
    found = differences(runs)
    assert len(found.told) == MOST_TOLD
    assert {*found.told, *found.left} == {f"key {n}" for n in range(12)}


def test_results_are_columns_of_the_table_of_runs():
    assert set(RESULTS) <= set(rdm.compare([with_event()]).runs.columns)
