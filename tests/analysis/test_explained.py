"""Which column tells the changes apart? Shares in closed form, what is named, and how seldom in noise."""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from rdmtools.analysis.explained import Columns


def explain(table, change):
    return Columns(pd.DataFrame(table)).explain(np.asarray(change, float))


def by_column(found):
    return {(each.column, each.with_column): each for each in found}


def named(found):
    return [(each.column, each.with_column) for each in found if each.named]


def test_share_is_the_adjusted_eta_squared():
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 3, 50)
    change = levels + rng.standard_normal(50)
    (found,) = explain({"kind": levels}, change)
    means = np.array([change[levels == level].mean() for level in range(3)])[levels]
    eta = np.var(means) / np.var(change)
    chance = 2 / 49
    assert found.share == pytest.approx((eta - chance) / (1 - chance))
    assert (found.levels, found.status) == (3, "usable")


def test_a_column_that_says_all_explains_all():
    (found,) = explain({"kind": ["a", "b"] * 20}, [1.0, -1.0] * 20)
    assert found.share == pytest.approx(1)
    assert found.p_value == pytest.approx(1 / 301)
    assert found.named


def test_shuffled_columns_explain_nothing_on_average():
    rng = np.random.default_rng(1)
    columns = Columns(pd.DataFrame({"kind": np.arange(60) % 12}))
    shares = [columns.explain(rng.standard_exponential(60))[0].share for _ in range(300)]
    assert abs(np.mean(shares)) < 0.02


def test_the_simplest_column_that_explains_about_as_much_is_named():
    rng = np.random.default_rng(2)
    answer = np.arange(120) % 2
    table = {
        "finer": answer * 10 + rng.integers(0, 5, 120),
        "answer": answer,
        "group": rng.integers(0, 3, 120).astype(str),
    }
    change = answer + 0.1 * rng.standard_normal(120)
    found = explain(table, change)
    assert named(found) == [("answer", None)]
    assert by_column(found)["finer", None].share > 0.9
    assert abs(by_column(found)["group", None].share) < 0.1


def test_a_pair_is_named_where_it_adds_to_its_columns():
    rng = np.random.default_rng(3)
    one, other, third = rng.integers(0, 2, (3, 160))
    table = {"one": one, "other": other, "third": third}
    noise = 0.1 * rng.standard_normal(160)
    assert named(explain(table, (one ^ other) + noise)) == [("one", "other")]
    assert named(explain(table, one + 0.7 * other + noise)) == [("one", None), ("one", "other")]
    assert named(explain(table, one + noise)) == [("one", None)]


def test_numbers_are_ranked_into_eight_bins():
    rng = np.random.default_rng(4)
    length = rng.lognormal(size=100)
    cut = ((np.argsort(np.argsort(length)) + 0.5) * 8 / 100).astype(int)
    found = by_column(explain({"length": length, "cut": cut}, length))
    assert found["length", None].levels == 8
    assert found["length", None].share == pytest.approx(found["cut", None].share)


def test_few_different_numbers_stay_as_they_are_and_ties_stay_together():
    few = np.repeat([0.5, 2.0, 7.0], [10, 15, 25])
    tied = np.concatenate([np.zeros(40), np.arange(1, 11)])
    found = by_column(explain({"few": few, "tied": tied}, np.arange(50.0)))
    assert found["few", None].levels == 3
    assert found["tied", None].levels == 3  # zeros, and what is left of the eighth bins


@pytest.mark.parametrize(
    ("column", "status"),
    [
        (["same"] * 40, "one value"),
        ([None] * 40, "one value"),
        ([f"text {at}" for at in range(40)], "nearly unique"),
        ([f"text {at // 3}" for at in range(40)], "nearly unique"),
        ([f"text {at // 4}" for at in range(40)], "usable"),
        (range(40), "nearly unique"),
        ([2**70 + at for at in range(40)], "nearly unique"),
        ([[at % 3] for at in range(40)], "usable"),
        ([1, "1"] * 20, "usable"),
        ([np.nan, 1.5] * 20, "usable"),
        ([True, None] * 20, "usable"),
        (pd.Categorical(["a", "b"] * 20, categories=["a", "b", "c"]), "usable"),
        ([datetime(2020, 1, 1) + timedelta(hours=at) for at in range(40)], "usable"),
        (pd.array([1, None] * 20, dtype="Int64"), "usable"),
        (pd.array([0.5 * at if at % 5 else None for at in range(40)], dtype="Float64"), "usable"),
    ],
)
def test_columns_of_any_kind(column, status):
    (found,) = explain({"column": column}, np.random.default_rng(0).standard_normal(40))
    assert found.status == status
    assert np.isnan(found.share) == np.isnan(found.p_value) == (status != "usable")


