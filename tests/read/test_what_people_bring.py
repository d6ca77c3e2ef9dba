"""Files as trackers, trainers, data frames and spreadsheets leave them: read rightly, or told in one line."""

import decimal
import re
import shlex
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.command import rdmtools as command

import rdmtools
from rdmtools.errors import FormatError
from rdmtools.read.read import read_run

ROWS, SAMPLES = 12, 5
STEPS = 10 * np.arange(ROWS)
LOSSES = np.random.default_rng(0).gamma(2, 0.3, (ROWS, SAMPLES)).round(6)


def long(steps=STEPS, losses=LOSSES, ids=None):
    rows, samples = losses.shape
    ids = np.arange(samples) if ids is None else ids
    columns = {"step": np.repeat(steps, samples), "sample_id": np.tile(ids, rows)}
    return pd.DataFrame(columns | {"loss": losses.ravel()})


def wide(names=None, losses=LOSSES):
    return pd.DataFrame(losses, columns=names or [f"s{n}" for n in range(losses.shape[1])])


def read(path, **options):
    """The run, and what was said of it in its quality, which is what was warned of."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        run = read_run(path, **options)
    assert [str(each.message) for each in said] == [f"{path}: {each}" for each in run.quality.guesses]
    return run, run.quality.notes()


def converted(path, **options):
    """The run that it becomes, and what was said."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        target = rdmtools.convert(path, path.with_name("converted.parquet"), **options)
    return target, [str(each.message).removeprefix(f"{path}: ") for each in said]


def refused(path, **options):
    with pytest.raises(FormatError) as error:
        read_run(path, **options)
    line = str(error.value)
    assert "\n" not in line
    return line.replace(str(path), path.name)


def same(run, steps=STEPS, losses=LOSSES, ids=None):
    np.testing.assert_array_equal(run.steps, steps)
    np.testing.assert_array_equal(run.losses, losses)
    assert run.samples["sample_id"].tolist() == (list(range(losses.shape[1])) if ids is None else ids)


def text(tmp_path, content, name="x.csv"):
    path = tmp_path / name
    path.write_text(content)
    return path


def test_a_last_line_without_its_end_is_told(tmp_path):
    content = long().to_csv(index=False)
    assert read(text(tmp_path, content))[1] == []
    run, notes = read(text(tmp_path, content[:-1]))
    assert notes == ["the last line has no end: the file may be cut short"]
    same(run)


def test_numbers_in_place_of_names_are_data(tmp_path):
    run, notes = read(text(tmp_path, wide().to_csv(index=False, header=False)))
    same(run, steps=np.arange(ROWS))
    assert notes[-1] == "found no line of names: numbered the columns 0, 1, 2, …"


def test_numbers_that_may_be_steps_and_ids_are_not_guessed_at(tmp_path):
    line = refused(text(tmp_path, long().to_csv(index=False, header=False)))
    assert line == (
        f"x.csv: the first line has numbers and no names (0, 0, {LOSSES[0, 0]}), some of them whole; needed "
        "to know which are steps and ids; add a first line such as step,sample_id,loss"
    )


@pytest.mark.parametrize("name", ["global_step", "_step", "Step", "trainer/global_step", "iteration"])
@pytest.mark.parametrize("end", ["csv", "parquet"])
def test_steps_under_a_usual_name_are_steps_and_never_a_sample(tmp_path, name, end):
    frame = wide()
    frame.insert(0, name, STEPS.astype(float))
    path = tmp_path / f"x.{end}"
    frame.to_csv(path, index=False) if end == "csv" else frame.to_parquet(path)
    if end == "parquet":
        path, notes = converted(path)
        run = read_run(path)
    else:
        run, notes = read(path)
    assert f"took {name!r} for the steps" in notes
    same(run, ids=[f"s{n}" for n in range(SAMPLES)])


def test_what_trackers_write_beside_samples_is_left_out_and_told(tmp_path):
    frame = wide([f"run 1 - loss/{n}" for n in range(SAMPLES)])
    for name in [*frame.columns]:
        frame[f"{name}__MIN"] = frame[f"{name}__MAX"] = frame[name]
    frame.insert(0, "Step", STEPS)
    frame["lr-Adam"], frame["_runtime"], frame["epoch"], frame["train/loss"] = 0.1, 0.5, 0.25, 1.0
    path = tmp_path / "wandb.csv"
    frame.to_csv(path, index=False)
    run, notes = read(path)
    same(run, ids=[f"run 1 - loss/{n}" for n in range(SAMPLES)])
    assert notes[0] == "read as wide, a column for each of 5 samples"
    assert notes[-1].startswith("left out 14 columns: ")


