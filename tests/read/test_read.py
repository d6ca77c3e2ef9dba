"""Files become the run that was written, by any writer and in any order; bad ones become one line."""

import hashlib
import json
import time
from contextlib import suppress
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.journals import write_journal
from helpers.tables import LOSSES, ROWS, SAMPLES, STEPS, WORDS, tidy
from hypothesis import given, settings
from hypothesis import strategies as st

from rdmtools.errors import FormatError, ParameterError, RdmtoolsWarning
from rdmtools.format.names import METADATA_KEY
from rdmtools.format.read_table import RowGroup
from rdmtools.format.write_table import write_draws, write_losses
from rdmtools.read.paths import run_names
from rdmtools.read.read import read_run, read_runs
from rdmtools.run.run import Run


def same(run, losses=LOSSES, steps=STEPS):
    np.testing.assert_array_equal(run.losses, losses)
    np.testing.assert_array_equal(run.steps, steps)
    assert run.quality.notes() == []


@pytest.fixture
def ours(tmp_path):
    path = tmp_path / "run.parquet"
    about = {"name": "run", "unit": "bits", "metadata": {"lr": 0.1}}
    write_losses(path, [(STEPS, LOSSES)], WORDS, about=about)
    return path


def test_our_own_table_reads_as_written(ours):
    run = read_run(ours)
    same(run)
    assert (run.name, run.unit, run.metadata, run.source) == ("run", "bits", {"lr": 0.1}, ours)
    assert run.samples["sample_id"].tolist() == WORDS
    assert read_run(ours, name="other").name == "other"


@pytest.mark.parametrize("ids", [range(SAMPLES), WORDS], ids=["integers", "strings"])
@pytest.mark.parametrize(
    "write",
    [
        lambda table, path: table.to_pandas().to_parquet(path),
        lambda table, path: table.to_pandas().astype({"sample_id": "category"}).to_parquet(path),
        lambda table, path: pl.from_arrow(table).write_parquet(path),
        lambda rows, path: duckdb.sql(f"copy (select loss, sample_id, step from rows) to '{path}'"),
        lambda table, path: pq.write_table(
            table.append_column("step_of_lr", table["loss"]), path, row_group_size=7
        ),
    ],
    ids=["pandas", "pandas category", "polars", "duckdb", "pyarrow"],
)
@pytest.mark.parametrize("shuffled", [False, True])
def test_any_writer_reads_the_same(tmp_path, write, ids, shuffled):
    table, path = tidy(ids), tmp_path / "run.parquet"
    order = np.random.default_rng(1).permutation(len(table)) if shuffled else np.arange(len(table))
    write(table.take(order), path)
    run = read_run(path)
    same(run)
    assert run.samples["sample_id"].tolist() == list(ids)


@pytest.mark.parametrize(
    ("column", "kind"),
    [("step", kind) for kind in (pa.int16(), pa.uint16(), pa.int32(), pa.uint64())]
    + [("sample_id", kind) for kind in (pa.int8(), pa.uint8(), pa.int64(), pa.uint64())],
)
def test_any_integer_type_will_do(tmp_path, column, kind):
    table = tidy()
    at = table.schema.get_field_index(column)
    pq.write_table(table.set_column(at, column, table[column].cast(kind)), tmp_path / "run.parquet")
    same(read_run(tmp_path / "run.parquet"))


@pytest.mark.parametrize("kind", ["string", "large_string", "string_view", "dictionary"])
def test_any_string_type_will_do(tmp_path, kind):
    table = tidy(WORDS).take(np.arange(44)[::-1])
    words = table["sample_id"]
    words = words.dictionary_encode() if kind == "dictionary" else pa.array(words.to_pylist(), kind)
    if kind == "string_view" and pa.__version__ < "17":
        same(Run.from_frame(table.set_column(1, "sample_id", words)))  # which cannot write it to a file
        return
    pq.write_table(table.set_column(1, "sample_id", words), tmp_path / "run.parquet")
    same(read_run(tmp_path / "run.parquet"))


