"""A journal that lies: nothing is believed that does not fit, nothing allocated on its word."""

import json
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from helpers.killed import IDS, check, companion, crashed, losses, record, row

import rdmtools as rdm
from rdmtools import FormatError, ParameterError, ProbeLogger, read_run
from rdmtools.format.records import Kind, part_file, segment_file


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "run.parquet"


def saying(attempt: Path, **changes) -> None:
    file = attempt / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


# manifests


WRONG = [
    ("name", 5, "text"),
    ("unit", ["nats"], "text"),
    ("unit", "\ud800", "text"),
    ("dtype", "float16", "float32 or float64"),
    ("dtype", ["float32"], "float32 or float64"),
    ("samples", 10_000_000_000, "a count up to 536870912"),
    ("samples", 0, "a count up to"),
    ("samples", -3, "a count up to"),
    ("samples", True, "a count up to"),
    ("samples", 3.0, "a count up to"),
    ("samples", [], "distinct ids"),
    ("samples", [1, "a", 2], "all 64-bit integers or all text"),
    ("samples", [1, 2, 2**63], "all 64-bit integers or all text"),
    ("samples", [True, False], "all 64-bit integers or all text"),
    ("samples", ["a", "b", "a"], "distinct ids"),
    ("samples", ["a", "b", "\ud800"], "all text"),
    ("samples", [[1], [2]], "distinct ids"),
    ("metadata", [], "an object"),
    ("created", "yesterday", "an ISO date"),
    ("created", 5, "an ISO date"),
    ("created", "2026-13-01T00:00:00+00:00", "an ISO date"),
    ("rank", -1, "a count"),
    ("rank", 5, "rank is 5 of world_size 1"),
    ("world_size", 0, "rank is 0 of world_size 0"),
    ("world_size", 10**400, "a count"),
    ("beside", "rank1", "a list of names"),
    ("beside", [1], "a list of names"),
    ("segments", 5, "a path"),
    ("segments", "a\0b", "a path"),
    ("segments", "\ud800", "a path"),
    ("host", None, "text"),
    ("accepted", {"losses": -1}, "counts by name"),
    ("accepted", {"losses": "3"}, "counts by name"),
    ("closed", float("nan"), "a time"),
    ("closed", float("inf"), "a time"),
    ("closed", "now", "a time"),
    ("refused", {"step": 1.5}, "counts by name"),
    ("refused", None, "counts by name"),
]


@pytest.mark.parametrize(("field", "value", "needed"), WRONG)
def test_a_manifest_that_lies_is_told_in_one_line(path, field, value, needed):
    saying(crashed(path), **{field: value})
    for read in (read_run, rdm.recover):
        with pytest.raises(FormatError, match=r"manifest\.json is no manifest of a ProbeLogger") as caught:
            read(path)
        assert needed in str(caught.value)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"format": "1.0", "metadata": ' + '{"a":' * 100_000,
        "1" * 5000,
        "null",
        '"1.0"',
        "\xff",
    ],
)
def test_json_that_no_reader_takes_is_told_in_one_line(path, text):
    (crashed(path) / "manifest.json").write_text(text, encoding="latin-1")
    with pytest.raises(FormatError, match=r"manifest\.json is no manifest of a ProbeLogger") as caught:
        read_run(path)
    assert "\n" not in str(caught.value)