def test_steps_with_a_fraction_under_a_usual_name_are_an_error_and_epochs_are_not(tmp_path):
    for name, whole in (("global_step", True), ("epoch", False)):
        frame = wide()
        frame.insert(0, name, STEPS / 4)
        path = tmp_path / f"{name}.csv"
        frame.to_csv(path, index=False)
        if whole:
            assert "column 'global_step' has 2.5 in row 1; needed whole numbers" in refused(path)
        else:
            run, notes = read(path)
            same(run, steps=np.arange(ROWS), ids=[f"s{n}" for n in range(SAMPLES)])
            assert "left out 'epoch', which has parts of epochs" in notes


@pytest.mark.parametrize("layout", [None, "wide"])
@pytest.mark.parametrize(
    "names", [["train_loss", "val_loss"], ["loss"], ["train/loss", "train/accuracy", "lr"], ["eval loss"]]
)
def test_curves_of_means_are_told_to_be_no_losses_of_samples(tmp_path, names, layout):
    frame = wide(names, LOSSES[:, : len(names)])
    frame.insert(0, "step", STEPS)
    frame.insert(0, "epoch", 0)
    path = tmp_path / "metrics.csv"
    frame.to_csv(path, index=False)
    with pytest.raises(FormatError, match="one loss a step for the whole batch") as error:
        rdmtools.convert(path, layout=layout)
    said = str(error.value)
    assert "no per-sample losses, and a mean cannot be taken apart; evaluate a fixed probe set" in said
    assert "sample_id" not in said
    if layout is None:
        assert "one loss a step for the whole batch" in refused(path)


@pytest.mark.parametrize("end", ["csv", "parquet"])
def test_whole_numbers_kept_as_doubles_are_integers_and_told(tmp_path, end):
    frame = long().astype({"step": float, "sample_id": float})
    path = tmp_path / f"x.{end}"
    frame.to_csv(path, index=False) if end == "csv" else frame.to_parquet(path)
    run, notes = read(path)
    same(run)
    assert len(notes) == 2
    assert all("integers" in note for note in notes)
    frame.loc[7, "step"] = 10.5
    frame.to_csv(path, index=False) if end == "csv" else frame.to_parquet(path)
    assert "10.5" in refused(path)


def test_decimals_as_spark_keeps_them_are_numbers(tmp_path):
    frame = long()
    number = pa.decimal128(20, 6)
    table = pa.table(
        {
            "step": pa.array([decimal.Decimal(int(step)) for step in frame.step], pa.decimal128(10, 0)),
            "sample_id": frame.sample_id.to_numpy(),
            "loss": pa.array([decimal.Decimal(f"{loss:.6f}") for loss in frame.loss], number),
        }
    )
    pq.write_table(table, tmp_path / "x.parquet")
    run, notes = read(tmp_path / "x.parquet")
    same(run)
    assert notes == [
        "read column 'step', whole numbers of type decimal128(10, 0), as integers",
        "read column 'loss' of type decimal128(20, 6) as float64",
    ]