@pytest.mark.parametrize("shuffled", [False, True])
def test_half_precision_is_read_exactly_null_as_nan(tmp_path, shuffled):
    half = LOSSES.astype(np.float16)
    values = list(half.ravel())
    values[5] = None
    table = tidy().set_column(2, "loss", pa.array(values, pa.float16()))
    order = np.random.default_rng(1).permutation(44) if shuffled else np.arange(44)
    pq.write_table(table.take(order), tmp_path / "run.parquet")
    run = read_run(tmp_path / "run.parquet", nonfinite="drop-steps")
    assert run.dtype == np.float32
    np.testing.assert_array_equal(run.losses, half[[0, *range(2, ROWS)]])


@given(order=st.permutations(range(5 * 3)), group=st.integers(1, 16), words=st.booleans())
@settings(max_examples=40)
def test_rows_in_any_order_read_the_same(tmp_path_factory, order, group, words):
    path = tmp_path_factory.mktemp("any") / "run.parquet"
    table = tidy(WORDS[:3] if words else range(3), STEPS[:5], LOSSES[:5, :3])
    pq.write_table(table.take(order), path, row_group_size=group)
    same(read_run(path), LOSSES[:5, :3], STEPS[:5])


def test_other_names_are_mapped(tmp_path):
    pq.write_table(tidy().rename_columns(["global step", "idx", "a.nll"]), tmp_path / "run.parquet")
    names = {"step": "global step", "sample_id": "idx", "loss": "a.nll"}
    same(read_run(tmp_path / "run.parquet", columns=names))


def test_opening_leaves_the_losses_on_disk(tmp_path, monkeypatch):
    path = tmp_path / "run.parquet"
    order = [2, 0, 3, 1]  # whole steps, their samples in an order of their own
    pq.write_table(tidy(order, losses=LOSSES[:, order]), path, row_group_size=3 * SAMPLES)
    decoded = []
    read_all = RowGroup.read_all
    monkeypatch.setattr(RowGroup, "read_all", lambda self: decoded.append(self.group) or read_all(self))
    run = read_run(path)
    assert decoded == [0, 1, 2, 3]  # once, one at a time, to see that they are finite
    decoded.clear()
    np.testing.assert_array_equal(run.rows(4, 5), LOSSES[4:5])
    assert decoded == [1]
    blocks = list(run.blocks(2))
    np.testing.assert_array_equal(np.concatenate(blocks), LOSSES)
    assert [len(block) for block in blocks] == [2, 2, 2, 2, 2, 1]
    assert all(block.flags.c_contiguous and not block.flags.writeable for block in blocks)
    assert decoded == [1, 0, 1, 2, 3]  # each once a pass
    decoded.clear()
    same(run)
    same(run)
    assert decoded == [0, 1, 2, 3]  # and are kept then


def test_a_file_that_changes_under_a_run_is_refused(tmp_path):
    path = tmp_path / "run.parquet"
    pq.write_table(tidy(), path, row_group_size=3 * SAMPLES)
    run = read_run(path)
    time.sleep(0.01)
    pq.write_table(tidy(losses=LOSSES + 1), path, row_group_size=3 * SAMPLES)
    with pytest.raises(FormatError, match="changed while it was read; read it again"):
        run.rows(0, 2)


def test_parts_in_any_order_are_one_run(tmp_path):
    folder = tmp_path / "run.parquet"  # as Spark names it
    folder.mkdir()
    table = tidy(WORDS)
    for name, rows in {"b": slice(0, 16), "a": slice(16, 36), "c": slice(36, 44)}.items():
        pq.write_table(table.take(np.arange(44)[rows]), folder / f"part-{name}.snappy.parquet")
    (folder / "_SUCCESS").touch()
    (folder / "_metadata.parquet").touch()
    same(read_run(folder))
    assert read_run(folder).name == "run"
    pq.write_table(table.slice(36, 5), folder / "part-c.snappy.parquet")  # a step cut in two
    pq.write_table(table.slice(41), folder / "part-d.snappy.parquet")
    same(read_run(folder))


def test_a_folder_of_runs_is_not_a_run(ours, tmp_path):
    write_losses(tmp_path / "b.parquet", [(STEPS, LOSSES)], WORDS, about={"name": "b"})
    with pytest.raises(FormatError, match=r"several runs .*, such as b.parquet; .* pass '.*/\*.parquet'"):
        read_run(tmp_path)


