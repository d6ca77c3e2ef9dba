"""A deep linear network learns its teacher's modes one after another; a probe set watches.

Three layers of width 24 and small random weights, trained by SGD in plain NumPy on fresh batches from a
linear teacher with singular values 4, 2 and 1 and label noise. Each mode waits on a plateau, then is learned
within a few hundred steps, the strongest first (Saxe, McClelland & Ganguli 2014, arXiv:1312.6120).

    python examples/deep_linear.py deep_linear.parquet
    python examples/deep_linear.py quiet.parquet --control solution    # there is nothing to learn

The logged scalars `mode_1` .. `mode_3` are how much of each teacher mode the network has, as a share of the
teacher's: its transitions (T10, T50, T90) are where they cross 0.1, 0.5 and 0.9. Beside them `theory_1` ..
`theory_3` are what the exact dynamics of a balanced mode of strength a and teacher strength s say,
da/dt = 3 a^(4/3) (s - a), followed from where the mode reaches 2 %: a second, independent truth.
"""

import argparse
from dataclasses import dataclass

import numpy as np

import rdmtools as rdm

WIDTH = 24
SINGULAR_VALUES = np.array([4.0, 2.0, 1.0])
NOISE = 0.3
BATCH = 32
PROBES_PER_MODE = 8
THEORY_FROM = 0.02

CONTROLS = {
    "solution": "starts at the teacher's map: only the label noise moves the weights",
    "lazy": "weights of scale 1 and a small learning rate: everything is learned at once and gradually",
    "decay": "starts at the solution, and the learning rate falls to a tenth from half-way on",
    "noise": "starts at the solution, and the label noise doubles half-way: louder, but nothing is learned",
}


@dataclass(frozen=True, kw_only=True)
class Teacher:
    left: np.ndarray  # (width, modes)
    right: np.ndarray  # (width, modes)

    @property
    def map(self) -> np.ndarray:
        return self.left * SINGULAR_VALUES @ self.right.T

    def labels(self, inputs: np.ndarray, rng: np.random.Generator, noise: float = NOISE) -> np.ndarray:
        return inputs @ self.map.T + noise * rng.standard_normal(inputs.shape)


def make_teacher(rng: np.random.Generator) -> Teacher:
    left, right = (np.linalg.qr(rng.standard_normal((WIDTH, WIDTH)))[0] for _ in range(2))
    modes = len(SINGULAR_VALUES)
    return Teacher(left=left[:, :modes], right=right[:, :modes])


@dataclass(frozen=True, kw_only=True)
class Probe:
    inputs: np.ndarray  # (samples, width)
    labels: np.ndarray  # (samples, width)
    groups: list[str]


def make_probe(teacher: Teacher, rng: np.random.Generator, size: int) -> Probe:
    """Random inputs, and for each mode inputs that lie along it."""
    random = size - PROBES_PER_MODE * len(SINGULAR_VALUES)
    inputs = [rng.standard_normal((random, WIDTH))]
    groups = ["random"] * random
    for mode, direction in enumerate(teacher.right.T, start=1):
        along = 2 * rng.standard_normal((PROBES_PER_MODE, 1)) * direction
        inputs.append(along + 0.1 * rng.standard_normal((PROBES_PER_MODE, WIDTH)))
        groups += [f"mode {mode}"] * PROBES_PER_MODE
    every = np.concatenate(inputs)
    return Probe(inputs=every, labels=teacher.labels(every, rng), groups=groups)


def probe_losses(weights: list[np.ndarray], probe: Probe) -> np.ndarray:
    """Half the squared error of each sample."""
    return 0.5 * np.sum((probe.inputs @ network(weights).T - probe.labels) ** 2, axis=1)


