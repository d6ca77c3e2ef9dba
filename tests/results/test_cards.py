"""What is said first: one sentence, and a card per change, of every window length together; misses too."""

import numpy as np
import pytest
from helpers.runs import EVERY, ROWS, hostile_run, with_event, without_event

import rdmtools as rdm
from rdmtools.analysis.events import records
from rdmtools.report.charts import marks
from rdmtools.results.cards import cards, changes, headline, truth_wanted


def event(window, alarm, end):
    return {"window": window, "alarm_step": alarm, "end_step": end}


def test_events_of_several_lengths_that_overlap_are_one_change():
    one, two = event(10, 100, 150), event(20, 120, 200)
    later, lasting = event(10, 300, None), event(20, 900, None)
    assert changes([one, two]) == [[one, two]]
    assert changes([one, event(10, 120, 200)]) == [[one], [event(10, 120, 200)]]  # of one length: two changes
    assert changes([one, later, two]) == [[one, two], [later]]
    assert changes([later, lasting]) == [[later, lasting]]
    assert changes([one, event(20, 160, 200)]) == [[one], [event(20, 160, 200)]]
    assert changes([]) == []


def test_a_change_that_several_lengths_see_has_one_card():
    found = rdm.analyze(with_event(), windows=(8, 12, 20), truth="accuracy")
    assert len(found.events) > 1
    told = cards(found)
    assert len(told) == len(changes(records(found.events))) < len(found.events)
    assert told[0].step == found.events["alarm_step"].min()
    assert headline(found).startswith("1 change")
    assert "without an alarm" not in headline(found)  # whatever a single length missed
    (truth,) = marks(found).truths
    assert truth.alarm == told[0].step
    assert truth.label.startswith(f"accuracy: {told[0].title}")


def test_a_lead_is_the_title_and_never_the_peak():
    found = rdm.analyze(with_event(), window=12, truth="accuracy")
    (card,) = cards(found)
    lead = found.leads.iloc[0]
    assert lead["lead_steps"] > 0
    assert card.title == f"{lead['lead_steps']:,} steps early"
    assert f"Alarm {lead['alarm_step']:,}" in card.lead
    assert f"accuracy half-way {lead['t50']:,}" in card.lead
    assert [line.about for line in card.lines] == ["Who moved", "Simpler", "False alarms"]
    assert "“learned”" in card.lines[0].words
    assert "at most 5% of runs" in card.lines[2].words
    words = " ".join([card.title, card.lead, *(line.words for line in card.lines), headline(found)])
    assert "peak" not in words
    assert headline(found) == f"1 change, alarmed before the scalar you named {_moved(lead)} early."


def _moved(lead):
    moved = "had moved" if lead["outcome"] == "before T10" else "was half-way"
    return f"{moved}: {lead['lead_steps']:,} steps"


def test_without_a_truth_it_says_what_to_name():
    found = rdm.analyze(with_event(), window=12)
    (card,) = cards(found)
    assert card.title == f"Alarm at step {found.events['alarm_step'].iloc[0]:,}"
    assert "Lead not measured" in card.lead
    assert truth_wanted(found) == (
        "How early was it? Name a scalar to measure the lead: --truth NAME; logged: accuracy."
    )
    assert truth_wanted(rdm.analyze(without_event())) == ""
    assert truth_wanted(rdm.analyze(with_event(), truth="accuracy")) == ""


def test_a_truth_that_no_alarm_came_before_has_a_card():
    steps = EVERY * np.arange(ROWS)
    moved = 1 / (1 + np.exp(-(np.arange(ROWS) - 100) / 2))
    found = rdm.analyze(without_event(scalars={"step": steps, "score": moved}), truth="score")
    assert found.events.empty
    (card,) = cards(found)
    assert (card.title, card.alarmed, card.event) == ("Missed", False, None)
    assert card.lead == "score half-way 1,000: no alarm came before."


def test_the_sentence_names_what_the_rule_saw():
    words = headline(rdm.analyze(with_event(), rule="decades"))
    assert words.startswith("1 change: SHC rose 1.5 decades, from step ")


def test_a_quiet_run_says_how_near_it_came():
    found = rdm.analyze(without_event())
    best, needed = found.judged["largest_score"].iloc[0], found.judged["threshold"].iloc[0]
    assert headline(found) == f"Nothing stood out: the highest score was {best:.2f} of {needed:.2f}."
    fixed = headline(rdm.analyze(without_event(), rule="decades"))
    assert fixed.startswith("Nothing stood out: ")
    assert fixed.endswith(" of 1.5 decades.")
    assert cards(found) == []


@pytest.mark.parametrize(
    ("rows", "window", "words"),
    [
        (30, 20, "Too short to judge: 30 rows, needed 40 in which losses move."),
        (60, 4, "Too short to judge: windows of 4 rows, needed 6."),
    ],
)
def test_a_run_that_cannot_be_judged_says_what_it_lacks(rows, window, words):
    losses = np.random.default_rng(0).random((rows, 5))
    assert headline(rdm.analyze(rdm.Run.from_arrays(np.arange(rows), losses), window=window)) == words


def test_marks_that_were_asked_for_are_on_the_card():
    (card,) = cards(rdm.analyze(with_event(), window=12, marks=True))
    held = next(line.words for line in card.lines if line.about == "Held")
    assert held.startswith("holds with ")
    assert "of 20 halves of the probe" in held


def test_the_rule_without_a_rate_says_so():
    (card, *_) = cards(rdm.analyze(with_event(), rule="decades"))
    assert card.lines[-1].words == "the rule of a fixed rise states no rate"


def test_words_of_the_users_are_one_line_each():
    for card in cards(rdm.analyze(hostile_run(), window=12)):
        for words in (card.title, card.lead, *(line.words for line in card.lines)):
            assert "\n" not in words
            assert len(words) < 400
