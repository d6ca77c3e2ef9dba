"""What does the Gaussian 2RDM say in the first steps, when no window is full yet?

    python examples/gaussian_first_steps.py gaussian

Deep linear networks and modular addition, with and without their transition, are trained for their first
steps. At each logged row the probe's losses are taken under DRAWS small random changes of the weights,
N(0, sigma**2) with sigma a hundredth of the root mean square weight at the start, and logged beside the
losses themselves. Both kinds of SHC and PR then stand in one table, `gaussian.csv`: of the draws, from the
first row on, and of the trailing window, from its twentieth. What is printed: where each first stands 1.5
decades above its running minimum, and medians over the seeds.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import deep_linear
import grokking
import numpy as np
import pandas as pd
import torch
from rich.progress import track

import rdmtools as rdm
from rdmtools.alarms.rule import decades, find_rises
from rdmtools.integrations.torch import GaussianProbe

DRAWS = 32
SIGMA_SHARE = 0.01
ROWS = 120
CONTROLS = {"deep_linear": (None, "lazy", "solution"), "grokking": (None, "random_labels", "no_weight_decay")}


def deep_linear_rows(
    control: str | None, seed: int, every: int = 5
) -> Iterator[tuple[int, np.ndarray, np.ndarray, list[str]]]:
    """Step, losses, losses under draws (draws, samples), and the samples' groups."""
    rng = np.random.default_rng(seed)
    teacher = deep_linear.make_teacher(rng)
    weights = deep_linear.initial_weights(control, teacher, rng)
    probe = deep_linear.make_probe(teacher, rng, 88)
    rate = 0.0005 if control == "lazy" else 0.01
    noise = np.random.default_rng([seed, 1])
    sigma = SIGMA_SHARE * deep_linear.norm(weights) / np.sqrt(sum(layer.size for layer in weights))
    for step in range(every * ROWS):
        if step % every == 0:
            draws = [
                deep_linear.probe_losses(
                    [layer + sigma * noise.standard_normal(layer.shape) for layer in weights], probe
                )
                for _ in range(DRAWS)
            ]
            yield step, deep_linear.probe_losses(weights, probe), np.array(draws), probe.groups
        inputs = rng.standard_normal((deep_linear.BATCH, deep_linear.WIDTH))
        _, slopes = deep_linear.gradients(weights, inputs, teacher.labels(inputs, rng))
        weights = [layer - rate * slope for layer, slope in zip(weights, slopes, strict=True)]


def grokking_rows(
    control: str | None, seed: int, every: int = 20
) -> Iterator[tuple[int, np.ndarray, np.ndarray, list[str]]]:
    task = grokking.make_task(seed, random_labels=control == "random_labels")
    probe = grokking.make_probe(task)
    model = grokking.make_model(seed)
    optimizer = grokking.make_optimizer(model, control)
    stream = grokking.random_stream(seed, "batches")
    size = sum(weights.numel() for weights in model.parameters())
    sigma = SIGMA_SHARE * grokking.norm(list(model.parameters())) / size**0.5
    around = GaussianProbe(model, sigma, draws=DRAWS, seed=seed)
    batch = [(probe.pairs, probe.labels)]
    for step in range(every * ROWS):
        grokking.backward(model, task, task.train, stream)
        if step % every == 0:
            yield step, grokking.probe_losses(model, probe).numpy(), around(step, batch), probe.groups
        optimizer.step()


ROWS_OF = {"deep_linear": deep_linear_rows, "grokking": grokking_rows}


def log(path: Path, rows: Iterator[tuple[int, np.ndarray, np.ndarray, list[str]]]) -> None:
    first = next(rows)
    with rdm.ProbeLogger(path, samples={"group": first[3]}, overwrite=True) as logger:
        for step, losses, draws, _ in (first, *rows):
            logger(step, losses)
            logger.draws(step, draws)


def both(path: Path) -> pd.DataFrame:
    """SHC, PR and total variance by step, of the draws and of the trailing window."""
    found = rdm.analyze(rdm.read_run(path))
    columns = ["step", "shc", "pr", "total_variance"]
    return found.gaussian[columns].merge(
        found.observables[columns], on="step", how="left", suffixes=("_gaussian", "_window")
    )


def alarm_steps(run: pd.DataFrame) -> dict[str, int | None]:
    """Step of the first alarm at 1.5 decades, of the draws and of the window; None for none."""
    steps = run["step"].to_numpy()
    rises = {
        name: find_rises(decades(run[f"shc_{name}"].to_numpy()), threshold=1.5)
        for name in ("gaussian", "window")
    }
    return {name: int(steps[found[0].alarm]) if found else None for name, found in rises.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    wanted = [
        (setting, control, seed)
        for setting, controls in CONTROLS.items()
        for control in controls
        for seed in range(given.seeds)
    ]
    tables: list[pd.DataFrame] = []
    for setting, control, seed in track(wanted, "runs"):
        path = given.folder / f"{setting}_{control or 'transition'}_{seed:02d}.parquet"
        log(path, ROWS_OF[setting](control, seed))
        tables.append(both(path).assign(setting=setting, control=control or "", seed=seed))
    table = pd.concat(tables, ignore_index=True)
    table.to_csv(given.folder / "gaussian.csv", index=False)
    found = pd.DataFrame(
        {"setting": setting, "control": control, "seed": seed, **alarm_steps(run)}
        for (setting, control, seed), run in table.groupby(["setting", "control", "seed"])
    )
    print(found.to_string(index=False))
    places = table.groupby(["setting", "control", "seed"]).nth([0, 20, 40, 80, 119])
    medians = places.groupby(["setting", "control", "step"]).median(numeric_only=True)
    print(medians.drop(columns="seed").to_string())


if __name__ == "__main__":
    main()