def initial_weights(control: str | None, teacher: Teacher, rng: np.random.Generator) -> list[np.ndarray]:
    """Three layers, the first to meet the input first: random, or the teacher's map already."""
    drawn = [rng.standard_normal((WIDTH, WIDTH)) / np.sqrt(WIDTH) for _ in range(3)]
    if control is None:
        return [0.05 * layer for layer in drawn]
    if control == "lazy":
        return drawn
    root = np.cbrt(SINGULAR_VALUES)
    middle = np.zeros((WIDTH, WIDTH))
    first, last = middle.copy(), middle.copy()
    first[: len(root)] = root[:, None] * teacher.right.T
    middle[range(len(root)), range(len(root))] = root
    last[:, : len(root)] = teacher.left * root
    return [first, middle, last]


def network(weights: list[np.ndarray]) -> np.ndarray:
    first, middle, last = weights
    return last @ middle @ first


def gradients(
    weights: list[np.ndarray], inputs: np.ndarray, labels: np.ndarray
) -> tuple[float, list[np.ndarray]]:
    """Half the squared error, averaged over the batch; and its gradients."""
    first, middle, last = weights
    hidden_1 = inputs @ first.T
    hidden_2 = hidden_1 @ middle.T
    error = hidden_2 @ last.T - labels
    share = error / len(inputs)
    back_2 = share @ last
    back_1 = back_2 @ middle
    return 0.5 * float(np.sum(error * share)), [back_1.T @ inputs, back_2.T @ hidden_1, share.T @ hidden_2]


def norm(layers: list[np.ndarray]) -> float:
    return float(np.sqrt(sum(np.sum(layer**2) for layer in layers)))


def predicted(theory: np.ndarray, learned: np.ndarray, learning_rate: float) -> np.ndarray:
    """Strengths one step on by the exact dynamics; a mode starts where it has its first 2 % (NaN before)."""
    started = ~np.isnan(theory)
    theory = np.where(started, theory, np.where(learned >= THEORY_FROM, learned * SINGULAR_VALUES, np.nan))
    growth = 3 * np.cbrt(theory) ** 4 * (SINGULAR_VALUES - theory)
    return np.where(started, theory + learning_rate * growth, theory)


def train(
    path: str,
    *,
    control: str | None = None,
    seed: int = 0,
    steps: int = 4000,
    log_every: int = 10,
    probe_size: int = 88,
) -> None:
    rng = np.random.default_rng(seed)
    teacher = make_teacher(rng)
    weights = initial_weights(control, teacher, rng)
    probe = make_probe(teacher, rng, probe_size)
    learning_rate = 0.0005 if control == "lazy" else 0.01
    theory = np.full(len(SINGULAR_VALUES), np.nan)
    metadata = {
        "example": "deep_linear",
        "control": control or "none",
        "seed": seed,
        "learning_rate": learning_rate,
        "batch": BATCH,
    }
    with rdm.ProbeLogger(
        path, samples={"group": probe.groups}, metadata=metadata, unit="sq. error", overwrite=True
    ) as log:
        for step in range(steps + 1):
            late = step > steps // 2
            rate = learning_rate / 10 if control == "decay" and late else learning_rate
            inputs = rng.standard_normal((BATCH, WIDTH))
            labels = teacher.labels(inputs, rng, 2 * NOISE if control == "noise" and late else NOISE)
            loss, slopes = gradients(weights, inputs, labels)
            learned = np.sum(teacher.left * (network(weights) @ teacher.right), axis=0) / SINGULAR_VALUES
            theory = predicted(theory, learned, rate)
            if step % log_every == 0:
                log(step, probe_losses(weights, probe))
                log.scalars(step, loss=loss, gradient_norm=norm(slopes), weight_norm=norm(weights))
                log.scalars(step, **{f"mode_{k}": share for k, share in enumerate(learned, start=1)})
                shares = theory / SINGULAR_VALUES
                log.scalars(step, **{f"theory_{k}": share for k, share in enumerate(shares, start=1)})
            weights = [layer - rate * slope for layer, slope in zip(weights, slopes, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("path", help="where the run goes, such as deep_linear.parquet; overwritten")
    told = "\n".join(f"{name}: {what}" for name, what in CONTROLS.items())
    parser.add_argument("--control", choices=CONTROLS, help=f"a run without the transitions\n{told}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--log-every", type=int, default=10)
    parser.add_argument("--probe-size", type=int, default=88)
    train(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
