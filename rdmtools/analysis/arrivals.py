"""When was each group of samples half-way in its change, and which was first? T50 of its mean, an interval.

A group's mean loss is cut into two levels (`splits`), the medians before and after the split; it did not move
where one level is as good. With y its way from the first level to the second, 0 to 1, as a mean of 5 rows,

    T50       the row that parts values below 1/2 from those above with the fewest on the wrong side
    interval  all rows about T50 at which y cannot be told from 1/2:  |y - 1/2| <= Q s

where s**2 is the variance of y about the levels, away from the change, and that of the levels themselves. It
supposes nothing of the shape of the change, or of the correlation of the rows. A group is first where it is
before every other (`is_before`).

Looks back: over the rows around an event, or over the whole run. Planted steps and sigmoids of up to 80 rows,
AR(1) noise to rho .9: the intervals hold the truth in 97 % (`benchmarks/answers_arrivals.py`). The last
crossing of 1/2, as one would try first, is off by 70 rows where noise is half of the change, this T50 by 3.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float64, Int64

from rdmtools.analysis.events import records
from rdmtools.analysis.groups import coded
from rdmtools.analysis.histories import Histories
from rdmtools.analysis.splits import ENOUGH_ROWS, split
from rdmtools.analysis.tables import typed

Q = 2.1
"""Standard errors of y to either side of 1/2. Chosen on worlds of even seeds, judged on those of odd ones."""
FIRST, LATER, UNRESOLVED = "first", "later", "unresolved"
HARDLY, STILL, SHORT = "hardly moved", "did not move", "too short to judge"
MOST_GROUPS = 512
"""A column with more groups names samples rather than groups."""
_SMOOTH = 5
_COARSE = 128
# A group goes both ways where at least this share of its samples falls, and as many rise.
_BOTH_WAYS = 0.2
# A group hardly moved that changed by less than this share of the largest change.
_HARDLY = 0.1
_FEWEST = 10


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Arrival:
    """When one history was half-way, in rows: a fraction lies between two rows; ends are rows, outwards."""

    half: float
    low: int
    high: int
    change: float
    """Second level less the first, in the history's unit."""
    way: Float64[np.ndarray, " rows"]
    """How far it is from the first level, 0, to the second, 1, as a mean of five rows."""
    split: int
    """First row of the second level."""
    spread: float
    """How many correlated rows count for one."""


def arrivals(series: Float64[np.ndarray, "rows series"]) -> list[Arrival | None] | None:
    """When each history was half-way from its first level to its second; None where it did not move.

    Of too few rows to judge there is no list. Histories share their correlation, as in `split`.
    """
    cut = split(series)
    if not np.isfinite(cut.needed).all():
        return None
    spread = (1 + cut.rho) / (1 - cut.rho)
    found = zip(series.T, cut.index.tolist(), cut.resolved.tolist(), strict=True)
    return [_arrival(history, index, spread) if moved else None for history, index, moved in found]


def _arrival(history: Float64[np.ndarray, " rows"], index: int, spread: float) -> Arrival | None:
    before, after = float(np.median(history[:index])), float(np.median(history[index:]))
    if before == after:
        return None
    way = (_means(history) - before) / (after - before)
    row = min(max(int(np.cumsum(np.where(way > 0.5, 1, -1)).argmin()), 0), len(way) - 2)
    level = (np.arange(len(way)) >= index).astype(np.float64)
    margin = Q * _error(way - level, _at_level(way, index), index, spread)
    return Arrival(
        half=row + _crossing(way[row], way[row + 1], 0.5),
        low=math.floor(_left(way[: row + 2], 0.5 - margin)),
        high=len(way) - 1 - math.floor(_left(1 - way[row:][::-1], 0.5 - margin)),
        change=after - before,
        way=way,
        split=index,
        spread=spread,
    )


