"""Frames of any shape are the run that their numbers are."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from rdmtools.errors import ParameterError, RdmtoolsWarning
from rdmtools.run.run import Run

ROWS, SAMPLES = 6, 4
STEPS = 20 * np.arange(ROWS)
IDS = list("abcd")
LOSSES = np.random.default_rng(0).random((ROWS, SAMPLES))
LONG = pd.DataFrame(
    {"step": np.repeat(STEPS, SAMPLES), "sample_id": IDS * ROWS, "loss": LOSSES.ravel(), "lr": 0.1}
)
WIDE = pd.DataFrame(LOSSES, index=pd.Index(STEPS, name="step"), columns=IDS)
OF_TWO = LONG.set_index(["step", "sample_id"])


def same(run, ids=IDS):
    np.testing.assert_array_equal(run.losses, LOSSES)
    np.testing.assert_array_equal(run.steps, STEPS)
    assert run.samples["sample_id"].tolist() == ids


@pytest.mark.parametrize(
    "frame",
    [
        LONG,
        LONG.set_index("step"),
        OF_TWO,
        OF_TWO["loss"],
        OF_TWO.sort_index(level=1)["loss"],
        pl.from_pandas(LONG),
        pl.from_pandas(LONG).lazy(),
    ],
    ids=["long", "index", "two levels", "series", "by sample", "polars", "lazy"],
)
def test_a_tidy_frame_says_nothing(frame):
    run = Run.from_frame(frame)
    same(run)
    assert run.quality.notes() == []


@pytest.mark.parametrize(
    "frame",
    [
        WIDE,
        WIDE.reset_index(),
        WIDE.reset_index().rename(columns={"step": "global_step"}).astype({"global_step": float}),
        OF_TWO[["loss"]].unstack(),
        OF_TWO[["loss", "lr"]].unstack(),
        OF_TWO[["loss", "lr"]].unstack().swaplevel(axis=1),
        pl.from_pandas(WIDE.reset_index()),
        pl.from_pandas(WIDE.reset_index()).lazy(),
    ],
    ids=["index", "column", "global_step", "pivot", "of two", "swapped", "polars", "lazy"],
)
def test_a_wide_frame_is_read_and_told(frame):
    with pytest.warns(RdmtoolsWarning):
        run = Run.from_frame(frame)
    same(run)
    assert run.quality.notes()[0] == "read as wide, a column for each of 4 samples"


def test_columns_of_numbers_are_ids():
    with pytest.warns(RdmtoolsWarning):
        run = Run.from_frame(pd.DataFrame(LOSSES, index=STEPS))
    same(run, ids=[0, 1, 2, 3])
    assert "took the first column, which has no name, for the steps" in run.quality.notes()


def test_a_row_a_sample_is_read_where_asked():
    with pytest.warns(RdmtoolsWarning):
        same(Run.from_frame(WIDE.T.rename_axis("sample_id").reset_index().rename(columns=str)))
    same(Run.from_frame(pd.DataFrame(LOSSES.T, columns=STEPS), layout="samples"), ids=[0, 1, 2, 3])


def test_columns_of_two_names_without_losses_are_told():
    frame = pd.DataFrame(LOSSES, columns=pd.MultiIndex.from_product([["a", "b"], [0, 1]]))
    with pytest.raises(ParameterError, match=r"columns have 2 names each, such as .*; choose some") as error:
        Run.from_frame(frame)
    assert "\n" not in str(error.value)


def test_of_a_lazy_table_that_does_not_fit_nothing_is_computed():
    def unread(column):
        raise AssertionError("computed")

    lazy = pl.from_pandas(LONG).lazy().drop("loss")
    lazy = lazy.with_columns(pl.col("lr").map_batches(unread, pl.Float64).alias("nll"))
    with pytest.raises(ParameterError, match=r'map with columns={"loss": "nll"}'):
        Run.from_frame(lazy)
