"""A form that losses come in is one module and one row: everything else takes it from there."""

import types
import warnings

import numpy as np
import pyarrow as pa
import pytest

import rdmtools
from rdmtools.errors import FormatError
from rdmtools.format.names import companion
from rdmtools.read import formats
from rdmtools.read.batches import Batches
from rdmtools.read.paths import companion_of, run_names, stem_of
from rdmtools.results.fingerprint import fingerprint
from rdmtools.run.from_table import Long, Wide
from rdmtools.run.rules import Rules
from rdmtools.run.run import Run

toy = types.ModuleType("toy")


def read(path, layout, columns):
    """A line a step, and that is all."""
    losses = np.array([line.split() for line in path.read_text().splitlines()], float)
    return Wide(steps=np.arange(len(losses)), ids=None, losses=losses), ["read as a toy"]


def batches(path, layout, columns):
    wide, _ = read(path, layout, columns)
    rows, samples = wide.losses.shape
    table = pa.table(
        {
            "step": np.repeat(wide.steps, samples),
            "sample_id": np.tile(np.arange(samples), rows),
            "loss": wide.losses.ravel(),
        }
    )
    return Batches.of(table.schema, layout, columns, lambda _: iter([table]), rows * samples)


toy.read, toy.batches = read, batches
LOSSES = 1 + 0.01 * np.random.default_rng(0).standard_normal((60, 4))


@pytest.fixture
def source(monkeypatch, tmp_path):
    row = formats.Format(name="toy", suffixes=(".toy.txt",), read=toy.read, batches=toy.batches)
    monkeypatch.setattr(formats, "FORMATS", (*formats.FORMATS, row))
    np.savetxt(tmp_path / "run.toy.txt", LOSSES, "%.17g")
    return tmp_path / "run.toy.txt"


@pytest.mark.filterwarnings("ignore:.*read as a toy")
def test_a_new_form_is_read_converted_and_compared_through_its_row_alone(source, tmp_path):
    with pytest.warns(match=r"run\.toy\.txt: read as a toy"):
        run = rdmtools.read_run(source)
    assert run.name == "run"
    np.testing.assert_array_equal(run.losses, LOSSES)
    np.testing.assert_array_equal(rdmtools.read_run(rdmtools.convert(source)).losses, LOSSES)
    runs = rdmtools.compare([source, tmp_path / "run.parquet"], window=20).runs
    assert runs["run"].tolist() == ["run.toy.txt", "run.parquet"]
    assert runs["events"].tolist() == [0, 0]


def test_a_large_one_is_put_in_order_on_disk(source, monkeypatch):
    monkeypatch.setattr(formats, "LARGE_BYTES", 100)
    with pytest.raises(FormatError, match="of this form; convert it first"):
        rdmtools.read_run(source)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(rdmtools.read_run(rdmtools.convert(source)).losses, LOSSES)


def test_its_suffix_is_no_part_of_a_name_and_is_told_among_the_others(source, tmp_path):
    assert (stem_of(source), companion_of(source)) == ("run", tmp_path / "run.rdm")
    assert run_names([source, tmp_path / "other.csv.gz"]) == ["run", "other"]
    assert fingerprint(source, Rules(), rdmtools.AnalysisSettings()) is None
    with pytest.raises(
        FormatError, match=r"needed losses as \.csv, .*\.zarr, \.toy\.txt, \.parquet, a folder"
    ):
        rdmtools.convert(tmp_path / "x.nonsense")


def test_without_the_row_nothing_knows_the_form(tmp_path):
    path = tmp_path / "run.toy"
    path.write_text("1 2\n")
    assert stem_of(path) == "run.toy"
    with pytest.raises(FormatError, match="has a name that does not tell its form"):
        rdmtools.convert(path)


LISTED = (
    "needed losses as .csv, .csv.gz, .tsv, .tsv.gz, .jsonl, .jsonl.gz, .ndjson, .ndjson.gz, .npy, .npz, "
    ".arrow, .feather, .zarr, .parquet, a folder of folders step=0, step=10 and so on, a TensorBoard log, "
    "or a folder of dynamics_epoch_0.jsonl and so on"
)


def test_the_forms_are_listed_where_one_is_not_known(tmp_path):
    with pytest.raises(FormatError) as error:
        rdmtools.convert(tmp_path / "x.odd")
    assert str(error.value) == f"no file {tmp_path / 'x.odd'}; {LISTED}; check the path"
    (tmp_path / "x.odd").touch()
    with pytest.raises(FormatError) as error:
        rdmtools.convert(tmp_path / "x.odd")
    assert str(error.value) == (
        f"{tmp_path / 'x.odd'} has a name that does not tell its form; {LISTED}; rename it"
    )


@pytest.mark.parametrize(
    ("files", "name"),
    [
        (["x.csv.gz"], "CSV"),
        (["x.tsv"], "TSV"),
        (["events.out.tfevents.1.csv"], "a TensorBoard log"),
        (["x/events.out.tfevents.1"], "a TensorBoard log"),
        (["x/dynamics_epoch_0.jsonl", "x/events.out.tfevents.1"], LISTED.partition(", or ")[2]),
        (["x/dynamics_epoch_0.jsonl", "x/part.parquet"], None),
        (["x.csv/part"], None),
        (["x.parquet"], None),
        (["x.CSV"], None),
    ],
)  # fmt: skip
def test_the_name_tells_the_form(files, name, tmp_path):
    for file in files:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    found = formats.format_of(tmp_path / files[0].partition("/")[0])
    assert (found and found.name) == name


def test_a_logger_knows_our_own_suffix_alone(tmp_path):
    assert companion(tmp_path / "run.parquet") == tmp_path / "run.rdm"
    assert companion(tmp_path / "run.csv") == tmp_path / "run.csv.rdm"
    assert companion(tmp_path / "parts") == tmp_path / "parts.rdm"


def test_a_long_table_of_a_form_keeps_its_names():
    table = pa.table({"when": [0, 0], "sample_id": [0, 1], "loss": [0.5, 0.25]})
    run = Run.of(Long(table=table, columns={"step": "when"}), Rules(columns={"step": "when"}))
    assert run.losses.tolist() == [[0.5, 0.25]]
