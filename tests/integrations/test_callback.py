"""The rule that every framework's callback follows: when to evaluate, and what a failure does."""

import warnings

import numpy as np
import pytest

from rdmtools import ParameterError, RdmtoolsWarning, read_run
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
