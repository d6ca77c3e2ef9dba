"""Losses in any form become the run that `Run.from_frame` and `Run.from_arrays` make of them in memory."""

import gzip
import json
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from helpers.command import rdmtools as command
from helpers.command import rdmtools_process as process
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pyarrow import feather

import rdmtools
from rdmtools.errors import FormatError, ParameterError, RdmtoolsWarning
from rdmtools.format.write_table import write_losses
from rdmtools.read.read import read_run
from rdmtools.run.run import Run

ROWS, SAMPLES = 7, 3
STEPS = 10 * np.arange(ROWS) ** 2
LOSSES = np.random.default_rng(0).random((ROWS, SAMPLES))
IDS = [4, 10, 7]


def convert(source, *args, **kwargs):
    """The path of the run, and what was said, without the source's name."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        path = rdmtools.convert(source, *args, **kwargs)
    assert all(each.category is RdmtoolsWarning for each in said)
    return path, [str(each.message).removeprefix(f"{source}: ") for each in said]


def wide(steps=STEPS, ids=IDS, losses=LOSSES):
    return pd.DataFrame(losses, index=pd.Index(steps, name="step"), columns=[str(each) for each in ids])


def long(steps=STEPS, ids=IDS, losses=LOSSES):
    columns = {"step": np.repeat(steps, len(ids)), "sample_id": list(ids) * len(steps)}
    return pd.DataFrame(columns | {"loss": losses.ravel()})


def same(path, run):
    """The file holds `run` to the bit, and tells the same of what was dropped."""
    found = read_run(path)
    order = np.argsort(run.samples["sample_id"].to_numpy())
    assert found.samples["sample_id"].tolist() == run.samples["sample_id"].to_numpy()[order].tolist()
    np.testing.assert_array_equal(found.steps, run.steps)
    np.testing.assert_array_equal(found.losses, run.losses[:, order])
    assert (found.dtype, found.quality) == (run.dtype, replace(run.quality, guesses=()))


def ipc_stream(frame, path):
    table = pa.Table.from_pandas(frame, preserve_index=False)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)


FORMS = {
    "long.csv": lambda s, i, x, path: long(s, i, x).sample(frac=1, random_state=0).to_csv(path, index=False),
    "long.csv.gz": lambda s, i, x, path: long(s, i, x).to_csv(path, index=False),
    "wide.csv": lambda s, i, x, path: wide(s, i, x).to_csv(path),
    "long.tsv": lambda s, i, x, path: long(s, i, x).to_csv(path, sep="\t", index=False),
    "wide.tsv.gz": lambda s, i, x, path: wide(s, i, x).to_csv(path, sep="\t"),
    "index.csv": lambda s, i, x, path: wide(s, i, x).rename_axis(None).to_csv(path),
    "long.feather": lambda s, i, x, path: long(s, i, x)[::-1].reset_index(drop=True).to_feather(path),
    "wide.feather": lambda s, i, x, path: wide(s, i, x).reset_index().to_feather(path),
    "stream.arrow": lambda s, i, x, path: ipc_stream(long(s, i, x), path),
    "file.arrow": lambda s, i, x, path: feather.write_feather(long(s, i, x), str(path), compression="lz4"),
    "long.parquet": lambda s, i, x, path: long(s, i, x)[::-1].to_parquet(path, index=False),
    "wide.parquet": lambda s, i, x, path: wide(s, i, x).reset_index().to_parquet(path),
    "arrays.npz": lambda s, i, x, path: np.savez(path, steps=s, losses=x, ids=np.array(i)),
}


@settings(max_examples=25)  # of thirteen files each
@given(
    losses=hnp.arrays(
        np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=4), elements=st.floats(-1e300, 1e300)
    ),
    data=st.data(),
)
def test_every_form_of_the_same_losses_becomes_the_same_run(losses, data):
    rows, samples = losses.shape
    steps = sorted(data.draw(st.sets(st.integers(-(2**63), 2**63 - 1), min_size=rows, max_size=rows)))
    number, word = st.integers(-(2**63), 2**63 - 1), st.text("abd,\"' é0", min_size=1).filter(str.strip)
    kind = data.draw(st.sampled_from([number, word]))
    ids = data.draw(st.lists(kind, min_size=samples, max_size=samples, unique=True))
    if all(isinstance(each, str) and each.isdigit() for each in ids):
        ids = [f"x{each}" for each in ids]  # text that reads as numbers: a test of its own
    run = Run.from_arrays(np.array(steps), losses, samples=ids)
    with tempfile.TemporaryDirectory() as folder:
        for name, write in FORMS.items():
            source = Path(folder) / name
            write(np.array(steps), ids, losses, source)
            before = source.read_bytes()
            path, _ = convert(source, Path(folder) / "run.parquet", overwrite=True)
            same(path, run)
            assert source.read_bytes() == before


def test_an_array_alone_has_rows_for_steps_and_keeps_its_type(tmp_path):
    np.save(tmp_path / "x.npy", LOSSES.astype(np.float32))
    path, said = convert(tmp_path / "x.npy")
    same(path, Run.from_arrays(np.arange(ROWS), LOSSES.astype(np.float32)))
    assert path == tmp_path / "x.parquet"
    assert said == ["found no steps: numbered the 7 rows 0, 1, 2, …"]


def no_steps(path):
    wide().to_csv(path, index=False)


def unnamed_index(path):
    wide().rename_axis(None).to_csv(path)


WIDE = "read as wide, a column for each of 3 samples"
SAID = {
    "long.csv": (lambda path: long().to_csv(path, index=False), []),
    "more.csv": (
        lambda path: long().assign(lr=0.1, tag="a").to_csv(path, index=False),
        ["left out 2 columns: 'lr', 'tag'"],
    ),
    "more.parquet": (lambda path: long().assign(lr=0.1).to_parquet(path), ["left out 1 column: 'lr'"]),
    "wide.csv": (lambda path: wide().to_csv(path), [WIDE]),
    "index.csv": (unnamed_index, [WIDE, "took the first column, which has no name, for the steps"]),
    "none.csv": (no_steps, [WIDE, "found no steps: numbered the 7 rows 0, 1, 2, …"]),
    "usual.npz": (
        lambda path: np.savez(path, nll=LOSSES, epoch=STEPS, lr=1.0),
        ["took array 'nll' for the losses", "took array 'epoch' for the steps", "left out 1 array: 'lr'"],
    ),
    "ours.npz": (lambda path: np.savez(path, loss=LOSSES, step=STEPS, sample_id=IDS), []),
    "one.npz": (
        lambda path: np.savez(path, LOSSES),
        ["found no steps: numbered the 7 rows 0, 1, 2, …", "took array 'arr_0' for the losses"],
    ),
}


@pytest.mark.parametrize("name", SAID)
def test_what_was_guessed_or_left_out_is_said(name, tmp_path):
    write, expected = SAID[name]
    write(tmp_path / name)
    assert convert(tmp_path / name, tmp_path / "run.parquet")[1] == expected


def test_a_layout_that_is_given_is_not_guessed(tmp_path):
    source = tmp_path / "x.csv"
    (100 * wide()).round().astype(int).to_csv(source)  # integers, which might be ids
    with pytest.raises(FormatError, match=r'convert it with layout="wide"'):
        convert(source)
    path, said = convert(source, layout="wide")
    same(path, Run.from_arrays(STEPS, (100 * LOSSES).round(), samples=IDS))
    assert said == []


def test_names_are_mapped_in_every_form(tmp_path):
    names = {"step": "global_step", "sample_id": "idx", "loss": "nll"}
    run = Run.from_arrays(STEPS, LOSSES, samples=IDS)
    renamed = long().rename(columns=names)
    renamed.to_csv(tmp_path / "a.csv", index=False)
    renamed.to_feather(tmp_path / "b.feather")
    renamed.to_parquet(tmp_path / "c.parquet")
    np.savez(tmp_path / "d.npz", global_step=STEPS, idx=IDS, nll=LOSSES, loss=0 * LOSSES)
    for name in ("a.csv", "b.feather", "c.parquet", "d.npz"):
        path, _ = convert(tmp_path / name, tmp_path / "run.parquet", columns=names, overwrite=True)
        same(path, run)
    wide().rename_axis("global_step").to_csv(tmp_path / "e.csv")
    path, _ = convert(tmp_path / "e.csv", columns={"step": "global_step"})
    same(path, run)


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        (["10", "9", "-3"], [-3, 9, 10]),
        (["007", "7", "10"], ["007", "10", "7"]),
        (["1", "2", "2b"], ["1", "2", "2b"]),
        (["1", "2", "9223372036854775808"], ["1", "2", "9223372036854775808"]),
        (["1.0", "NA", "nan"], ["1.0", "NA", "nan"]),
    ],
)
def test_ids_in_csv_are_integers_where_all_are_written_so(words, ids, tmp_path):
    long(ids=words).to_csv(tmp_path / "long.csv", index=False)
    wide(ids=words).to_csv(tmp_path / "wide.csv")
    for name in ("long.csv", "wide.csv"):
        path, _ = convert(tmp_path / name)
        assert read_run(path).samples["sample_id"].tolist() == ids


def with_gap(frame):
    return frame.drop(index=4)


def with_nan(frame):
    return frame.assign(loss=frame["loss"].where(frame.index != 5).where(frame.index != 7, np.inf))


def with_doubles(frame):
    return pd.concat([frame, frame.iloc[[2, 6]].assign(loss=[0.5, frame["loss"][6]])])


def with_attempts(frame):
    again = frame[frame["step"] >= STEPS[4]].assign(attempt=1)
    return pd.concat([frame.assign(attempt=0), again.assign(loss=again["loss"] / 2)])


DIRT = [
    (with_gap, {"missing": "drop-samples"}),
    (with_gap, {"missing": "drop-steps"}),
    (with_nan, {"nonfinite": "drop-steps"}),
    (with_doubles, {}),
    (with_attempts, {}),
]


@pytest.mark.parametrize("suffix", ["csv", "feather", "parquet"])
@pytest.mark.parametrize(("change", "rules"), DIRT)
def test_the_readers_rules_hold_and_the_file_counts_what_they_did(change, rules, suffix, tmp_path):
    frame = change(long()).reset_index(drop=True)
    run = Run.from_frame(frame, **rules)
    assert run.quality.notes()
    source = tmp_path / f"dirty.{suffix}"
    {"csv": lambda path: frame.to_csv(path, index=False)}.get(suffix, getattr(frame, f"to_{suffix}", None))(
        source
    )
    path, said = convert(source, tmp_path / "run.parquet", **rules)
    same(path, run)
    assert said == []


@pytest.mark.parametrize(
    ("change", "rules"), [(with_gap, {}), (with_nan, {}), (with_doubles, {"duplicates": "error"})]
)
def test_what_the_rules_refuse_is_told_as_of_a_table_in_memory(change, rules, tmp_path):
    frame = change(long())
    frame.to_csv(tmp_path / "dirty.csv", index=False)
    with pytest.raises(ParameterError) as expected:
        Run.from_frame(frame, **rules)
    with pytest.raises(FormatError) as found:
        convert(tmp_path / "dirty.csv", **rules)
    assert str(found.value) == f"{tmp_path / 'dirty.csv'}: {expected.value}"
    assert [path.name for path in tmp_path.iterdir()] == ["dirty.csv"]


@pytest.mark.parametrize("name", ["x.csv", "x.npz"])
def test_steps_that_fall_or_come_again_in_wide_losses_are_those_of_a_tidy_table(name, tmp_path):
    steps = np.array([0, 10, 20, 10, 40, 30, 50])
    if name == "x.npz":
        np.savez(tmp_path / name, step=steps, loss=LOSSES)
    else:
        wide(steps, range(SAMPLES)).to_csv(tmp_path / name)
    path, _ = convert(tmp_path / name)
    same(path, Run.from_frame(long(steps, range(SAMPLES))))


def npz(**arrays):
    return lambda path: np.savez(path, **arrays)


def npy(array):
    return lambda path: np.save(path, array, allow_pickle=True)


def text(words):
    return lambda path: path.write_text(words)


def content(raw):
    return lambda path: path.write_bytes(raw)


WRONG = [
    ("x.csv", text(""), "Empty CSV file; needed one line of names"),
    ("x.csv", text("step,sample_id,loss\n"), "no rows; needed at least one step of losses"),
    ("x.csv", text("step,sample_id,loss\n1.5,a,1.0\n"), "value '1.5'; needed .* whole steps"),
    ("x.csv", text("step,sample_id,loss\n1,a,oops\n"), "value 'oops'; needed .* numbers"),
    ("x.csv", text("step,sample_id,loss\n1,a\n"), "Expected 3 columns, got 2.*; needed .* lines as long"),
    ("x.csv", text("step,sample_id,loss\n1,,0.5\n"), "'sample_id' is empty in some rows; needed an id"),
    ("x.csv", text("step,sample_id,loss\n,a,0.5\n"), "column 'step' has 1 null; needed an integer"),
    ("x.csv", text("step,idx,nll\n1,2,0.5\n"), 'no column .*"sample_id": "idx", "loss": "nll".*layout='),
    ("x.csv", text("step,sample_id,nll\n1,2,0.5\n"), r"no column 'loss'; .*{\"loss\": \"nll\"}$"),
    ("x.csv", text("step,a,a\n1,2.0,0.5\n"), "sample_id 'a' more than once"),
    ("x.csv", text("step,a,b\n1,2.0,\n"), r"1 loss not finite \(first: step 1, sample 'b'\)"),
    ("x.csv.gz", content(gzip.compress(b"step,sample_id,loss\n" * 99)[:-9]), "read .*needed a whole file"),
    ("x.arrow", text("step,sample_id,loss\n"), "cannot be read .*needed a whole file"),
    ("x.feather", content(b"ARROW1 and no more"), "cannot be read .*needed a whole file"),
    ("x.npy", text("no array"), "cannot be read .*needed a whole file"),
    ("x.npy", npy(np.array([["a", 1]], dtype=object)), "holds Python objects, a pickle, .*: never read here"),
    ("x.npy", npy(np.ones((2, 3), int)), "losses are of type int64; needed float16, float32 or float64"),
    ("x.npy", npy(np.ones(5)), r"losses have shape \(5,\); needed \(rows, samples\)"),
    ("x.npy", npy(np.float64(5)), r"losses have shape \(\); needed \(rows, samples\)"),
    ("x.npz", npz(a=LOSSES, b=LOSSES), "no array 'loss'; found 'a', 'b'; map with columns="),
    ("x.npz", npz(loss=LOSSES, step=STEPS[:-1]), r"steps have shape \(6,\); needed \(7,\)"),
    ("x.npz", npz(loss=LOSSES, step=STEPS / 3), "steps are of type float64; needed integers"),
    ("x.npz", npz(loss=LOSSES, ids=[1, 2]), "samples has 2 rows, the losses have 3 columns"),
    ("x.npz", content(b"PK\x03\x04 and no more"), "cannot be read .*needed a whole file"),
    ("x.parquet", text("step,sample_id,loss\n"), "needed a Parquet file"),
    ("x.txt", text("step\tloss\n"), "does not tell its form; needed losses as .csv, .*; rename it"),
    ("x.csv", lambda path: None, "no file .*x.csv; needed losses as .csv, .*; check the path"),
    ("x", Path.mkdir, "has no \\*.parquet files in it"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "write", "message"), WRONG)
def test_a_source_that_makes_no_run_is_told_in_one_line(name, write, message, tmp_path):
    write(tmp_path / name)
    before = list(tmp_path.iterdir())
    with pytest.raises(FormatError, match=message) as error:
        convert(tmp_path / name, tmp_path / "run.parquet")
    assert str(tmp_path / name) in str(error.value)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == before


def test_a_target_is_replaced_only_when_asked_and_never_where_it_would_harm(tmp_path):
    source, target = tmp_path / "x.csv", tmp_path / "x.parquet"
    long().to_csv(source, index=False)
    write_losses(target, [(np.array([1]), np.ones((1, 2)))], [0, 1])
    before = target.read_bytes()
    with pytest.raises(ParameterError, match="already exists; pass overwrite=True"):
        convert(source)
    assert target.read_bytes() == before
    same(convert(source, overwrite=True)[0], Run.from_frame(long()))
    with pytest.raises(ParameterError, match="is the source, which is never changed"):
        convert(target, overwrite=True)
    for wrong in (tmp_path / "run.csv", tmp_path):
        with pytest.raises(ParameterError, match=r"needed a file name such as 'run\.parquet'"):
            convert(source, wrong)
    with pytest.raises(FormatError, match=r"cannot be written .*; choose another place"):
        convert(source, tmp_path / "nowhere" / "run.parquet")
    log = rdmtools.ProbeLogger(tmp_path / "live.parquet")
    log(0, [1.0])
    with pytest.raises(ParameterError, match="rows that a logger left"):
        convert(source, tmp_path / "live.parquet", overwrite=True)
    log.close()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"layout": "tall"}, "layout is 'tall'; needed one of long, wide"),
        ({"columns": {"stop": "x"}}, "columns maps 'stop'"),
        ({"missing": "guess"}, "missing is 'guess'; choose one of"),
    ],
)
def test_wrong_arguments_are_told_before_anything_is_read(wrong, message, tmp_path):
    with pytest.raises(ParameterError, match=message):
        convert(tmp_path / "absent.csv", **wrong)


def test_a_run_of_ours_keeps_what_its_file_says_and_its_companion_stays(tmp_path):
    source = tmp_path / "old.parquet"
    about = {
        "name": "old",
        "unit": "bits",
        "metadata": {"lr": 0.1},
        "superseded_rows": 3,
        "refused": {"step": 2},
    }
    write_losses(source, [(STEPS, LOSSES)], IDS, dtype="float64", about=about)
    (tmp_path / "old.rdm").mkdir()
    pd.DataFrame({"sample_id": [*IDS, 99], "group": list("aabb")}).to_parquet(
        tmp_path / "old.rdm" / "samples.parquet"
    )
    path, said = convert(source, tmp_path / "new.parquet")
    run = read_run(path)
    assert (run.unit, run.metadata, run.name) == ("bits", {"lr": 0.1}, "new")
    assert (run.quality.superseded_rows, run.quality.refused, run.quality.unused_samples) == (3, 2, 0)
    assert said == [f"left samples.parquet in {tmp_path / 'old.rdm'}; copy what belongs to the new run"]


def test_a_restarted_training_may_go_on_with_a_converted_run(tmp_path):
    np.savez(tmp_path / "x.npz", loss=LOSSES, step=STEPS)
    path, _ = convert(tmp_path / "x.npz")
    with rdmtools.ProbeLogger(path, resume=True, dtype="float64") as log:
        log(STEPS[-1] + 10, LOSSES[0])
    np.testing.assert_array_equal(read_run(path).losses, np.vstack([LOSSES, LOSSES[0]]))


@pytest.mark.parametrize("name", [name for name in FORMS if not name.endswith("parquet")])
def test_a_small_file_in_any_form_reads_as_the_run_that_it_converts_to(name, tmp_path):
    source = tmp_path / name
    FORMS[name](STEPS, IDS, LOSSES, source)
    path, notes = convert(source, tmp_path / "run.parquet")
    converted = read_run(path)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        run = read_run(source)
    same(path, run)
    assert run.samples.equals(converted.samples)
    assert (run.name, run.source) == (name.partition(".")[0], source)
    assert [str(each.message) for each in said] == [f"{source}: {note}" for note in notes]


def test_what_lies_in_the_companion_folder_belongs_to_a_file_in_any_form(tmp_path):
    long().to_csv(tmp_path / "x.csv", index=False)
    (tmp_path / "x.rdm").mkdir()
    groups = pd.DataFrame({"sample_id": [10, 4, 7, 9], "group": ["b", "a", "a", "c"]})
    groups.to_parquet(tmp_path / "x.rdm" / "samples.parquet")
    pd.DataFrame({"step": [0, 10], "lr": [0.1, 0.2]}).to_parquet(tmp_path / "x.rdm" / "scalars.parquet")
    run = read_run(tmp_path / "x.csv")
    assert run.samples["group"].tolist() == ["a", "a", "b"]
    assert run.scalars["lr"].tolist() == [0.1, 0.2]
    assert run.quality.unused_samples == 1
    with pytest.raises(FormatError, match="no column 'colour' to group by; found group"):
        read_run(tmp_path / "x.csv", group_by="colour")


def test_a_large_file_in_another_form_is_told_to_be_converted_first(tmp_path, monkeypatch):
    long().to_csv(tmp_path / "x.csv", index=False)
    monkeypatch.setattr("rdmtools.read.formats.LARGE_BYTES", 100)
    with pytest.raises(FormatError, match=r"x\.csv has 0\.0 GB; needed .* \(rdmtools convert .*x\.csv\)"):
        read_run(tmp_path / "x.csv")
    convert(tmp_path / "x.csv")


def test_a_file_in_another_form_that_is_not_there_is_told_as_one(tmp_path):
    with pytest.raises(FormatError, match=r"no file .*x\.csv; needed losses as \.csv"):
        read_run(tmp_path / "x.csv")


def on_the_command_line(*words, cwd, run=command):
    done = run(*words, cwd=cwd)
    return done.returncode, done.stdout, done.stderr


def rising(rows=120, samples=5):
    rng = np.random.default_rng(0)
    losses = 1 + 0.001 * rng.standard_normal((rows, samples))
    losses[60:] += np.linspace(0, 1, rows - 60)[:, None]
    return wide(10 * np.arange(rows), range(samples), losses)


def test_convert_tells_what_it_wrote_and_what_it_guessed(tmp_path):
    rising().to_csv(tmp_path / "x.csv")
    assert on_the_command_line("convert", "x.csv", cwd=tmp_path, run=process) == (
        0,
        "x.parquet: 120 rows × 5 samples, steps 0 to 1190\n",
        "note: read as wide, a column for each of 5 samples\n",
    )
    code, told, noted = on_the_command_line("convert", "x.csv", cwd=tmp_path)
    assert (code, told) == (2, "")
    assert noted == "error: x.parquet already exists; pass --overwrite, or choose another with --out …\n"
    code, told, noted = on_the_command_line("convert", "x.csv", "--overwrite", "--json", cwd=tmp_path)
    assert (code, noted) == (0, "")
    assert json.loads(told) == {
        "run": "x",
        "path": "x.parquet",
        "rows": 120,
        "samples": 5,
        "notes": ["read as wide, a column for each of 5 samples"],
    }
    code, told, noted = on_the_command_line("convert", "y.csv", cwd=tmp_path)
    assert (code, told, noted.count("\n")) == (1, "", 1)


def test_analyze_info_and_compare_take_small_files_in_any_form(tmp_path):
    rising().to_csv(tmp_path / "x.csv")
    np.save(tmp_path / "y.npy", rising().to_numpy())
    said = "read as wide, a column for each of 5 samples"
    code, told, noted = on_the_command_line("analyze", "x.csv", "--no-report", cwd=tmp_path)
    assert (code, noted) == (0, "")
    assert f"note: {said}\n" in told
    assert "120 rows × 5 samples, steps 0 to 1,190" in told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.csv", "x.rdm", "y.npy"]
    events = pd.read_parquet(tmp_path / "x.rdm" / "analysis" / "events.parquet")
    assert len(events) == 1
    assert events["alarm_step"][0] >= 600
    code, told, noted = on_the_command_line("info", "x.csv", "--json", cwd=tmp_path)
    assert (code, noted, json.loads(told)["source"]) == (0, "", "x.csv")
    assert json.loads(told)["notes"] == [said]
    code, told, noted = on_the_command_line("compare", "x.csv", "y.npy", "--json", cwd=tmp_path)
    steps = "note: y.npy: found no steps: numbered the 120 rows 0, 1, 2, …\n"
    assert (code, noted) == (0, f"note: x.csv: {said}\n{steps}")
    assert [json.loads(line)["run"] for line in told.splitlines()] == ["x", "y"]
    convert(tmp_path / "x.csv")
    code, told, noted = on_the_command_line("analyze", "x.csv", "x.parquet", cwd=tmp_path)
    assert (code, told) == (2, "")
    assert "x.csv and x.parquet have one folder for results, x.rdm; needed one each" in noted


def dynamics(folder, epochs):
    """A folder of training dynamics, a list of records for each epoch."""
    folder.mkdir()
    for epoch, records in epochs.items():
        lines = [json.dumps(each) + "\n" for each in records]
        (folder / f"dynamics_epoch_{epoch}.jsonl").write_text("".join(lines))


def record(epoch, guid, logits, gold):
    return {"guid": guid, f"logits_epoch_{epoch}": logits, "gold": gold}


def test_losses_of_training_dynamics_are_cross_entropies_of_the_gold_labels(tmp_path):
    """Two classes: log(1 + exp(other - gold)). Three that are equal: log 3. Large logits do not overflow."""
    epochs = {
        10: [record(10, "b", [0.0, 1000.0], 0), record(10, "a", [1000.0, 0.0], 0)],
        2: [record(2, "a", [0.5, -0.25], 1), record(2, "b", [40.0, 0.0], 0)],
    }
    dynamics(tmp_path / "training_dynamics", epochs)
    path, said = convert(tmp_path / "training_dynamics")
    run = read_run(path)
    assert (path, said) == (tmp_path / "training_dynamics.parquet", [])
    assert (run.steps.tolist(), run.samples["sample_id"].tolist()) == ([2, 10], ["a", "b"])
    expected = [[np.log1p(np.exp(0.75)), np.log1p(np.exp(-40))], [0, 1000]]
    np.testing.assert_allclose(run.losses, expected, rtol=1e-15)
    dynamics(tmp_path / "three", {0: [record(0, 7, [5.0, 5.0, 5.0], 2)]})
    np.testing.assert_allclose(read_run(convert(tmp_path / "three")[0]).losses, [[np.log(3)]])


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"guid": 2, "gold": 0}, "line 2 has no logits_epoch_0; needed guid, logits_epoch_0, gold"),
        ([1, 2], "line 2 has no guid, logits_epoch_0, gold"),
        (record(0, 2.5, [0.0, 1.0], 0), "line 2 has guid 2.5; needed an integer or a string"),
        (record(0, 2, [1.0], 0), "line 2 has logits_epoch_0 .*; needed a list of at least two numbers"),
        (record(0, 2, ["x", "y"], 0), "line 2 has logits_epoch_0 .*; needed a list of at least two numbers"),
        (record(0, 2, [0.0, 1.0], 2), "line 2 has gold 2; needed a class from 0 to 1"),
        (
            record(0, "2", [0.0, 1.0], 0),
            "line 2 has 2 logits and a guid of type str, the first .* int",
        ),
        (record(0, 2, [0.0, 1.0, 2.0], 0), "line 2 has 3 logits .*; needed the same in every line"),
    ],
)
def test_a_wrong_line_of_training_dynamics_is_told_by_its_number(second, message, tmp_path):
    dynamics(tmp_path / "x", {0: [record(0, 1, [0.0, 1.0], 1), second]})
    with pytest.raises(FormatError, match=rf"dynamics_epoch_0\.jsonl {message}"):
        convert(tmp_path / "x")


def test_training_dynamics_that_end_in_the_middle_of_a_line_are_told_so(tmp_path):
    dynamics(tmp_path / "x", {0: [record(0, 1, [0.0, 1.0], 1)], 1: []})
    with pytest.raises(FormatError, match=r"dynamics_epoch_1\.jsonl is empty; needed a line for each sample"):
        convert(tmp_path / "x")
    (tmp_path / "x" / "dynamics_epoch_1.jsonl").write_text('{"guid": 1, "logi')
    with pytest.raises(FormatError, match=r"dynamics_epoch_1\.jsonl line 1 is not JSON .*; write"):
        convert(tmp_path / "x")
