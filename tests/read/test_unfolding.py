"""What is small on disk and large in memory is refused by what it unfolds to, before it is there."""

import gzip
import re
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.mutating_tables import ipc
from helpers.tables import LOSSES, SAMPLES, STEPS, tidy

import rdmtools as rdm
from rdmtools.errors import FormatError, RdmtoolsWarning
from rdmtools.format.write_table import write_losses
from rdmtools.read.formats import arrow, csv, dialect
from rdmtools.read.read import read_run

ROWS = 200_000
SAYS = r"{} unfolds to \d+\.\d GB, [\d,]+ times its size; needed at most 0.0 GB at once, or 200 times: "


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """As if a hundredth of the memory were too much."""
    monkeypatch.setattr("rdmtools.format.unfolding.SMALL_BYTES", 1 << 20)


def same(rows=ROWS):
    """One row that comes again and again."""
    return pa.table(
        {"step": np.zeros(rows, np.int64), "sample_id": np.zeros(rows, np.int32), "loss": np.ones(rows, "f4")}
    )


def refused(path):
    return pytest.raises(FormatError, match=SAYS.format(re.escape(str(path))))


@pytest.mark.parametrize("door", [read_run, rdm.convert])
@pytest.mark.parametrize("group", [ROWS, ROWS // 4])
def test_one_row_that_comes_again_and_again_is_refused(tmp_path, door, group):
    path = tmp_path / "run.parquet"
    pq.write_table(same(), path, row_group_size=group, compression="zstd")
    with refused(path):
        door(path) if door is read_run else door(path, tmp_path / "new.parquet")


@pytest.mark.parametrize("name", ["read.formats.LARGE_BYTES", "read.out_of_core.LARGE_ROWS"])
def test_what_would_be_put_in_order_on_disk_is_refused_too(tmp_path, monkeypatch, name):
    monkeypatch.setattr(f"rdmtools.{name}", 1000)
    table = same().set_column(0, "step", [np.arange(ROWS) % 2])
    pq.write_table(table, tmp_path / "run.parquet", compression="zstd")
    for door in (read_run, lambda path: rdm.convert(path, tmp_path / "new.parquet")):
        with refused(tmp_path / "run.parquet"):
            door(tmp_path / "run.parquet")


def test_large_losses_that_differ_are_read(tmp_path):
    path, steps = tmp_path / "run.parquet", np.arange(ROWS // SAMPLES)
    losses = np.random.default_rng(0).random((len(steps), SAMPLES), np.float32)
    write_losses(path, [(steps, losses)], range(SAMPLES))
    np.testing.assert_array_equal(read_run(path).losses, losses)


def test_losses_of_our_own_that_are_all_the_same_are_read(tmp_path, monkeypatch):
    """Many times their size in all, but by row groups, each of which is small."""
    path, steps = tmp_path / "run.parquet", np.arange(ROWS)
    monkeypatch.setattr("rdmtools.format.write_table._GROUP_ROWS", 40_000)
    write_losses(path, [(steps, np.zeros((ROWS, SAMPLES), np.float32))], range(SAMPLES))
    assert read_run(path).losses.shape == (ROWS, SAMPLES)


@pytest.mark.parametrize(
    "samples",
    [
        pa.table({"sample_id": np.arange(ROWS) // ROWS, "group": np.zeros(ROWS)}),
        pa.table({"sample_id": np.arange(SAMPLES), "text": ["a" * 600_000] * SAMPLES}),
    ],
)
def test_samples_that_unfold_are_told_and_left_out(tmp_path, samples):
    path = tmp_path / "run.parquet"
    write_losses(path, [(STEPS, LOSSES)], range(SAMPLES))
    (tmp_path / "run.rdm").mkdir()
    pq.write_table(samples, tmp_path / "run.rdm" / "samples.parquet", compression="zstd")
    with pytest.warns(RdmtoolsWarning, match=r"samples.parquet unfolds to .*; read without samples.parquet"):
        run = read_run(path)
    np.testing.assert_array_equal(run.losses, LOSSES)


@pytest.mark.parametrize("stream", [False, True])
def test_arrow_that_unfolds_is_refused_by_what_it_says(tmp_path, stream):
    path = tmp_path / "run.arrow"
    path.write_bytes(ipc(same(), stream, "zstd"))
    with refused(path):
        read_run(path)


@pytest.mark.parametrize("compression", [None, "zstd", "lz4"])
@pytest.mark.parametrize("stream", [False, True])
def test_what_arrow_says_of_its_size_is_what_it_takes(tmp_path, stream, compression):
    table = same(1000).append_column("word", [["a", None] * 500]).append_column("none", pa.nulls(1000))
    table = table.append_column("kind", pa.array(["x", "y"] * 500).dictionary_encode())
    (tmp_path / "x").write_bytes(ipc(table, stream, compression))
    said = arrow.unfolded_bytes(tmp_path / "x")
    nodes = 1000 * 6 + 2  # a byte for each row of each column, and the words of the dictionary
    assert nodes <= said <= (nodes if compression is None else nodes + table.nbytes + 600)
    assert said >= (0 if compression is None else table.nbytes)
    (tmp_path / "x").write_bytes(b"ARROW1 and no more")
    assert arrow.unfolded_bytes(tmp_path / "x") == 0


@pytest.mark.parametrize("name", ["run.csv.gz", "run.tsv.gz"])
def test_text_that_unfolds_is_refused(tmp_path, name, monkeypatch):
    monkeypatch.setattr(dialect, "BLOCK_BYTES", 1 << 16)
    path = tmp_path / name
    mark = "," if "csv" in name else "\t"
    text = mark.join(["step", "sample_id", "loss"]) + "\n" + f"0{mark}1{mark}2.5\n" * (1 << 20)
    path.write_bytes(gzip.compress(text.encode()))
    for door in (read_run, rdm.convert):
        with pytest.raises(FormatError, match=SAYS.format(re.escape(str(path))) + r"unpack it \(gunzip\)"):
            door(path)


def test_a_line_without_an_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(dialect, "BLOCK_BYTES", 1 << 12)
    monkeypatch.setattr(dialect, "_LONGEST", 1 << 15)
    (tmp_path / "run.csv").write_bytes(b"step,sample_id,loss\n" + b"1" * (1 << 17))
    with pytest.raises(FormatError, match=r"a line has more than 0.0 GB; needed one line of names"):
        read_run(tmp_path / "run.csv")


def test_a_gzipped_file_is_as_large_as_it_says(tmp_path, monkeypatch):
    monkeypatch.setattr("rdmtools.read.formats.LARGE_BYTES", 500)
    text = ("step,sample_id,loss\n" + "".join(f"{step},0,{step / 7}\n" for step in range(99))).encode()
    path = tmp_path / "run.csv.gz"
    path.write_bytes(gzip.compress(text))
    with pytest.raises(FormatError, match=r"needed at most 0.0 GB of this form; convert it first"):
        read_run(path)
    assert read_run(rdm.convert(path)).shape == (99, 1)


def test_a_gzipped_file_that_says_less_than_it_holds_is_refused_when_it_is_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr(csv, "MOST_BYTES", 1000)
    monkeypatch.setattr(dialect, "BLOCK_BYTES", 1 << 12)
    text = ("step,sample_id,loss\n" + "".join(f"{step},0,{step / 7}\n" for step in range(999))).encode()
    compress = zlib.compressobj(wbits=31)
    two = gzip.compress(text) + compress.compress(b"999,0,1\n") + compress.flush()
    (tmp_path / "run.csv.gz").write_bytes(two)  # says the size of its last member alone
    with pytest.raises(FormatError, match=r"it unfolds to more than 0.0 GB, and says .*gunzip"):
        read_run(tmp_path / "run.csv.gz")


def test_small_tables_of_one_value_are_read(tmp_path):
    pq.write_table(tidy(losses=np.ones_like(LOSSES)), tmp_path / "run.parquet")
    assert read_run(tmp_path / "run.parquet").losses.min() == 1
