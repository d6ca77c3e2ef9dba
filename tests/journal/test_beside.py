"""Whatever is wrong beside the losses, they are read and merged; what could not be is told and kept."""

import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.killed import IDS, check, companion, crashed, record, row

import rdmtools as rdm
from rdmtools import FormatError, ProbeLogger, RdmtoolsWarning, read_run
from rdmtools.format.records import Kind, segment_file


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "run.parquet"


def saying(attempt: Path, **changes) -> None:
    file = attempt / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_what_no_file_can_hold_in_metadata_is_mended_and_told(path):
    deep: list = []
    for _ in range(200):
        deep = [deep]
    saying(
        crashed(path), metadata={"a\ud800": "b\udfff", "x": [float("nan"), 1.5, "\U0001f600"], "deep": deep}
    )
    with pytest.warns(RdmtoolsWarning, match=r"manifest\.json: its name or metadata hold what no file can"):
        run = check(path)
    assert run.metadata["a\\ud800"] == "b\\udfff"
    assert run.metadata["x"] == [None, 1.5, "\U0001f600"]
    with pytest.warns(RdmtoolsWarning, match="what no file can"):
        rdm.recover(path)
    assert check(path).metadata["a\\ud800"] == "b\\udfff"


def test_a_journal_that_holds_such_a_name_reads_with_another(path):
    attempt = crashed(path, range(50))
    payloads = (rb'{"\ud800": 1.0, "\ud801": 2.0, "ok": 3.0}', b'{"ok": NaN}')
    records = [record(Kind.SCALARS, step, payload) for step, payload in enumerate(payloads)]
    (attempt / segment_file(Kind.SCALARS, 0)).write_bytes(b"".join(records))
    told = r"scalars have names that no file can hold; read as \\ud800, \\ud801"
    with pytest.warns(RdmtoolsWarning, match=told):
        run = check(path, range(50))
    first = {"step": 0, "\\ud800": 1.0, "\\ud801": 2.0, "ok": 3.0}
    assert run.scalars.iloc[0].to_dict() == first
    with pytest.warns(RdmtoolsWarning, match=told):
        assert rdm.recover(path).rows == 50
    run = check(path, range(50))
    assert run.scalars.iloc[0].to_dict() == first
    assert np.isnan(run.scalars["ok"][1])
    assert (companion(path) / "journal.damaged" / attempt.name / segment_file(Kind.SCALARS, 0)).exists()


@pytest.mark.parametrize(
    ("payload", "kept", "left"),
    [
        (b"[1, 2]", {}, 1),
        (b"5", {}, 1),
        (b"{", {}, 1),
        (b"[" * 100_000, {}, 1),
        (b"\xff\xfe\xfa", {}, 1),
        (b'{"a": ' + b"9" * 5000 + b"}", {}, 1),
        (b'{"a": ' + b"9" * 400 + b', "b": 2}', {"b": 2.0}, 1),
        (b'{"a": "x", "b": [1], "c": null, "d": true, "e": {}, "f": 7}', {"f": 7.0}, 5),
        (b'{"step": 90, "a": 1}', {"a": 1.0}, 1),
        (b'{"a": -Infinity, "b": 1e999}', {"a": -np.inf, "b": np.inf}, 0),
    ],
)
def test_scalars_that_are_no_numbers_by_name_are_counted_and_left_out(path, payload, kept, left):
    attempt = crashed(path)
    segment = record(Kind.SCALARS, 0, b'{"z": 1}') + record(Kind.SCALARS, 1, payload)
    (attempt / segment_file(Kind.SCALARS, 0)).write_bytes(segment)

    def found() -> dict:
        table = check(path).scalars
        assert table["z"][0] == 1.0
        return {name: value for name, value in table.iloc[-1].items() if name not in ("step", "z")}

    def as_told(act):
        if not left:
            return act()
        with pytest.warns(
            RdmtoolsWarning, match=rf"left out {left} scalars? that (is|are) no numbers? by name"
        ):
            return act()

    assert as_told(found) == kept
    as_told(lambda: rdm.recover(path))
    assert found() == kept
    assert (companion(path) / "journal.damaged").exists() == bool(left)


def not_parquet(file: Path) -> None:
    file.write_bytes(b"no table")


def without_ids(file: Path) -> None:
    pq.write_table(pa.table({"group": [1, 2]}), file)


def ids_twice(file: Path) -> None:
    pq.write_table(pa.table({"sample_id": ["a", "a", "b"], "group": [1, 2, 3]}), file)


def ids_of_lists(file: Path) -> None:
    pq.write_table(pa.table({"sample_id": [[1], [2]]}), file)