def test_missing_values_are_a_level():
    (found,) = explain({"source": ["a", None] * 20}, [1.0, 2.0] * 20)
    assert (found.levels, found.named) == (2, True)


def test_names_of_any_kind():
    table = pd.DataFrame(np.random.default_rng(0).integers(0, 2, (40, 3)))
    table.columns = [7, ("a", 1), ("a", 1)]
    found = Columns(table).explain(np.arange(40.0))
    assert [each.column for each in found[:3]] == ["7", "('a', 1)", "('a', 1)"]


@pytest.mark.parametrize("size", [1.0, 1e-300, 0.0])
def test_the_same_change_everywhere_is_not_explained(size):
    (found,) = explain({"kind": ["a", "b"] * 20}, np.full(40, 0.1 * size))
    assert np.isnan(found.share)
    assert not found.named


def test_scale_and_offset_change_nothing():
    rng = np.random.default_rng(5)
    columns = Columns(pd.DataFrame({"a": rng.integers(0, 3, 60), "b": rng.standard_normal(60)}))
    change = rng.standard_normal(60)
    here, there = columns.explain(change), columns.explain(-7 * change + 3)
    for one, other in zip(here, there, strict=True):
        assert one.share == pytest.approx(other.share, abs=1e-12)
        assert one.p_value == pytest.approx(other.p_value, abs=0.02)


def test_the_order_of_samples_changes_no_share():
    rng = np.random.default_rng(6)
    table = pd.DataFrame({"a": rng.integers(0, 3, 60).astype(str), "b": rng.standard_normal(60)})
    change = rng.standard_normal(60)
    order = rng.permutation(60)
    here = Columns(table).explain(change)
    there = Columns(table.iloc[order].reset_index(drop=True)).explain(change[order])
    assert [each.share for each in there] == pytest.approx([each.share for each in here])


@pytest.mark.parametrize("samples", [0, 1, 2, 7, 8, 9])
def test_few_samples(samples):
    table = pd.DataFrame({"a": np.arange(samples) % 2, "b": np.linspace(0, 1, samples)})
    found = Columns(table).explain(np.arange(samples, dtype=float))
    assert [each.column for each in found[:2]] == ["a", "b"]
    assert not any(each.named for each in found)


def test_no_column():
    assert Columns(pd.DataFrame(index=range(30))).explain(np.arange(30.0)) == []


def test_of_very_many_samples_some_are_asked():
    rng = np.random.default_rng(7)
    kind = rng.integers(0, 2, 20_000)
    ids = [f"text {at}" for at in range(20_000)]
    found = explain({"kind": kind, "id": ids}, kind + rng.standard_normal(20_000))
    assert by_column(found)["kind", None].share == pytest.approx(0.2, abs=0.03)
    assert named(found) == [("kind", None)]
    assert by_column(found)["id", None].status == "nearly unique"


@pytest.mark.parametrize("columns", [1, 12])
def test_noise_names_nothing(columns):
    wrong = low = 0
    for seed in range(60):
        rng = np.random.default_rng([columns, seed])
        table = {str(at): rng.integers(0, 2 + at % 6, 80) for at in range(columns)}
        found = explain(table, rng.standard_t(2, 80))
        wrong += len(named(found)) > 0
        low += min(each.p_value for each in found) <= 0.2
    assert wrong <= 2
    assert 4 <= low <= 22  # p is what it says: 12 of 60 are at most 0.2


def test_the_same_again():
    rng = np.random.default_rng(8)
    table, change = {"a": rng.integers(0, 3, 60), "b": rng.integers(0, 2, 60)}, rng.standard_normal(60)
    assert explain(table, change) == explain(table, change)
