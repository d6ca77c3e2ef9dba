"""How robust is an alarm? The same rule, on half of the probe, with other windows, on every second row.

    half of the probe   twenty random halves of the samples
    half the window     W // 2
    twice the window    2 W
    every second row    as if half as many had been logged
    without loud row    where one row carries the event: with the row before it in its place

A mark is *held* where an event of the other analysis opens from the event's floor to its end, give or take W
rows. Distances between rows add up over samples: they are made once, of twenty blocks of samples, and a half
is the sum of ten blocks. All marks have the event's own threshold, as numbers of windows are nearly the same.

They look back over the run up to the event's end, so that they are no part of the alarm.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int64

from rdmtools.alarms.joined import joined
from rdmtools.alarms.self_normalised import SHORTEST_WINDOW, watched
from rdmtools.analysis.gram import RowGeometry, row_geometry, tile_rows
from rdmtools.analysis.judged import Judgement
from rdmtools.analysis.log_energies import log_energies
from rdmtools.analysis.moments import moments
from rdmtools.analysis.tables import typed
from rdmtools.analysis.windows import Windows
from rdmtools.run.run import Run

HALVES = 20
_BLOCKS = 20
_FEWEST_SAMPLES = 8
MOST_VALUES = 1 << 24
"""Losses up to an event's end beyond which no marks are made: they are read once more, into memory."""

_Rows = Float[np.ndarray, "rows samples"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Alike:
    """One other analysis: rows of the run at which its events open."""

    mark: str
    alarms: Sequence[int]
    judged: bool = True


def marks_table(
    run: Run, judgements: Sequence[Judgement], loud: Sequence[int | None], steps: Int64[np.ndarray, " rows"]
) -> pd.DataFrame:
    """One row per event and mark.

    Parameters
    ----------
    judgements
        Of each window length; of a rule that states no rate there are no marks.
    loud
        Of each event, in the order of windows and alarms: the row that alone carries it.

    Returns
    -------
    DataFrame
        `event`, `mark`, `tried` and `held` (how many analyses, and in how many of them an event opens there),
        `alarm_step` (median of those; null where none is), `status`.
    """
    rows: list[dict[str, Any]] = []
    number = 0
    for judgement in judgements:
        events = judgement.events
        rows += [
            {"event": number + place, **told}
            for place, told in _marks(run, judgement, loud[number : number + len(events)], steps)
        ]
        number += len(events)
    return typed("marks", rows)


def _marks(
    run: Run, judgement: Judgement, loud: Sequence[int | None], steps: Int64[np.ndarray, " rows"]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Marks of the events of one window length, with the place of each, from 1."""
    if judgement.horizon is None or not judgement.events:
        return
    window = judgement.window
    stops = [len(steps) if event.end is None else event.end + window + 1 for event in judgement.events]
    stop = min(max(stops), len(steps))
    too_large = stop * run.shape[1] > MOST_VALUES
    losses = run.rows(0, 1 if too_large else stop)
    everywhere = [] if too_large else [*_others(losses, judgement)]
    for place, (event, until, row) in enumerate(zip(judgement.events, stops, loud, strict=True), start=1):
        if too_large:
            yield place, {"mark": "all", "tried": 0, "held": 0, "status": "too large to ask"}
            continue
        others = [*everywhere, *([] if row is None else [_without(losses, row, judgement)])]
        for mark in dict.fromkeys(alike.mark for alike in others):
            found = [alike for alike in others if alike.mark == mark]
            yield place, _told(mark, found, event.floor - window, until, steps)


def _told(
    mark: str, found: Sequence[_Alike], first: int, until: int, steps: Int64[np.ndarray, " rows"]
) -> dict[str, Any]:
    tried = [alike for alike in found if alike.judged]
    opened = [next((row for row in alike.alarms if first <= row < until), None) for alike in tried]
    alarms = sorted(row for row in opened if row is not None)
    return {
        "mark": mark,
        "tried": len(tried),
        "held": len(alarms),
        "alarm_step": int(steps[alarms[(len(alarms) - 1) // 2]]) if alarms else None,
        "status": "asked" if tried else "too short to judge",
    }


def _others(losses: _Rows, judgement: Judgement) -> Iterator[_Alike]:
    window, samples = judgement.window, losses.shape[1]
    blocks = [losses[:, places] for places in _blocks(samples)]
    parts: list[RowGeometry] = [_geometry(block, window) for block in blocks]
    if samples >= _FEWEST_SAMPLES:
        random = np.random.default_rng(0)
        for _ in range(HALVES):
            half: list[int] = sorted(random.choice(len(blocks), len(blocks) // 2, replace=False).tolist())

            def half_rows(start: int, stop: int, half: list[int] = half) -> _Rows:
                return np.concatenate([blocks[place][start:stop] for place in half], axis=1)

            geometry = _sum([parts[place] for place in half])
            yield _alike("half of the probe", geometry, half_rows, window, judgement.threshold)

    def rows(start: int, stop: int) -> _Rows:
        return np.concatenate([block[start:stop] for block in blocks], axis=1)

    whole = _sum(parts)
    for mark, other in (("half the window", window // 2), ("twice the window", 2 * window)):
        yield _alike(mark, whole, rows, other, judgement.threshold)
    yield _of_losses("every second row", losses[::2], judgement, every=2)


def _without(losses: _Rows, row: int, judgement: Judgement) -> _Alike:
    kept = losses.copy()
    kept[row] = kept[row - 1]
    return _of_losses("without loud row", kept, judgement)


def _of_losses(mark: str, losses: _Rows, judgement: Judgement, every: int = 1) -> _Alike:
    geometry = _geometry(losses, judgement.window)
    return _alike(
        mark,
        geometry,
        lambda start, stop: losses[start:stop],
        judgement.window,
        judgement.threshold,
        every=every,
    )


def _blocks(samples: int) -> list[np.ndarray]:
    """Places of samples in each of the blocks, at random."""
    places = np.random.default_rng(0).permutation(samples)
    return [np.sort(part) for part in np.array_split(places, min(_BLOCKS, samples))]


def _sum(parts: Sequence[RowGeometry]) -> RowGeometry:
    """Of all their samples together."""
    return reduce(add, parts)


def _geometry(losses: _Rows, window: int) -> RowGeometry:
    return row_geometry([losses], rows=len(losses), lags=window, tile=tile_rows(losses.shape[1]))


def _alike(
    mark: str,
    geometry: RowGeometry,
    rows: Callable[[int, int], _Rows],
    window: int,
    threshold: float,
    every: int = 1,
) -> _Alike:
    half, count = window // 2, len(geometry.mean_loss)
    places = Windows(length=half, first=0, count=count - half + 1)
    if window < SHORTEST_WINDOW or places.count < 1:
        return _Alike(mark=mark, alarms=(), judged=False)
    values = log_energies(moments(geometry.distances, [places], rows=rows)[0], geometry, places)
    early = np.full(half - 1, np.nan)
    found = watched(
        {name: np.concatenate([early, late]) for name, late in values.items()},
        window=window,
        threshold=threshold,
    )
    judged = any(course.judged.any() for course in found.courses.values())
    alarms = [every * event.alarm for event in joined(found.events, window)]
    return _Alike(mark=mark, alarms=alarms, judged=judged)
