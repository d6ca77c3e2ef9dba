"""JAX: losses and draws agree with NumPy, parameters are never moved, and a resume goes on with the run."""

import numpy as np
import pytest

from rdmtools import ParameterError, ProbeLogger, read_run

jax = pytest.importorskip("jax", reason="needs jax")

import jax.numpy as jnp  # noqa: E402

from rdmtools.integrations.jax import GaussianProbe, per_sample_losses  # noqa: E402

SAMPLES, WIDTH = 7, 3


def loss(params, sample):
    x, y = sample
    return (jnp.dot(params["w"], x) + params["b"] - y) ** 2


def by_hand(params, batch):
    x, y = map(np.asarray, batch)
    return (x @ np.asarray(params["w"]) + np.asarray(params["b"]) - y) ** 2


@pytest.fixture
def params():
    return {"w": jnp.array([1.0, -2.0, 0.5]), "b": jnp.array(0.25), "count": jnp.array([3])}


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    return rng.normal(size=(SAMPLES, WIDTH)).astype(np.float32), rng.normal(size=SAMPLES).astype(np.float32)


@pytest.mark.parametrize("size", [None, 1, 2, 3, SAMPLES, 50])
def test_losses_are_those_by_hand_whatever_the_batch_size(params, batch, size):
    losses = per_sample_losses(loss, params, batch, batch_size=size)
    assert isinstance(losses, np.ndarray)
    assert losses.dtype == np.float32
    np.testing.assert_allclose(losses, by_hand(params, batch), rtol=1e-5)


def test_batch_size_is_how_many_go_at_once(params, batch):
    lengths = []

    def told(y):
        lengths.append(len(y))
        return y

    def spy(params, sample):
        return jax.pure_callback(told, sample[1], sample[1], vmap_method="broadcast_all")

    np.testing.assert_array_equal(per_sample_losses(spy, params, batch, batch_size=3), batch[1])
    assert sorted(lengths) == [1, 3, 3]


def test_the_function_is_compiled_once(params, batch):
    traced = []

    def spy(params, sample):
        traced.append(1)
        return loss(params, sample)

    per_sample_losses(spy, params, batch)
    once = len(traced)
    per_sample_losses(spy, params, batch)
    assert len(traced) == once > 0


def test_double_precision_stays(params, batch):
    jax.config.update("jax_enable_x64", True)
    try:
        wide = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), jnp.float64), (params, batch))
        losses = per_sample_losses(loss, *wide)
        drawn = GaussianProbe(loss, 0.1, draws=1, seed=0)(0, *wide)
    finally:
        jax.config.update("jax_enable_x64", False)
    assert losses.dtype == drawn.dtype == np.float64
    np.testing.assert_allclose(losses, by_hand(*wide), rtol=1e-13)


def test_any_tree_of_arrays_is_a_batch(params, batch):
    def of_dict(params, sample):
        return loss(params, (sample["x"], sample["y"]))

    losses = per_sample_losses(of_dict, params, {"x": batch[0], "y": jnp.asarray(batch[1])})
    np.testing.assert_array_equal(losses, per_sample_losses(loss, params, batch))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda params, sample: sample[0], r"shape \(3,\); needed one number"),
        (lambda params, sample: (sample[1], sample[1]), "type tuple; needed one number"),
        (lambda params, sample: sample[1].astype(jnp.bfloat16), "bfloat16; needed float32"),
    ],
)
def test_losses_are_one_wide_number_per_sample(params, batch, wrong, message):
    with pytest.raises(ParameterError, match=message):
        per_sample_losses(wrong, params, batch)


@pytest.mark.parametrize(
    ("wrong", "size", "message"),
    [
        ((np.ones((4, 2)), np.ones(5)), None, "has 4, 5"),
        (np.ones((0, 2)), None, "has 0"),
        (1.0, None, "no axis"),
        ((), None, "no array"),
        (np.ones((4, 2)), 0, "batch_size is 0"),
    ],
)
def test_a_batch_is_arrays_of_one_length(params, wrong, size, message):
    with pytest.raises(ParameterError, match=message):
        per_sample_losses(loss, params, wrong, batch_size=size)


def test_draws_are_losses_at_parameters_nearby(params, batch):
    """sigma and the noise, from the losses of a model that gives a parameter itself."""
    params = {"w": jnp.full(4000, 2.0), "count": jnp.array([3])}

    def own(params, place):
        return params["w"][place] + 0.0 * params["count"][0]

    moves = GaussianProbe(own, 0.5, draws=3, seed=1)(7, params, np.arange(4000)) - 2.0
    assert moves.shape == (3, 4000)
    np.testing.assert_allclose(moves.std(axis=1), 0.5, rtol=0.05)
    np.testing.assert_allclose(moves.mean(axis=1), 0.0, atol=0.04)
    assert np.abs(np.corrcoef(moves)[np.triu_indices(3, 1)]).max() < 0.06
    relative = GaussianProbe(own, 0.5, draws=3, seed=1, relative=True)(7, params, np.arange(4000)) - 2.0
    np.testing.assert_allclose(relative, 2.0 * moves, rtol=1e-4, atol=1e-5)  # root mean square 2


