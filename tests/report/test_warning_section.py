"""The page says what was judged, what fired, what simpler signals did, and whether it holds."""

from helpers.runs import with_event, without_event

import rdmtools as rdm
from rdmtools.report.run_page import page
from rdmtools.report.sections import sections


def titled(findings):
    return {section.title: section for section in sections(findings)}


def test_alarms_stand_beside_those_of_baselines_in_order_of_steps():
    found = rdm.analyze(with_event(), marks=True)
    section = titled(found)["Alarms, and what simpler signals do"]
    assert len(section.rows) == len(found.alarms) + len(found.baselines) > 2
    steps = [int(row[5].replace(",", "")) for row in section.rows]
    assert steps == sorted(steps)
    assert {row[2] for row in section.rows} == {"the rule", "alone"}
    held = titled(found)["Does it hold?"]
    assert [row[1] for row in held.rows] == found.marks["mark"].tolist()


def test_a_quiet_run_has_what_was_judged_alone():
    found = rdm.analyze(without_event())
    shown = titled(found)
    assert "Alarms, and what simpler signals do" not in shown
    assert "Does it hold?" not in shown
    (row,) = shown["What was judged"].rows
    assert row[-1] == "judged"
    assert "at most 5% of runs alarm" in shown["What was judged"].sentences[0]


def test_the_page_says_what_a_rate_does_not_tell_only_where_one_is_stated():
    words = "it is no probability that this alarm is true"
    assert words in page(rdm.analyze(with_event()))
    assert words not in page(rdm.analyze(with_event(), rule="decades"))


def test_quiet_runs_stand_beside_what_was_judged():
    title = "Beside runs in which nothing happened"
    alone = titled(rdm.analyze(with_event()))[title]
    assert "quiet runs" in alone.sentences[0]
    assert not alone.rows
    others = [without_event(seed) for seed in (1, 2, 3)]
    ranked = titled(rdm.analyze(with_event(), reference=others))[title]
    assert "larger than in all 3 reference runs" in ranked.sentences[0]
    assert [row[:3] for row in ranked.rows] == [["20", "3", "0"]]