def test_a_version_that_is_no_text_is_told_in_one_line(path):
    saying(crashed(path), format="2.0\n", writer="\x1b[31m\n" + "9" * 10_000)
    with pytest.raises(FormatError, match=r"has format 2\.0") as caught:
        read_run(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("then", ["read", "recover", "resume"])
def test_ids_of_a_count_that_no_file_has_a_row_of_are_never_made(path, then):
    attempt = crashed(path)
    liar = attempt.with_name("rank0-attempt1")
    liar.mkdir()
    said = json.loads((attempt / "manifest.json").read_text()) | {"samples": 1 << 29}
    (liar / "manifest.json").write_text(json.dumps(said))
    (liar / segment_file(Kind.LOSSES, 0)).write_bytes(losses(7))
    tracemalloc.start()
    try:
        if then == "read":
            run = check(path)
            assert run.quality.bytes_left == len(losses(7))
        elif then == "recover":
            assert rdm.recover(path).bytes_left == len(losses(7))
        else:
            with ProbeLogger(path, resume=True) as log:
                log(3, row(3))
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()
    check(path, range(3 + (then == "resume")))


def test_a_unit_may_be_unknown(path):
    saying(crashed(path), unit=None)
    check(path)


@pytest.mark.parametrize("created", ["2026-01-01", "0001-01-01T00:00:00", "9999-12-31T23:59:59-23:59"])
def test_any_date_is_a_date(path, created):
    saying(crashed(path), created=created)
    check(path)


# steps


@pytest.mark.parametrize(
    ("segments", "steps", "left"),
    [
        ([losses(0, 1, 1, 2)], [0, 1], 2),
        ([losses(0, 5, 3, 6)], [0, 5], 2),
        ([losses(0, 1), losses(1, 2)], [0, 1], 2),
        ([losses(0, 9), losses(3), losses(10)], [0, 9, 10], 1),
    ],
)
def test_a_step_that_does_not_rise_ends_its_segment_as_damage_does(path, segments, steps, left):
    attempt = crashed(path, [])
    for number, segment in enumerate(segments):
        (attempt / segment_file(Kind.LOSSES, number)).write_bytes(segment)
    run = check(path, steps)
    assert run.quality.bytes_left == left * len(losses(0))
    assert rdm.recover(path).bytes_left == left * len(losses(0))
    check(path, steps)
    assert (companion(path) / "journal.damaged" / attempt.name).exists()


def test_a_part_whose_steps_fall_is_refused(path):
    attempt = crashed(path, [0, 5])
    log = ProbeLogger(path, resume=True)  # compacts what is there, and leaves it
    log(6, row(6))
    log.close(merge=False)
    later = attempt.with_name("rank0-attempt1")
    (later / part_file(0)).rename(later / part_file(1))
    (later / segment_file(Kind.LOSSES, 0)).write_bytes(losses(7))
    with pytest.raises(FormatError, match=r"losses-000001\.parquet has steps that do not rise"):
        read_run(path)


def test_scalars_and_draws_that_fall_end_theirs_alone(path):
    attempt = crashed(path)
    scalars = [record(Kind.SCALARS, step, b'{"a": 1}') for step in (0, 0, 2, 1)]
    drawn = [record(Kind.DRAWS, step, np.float32(row(step) * 2).tobytes()) for step in (0, 2, 2)]
    empty = record(Kind.DRAWS, 9, b"")
    (attempt / segment_file(Kind.SCALARS, 0)).write_bytes(b"".join(scalars))
    (attempt / segment_file(Kind.DRAWS, 0)).write_bytes(b"".join([*drawn, empty]))
    run = check(path)
    assert run.scalars["step"].tolist() == [0, 2]
    assert [step for step, _ in run.draws] == [0, 2]
    assert run.quality.bytes_left == len(scalars[-1]) + len(drawn[-1]) + len(empty)


def test_a_time_that_is_none_is_no_matter(path):
    attempt = crashed(path, [])
    parts = [record(Kind.LOSSES, step, np.float32(row(step)).tobytes(), np.nan) for step in range(3)]
    (attempt / segment_file(Kind.LOSSES, 0)).write_bytes(b"".join(parts))
    check(path)
    assert rdm.recover(path).rows == 3


# what a call hands over


@pytest.mark.parametrize("name", ["\ud800", "a\udfffb"])
def test_a_name_that_is_not_utf8_is_refused_at_the_call(path, name):
    with ProbeLogger(path, IDS) as log:
        with pytest.raises(ParameterError, match=r"\\ud.*' has a name that is not UTF-8.*rename it"):
            log.scalars(0, **{name: 1.0})
        log.scalars(0, **{"é\U0001f600": 1.0})
        for step in range(3):
            log(step, row(step))
    assert check(path).scalars["é\U0001f600"].tolist() == [1.0]
    for metadata in ({name: 1}, {"a": {"b": [name]}}):
        with pytest.raises(ParameterError, match="metadata cannot be JSON"):
            ProbeLogger(path.with_name("b.parquet"), metadata=metadata)
    with pytest.raises(ParameterError, match=r"unit is .*; needed text in UTF-8"):
        ProbeLogger(path.with_name("b.parquet"), unit=name)
    for samples in ([name], {"sample_id": ["a"], "text": [name]}):
        with pytest.raises(ParameterError, match="samples is no table"):
            ProbeLogger(path.with_name("b.parquet"), samples)


@pytest.mark.parametrize("depth", [65, 900, 100_000])
def test_metadata_that_only_some_readers_could_read_are_refused(path, depth):
    deep: list = []
    for _ in range(depth):
        deep = [deep]
    with pytest.raises(ParameterError, match="metadata cannot be JSON"):
        ProbeLogger(path, metadata={"a": deep})


@pytest.mark.skipif(os.name == "nt", reason="names there are Unicode")
def test_a_file_whose_name_is_not_utf8_is_logged_to_as_any_other(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.parquet")
    crashed(path, samples=3)
    assert read_run(path).steps.tolist() == [0, 1, 2]
    assert rdm.recover(path).rows == 3
    assert path.exists()
