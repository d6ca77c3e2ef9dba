"""The rule that every framework's callback follows: when to evaluate, and what a failure does."""

import warnings

import numpy as np
import pytest

from rdmtools import ParameterError, RdmtoolsWarning, Watcher, read_run
from rdmtools.integrations.callback import BaseCallback, Watch

SAMPLES = 3


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.parquet"


def losses(step=0):
    return np.arange(SAMPLES) + float(step)


def train(watch, steps, start=0):
    """A training from `start` in which the framework shows these steps."""
    watch.begin(start)
    for step in steps:
        if watch.due(step):
            watch.record(step, lambda: losses(step))  # noqa: B023
    watch.end()


def stop():
    raise RuntimeError("no memory")


def test_the_probe_is_evaluated_at_multiples(path):
    train(Watch(path, 4, {}), range(11))
    assert read_run(path).steps.tolist() == [0, 4, 8]


def test_a_step_that_is_passed_over_is_made_up_for(path):
    train(Watch(path, 4, {}), range(0, 20, 3))
    assert read_run(path).steps.tolist() == [0, 6, 9, 12, 18]


def test_a_step_seen_twice_is_evaluated_once(path):
    train(Watch(path, 2, {}), [0, 1, 1, 2, 2, 2, 3])
    assert read_run(path).steps.tolist() == [0, 2]


def test_nothing_is_made_before_the_training_begins(path):
    watch = Watch(path, 1, {})
    assert not watch.due(0)
    watch.record(0, stop)
    watch.scalars(0, {"loss": 1.0})
    watch.end()
    assert not list(path.parent.iterdir())


def test_of_several_processes_one_logs_and_the_others_are_not_missing(path, monkeypatch):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    train(Watch(path, 2, {}), range(5))
    assert path.exists()  # merged, and nobody is waited for
    assert read_run(path).steps.tolist() == [0, 2, 4]


@pytest.mark.parametrize("options", [{}, {"overwrite": True}, {"resume": True}])
def test_a_training_that_begins_above_0_goes_on(path, options):
    train(Watch(path, 2, options), range(9))
    train(Watch(path, 2, options), range(5, 13), start=5)
    run = read_run(path)
    assert run.steps.tolist() == [0, 2, 4, 6, 8, 10, 12]
    assert run.quality.superseded_rows == 2 * SAMPLES


def test_a_training_that_begins_at_0_deletes_a_run_only_if_asked(path):
    train(Watch(path, 2, {}), range(9))
    with pytest.raises(ParameterError, match="already exists"):
        Watch(path, 2, {}).begin(0)
    train(Watch(path, 2, {"overwrite": True}), range(3))
    assert read_run(path).steps.tolist() == [0, 2]


def test_the_same_watch_serves_a_second_training(path):
    watch = Watch(path, 2, {})
    watch.begin(0)  # left open by an error of the training
    watch.record(0, losses)
    train(watch, range(2, 5), start=2)
    assert read_run(path).steps.tolist() == [0, 2, 4]


def test_the_first_evaluation_raises_and_leaves_nothing(path):
    watch = Watch(path, 1, {})
    watch.begin(0)
    with pytest.raises(RuntimeError, match="no memory"):
        watch.record(0, stop)
    assert not list(path.parent.iterdir())


def test_later_evaluations_that_fail_are_warned_of_once_and_counted(path):
    watch = Watch(path, 1, {})
    watch.begin(0)
    watch.record(0, losses)
    with pytest.warns(RdmtoolsWarning, match=r"step 1 not evaluated \(RuntimeError: no memory\)"):
        watch.record(1, stop)
    watch.record(2, stop)
    watch.record(3, losses)
    watch.end()
    run = read_run(path)
    assert run.steps.tolist() == [0, 3]
    assert (watch.log.refused["evaluation"], run.quality.refused) == (2, 2)


def test_draws_are_logged_beside_the_losses(path):
    watch = Watch(path, 1, {})
    watch.begin(0)
    watch.record(0, losses, lambda: np.stack([losses(), losses(1)]))
    watch.end()
    [(step, drawn)] = read_run(path).draws
    assert (step, drawn.tolist()) == (0, [[0, 1, 2], [1, 2, 3]])


def test_scalars_are_what_is_a_number(path):
    watch = Watch(path, 1, {})
    watch.begin(0)
    watch.record(0, losses)
    watch.scalars(0, {"loss": np.float32(0.5), "name": "x", "many": np.ones(2), "none": None, "step": 7})
    watch.scalars(1, {"name": "x"})
    watch.end()
    scalars = read_run(path).scalars
    assert scalars.to_dict("records") == [{"step": 0, "loss": 0.5, "step_": 7.0}]


