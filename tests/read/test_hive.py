"""A folder whose folders name a column is one run: its steps come from their names."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.reading import read, refused

import rdmtools
from rdmtools.read.formats import hive
from rdmtools.read.read import read_run

LOSSES = np.random.default_rng(0).random((5, 4))
STEPS = [0, 2, 10, 20, 100]  # in the order of names 0, 10, 100, 2, 20
IDS = [3, 4, 5, 6]


def written(root, folders=None, tables=None):
    """A file in each folder."""
    folders = [f"step={step}" for step in STEPS] if folders is None else folders
    tables = [{"sample_id": IDS, "loss": row} for row in LOSSES] if tables is None else tables
    for folder, table in zip(folders, tables, strict=True):
        (root / folder).mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(table), root / folder / "part-0.parquet")
    return root


def test_steps_come_from_the_names_of_folders(tmp_path):
    run, said = read(written(tmp_path / "run"))
    np.testing.assert_array_equal(run.losses, LOSSES)
    assert (run.name, run.steps.tolist(), run.samples["sample_id"].tolist()) == ("run", STEPS, IDS)
    assert said == ["took step from the names of folders"]


def test_it_is_converted_and_compared_as_any_run(tmp_path):
    source = written(tmp_path / "run")
    with pytest.warns(match="took step from the names of folders"):
        path = rdmtools.convert(source)
    assert path == tmp_path / "run.parquet"
    np.testing.assert_array_equal(read_run(path).losses, LOSSES)


def test_two_levels_are_two_columns(tmp_path):
    folders = [f"epoch={step // 10}/step={step}" for step in STEPS]
    run, said = read(written(tmp_path / "run", folders))
    np.testing.assert_array_equal(run.losses, LOSSES)
    assert said == ["took epoch, step from the names of folders", "left out 1 column: 'epoch'"]


def test_samples_may_lie_in_folders_too(tmp_path):
    root = tmp_path / "run"
    folders = [f"step={step}/shard={shard}" for step in STEPS for shard in "ab"]
    tables = [{"sample_id": IDS[at : at + 2], "loss": row[at : at + 2]} for row in LOSSES for at in (0, 2)]
    np.testing.assert_array_equal(read(written(root, folders, tables))[0].losses, LOSSES)


def test_runs_in_one_folder_are_never_mixed(tmp_path):
    folders = [f"seed={seed}/step={step}" for seed in (1, 2) for step in STEPS]
    tables = [{"sample_id": IDS, "loss": row + seed} for seed in (1, 2) for row in LOSSES]
    root = written(tmp_path / "run", folders, tables)
    assert refused(root) == (
        f"{root}: folders of 2 values of seed ('1', '2') hold the same steps of the same samples; "
        f"needed one run; pass one: '{root}/seed=…'"
    )
    np.testing.assert_array_equal(read(root / "seed=2")[0].losses, LOSSES + 2)


@pytest.mark.parametrize(
    ("key", "columns"), [("global_step", {"step": "global_step"}), ("a%20b", {"step": "a b"})]
)
def test_another_name_is_mapped_and_quoted_signs_are_read(key, columns, tmp_path):
    root = written(tmp_path / "run", [f"{key}={step}" for step in STEPS])
    assert read(root, columns=columns)[0].steps.tolist() == STEPS


def test_values_that_are_no_integers_stay_what_they_are(tmp_path):
    text = written(tmp_path / "text", [f"step=s{step}" for step in STEPS])
    assert "column 'step' is of type string" in refused(text)
    fractions = written(tmp_path / "fractions", [f"step={step}.5" for step in STEPS])
    assert "'step'" in refused(fractions)


def test_what_stands_for_null_is_an_error(tmp_path):
    root = written(tmp_path / "run", ["step=0", "step=__HIVE_DEFAULT_PARTITION__"], [{"loss": [0.5]}] * 2)
    assert "lies in step=__HIVE_DEFAULT_PARTITION__, which stands for null; needed a value" in refused(root)


def test_a_column_of_its_own_must_agree(tmp_path):
    tables = [
        {"step": [step] * 4, "sample_id": IDS, "loss": row} for step, row in zip(STEPS, LOSSES, strict=True)
    ]
    np.testing.assert_array_equal(read(written(tmp_path / "same", tables=tables))[0].losses, LOSSES)
    tables[2]["step"] = [0, 10, 10, 10]
    assert "has a column 'step' with other values than its folder, step=10; needed the same" in refused(
        written(tmp_path / "other", tables=tables)
    )


def test_other_levels_and_damaged_files_are_told(tmp_path):
    root = written(tmp_path / "run")
    file = root / "step=10" / "part-0.parquet"
    raw = file.read_bytes()
    file.write_bytes(raw[:-8])
    assert refused(root).startswith(f"{file} is cut short")
    file.write_bytes(raw)
    deep = written(root, ["step=10/shard=1"], [{"sample_id": [9], "loss": [0.5]}])
    assert "lies in no folder named shard=…; needed the same levels for all" in refused(deep)


def test_a_large_one_is_told_how_to_be_one_table(tmp_path, monkeypatch):
    root = written(tmp_path / "run")
    monkeypatch.setattr(hive, "MOST_BYTES", 100)
    line = refused(root)
    fix = line.partition("write it as one: ")[2].partition("; then read ")
    exec(fix[0], {})
    run, _ = read(fix[2].strip("'"))
    np.testing.assert_array_equal(run.losses, LOSSES)


def test_a_folder_without_parquet_below_is_none(tmp_path):
    (tmp_path / "run" / "step=0").mkdir(parents=True)
    (tmp_path / "run" / "step=0" / "_metadata.parquet").touch()
    assert "has no *.parquet files in it" in refused(tmp_path / "run")
