"""Whether pages carry checksums is told of any file, whoever wrote it; and with them no flip passes."""

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.runs import with_event
from helpers.tables import LOSSES, STEPS, WORDS, tidy
from hypothesis import given
from hypothesis import strategies as st

import rdmtools as rdm
from rdmtools.errors import FormatError
from rdmtools.format.page_checksums import _HEADER_BYTES, has_checksum, pages_are_checked
from rdmtools.format.read_table import ParquetPart
from rdmtools.format.write_table import _PAGES, write_draws, write_losses, write_scalars, write_table
from rdmtools.report.compare_page import save_comparison
from rdmtools.results.folder import write_tables

COLUMNS = ("step", "sample_id", "loss")


def is_checked(path, columns=None):
    metadata = pq.read_metadata(path)
    return pages_are_checked(path, metadata, columns or metadata.schema.to_arrow_schema().names)


def by_pandas(path, table):
    table.to_pandas().to_parquet(path)


def by_polars(path, table):
    pl.from_arrow(table).write_parquet(path)


def by_pyarrow(**how):
    return lambda path, table: pq.write_table(table, path, **how)


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (by_pandas, False),
        (by_polars, False),
        (by_pyarrow(), False),
        (by_pyarrow(write_page_checksum=True), True),
        (by_pyarrow(write_page_checksum=True, data_page_version="2.0", row_group_size=7), True),
        (by_pyarrow(write_page_checksum=True, use_dictionary=False, write_statistics=False), True),
        (by_pyarrow(data_page_version="2.0", use_dictionary=False, compression="none"), False),
    ],
    ids=["pandas", "polars", "pyarrow", "checked", "second version", "no dictionary", "no checksum"],
)
@pytest.mark.parametrize("ids", [WORDS, range(4)], ids=["strings", "integers"])
def test_the_pages_of_any_writer_tell(tmp_path, write, expected, ids):
    path = tmp_path / "run.parquet"
    write(path, tidy(ids))
    assert is_checked(path) is expected
    run = rdm.read_run(path)
    assert run.quality.unchecked == (not expected)
    assert run.quality.notes() == []
    assert ("a flipped bit would pass" in run.quality.checksums()) is not expected


def test_only_the_columns_that_are_asked_for_count_and_each_of_their_row_groups(tmp_path):
    path = tmp_path / "run.parquet"
    write_losses(path, [(STEPS, LOSSES)], WORDS)
    assert is_checked(path)
    content = bytearray(path.read_bytes())
    at = pq.read_metadata(path).row_group(0).column(2).data_page_offset
    assert has_checksum(bytes(content[at : at + 40]))
    content[at] = 0  # as a header that ends at once
    path.write_bytes(content)
    assert is_checked(path, ("step", "sample_id"))
    assert not is_checked(path, COLUMNS)