def test_each_array_has_a_scale_and_noise_of_its_own():
    params = [jnp.full(500, 10.0), jnp.full(500, 0.1), jnp.zeros(500)]

    def own(params, place):
        return jnp.stack(params)[place // 500, place % 500]

    probe = GaussianProbe(own, 0.1, draws=1, seed=0, relative=True)
    moves = (probe(0, params, np.arange(1500))[0] - np.repeat([10.0, 0.1, 0.0], 500)).reshape(3, 500)
    np.testing.assert_allclose(moves[:2].std(axis=1), [1.0, 0.01], rtol=0.15)
    assert not moves[2].any()
    assert abs(np.corrcoef(moves[0], moves[1])[0, 1]) < 0.15


def test_draws_are_those_of_seed_and_step(params, batch):
    def draw(step=3, seed=5, draws=2, **options):
        return GaussianProbe(loss, 0.1, draws=draws, seed=seed)(step, params, batch, **options)

    np.testing.assert_array_equal(draw(), draw())
    np.testing.assert_array_equal(draw(draws=4)[:2], draw())
    np.testing.assert_allclose(draw(batch_size=2), draw(), rtol=1e-4)
    for other in (draw(step=4), draw(seed=6), draw(step=5, seed=3), draw()[::-1]):
        assert not np.isclose(other, draw()).any()
    draw(step=-1, seed=2**32 - 1)
    draw(step=2**40)


def test_sigma_0_gives_the_losses_themselves(params, batch):
    drawn = GaussianProbe(loss, 0.0, draws=2, seed=0)(0, params, batch)
    np.testing.assert_array_equal(drawn, [per_sample_losses(loss, params, batch)] * 2)


def test_parameters_are_not_moved(params, batch):
    before = jax.tree.map(np.array, params)
    GaussianProbe(loss, 1.0, draws=2, seed=0)(0, params, batch)
    jax.tree.map(np.testing.assert_array_equal, params, before)


def test_narrow_parameters_stay_narrow(batch):
    seen = []

    def spy(params, sample):
        seen.append(params.dtype)
        return jnp.sum(params).astype(jnp.float32)

    GaussianProbe(spy, 0.1, draws=1, seed=0)(0, jnp.ones(2, jnp.bfloat16), batch)
    assert set(seen) == {jnp.dtype(jnp.bfloat16)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sigma": -1.0}, "sigma is -1.0"),
        ({"sigma": float("nan")}, "sigma is nan"),
        ({"draws": 0}, "draws is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**32}, "seed is 4294967296"),
    ],
)
def test_numbers_out_of_range(options, message):
    with pytest.raises(ParameterError, match=message):
        GaussianProbe(**{"loss": loss, "sigma": 0.1, "draws": 1, "seed": 0} | options)


def test_something_must_move(batch):
    with pytest.raises(ParameterError, match="no floating-point array"):
        GaussianProbe(loss, 0.1, draws=1, seed=0)(0, {"w": jnp.array([1])}, batch)


def test_a_training_that_starts_again_goes_on_with_the_run(tmp_path, params, batch):
    probe = GaussianProbe(loss, 0.1, draws=2, seed=0)
    gradient = jax.jit(jax.grad(lambda w, b: jax.vmap(loss, (None, 0))(w, b).mean()))

    def train(path, start, w, steps):
        with ProbeLogger(path, resume=True) as log:
            for step in range(start, steps):
                full = {"w": w, "b": params["b"]}
                log(step, per_sample_losses(loss, full, batch))
                log.draws(step, probe(step, full, batch))
                w = w - 0.05 * gradient(full, batch)["w"]
        return w

    whole, parts = tmp_path / "whole.parquet", tmp_path / "parts.parquet"
    train(whole, 0, params["w"], 8)
    checkpoint = train(parts, 0, params["w"], 4)
    train(parts, 4, checkpoint, 7)
    train(parts, 4, checkpoint, 8)
    run = read_run(parts)
    assert run.steps.tolist() == list(range(8))
    assert run.quality.superseded_rows == 3 * SAMPLES
    np.testing.assert_array_equal(run.losses, read_run(whole).losses)
    for (_, one), (_, other) in zip(run.draws, read_run(whole).draws, strict=True):
        np.testing.assert_array_equal(one, other)
