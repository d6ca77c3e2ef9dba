"""Lines of JSON, long, a row a step or by name of the sample, become a run; what is wrong is named."""

import gzip
import json
import warnings
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rdmtools
from rdmtools.errors import FormatError
from rdmtools.read import formats
from rdmtools.read.formats import json_lines, json_text, unfolded

RNG = np.random.default_rng(0)
LOSSES = RNG.random((7, 5))
STEPS = [0, 10, 20, 30, 40, 50, 60]


def long(ids=range(5)):
    return [
        {"step": step, "sample_id": sample, "loss": loss}
        for step, row in zip(STEPS, LOSSES.tolist(), strict=True)
        for sample, loss in zip(ids, row, strict=True)
    ]


def written(path, records, end="\n"):
    text = "\n".join(map(json.dumps, records)) + end
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wt", encoding="utf-8") as file:
        file.write(text)
    return path


def read(path, **options):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        run = rdmtools.read_run(path, **options)
    return run, [str(each.message).removeprefix(f"{path}: ") for each in said]


def refused(path, text, **options):
    if text is not None:
        path.write_text(text)
    with pytest.raises(FormatError) as error:
        read(path, **options)
    assert "\n" not in str(error.value)
    return str(error.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz"])
@pytest.mark.parametrize("end", ["\n", "", "\n\n  \n"])
def test_long_lines_are_read(suffix, end, tmp_path):
    run, said = read(written(tmp_path / f"run{suffix}", long(), end))
    np.testing.assert_array_equal(run.losses, LOSSES)
    assert (run.name, run.steps.tolist(), said) == ("run", STEPS, [])
    assert run.samples["sample_id"].tolist() == [0, 1, 2, 3, 4]
    assert run.dtype == np.float64


@pytest.mark.parametrize("form", ["one line", "many lines", "with a mark"])
def test_one_array_of_objects_is_read_as_its_lines(form, tmp_path):
    text = json.dumps(long(), indent=None if form == "one line" else 2)
    (tmp_path / "x.jsonl").write_text(text, encoding="utf-8-sig" if form == "with a mark" else "utf-8")
    np.testing.assert_array_equal(read(tmp_path / "x.jsonl")[0].losses, LOSSES)


def test_losses_by_the_names_of_samples_are_read(tmp_path):
    rows = [
        {
            "step": step,
            "per_sample_loss": {str(7 - sample): loss for sample, loss in enumerate(row)},
            "lr": 0.1,
        }
        for step, row in zip(STEPS, LOSSES.tolist(), strict=True)
    ]
    run, said = read(written(tmp_path / "x.jsonl", rows))
    np.testing.assert_array_equal(run.losses, LOSSES[:, ::-1])
    assert run.samples["sample_id"].tolist() == [3, 4, 5, 6, 7]
    assert said == ["left out 1 column: 'lr'"]


@pytest.mark.parametrize("rows", [json_text.LINES, 3])
def test_what_is_read_does_not_depend_on_how_many_lines_at_a_time(rows, tmp_path, monkeypatch):
    monkeypatch.setattr(json_text, "LINES", rows)
    path = written(tmp_path / "x.jsonl", long(["b", "a", "c", "e", "d"]))
    np.testing.assert_array_equal(read(path)[0].losses, LOSSES[:, [1, 0, 2, 4, 3]])
    whole = [{**record, "loss": int(record["loss"] * 3)} for record in long()[:20]] + long()[20:]
    run, _ = read(written(tmp_path / "y.jsonl", whole))
    np.testing.assert_array_equal(run.losses[:4], np.floor(LOSSES[:4] * 3))
    np.testing.assert_array_equal(run.losses[4:], LOSSES[4:])


def test_the_table_has_the_types_found(tmp_path):
    records = [
        {"step": 0, "losses": [0.5, 1], "ids": [1, 2], "name": "a", "fine": True, "late": None, "x": 2.0},
        {"step": 10, "losses": [1, None], "ids": [3, 4], "name": None, "more": {"a": 1}, "late": 3, "x": 1},
    ]
    path = written(tmp_path / "x.jsonl", records)
    shape = json_lines._Shape(path=path, columns={})
    table = shape.joined([shape.table(chunk) for chunk in json_text.chunks(path)])
    assert {field.name: str(field.type) for field in table.schema} == {
        "step": "int64",
        "losses": "list<item: double>",
        "ids": "list<item: int64>",
        "name": "string",
        "fine": "bool",
        "late": "int64",
        "x": "double",
    }
    assert table.column("losses").to_pylist() == [[0.5, 1.0], [1.0, None]]
    assert shape.odd == {"more"}


def test_a_list_of_losses_a_step_is_read(tmp_path):
    rows = [{"step": step, "losses": row} for step, row in zip(STEPS, LOSSES.tolist(), strict=True)]
    run, _ = read(written(tmp_path / "x.jsonl", rows))
    np.testing.assert_array_equal(run.losses, LOSSES)
    assert run.samples["sample_id"].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("word", ["NaN", '"NaN"', "Infinity", '"-Infinity"', "1e999", "null"])
def test_losses_that_are_not_finite_are_told(word, tmp_path):
    text = "".join(json.dumps(record) + "\n" for record in long())
    text = text.replace(json.dumps(LOSSES[2, 3]), word)
    assert refused(tmp_path / "x.jsonl", text).startswith("1 loss not finite (first: step 20, sample 3)")
    run, _ = read(tmp_path / "x.jsonl", nonfinite="drop-steps")
    assert run.steps.tolist() == [0, 10, 30, 40, 50, 60]


LINE = '{"step": 0, "sample_id": 0, "loss": 0.5}\n'
WRONG = [
    ("", "no lines; needed an object a line"),
    (" \n\n", "no lines; needed an object a line"),
    (LINE + '{"step": 0, "sample_id": 1, "lo', "line 2 is cut short: the file ends within it"),
    (LINE + '{"step": 0, "sample_id": 1, "lo\n', "line 2 is not JSON (Invalid control character"),
    ("\n" + LINE + "[1, 2]\n", "line 3 is no object but [1, 2]; needed an object a line"),
    ("[0, 1, 0.5]\n[0, 2, 0.5]\n", "line 1 is no object but [0, 1, 0.5]"),
    ("[[0, 1, 0.5]]\n", "item 1 is no object but [0, 1, 0.5]"),
    ('[{"step": 0},\n {"step": 1}', "the array has no end after item 2"),
    ('[{"step": 0},\n {"step": ', "item 2 of the array is not JSON"),
    ("[" * 100_000, "item 1 nests too deep"),
    ('{"a":' * 100_000 + "\n", "line 1 nests too deep"),
    ("1" * 5000 + "\n", "line 1 is not JSON (Exceeds the limit"),
    ('{"step": 0, "loss": 1.5, "loss": 0.5}\n', "line 1 is not JSON (the name 'loss' twice in it)"),
    (LINE + LINE.replace('_id": 0', '_id": "a"'), 'line 2 has sample_id "a", line 1 has sample_id 0; needed'),
    (LINE.replace("0.5", "true"), "column 'loss' is of type bool"),
    (LINE.replace("0.5", '"low"'), "column 'loss' is of type string"),
    ('{"step": 0, "sample_id": "\\ud800", "loss": 0.5}\n', "between line 1 and 1 is text that no UTF-8"),
    (LINE + LINE.replace("0.5", "9" * 400), "between line 1 and 2 is a number that no double"),
    ('{"step": 0, "losses": {"train": 0.5, "val": 1}}\n', "one loss a step for the whole batch (losses/tr"),
    ('{"step": 0, "losses": {"a": 0.5, "b": 1, "c": "x"}}\n', 'line 1 has loss "x", line 1 has loss 0.5'),
    ('{"guid": 1, "logits_epoch_0": [1.0, 2.0], "gold": 0}\n', "is one epoch of training dynamics; needed"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_what_is_wrong_is_told_in_one_line(text, message, tmp_path):
    assert message in refused(tmp_path / "x.jsonl", text)
    with pytest.raises(FormatError):
        rdmtools.convert(tmp_path / "x.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["x.jsonl"]


def test_other_encodings_are_told(tmp_path):
    (tmp_path / "x.jsonl").write_bytes(LINE.encode("utf-16"))
    assert refused(tmp_path / "x.jsonl", None).startswith("the text is UTF-16; needed UTF-8")
    (tmp_path / "x.jsonl").write_bytes(LINE.replace("0.5", '"é"').encode("latin-1"))
    assert refused(tmp_path / "x.jsonl", None).startswith("line 1 is not JSON ('utf-8' codec can't decode")
    (tmp_path / "x.jsonl.gz").write_bytes(gzip.compress(LINE.encode() * 100)[:40])
    assert "cannot be read (Compressed file ended" in refused(tmp_path / "x.jsonl.gz", None)


def test_ids_beyond_64_bits_are_read_as_text(tmp_path):
    ids = [2**63 + sample for sample in range(5)]
    run, _ = read(written(tmp_path / "x.jsonl", long(ids)))
    assert run.samples["sample_id"].tolist() == [str(sample) for sample in ids]
    np.testing.assert_array_equal(run.losses, LOSSES)


def test_fields_of_several_kinds_or_of_objects_are_left_out_and_told(tmp_path):
    records = [{**record, "note": index if index % 2 else "a", "config": {"lr": 0.1}, "tags": ["a"]}
               for index, record in enumerate(long())]  # fmt: skip
    run, said = read(written(tmp_path / "x.jsonl", records))
    np.testing.assert_array_equal(run.losses, LOSSES)
    assert said == ["left out 3 fields: 'config', 'note', 'tags'"]


def test_a_file_that_unfolds_out_of_proportion_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(unfolded, "MOST_BYTES", 10_000)
    (tmp_path / "x.jsonl.gz").write_bytes(gzip.compress(LINE.encode() * 10_000))
    assert "unfolds to more than" in refused(tmp_path / "x.jsonl.gz", None)
    assert "unpack it first (gunzip -k " in refused(tmp_path / "x.jsonl.gz", None)


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
@pytest.mark.parametrize("ids", [range(5), ["b", "a", "c", "e", "d"]])
def test_a_large_one_is_put_in_order_on_disk(suffix, ids, tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "LARGE_BYTES", 100)
    monkeypatch.setattr(json_text, "LINES", 3)
    records = long(ids)
    order = RNG.permutation(len(records))
    path = written(tmp_path / f"x{suffix}", [{**records[row], "epoch": 1} for row in order])
    with pytest.raises(FormatError, match="of this form; convert it first"):
        rdmtools.read_run(path)
    with pytest.warns(match="left out 1 column: 'epoch'"):
        run = rdmtools.read_run(rdmtools.convert(path))
    np.testing.assert_array_equal(run.losses, LOSSES[:, np.argsort([*ids])])


def test_a_large_one_whose_lines_change_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "LARGE_BYTES", 100)
    monkeypatch.setattr(json_text, "LINES", 5)
    path = written(tmp_path / "x.jsonl", long()[:10] + [{"step": 70, "epoch": 1}] * 5)
    with pytest.raises(FormatError, match=r"line 11 and those after it have no 'sample_id'"):
        rdmtools.convert(path)
    path = written(tmp_path / "y.jsonl", long()[:10] + long("abcde")[10:])
    with pytest.raises(FormatError, match="'sample_id' is int64 in some lines and string in others"):
        rdmtools.convert(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(["step", "sample_id", "loss", "losses", "x"])


@given(records=st.lists(st.dictionaries(NAMES, JSON, max_size=4), max_size=5))
def test_whatever_objects_there_are_nothing_but_our_errors_leaves(records, tmp_path_factory):
    path = written(tmp_path_factory.mktemp("any") / "x.jsonl", records)
    with suppress(FormatError):
        read(path, nonfinite="drop-steps", missing="drop-steps")


def test_a_field_that_is_mapped_is_the_losses_whatever_its_name(tmp_path):
    rows = [
        {"at": step, "values": {"a": row[0], "b": row[1]}, "loss": 0.5}
        for step, row in zip(STEPS, LOSSES.tolist(), strict=True)
    ]
    path = written(tmp_path / "x.jsonl", rows)
    run, said = read(path, columns={"step": "at", "loss": "values"})
    np.testing.assert_array_equal(run.losses, LOSSES[:, :2])
    assert said == ["left out 1 column: 'loss'"]
    assert run.samples["sample_id"].tolist() == ["a", "b"]
