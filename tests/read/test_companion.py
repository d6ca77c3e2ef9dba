"""A fault beside the losses never blocks the losses: it is told in one line, and they are read without it."""

import json
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.mutating_tables import PANDAS
from helpers.tables import LOSSES, SAMPLES, STEPS, WORDS

import rdmtools as rdm
from rdmtools.errors import FormatError, RdmtoolsWarning
from rdmtools.format.names import METADATA_KEY
from rdmtools.format.write_table import write_draws, write_losses
from rdmtools.read.read import read_run

GROUPS = pa.table({"sample_id": WORDS, "group": ["a", "b", "a", "b"]})
SCALARS = pa.table({"step": STEPS, "accuracy": LOSSES[:, 0]})


@pytest.fixture
def run(tmp_path):
    path = tmp_path / "run.parquet"
    write_losses(path, [(STEPS, LOSSES)], WORDS)
    (tmp_path / "run.rdm").mkdir()
    return path


def invalid():
    words = pa.array([b"\xff"] * SAMPLES, pa.binary())
    return GROUPS.set_column(1, "group", pa.Array.from_buffers(pa.string(), SAMPLES, words.buffers()))


def pandas_says(table, text):
    return table.replace_schema_metadata({b"pandas": text})


@pytest.mark.parametrize(
    ("name", "table", "words"),
    [
        ("samples", b"PAR1 and no more", "is cut short after 16 bytes"),
        (
            "samples",
            GROUPS.drop_columns("sample_id"),
            "has columns group; needed a column 'sample_id'",
        ),
        ("samples", pa.concat_tables([GROUPS] * 2), "sample_id 'img_0' more than once"),
        ("samples", GROUPS.set_column(0, "sample_id", [[1, 2, 3, 4]]), "samples lacks 4 ids of the 4"),
        ("samples", GROUPS[:0], "samples lacks 4 ids of the 4 .*found 0; add them"),
        ("samples", GROUPS.set_column(1, "group", [[[1]] * 4]), "group of a sample is .*needed one number"),
        ("samples", GROUPS.append_column("group", [[1] * 4]), "column 'group' twice"),
        ("samples", invalid(), "Invalid UTF8"),
        ("scalars", b"", "is empty"),
        ("scalars", SCALARS.drop_columns("step"), "scalars has columns accuracy; needed a column 'step'"),
        ("scalars", pa.concat_tables([SCALARS] * 2), "scalars has step 10 more than once"),
        (
            "scalars",
            SCALARS.append_column("word", [WORDS[:1] * 11]),
            "'word' of type .*needed numbers",
        ),
    ],
)
def test_a_fault_in_samples_or_scalars_is_told_in_one_line(run, name, table, words):
    file = run.parent / "run.rdm" / f"{name}.parquet"
    if isinstance(table, bytes):
        file.write_bytes(table)
    else:
        pq.write_table(table, file)
    with pytest.warns(RdmtoolsWarning) as warned:
        found = read_run(run)
    (told,) = (str(each.message) for each in warned)
    assert told.startswith(str(file))
    assert told.endswith(f"; read without {name}.parquet")
    assert "\n" not in told
    assert re.search(words, told), told
    np.testing.assert_array_equal(found.losses, LOSSES)
    assert list(found.samples) == ["sample_id"]
    assert list(found.scalars) == ["step"]


def test_a_group_of_samples_that_do_not_read_is_an_error(run):
    file = run.parent / "run.rdm" / "samples.parquet"
    pq.write_table(GROUPS.append_column("kind", [list("xyxy")]), file)
    assert read_run(run, group_by="kind").samples["group"].tolist() == list("xyxy")
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(FormatError, match="is cut short"):
        read_run(run, group_by="kind")


HOSTILE = [b"", b"{", b"\xff", b"null", b"[" * 9999, json.dumps(PANDAS).encode()]


@pytest.mark.parametrize("text", [*HOSTILE, json.dumps(PANDAS | {"columns": [{}]}).encode()])
def test_what_pandas_is_told_is_not_listened_to(run, text):
    folder = run.parent / "run.rdm"
    table = GROUPS.append_column("__index_level_0__", [[7, 8, 9, 10]])
    pq.write_table(pandas_says(table, text), folder / "samples.parquet")
    pq.write_table(pandas_says(SCALARS, text), folder / "scalars.parquet")
    found = read_run(run)
    assert found.samples.to_dict("list") == GROUPS.to_pydict()
    assert found.scalars["step"].tolist() == STEPS.tolist()


def test_columns_are_as_pandas_wrote_them(run):
    frame = pd.DataFrame(
        {
            "sample_id": WORDS,
            "group": pd.array([2**60 + 1, None, 3, 4], "Int64"),
            "kind": pd.Categorical(["a", "b", "a", "b"]),
            "text": ["a", None, "b", "c"],
            "flag": [True, False, True, True],
        },
        index=[5, 6, 7, 9],
    )
    frame.to_parquet(run.parent / "run.rdm" / "samples.parquet")
    found = read_run(run).samples
    pd.testing.assert_frame_equal(found, frame.reset_index(drop=True))


def test_draws_that_do_not_read_are_an_error_where_they_are_asked_for_alone(run):
    file = run.parent / "run.rdm" / "draws.parquet"
    write_draws(file, [(10, LOSSES[:3])], WORDS)
    table = pq.read_table(file)
    pq.write_table(table.drop_columns("draw"), file)
    found = read_run(run)
    np.testing.assert_array_equal(found.losses, LOSSES)
    with pytest.raises(FormatError, match="no column 'draw'"):
        found.draws  # noqa: B018
    with pytest.warns(RdmtoolsWarning, match=r"draws.parquet.*no column 'draw'.*; analysed without draws"):
        analysis = rdm.analyze(found, window=4)
    assert not len(analysis.findings.gaussian if hasattr(analysis, "findings") else analysis.gaussian)


def test_what_the_file_says_of_itself_is_told_where_it_does_not_fit(run):
    said = {"format": "1.0", "name": [1], "metadata": {"lr": 0.1}, "merged": 3, "superseded_rows": "many"}
    table = pq.read_table(run).replace_schema_metadata({METADATA_KEY: json.dumps(said)})
    pq.write_table(table, run)
    with pytest.warns(RdmtoolsWarning) as told:
        found = read_run(run)
    assert [str(each.message) for each in told] == [
        f"{run}: its 'rdmtools' metadata: {words}; read without it"
        for words in (
            "name is not text in UTF-8",
            "merged is not a list of names",
            "superseded_rows is not a count",
        )
    ]
    np.testing.assert_array_equal(found.losses, LOSSES)
    assert found.metadata == {"lr": 0.1}
