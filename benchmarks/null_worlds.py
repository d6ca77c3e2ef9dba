"""In which worlds does nothing happen? Losses of runs that go on as before, and of some that only seem to.

Each world is a function of (random numbers, runs, rows, samples, window) that gives losses (runs, rows,
samples). `warning_rates.py` fits and judges thresholds on them.
"""

# pyright: basic

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

PROMISED, BROKEN = "promised", "no rate"
Losses = Callable[[np.random.Generator, int, int, int, int], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class World:
    name: str
    kind: str
    losses: Losses
    samples: int = 64
    share: float = 1.0
    """Of the runs asked for, where runs take long."""


def innovations(rng, shape, tail):
    """Of variance 1, but for t2, which has none."""
    if tail is None:
        return rng.standard_normal(shape)
    return rng.standard_t(tail, shape) / (np.sqrt(tail / (tail - 2)) if tail > 2 else 1.0)


def autoregression(rng, runs, rows, series, roots, tail=None):
    """Stationary series with those roots, of variance about 1: (runs, rows, series)."""
    burn = min(int(8 / (1 - max(map(abs, roots), default=0.0))), 2000)
    noise = innovations(rng, (runs, burn + rows, series), tail)
    if not any(roots):
        return noise[:, burn:]
    return lfilter([1.0], np.real(np.poly(roots)), noise, axis=1)[:, burn:]


def noise(*roots, tail=None):
    """Each sample a series of its own."""
    return lambda rng, runs, rows, samples, window: autoregression(rng, runs, rows, samples, roots, tail)


def factors(count, *roots, tail=None):
    """All samples move along a few shared series, and by a twentieth of their own."""

    def losses(rng, runs, rows, samples, window):
        shared = autoregression(rng, runs, rows, count, roots, tail)
        shared /= shared.std(axis=1, keepdims=True)
        loadings = 0.5 + rng.standard_normal((runs, count, samples))
        return shared @ loadings + 0.05 * rng.standard_normal((runs, rows, samples))

    return losses


def memory(windows, count=0):
    """A smooth walk, two equal roots, that remembers so many windows: of each sample, or along factors."""

    def losses(rng, runs, rows, samples, window):
        root = 1 - 1 / (windows * window)
        made = factors(count, root, root) if count else noise(root, root)
        return made(rng, runs, rows, samples, window)

    return losses


def momentum(rng, runs, rows, samples, window):
    """Heavy-ball descent in a noisy bowl, momentum 0.9, lr times curvature 0.05: it overshoots once."""
    return factors(2, *np.roots([1, -(1 + 0.9 - 0.05), 0.9]))(rng, runs, rows, samples, window)


def descent(mean, *roots, shrinking=False):
    """A mean loss, of time from 0 to 1, and noise about it: of one size, or in proportion to the loss."""

    def losses(rng, runs, rows, samples, window):
        level = mean(np.arange(rows) / rows, window / rows)[:, None] * rng.lognormal(
            0, 0.5, (runs, 1, samples)
        )
        about = autoregression(rng, runs, rows, samples, roots)
        about /= about.std(axis=(1, 2), keepdims=True)
        return level + 0.02 * about * (level if shrinking else 1.0)

    return losses


def louder(by, *roots):
    """Noise whose size changes once, at a random row."""

    def losses(rng, runs, rows, samples, window):
        about = autoregression(rng, runs, rows, samples, roots)
        later = np.arange(rows) >= rng.integers(0, rows, (runs, 1))
        return about * np.where(later, by, 1.0)[:, :, None]

    return losses


def wandering(*roots):
    """Noise whose size goes between 1 and 1.2 and back, about every ten windows."""

    def losses(rng, runs, rows, samples, window):
        about = autoregression(rng, runs, rows, samples, roots)
        switched = np.cumsum(rng.random((runs, rows)) < 0.1 / window, axis=1) % 2
        return about * (1 + 0.2 * switched)[:, :, None]

    return losses


def garch(rng, runs, rows, samples, window, shock=0.15, memory=0.8):
    """Bursts of noise that calm down, all samples together."""
    shared = rng.standard_normal((runs, rows + 200))
    size, squared = np.empty_like(shared), np.ones(runs)
    for row in range(shared.shape[1]):
        size[:, row] = np.sqrt(squared)
        squared = 1 - shock - memory + (shock * shared[:, row] ** 2 + memory) * squared
    return size[:, 200:, None] * rng.standard_normal((runs, rows, samples))


def oscillation(windows, noise):
    """A wave along one direction, its period in windows, and noise of that size beside it."""

    def losses(rng, runs, rows, samples, window):
        phase = rng.uniform(0, 2 * np.pi, (runs, 1, 1))
        wave = np.sqrt(2) * np.sin(2 * np.pi * np.arange(rows)[:, None] / (windows * window) + phase)
        loadings = rng.standard_normal((runs, 1, samples)) + 0.5
        return wave * loadings + noise * rng.standard_normal((runs, rows, samples))

    return losses


def network(schedule, steps_per_row=4, inputs=8, width=16, batch=16):
    """A small network learns a teacher's noisy labels, from its random first weights; probe losses."""

    def losses(rng, runs, rows, samples, window):
        def layer(fan_in, fan_out):
            return rng.standard_normal((runs, fan_in, fan_out)) / np.sqrt(fan_in)

        teacher = layer(inputs, width), layer(width, 1)
        first, second = layer(inputs, width), layer(width, 1)

        def labelled(count):
            x = rng.standard_normal((runs, count, inputs))
            return x, np.tanh(x @ teacher[0]) @ teacher[1] + 0.3 * rng.standard_normal((runs, count, 1))

        probe, labels = labelled(samples)
        logged = np.empty((runs, rows, samples))
        for row in range(rows):
            logged[:, row] = ((np.tanh(probe @ first) @ second - labels)[:, :, 0]) ** 2
            rate = 0.05 * schedule(row / rows)
            for _ in range(steps_per_row):
                x, y = labelled(batch)
                hidden = np.tanh(x @ first)
                error = (hidden @ second - y) / batch
                back = (error @ second.swapaxes(1, 2)) * (1 - hidden * hidden)
                second = second - rate * hidden.swapaxes(1, 2) @ error
                first = first - rate * x.swapaxes(1, 2) @ back
        return logged

    return losses


def exponential(time, window):
    return 0.1 + np.exp(-4 * time)


def power(time, window):
    return 0.1 + (1 + time / window) ** -0.7


def two_stages(time, window):
    return 0.1 + 0.7 * np.exp(-20 * time) + 0.3 * np.exp(-2 * time)


def straight(time, window):
    return 1.1 - time


def cosine(time):
    return 0.5 * (1 + np.cos(np.pi * time))


def kept(name, losses, **more):
    return World(name=name, kind=PROMISED, losses=losses, **more)


def beyond(name, losses):
    return World(name=name, kind=BROKEN, losses=losses)


def fifth_half_way(time):
    return 1.0 if time < 0.5 else 0.2


WORLDS = [
    *(kept(f"AR(1) {rho:g}", noise(rho)) for rho in (0, 0.5, 0.7, 0.9, 0.95, 0.98)),
    kept("AR(1) 0.995", noise(0.995), share=0.5),
    *(kept(f"AR(1) {rho:g}, one factor", factors(1, rho)) for rho in (0.5, 0.9, 0.98)),
    kept("AR(1) .9, 2 samples", noise(0.9), samples=2),
    kept("AR(1) .9, 8 samples", noise(0.9), samples=8),
    kept("AR(1) .9, 1000 samples", noise(0.9), samples=1000, share=0.1),
    kept("AR(2) .9/.5, two factors", factors(2, 0.9, 0.5)),
    kept("AR(2) W/2", memory(0.5)),
    kept("AR(2) W/2, one factor", memory(0.5, 1)),
    kept("AR(2) W/2, two factors", memory(0.5, 2)),
    kept("AR(2) W", memory(1)),
    kept("AR(2) W, one factor", memory(1, 1)),
    kept("AR(2) W, two factors", memory(1, 2)),
    kept("momentum .9, two factors", momentum),
    *(kept(f"t3 {rho:g}", noise(rho, tail=3)) for rho in (0, 0.8, 0.93)),
    *(kept(f"t5 {rho:g}", noise(rho, tail=5)) for rho in (0, 0.9)),
    kept("t3 0, one factor", factors(1, 0, tail=3)),
    kept("t3 .8, one factor", factors(1, 0.8, tail=3)),
    kept("t3 0, 2 samples", noise(0, tail=3), samples=2),
    kept("t3 .8, 1000 samples", noise(0.8, tail=3), samples=1000, share=0.2),
    kept("exponential", descent(exponential, 0.7)),
    kept("exponential, shrinking noise", descent(exponential, 0.9, shrinking=True)),
    kept("power law", descent(power, 0.7)),
    kept("power law, shrinking noise", descent(power, 0.9, shrinking=True)),
    kept("two stages", descent(two_stages, 0.7)),
    kept("straight", descent(straight, 0.9)),
    kept("noise +20 %", louder(1.2, 0)),
    kept("noise +20 %, AR(1) .9", louder(1.2, 0.9)),
    kept("noise -20 %", louder(0.8, 0.5)),
    kept("noise wanders by 20 %", wandering(0.5)),
    kept("network, constant rate", network(lambda time: 1.0), share=0.25),
    kept("network, cosine", network(cosine), share=0.25),
    kept("network, rate / 5 half-way", network(fifth_half_way), share=0.25),
    beyond("noise +50 %", louder(1.5, 0)),
    beyond("t2 0", noise(0, tail=2)),
    beyond("GARCH", garch),
    beyond("wave of 2 W in noise", oscillation(2, 1.0)),
    beyond("wave of 2 W", oscillation(2, 0.1)),
    beyond("wave of 8 W", oscillation(8, 0.1)),
    beyond("AR(2) 2 W, two factors", memory(2, 2)),
]
