"""A Run in memory: what it takes, what it refuses, what it never changes."""

import pickle

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdmtools.errors import ParameterError
from rdmtools.run.in_memory import arrow_table
from rdmtools.run.run import Run

STEPS = np.array([0, 20, 30, 70])
LOSSES = np.arange(4 * 7, dtype=np.float64).reshape(4, 7) / 8


def tidy(losses=LOSSES, steps=STEPS, ids=None):
    rows, samples = losses.shape
    ids = np.arange(samples) if ids is None else np.asarray(ids)
    return pd.DataFrame(
        {"step": np.repeat(steps, samples), "sample_id": np.tile(ids, rows), "loss": losses.ravel()}
    )


def test_a_run_tells_its_arrays():
    run = Run.from_arrays(STEPS, LOSSES, metadata={"lr": 0.1}, name="a", unit="bits")
    assert run.shape == (4, 7)
    assert (run.name, run.unit, run.metadata, run.source) == ("a", "bits", {"lr": 0.1}, None)
    np.testing.assert_array_equal(run.losses, LOSSES)
    np.testing.assert_array_equal(run.steps, STEPS)
    assert run.samples["sample_id"].tolist() == list(range(7))
    assert list(run.scalars) == ["step"]
    assert run.draws == []
    assert run.quality.notes() == []
    assert not any(run.quality.to_dict().values())


@pytest.mark.parametrize(
    ("given_type", "kept"),
    [("float16", "float32"), ("float32", "float32"), ("float64", "float64"), (">f4", "float32")],
)
def test_losses_keep_their_digits(given_type, kept):
    losses = LOSSES.astype(given_type)
    run = Run.from_arrays(STEPS, losses)
    assert run.dtype == run.losses.dtype == np.dtype(kept)
    np.testing.assert_array_equal(run.losses, losses)


@given(rows=st.integers(1, 6), start=st.integers(0, 4), stop=st.integers(0, 4))
def test_blocks_are_the_rows_in_order(rows, start, stop):
    run = Run.from_arrays(STEPS, LOSSES)
    blocks = list(run.blocks(rows, start, stop))
    assert all(len(block) == rows for block in blocks[:-1])
    assert all(block.flags.c_contiguous for block in blocks)
    np.testing.assert_array_equal(np.concatenate([LOSSES[:0], *blocks]), LOSSES[start:stop])


def test_the_users_arrays_are_never_changed():
    losses = LOSSES.copy()
    run = Run.from_arrays(STEPS, losses)
    for array in (run.losses, run.rows(0, 2), next(run.blocks(3)), run.steps):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    losses[0, 0] = 5  # still the user's to write


def test_spacing_says_whether_rows_are_even():
    assert str(Run.from_arrays(STEPS, LOSSES).spacing) == "every 10 to 40 steps, median 20"
    assert str(Run.from_arrays([0, 5, 10, 15], LOSSES).spacing) == "every 5 steps"
    assert str(Run.from_arrays([0, 1, 2, 3], LOSSES).spacing) == "every step"
    uneven = Run.from_arrays([0, 2_000_000, 27_000_000, 52_000_000], LOSSES)
    assert str(uneven.spacing) == "every 2,000,000 to 25,000,000 steps, median 25,000,000"
    alone = Run.from_arrays([3], LOSSES[:1])
    assert (alone.spacing.even, str(alone.spacing)) == (True, "a single row")


def test_a_column_of_scalars_that_was_never_filled_is_nan():
    run = Run.from_arrays(STEPS, LOSSES, scalars={"step": [1, 2], "acc": [None, None], "note": [pd.NaT] * 2})
    assert run.scalars[["acc", "note"]].isna().all(axis=None)
    assert set(run.scalars[["acc", "note"]].dtypes) == {np.dtype(np.float64)}


