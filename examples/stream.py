"""A never-ending stream of tasks: new ones come, one gets no more data and is forgotten; a probe set watches.

A network with one hidden layer, trained by SGD with momentum in plain NumPy, sorts 48 pictures into eight
drawers. A picture is a random vector, seen with noise, and each task has a rule of its own for the same 48;
a flag beside the picture says which task is asked. Five tasks have data from the start, and three more come,
one at a time. In between, the data of one of the first five stop. All tasks share the weights, so every batch
of the others wears its answers away, and new tasks do so faster: from a few tenths of a nat its loss rises to
several, while the mean of the probe *falls*, for new tasks are learned meanwhile.

    python examples/stream.py stream.parquet
    python examples/stream.py steady.parquet --control steady    # the first five go on, and no task comes

The probe has sixteen samples of each task, those that never come included. The metadata say which tasks come
and when (`comes`), which one is starved (`starved`) and from which step on (`starved_from`).

The logged scalars `learned_6` .. `learned_8` are how much of each new task has been learned since its data
came, (accuracy - a) / (1 - a) with the accuracy a that it had by chance when they came; 0 before. Their
transitions (T10, T50, T90) are where they cross 0.1, 0.5 and 0.9. `accuracy_1` .. `accuracy_8` are measured
on other views of the pictures. That a task has no more data is no transition: nothing is learned by it.
"""

import argparse
from dataclasses import dataclass

import numpy as np

import rdmtools as rdm

PICTURES, PIXELS, DRAWERS, VIEW_NOISE = 48, 16, 8, 0.3
FIRST = 5  # tasks that have data from the start
COME_AT = (2000, 4000, 6000)  # the steps at which the others' data come
TASKS = FIRST + len(COME_AT)
STARVED_FROM = 3000
WRONG = 0.08  # share of the training labels that are drawn at random
HIDDEN, FLAG = 64, 1.75  # units, and the height of the flag
LEARNING_RATE, MOMENTUM, BATCH = 0.012, 0.9, 32
HELD_OUT = 4  # other views of each picture, which measure the accuracy

CONTROLS = {
    "steady": "the first five tasks keep their data, and no task comes",
    "starved": "the data of one task stop as well, but no task comes: it is forgotten more slowly",
}


@dataclass(frozen=True, kw_only=True)
class World:
    pictures: np.ndarray  # (pictures, pixels)
    rules: np.ndarray  # (tasks, pictures): the drawer of each

    def views(self, tasks: np.ndarray, pictures: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Pictures as the network sees them, the flag of the task beside, (views, pixels + tasks)."""
        seen = self.pictures[pictures] + VIEW_NOISE * rng.standard_normal((len(pictures), PIXELS))
        return np.concatenate([seen, FLAG * np.eye(TASKS)[tasks]], axis=1)


@dataclass(frozen=True, kw_only=True)
class Views:
    inputs: np.ndarray  # (views, pixels + tasks)
    drawers: np.ndarray  # (views,)
    tasks: np.ndarray  # (views,)
    pictures: np.ndarray  # (views,)


def make_world(seed: int) -> World:
    rng = np.random.default_rng([seed, 0])
    pictures = rng.standard_normal((PICTURES, PIXELS))
    return World(pictures=pictures, rules=rng.integers(DRAWERS, size=(TASKS, PICTURES)))


def make_views(world: World, tasks: np.ndarray, pictures: np.ndarray, rng: np.random.Generator) -> Views:
    inputs = world.views(tasks, pictures, rng)
    return Views(inputs=inputs, drawers=world.rules[tasks, pictures], tasks=tasks, pictures=pictures)


def make_probe(world: World, seed: int, size: int = 16 * TASKS) -> Views:
    """One view of different pictures, as many of each task."""
    rng = np.random.default_rng([seed, 1])
    each = size // TASKS
    if not 1 <= each <= PICTURES:
        raise ValueError(f"a probe of {size} cannot be had; choose {TASKS} to {TASKS * PICTURES} samples")
    pictures = np.concatenate([rng.permutation(PICTURES)[:each] for _ in range(TASKS)])
    return make_views(world, np.repeat(np.arange(TASKS), each), pictures, rng)


def make_held_out(world: World, seed: int) -> Views:
    tasks, pictures = np.divmod(np.tile(np.arange(TASKS * PICTURES), HELD_OUT), PICTURES)
    return make_views(world, tasks, pictures, np.random.default_rng([seed, 2]))


def make_weights(seed: int) -> list[np.ndarray]:
    """Weights and biases of the hidden layer, and of the drawers."""
    rng = np.random.default_rng([seed, 3])
    hidden = rng.standard_normal((HIDDEN, PIXELS + TASKS)) / np.sqrt(PIXELS)
    drawers = 0.5 * rng.standard_normal((DRAWERS, HIDDEN)) / np.sqrt(HIDDEN)
    return [hidden, np.zeros(HIDDEN), drawers, np.zeros(DRAWERS)]


def forward(weights: list[np.ndarray], inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hidden activities (views, hidden), and log-probabilities of the drawers (views, drawers)."""
    hidden = np.maximum(inputs @ weights[0].T + weights[1], 0)
    scores = hidden @ weights[2].T + weights[3]
    scores -= scores.max(axis=1, keepdims=True)
    return hidden, scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))


