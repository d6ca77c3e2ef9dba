"""Every row of the format's table of dirty input gets exactly what the table says, and nothing is silent."""

import hashlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rdmtools.errors import FormatError, ParameterError
from rdmtools.read.read import read_run
from rdmtools.run.clean import Tidy, grid
from rdmtools.run.quality import Quality
from rdmtools.run.rules import Rules

ROWS, SAMPLES = 5, 3
STEPS = np.array([0, 10, 15, 40, 50])
LOSSES = np.arange(ROWS * SAMPLES, dtype=np.float32).reshape(ROWS, SAMPLES) + 1


@pytest.fixture
def clean():
    return pd.DataFrame(
        {"step": np.repeat(STEPS, SAMPLES), "sample_id": np.tile([2, 5, 9], ROWS), "loss": LOSSES.ravel()}
    )


@pytest.fixture
def read(tmp_path):
    """Write a table, read it as a run, and see that the file is as it was."""

    def write_and_read(frame, **options):
        path = tmp_path / "run.parquet"
        frame.to_parquet(path, index=False)
        before = hashlib.sha256(path.read_bytes()).digest()
        try:
            run = read_run(path, **options)
            run.losses  # noqa: B018
            return run
        except FormatError as error:
            raise FormatError(str(error).replace(f"{path}: ", "", 1)) from error
        finally:
            assert hashlib.sha256(path.read_bytes()).digest() == before

    return write_and_read


def row(step, sample, loss, **more):
    return pd.DataFrame({"step": [step], "sample_id": [sample], "loss": np.float32([loss]), **more})


def found(run):
    """What the quality says was found in the rows, without the zeros."""
    counts = run.quality.to_dict()
    return {name: count for name, count in counts.items() if count and name != "unchecked"}


def says(text):
    return pytest.raises(FormatError, match="^" + text.replace("(", r"\(").replace(")", r"\)") + "$")


def test_a_clean_file_has_nothing_to_tell(read, clean):
    run = read(clean)
    np.testing.assert_array_equal(run.losses, LOSSES)
    assert run.quality == Quality()
    assert run.quality.notes() == []


def test_equal_doubles_are_kept_once_and_counted(read, clean):
    run = read(pd.concat([clean, clean.iloc[3:7]]))
    np.testing.assert_array_equal(run.losses, LOSSES)
    assert found(run) == {"duplicates": 4}
    assert read(pd.concat([clean, clean.iloc[3:7]]), duplicates="error").quality.duplicates == 4


def test_of_different_doubles_the_last_row_counts(read, clean):
    run = read(pd.concat([clean, row(15, 5, -1), row(15, 5, -2), row(15, 5, -2)]))
    assert run.losses[2, 1] == -2
    assert found(run) == {"duplicates": 3, "duplicates_replaced": 2, "order_trusted": True}
    assert "trusted the order of the file to tell which row came last" in run.quality.notes()


def test_different_doubles_can_be_an_error(read, clean):
    with says(
        "1 row came twice with different losses (first: step 15, sample 5); needed one loss for each step "
        'and sample; add a column attempt, or pass duplicates="last" to keep the last'
    ):
        read(pd.concat([clean, row(15, 5, -1)]), duplicates="error")


@pytest.mark.parametrize("order", ["as written", "reversed"])
def test_a_later_attempt_supersedes_from_its_first_step_on(read, clean, order):
    again = clean[clean.step.isin([15, 50])].assign(loss=np.float32(-1), attempt=1)
    frame = pd.concat([clean.assign(attempt=0), again])
    run = read(frame if order == "as written" else frame.iloc[::-1])
    assert run.steps.tolist() == [0, 10, 15, 50]  # step 40 is of the first attempt alone, and superseded
    np.testing.assert_array_equal(run.losses, [*LOSSES[:2], [-1] * 3, [-1] * 3])
    assert found(run) == {"superseded_rows": 9}


def test_steps_in_order_do_not_hide_superseded_rows(read, clean):
    frame = clean.assign(attempt=np.where(clean.step == 15, 1, 0))  # canonical order, but 40 and 50 are older
    run = read(frame)
    assert run.steps.tolist() == [0, 10, 15]
    assert found(run) == {"superseded_rows": 6}


