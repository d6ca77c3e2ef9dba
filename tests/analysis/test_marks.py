"""Whether an alarm holds in other analyses of the run: on runs where that is known."""

import numpy as np

import rdmtools as rdm
from rdmtools.alarms.self_normalised import watched
from rdmtools.alarms.thresholds import threshold
from rdmtools.analysis import marks
from rdmtools.analysis.log_energies import log_energies_of
from rdmtools.results.verdict import event_words
from rdmtools.run.run import Run

W, ROWS, SINCE = 20, 500, 300


def marked(losses, **changes):
    run = Run.from_arrays(np.arange(len(losses)), losses, name="made")
    found = rdm.analyze(run, marks=True, **changes)
    return found, found.marks.set_index(["event", "mark"])


def noise(samples=40, seed=0):
    return 1 + 0.01 * np.random.default_rng(seed).standard_normal((ROWS, samples))


def test_what_all_samples_do_holds_in_every_half_and_every_other_analysis():
    losses = noise()
    losses[SINCE:] -= 0.02 * np.arange(ROWS - SINCE)[:, None]
    found, table = marked(losses)
    (event,) = found.events.to_dict("records")
    assert SINCE < event["alarm_step"] < SINCE + W
    assert table.loc[(1, "half of the probe"), ["tried", "held"]].tolist() == [20, 20]
    for mark in ("half the window", "twice the window", "every second row"):
        assert table.loc[(1, mark), ["tried", "held"]].tolist() == [1, 1]
        assert SINCE < table.loc[(1, mark), "alarm_step"] < SINCE + 3 * W
    assert "The alarm holds with 20 of 20 halves of the probe" in event_words(found, event)


def test_what_one_sample_does_holds_in_the_halves_that_have_it():
    losses = noise()
    losses[SINCE:, 7] -= 0.1 * np.arange(ROWS - SINCE)
    _, table = marked(losses)
    block = next(place for place, part in enumerate(marks._blocks(40)) if 7 in part)
    random = np.random.default_rng(0)
    having = sum(block in random.choice(20, 10, replace=False) for _ in range(20))
    assert 0 < having < 20
    assert table.loc[(1, "half of the probe"), "held"] == having


def test_a_half_has_the_alarms_of_an_analysis_of_its_samples_alone():
    losses = noise(samples=16, seed=2)
    losses[SINCE:, :8] -= 0.01 * np.arange(ROWS - SINCE)[:, None]
    _, table = marked(losses)
    random = np.random.default_rng(0)
    blocks = marks._blocks(16)
    lam = threshold(0.05, ROWS / W)
    first = []
    for _ in range(20):
        half = np.concatenate([blocks[place] for place in random.choice(16, 8, replace=False)])
        events = watched(log_energies_of(losses[:, half], W), window=W, threshold=lam).events
        first += [event.alarm for event in events[:1]]
    assert table.loc[(1, "half of the probe"), "held"] == len(first)
    assert table.loc[(1, "half of the probe"), "alarm_step"] == sorted(first)[(len(first) - 1) // 2]


def test_without_the_row_that_carries_it_there_is_no_event():
    losses = noise()
    losses[SINCE] += 5
    found, table = marked(losses)
    assert found.events["one_row"].tolist()[0]
    assert found.events["loud_step"].tolist()[0] == SINCE
    assert table.loc[(1, "without loud row"), ["tried", "held"]].tolist() == [1, 0]


def test_marks_are_asked_for_and_what_is_too_large_or_too_few_says_so(monkeypatch):
    losses = noise(samples=4)
    losses[SINCE:] -= 0.02 * np.arange(ROWS - SINCE)[:, None]
    run = Run.from_arrays(np.arange(ROWS), losses, name="made")
    assert rdm.analyze(run).marks.empty
    _, table = marked(losses)
    assert "half of the probe" not in table.loc[1].index
    _, table = marked(losses, window=10)
    assert table.loc[(1, "half the window"), "status"] == "too short to judge"
    monkeypatch.setattr(marks, "MOST_VALUES", 100)
    _, table = marked(losses)
    assert table["status"].tolist() == ["too large to ask"]
    _, table = marked(losses, rule="decades")
    assert table.empty