def losses(weights: list[np.ndarray], views: Views) -> np.ndarray:
    """Cross-entropy of each view in nats."""
    return -forward(weights, views.inputs)[1][np.arange(len(views.drawers)), views.drawers]


def accuracies(weights: list[np.ndarray], views: Views) -> np.ndarray:
    """Share of each task's views that come into the right drawer, (tasks,)."""
    right = forward(weights, views.inputs)[1].argmax(axis=1) == views.drawers
    return np.bincount(views.tasks, right, TASKS) / np.bincount(views.tasks, minlength=TASKS)


def gradients(
    weights: list[np.ndarray], inputs: np.ndarray, drawers: np.ndarray
) -> tuple[float, list[np.ndarray]]:
    """Cross-entropy, averaged over the batch; and its gradients."""
    hidden, told = forward(weights, inputs)
    rows = np.arange(len(drawers))
    back = np.exp(told)
    back[rows, drawers] -= 1
    back /= len(drawers)
    back_hidden = np.where(hidden > 0, back @ weights[2], 0)
    slopes = [back_hidden.T @ inputs, back_hidden.sum(axis=0), back.T @ hidden, back.sum(axis=0)]
    return -float(told[rows, drawers].mean()), slopes


def norm(arrays: list[np.ndarray]) -> float:
    return float(np.sqrt(sum(np.sum(array**2) for array in arrays)))


def data_come(control: str | None) -> list[int | None]:
    """The step from which each task has data; none for those that never come."""
    return [0] * FIRST + [step if control is None else None for step in COME_AT]


def train(
    path: str,
    *,
    control: str | None = None,
    seed: int = 0,
    steps: int = 8000,
    log_every: int = 10,
    probe_size: int = 16 * TASKS,
) -> None:
    world, weights = make_world(seed), make_weights(seed)
    probe, held_out = make_probe(world, seed, probe_size), make_held_out(world, seed)
    rng = np.random.default_rng([seed, 4])
    starved = int(rng.integers(FIRST))
    starves = control != "steady"
    come = data_come(control)
    by_chance = np.ones(TASKS)  # accuracy of each task when its data came
    samples = {
        "group": [f"task {task + 1}" for task in probe.tasks],
        "picture": probe.pictures.tolist(),
        "drawer": probe.drawers.tolist(),
    }
    metadata = {
        "example": "stream",
        "control": control or "none",
        "seed": seed,
        "comes": {f"task {task + 1}": step for task, step in enumerate(come) if step},
        "starved": f"task {starved + 1}" if starves else None,
        "starved_from": STARVED_FROM if starves else None,
        "learning_rate": LEARNING_RATE,
        "batch": BATCH,
    }
    pushes = [np.zeros_like(layer) for layer in weights]
    with rdm.ProbeLogger(path, samples=samples, metadata=metadata, unit="nats", overwrite=True) as log:
        for step in range(steps + 1):
            fed = np.array([task for task, since in enumerate(come) if since is not None and since <= step])
            if starves and step >= STARVED_FROM:
                fed = fed[fed != starved]
            if step in come:
                new = np.array([since == step for since in come])
                by_chance = np.where(new, accuracies(weights, held_out), by_chance)
            tasks, pictures = rng.choice(fed, BATCH), rng.integers(PICTURES, size=BATCH)
            wrong = rng.random(BATCH) < WRONG
            drawers = np.where(wrong, rng.integers(DRAWERS, size=BATCH), world.rules[tasks, pictures])
            loss, slopes = gradients(weights, world.views(tasks, pictures, rng), drawers)
            if step % log_every == 0:
                accuracy = accuracies(weights, held_out)
                log(step, losses(weights, probe))
                log.scalars(step, loss=loss, gradient_norm=norm(slopes), weight_norm=norm(weights))
                log.scalars(step, **{f"accuracy_{k}": share for k, share in enumerate(accuracy, start=1)})
                log.scalars(step, **learned(accuracy, by_chance))
            for push, slope in zip(pushes, slopes, strict=True):
                push *= MOMENTUM
                push -= LEARNING_RATE * slope
            weights = [layer + push for layer, push in zip(weights, pushes, strict=True)]


def learned(accuracy: np.ndarray, by_chance: np.ndarray) -> dict[str, float]:
    """Of each new task, the share of what there was to learn when its data came; 0 before they do."""
    shares = np.divide(accuracy - by_chance, 1 - by_chance, out=np.zeros(TASKS), where=by_chance < 1)
    return {f"learned_{task + 1}": float(np.clip(shares[task], 0, 1)) for task in range(FIRST, TASKS)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("path", help="where the run goes, such as stream.parquet; overwritten")
    controls = "\n".join(f"{name}: {what}" for name, what in CONTROLS.items())
    parser.add_argument("--control", choices=CONTROLS, help=controls)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--log-every", type=int, default=10)
    parser.add_argument("--probe-size", type=int, default=16 * TASKS)
    train(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
