"""In the loop: the events of the whole run, at their rows, however the training is cut."""

import json
import pickle

import numpy as np
import pytest

import rdmtools as rdm
from rdmtools.alarms.joined import joined
from rdmtools.alarms.own_past import outside_from
from rdmtools.alarms.self_normalised import watched
from rdmtools.alarms.thresholds import threshold
from rdmtools.analysis.log_energies import log_energies_of

W = 12


def noise(rng, rows, samples):
    return rng.standard_normal((rows, samples))


def tails(rng, rows, samples):
    return rng.standard_t(2, (rows, samples))


def steps_up(rng, rows, samples):
    jumps = np.where(np.arange(rows)[:, None] // 70 % 2, 3.0, 0.0)
    return jumps * (np.arange(samples) < 4) + 0.3 * noise(rng, rows, samples)


def ramps(rng, rows, samples):
    rise = np.maximum(np.arange(rows) % 130 - 80, 0)[:, None] / 8
    return np.cumsum(rise * np.linspace(-1, -0.2, samples), axis=0) + 0.5 * noise(rng, rows, samples)


def bursts(rng, rows, samples):
    size = np.where(np.arange(rows)[:, None] // 45 % 3 == 2, 12.0, 1.0)
    return size * noise(rng, rows, samples)


def apart(rng, rows, samples):
    """Bursts that the mean of the probe knows nothing of."""
    losses = bursts(rng, rows, samples)
    return losses - losses.mean(axis=1, keepdims=True) + noise(rng, rows, 1)


def pauses(rng, rows, samples):
    losses = steps_up(rng, rows, samples)
    losses[150:185] = losses[150]
    return losses


WORLDS = [noise, tails, steps_up, ramps, bursts, apart, pauses]


def world(make, seed, rows=420, samples=9):
    return make(np.random.default_rng(seed), rows, samples)


def step_of(row):
    return 5 + 3 * row


def events(losses, watcher=None, start=0):
    """Those of a loop over the rows, by their steps."""
    watcher = watcher or rdm.Watcher(window=W, false_alarms=0.2)
    found = [watcher.update(step_of(row), losses[row]) for row in range(start, len(losses))]
    return [event for event in found if event is not None]


def wave(rng, rows, samples):
    """Outside what the rate was checked for: a period of two windows."""
    swing = np.sin(np.pi * np.arange(rows) / W)[:, None] * np.linspace(1, 0.2, samples)
    return swing + 0.1 * noise(rng, rows, samples)


def test_a_run_that_its_rate_was_not_checked_for_says_so():
    losses = world(wave, 0)
    u = log_energies_of(losses, W)
    outside = outside_from(u, W)
    losses[outside + 60 :] += ramps(np.random.default_rng(1), 420 - outside - 60, 9) * 9
    [*found] = events(losses)
    assert found
    for event in found:
        late = event.alarm_step >= step_of(outside)
        assert event.outside_step == (step_of(outside) if late else None)
        assert (f"from step {step_of(outside)} on this run is outside" in event.rate) == late
    assert found[-1].outside_step is not None
    assert {event.outside_step for event in events(world(bursts, 1))} == {None}


def afterwards(losses):
    found = watched(log_energies_of(losses, W), window=W, threshold=threshold(0.2, 80))
    return joined(found.events, W)


@pytest.mark.parametrize("make", WORLDS, ids=lambda make: make.__name__)
@pytest.mark.parametrize("seed", range(3))
def test_events_are_those_of_the_whole_run(make, seed):
    losses = world(make, seed)
    found, expected = events(losses), afterwards(losses)
    assert [(event.alarm_step, event.floor_step, event.signal, event.statistic) for event in found] == [
        (step_of(one.alarm), step_of(one.floor), one.first.signal, one.first.statistic) for one in expected
    ]
    for event, one in zip(found, expected, strict=True):
        first = one.first
        np.testing.assert_allclose(
            [event.score, event.scatter, event.needed], [first.score, first.scatter, first.needed], rtol=1e-9
        )
        assert event.threshold == threshold(0.2, 80)


def test_there_are_events_to_agree_on():
    found = [afterwards(world(make, seed)) for make in WORLDS for seed in range(3)]
    assert sum(map(len, found)) > 25
    assert max(len(event.warned) for each in found for event in each) == 2
    assert {event.first.signal for each in found for event in each} == {"shc", "mean_slope"}


@pytest.mark.parametrize("cut", [0, 1, 5, 11, 40, 75, 90, 151, 160, 300])
def test_a_training_that_goes_on_has_the_same_events(cut):
    for make in (steps_up, bursts, pauses):
        losses = world(make, 1)
        whole = rdm.Watcher(window=W, false_alarms=0.2)
        expected = events(losses, whole)
        before = rdm.Watcher(window=W, false_alarms=0.2)
        found = events(losses[:cut], before)
        state = json.loads(json.dumps(before.state_dict()))  # lists and numbers, NaN too
        after = rdm.Watcher(window=W, false_alarms=0.2)
        after.load_state_dict(state)
        found += events(losses, after, start=cut)
        assert found == expected
        assert after.score == whole.score or np.isnan(whole.score)


def test_what_was_saved_does_not_change_with_the_watcher():
    losses = world(bursts, 2)
    watcher = rdm.Watcher(window=W)
    events(losses[:200], watcher)
    state = watcher.state_dict()
    kept = pickle.dumps(state)
    events(losses, watcher, start=200)
    assert pickle.dumps(state) == kept


def test_memory_does_not_grow():
    rng = np.random.default_rng(0)
    watcher = rdm.Watcher(window=6)
    for step in range(300):
        watcher.update(step, rng.standard_normal(3))

    def remembered():
        state = watcher.state_dict()
        for rule in state["alarms"]["rules"].values():
            assert sum(rule.pop("scatter")["counts"]) > 0  # a histogram, which fills up
        for past in state["alarms"]["own_past"].values():
            del past["at_window"], past["at_half"]
        return len(json.dumps(state))

    early = remembered()
    for step in range(300, 3000):
        watcher.update(step, rng.standard_normal(3))
    assert remembered() < 1.1 * early


def test_steps_that_do_not_rise_are_refused_with_a_way_out():
    watcher = rdm.Watcher(window=W)
    watcher.update(10, [1.0, 2.0])
    state = watcher.state_dict()
    watcher.update(20, [1.0, 2.0])
    for step in (20, 10):
        with pytest.raises(rdm.ParameterError, match=f"step {step} follows step 20.*state_dict"):
            watcher.update(step, [1.0, 2.0])
    watcher.load_state_dict(state)
    watcher.update(11, [1.0, 2.0])
    watcher.reset()
    watcher.update(0, [1.0, 2.0, 3.0])


def test_a_row_of_other_samples_is_refused_and_changes_nothing():
    watcher = rdm.Watcher(window=W)
    watcher.update(0, np.zeros(4))
    for losses in (np.zeros(5), np.zeros((2, 4)), 3.0, ["a"] * 4):
        with pytest.raises(rdm.ParameterError, match="needed"):
            watcher.update(1, losses)
    watcher.update(1, np.zeros(4))


def test_losses_that_are_not_finite_neither_fire_nor_teach():
    losses = world(noise, 3)
    losses[100, 2], losses[140, 0], losses[180] = np.nan, np.inf, 1e200
    watcher = rdm.Watcher(window=W, false_alarms=0.2)
    for row, values in enumerate(losses):
        assert watcher.update(row, values) is None
        gap = any(bad <= row < bad + W // 2 for bad in (100, 140, 180))
        assert np.isnan(watcher.score) == (gap or row < W // 2 + 3 * W // 2 - 2), row


@pytest.mark.parametrize("kind", ["list", "float32", "torch", "bfloat16", "jax"])
def test_losses_come_as_anything(kind):
    losses = np.float32(world(bursts, 4))
    if kind in ("torch", "bfloat16"):
        torch = pytest.importorskip("torch", reason="needs torch")
        rows = torch.tensor(losses).to(torch.bfloat16 if kind == "bfloat16" else torch.float32)
        losses = rows.float().numpy()
    elif kind == "jax":
        rows = pytest.importorskip("jax.numpy", reason="needs jax").asarray(losses)
    else:
        rows = losses.tolist() if kind == "list" else losses
    assert events(rows) == events(losses)
    assert events(rows)


def test_the_score_is_told_against_its_line():
    losses = world(bursts, 5)
    watcher = rdm.Watcher(window=W, false_alarms=0.2)
    assert np.isnan(watcher.score)
    for row, values in enumerate(losses):
        event = watcher.update(row, values)
        assert (event is not None) <= (watcher.score >= watcher.threshold)
        if event is not None:
            assert event.score == watcher.score
    assert repr(watcher).startswith("Watcher(window=12, false_alarms=0.2, horizon=80: 420 rows, score ")


def test_an_event_names_the_last_checkpoint():
    watcher = rdm.Watcher(window=W, false_alarms=0.2)
    losses = world(steps_up, 1)
    watcher.checkpoint = "before.pt"
    first = events(losses, watcher)[0]
    assert first.checkpoint == "before.pt"
    assert str(first).endswith("; last checkpoint before.pt")
    told = json.loads(json.dumps(first.to_dict()))
    assert told["rate"] == (
        "at most 20 % of runs alarm within 80 windows of 12 rows while training goes on as before"
    )
    assert {name: value for name, value in told.items() if name != "rate"} == {
        name: getattr(first, name) for name in told if name != "rate"
    }


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"window": 5}, "a window of 5 rows; warnings need at least 6; choose window=20"),
        ({"window": 20.0}, r"window is 20\.0; needed a number of rows"),
        ({"false_alarms": 0.5}, "take false_alarms=0.05"),
        ({"false_alarms": "low"}, "false_alarms is 'low'; needed a number"),
        ({"horizon": 100}, "take horizon=80"),
    ],
)
def test_what_was_not_judged_is_refused(options, told):
    with pytest.raises(rdm.ParameterError, match=told):
        rdm.Watcher(**options)


def test_a_state_of_something_else_is_refused_and_changes_nothing():
    watcher = rdm.Watcher(window=W)
    watcher.update(3, np.zeros(4))
    other = rdm.Watcher(window=20, false_alarms=0.1)
    other.update(7, np.zeros(2))
    with pytest.raises(rdm.ParameterError, match=r"needed Watcher\(window=20, false_alarms=0.1, "):
        watcher.load_state_dict(other.state_dict())
    broken = watcher.state_dict()
    del broken["alarms"]["rules"]["shc"]["past"]
    for state in ({}, [], {"rate": {}}, watcher.state_dict() | {"latest": {"row": 1}}):
        with pytest.raises(rdm.ParameterError, match="no state of a Watcher"):
            watcher.load_state_dict(state)
    assert watcher.last_step == 3
    watcher.update(4, np.zeros(4))
