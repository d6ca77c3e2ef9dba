"""What is not read is told in one line that says what to do, and lines that are to be pasted work."""

import json
import pathlib
import sqlite3

import numpy as np
import pandas as pd
import pytest

import rdmtools
from rdmtools.errors import FormatError
from rdmtools.read.formats import told
from rdmtools.read.read import read_run

CURVE = "no per-sample losses, and a mean cannot be taken apart; evaluate a fixed probe set"
LOSSES = np.random.default_rng(0).random((5, 4))


def refused(path):
    """What both ways of reading say."""
    with pytest.raises(FormatError) as error:
        read_run(path)
    with pytest.raises(FormatError) as other:
        rdmtools.convert(path)
    assert str(error.value) == str(other.value)
    assert "\n" not in str(error.value)
    return str(error.value).removeprefix(f"{path} is ")


def written(path, what):
    path.write_text(what if isinstance(what, str) else json.dumps(what))
    return path


@pytest.mark.parametrize("end", [end for ends in told.TOLD for end in ends])
def test_each_form_that_is_known_is_told(end, tmp_path):
    path = tmp_path / f"losses{end}"
    path.write_bytes(b"\x80\x04 whatever")
    line = refused(path)
    assert "{" not in line.replace("{'step': s}", "")
    assert "needed" in line
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("name", ["x.pt", "x.ckpt", "x.pkl", "pytorch_model.bin"])
def test_a_pickle_is_never_opened_and_the_line_that_saves_numbers_works(name, tmp_path, monkeypatch):
    (tmp_path / name).write_bytes(b"cos\nsystem\n(S'touch run'\ntR.")
    line = refused(tmp_path / name)
    assert "which can run code when it is opened: never read here" in line
    monkeypatch.chdir(tmp_path)

    class Tensor:
        def numpy(self):
            return LOSSES

    save = line.partition("where you made them: ")[2].partition("; ")[0]
    exec(save, {"np": np, "losses": Tensor() if ".numpy()" in save else LOSSES})
    with pytest.warns(match="found no steps"):
        exec(line.rpartition("; then ")[2], {"rdm": rdmtools})
    np.testing.assert_array_equal(read_run("losses.parquet").losses, LOSSES)
    assert not (tmp_path / "run").exists()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it closes no connection
def test_the_line_for_a_database_of_trackio_works(tmp_path):
    path = tmp_path / "project.db"
    with sqlite3.connect(path) as base:
        base.execute(
            "create table metrics (id integer primary key, run_name text, step integer, metrics text)"
        )
        for step, row in enumerate(LOSSES.tolist()):
            logged = json.dumps({f"s{sample}": loss for sample, loss in enumerate(row)})
            base.execute("insert into metrics (run_name, step, metrics) values ('RUN', ?, ?)", (step, logged))
    base.close()
    line = refused(path).partition("lines of JSON: ")[2].partition("; then ")
    exec(line[0], {"json": json, "pathlib": pathlib, "sqlite3": sqlite3})
    with pytest.warns(match="read as wide"):
        exec(line[2], {"rdm": rdmtools})
    np.testing.assert_array_equal(read_run(tmp_path / "project.parquet").losses, LOSSES)


def test_the_state_of_a_trainer_holds_no_losses_of_samples(tmp_path):
    state = {"global_step": 20, "log_history": [{"loss": 0.5, "step": 10}, {"eval_loss": 0.4, "step": 20}]}
    line = refused(written(tmp_path / "trainer_state.json", state))
    assert line.startswith(
        "the state of a Hugging Face Trainer, one loss a step for the whole batch (loss, eval_"
    )
    assert CURVE in line


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"loss": [0.5, 0.4], "val_loss": [0.6, 0.5]}, "one JSON object with one loss a step for the whole"),
        (
            {"_step": 9, "train/loss": 0.4},
            "one JSON object with one loss a step for the whole batch (_step, ",
        ),
        ({"lr": 0.1, "layers": [{}]}, "one JSON object (lr, layers); needed losses in lines of JSON"),
        ([{"step": 0}], "one JSON array; needed the name to say so: mv "),
        ('{"step": 0}\n{"step": 1}\n', "lines of JSON or a long array; needed the name to say so: mv "),
        ("[" * 100_000, "JSON that nests too deep"),
        ("{", "damaged, or no JSON; needed losses"),
        ("3", "one JSON value; needed losses"),
        ({}, "one JSON object (none); needed losses"),
    ],
)
def test_json_is_told_for_what_it_is(content, message, tmp_path):
    assert refused(written(tmp_path / "x.json", content)).startswith(message)


def test_a_table_of_pandas_and_lines_under_a_wrong_name_are_read_as_told(tmp_path):
    frame = pd.DataFrame({"step": [0, 0, 1, 1], "sample_id": [0, 1, 0, 1], "loss": [0.5, 0.25, 0.75, 0.125]})
    frame.to_json(tmp_path / "x.json")
    line = refused(tmp_path / "x.json").partition("needed it as .csv: ")[2].partition("; then ")
    exec(line[0], {"pd": pd})
    exec(line[2], {"rdm": rdmtools})
    assert read_run(tmp_path / "x.parquet").losses.tolist() == [[0.5, 0.25], [0.75, 0.125]]
    frame.to_json(tmp_path / "y.json", orient="records", lines=True)
    assert f"mv '{tmp_path / 'y.json'}' '{tmp_path / 'y.jsonl'}'" in refused(tmp_path / "y.json")
    (tmp_path / "y.json").rename(tmp_path / "y.jsonl")
    assert read_run(tmp_path / "y.jsonl").losses.tolist() == [[0.5, 0.25], [0.75, 0.125]]


def test_a_parquet_file_by_another_name_is_still_read(tmp_path):
    frame = pd.DataFrame({"step": [0, 1], "sample_id": [0, 0], "loss": [0.5, 0.25]})
    frame.to_parquet(tmp_path / "x.pq")
    assert read_run(tmp_path / "x.pq").losses.tolist() == [[0.5], [0.25]]


def test_what_lies_in_a_folder_is_named(tmp_path):
    run = tmp_path / "run"
    (run / "data").mkdir(parents=True)
    pd.DataFrame({"step": [0], "sample_id": [0], "loss": [0.5]}).to_parquet(run / "data" / "0.parquet")
    assert refused_line(run) == (
        f"{run} has no *.parquet files in it; found data (Parquet files) in it; pass '{run / 'data'}'"
    )
    (run / "losses.csv").write_text("step,sample_id,loss\n0,0,0.5\n")
    assert refused_line(run) == (
        f"{run} has no *.parquet files in it; found losses.csv (CSV), data (Parquet files) in it; "
        f"pass one of them: '{run / 'losses.csv'}'"
    )
    empty = tmp_path / "empty"
    empty.mkdir()
    assert refused_line(empty) == f"{empty} has no *.parquet files in it; needed the parts of one run"


def refused_line(path):
    with pytest.raises(FormatError) as error:
        read_run(path)
    return str(error.value)