@pytest.mark.parametrize("row_group", [44, 7])
def test_a_folder_of_other_writers_runs_is_not_a_run(tmp_path, row_group):
    for seed in range(3):
        pq.write_table(tidy(losses=LOSSES + seed), tmp_path / f"seed{seed}.parquet", row_group_size=row_group)
    with pytest.raises(FormatError, match=r"several runs in one folder, such as seed1.parquet"):
        read_run(tmp_path)


def test_parts_that_restart_or_hold_other_samples_are_one_run(tmp_path):
    table = tidy(losses=LOSSES + 1)
    pq.write_table(table, tmp_path / "a.parquet")
    pq.write_table(tidy().slice(12), tmp_path / "b.parquet")  # from the fourth step on, without `attempt`
    run = read_run(tmp_path)
    np.testing.assert_array_equal(run.losses, np.concatenate([LOSSES[:3] + 1, LOSSES[3:]]))
    assert run.quality.order_trusted
    first = np.isin(tidy()["sample_id"].to_numpy(), tidy()["sample_id"].to_numpy()[:2])
    doubled = pa.concat_tables([tidy(losses=LOSSES + 1).filter(first).slice(0, 2), tidy().filter(first)])
    pq.write_table(doubled, tmp_path / "a.parquet")
    pq.write_table(tidy().filter(~first), tmp_path / "b.parquet")
    run = read_run(tmp_path)
    np.testing.assert_array_equal(run.losses, LOSSES)
    assert run.quality.duplicates_replaced == 2


def test_a_journal_alone_is_a_run(tmp_path):
    path = tmp_path / "run.parquet"
    ids = ["img_2", "img_0", "img_10", "img_1"]
    draws = np.arange(8, dtype=np.float32).reshape(2, 4)
    write_journal(path, STEPS, LOSSES[:, [3, 0, 2, 1]], ids, [(5, {"acc": 0.5})], [(7, draws)])
    run = read_run(path)
    same(run)
    assert (run.unit, run.metadata) == ("bits", {"lr": 2})
    assert run.scalars.to_dict("list") == {"step": [5], "acc": [0.5]}
    [(step, values)] = run.draws
    assert step == 7
    np.testing.assert_array_equal(values, draws[:, [1, 3, 2, 0]])


def test_a_journal_cut_by_a_crash_says_how_much_it_left(tmp_path):
    write_journal(tmp_path / "run.parquet", STEPS, LOSSES, tail=b"RDJ1 half a record")
    run = read_run(tmp_path / "run.parquet")
    np.testing.assert_array_equal(run.losses, LOSSES)
    assert run.quality.notes() == ["could not read the last 18 bytes of the journal"]


@pytest.mark.parametrize("shuffled", [False, True])
def test_a_journal_beside_a_file_is_the_later_attempt(tmp_path, shuffled):
    path = tmp_path / "run.parquet"
    order = [1, 3, 0, 2]
    table = tidy(order, losses=LOSSES[:, order])
    pq.write_table(table.take(np.arange(44)[::-1]) if shuffled else table, path)
    steps = np.append(STEPS[7:9], 1000)
    write_journal(path, steps, LOSSES[:3] + 1)
    run = read_run(path)
    np.testing.assert_array_equal(run.losses, [*LOSSES[:7], *(LOSSES[:3] + 1)])
    np.testing.assert_array_equal(run.steps, [*STEPS[:7], *steps])
    np.testing.assert_array_equal(np.concatenate(list(run.blocks(3))), run.losses)
    assert run.quality.superseded_rows == 4 * SAMPLES


def test_a_journal_of_other_samples_is_refused(ours):
    write_journal(ours, STEPS, LOSSES)
    with pytest.raises(FormatError, match="4 samples and the journal 4, not the same; needed one probe set"):
        read_run(ours)