def test_doubles_within_an_attempt_are_doubles(read, clean):
    run = read(pd.concat([clean, row(15, 5, -1)]).assign(attempt=0))
    assert found(run) == {"duplicates": 1, "duplicates_replaced": 1, "order_trusted": True}


def test_absent_losses_are_an_error_or_dropped(read, clean):
    frame = clean.drop([4, 6, 9])  # (10, 5), (15, 2), (40, 2)
    with says(
        "3 pairs of step and sample without a loss (first: step 10, sample 5); needed every sample at every "
        'step; pass missing="drop-samples" or "drop-steps"'
    ):
        read(frame)
    by_sample = read(frame, missing="drop-samples")
    np.testing.assert_array_equal(by_sample.losses, LOSSES[:, 2:])
    assert by_sample.samples["sample_id"].tolist() == [9]
    assert found(by_sample) == {"missing": 3, "dropped_samples": 2}
    by_step = read(frame, missing="drop-steps")
    np.testing.assert_array_equal(by_step.losses, LOSSES[[0, 4]])
    assert found(by_step) == {"missing": 3, "dropped_steps": 3}


def test_dropping_everything_is_an_error(read, clean):
    with says('missing="drop-samples" would drop every sample; pass missing="drop-steps"'):
        read(clean.drop([0, 4, 8]), missing="drop-samples")


def test_a_double_that_balances_a_gap_is_caught(read, clean):
    frame = clean.copy()
    frame.loc[4, "sample_id"] = 2  # step 10 now has sample 2 twice and sample 5 never: the row count fits
    with says(
        "1 pair of step and sample without a loss (first: step 10, sample 5); needed every sample at every "
        'step; pass missing="drop-samples" or "drop-steps"'
    ):
        read(frame)
    run = read(frame.sample(frac=1, random_state=0), missing="drop-steps", duplicates="error")
    np.testing.assert_array_equal(run.losses, LOSSES[[0, 2, 3, 4]])


def test_mostly_gaps_need_no_grid():
    """A column that is no sample id would ask for a grid of 10**10 cells."""
    count = 100_000
    tidy = Tidy(steps=np.arange(count), samples=np.arange(count), losses=np.ones(count))
    with pytest.raises(ParameterError, match="9,999,900,000 pairs of step and sample without a loss"):
        grid(tidy, Rules())


@pytest.mark.parametrize("extreme", [np.iinfo(np.int8), np.iinfo(np.int64)])
def test_the_least_and_the_largest_of_integers_are_steps_and_ids_too(extreme):
    """Where most rows lie together, these alone are not among the few that are looked at first."""
    for far in (extreme.min, extreme.max):
        keys = np.append(np.arange(5), far).astype(extreme.dtype)
        tidy = Tidy(steps=np.repeat(keys, 6), samples=np.tile(keys, 6), losses=np.arange(36.0))
        result = grid(tidy.where(np.random.default_rng(0).permutation(36)), Rules())
        order = np.argsort(keys)
        assert result.steps.tolist() == result.ids.tolist() == keys[order].tolist()
        np.testing.assert_array_equal(result.losses, np.arange(36.0).reshape(6, 6)[order][:, order])


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_losses_not_finite_are_an_error_or_dropped(read, clean, bad, shuffled):
    frame = clean.copy()
    frame.loc[[7, 13], "loss"] = bad  # (15, 5), (50, 5)
    frame = frame.sample(frac=1, random_state=0) if shuffled else frame
    with says(
        "2 losses not finite (first: step 15, sample 5); needed finite losses; "
        'pass nonfinite="drop-samples" or "drop-steps", or cut the run before it diverges'
    ):
        read(frame)
    by_sample = read(frame, nonfinite="drop-samples")
    np.testing.assert_array_equal(by_sample.losses, LOSSES[:, [0, 2]])
    assert found(by_sample) == {"nonfinite": 2, "dropped_samples": 1}
    by_step = read(frame, nonfinite="drop-steps")
    np.testing.assert_array_equal(by_step.losses, LOSSES[[0, 1, 3]])
    np.testing.assert_array_equal(np.concatenate(list(by_step.blocks(2))), by_step.losses)
    assert found(by_step) == {"nonfinite": 2, "dropped_steps": 2}