def test_ids_of_two_types_in_two_parts_are_told_with_the_part(tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    long().to_parquet(folder / "part0.parquet")
    long(steps=STEPS + 500, ids=np.array(list("01234"))).to_parquet(folder / "part1.parquet")
    line = refused(folder)
    assert "ids are of type" in line
    assert "in part1.parquet, of type int64 in part0.parquet; needed all integers or all text" in line


@pytest.mark.parametrize("groups", [1, 3])
def test_hashes_and_bytes_are_ids_as_text(tmp_path, groups):
    hashes = [2**63 + 7919 * n for n in range(SAMPLES)]
    frame = long(ids=np.array(hashes, np.uint64))
    frame.to_parquet(tmp_path / "x.parquet", row_group_size=SAMPLES * ROWS // groups)
    run, notes = read(tmp_path / "x.parquet")
    same(run, ids=[str(each) for each in hashes])
    assert notes == ["read column 'sample_id' of type uint64 as text"]
    frame.to_csv(tmp_path / "y.csv", index=False)
    same(read(tmp_path / "y.csv")[0], ids=[str(each) for each in hashes])
    words = [b"s0", b"s1", b"s2", b"s3", "sé".encode()]
    table = pa.Table.from_pandas(long(), preserve_index=False)
    table = table.set_column(1, "sample_id", pa.array(words * ROWS, pa.binary()))
    pq.write_table(table, tmp_path / "z.parquet")
    run, notes = read(tmp_path / "z.parquet")
    same(run, ids=["s0", "s1", "s2", "s3", "sé"])
    assert notes == ["read column 'sample_id' of type binary as text"]
    table = table.set_column(1, "sample_id", pa.array([*words[:4], b"\xff"] * ROWS, pa.binary()))
    pq.write_table(table, tmp_path / "w.parquet")
    assert "column 'sample_id' has bytes that are no UTF-8" in refused(tmp_path / "w.parquet")


def test_a_wide_table_as_parquet_is_sent_to_convert_by_a_line_that_works(tmp_path):
    frame = wide()
    frame.to_parquet(tmp_path / "it's wide.parquet")
    for name in ("info", "analyze"):
        done = command(name, "it's wide.parquet", cwd=tmp_path)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        words = shlex.split(done.stderr.partition("convert it (")[2].partition(")\n")[0])
        assert words[:2] == ["rdmtools", "convert"]
        assert "--columns" not in words
    done = command(*words[1:], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    same(read_run(tmp_path / words[-1]), steps=np.arange(ROWS), ids=[f"s{n}" for n in range(SAMPLES)])


LISTS = [pa.list_(pa.float64()), pa.large_list(pa.float64()), pa.list_(pa.float64(), SAMPLES)]


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_of_losses_a_row_is_read(tmp_path, kind):
    table = pa.table({"step": STEPS, "epoch": STEPS * 0, "losses": pa.array(LOSSES.tolist(), kind)})
    pq.write_table(table, tmp_path / "x.parquet")
    run, notes = read(tmp_path / "x.parquet")
    same(run)
    assert notes == ["read the losses of a step from each list in 'losses'", "left out 1 column: 'epoch'"]
    path, said = converted(tmp_path / "x.parquet")
    same(read_run(path))
    assert said == notes


def test_lists_of_other_lengths_are_refused_unless_their_ids_are_there(tmp_path):
    rows = LOSSES.tolist()
    rows[3] = rows[3][:2]
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"step": STEPS, "losses": rows}), path)
    assert "column 'losses' has 2 values in row 3, 5 in the first; needed as many in each" in refused(path)
    ids = [list("abcde")[: len(row)] for row in rows]
    pq.write_table(pa.table({"step": STEPS, "losses": rows, "sample_ids": ids}), path)
    assert "3 pairs of step and sample without a loss" in refused(path)
    run, _ = read(path, missing="drop-steps")
    same(run, np.delete(STEPS, 3), np.delete(LOSSES, 3, axis=0), ids=list("abcde"))


def test_samples_as_rows_are_read_and_told(tmp_path):
    frame = pd.DataFrame(LOSSES.T, columns=[f"step_{step}" for step in STEPS])
    frame.insert(0, "sample_id", list("edcba"))
    frame.to_csv(tmp_path / "x.csv", index=False)
    run, notes = read(tmp_path / "x.csv")
    same(run, losses=LOSSES[:, ::-1], ids=list("abcde"))
    assert notes == ["read with a row for each sample, a column for each of 12 steps"]
    frame.drop(columns="sample_id").to_parquet(tmp_path / "y.parquet")
    same(read_run(converted(tmp_path / "y.parquet", layout="samples")[0]))


def restarted():
    """Steps 0, 5, ..., 55; then again from 48, in other steps."""
    first, second = 5 * np.arange(12), 48 + 5 * np.arange(12)
    rng = np.random.default_rng(1)
    losses = rng.random((12, SAMPLES)), rng.random((12, SAMPLES))
    return first, second, losses, pd.concat([long(first, losses[0]), long(second, losses[1])])


@pytest.mark.parametrize("end", ["csv", "parquet", "folder"])
def test_steps_that_fall_back_once_are_told_and_superseded_where_asked(tmp_path, end):
    first, second, losses, frame = restarted()
    path = tmp_path / f"x.{end}"
    if end == "csv":
        frame.to_csv(path, index=False)
    elif end == "parquet":
        frame.to_parquet(path)
    else:
        path.mkdir()
        frame[: 12 * SAMPLES].to_parquet(path / "a.parquet")
        frame[12 * SAMPLES :].to_parquet(path / "b.parquet")
    run, notes = read(path)
    assert len(run.steps) == 24
    assert notes == [
        "saw steps fall back 1 time, as where a training starts again; no start supersedes another "
        '(restarts="keep"; "supersede" lets the later ones)'
    ]
    run, notes = read(path, restarts="supersede")
    same(run, [*first[:10], *second], np.vstack([losses[0][:10], losses[1]]))
    assert notes == [f"left out {2 * SAMPLES} rows that a later attempt superseded"]


