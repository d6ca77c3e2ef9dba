"""Is the group that an event names the group that moved? A sweep with a loud group, noise, a corpus.

    python benchmarks/answers_lift.py sweep             # 24 runs of two modes, half of the probe loud: 15 s
    python benchmarks/answers_lift.py noise             # groups that nothing tells apart: who is resolved
    python benchmarks/answers_lift.py corpus FOLDER     # runs of odd seeds of examples/make_corpus.py

The sweep is `examples/deep_linear.py` of two modes, watched by another probe: half of it is "random", the
samples of the largest losses of 16 times as many, and of each mode there are inputs that lie along it. An
event has a truth where its alarm, or the stretch from its alarm to its peak, is within 20 rows of a
transition's T50; right is the group of the nearest one. Rules were chosen on seeds 0 to 7 of the sweep.
"""

# pyright: basic

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binomtest

import rdmtools as rdm
from rdmtools.analysis.lift import Tops, group_lifts
from rdmtools.analysis.modes import window_modes

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

NEAR = 20
TRUTHS = {
    "deep_linear": {f"mode_{mode}": f"mode {mode}" for mode in (1, 2, 3)},
    "grokking": {"test_accuracy": "held-out"},
    "induction": {"in_context_accuracy": "repeated"},
}


def of(count: int, every: int) -> str:
    if not every:
        return "0 of 0"
    low, high = binomtest(count, every).proportion_ci(method="exact")
    return f"{count} of {every} ({count / every:.0%}, {low:.0%} to {high:.0%})"


def loud_run(seed: int, steps: int = 4000, log_every: int = 10, probe_size: int = 88) -> rdm.Run:
    import deep_linear as world

    world.SINGULAR_VALUES = np.array([4.0, 2.0])
    rng = np.random.default_rng(seed)
    teacher = world.make_teacher(rng)
    weights = world.initial_weights(None, teacher, rng)
    loud, along = probe_size // 2, probe_size // 4
    many = rng.standard_normal((16 * loud, world.WIDTH))
    losses = np.sum(teacher.labels(many, rng) ** 2, axis=1)
    inputs = [many[np.argsort(-losses)[:loud]]]
    groups = ["random"] * loud
    for mode, direction in enumerate(teacher.right.T, start=1):
        on = rng.standard_normal((along, 1)) * direction
        inputs.append(on + 0.1 * rng.standard_normal((along, world.WIDTH)))
        groups += [f"mode {mode}"] * along
    every = np.concatenate(inputs)
    probe = world.Probe(inputs=every, labels=teacher.labels(every, rng), groups=groups)
    rows, learned = [], []
    for step in range(steps + 1):
        batch = rng.standard_normal((world.BATCH, world.WIDTH))
        _, slopes = world.gradients(weights, batch, teacher.labels(batch, rng))
        if step % log_every == 0:
            rows.append(world.probe_losses(weights, probe))
            learned.append(np.sum(teacher.left * (world.network(weights) @ teacher.right), axis=0))
        weights = [layer - 0.01 * slope for layer, slope in zip(weights, slopes, strict=True)]
    logged = np.arange(0, steps + 1, log_every)
    scalars = pd.DataFrame(np.array(learned) / world.SINGULAR_VALUES, columns=["mode_1", "mode_2"])
    scalars.insert(0, "step", logged)
    return rdm.Run.from_arrays(
        logged, np.array(rows), samples={"group": groups}, scalars=scalars, name=f"loud {seed}"
    )