def test_parts_are_counted_one_by_one_and_are_told_by_info_and_report(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    write_losses(folder / "a.parquet", [(STEPS, LOSSES)], range(4))
    pq.write_table(tidy(range(4), STEPS + 1000), folder / "b.parquet")
    run = rdm.read_run(folder)
    assert run.quality.to_dict()["unchecked"] == 1
    words = "none in the pages of 1 file: a flipped bit would pass; rdmtools convert writes a run with them"
    assert run.quality.checksums() == words
    page = rdm.analyze(run, window=5).report(tmp_path / "report.html")
    assert f"Checksums: {words}." in page.read_text(encoding="utf-8")


def test_what_convert_writes_needs_no_such_words(tmp_path):
    pq.write_table(tidy(), tmp_path / "run.parquet")
    run = rdm.read_run(rdm.convert(tmp_path / "run.parquet", tmp_path / "new.parquet"))
    assert (run.quality.unchecked, run.quality.checksums()) == (0, "")


@given(st.binary(max_size=60))
def test_any_bytes_have_an_answer(header):
    assert has_checksum(header) in (True, False)


def test_fields_may_spell_out_their_numbers():
    assert has_checksum(bytes([0x05, 0x02, 0x00, 0x15, 0x80, 0x01, 0x15, 0x04, 0x15, 0xFF, 0x01]))
    assert not has_checksum(bytes([0x15, 0x00, 0x15, 0x00, 0x15, 0x00, 0x2C]))


def test_every_file_of_ours_carries_checksums(tmp_path):
    path = tmp_path / "run.parquet"
    with rdm.ProbeLogger(path, samples={"sample_id": WORDS, "group": list("aabb")}) as log:
        for step, losses in zip(STEPS.tolist(), LOSSES, strict=True):
            log(step, losses)
            log.scalars(step, accuracy=0.5)
        log.draws(step, [losses, losses])
    analysis = rdm.analyze(with_event(), window=12)
    analysis.save(tmp_path / "analysis", report=False)
    save_comparison(rdm.compare([analysis]), tmp_path / "comparison")
    write_tables(tmp_path, {"events": analysis.events})
    write_table(tmp_path / "table.parquet", pa.table({"a": [1]}))
    write_scalars(tmp_path / "scalars.parquet", [{"step": 1, "a": 1.0}])
    write_draws(tmp_path / "draws.parquet", [(1, LOSSES[:2])], WORDS)
    files = sorted(tmp_path.rglob("*.parquet"))
    assert {"samples.parquet", "scalars.parquet", "draws.parquet", "run.parquet"} <= {f.name for f in files}
    assert len(files) > 15
    assert [file for file in files if not is_checked(file)] == []


def test_the_sample_runs_carry_them():
    files = sorted((Path(__file__).parents[2] / "sample_data").rglob("*.parquet"))
    assert len(files) >= 24
    assert [file for file in files if not is_checked(file)] == []


def eight_row_groups(path, monkeypatch):
    """A run of 400 steps and 64 samples as we write it, and where the losses of each row group lie."""
    monkeypatch.setattr("rdmtools.format.write_table._GROUP_ROWS", 50 * 64)
    losses = (2 + np.random.default_rng(0).standard_normal((400, 64))).astype(np.float32)
    write_losses(path, [(np.arange(400), losses)], range(64))
    metadata = pq.read_metadata(path)
    chunks = [metadata.row_group(group).column(2) for group in range(metadata.num_row_groups)]
    assert len(chunks) == 8
    return [(chunk.data_page_offset, chunk.total_compressed_size) for chunk in chunks]


def flipped(content, bit):
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_150_of_150_flipped_bits_in_pages_of_losses_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "run.parquet"
    chunks = eight_row_groups(path, monkeypatch)
    content, rng = path.read_bytes(), np.random.default_rng(150)
    for _ in range(150):
        group = int(rng.integers(len(chunks)))
        start, size = chunks[group]
        bit = int(rng.integers(8 * (start + _HEADER_BYTES), 8 * (start + size)))
        path.write_bytes(flipped(content, bit))
        with pytest.raises(FormatError) as error:
            rdm.read_run(path)
        assert f"{path} is damaged in row group {group}, counted from 0 (" in str(error.value)
        assert "\n" not in str(error.value)
    path.write_bytes(content)
    rdm.read_run(path)


def test_without_checksums_most_of_them_pass(tmp_path, monkeypatch):
    """What the test above is about: it could fail."""
    monkeypatch.setitem(_PAGES, "write_page_checksum", False)
    path = tmp_path / "run.parquet"
    [(start, size), *_] = eight_row_groups(path, monkeypatch)
    content, passed = path.read_bytes(), 0
    for bit in np.random.default_rng(1).integers(8 * (start + _HEADER_BYTES), 8 * (start + size), 20):
        path.write_bytes(flipped(content, int(bit)))
        try:
            passed += rdm.read_run(path).quality.unchecked
        except FormatError:
            continue
    assert passed > 10


def test_a_flipped_bit_in_the_header_of_a_page_is_refused_or_changes_nothing(tmp_path):
    path = tmp_path / "run.parquet"
    write_losses(path, [(STEPS, LOSSES)], range(4))
    content = path.read_bytes()
    start = pq.read_metadata(path).row_group(0).column(2).data_page_offset
    refused = 0
    for bit in range(8 * start, 8 * (start + _HEADER_BYTES)):
        path.write_bytes(flipped(content, bit))
        try:
            run = rdm.read_run(path)
        except FormatError:
            refused += 1
            continue
        np.testing.assert_array_equal(run.losses, LOSSES)
        np.testing.assert_array_equal(run.steps, STEPS)
    assert refused > 100


def test_every_way_to_read_names_the_row_group(tmp_path, monkeypatch):
    path = tmp_path / "run.parquet"
    start, size = eight_row_groups(path, monkeypatch)[5]
    path.write_bytes(flipped(path.read_bytes(), 8 * (start + size - 9)))
    part = ParquetPart.open(path)
    for read in (
        lambda: part.read(["loss"]),
        lambda: part.read(["step", "loss"], 5),
        lambda: list(part.row_groups(["loss"])),
        lambda: list(part.batches(["loss"], 700)),
        lambda: list(part.batches(["loss"], 10**6)),
    ):
        with pytest.raises(FormatError, match="is damaged in row group 5, counted from 0 "):
            read()
    part.read(["step"])