def test_losses_of_batches_are_told_which_column_makes_them_whole(tmp_path):
    rng = np.random.default_rng(0)
    order = np.concatenate([rng.permutation(12) for _ in range(6)])
    frame = pd.DataFrame(
        {"epoch": np.repeat(np.arange(6), 12), "step": np.arange(72) // 3, "sample_id": order}
    )
    frame["loss"] = rng.random(72)
    for path in (tmp_path / "x.csv", tmp_path / "x.parquet"):
        frame.to_csv(path, index=False) if path.suffix == ".csv" else frame.to_parquet(path)
        for rule in ("error", "drop-steps", "drop-samples"):
            line = refused(path, missing=rule)
            assert 'map columns={"step": "epoch"}' in line
            assert '"drop-steps" or' not in line
            assert "try" not in line
        assert read(path, columns={"step": "epoch"})[0].shape == (6, 12)
    done = command("info", "x.csv", cwd=tmp_path)
    assert "or map --columns step=epoch, with which no loss is missing" in done.stderr


def test_blanks_after_the_commas_belong_to_no_name(tmp_path):
    content = long().to_csv(index=False).replace(",", ", ")
    run, notes = read(text(tmp_path, content))
    same(run)
    assert notes == ["left out the blanks after the delimiters"]


@pytest.mark.parametrize(("mark", "name"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_other_delimiters_and_decimal_commas_are_read(tmp_path, mark, name):
    frame = long()
    run, notes = read(text(tmp_path, frame.to_csv(index=False, sep=mark)))
    same(run)
    assert notes == [f"read fields between {name}"]
    run, notes = read(text(tmp_path, frame.to_csv(index=False, sep=mark, decimal=",")))
    same(run)
    assert notes == [f"read fields between {name}", "read commas as decimal marks"]


def test_names_that_come_again_are_left_out_and_told(tmp_path):
    content = long().to_csv(index=False)
    later = long(steps=STEPS + 500).to_csv(index=False)
    run, notes = read(text(tmp_path, content + later))
    same(run, [*STEPS, *(STEPS + 500)], np.vstack([LOSSES, LOSSES]))
    assert notes == ["left out a line that repeats the names, as where files were joined"]


def test_twenty_thousand_columns_have_a_name_each(tmp_path):
    names = [f"s{n:05}" for n in range(20_000)]
    frame = pd.DataFrame(np.arange(60_000.0).reshape(3, -1) / 7, columns=names)
    frame.insert(0, "step", [1, 2, 3])
    frame.to_csv(tmp_path / "x.csv", index=False)
    same(read(tmp_path / "x.csv")[0], [1, 2, 3], frame[names].to_numpy(), names)


def test_a_glob_stands_for_the_one_run_that_it_matches(tmp_path):
    long().to_parquet(tmp_path / "seed0.parquet")
    assert read_run(tmp_path / "seed*.parquet").name == "seed0"
    long().to_parquet(tmp_path / "seed1.parquet")
    with pytest.raises(rdmtools.ParameterError, match=r"matches 2 runs, .*; needed one; read_runs reads"):
        read_run(tmp_path / "seed*.parquet")


def test_text_of_a_spreadsheet_in_utf_16_is_read(tmp_path):
    long().to_csv(tmp_path / "x.csv", sep="\t", index=False, encoding="utf-16")
    run, notes = read(tmp_path / "x.csv")
    same(run)
    assert notes == ["read fields between tabs", "read as UTF-16"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x1f\x8b\x08 and more", "by its first bytes it is gzipped; .* mv 'a b.csv' 'a b.csv.gz'"),
        (b"PAR1 and more", "by its first bytes it is Parquet; .* mv 'a b.csv' 'a b.parquet'"),
        ("größe,b\n".encode("latin-1"), r"it is no text in UTF-8 \(byte 0xf6\); .* save it again"),
        (b"# a comment\nstep,sample_id,loss\n", "the first line is a comment .* grep -v '\\^#' 'a b.csv' >"),
        (b"step sample_id loss\n0 1 0.5\n", "have blanks alone between them .* sep=r'"),
    ],
)
def test_what_is_no_table_of_text_is_told_by_its_first_line(tmp_path, content, said):
    (tmp_path / "a b.csv").write_bytes(content)
    assert re.search(said, refused(tmp_path / "a b.csv"))
