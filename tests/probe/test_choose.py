"""The probe set: the same wherever it is made, in equal shares of the strata, and as the logger takes it."""

import subprocess
import sys
from collections import Counter

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdmtools import ParameterError, ProbeLogger, read_run
from rdmtools.integrations import ProbeSet, probe_set

SIZE = 60
KINDS = ["rare"] * 3 + ["often", "always"] * 27 + ["late"] * 3


def test_the_choice_is_the_same_for_ever():
    assert probe_set(range(1000), 6, seed=0).indices.tolist() == [11, 269, 403, 850, 855, 921]
    assert probe_set(range(1000), 6, seed=1).indices.tolist() == [61, 93, 323, 458, 622, 828]


def test_it_leaves_the_global_random_state_alone_and_depends_on_nothing_there():
    np.random.seed(1)  # noqa: NPY002
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    first = probe_set(range(SIZE), 9, stratify=KINDS, seed=3).indices
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
    np.testing.assert_array_equal(probe_set(range(SIZE), 9, stratify=KINDS, seed=3).indices, first)


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=40).flatmap(
        lambda strata: st.tuples(st.just(strata), st.integers(len(set(strata)), len(strata)))
    ),
    st.integers(0, 3),
)
def test_strata_share_equally_and_a_larger_probe_holds_a_smaller_one(case, seed):
    strata, n = case
    probe = probe_set(strata, n, stratify=strata, seed=seed)
    assert len(probe) == len(set(probe.indices.tolist())) == n
    assert (np.diff(probe.indices) > 0).all()
    assert probe.samples["group"] == [strata[index] for index in probe.indices]
    sizes, shares = Counter(strata), Counter(probe.samples["group"])
    most = max(shares.values())
    assert all(share == sizes[stratum] or share >= most - 1 for stratum, share in shares.items())
    assert set(shares) == set(sizes)
    if n < len(strata):
        larger = probe_set(strata, n + 1, stratify=strata, seed=seed)
        assert set(probe.indices) < set(larger.indices)


def test_each_sample_is_as_likely_as_any_other():
    counts = np.zeros(SIZE)
    for seed in range(400):
        counts[probe_set(range(SIZE), 15, seed=seed).indices] += 1
    expected = 400 * 15 / SIZE
    assert abs(counts - expected).max() < 5 * np.sqrt(expected * (1 - 15 / SIZE))


COLUMNS = {"sample_id": [f"s{i}" for i in range(SIZE)], "kind": KINDS, "label": list(range(SIZE))}
ITEMS = [{name: values[index] for name, values in COLUMNS.items()} for index in range(SIZE)]


@pytest.mark.parametrize(
    "table",
    [pd.DataFrame(COLUMNS, index=range(100, 100 + SIZE)), pl.DataFrame(COLUMNS), pa.table(COLUMNS), ITEMS],
    ids=["pandas", "polars", "arrow", "list"],
)
@pytest.mark.parametrize(
    "stratify", ["kind", KINDS, lambda row: row["kind"]], ids=["column", "list", "function"]
)
def test_any_table_gives_the_same_probe(table, stratify):
    if table is ITEMS and stratify == "kind":
        with pytest.raises(ParameterError, match="no column 'kind'; found none; pass values or a function"):
            probe_set(table, 8, stratify=stratify)
        return
    probe = probe_set(table, 8, stratify=stratify, label=lambda row: row["label"], seed=5)
    assert probe.indices.tolist() == probe_set(range(SIZE), 8, stratify=KINDS, seed=5).indices.tolist()
    assert probe.samples["group"] == [KINDS[index] for index in probe.indices]
    assert probe.samples["label"] == probe.indices.tolist()
    subset = probe.subset(table)
    if table is ITEMS:
        assert probe.samples["sample_id"].tolist() == probe.indices.tolist()
        assert subset == [ITEMS[index] for index in probe.indices]
    else:
        assert probe.samples["sample_id"] == [f"s{index}" for index in probe.indices]
        assert type(subset) is type(table)
        assert pa.table(subset)["label"].to_pylist() == probe.indices.tolist()