def test_a_run_that_cannot_be_written_is_a_warning(path, monkeypatch):
    watch = Watch(path, 1, {})
    watch.begin(0)
    watch.record(0, losses)

    def full(*_, **__):
        raise OSError("No space left on device")

    monkeypatch.setattr("rdmtools.logger.merge.write_losses", full)
    with pytest.warns(RdmtoolsWarning, match="No space"):
        watch.end()
    with warnings.catch_warnings():
        watch.end()


def test_every_is_at_least_1(path):
    with pytest.raises(ParameterError, match="every is 0"):
        Watch(path, 0, {})


# Warnings while it trains


def bursts(rows=300, samples=SAMPLES, seed=0):
    """Losses (rows, samples) whose noise is twelve times as large for 45 rows, twice."""
    size = np.where(np.arange(rows)[:, None] // 45 % 3 == 2, 12.0, 1.0)
    return np.float32(size * np.random.default_rng(seed).standard_normal((rows, samples)))


def watched(path, losses, steps, options=None, start=0, **more):
    """A training in which the probe has these losses, by step; its watch."""
    watch = Watch(path, 1, {"samples": ["c", "a", "b"]} | (options or {}), **more)
    watch.begin(start)
    for step in steps:
        watch.record(step, lambda: losses[step])  # noqa: B023
    watch.end()
    return watch


def by_hand(losses):
    watcher = Watcher(window=12)
    found = [watcher.update(step, row) for step, row in enumerate(losses)]
    return [event for event in found if event is not None]


def test_on_event_is_called_with_each_event_at_its_step(path):
    losses, seen = bursts(), []
    watch = watched(path, losses, range(300), watch={"window": 12}, on_event=seen.append)
    assert seen == by_hand(losses) == watch.warner.events
    assert len(seen) >= 2


@pytest.mark.parametrize("watch", [True, {"window": 12}, Watcher(window=12)], ids=["True", "dict", "Watcher"])
def test_a_watch_is_asked_for_in_three_ways(path, watch):
    seen = []
    watched(path, bursts(), range(300), watch=watch, on_event=seen.append)
    assert {event.window for event in seen} == {20 if watch is True else 12}


def test_who_says_what_to_do_with_events_asks_for_them(path):
    seen = []
    watched(path, bursts(), range(300), on_event=seen.append)
    assert seen


def test_an_event_that_nobody_asked_for_is_a_warning(path):
    with pytest.warns(RdmtoolsWarning) as told:
        watch = watched(path, bursts(), range(300), watch={"window": 12})
    assert [str(one.message) for one in told] == [str(event) for event in watch.warner.events]
    with warnings.catch_warnings(action="error"):  # the training is not to end by it
        watched(path.with_name("b.parquet"), bursts(), range(300), watch={"window": 12})


@pytest.mark.parametrize("cut", [2, 30, 95, 101, 200])
def test_a_training_that_goes_on_has_the_events_of_one_that_never_stopped(path, cut):
    losses, seen = bursts(), []
    how = {"watch": {"window": 12}, "on_event": seen.append}
    watched(path, losses, range(cut), **how)
    kept = [event for event in seen if event.alarm_step < cut - 1]
    seen.clear()
    watched(path, losses, range(cut - 1, 300), start=cut - 1, **how)  # from a checkpoint one step before
    assert kept + seen == by_hand(losses)


def test_a_killed_training_goes_on_from_its_journal(path):
    losses, seen = bursts(), []
    first = Watch(path, 1, {"samples": ["c", "a", "b"]}, {"window": 12}, seen.append)
    first.begin(0)
    for step in range(150):
        first.record(step, lambda: losses[step])  # noqa: B023
    first.log._attempt.end()  # as a kill leaves it
    kept = [event for event in seen if event.alarm_step < 120]
    seen.clear()
    watched(path, losses, range(120, 300), start=120, watch={"window": 12}, on_event=seen.append)
    assert kept + seen == by_hand(losses)


def test_where_the_rows_before_do_not_read_the_watch_begins_anew(path, monkeypatch):
    losses, seen = bursts(), []
    watched(path, losses, range(60), on_event=seen.append)
    monkeypatch.setattr("rdmtools.watch.logged.find", stop)
    with pytest.warns(RdmtoolsWarning, match=r"the watch begins anew at step 60 \(TypeError: "):
        watch = watched(path, losses, range(60, 70), start=60, on_event=seen.append)
    assert watch.warner.watcher.last_step == 69
    assert read_run(path).steps.tolist() == list(range(70))


def test_the_same_watch_serves_a_second_training_from_the_start(path):
    losses, seen = bursts(), []
    watch = watched(path, losses, range(300), {"overwrite": True}, watch={"window": 12}, on_event=seen.append)
    first = seen.copy()
    seen.clear()
    watch.begin(0)
    for step in range(300):
        watch.record(step, lambda: losses[step])  # noqa: B023
    watch.end()
    assert seen == first == watch.warner.events


def test_a_failure_in_on_event_is_told_once_in_one_line_and_the_training_goes_on(path):
    def fails(event):
        raise RuntimeError("no\nspace")

    with pytest.warns(RdmtoolsWarning) as told:
        watch = watched(path, bursts(), range(300), watch={"window": 12}, on_event=fails)
    assert len(watch.warner.events) >= 2
    step = watch.warner.events[0].alarm_step
    assert [str(one.message) for one in told] == [
        f"on_event failed at step {step} (RuntimeError: no space); the training goes on "
        "(the next failures are not told)"
    ]
    assert read_run(path).steps.tolist() == list(range(300))
    assert not watch.log.refused


def test_an_interrupt_in_on_event_is_the_users(path):
    def interrupted(event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watched(path, bursts(), range(300), watch={"window": 12}, on_event=interrupted)


def test_a_row_that_cannot_be_watched_is_told_and_the_training_goes_on(path):
    losses = dict(enumerate(bursts()))
    losses[50] = np.zeros(4)
    with pytest.warns(RdmtoolsWarning, match="step 50 is not watched|losses of step 50 not recorded"):
        watch = watched(path, losses, range(300), watch={"window": 12}, on_event=lambda event: None)
    assert watch.warner.events
    assert watch.warner.watcher.last_step == 299


def test_events_name_the_last_checkpoint_that_was_saved_before(path):
    losses, seen = bursts(), []
    watch = Watch(path, 1, {}, {"window": 12}, seen.append)
    watch.begin(0)
    for step in range(300):
        if step % 40 == 0:
            watch.saved(f"checkpoint-{step}")
        watch.record(step, lambda: losses[step])  # noqa: B023
    watch.end()
    assert seen
    for event in seen:
        assert event.checkpoint == f"checkpoint-{event.alarm_step // 40 * 40}"


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"watch": 20}, r"watch is 20; needed True, a dict such as dict\(window=20\), or a Watcher"),
        ({"watch": {"windows": 20}}, "needed window, false_alarms or horizon"),
        ({"watch": {"window": 3}}, "a window of 3 rows"),
        ({"on_event": 1}, "on_event is 1; needed a function of an event"),
    ],
)
def test_what_is_no_watch_is_told_before_the_training(path, how, told):
    with pytest.raises(ParameterError, match=told):
        BaseCallback(path, [], every=1, **how)


