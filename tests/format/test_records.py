"""Whatever is cut off or damaged, the records before it read as they were written."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.journals import read_journal
from hypothesis import given
from hypothesis import strategies as st

from rdmtools.errors import FormatError
from rdmtools.format.records import (
    HEADER_BYTES,
    MANIFEST_FILE,
    Kind,
    Manifest,
    attempt_name,
    record_header,
    segment_file,
    write_manifest,
)

SAMPLES, ROWS, DRAWS = 3, 4, 2
LOSSES = np.arange(ROWS * SAMPLES, dtype="<f4").reshape(ROWS, SAMPLES) + 0.5
ROW_BYTES = HEADER_BYTES + LOSSES[0].nbytes


def manifest(**changes) -> Manifest:
    settings = {"name": "run", "unit": "bits", "dtype": "float32", "samples": SAMPLES}
    return Manifest(**settings | {"metadata": {"lr": 0.1}, "created": "2026-01-01T00:00:00+00:00"} | changes)


def record(kind: Kind, step: int, payload: bytes) -> bytes:
    return record_header(kind, step, 1e9 + step, payload) + payload


def rows(losses=LOSSES, first=0) -> bytes:
    steps = range(first, first + 10 * len(losses), 10)
    return b"".join(record(Kind.LOSSES, step, row.tobytes()) for step, row in zip(steps, losses, strict=True))


def journal(folder: Path, segment: bytes = b"", *, scalars=b"", draws=b"", **changes) -> Path:
    attempt = folder / "journal" / attempt_name(0)
    attempt.mkdir(parents=True, exist_ok=True)
    write_manifest(attempt, manifest(**changes))
    for kind, records in ((Kind.LOSSES, segment), (Kind.SCALARS, scalars), (Kind.DRAWS, draws)):
        (attempt / segment_file(kind, 0)).write_bytes(records)
    return attempt.parent


def test_every_kind_reads_as_written(tmp_path):
    draws = np.arange(DRAWS * SAMPLES, dtype="<f4").reshape(DRAWS, SAMPLES)
    scalars, drawn = record(Kind.SCALARS, 20, b'{"acc": 0.5}'), record(Kind.DRAWS, 30, draws.tobytes())
    found = read_journal(journal(tmp_path, rows(), scalars=scalars, draws=drawn))
    np.testing.assert_array_equal(found.losses, LOSSES)
    assert found.losses.dtype == np.float32
    assert found.steps.tolist() == [0, 10, 20, 30]
    assert found.ended == 1e9 + 30
    assert found.sample_ids.tolist() == [0, 1, 2]
    assert found.scalars == [{"step": 20, "acc": 0.5}]
    assert [step for step, _ in found.draws] == [30]
    np.testing.assert_array_equal(found.draws[0][1], draws)
    assert found.manifest == manifest()
    assert found.bytes_left == 0


@pytest.mark.parametrize("ids", [[7, 3, 5], ["b", "a", "é"]])
def test_ids_keep_their_type_and_order(tmp_path, ids):
    assert read_journal(journal(tmp_path, rows(), samples=ids)).sample_ids.tolist() == ids


def test_a_cut_at_any_byte_leaves_the_whole_records_before_it(tmp_path):
    segment = rows()
    for cut in range(len(segment) + 1):
        found = read_journal(journal(tmp_path, segment[:cut]))
        whole, left = divmod(cut, ROW_BYTES)
        assert len(found.steps) == whole, cut
        assert found.bytes_left == left, cut
        np.testing.assert_array_equal(found.losses, LOSSES[:whole])


def test_a_change_of_any_byte_leaves_the_records_before_it(tmp_path):
    segment = rows()
    for place in range(len(segment)):
        damaged = bytearray(segment)
        damaged[place] ^= 0xFF
        found = read_journal(journal(tmp_path, bytes(damaged)))
        whole = place // ROW_BYTES
        assert len(found.steps) == whole, place
        assert found.bytes_left == len(segment) - whole * ROW_BYTES, place
        np.testing.assert_array_equal(found.losses, LOSSES[:whole])


@given(st.binary(max_size=200))
def test_whatever_follows_is_counted_and_never_read(tmp_path_factory, tail):
    found = read_journal(journal(tmp_path_factory.mktemp("tail"), rows() + tail))
    np.testing.assert_array_equal(found.losses, LOSSES)
    assert found.bytes_left == len(tail)


def test_a_header_that_claims_more_than_there_is_ends_the_journal(tmp_path):
    whole = record(Kind.LOSSES, 40, b"x" * 1_000_000)
    found = read_journal(journal(tmp_path, rows() + whole[:100]))
    assert (len(found.steps), found.bytes_left) == (ROWS, 100)


def test_losses_of_another_length_end_the_journal(tmp_path):
    wrong = record(Kind.LOSSES, 40, b"\0" * (4 * SAMPLES + 4))
    found = read_journal(journal(tmp_path, rows() + wrong + rows()))
    assert (len(found.steps), found.bytes_left) == (ROWS, len(wrong) + len(rows()))


def test_a_record_of_another_kind_ends_its_segment(tmp_path):
    found = read_journal(journal(tmp_path, rows() + record(Kind.SCALARS, 5, b"{}") + rows()))
    assert len(found.steps) == ROWS
    assert found.bytes_left == HEADER_BYTES + 2 + len(rows())


def test_bytes_left_are_counted_over_all_segments(tmp_path):
    folder = journal(tmp_path, rows()[:-1])
    (folder / attempt_name(0) / segment_file(Kind.LOSSES, 1)).write_bytes(rows(first=40) + b"junk")
    found = read_journal(folder)
    assert len(found.steps) == 2 * ROWS - 1
    assert found.bytes_left == ROW_BYTES - 1 + len(b"junk")


def test_scalars_of_one_step_are_one_row(tmp_path):
    parts = [(1, b'{"a": 1.0}'), (1, b'{"b": NaN}'), (2, b'{"a": 3.0}')]
    records = b"".join(record(Kind.SCALARS, *part) for part in parts)
    found = read_journal(journal(tmp_path, scalars=records))
    assert [list(row) for row in found.scalars] == [["step", "a", "b"], ["step", "a"]]
    assert np.isnan(found.scalars[0]["b"])


def test_a_journal_without_losses_has_no_rows(tmp_path):
    found = read_journal(journal(tmp_path, scalars=record(Kind.SCALARS, 0, b'{"a": 1.0}'), samples=None))
    assert found.losses.shape == (0, 0)
    assert len(found.scalars) == 1


@pytest.mark.parametrize("text", [None, b"", b"{", b"[]", b'{"format": "1.0"}', b'{"format": "one"}'])
def test_without_a_usable_manifest_it_says_so_in_one_line(tmp_path, text):
    folder = journal(tmp_path, rows())
    file = folder / attempt_name(0) / MANIFEST_FILE
    file.unlink()
    if text is not None:
        file.write_bytes(text)
    with pytest.raises(FormatError, match=r"manifest") as caught:
        read_journal(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("version", "readable"), [("0.9", True), ("1.0", True), ("1.7", True), ("2.0", False)]
)
def test_only_a_later_major_version_is_refused(tmp_path, version, readable):
    folder = journal(tmp_path, rows())
    file = folder / attempt_name(0) / MANIFEST_FILE
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format": version, "writer": "3.1.0"}))
    if readable:
        assert len(read_journal(folder).steps) == ROWS
    else:
        with pytest.raises(FormatError, match=r"format 2\.0.*up to 1\.0.*rdmtools 3\.1\.0 or later"):
            read_journal(folder)
