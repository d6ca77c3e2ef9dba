"""Controls stand beneath their run where metadata say so, and nowhere else."""

import pandas as pd
import pytest

from rdmtools.results.controls import controls, in_order

BASE = {"example": "toy", "seed": 0}


def table(*rows):
    return pd.DataFrame([{"run": name, **metadata} for name, metadata in rows])


def test_a_control_belongs_to_the_run_that_was_made_like_it():
    runs = table(
        ("quiet 1", BASE | {"control": "labels", "seed": 1}),
        ("run 0", BASE | {"control": "none"}),
        ("quiet 0", BASE | {"control": "labels"}),
        ("run 1", BASE | {"seed": 1}),
        ("other", {"example": "another", "seed": 0}),
    )
    assert controls(runs) == {"quiet 1": "run 1", "quiet 0": "run 0"}
    assert in_order(runs) == [
        ("run 0", None),
        ("quiet 0", "run 0"),
        ("run 1", None),
        ("quiet 1", "run 1"),
        ("other", None),
    ]


@pytest.mark.parametrize(
    "rows",
    [
        [("a", {"lr": 1}), ("b", {"lr": 2})],
        [("a", {"control": "x"}), ("b", {"control": "none"})],  # nothing says that they were made alike
        [("a", BASE | {"control": "x"}), ("b", BASE), ("c", BASE)],  # of which of the two?
        [("a", BASE | {"control": "x"}), ("b", BASE | {"seed": 1})],
        [("a", BASE | {"control": False}), ("b", BASE | {"control": None})],
        [("a", {"control_of": "a"}), ("b", {"control_of": "nobody"}), ("c", {"control_of": 3})],
    ],
    ids=["no-word", "no-setting", "two", "other-seed", "none", "no-such-run"],
)
def test_where_nothing_says_so_each_run_stands_on_its_own(rows):
    runs = table(*rows)
    assert controls(runs) == {}
    assert [of for _, of in in_order(runs)] == [None] * len(runs)


def test_a_run_may_name_the_run_that_it_is_a_control_of_and_none_is_lost():
    runs = table(("a", {"control_of": "b"}), ("b", {"control_of": "c"}), ("c", {"control_of": None}))
    told = in_order(runs)
    assert sorted(name for name, _ in told) == ["a", "b", "c"]
    assert told == [("a", None), ("c", None), ("b", "c")]


def test_a_circle_of_controls_loses_no_run():
    runs = table(("a", {"control_of": "b"}), ("b", {"control_of": "a"}))
    assert [name for name, _ in in_order(runs)] == ["a", "b"]