def test_scalars_come_sorted_as_floats():
    scalars = {"acc": [3, None], "step": [40, 10]}
    run = Run.from_arrays(STEPS, LOSSES, scalars=pd.DataFrame(scalars))
    assert list(run.scalars) == ["step", "acc"]
    assert run.scalars["step"].tolist() == [10, 40]
    assert run.scalars["acc"].dtype == np.float64


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": [0, 20, 20, 70]}, "steps do not rise: 20 follows 20 at row 2; sort the rows"),
        ({"steps": [0.0, 1.0, 2.0, 3.0]}, "steps are of type float64; needed integers"),
        ({"steps": [0, 1, 2]}, r"steps have shape \(3,\); needed \(4,\)"),
        ({"losses": LOSSES[0]}, r"losses have shape \(7,\); needed \(rows, samples\)"),
        ({"losses": LOSSES.astype(int)}, "losses are of type int64; needed float16, float32 or float64"),
        ({"losses": LOSSES.astype(str)}, "losses are of type <U"),
        ({"losses": LOSSES.astype(complex)}, "losses are of type complex128"),
        ({"losses": [[1.0, 2.0], [3.0]]}, "losses cannot become an array"),
        ({"losses": np.ma.masked_equal(LOSSES, 0)}, "losses has masked entries"),
        ({"samples": [1, 2]}, "samples has 2 rows, the losses have 7 columns"),
        ({"samples": [1, 2, 3, 4, 5, 6, 1]}, "sample_id 1 more than once"),
        ({"samples": [0.5, 2, 3, 4, 5, 6, 1]}, "sample_id of type floating; needed integers or strings"),
        (
            {"samples": {"group": [["a"], "b", "c", "d", "e", "f", "g"]}},
            r"group of a sample is \['a'\]; needed one number or text",
        ),
        ({"samples": pd.DataFrame([[1, 2]] * 7, columns=["x", "x"])}, "samples has column 'x' twice"),
        ({"scalars": {"acc": [1.0]}}, "scalars has columns acc; needed a column 'step'"),
        (
            {"scalars": {"step": [1], "acc": ["x"]}},
            "scalars has column 'acc' of type (object|str); needed numbers",
        ),
        ({"scalars": {"step": [1, 1]}}, "scalars has step 1 more than once"),
        ({"nonfinite": "ignore"}, "nonfinite is 'ignore'; choose one of error, drop-samples, drop-steps"),
    ],
)
def test_what_makes_no_run_is_refused(arguments, message):
    with pytest.raises(ParameterError, match=message) as error:
        Run.from_arrays(**{"steps": STEPS, "losses": LOSSES} | arguments)
    assert "\n" not in str(error.value)


def test_losses_not_finite_are_an_error_or_dropped_and_counted():
    losses = LOSSES.copy()
    losses[1, 2], losses[3, 2], losses[3, 4] = np.nan, np.inf, -np.inf
    with pytest.raises(
        ParameterError, match=r"^3 losses not finite \(first: step 20, sample 'c'\); needed finite"
    ):
        Run.from_arrays(STEPS, losses, samples=list("abcdefg"))
    by_step = Run.from_arrays(STEPS, losses, nonfinite="drop-steps")
    np.testing.assert_array_equal(by_step.losses, LOSSES[[0, 2]])
    assert by_step.steps.tolist() == [0, 30]
    assert by_step.quality.notes() == ["found 3 losses not finite", "dropped 2 steps"]
    by_sample = Run.from_arrays(STEPS, losses, samples=list("abcdefg"), nonfinite="drop-samples")
    np.testing.assert_array_equal(by_sample.losses, LOSSES[:, [0, 1, 3, 5, 6]])
    assert by_sample.samples["sample_id"].tolist() == list("abdfg")
    with pytest.raises(
        ParameterError,
        match='"drop-samples" would drop every sample; no sample is finite at every step and no step',
    ):
        Run.from_arrays([1, 2], np.full((2, 3), np.nan), nonfinite="drop-samples")


def test_rows_outside_the_run_are_refused():
    run = Run.from_arrays(STEPS, LOSSES)
    with pytest.raises(ParameterError, match="rows 3 to 9 of a run of 4"):
        run.rows(3, 9)
    with pytest.raises(ParameterError, match="blocks of 0 rows"):
        list(run.blocks(0))


def test_a_run_travels_between_processes():
    run = pickle.loads(pickle.dumps(Run.from_arrays(STEPS, LOSSES)))
    np.testing.assert_array_equal(run.losses, LOSSES)


def test_what_is_shown_is_escaped():
    run = Run.from_arrays(STEPS, LOSSES, name="<b>", metadata={"x": "<script>"})
    assert repr(run) == "Run('<b>', 4 rows x 7 samples, steps 0 to 70, float64)"
    page = run._repr_html_()
    assert "<script>" not in page
    assert "&lt;b&gt;" in page


