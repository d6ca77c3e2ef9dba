"""Keras: what is logged is what the model gives by hand, a resume goes on, and the fit never notices.

On the backend of the environment: `KERAS_BACKEND=torch` or `jax`.
"""

import os

import numpy as np
import pytest

from rdmtools import ParameterError, RdmtoolsWarning, read_run

os.environ.setdefault("KERAS_BACKEND", "torch")
pytest.importorskip(os.environ["KERAS_BACKEND"], reason="needs the backend of Keras")
keras = pytest.importorskip("keras", reason="needs keras")

from rdmtools.integrations.keras import ProbeCallback  # noqa: E402

# Keras' own: torch's tensors do not take NumPy 2's `copy`.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)

SAMPLES, WIDTH, CLASSES, ROWS, BATCH = 7, 4, 3, 40, 5  # 8 steps an epoch


def model(loss="sparse_categorical_crossentropy", **options):
    """Dropout, batch norm, a loss of a layer's own and an optimizer with a state: what could be disturbed."""
    net = keras.Sequential(
        [
            keras.Input((WIDTH,)),
            keras.layers.Dense(8, activation="relu", activity_regularizer="l2"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    net.compile(keras.optimizers.Adam(0.01), loss=loss, metrics=["accuracy"], **options)
    return net


def data(rows, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, WIDTH)).astype(np.float32), rng.integers(CLASSES, size=rows)


def probe():
    x, y = data(SAMPLES, 1)
    return [(x[start : start + 3], y[start : start + 3]) for start in range(0, SAMPLES, 3)]


def fit(path, *, net=None, epochs=2, seed=0, callback=None, more=(), **options):
    """A model that was fitted; without a path no probe is watched."""
    keras.utils.set_random_seed(seed)
    net = net or model()
    callbacks = [] if path is None else [callback or ProbeCallback(path, probe(), every=3)]
    x, y = data(ROWS, 0)
    net.fit(
        x,
        y,
        batch_size=BATCH,
        epochs=epochs,
        verbose=0,
        validation_data=data(9, 2),
        callbacks=[*callbacks, *more],
        **options,
    )
    return net


def weights(net):
    return [
        np.array(keras.ops.convert_to_numpy(each.value))
        for each in (*net.variables, *net.optimizer.variables)
    ]


def same_weights(one, other):
    return all(np.array_equal(a, b) for a, b in zip(weights(one), weights(other), strict=True))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.parquet"


def test_the_fit_is_bit_for_bit_what_it_is_without_the_probe(path):
    watched = fit(path, callback=ProbeCallback(path, probe(), every=1))
    without = fit(None)
    assert same_weights(watched, without)
    assert read_run(path).steps.tolist() == list(range(17))
    assert not same_weights(fit(None, seed=1), without)  # the comparison can fail


LOSSES = [
    "sparse_categorical_crossentropy",
    "SparseCategoricalCrossentropy",
    keras.losses.SparseCategoricalCrossentropy(),
    keras.losses.SparseCategoricalCrossentropy(reduction="sum"),
    keras.losses.sparse_categorical_crossentropy,
]


@pytest.mark.parametrize("loss", LOSSES, ids=range(len(LOSSES)))
def test_losses_are_the_models_own(path, loss):
    net = fit(path, net=model(loss), epochs=1, callback=ProbeCallback(path, probe(), every=4))
    run = read_run(path)
    x, y = data(SAMPLES, 1)
    by_hand = -np.log(net.predict(x, verbose=0)[np.arange(SAMPLES), y])
    assert run.steps.tolist() == [0, 4, 8]
    np.testing.assert_allclose(run.losses[-1], by_hand, rtol=1e-5)


def test_the_compiled_loss_keeps_its_reduction(path):
    loss = keras.losses.SparseCategoricalCrossentropy()
    fit(path, net=model(loss), epochs=1)
    assert loss.reduction == "sum_over_batch_size"


def test_a_loss_of_ones_own_is_averaged_over_other_axes(path):
    def loss_fn(targets, outputs):
        return keras.ops.square(outputs - 1.0)

    net = fit(path, epochs=1, callback=ProbeCallback(path, probe(), every=8, loss_fn=loss_fn))
    by_hand = ((net.predict(data(SAMPLES, 1)[0], verbose=0) - 1) ** 2).mean(axis=1)
    np.testing.assert_allclose(read_run(path).losses[-1], by_hand, rtol=1e-5)


def test_metrics_are_logged_as_scalars(path):
    fit(path)
    scalars = read_run(path).scalars.set_index("step")
    assert scalars["loss"].dropna().index.tolist() == [3, 6, 8, 9, 12, 15, 16]
    assert scalars["val_loss"].dropna().index.tolist() == [8, 16]
    assert {"accuracy", "val_accuracy"} <= set(scalars.columns)


def test_a_model_that_was_loaded_goes_on_with_the_run(path, tmp_path):
    saved = str(tmp_path / "model.keras")
    fit(path, epochs=2).save(saved)  # at 16
    fit(path, net=keras.models.load_model(saved), epochs=3, initial_epoch=2)  # 18 ... 24, thrown away
    fit(path, net=keras.models.load_model(saved), epochs=4, initial_epoch=2)
    run = read_run(path)
    assert run.steps.tolist() == list(range(0, 33, 3))
    assert run.quality.superseded_rows == 3 * SAMPLES


def test_a_fit_that_was_killed_goes_on_from_its_backup(path, tmp_path):
    class Killed(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if int(self.model.optimizer.iterations) == 21:
                raise RuntimeError("killed")

    def job(*more):
        """Listed after ours, the backup is restored after our `on_train_begin`."""
        backup = keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
        return fit(path, epochs=4, more=[backup, *more])

    with pytest.raises(RuntimeError, match="killed"):
        job(Killed())
    assert not path.exists()
    job()
    run = read_run(path)
    assert run.steps.tolist() == list(range(0, 33, 3))
    assert run.quality.superseded_rows == 2 * SAMPLES  # 18 and 21


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="Keras has it on other backends")
def test_steps_within_one_execution_are_counted(path):
    fit(path, net=model(steps_per_execution=2), callback=ProbeCallback(path, probe(), every=2))
    assert read_run(path).steps.tolist() == list(range(0, 17, 2))


def test_a_narrow_model_has_wide_losses(path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        net = fit(path, epochs=1, callback=ProbeCallback(path, probe(), every=8))
    finally:
        keras.config.set_dtype_policy("float32")
    x, y = data(SAMPLES, 1)
    outputs = keras.ops.convert_to_numpy(keras.ops.cast(net(x, training=False), "float32"))
    by_hand = -np.log(outputs[np.arange(SAMPLES), y])
    losses = read_run(path).losses[-1].astype(np.float32)
    np.testing.assert_allclose(losses, by_hand, rtol=1e-2)
    assert (losses.view(np.uint32) & 0xFFFF).any()  # digits that bfloat16 has not


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss_fn": keras.losses.SparseCategoricalCrossentropy()}, r"shape \(\) for 3 samples"),
        ({"batches": []}, "no batches"),
    ],
)
def test_a_first_evaluation_that_fails_stops_the_fit(path, options, message):
    options = {"batches": probe(), "every": 3} | options
    with pytest.raises(ParameterError, match=message):
        fit(path, callback=ProbeCallback(path, **options))


def test_several_losses_need_one_of_ones_own(path):
    net = model(["sparse_categorical_crossentropy"])
    with (
        pytest.raises(ParameterError, match="needed one loss"),
    ):
        fit(path, net=net)


def test_a_stateful_model_is_refused(path):
    net = keras.Sequential(
        [keras.Input(batch_shape=(4, 5, 2)), keras.layers.LSTM(2, stateful=True), keras.layers.Dense(1)]
    )
    net.compile("sgd", "mse")
    x = np.zeros((4, 5, 2), np.float32)
    callback = ProbeCallback(path, [(x, x[:, 0, :1])], every=1)
    with pytest.raises(ParameterError, match="stateful"):
        net.fit(x, x[:, 0, :1], batch_size=4, verbose=0, callbacks=[callback])


def test_a_later_evaluation_that_fails_does_not(path):
    calls = []

    def loss_fn(targets, outputs):
        calls.append(1)
        if len(calls) == 4:  # three batches an evaluation
            raise RuntimeError("no memory")
        return keras.losses.sparse_categorical_crossentropy(targets, outputs)

    callback = ProbeCallback(path, probe(), every=3, loss_fn=loss_fn)
    with pytest.warns(RdmtoolsWarning, match="no memory"):
        fit(path, callback=callback)
    assert read_run(path).steps.tolist() == [0, 6, 9, 12, 15]
    assert callback.watch.log.refused["evaluation"] == 1


# Warnings while it trains


def loud_from_60():
    """A loss of the probe: noise that is thirty times as large from evaluation 60 on."""
    calls = []

    def loss_fn(targets, outputs):
        calls.append(1)
        noise = np.random.default_rng(len(calls)).standard_normal(len(targets)).astype(np.float32)
        return keras.ops.convert_to_tensor(noise * (30.0 if len(calls) > 60 else 1.0))

    return loss_fn


def watched(path, on_event, net=None, more=(), epochs=11):
    callback = ProbeCallback(
        path, [data(SAMPLES, 1)], every=1, loss_fn=loud_from_60(), watch={"window": 6}, on_event=on_event
    )
    return fit(path, net=net, callback=callback, more=more, epochs=epochs), callback.watch.warner


def test_an_event_may_stop_the_fit(path):
    net = model()

    def stop(event):
        net.stop_training = True

    _, warner = watched(path, stop, net)
    assert int(net.optimizer.iterations) == warner.events[0].alarm_step < 70


def test_an_event_may_save_the_model(path, tmp_path):
    net, saved = model(), []

    def save(event):
        saved.append(tmp_path / f"event-{event.alarm_step}.keras")
        net.save(saved[-1])

    _, warner = watched(path, save, net)
    assert len(saved) == len(warner.events) >= 1
    for file, event in zip(saved, warner.events, strict=True):
        assert int(keras.models.load_model(file).optimizer.iterations) == event.alarm_step


def test_an_event_names_the_checkpoint_that_it_is_told_of(path):
    class Saves(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if int(self.model.optimizer.iterations) == 50:
                callback.watch.saved("at-50.keras")

    seen = []
    callback = ProbeCallback(
        path, [data(SAMPLES, 1)], every=1, loss_fn=loud_from_60(), watch={"window": 6}, on_event=seen.append
    )
    fit(path, callback=callback, more=[Saves()], epochs=11)
    assert seen[0].checkpoint == "at-50.keras"
