"""Each event is told and done once: whatever restarts, goes back or fails."""

import numpy as np
import pytest

import rdmtools as rdm
from rdmtools.errors import FormatError
from rdmtools.run.rules import Rules
from rdmtools.watch.actions import Outcome
from rdmtools.watch.beside import Beside, Wanted
from rdmtools.watch.event import Rate
from rdmtools.watch.told import Keeper, read_told

SAMPLES = 8


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.parquet"


def losses(step):
    rng = np.random.default_rng(step)
    which = np.arange(SAMPLES) < 3 if step // 120 % 2 else np.arange(SAMPLES) >= 3
    loud = np.where(which & (step // 40 % 3 == 2), 12.0, 1.0)
    return np.float32(3 + 0.1 * loud * rng.standard_normal(SAMPLES))


def logged(path, stop, start=0):
    with rdm.ProbeLogger(path, {"group": ["a"] * 3 + ["b"] * 5}, resume=True) as log:
        for step in range(start, stop):
            log(step, losses(step))


class Noting:
    """An action that only notes what it is to be done about."""

    name = "exec"

    def __init__(self):
        self.begun = []

    def begin(self, about, event):
        self.begun.append(about)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def beside(path, action=None, wanted=None, clock=None):
    rates = [Rate(window=12, false_alarms=0.2)]
    actions = [] if action is None else [action]
    return Beside("run", path, rates, Rules(), wanted or Wanted(), actions, clock=clock or Clock())


def looked(watch):
    """Steps of the events that a look tells, each with what is to be done begun."""
    found = watch.look()
    for news in found:
        watch.begin(news, b"{}")
    return [news.event["alarm_step"] for news in found]


def watch_of(path):
    return path.with_suffix(".rdm") / "watch"


def test_an_event_is_written_down_before_it_is_told_or_done(path, monkeypatch):
    logged(path, 120)
    watch, order = beside(path, Noting()), []
    write = Keeper.write
    monkeypatch.setattr(Keeper, "write", lambda self: order.append({**self.told.events}) or write(self))
    news = watch.look()
    assert news
    assert order == [{each.key: {"told": "done", "exec": "begun"} for each in news}]
    assert [each.actions for each in news] == [["exec"]] * len(news)


def test_what_was_told_is_not_told_again_by_the_next_watch(path):
    logged(path, 120)
    first = beside(path, action := Noting())
    steps = looked(first)
    for about in action.begun:
        first.ended(Outcome(about, "exec", None))
    first.close()
    second = beside(path, again := Noting())
    assert looked(second) == []
    logged(path, 280, start=100)  # and goes back
    second._clock.now += 5
    later = looked(second)
    assert later
    assert min(later) > max(steps)
    assert len(again.begun) == len(later)
    assert second.notes == []
    second.close()


def test_a_watch_that_was_killed_had_begun_what_is_told_and_not_done_again(path):
    logged(path, 120)
    first = beside(path, Noting())
    steps = looked(first)
    first._keeper.close()  # as a kill leaves it
    second = beside(path, action := Noting())
    assert looked(second) == []
    assert action.begun == []
    [note] = second.notes
    assert note.startswith("exec for the event at step ") == (len(steps) == 1)
    assert all(f" {step}" in note for step in steps)
    second.close()
    third = beside(path, Noting())
    assert looked(third) == []
    assert third.notes == []  # it was told


def test_where_the_state_does_not_read_events_that_are_there_are_told_and_nothing_is_done(path):
    logged(path, 120)
    watch_of(path).mkdir(parents=True)
    (watch_of(path) / "watch.json").write_text("{")
    watch = beside(path, action := Noting())
    steps = looked(watch)
    assert steps
    assert action.begun == []
    [note] = watch.notes
    assert "it is begun anew, and nothing is done about events that are there already" in note
    logged(path, 280, start=120)
    watch._clock.now += 5
    assert looked(watch)
    assert len(action.begun) > 0
    watch.close()
    assert looked(beside(path, Noting())) == []


def test_a_run_that_was_overwritten_is_another(path):
    logged(path, 120)
    watch = beside(path, Noting())
    steps = looked(watch)
    with rdm.ProbeLogger(path, {"group": ["a"] * 3 + ["b"] * 5}, overwrite=True) as log:
        for step in range(120):
            log(step, losses(step))
    watch._clock.now += 5
    assert looked(watch) == steps


def test_state_is_written_at_most_once_a_second(path, monkeypatch):
    written = []
    write = Keeper.write
    clock = Clock()
    monkeypatch.setattr(Keeper, "write", lambda self: written.append(clock.now) or write(self))
    watch = beside(path, Noting(), clock=clock)
    told = []
    for stop in range(70, 300, 15):
        logged(path, stop, start=stop - 20 if stop > 70 else 0)
        told += looked(watch)
        for about in [*watch._actions["exec"].begun]:
            watch.ended(Outcome(about, "exec", None))
        watch._actions["exec"].begun.clear()
        clock.now += 0.3
    assert told
    assert min(np.diff(written)) >= 1.0
    clock.now += 1
    told += looked(watch)
    watch.close()
    assert [event["alarm_step"] for event in _events(path)] == told == sorted({*told})


def _events(path):
    return [{"window": window, "alarm_step": step} for window, step in read_told(watch_of(path)).events]


def test_what_failed_is_told_in_one_line_and_not_done_again(path):
    logged(path, 120)
    watch = beside(path, action := Noting())
    [step, *_] = looked(watch)
    watch.ended(Outcome(action.begun[0], "exec", "exit code 1"))
    assert watch.notes == [f"exec failed for the event at step {step} (exit code 1)"]
    watch.close()
    assert read_told(watch_of(path)).events[12, step]["exec"] == "failed"


def test_only_events_of_a_group_or_a_direction_are_told(path):
    logged(path, 400)
    every = [(news.event["top_group"], news.event["direction"]) for news in beside(path).look()]
    assert {group for group, _ in every} >= {"a", "b"}
    _forgotten(path)
    for wanted in (Wanted(group="a"), Wanted(direction="mixed"), Wanted(group="b", direction="falling")):
        found = beside(path, wanted=wanted).look()
        expected = [
            each for each in every if wanted.group in (None, each[0]) and wanted.direction in (None, each[1])
        ]
        assert [(news.event["top_group"], news.event["direction"]) for news in found] == expected
        _forgotten(path)


def _forgotten(path):
    for file in watch_of(path).iterdir():
        file.unlink()


def test_what_another_watch_keeps_is_shown_and_nothing_is_done_about_it(path):
    logged(path, 120)
    first = beside(path)
    steps = looked(first)
    second = beside(path)
    assert looked(second) == steps
    assert "kept by another watch" in second.notes[0]
    with pytest.raises(FormatError, match="kept by another watch"):
        beside(path, Noting()).look()


def test_where_the_state_cannot_be_written_nothing_is_told_until_it_can(path, monkeypatch):
    logged(path, 120)
    watch = beside(path, action := Noting())

    def full(*_):
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("rdmtools.watch.told.replacing", full)
        assert looked(watch) == []
    assert action.begun == []
    assert "No space left on device" in watch.notes[0]
    watch._clock.now += 2
    assert looked(watch)
    assert action.begun


def test_a_run_that_cannot_be_read_for_a_moment_waits(path, monkeypatch):
    logged(path, 120)
    watch = beside(path)

    def busy(*_, **__):
        raise FormatError("changed")

    with monkeypatch.context() as patch:
        patch.setattr(watch._follower, "last_rows", busy)
        assert looked(watch) == []
        assert not watch.idle
    assert looked(watch)