def test_the_companion_folder_describes_samples_and_scalars(ours):
    folder = ours.with_suffix(".rdm")
    folder.mkdir()
    samples = pd.DataFrame({"group": list("zyxw"), "sample_id": [*WORDS[1:], "none"], "text": "t"})
    samples.loc[4] = ["v", WORDS[0], "u"]
    samples.to_parquet(folder / "samples.parquet")
    pd.DataFrame({"acc": [1, 0], "step": [20, 10]}).to_parquet(folder / "scalars.parquet")
    run = read_run(ours)
    assert list(run.samples) == ["sample_id", "group", "text"]
    assert run.samples["group"].tolist() == list("vzyx")
    assert run.scalars.to_dict("list") == {"step": [10, 20], "acc": [0.0, 1.0]}
    assert run.quality.notes() == ["ignored 1 sample described in samples.parquet but without losses"]
    assert read_run(ours, group_by="text").samples["group"].tolist() == list("uttt")
    samples.iloc[:3].to_parquet(folder / "samples.parquet")
    with pytest.warns(
        RdmtoolsWarning,
        match=r"samples.parquet: samples lacks 1 id of the 4 .*first: 'img_0'.*; read with nulls there",
    ):
        run = read_run(ours)
    assert run.samples["sample_id"].tolist() == WORDS
    assert run.samples["text"].isna().tolist() == [True, False, False, False]
    np.testing.assert_array_equal(run.losses, LOSSES)


def test_draws_are_read_when_asked_for(ours):
    folder = ours.with_suffix(".rdm")
    folder.mkdir()
    first, second = LOSSES[:3], LOSSES[3:5]
    write_draws(folder / "draws.parquet", [(10, first), (40, second)], WORDS)
    (step, values), (other, others) = read_run(ours).draws
    assert (step, other) == (10, 40)
    np.testing.assert_array_equal(values, first)
    np.testing.assert_array_equal(others, second)


def test_a_column_of_the_losses_can_be_the_group(tmp_path):
    path = tmp_path / "run.parquet"
    table = tidy().append_column("kind", pa.array(list("aabb") * ROWS).dictionary_encode())
    pq.write_table(table.append_column("seen", table["step"]), path, row_group_size=9)
    assert read_run(path, group_by="kind").samples["group"].tolist() == list("aabb")
    with pytest.raises(
        FormatError, match="column 'seen' changes within sample 0; needed one value per sample"
    ):
        read_run(path, group_by="seen")
    pq.write_table(table.append_column("tags", [[["x"]] * 44]), path, row_group_size=9)
    with pytest.raises(FormatError, match=r"group of a sample is .*; needed one number or text"):
        read_run(path, group_by="tags")
    pq.write_table(table.append_column("seen", table["step"]), path, row_group_size=9)
    with pytest.raises(
        FormatError, match="no column 'sort' to group by; found step, sample_id, loss, kind, seen"
    ):
        read_run(path, group_by="sort")


def test_runs_are_named_by_what_tells_them_apart(tmp_path, monkeypatch):
    for name in ("a/s0/run", "b/s0/run", "b/s1/run", "b/other"):
        path = tmp_path / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(tidy(), path)
        path.with_suffix(".rdm").mkdir()
        pq.write_table(tidy(), path.with_suffix(".rdm") / "draws.parquet")
    write_journal(tmp_path / "b/crashed.parquet", STEPS, LOSSES)
    names = [run.name for run in read_runs(f"{tmp_path}/**/*.parquet")]
    assert sorted(names) == ["a/s0/run", "b/s0/run", "crashed", "other", "s1/run"]
    shell = [*(tmp_path / "b").glob("o*"), tmp_path / "b" / "crashed.rdm", tmp_path / "b" / "other.parquet"]
    assert sorted(run.name for run in read_runs(shell)) == ["crashed", "other"]
    monkeypatch.chdir(tmp_path / "b")
    assert [run.name for run in read_runs("other.parquet")] == ["other"]
    with pytest.raises(FormatError, match="no run matches x"):
        read_runs("x*.parquet")


def test_a_run_given_twice_is_one_and_no_name_reaches_the_root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    pq.write_table(tidy(), "run.parquet")
    Path("link.parquet").symlink_to("run.parquet")
    given = ["run.parquet", tmp_path / "run.parquet", "link.parquet", "./run.parquet", "~/run.parquet"]
    assert [run.name for run in read_runs(given)] == ["run"]
    Path("run").mkdir()
    pq.write_table(tidy(), "run/part.parquet")
    assert [run.name for run in read_runs(["run.parquet", "run"])] == ["run.parquet", "run"]
    paths = [Path("/a/x.parquet"), Path("/b/a/x.parquet"), Path("/b/y")]
    assert run_names(paths) == ["a/x", "b/a/x", "y"]


