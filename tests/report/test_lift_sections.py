"""The sections of the page on groups and columns: what stands in them, and when there are none."""

import numpy as np
from helpers.runs import hostile_run, with_event, without_event

import rdmtools as rdm
from rdmtools.report.sections import sections


def by_title(run, **settings):
    return {section.title: section for section in sections(rdm.analyze(run, **settings))}


def test_groups_are_told_by_gain():
    section = by_title(with_event())["Which group moved"]
    assert [row[:2] for row in section.rows] == [["1", "learned"], ["1", "other"]]
    assert [row[6] for row in section.rows] == ["resolved", ""]
    assert section.columns[4:6] == [">samples", ">gain"]
    assert section.rows[0][4] == "57%"
    assert float(section.rows[0][5]) > 0.1 > float(section.rows[1][5].replace("−", "-"))


def test_the_columns_that_explain_most_come_first():
    kind = np.resize(["a", "b", "c"], 14)
    run = with_event(
        samples={"group": ["learned"] * 8 + ["other"] * 6, "kind": kind, "text": list("abcdefghijklmn")}
    )
    section = by_title(run)["What tells the samples' changes apart"]
    assert [row[0] for row in section.rows[::2]] == ["event 1, alarm", "event 1, peak", "run"]
    assert [row[2] for row in section.rows[:2]] == ["group", "kind"]
    assert section.rows[2][-1] == "named"
    assert all("text" not in row for row in section.rows)


def test_without_groups_or_columns_there_is_nothing_to_show():
    assert "Which group moved" not in by_title(with_event(samples=None))
    assert "Which group moved" not in by_title(with_event(samples={"group": ["all"] * 14}))
    assert (
        by_title(without_event())
        .keys()
        .isdisjoint({"Which group moved", "What tells the samples' changes apart"})
    )


def test_hostile_names_are_shown_in_one_line():
    for section in by_title(hostile_run()).values():
        most = 400 if section.title == "Samples" else 125  # texts of samples unfold
        assert all("\n" not in cell and len(cell) <= most for row in section.rows for cell in row)
