"""What is drawn of runs side by side? Each run's lines as paths over its own steps, on scales that all share.

A path lies on a sheet of 4,000 by 2,000 grains, from the run's first step to its last and over the limits
of what is drawn: scaled and shifted, the same path is the sparkline, the small chart, and a line among all.
Of each run there are so many points that the page stays small.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rdmtools.analysis.events import records
from rdmtools.analysis.observables import leading_first
from rdmtools.format.names import STEP
from rdmtools.report.charts import drawn_values, limits_of
from rdmtools.report.palette import SERIES
from rdmtools.report.stacked_svg import path_of
from rdmtools.report.thinning import decimate
from rdmtools.results.compared_words import Facts, Timed

ACROSS, UP = 4000, 2000
"""Grains of the sheet that paths lie on."""
_KINDS = ("solid", "dashed", "dotted")
MOST_LOOKS = len(_KINDS) * len(SERIES)
_POINTS = 75_000
"""Of all lines of a page together, about."""
_FEWEST, _MOST = 40, 300
"""Points of one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """Something of which every run has a line."""

    key: str
    title: str
    decades: bool
    """Whether values are log10."""
    limits: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLines:
    """One run as it is drawn."""

    number: int
    name: str
    look: str
    """Classes of its colour and dash, the same everywhere."""
    first: int
    last: int
    every: int
    """Steps between rows where that is always the same, else 0."""
    alarms: Sequence[int]
    truths: Sequence[Timed]
    paths: Mapping[str, str]
    """By the key of what is drawn."""

    def grain(self, step: float) -> int:
        """Where a step is on the run's own sheet."""
        return round(ACROSS * (step - self.first) / ((self.last - self.first) or 1))


def look(number: int) -> str:
    """Classes of the colour and dash of the number-th run; those beyond the first twelve are grey."""
    if number >= MOST_LOOKS:
        return "l-muted thin"
    return f"l-{SERIES[number % len(SERIES)]} {_KINDS[number // len(SERIES)]}"


def compared_lines(
    names: Sequence[str], runs: pd.DataFrame, observables: pd.DataFrame, facts: Mapping[str, Facts]
) -> tuple[list[Quantity], list[RunLines]]:
    """What there is to draw, SHC first, and the runs of those names in that order."""
    known = {row["run"]: row for row in records(runs)}
    parts = dict(iter(observables.groupby("run", sort=False)))
    tables = {name: parts[name][parts[name]["window"] == known[name]["window"]] for name in names}
    kinds = [(row.name, row.title, row.scale) for row in leading_first() if row.compared]
    if any(np.isfinite(table["score"]).any() for table in tables.values()):
        kinds.insert(1, ("score", "Score of the warning rule", "linear"))
    points = min(max(_POINTS // (len(names) * len(kinds)), _FEWEST), _MOST)
    values = {
        key: {name: drawn_values(table[key].to_numpy(np.float64), scale) for name, table in tables.items()}
        for key, _, scale in kinds
    }
    drawn = [
        Quantity(
            key=key,
            title=title,
            decades=scale == "log",
            limits=limits_of([*values[key].values()], decades=scale == "log"),
        )
        for key, title, scale in kinds
    ]
    lines: list[RunLines] = []
    for number, name in enumerate(names):
        steps = tables[name][STEP].to_numpy(np.int64)
        ends = int(known[name]["first_step"]), int(known[name]["last_step"])
        apart = np.diff(steps)
        lines.append(
            RunLines(
                number=number,
                name=name,
                look=look(number),
                first=ends[0],
                last=ends[1],
                every=int(apart[0]) if len(apart) and (apart == apart[0]).all() else 0,
                alarms=facts[name].alarms,
                truths=facts[name].truths,
                paths={
                    one.key: _path(steps, values[one.key][name], one, ends, points if place else 2 * points)
                    for place, one in enumerate(drawn)  # the first is drawn three times over
                },
            )
        )
    return drawn, lines


def _path(
    steps: NDArray[np.int64],
    values: NDArray[np.float64],
    drawn: Quantity,
    ends: tuple[int, int],
    points: int,
) -> str:
    low, high = drawn.limits
    steps, values = decimate(steps, values, points)
    x = np.round(ACROSS * ((steps - ends[0]) / ((ends[1] - ends[0]) or 1)))
    return path_of(x, np.round(UP * (high - values) / (high - low)))