def judged(run: rdm.Run, truths: dict[str, str]) -> list[dict[str, object]]:
    """Each event: how near it is to a transition, what is named, and what was named by shares at the peak."""
    analysis = rdm.analyze(run)
    halves = {}
    for column, group in truths.items():
        if column in run.scalars and (risen := run.scalars[column] >= 0.5).any():
            halves[group] = np.searchsorted(run.steps, run.scalars["step"][risen].iloc[0])
    found = []
    for event in analysis.events.to_dict("records"):
        lift = analysis.lift[analysis.lift["event"] == event["event"]].set_index("rank")
        alarm, peak = (np.searchsorted(run.steps, event[name]) for name in ("alarm_step", "shc_peak_step"))
        if not halves:
            continue
        to_alarm = {group: abs(alarm - half) for group, half in halves.items()}
        to_stretch = {group: max(alarm - half, half - peak, 0) for group, half in halves.items()}
        row = {"run": run.name, "alarm": event["alarm_step"], "named": lift.loc[1, "group"]}
        row |= {"resolved": bool(lift.loc[1, "resolved"])}
        row["loudest"] = (lift["peak_share"] - lift["sample_share"]).idxmax()
        row["loudest"] = lift.loc[row["loudest"], "group"]
        for name, rows in (("alarm", to_alarm), ("stretch", to_stretch)):
            nearest = min(rows, key=rows.get)
            row[f"truth_{name}"] = nearest if rows[nearest] <= NEAR else None
        found.append(row)
    return found


def told(title: str, rows: list[dict[str, object]]) -> None:
    table = pd.DataFrame(rows)
    print(f"{title}: {len(table)} events")
    if table.empty:
        return
    for place in ("alarm", "stretch"):
        near = table[table[f"truth_{place}"].notna()]
        right = near["named"] == near[f"truth_{place}"]
        resolved = near["resolved"]
        print(f"  {place} within {NEAR} rows of a T50: {len(near)}")
        print(f"    largest lift is right          {of(int(right.sum()), len(near))}")
        print(f"    resolved                       {of(int(resolved.sum()), len(near))}")
        print(f"    right of those resolved        {of(int((right & resolved).sum()), int(resolved.sum()))}")
        loudest = near["loudest"] == near[f"truth_{place}"]
        before = of(int(loudest.sum()), len(near))
        print(f"    furthest above its samples' share at the peak, as before: {before}")
        for row in near[~right].to_dict("records"):
            print(f"    wrong: {row}")
    far = table[table["truth_stretch"].isna()]
    print(f"  no transition near: {len(far)}, resolved {int(far['resolved'].sum())}")
    print(f"    largest lift: {far['named'].value_counts().to_dict()}")


def noise() -> None:
    """The floor's mode is noise, and at the alarm all samples move alike, or in proportion to their noise."""
    for sizes in ((4, 4, 4), (15, 15, 15, 15), (3, 5, 40), (2, 2, 2, 2, 30)):
        for kind in ("alike", "in proportion"):
            resolved = 0
            for seed in range(1000, 1300):
                rng = np.random.default_rng(seed)
                samples = sum(sizes)
                groups = np.repeat(np.arange(len(sizes)), sizes).astype(str).tolist()
                size = np.ones(samples) if kind == "alike" else np.exp(rng.standard_normal(samples))
                floor = window_modes(rng.standard_normal((20, samples)) * size, count=1).loadings[0]
                alarm = size * rng.uniform(0.8, 1.2, samples)
                (lifts,) = group_lifts([Tops(floor=floor, alarm=alarm, peak=alarm)], groups)
                resolved += any(lift.resolved for lift in lifts)
            print(f"groups of {sizes}, {kind}: resolved {of(resolved, 300)}")


def main() -> None:
    what = sys.argv[1] if len(sys.argv) > 1 else "sweep"
    if what == "noise":
        return noise()
    if what == "sweep":
        truths = {"mode_1": "mode 1", "mode_2": "mode 2"}
        return told("loud group", [row for seed in range(100, 124) for row in judged(loud_run(seed), truths)])
    for setting, truths in TRUTHS.items():
        paths = sorted(Path(sys.argv[2]).glob(f"{setting}/transition_*[13579].parquet"))
        runs = [rdm.read_run(path) for path in paths]
        told(
            f"{setting}, {len(runs)} runs of odd seeds", [row for run in runs for row in judged(run, truths)]
        )


if __name__ == "__main__":
    main()