def test_nan_and_gaps_together_are_told_apart(read, clean):
    frame = clean.drop(4)
    frame.loc[7, "loss"] = np.nan
    run = read(frame, missing="drop-steps", nonfinite="drop-steps")
    np.testing.assert_array_equal(run.losses, LOSSES[[0, 3, 4]])
    assert found(run) == {"missing": 1, "nonfinite": 1, "dropped_steps": 2}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda df: df.rename(columns={"loss": "nll"}),
            'no column \'loss\'; found step, sample_id, nll; map with columns={"loss": "nll"}',
        ),
        (lambda df: df.assign(loss="high"), ".*column 'loss' is of type (large_)?string; needed float16.*"),
        (
            lambda df: df.assign(loss=1),
            ".*column 'loss' is of type int64; needed float16, float32 or float64.*",
        ),
        (
            lambda df: df.assign(step=df.step.astype(str)),
            ".*column 'step' is of type (large_)?string; needed int.*",
        ),
        (
            lambda df: df.assign(step=df.step / 2),
            "column 'step' has 7.5 in row 6; needed whole numbers; round them, or map another column",
        ),
        (
            lambda df: df.assign(sample_id=df.sample_id / 2),
            "column 'sample_id' has 2.5 in row 1; needed whole numbers; round them, or map another column",
        ),
        (
            lambda df: df.assign(step=df.step.astype("Int64").where(df.index > 1)),
            "column 'step' has 2 nulls; needed an integer in every row; drop them",
        ),
        (
            lambda df: df.assign(step=df.step.astype("uint64") + np.uint64(2**63)),
            ".*values above 2.*63 - 1; needed.*",
        ),
        (lambda df: df.head(0), "no rows; needed at least one step of losses"),
    ],
)
def test_columns_that_do_not_fit_are_told_in_one_line(read, clean, change, message):
    exact = message if message.startswith(".*") else None
    with pytest.raises(FormatError, match=exact) as error:
        read(change(clean))
    assert exact or str(error.value) == message
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("option", ["missing", "nonfinite", "duplicates"])
def test_options_are_checked_before_files(option):
    with pytest.raises(ParameterError, match=f"{option} is 'fix'; choose one of "):
        read_run("nowhere.parquet", **{option: "fix"})


@pytest.fixture(params=[1, 3, 31], ids=lambda every: f"one row in {every} looked at first")
def few(request, monkeypatch):
    monkeypatch.setattr("rdmtools.run.clean._FEW", request.param)


@given(data=st.data(), span=st.sampled_from([9, 10**12]))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_grid_agrees_with_a_dictionary(few, data, span):
    """Any rows at all, by lookup table or by hashing: the last of each pair, and exact counts."""
    number = st.integers(-3, 3).map(lambda value: value * span)
    most = data.draw(st.sampled_from([(number, 40), (st.integers(0, 1), 200)]))
    triples = data.draw(
        st.lists(st.tuples(most[0], most[0], st.integers(0, 2)), min_size=1, max_size=most[1])
    )
    steps, samples, losses = (np.array(column) for column in zip(*triples, strict=True))
    last = {(step, sample): loss for step, sample, loss in triples}
    size = len(set(steps)) * len(set(samples))
    tidy = Tidy(steps=steps, samples=samples, losses=losses.astype(np.float64))
    if len(last) < size:
        with pytest.raises(ParameterError, match=f"^{size - len(last)} pair"):
            grid(tidy, Rules())
        return
    result = grid(tidy, Rules())
    expected = [[last[step, sample] for sample in sorted(set(samples))] for step in sorted(set(steps))]
    np.testing.assert_array_equal(result.losses, expected)
    assert result.quality.duplicates == len(triples) - size
    assert result.quality.duplicates_replaced == sum(last[a, b] != loss for a, b, loss in triples)
