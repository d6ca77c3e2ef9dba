"""Corpora with a known truth, of a few lines each: observed runs built by hand, and small ones on disk."""

from pathlib import Path

import numpy as np
import pandas as pd

import rdmtools as rdm
from rdmtools.evaluation.corpus import Entry, Truth, write_manifest
from rdmtools.evaluation.observed import Observed
from rdmtools.evaluation.rated import Watch
from rdmtools.evaluation.truth import Transition

WINDOW, SPACING, WINDOWS = 4, 10, 60
CONTROLS = {"": "transition", "still": "quiet", "ramp": "hard"}


def entry(seed=1, kind="transition", control=None, setting="toy", truths=(), since=None, folder="runs"):
    control = control if control is not None else "" if kind == "transition" else kind
    path = Path(folder) / f"{setting}-{control or 'transition'}-{seed}.parquet"
    return Entry(
        path=path, setting=setting, control=control, seed=seed, kind=kind, truths=truths, since=since
    )


def transition(t50=400, t10=None, t90=None, watched_from=0, status="judged", resolution=SPACING, truth=None):
    return Transition(
        truth=truth or Truth(column="accuracy"),
        t10=t50 - 40 if t10 is None else t10,
        t50=t50,
        t90=t50 + 40 if t90 is None else t90,
        status=status,
        watched_from=watched_from,
        resolution=resolution,
    )


def observed(levels, *transitions, seed=1, kind="transition", start=0, rated=None, **of_entry):
    """A run whose signals have these levels, {name: (series, windows)}; a control is idle throughout.

    `rated` has the windows at which rules with a stated rate alarm, by name; judged are all.
    """
    levels = {name: np.atleast_2d(np.asarray(series, dtype=float)) for name, series in levels.items()}
    windows = next(iter(levels.values())).shape[1]
    return Observed(
        entry=entry(seed=seed, kind=kind, **of_entry),
        transitions=transitions,
        steps=SPACING * np.arange(windows),
        start=start,
        window=WINDOW,
        spacing=float(SPACING),
        idle=np.full(windows, kind != "transition"),
        levels=levels,
        rated={name: watch(at, windows) for name, at in (rated or {}).items()},
    )


def watch(alarms, windows=WINDOWS, judged=slice(None)):
    """What a rule did that fired at these windows, and judged those."""
    fired, seen = np.zeros((2, windows), dtype=bool)
    fired[list(alarms)] = True
    seen[judged] = True
    return Watch(alarms=fired, judged=seen)


def step_up(height, at, windows=WINDOWS):
    """A level of 0 that stands at `height` from window `at` on."""
    return np.where(np.arange(windows) >= at, float(height), 0.0)


def write_corpus(folder, settings, *, seeds):
    """Small runs on disk, with a manifest: each setting with its transition and two controls."""
    entries = [
        write_run(folder, setting, control, seed)
        for setting in settings
        for control in CONTROLS
        for seed in range(seeds)
    ]
    write_manifest(folder, entries)
    return entries


def write_run(folder, setting, control, seed):
    """Losses that fall at row 150 (not, slowly in "ramp"), and the truth that rises some rows later."""
    rows, samples = 260, 12
    rng = np.random.default_rng([*setting.encode(), list(CONTROLS).index(control), seed])
    place = np.arange(rows)
    learned = 1 / (1 + np.exp(-(place - 150 - seed) / 4))
    fall = {"": learned, "still": 0 * learned, "ramp": 1 / (1 + np.exp(-(place - 130) / 40))}[control]
    losses = 2 + 0.01 * rng.standard_normal((rows, samples))
    losses[:, :5] -= fall[:, None] * np.linspace(0.8, 1.2, 5)
    path = folder / setting / f"{control or 'transition'}_{seed}.parquet"
    groups = pd.DataFrame({"sample_id": range(samples), "group": ["learned"] * 5 + ["other"] * 7})
    with rdm.ProbeLogger(path, samples=groups) as log:
        for row in range(rows):
            log(10 * row, losses[row])
            log.scalars(10 * row, skill=0.0 if control else float(learned[max(row - 8, 0)]))
    return Entry(
        path=path,
        setting=setting,
        control=control,
        seed=seed,
        kind=CONTROLS[control],
        truths=(Truth(column="skill", group="learned"),),
    )