@pytest.mark.parametrize(
    "table",
    [
        lambda df: df,
        pl.from_pandas,
        lambda df: pl.from_pandas(df).lazy(),
        lambda df: pl.from_pandas(df).cast({"sample_id": pl.Categorical}),
        pa.Table.from_pandas,
        lambda df: duckdb.from_df(df),
        lambda df: df.set_index(df.step * 2),
    ],
    ids=["pandas", "polars", "lazy", "categories", "pyarrow", "duckdb", "pandas with an index"],
)
def test_a_tidy_table_of_any_library_is_a_run(table):
    ids = [f"img_{i}" for i in range(7)]
    frame = tidy(ids=ids).sample(frac=1, random_state=1)
    run = Run.from_frame(table(frame), samples={"sample_id": ids[::-1], "group": list("gfedcba")})
    np.testing.assert_array_equal(run.losses, LOSSES)
    np.testing.assert_array_equal(run.steps, STEPS)
    assert run.samples["group"].tolist() == list("abcdefg")


def test_a_table_of_other_names_is_mapped_and_other_columns_ignored():
    frame = tidy().rename(columns={"loss": "nll", "step": "it"}).assign(other=[object()] * 28)
    run = Run.from_frame(frame, columns={"loss": "nll", "step": "it"})
    np.testing.assert_array_equal(run.losses, LOSSES)
    with pytest.raises(
        ParameterError,
        match=r"no column 'step', 'loss'; found it, sample_id, nll, other; map with "
        r'columns={"step": "it", "loss": "nll"}',
    ):
        Run.from_frame(frame)
    with pytest.raises(
        ParameterError, match="columns maps 'losses'; needed one of step, sample_id, loss, attempt"
    ):
        Run.from_frame(frame, columns={"losses": "nll"})


def test_samples_must_describe_every_sample_of_the_table():
    with pytest.raises(ParameterError, match="samples lacks 5 ids of the 7 in the losses"):
        Run.from_frame(tidy(), samples={"sample_id": [0, 1, 9]})
    run = Run.from_frame(tidy(), samples={"sample_id": range(9)})
    assert run.quality.unused_samples == 2


def test_of_a_polars_table_the_columns_that_are_needed_are_read_and_no_others():
    frame = pl.from_pandas(tidy()).with_columns(pl.Series("x", [object()] * 28, pl.Object))

    def unread(column):
        raise AssertionError("computed")

    lazy = frame.lazy().with_columns(other=pl.col("loss").map_batches(unread, return_dtype=pl.Float64))
    for table in (frame, lazy):
        np.testing.assert_array_equal(Run.from_frame(table).losses, LOSSES)
        with pytest.raises(
            ParameterError, match=r"no column 'nll'; found step, sample_id, loss, x.*; map with"
        ):
            Run.from_frame(table, columns={"loss": "nll"})
        with pytest.raises(ParameterError, match="column 'x' is of type Object; needed numbers or strings"):
            Run.from_frame(table, columns={"loss": "x"})


def test_numbers_of_a_polars_table_are_not_copied():
    frame = pl.from_pandas(tidy())
    for given_table in (frame, frame.lazy()):
        table = arrow_table(given_table, None, None)
        for name in ("step", "loss"):
            place = frame[name].to_numpy().__array_interface__["data"][0]
            assert table.column(name).chunk(0).buffers()[1].address == place


@pytest.mark.parametrize(
    "wrong", [lambda lazy: lazy.select("nonsense"), lambda lazy: pl.scan_csv("no/file.csv")]
)
def test_a_lazy_table_that_cannot_be_computed_is_told_in_one_line(wrong):
    with pytest.raises(ParameterError, match="the table cannot be read") as error:
        Run.from_frame(wrong(pl.from_pandas(tidy()).lazy()))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", [lambda frame: frame, lambda frame: frame.lazy()], ids=["eager", "lazy"])
def test_samples_and_scalars_may_be_polars_too(kind):
    samples = pl.DataFrame({"sample_id": list("gfedcba"), "group": range(7)})
    scalars = pl.DataFrame({"step": [0, 20], "lr": [0.1, None]})
    table = kind(pl.from_pandas(tidy(ids=list("abcdefg"))))
    run = Run.from_frame(table, samples=kind(samples), scalars=kind(scalars))
    assert run.samples["group"].tolist() == [6, 5, 4, 3, 2, 1, 0]
    np.testing.assert_array_equal(run.scalars["lr"], [0.1, np.nan])
    run = Run.from_arrays(STEPS, LOSSES, samples=samples["sample_id"])
    assert run.samples["sample_id"].tolist() == list("gfedcba")


def test_steps_may_lie_further_apart_than_an_integer_reaches():
    steps = [-(2**63), 0, 2**63 - 1]
    assert Run.from_arrays(steps, LOSSES[:3]).steps.tolist() == steps