def test_nobody_pays_for_what_is_not_watched(path):
    assert Watch(path, 1, {}).warner is None
    assert Watch(path, 1, {}, watch=False).warner is None
    Watch(path, 1, {}).saved("nowhere")


class ToyCallback(BaseCallback):
    """A framework in one file: what its trainer calls, and what the losses of its model are."""

    def on_begin(self, step, model):
        self._begin(step, model)

    def on_step(self, step, model, metrics):
        self._evaluate(step, model)
        self.watch.scalars(step, metrics)

    def on_end(self):
        self.watch.end()

    def _losses(self, step, model):
        return np.concatenate([self._loss_fn(model, batch) for batch in self._batches])


@pytest.mark.parametrize("drawn", [False, True])
def test_a_framework_is_its_hooks_and_the_losses_of_its_models(path, drawn):
    class Drawing(ToyCallback):
        def _draws(self, step, model):
            return np.stack([self._losses(step, model + shift) for shift in (-1, 1)])

    kind = Drawing if drawn else ToyCallback
    callback = kind(
        path, [np.array([1.0, 2.0]), np.array([4.0])], every=2, loss_fn=lambda model, batch: model * batch
    )
    callback.on_begin(0, 1.0)
    for step in range(1, 4):
        callback.on_step(step, 1.0 + step, {"rate": 0.5})
    callback.on_end()
    run = read_run(path)
    assert run.steps.tolist() == [0, 2]
    assert run.losses.tolist() == [[1, 2, 4], [3, 6, 12]]
    assert run.scalars["step"].tolist() == [1, 2, 3]
    assert [draws.tolist() for _, draws in run.draws] == (
        [[[0, 0, 0], [2, 4, 8]], [[2, 4, 8], [4, 8, 16]]] if drawn else []
    )


def test_a_framework_that_does_not_say_its_losses_is_told_at_the_first_evaluation(path):
    with pytest.raises(NotImplementedError):
        BaseCallback(path, [], every=1)._begin(0, None)