def test_a_tables_group_is_kept_and_plays_no_part():
    table = pd.DataFrame({"group": KINDS, "label": [None] * SIZE})
    probe = probe_set(table, 5)
    assert probe.indices.tolist() == probe_set(range(SIZE), 5).indices.tolist()
    assert probe.samples["group"] == [KINDS[index] for index in probe.indices]
    assert probe.samples["label"] == [None] * 5


def test_items_are_loaded_once_and_held():
    class Augmented:
        loads = 0

        def __len__(self):
            return SIZE

        def __getitem__(self, index):
            self.loads += 1
            return index, self.loads

    data = Augmented()
    probe = probe_set(data, 7)
    assert data.loads == 0
    items = probe.subset(data)
    assert [index for index, _ in items] == probe.indices.tolist()
    assert [load for _, load in items] == list(range(1, 8))


def test_the_logger_takes_its_table(tmp_path):
    probe = probe_set(range(SIZE), 5, stratify=KINDS, label=[str(i) for i in range(SIZE)], seed=2)
    with ProbeLogger(tmp_path / "run.parquet", samples=probe.samples) as log:
        log(0, probe.indices / 64)
    run = read_run(tmp_path / "run.parquet")
    assert run.samples["sample_id"].tolist() == probe.indices.tolist()
    assert run.samples["group"].tolist() == [KINDS[index] for index in probe.indices]
    assert run.samples["label"].tolist() == [str(index) for index in probe.indices]
    np.testing.assert_array_equal(run.losses[0], probe.indices / 64)


TABLE = pd.DataFrame({"a": [1], "b": [2]})
FAULTS = [
    (
        lambda: probe_set({}, 3),
        "dataset is a dict; needed a length and items by position, or a table: make a list of it",
    ),
    (lambda: probe_set(range(9), 10), "n is 10, the data set has 9 samples; needed 1 to 9"),
    (lambda: probe_set(range(9), 0), "n is 0, the data set has 9 samples; needed 1 to 9"),
    (lambda: probe_set(range(9), 1.5), "n is 1.5, the data set has 9 samples; needed 1 to 9"),
    (lambda: probe_set(range(9), 2, seed=-1), "seed is -1; needed an integer of at least 0"),
    (
        lambda: probe_set(range(9), 2, stratify=[1, 2, 3] * 3),
        "n is 2, stratify has 3 strata; needed at least one sample of each: "
        "choose a larger n or coarser strata",
    ),
    (
        lambda: probe_set(range(9), 2, stratify=[1, 2]),
        "stratify has 2 values for 9 samples; needed one for each",
    ),
    (
        lambda: probe_set(range(9), 4, stratify=[1.0, 2.0, float("nan")] * 3),
        "stratify of sample 2 is 'nan' of type float; needed one number or text: fill or convert it",
    ),
    (
        lambda: probe_set(range(9), 9, label=lambda item: [item] if item == 3 else item),
        "label of sample 3 is '[3]' of type list; needed one number or text: fill or convert it",
    ),
    (
        lambda: probe_set(TABLE, 1, stratify="x"),
        "no column 'x'; found a, b; pass values or a function of an item",
    ),
]


@pytest.mark.parametrize(("call", "message"), FAULTS, ids=range(len(FAULTS)))
def test_faults_are_told_in_one_line(call, message):
    with pytest.raises(ParameterError) as caught:
        call()
    assert str(caught.value) == message


def test_public_names_are_these():
    from rdmtools import integrations

    assert integrations.__all__ == dir(integrations) == ["ProbeSet", "probe_set"]
    assert ProbeSet is integrations.ProbeSet
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = integrations.nonsense


def test_a_missing_framework_is_told_with_its_fix():
    script = "import sys; sys.modules['torch'] = None; import rdmtools.integrations.torch"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: torch is not installed; rdmtools.integrations.torch needs 2.4 or newer: "
        'pip install "torch>=2.4"'
    )
