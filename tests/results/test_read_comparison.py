"""What a comparison left is read back as it was, and nothing else passes for it."""

import json

import pandas as pd
import pytest
from helpers.runs import with_event, without_event

import rdmtools as rdm
from rdmtools.results.folder import COMPARISON


@pytest.fixture(scope="module")
def comparison():
    flat = {"step": [0, 10], "accuracy": [0.0, 0.0]}
    mixed = with_event(metadata={"lr": "high"})
    runs = {"a": with_event(), "b": without_event(scalars=flat), "mixed": mixed}
    return rdm.compare(runs, window=12, truth="accuracy")


@pytest.fixture
def folder(comparison, tmp_path):
    return comparison.save(tmp_path / "comparison")


def test_it_reads_back_as_it_was(comparison, folder):
    again = rdm.read_comparison(folder)
    for name, table in comparison.tables().items():
        if name == "runs":
            assert again.runs["lr"].tolist() == ["0.1", "0.0", "high"]  # one type a column
            table = table.drop(columns="lr")
        pd.testing.assert_frame_equal(
            again.table(name)[table.columns.tolist()].drop(columns="lr", errors="ignore"),
            table.drop(columns="lr", errors="ignore"),
            check_dtype=len(table) > 0,
        )
    assert repr(again) == repr(comparison)
    assert again.save(folder) == folder  # and is saved again, and drawn
    assert "<table" in again._repr_html_()
    with pytest.warns(rdm.RdmtoolsWarning, match="1 run of 3 without"):
        aligned = again.aligned("event 1")
    with pytest.warns(rdm.RdmtoolsWarning, match="1 run of 3 without"):
        pd.testing.assert_frame_equal(aligned, comparison.aligned("event 1"))


def changed(folder, **values):
    path = folder / "comparison.json"
    found = json.loads(path.read_text()) | values
    path.write_text(json.dumps({name: value for name, value in found.items() if value != "gone"}))


def counts(folder, **values):
    found = json.loads((folder / "comparison.json").read_text())["counts"]
    changed(folder, counts=found | values)


def rewritten(folder, name, change):
    table = change(pd.read_parquet(folder / f"{name}.parquet"))
    table.to_parquet(folder / f"{name}.parquet", index=False, write_page_checksum=True)
    counts(folder, **{name: len(table)})


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda f: (f / "comparison.json").unlink(), "comparison.json"),
        (lambda f: (f / "comparison.json").write_text("[]"), "no object"),
        (lambda f: changed(f, contents="rdmtools analysis"), "not of a comparison"),
        (lambda f: changed(f, format="gone"), "'format' is missing"),
        (lambda f: changed(f, counts="gone"), "'counts' is missing"),
        (lambda f: counts(f, events=True), "count of events.parquet"),
        (lambda f: counts(f, observables=10**9), "has 417 rows where"),
        (lambda f: (f / "events.parquet").unlink(), "events.parquet is missing"),
        (lambda f: (f / "failures.parquet").write_bytes(b"PAR1"), "failures.parquet"),
        (lambda f: rewritten(f, "runs", lambda t: t.assign(window=12.0)), "column 'window' of runs.parquet"),
        (lambda f: rewritten(f, "runs", lambda t: t.assign(run="a")), "no names of their own"),
        (lambda f: rewritten(f, "runs", lambda t: t.assign(window=99)), "other windows"),
        (lambda f: rewritten(f, "runs", lambda t: t.head(0)), "no runs"),
        (lambda f: rewritten(f, "events", lambda t: t.assign(run="x")), "has runs that"),
        (lambda f: rewritten(f, "events", lambda t: t.drop(columns="alarm_step")), "no column 'alarm_step'"),
        (lambda f: rewritten(f, "observables", lambda t: t.assign(shc="1")), "column 'shc'"),
        (lambda f: rewritten(f, "transitions", lambda t: t.assign(t50="x")), "column 't50'"),
        (lambda f: rewritten(f, "runs", lambda t: t.assign(largest_score="x")), "column 'largest_score'"),
    ],
)
def test_what_is_no_whole_comparison_is_refused_in_one_line(folder, damage, told):
    damage(folder)
    with pytest.raises(rdm.FormatError) as caught:
        rdm.read_comparison(folder)
    assert told in str(caught.value)
    assert "needed " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(rdm.FormatError, match="no folder"):
        rdm.read_comparison(tmp_path / "nowhere")


def test_addresses_of_pages_are_looked_at_only_where_they_are_linked_again(folder, tmp_path):
    changed(folder, pages={"a": "../../../etc/passwd", "b": 3, "x": "report.html"})
    again = rdm.read_comparison(folder)
    assert set(again.pages) == {"a"}
    page = again.save(tmp_path / "again") / COMPARISON.page
    assert "passwd" not in page.read_text(encoding="utf-8")