@pytest.mark.parametrize("spoil", [not_parquet, without_ids, ids_twice, ids_of_lists])
def test_a_table_of_samples_that_is_none_blocks_no_losses(path, spoil):
    attempt = crashed(path)
    spoil(attempt / "samples.parquet")
    with pytest.warns(RdmtoolsWarning, match=r"samples\.parquet.*; left out what it tells of the samples"):
        check(path)
    with pytest.warns(RdmtoolsWarning, match=r"samples\.parquet.*; left out what it tells of the samples"):
        assert rdm.recover(path).rows == 3
    check(path)
    assert (companion(path) / "journal.damaged" / attempt.name / "samples.parquet").exists()


def test_tables_of_samples_that_do_not_fit_together_block_no_losses(path):
    crashed(path, samples={"sample_id": IDS, "group": [1, 2, 3]})
    later = crashed(path, [3])
    pq.write_table(pa.table({"sample_id": IDS, "group": [[1.5], [2.5], [3.5]]}), later / "samples.parquet")
    with pytest.warns(RdmtoolsWarning, match="do not fit together .*; took what is told of them first"):
        assert check(path, range(4)).samples["group"].tolist() == [2, 3, 1]
    with pytest.warns(RdmtoolsWarning, match="do not fit together"):
        rdm.recover(path)
    assert check(path, range(4)).samples["group"].tolist() == [2, 3, 1]


@pytest.mark.parametrize("name", ["samples.parquet", "scalars.parquet", "draws.parquet"])
def test_a_companion_that_does_not_read_is_left_and_the_losses_are_merged(path, name):
    attempt = crashed(path, samples={"sample_id": IDS, "group": [1, 2, 3]})
    drawn = np.float32(row(0) * 2).tobytes()
    (attempt / segment_file(Kind.SCALARS, 0)).write_bytes(record(Kind.SCALARS, 0, b'{"a": 1}'))
    (attempt / segment_file(Kind.DRAWS, 0)).write_bytes(record(Kind.DRAWS, 0, drawn))
    file = companion(path) / name
    file.write_bytes(b"no table")
    with pytest.warns(RdmtoolsWarning, match=name):
        assert rdm.recover(path).rows == 3
    assert file.read_bytes() == b"no table"
    assert pq.read_table(path).num_rows == 3 * len(IDS)
    assert (companion(path) / "journal.damaged" / attempt.name / "manifest.json").exists()
    others = {"samples.parquet", "scalars.parquet", "draws.parquet"} - {name}
    assert all((companion(path) / other).exists() for other in others)


def test_scalars_of_text_that_a_user_put_there_are_left(path):
    crashed(path)
    pq.write_table(pa.table({"step": [0], "phase": ["warm"]}), companion(path) / "scalars.parquet")
    with ProbeLogger(path, resume=True) as log:
        log(3, row(3))
        log.scalars(3, a=1.0)
        with pytest.warns(RdmtoolsWarning, match="no numbers; the scalars of the journal are not in it"):
            log.close()
    assert pq.read_table(companion(path) / "scalars.parquet").column_names == ["step", "phase"]
    assert pq.read_table(path).num_rows == 4 * len(IDS)


@pytest.mark.skipif(os.name == "nt" or not os.geteuid(), reason="nothing is forbidden to root")
def test_scalars_that_may_not_be_read_block_no_losses(path):
    attempt = crashed(path)
    segment = attempt / segment_file(Kind.SCALARS, 0)
    segment.write_bytes(record(Kind.SCALARS, 0, b'{"a": 1}'))
    segment.chmod(0)
    with pytest.warns(RdmtoolsWarning, match=r"scalars-000000\.rdj cannot be read .*; left out"):
        run = check(path)
    assert run.quality.bytes_left == segment.stat().st_size


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
@pytest.mark.parametrize("name", ["losses-000001.rdj", "scalars-000000.rdj", "losses-000002.parquet", "lock"])
def test_nobody_waits_for_a_pipe(path, name):
    attempt = crashed(path)
    (attempt / name).unlink(missing_ok=True)
    os.mkfifo(attempt / name)
    check(path)
    with pytest.warns(RdmtoolsWarning, match=f"left .*{name} where it is"):
        rdm.recover(path)
    check(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_nobody_waits_for_a_manifest(path):
    attempt = crashed(path)
    (attempt / "manifest.json").unlink()
    os.mkfifo(attempt / "manifest.json")
    with pytest.raises(FormatError, match="is no manifest of a ProbeLogger"):
        read_run(path)
