"""Of a bad run every fault is told, and what is in it but for those."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from helpers.command import rdmtools as command

from rdmtools.format.write_table import write_losses
from rdmtools.read.faults import examined
from rdmtools.run.rules import Rules

ROWS, SAMPLES = 9, 5


def dirty(path):
    """A gap at step 2, a NaN at step 5, and doubles that differ at step 7."""
    losses = np.random.default_rng(0).random((ROWS, SAMPLES))
    losses[5, 1] = np.nan
    columns = {"step": np.repeat(np.arange(ROWS), SAMPLES), "sample_id": np.tile(np.arange(SAMPLES), ROWS)}
    frame = pd.DataFrame(columns | {"loss": losses.ravel()})
    again = frame[(frame.step == 7) & (frame.sample_id == 3)].assign(loss=0.5)
    pd.concat([frame.drop(2 * SAMPLES + 1), again]).to_parquet(path)
    return losses


def test_all_faults_are_told_with_what_is_left(tmp_path):
    losses = dirty(tmp_path / "x.parquet")
    run, faults = examined(tmp_path / "x.parquet", Rules(duplicates="error"))
    said = [str(fault).partition(": ")[2] for fault in faults]
    assert [line.partition(" (first")[0] for line in said] == [
        "1 pair of step and sample without a loss",
        "1 row came twice with different losses",
        "1 loss not finite",
    ]
    assert run.steps.tolist() == [0, 1, 3, 4, 6, 7, 8]
    np.testing.assert_array_equal(run.losses[:, :3], losses[[0, 1, 3, 4, 6, 7, 8], :3])


def test_the_command_tells_them_and_fails(tmp_path):
    dirty(tmp_path / "x.parquet")
    done = command("info", "x.parquet", cwd=tmp_path)
    assert done.returncode == 1
    assert [line.startswith("error: x.parquet: 1 ") for line in done.stderr.splitlines()] == [True, True]
    assert "--missing drop-samples or drop-steps" in done.stderr
    assert "steps 0 to 8" in done.stdout
    done = command("info", "x.parquet", "--json", cwd=tmp_path)
    facts = json.loads(done.stdout)
    assert (done.returncode, facts["rows"], len(facts["faults"])) == (1, 7, 2)
    assert facts["error"] == facts["faults"][0]
    done = command("info", "x.parquet", "--missing", "drop-steps", "--nonfinite", "drop-steps", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_no_rule_mends_is_told_alone_and_every_damaged_row_group(tmp_path):
    path = tmp_path / "x.parquet"
    blocks = [(np.array([step]), np.random.default_rng(step).random((1, 700_000))) for step in range(4)]
    write_losses(path, blocks, range(700_000))
    metadata = pq.ParquetFile(path).metadata
    assert metadata.num_row_groups == 4
    raw = bytearray(path.read_bytes())
    for group in (1, 3):
        raw[metadata.row_group(group).column(2).data_page_offset + 1000] ^= 4
    path.write_bytes(raw)
    run, faults = examined(path, Rules())
    assert run is None
    assert "damaged in row group 1" in str(faults[0])
    assert str(faults[1]).startswith(f"{path}: row groups 1, 3 of 4, counted from 0, do not read; needed all")
    assert len(faults) == 2