def is_before(one: Arrival, other: Arrival) -> bool:
    """Whether one history was half-way before another, of the same rows: beyond what noise makes of it.

    By a row at least. Either their intervals lie apart; or midway between the two halves one is further on
    its way than the other, by Q standard errors of that difference before and after both changes. What moves
    both alike cancels there, as noise of an evaluation does.
    """
    if other.half - one.half < 1:
        return False
    if one.high < other.low:
        return True
    rows = np.arange(len(one.way))
    away = _at_level(one.way, one.split) & _at_level(other.way, other.split)
    away &= (rows >= one.split) == (rows >= other.split)
    ahead, split_row = one.way - other.way, max(one.split, other.split)
    error = _error(ahead, away, split_row, max(one.spread, other.spread))
    return float(ahead[round((one.half + other.half) / 2)]) > Q * error


def _means(history: Float64[np.ndarray, " rows"]) -> Float64[np.ndarray, " rows"]:
    """Centred means of five rows; the first and last rows stand for what is beyond them."""
    sides = _SMOOTH // 2
    sums = np.cumsum(np.concatenate([[0.0], np.pad(history - history[0], sides, mode="edge")]))
    return history[0] + (sums[_SMOOTH:] - sums[:-_SMOOTH]) / _SMOOTH


def _at_level(way: Float64[np.ndarray, " rows"], index: int) -> Bool[np.ndarray, " rows"]:
    """Rows before it began to move, and after it had arrived."""
    rows = np.arange(len(way))
    starts, arrived = np.flatnonzero(way[:index] <= 0.1), np.flatnonzero(way[index:] >= 0.9)
    last = int(starts[-1]) if len(starts) else 0
    first = index + int(arrived[0]) if len(arrived) else len(way) - 1
    return (rows < last - _SMOOTH // 2) | (rows > first + _SMOOTH // 2)


def _error(
    residual: Float64[np.ndarray, " rows"], away: Bool[np.ndarray, " rows"], index: int, spread: float
) -> float:
    """Standard error of a way, less one of its half, from rows that are at their level."""
    if np.count_nonzero(away) < _FEWEST:
        away = np.ones_like(away)
    # A median of correlated rows has pi / 2 times the variance of their mean; the half is that of two levels.
    counts = (np.count_nonzero(away[:index]), np.count_nonzero(away[index:]))
    levels = np.pi / 8 * sum(min(spread / max(int(count), 1), 1.0) for count in counts)
    return float(np.sqrt(np.var(residual[away]) * (1 + levels)))


def _left(way: Float64[np.ndarray, " rows"], level: float) -> float:
    """Where the way last rose to the level, going back from its end; 0 where it never was below."""
    below = np.flatnonzero(way < level)
    if not len(below):
        return 0.0
    row = int(below[-1])
    return row + _crossing(way[row], way[row + 1], level) if row + 1 < len(way) else float(row)


def _crossing(here: float, next_: float, level: float) -> float:
    """How far between two rows the level is crossed, 0 to 1."""
    return float(np.clip((level - here) / (next_ - here), 0, 1)) if next_ != here else 0.5


def arrivals_table(
    histories: Histories, groups: Sequence[str], events: pd.DataFrame, steps: Int64[np.ndarray, " rows"]
) -> pd.DataFrame:
    """When each group was half-way: one row per group over the whole run, and per event and group around it.

    A group whose samples go both ways has a row for those that fall, and one for those that rise.

    Parameters
    ----------
    groups
        Name of each sample's group; none, or more than `MOST_GROUPS` of them, make no rows.
    events
        The table of events. Around one are the rows from the window at its floor to a window after its end,
        as far as the next event's floor.
    steps
        Of the run's rows.

    Returns
    -------
    DataFrame
        Steps are those of rows (of the last of a block, in runs kept as blocks of rows): `half_step` the
        first at or past the half, `low_step` and `high_step` the ends of the interval; null where nothing
        moved.
    """
    names, codes = coded(groups)
    if not 0 < len(names) <= MOST_GROUPS:
        return typed("arrivals", [])
    rows: list[dict[str, Any]] = []
    for event, stretch in _stretches(histories.steps, events, steps):
        parts, means = _parts(histories.losses[stretch], names, codes)
        found = arrivals(means) if len(means) else None
        known = [None] * len(parts) if found is None else found
        outcomes = [SHORT] * len(parts) if found is None else _outcomes(known)
        for (name, count), one, outcome in zip(parts, known, outcomes, strict=True):
            row = {"event": event, "group": name, "samples": count, "outcome": outcome}
            rows.append(row if one is None else row | _in_steps(one, histories.steps[stretch]))
    return typed("arrivals", rows)


def _parts(
    losses: Float64[np.ndarray, "rows samples"], names: Sequence[str], codes: Int64[np.ndarray, " samples"]
) -> tuple[list[tuple[str, int]], Float64[np.ndarray, "rows parts"]]:
    """Name and samples of each group, and its mean; where samples go both ways, of either way."""
    changes = _changes(losses)
    parts: list[tuple[str, np.ndarray]] = []
    for code, name in enumerate(names):
        mine = np.flatnonzero(codes == code)
        both = [mine[changes[mine] < 0], mine[changes[mine] > 0]]
        mixed = min(map(len, both)) >= max(_BOTH_WAYS * len(mine), 1)
        if mixed:
            least, most = sorted(float(np.abs(changes[part]).mean()) for part in both)
            mixed = least >= _HARDLY * most
        parts += [(name, part) for part in (both if mixed else [mine])]
    weights = np.zeros((len(codes), len(parts)))
    for column, (_, part) in enumerate(parts):
        weights[part, column] = 1 / len(part)
    return [(name, len(part)) for name, part in parts], losses @ weights


def _changes(losses: Float64[np.ndarray, "rows samples"]) -> Float64[np.ndarray, " samples"]:
    """What each sample's loss lastingly changed by, of coarse rows; 0 where noise explains it."""
    each = max(len(losses) // _COARSE, 1)
    whole = len(losses) // each * each
    if whole < ENOUGH_ROWS:
        return np.zeros(losses.shape[1])
    sums = sum((losses[row:whole:each] for row in range(each)), start=np.zeros(1))
    cut = split(sums / each)
    return np.where(cut.resolved, cut.after - cut.before, 0.0)


def _stretches(
    ends: Int64[np.ndarray, " blocks"], events: pd.DataFrame, steps: Int64[np.ndarray, " rows"]
) -> Iterator[tuple[int | None, slice]]:
    """The whole run, then the blocks around each event."""
    yield None, slice(0, len(ends))
    for event in records(events):
        later = events[(events["window"] == event["window"]) & (events["floor_step"] > event["alarm_step"])]
        first = max(int(np.searchsorted(steps, event["floor_step"])) - event["window"] + 1, 0)
        last = len(steps) - 1
        if not pd.isna(event["end_step"]):
            last = min(int(np.searchsorted(steps, event["end_step"])) + event["window"], last)
        if len(later):
            last = min(int(np.searchsorted(steps, later["floor_step"].min())), last)
        yield event["event"], slice(*np.searchsorted(ends, [steps[first], steps[last] + 1]).tolist())


def _in_steps(one: Arrival, ends: Int64[np.ndarray, " blocks"]) -> dict[str, Any]:
    return {
        "half_step": int(ends[min(math.ceil(one.half), len(ends) - 1)]),
        "low_step": int(ends[one.low]),
        "high_step": int(ends[one.high]),
        "loss_change": one.change,
    }


def _outcomes(found: Sequence[Arrival | None]) -> list[str]:
    """Which of the histories was first, or which cannot be told from the first."""
    largest = max((abs(one.change) for one in found if one is not None), default=0.0)
    moved = [one for one in found if one is not None and abs(one.change) >= _HARDLY * largest]
    leader = min(moved, key=lambda one: one.half, default=None)

    rivals = [one for one in moved if leader is not None and one is not leader and not is_before(leader, one)]

    def outcome(one: Arrival | None) -> str:
        if one is None:
            return STILL
        if one not in moved:
            return HARDLY
        if one is leader:
            return UNRESOLVED if rivals else FIRST
        return UNRESOLVED if one in rivals else LATER

    return [outcome(one) for one in found]