def test_the_folder_one_stands_in_is_a_run_too(tmp_path, monkeypatch):
    (tmp_path / "parts").mkdir()
    pq.write_table(tidy(), tmp_path / "parts" / "part-0.parquet")
    monkeypatch.chdir(tmp_path / "parts")
    assert read_run(".").name == "parts"
    assert [run.name for run in read_runs(["../parts", "."])] == ["parts"]


def test_a_companion_folder_alone_is_no_run(ours):
    folder = ours.with_suffix(".rdm")
    with pytest.raises(FormatError, match=r"run.rdm is a companion folder; needed the run: .*run\.parquet"):
        read_runs(folder)
    assert len(read_runs([folder, ours])) == 1


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("", "path is ''; needed that of a run, such as 'run.parquet'"),
        (None, "path is None; needed that of a run"),
        (7, "path is 7; needed that of a run"),
        ("/", "path is '/'; needed a run or a folder of the parts of one"),
        ("s3:/bucket/run.parquet", "an address that lost a slash; needed it as text"),
        ("s3://bucket", "needed a run in a store, or a folder of the parts of one"),
    ],
)
def test_what_can_be_no_path_is_told(path, message):
    for read in (read_run, lambda one: read_runs([one])):
        with pytest.raises(ParameterError, match=message):
            read(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rum.parquet", None, "no file .*; needed a Parquet file, .*; did you mean run.parquet"),
        ("run", None, "did you mean run.parquet"),
        (
            "other/run.parquet",
            None,
            "no folder .*other; needed the folder of the run run.parquet; check the path",
        ),
        ("run.rdm", None, "is a companion folder; needed the run: .*run.parquet"),
        ("x.parquet", b"", r"is empty \(0 bytes\); needed a Parquet file"),
        ("x.parquet", b"step,sample_id,loss\n", "starts with b'step,sam'; needed a Parquet file"),
        ("x.parquet", b"PAR1 and no more", "is cut short after 16 bytes; needed a whole Parquet file"),
    ],
)
def test_a_bad_file_is_told_in_one_line(ours, name, content, message):
    path = ours.parent / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FormatError, match=message) as error:
        read_run(path)
    assert "\n" not in str(error.value)


def test_an_empty_folder_is_told(tmp_path):
    with pytest.raises(FormatError, match=r"has no \*.parquet files in it; needed the parts of one run"):
        read_run(tmp_path)


def test_a_later_major_version_is_refused(tmp_path):
    table = tidy().replace_schema_metadata({METADATA_KEY: json.dumps({"format": "2.0", "writer": "9.1"})})
    pq.write_table(table, tmp_path / "run.parquet")
    with pytest.raises(FormatError, match=r"has format 2.0, this release reads up to .*rdmtools 9.1"):
        read_run(tmp_path / "run.parquet")


@pytest.mark.parametrize("writer", ["ours", "pandas"])
def test_damaged_files_never_end_in_a_traceback(ours, tmp_path, writer):
    if writer == "pandas":
        tidy(WORDS).to_pandas().to_parquet(ours)
    whole, path = ours.read_bytes(), tmp_path / "damaged.parquet"
    rng = np.random.default_rng(7)

    def flipped():
        damaged = bytearray(whole)
        for at in rng.integers(len(whole), size=rng.integers(1, 4)):
            damaged[at] ^= 1 << rng.integers(8)
        return bytes(damaged)

    for content in [whole[:cut] for cut in range(0, len(whole), 61)] + [flipped() for _ in range(300)]:
        path.write_bytes(content)
        with suppress(FormatError, RdmtoolsWarning):  # what a file says of itself is beside its losses
            read_run(path).losses  # noqa: B018


def test_reading_changes_no_file(ours):
    write_journal(ours, STEPS[-2:], LOSSES[-2:], WORDS, tail=b"cut")

    def files():
        every = sorted(path for path in Path(ours.parent).rglob("*") if path.is_file())
        return {path: hashlib.sha256(path.read_bytes()).digest() for path in every}

    before = files()
    run = read_run(ours)
    assert run.losses.shape == (ROWS, SAMPLES)
    assert run.draws == []
    assert files() == before
