"""The canonical table: any reader gets the rows, and the file is laid out as the format says."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdmtools.errors import ParameterError
from rdmtools.format.read_table import file_metadata
from rdmtools.format.values import column
from rdmtools.format.write_table import write_draws, write_losses, write_scalars

ROWS, SAMPLES = 7, 5


def losses(rows=ROWS, samples=SAMPLES, dtype="float32"):
    return np.random.default_rng(3).normal(size=(rows, samples)).astype(dtype)


def naive(steps, values, ids) -> dict[str, list]:
    """The table by plain loops."""
    rows = [
        (step, sample, float(values[row, place]))
        for row, step in enumerate(steps)
        for place, sample in enumerate(ids)
    ]
    return dict(zip(("step", "sample_id", "loss"), map(list, zip(*sorted(rows), strict=True)), strict=True))


@settings(max_examples=30)
@given(
    rows=st.integers(1, 9),
    ids=st.one_of(
        st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=6, unique=True),
        st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=6, unique=True),
    ),
    cuts=st.lists(st.integers(0, 9), max_size=3),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_rows_come_back_however_they_were_cut_into_blocks(tmp_path_factory, rows, ids, cuts, dtype):
    path = tmp_path_factory.mktemp("table") / "run.parquet"
    steps, values = np.arange(rows) * 3 - 4, losses(rows, len(ids), dtype)
    edges = [0, *sorted(min(cut, rows) for cut in cuts), rows]
    blocks = [(steps[a:b], values[a:b]) for a, b in pairwise(edges)]
    assert write_losses(path, blocks, ids, dtype=dtype) == rows
    with pq.ParquetFile(path) as file:
        assert file.read().to_pydict() == naive(steps.tolist(), values, ids)


@pytest.mark.parametrize(
    ("ids", "id_type", "encoding"),
    [
        ([4, 2, 0, 3, 1], "int32", "DELTA_BINARY_PACKED"),
        ([*range(0, 256, 2)], "int32", "DELTA_BINARY_PACKED"),
        ([4, 2, 0, 8, 6], "int32", "PLAIN"),
        ([4, 2, 0, 8, 2**31], "int64", "PLAIN"),
        (list("edcba"), "dictionary<values=string, indices=int32, ordered=0>", "RLE_DICTIONARY"),
    ],
)
def test_types_and_encodings_are_those_of_the_format(tmp_path, ids, id_type, encoding):
    path = tmp_path / "run.parquet"
    write_losses(path, [(np.arange(ROWS), losses(samples=len(ids)))], ids)
    with pq.ParquetFile(path) as file:
        assert [str(field.type) for field in file.schema_arrow] == ["int64", id_type, "float"]
        step, sample, loss = (file.metadata.row_group(0).column(place) for place in range(3))
    assert {part.compression for part in (step, sample, loss)} == {"ZSTD"}
    assert "DELTA_BINARY_PACKED" in step.encodings
    assert encoding in sample.encodings
    assert "BYTE_STREAM_SPLIT" in loss.encodings
    assert not loss.has_dictionary_page


def test_row_groups_hold_whole_steps_and_about_a_million_rows(tmp_path):
    path, samples, rows = tmp_path / "run.parquet", 70_001, 30
    values = losses(rows, samples)
    write_losses(path, [(np.array([row]), values[row : row + 1]) for row in range(rows)], np.arange(samples))
    with pq.ParquetFile(path) as file:
        sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        np.testing.assert_array_equal(file.read(["loss"])["loss"].to_numpy(), values.ravel())
    assert sizes == [14 * samples, 14 * samples, 2 * samples]


def test_ids_cost_next_to_nothing(tmp_path):
    path, samples = tmp_path / "run.parquet", 4096
    values = losses(300, samples)
    ids = np.random.default_rng(0).permutation(10**7)[:samples]
    write_losses(path, [(np.arange(300) * 20, values)], ids)
    with pq.ParquetFile(path) as file:
        group = file.metadata.row_group(0)
    loss = group.column(2).total_compressed_size
    assert group.column(1).total_compressed_size < 0.01 * loss  # pages cut at 20,000 rows: 0.10


def test_a_file_says_what_it_was_written_with(tmp_path):
    path, about = tmp_path / "run.parquet", {"name": "run", "unit": "bits", "metadata": {"lr": 0.1}}
    write_losses(path, [(np.arange(ROWS), losses())], range(SAMPLES), about=about)
    with pq.ParquetFile(path) as file:
        found, faults = file_metadata(file, path)
    assert faults == []
    assert found["format"] == "1.0"
    assert {name: found[name] for name in about} == about


def test_a_foreign_file_says_nothing(tmp_path):
    pd.DataFrame({"step": [1]}).to_parquet(tmp_path / "x.parquet")
    with pq.ParquetFile(tmp_path / "x.parquet") as file:
        assert file_metadata(file, tmp_path) == ({}, [])


def test_draws_are_the_same_table_with_a_draw_column(tmp_path):
    path, first, second = tmp_path / "draws.parquet", losses(3), losses(2) + 1
    assert write_draws(path, [(10, first), (20, second)], [9, 8, 7, 6, 5]) == 5
    with pq.ParquetFile(path) as file:
        found = file.read().to_pandas()
    assert [str(found[name].dtype) for name in found] == ["int64", "int32", "int32", "float32"]
    expected = found.set_index(["step", "draw", "sample_id"])["loss"]
    assert expected[10, 2, 9] == first[2, 0]
    assert expected[20, 1, 5] == second[1, 4]
    assert expected.index.is_monotonic_increasing


def test_a_scalar_absent_is_null_and_one_that_is_nan_is_nan(tmp_path):
    write_scalars(
        tmp_path / "s.parquet", [{"step": 1, "a": 1}, {"step": 2, "b": np.nan}, {"step": 3, "a": 2.0}]
    )
    with pq.ParquetFile(tmp_path / "s.parquet") as file:
        found = file.read().to_pydict()
    assert found["step"] == [1, 2, 3]
    assert found["a"] == [1.0, None, 2.0]
    assert found["b"][0] is None
    assert np.isnan(found["b"][1])


@pytest.mark.parametrize(
    "values", [["a", "é", ""], [1, 2], [1, 2.5], [True, None, False], [None, "a"], [], [[1], [2, 3]]]
)
def test_columns_of_lists_come_back(values):
    assert column(values).to_pylist() == values


@pytest.mark.parametrize("values", [np.arange(6)[::2], np.array(["a", "bc"]), np.array([True, False])])
def test_columns_of_arrays_come_back(values):
    assert column(values).to_pylist() == values.tolist()


@pytest.mark.parametrize(
    ("blocks", "ids", "message"),
    [
        ([(np.array([3, 3]), losses(2))], range(5), "step 3 follows step 3"),
        ([(np.array([3]), losses(1)), (np.array([2]), losses(1))], range(5), "step 2 follows step 3"),
        ([(np.array([3]), losses(1))], range(4), r"shape \(1, 5\); needed \(rows, samples\) = \(1, 4\)"),
        ([(np.array([3]), losses(1))], [1, 1, 2, 3, 4], "5 ids, 4 of them distinct"),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_no_file(tmp_path, blocks, ids, message):
    with pytest.raises(ParameterError, match=message):
        write_losses(tmp_path / "run.parquet", blocks, ids)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_file_that_was_there(tmp_path):
    path = tmp_path / "run.parquet"
    path.write_bytes(b"before")

    def blocks():
        yield np.array([1]), losses(1)
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        write_losses(path, blocks(), range(SAMPLES))
    assert path.read_bytes() == b"before"
    assert [file.name for file in tmp_path.iterdir()] == ["run.parquet"]


def test_ids_that_differ_by_a_final_nul_stay_apart(tmp_path):
    write_losses(tmp_path / "run.parquet", [(np.array([0]), losses(1, 2))], ["a", "a\0"])
    with pq.ParquetFile(tmp_path / "run.parquet") as file:
        assert file.read().to_pydict()["sample_id"] == ["a", "a\0"]
