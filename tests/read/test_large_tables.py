"""Tables put in order on disk become the run that they would in memory, whatever is wrong with them."""

import tempfile
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from helpers.dirt import RULES, dirty, outcome
from hypothesis import given, settings
from hypothesis import strategies as st

import rdmtools
from rdmtools.errors import FormatError, RdmtoolsWarning
from rdmtools.format.write_table import write_losses
from rdmtools.read.read import read_run
from rdmtools.read.scratch import scratch
from rdmtools.run.clean import Tidy
from rdmtools.run.run import Run


@pytest.fixture(scope="module", autouse=True)
def small():
    """Everything is large, and nothing is read in one piece."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rdmtools.read.formats.LARGE_BYTES", 0)
        patch.setattr("rdmtools.read.formats.dialect.BLOCK_BYTES", 100)
        patch.setattr("rdmtools.read.convert.BATCH_ROWS", 7)
        patch.setattr("rdmtools.read.formats.arrow.BATCH_ROWS", 7)
        patch.setattr("rdmtools.read.scratch.RANGE_ROWS", 5)
        yield


def convert(source, target, **rules):
    with warnings.catch_warnings():
        warnings.simplefilter("error", RdmtoolsWarning)
        return read_run(rdmtools.convert(source, target, **rules))


@pytest.fixture
def on_disk(monkeypatch):
    """Which sources were put in order on disk."""
    found = []
    ours = rdmtools.read.convert._ordered

    def told(source, *rest):
        found.append(source.name)
        return ours(source, *rest)

    monkeypatch.setattr("rdmtools.read.convert._ordered", told)
    return found


def feather(frame, path):
    frame.reset_index(drop=True).to_feather(path)


def stream(frame, path):
    table = pa.Table.from_pandas(frame, preserve_index=False)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=3)


FORMS = {
    "x.csv": lambda frame, path: frame.to_csv(path, index=False, na_rep="nan"),
    "y.csv.gz": lambda frame, path: frame.to_csv(path, index=False, na_rep="nan"),
    "x.feather": feather,
    "x.arrow": stream,
    "x.parquet": lambda frame, path: frame.to_parquet(path, index=False, row_group_size=4),
}


@settings(max_examples=150)
@given(
    frame=dirty(),
    rules=RULES,
    form=st.sampled_from(list(FORMS)),
)
def test_every_rule_does_on_disk_what_it_does_in_memory(frame, rules, form):
    expected = outcome(lambda: Run.from_frame(frame, **rules))
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / form
        FORMS[form](frame, source)
        assert outcome(lambda: convert(source, Path(folder) / "run.parquet", **rules)) == expected
        left = {path.name for path in Path(folder).iterdir()}
        assert left == {form} | (set() if isinstance(expected, str) else {"run.parquet"})


def clean(steps=9, ids=("b", "a", "c", "d")):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"step": np.repeat(10 * np.arange(steps), len(ids)), "sample_id": list(ids) * steps})
    return frame.assign(loss=rng.random(len(frame))).sample(frac=1, random_state=0)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_long_table_is_put_in_order_on_disk(form, tmp_path, on_disk):
    FORMS[form](clean(), tmp_path / form)
    run = convert(tmp_path / form, tmp_path / "run.parquet")
    assert outcome(lambda: run) == outcome(lambda: Run.from_frame(clean()))
    assert on_disk == [form]


@pytest.mark.filterwarnings("ignore::rdmtools.RdmtoolsWarning")
def test_other_tables_are_not(tmp_path, on_disk):
    wide = pd.DataFrame(np.random.default_rng(0).random((5, 3)), columns=list("abc"))
    wide.to_csv(tmp_path / "wide.csv", index=False)
    np.save(tmp_path / "x.npy", wide.to_numpy())
    write_losses(tmp_path / "ours.parquet", [(np.arange(5), wide.to_numpy())], [0, 1, 2])
    for name in ("wide.csv", "x.npy", "ours.parquet"):
        path = rdmtools.convert(tmp_path / name, tmp_path / f"{name}.parquet")
        np.testing.assert_allclose(read_run(path).losses, wide.to_numpy(), rtol=1e-6)
    assert on_disk == []


def test_a_sample_that_is_not_seen_for_a_long_while_is_a_gap(tmp_path):
    """No range of steps can tell: only one of them has the sample at all."""
    frame = pd.concat([clean(), pd.DataFrame({"step": [50], "sample_id": ["z"], "loss": [0.5]})])
    FORMS["x.csv"](frame, tmp_path / "x.csv")
    with pytest.raises(
        FormatError, match=r"8 pairs of step and sample without a loss \(first: step 0, sample 'z'"
    ):
        convert(tmp_path / "x.csv", tmp_path / "run.parquet")


def test_what_is_mostly_gaps_does_not_fill_memory(tmp_path):
    """A sample each step: a grid of the whole would have 10^10 cells, one of a range 5 * 10^5."""
    rows = 100_000
    frame = pd.DataFrame({"step": np.arange(rows), "sample_id": np.arange(rows)[::-1], "loss": 0.5})
    FORMS["x.parquet"](frame.head(2000), tmp_path / "x.parquet")
    with pytest.raises(FormatError, match="3,998,000 pairs of step and sample without a loss"):
        convert(tmp_path / "x.parquet", tmp_path / "run.parquet")


def test_names_are_mapped_and_other_columns_left_out(tmp_path):
    frame = clean().rename(columns={"step": "global_step", "loss": "nll"}).assign(lr=0.1)
    for form in FORMS:
        FORMS[form](frame, tmp_path / form)
        with pytest.warns(RdmtoolsWarning, match="left out 1 column: 'lr'"):
            path = rdmtools.convert(
                tmp_path / form,
                tmp_path / "run.parquet",
                columns={"step": "global_step", "loss": "nll"},
                overwrite=True,
            )
        assert outcome(lambda path=path: read_run(path)) == outcome(lambda: Run.from_frame(clean()))


def test_a_shuffled_run_of_ours_keeps_what_it_says_of_itself(tmp_path):
    table = pa.Table.from_pandas(clean(), preserve_index=False)
    about = b'{"format": "1.0", "unit": "bits", "metadata": {"lr": 0.1}, "superseded_rows": 3}'
    pa.parquet.write_table(table.replace_schema_metadata({b"rdmtools": about}), tmp_path / "x.parquet")
    run = convert(tmp_path / "x.parquet", tmp_path / "run.parquet")
    assert (run.unit, run.metadata, run.quality.superseded_rows) == ("bits", {"lr": 0.1}, 3)


def test_what_is_wrong_with_a_large_file_is_told_in_one_line_and_leaves_nothing(tmp_path):
    for name, words, message in (
        ("a.csv", "step,sample_id,loss\n", "no rows; needed at least one step of losses"),
        ("b.csv", "step,sample_id,loss\n0,,0.5\n", "'sample_id' is empty in some rows"),
        (
            "c.csv",
            "step,sample_id,loss\n" + "0,a,0.5\n" * 50 + "1,a,oops\n",
            "value 'oops'; needed one line",
        ),
        ("d.csv", "step,sample_id,loss\n" + "0,a,0.5\n" * 50 + ",a,0.5\n", "column 'step' has 1 null"),
        ("e.feather", "ARROW1 and no more", "cannot be read"),
    ):
        (tmp_path / name).write_text(words)
        with pytest.raises(FormatError, match=message) as error:
            convert(tmp_path / name, tmp_path / "run.parquet")
        assert "\n" not in str(error.value)
        (tmp_path / name).unlink()
        assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_is_told_before_anything_is_written(tmp_path, monkeypatch):
    FORMS["x.csv"](clean(), tmp_path / "x.csv")
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=10))
    with pytest.raises(FormatError, match=r"has 0\.0 GB free; needed about 0\.0 GB to put"):
        convert(tmp_path / "x.csv", tmp_path / "run.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]


@pytest.mark.parametrize("wrong", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_nothing_stays_behind_where_it_stops_halfway(wrong, tmp_path, monkeypatch):
    FORMS["x.csv"](clean(), tmp_path / "x.csv")

    def write(*_, **__):
        raise wrong

    monkeypatch.setattr("rdmtools.format.write_table.pq.ParquetWriter.write_table", write)
    with pytest.raises((FormatError, KeyboardInterrupt)):
        convert(tmp_path / "x.csv", tmp_path / "run.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]


def test_a_batch_of_many_steps_is_sorted_too(tmp_path, monkeypatch):
    """More than a short integer counts."""
    monkeypatch.setattr("rdmtools.read.scratch.RANGE_ROWS", 1 << 14)
    steps = np.repeat(np.random.default_rng(0).permutation(70_000), 2)
    samples = np.random.default_rng(1).integers(0, 5, len(steps))
    with scratch(tmp_path, np.dtype(np.float64), attempts=False, room="") as rows:
        rows.append(Tidy(steps=steps, samples=samples, losses=np.arange(len(steps)) / 4))
        found = list(rows.ranges())
        assert rows.counts.tolist() == [2] * 70_000
    order = np.argsort(steps, kind="stable")
    assert len(found) > 1
    np.testing.assert_array_equal(np.concatenate([each.steps for each in found]), steps[order])
    np.testing.assert_array_equal(np.concatenate([each.samples for each in found]), samples[order])
    np.testing.assert_array_equal(np.concatenate([each.losses for each in found]), order / 4)
