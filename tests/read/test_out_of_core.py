"""Files that are put in order on disk are the run that they would be in memory, and nothing stays behind."""

import gc
import os
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.dirt import RULES, dirty, outcome
from helpers.journals import write_journal
from hypothesis import given, settings
from hypothesis import strategies as st

import rdmtools
from rdmtools.errors import FormatError
from rdmtools.read.read import read_run

STEPS, IDS = 10 * np.arange(9), ["b", "a", "c", "d"]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Everything is large, and nothing is read in one piece."""
    monkeypatch.setattr("rdmtools.read.out_of_core.LARGE_ROWS", 0)
    monkeypatch.setattr("rdmtools.read.out_of_core.BATCH_ROWS", 3)
    monkeypatch.setattr("rdmtools.read.scratch.RANGE_ROWS", 5)


@pytest.fixture
def scratch_folder(tmp_path, monkeypatch):
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def shuffled(seed=0, **more):
    losses = np.random.default_rng(seed).random((len(STEPS), len(IDS)), dtype=np.float32)
    frame = pd.DataFrame({"step": np.repeat(STEPS, len(IDS)), "sample_id": IDS * len(STEPS)})
    frame = frame.assign(loss=losses.ravel(), **more).sample(frac=1, random_state=seed)
    return frame, losses[:, np.argsort(IDS)]


def in_memory(work):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rdmtools.read.out_of_core.LARGE_ROWS", 10**9)
        patch.setattr("rdmtools.read.out_of_core.in_order", None)
        return work()


@settings(max_examples=200)
@given(
    frame=dirty(),
    rules=RULES,
    cuts=st.lists(st.integers(0, 20), max_size=2),
    group=st.integers(1, 9),
    double=st.booleans(),
    journal=st.booleans(),
)
def test_every_rule_does_on_disk_what_it_does_in_memory(frame, rules, cuts, group, double, journal):
    """For a file or parts of one, of one type or two, alone or under a journal that goes on."""
    edges = [0, *sorted(cut for cut in cuts if cut < len(frame)), len(frame)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run"
        path.mkdir()
        for start, stop in pairwise(edges):
            part = frame[start:stop]
            part = part if double and start else part.astype({"loss": np.float32})
            part.to_parquet(path / f"{start}-{stop}.parquet", index=False, row_group_size=group)
        if journal:
            ids = sorted(frame["sample_id"].unique().tolist())
            write_journal(path, [7, 8], np.ones((2, len(ids)), np.float32), ids)
        found = outcome(lambda: read_run(path, **rules))
        assert found == in_memory(lambda: outcome(lambda: read_run(path, **rules)))


def test_any_rows_of_it_are_read(tmp_path, scratch_folder):
    frame, losses = shuffled()
    frame.to_parquet(tmp_path / "run.parquet", index=False)
    run = read_run(tmp_path / "run.parquet")
    assert run.samples["sample_id"].tolist() == sorted(IDS)
    for start in range(len(STEPS)):
        for stop in range(start, len(STEPS) + 1):
            np.testing.assert_array_equal(run.rows(start, stop), losses[start:stop])
    assert not run.rows(2, 4).flags.writeable
    np.testing.assert_array_equal(np.concatenate(list(run.blocks(4))), losses)
    np.testing.assert_array_equal(run.losses, losses)
    assert rdmtools.analyze(run, window=3).run is run
    assert list(scratch_folder.iterdir()) == []


def test_what_lies_beside_it_is_read_too(tmp_path):
    frame, losses = shuffled()
    frame["kind"] = frame["sample_id"].map({"a": "x", "b": "y", "c": "x", "d": "y"})
    frame.loc[frame.index[:1], "loss"] = np.nan
    bad = sorted(IDS).index(frame["sample_id"].iloc[0])
    frame.to_parquet(tmp_path / "run.parquet", index=False, row_group_size=5)
    (tmp_path / "run.rdm").mkdir()
    pd.DataFrame({"sample_id": IDS, "length": [3, 1, 4, 1]}).to_parquet(tmp_path / "run.rdm/samples.parquet")
    run = read_run(tmp_path / "run.parquet", nonfinite="drop-samples", group_by="kind")
    kept = np.delete(np.arange(4), bad)
    np.testing.assert_array_equal(run.losses, losses[:, kept])
    assert run.samples["group"].tolist() == list(np.array(list("xyxy"))[kept])
    assert run.samples["length"].tolist() == list(np.array([1, 3, 4, 1])[kept])


def test_whole_steps_in_order_stay_where_they_are_however_many(tmp_path, monkeypatch):
    """Row groups may come in any order, and a batch may have rows of several."""
    monkeypatch.setattr("rdmtools.read.out_of_core.in_order", None)
    monkeypatch.setattr("rdmtools.read.out_of_core.BATCH_ROWS", 1 << 20)
    frame, losses = shuffled()
    frame = frame.sort_values(["step", "sample_id"])
    frame = pd.concat([frame[frame["step"] == step] for step in STEPS[::-1]])
    frame.to_parquet(tmp_path / "run.parquet", index=False, row_group_size=len(IDS))
    np.testing.assert_array_equal(read_run(tmp_path / "run.parquet").losses, losses)


def test_parts_of_several_runs_are_refused(tmp_path):
    for seed in (0, 1):
        shuffled(seed)[0].to_parquet(tmp_path / f"{seed}.parquet", index=False)
    with pytest.raises(FormatError, match=r"several runs in one folder, such as 1\.parquet") as error:
        read_run(tmp_path)
    assert in_memory(lambda: outcome(lambda: read_run(tmp_path))) == str(error.value)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"sample_id": [1, 2]},
            "ids are of type int64 in .*, of type (large_)?string in .*; needed all int",
        ),
        ({"sample_id": ["a", "b"], "attempt": 1}, "1 of 2 parts have a column attempt"),
        ({"sample_id": ["a", "b"], "step": [1.5, 2]}, "column 'step' has 1.5 in row 0; needed whole numbers"),
        ({"sample_id": ["a", "b"], "loss": [1, 2]}, "column 'loss' is of type int64; needed float16"),
        ({"sample_id": []}, "no rows; needed at least one step of losses"),
    ],
)
def test_parts_that_do_not_fit_are_told_in_one_line(columns, message, tmp_path):
    shuffled()[0].to_parquet(tmp_path / "0.parquet", index=False)
    frame = pd.DataFrame({"step": 5, "loss": 0.5} | columns)
    if not len(frame):
        frame = frame.astype({"step": int, "sample_id": str, "loss": float})
    frame.to_parquet(tmp_path / "1.parquet", index=False)
    with pytest.raises(FormatError, match=message) as error:
        read_run(tmp_path)
    assert in_memory(lambda: outcome(lambda: read_run(tmp_path))) == str(error.value)


def test_a_disk_without_room_is_told_before_anything_is_written(tmp_path, scratch_folder, monkeypatch):
    shuffled()[0].to_parquet(tmp_path / "run.parquet", index=False)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=10))
    monkeypatch.setattr("rdmtools.read.scratch.Scratch.append", None)
    with pytest.raises(FormatError) as error:
        read_run(tmp_path / "run.parquet")
    assert str(error.value) == (
        f"{scratch_folder} has 0.0 GB free; needed about 0.0 GB to put the rows in order; free some, or set "
        "TMPDIR to another folder, or put the file in order first (rdmtools convert)"
    )


def test_a_disk_that_fills_is_told_in_one_line(tmp_path, scratch_folder, monkeypatch):
    shuffled()[0].to_parquet(tmp_path / "run.parquet", index=False)

    def full(*_):
        raise OSError(28, "No space left on device")
        yield

    monkeypatch.setattr("rdmtools.read.ranges.Chosen.blocks", full)
    with pytest.raises(FormatError, match=r"scratch cannot be written \(No space left on device\); needed"):
        read_run(tmp_path / "run.parquet")
    scratch_folder.rmdir()
    with pytest.raises(FormatError, match=r"scratch cannot be written \(No such .*\); set TMPDIR to another"):
        read_run(tmp_path / "run.parquet")


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_the_file_goes_with_the_last_that_refers_to_its_losses(tmp_path, scratch_folder):
    def opened():
        targets = [os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
        return sum(str(scratch_folder) in target for target in targets)

    shuffled()[0].to_parquet(tmp_path / "run.parquet", index=False)
    run = read_run(tmp_path / "run.parquet")
    assert opened() == 1
    stored = run.stored
    del run
    gc.collect()
    assert opened() == 1
    del stored
    gc.collect()
    assert opened() == 0


@pytest.mark.parametrize("damage", [lambda found: found[:-100], lambda found: found[:200] + found[210:]])
def test_a_damaged_file_is_told_in_one_line(damage, tmp_path):
    path = tmp_path / "run.parquet"
    pq.write_table(pa.Table.from_pandas(shuffled()[0], preserve_index=False), path, write_page_checksum=True)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(FormatError) as error:
        read_run(path)
    assert "\n" not in str(error.value)
