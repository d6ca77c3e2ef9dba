"""What became of each history: was it learned, is it kept, was it lost? Of samples and of groups alike.

With m the history (of a group its mean), s its trailing mean over 20 rows, `first` the level at its start,
`best` the lowest s, `now` the last s:

| status at the last row | where |
|---|---|
| too short to judge | there are fewer than 20 rows |
| lost | it was learned; s has at least doubled since, beyond noise, and gave back a tenth of its fall |
| lost and regained | that held at some row before, and holds no more |
| learned | it fell beyond noise to a third of `first`, or below, and is there still |
| kept | with `known_at_start`: never lost |
| learning | it fell beyond noise, not to a third |
| rising | it rises beyond noise, and was not learned before |
| never | one level tells it as well as two |

Exactly one holds. "Beyond noise" is the z of a least-squares split (`splits`): for a fall of m, up to its
best; for a loss of log(m + 1 % of `first`), from the first row within twice the best on. That takes twice the
z, since these rows begin where it is low, and three times to have been lost once. A history that is not above
0 is counted from its lowest value.

With `known_at_start` the first level counts as learned, as for a model that begins trained.

Looks back over all rows; a loss is one at the last row, never one that was there once: of stationary noise a
trailing mean doubles now and then.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Bool, Float64

from rdmtools.analysis.crossings import SHARES
from rdmtools.analysis.histories import Histories
from rdmtools.analysis.splits import ENOUGH_ROWS, Noise, Split, smooth_noise, split

TOO_SHORT, LEARNED, LEARNING, KEPT = "too short to judge", "learned", "learning", "kept"
LOST, REGAINED, NEVER, RISING = "lost", "lost and regained", "never", "rising"
STATUSES = (LEARNED, LEARNING, KEPT, LOST, REGAINED, NEVER, RISING, TOO_SHORT)

TRAILING_ROWS = 20
_LEARNED = 1 / 3  # of the first level
_DOUBLED = 2.0
_GIVEN_BACK = 0.1  # of the fall
# Times the z that a split needs: the rows looked at begin where the history is low, and those asked whether
# it was lost once end where it is high.
_ROSE, _CHOSEN = 2.0, 3.0
_FLOOR = 0.01  # of the first level, added before the logarithm
# Histories and blocks that are worked on at a time.
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class States:
    """One value per history; steps are NaN where there is none."""

    first: Float64[np.ndarray, " series"]
    """Level that it starts at: the median of the first three rows, in loss."""
    best: Float64[np.ndarray, " series"]
    """Lowest mean of 20 rows, in loss."""
    now: Float64[np.ndarray, " series"]
    """Mean of the last 20 rows, in loss."""
    fell: Bool[np.ndarray, " series"]
    """Whether it fell beyond noise, to its best."""
    lost_ratio: Float64[np.ndarray, " series"]
    """`now` over `best`."""
    lost_errors: Float64[np.ndarray, " series"]
    """Change since it was within twice the best, in standard errors of correlated rows; positive where it
    rose."""
    lost_step: Float64[np.ndarray, " series"]
    """Where lost: first step from which on the mean of 20 rows about it stayed at or above twice the best."""
    status: np.ndarray
    """Text, one of `STATUSES`."""


def states(
    histories: Histories,
    series: Float64[np.ndarray, "blocks series"],
    *,
    known_at_start: bool = False,
    least_rho: float = 0.0,
) -> States:
    """What became of each history, (blocks, series), of the blocks of `histories`, as losses.

    `least_rho` is the lag-1 correlation below which that of few histories is not taken to lie.
    """
    blocks, count = series.shape
    each = max(_CHUNK // blocks, 1)
    parts = [
        _states(histories, series[:, start : start + each], known_at_start, least_rho)
        for start in range(0, count, each)
    ]
    names = [field.name for field in fields(States)]
    return States(**{name: np.concatenate([part[name] for part in parts]) for name in names})


def _states(
    histories: Histories, series: np.ndarray, known_at_start: bool, least_rho: float
) -> dict[str, np.ndarray]:
    blocks, count = series.shape
    series = np.asfortranarray(series)  # each history's values side by side, here and in all made of them
    base = np.minimum(series.min(axis=0), 0.0)
    height = series - base
    width = rows_in_blocks(histories, TRAILING_ROWS)
    trailing = trailing_mean(height, width)
    first = np.median(height[:3], axis=0)
    best_at = np.argmin(trailing, axis=0)
    best, now = trailing[best_at, np.arange(count)], trailing[-1]

    lost = _Losses.of(height, trailing, first, best, known_at_start, least_rho)
    here = lost.at(np.full(count, blocks - 1))
    stop = np.minimum(np.maximum(best_at + 1, 3 * ENOUGH_ROWS), blocks)
    noise = smooth_noise(height, least_rho=least_rho)
    down = split(height, stop=stop, least_rho=least_rho, most_rho=here.split.rho, noise=noise)
    fell = down.resolved & (down.after < down.before)
    learned = fell & (best <= _LEARNED * first)
    if known_at_start:
        learned = np.ones(count, dtype=bool)
    # The highest row since, its 20 rows as well: had it been lost there, and is no more?
    since = np.where(np.arange(blocks) >= lost.start[:, None] + width, trailing.T, -np.inf)
    once = lost.at(np.argmax(since, axis=1), times=_CHOSEN, most_rho=here.split.rho)
    up = lost.rising(best_at, here.split.rho)
    gave_back = now - best > 0.5 * np.maximum(first - best, 0.0)

    status = np.full(count, NEVER, dtype=object)
    status[fell] = LEARNING
    status[up & gave_back] = RISING
    status[learned] = KEPT if known_at_start else LEARNED
    status[learned & once.lost] = REGAINED
    status[learned & here.lost] = LOST
    if histories.edges[-1] < ENOUGH_ROWS:
        status[:] = TOO_SHORT
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(best > 0, now / best, np.where(now > 0, np.inf, 1.0))
    return {
        "first": first + base,
        "best": best + base,
        "now": now + base,
        "fell": fell,
        "lost_ratio": ratio,
        "lost_errors": np.sqrt(here.split.z) * np.sign(here.split.after - here.split.before),
        "lost_step": np.where(status == LOST, _doubled_for_good(histories, trailing, best), np.nan),
        "status": status,
    }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Loss:
    split: Split
    lost: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Losses:
    """Whether histories were lost, asked at any row of each."""

    logs: np.ndarray
    trailing: np.ndarray
    first: np.ndarray
    best: np.ndarray
    floor: np.ndarray
    start: np.ndarray
    known_at_start: bool
    least_rho: float
    noise: Noise

    @classmethod
    def of(
        cls,
        height: np.ndarray,
        trailing: np.ndarray,
        first: np.ndarray,
        best: np.ndarray,
        known_at_start: bool,
        least_rho: float,
    ) -> "_Losses":
        """From the first row within twice the best on; all rows where the first level counts as learned."""
        # Where all begins at next to nothing, what is nothing to the whole probe is nothing to one of it.
        floor = _FLOOR * (np.maximum(first, first.mean()) if known_at_start else first)
        floor = np.where(floor > 0, floor, 1.0)
        start = np.zeros(len(first), np.int64)
        if not known_at_start:
            start = np.argmax(height <= _DOUBLED * best + floor, axis=0)
        logs = np.log(height + floor)
        return cls(
            logs=logs,
            trailing=trailing,
            first=first,
            best=best,
            floor=floor,
            start=start,
            known_at_start=known_at_start,
            least_rho=least_rho,
            noise=smooth_noise(logs, least_rho=least_rho),
        )

    def at(self, row: np.ndarray, *, times: float = _ROSE, most_rho: float = 0.99) -> _Loss:
        """Whether each was lost at a row of its own."""
        found = self._split(self.start, np.maximum(row, self.start) + 1, most_rho)
        before = np.exp(found.before) - self.floor
        then = self.trailing[row, np.arange(len(row))]
        given_back = then - before >= _GIVEN_BACK * (self.first - before)
        rose = (found.z > times * found.needed) & (found.after > found.before)
        doubled = then + self.floor >= _DOUBLED * (before + self.floor)
        return _Loss(split=found, lost=rose & doubled & (given_back | self.known_at_start))

    def rising(self, row: np.ndarray, most_rho: float) -> np.ndarray:
        """Whether each rises from its lowest row on, beyond noise."""
        found = self._split(row, np.full(len(row), len(self.logs)), most_rho)
        return (found.z > _ROSE * found.needed) & (found.after > found.before)

    def _split(self, start: np.ndarray, stop: np.ndarray, most_rho: float) -> Split:
        return split(
            self.logs, start=start, stop=stop, least_rho=self.least_rho, most_rho=most_rho, noise=self.noise
        )


def rows_in_blocks(histories: Histories, rows: int) -> int:
    """So many rows in blocks, at least one, and at most an eighth of them all."""
    blocks = len(histories.steps)
    return int(np.clip(round(rows / histories.block_rows), 1, max(blocks // 8, 1)))


def trailing_mean(series: np.ndarray, width: int) -> np.ndarray:
    """Mean of the `width` rows up to each; of fewer at the start."""
    sums = np.cumsum(series, axis=0)
    count = np.minimum(np.arange(1, len(series) + 1), width)[:, None]
    sums[width:] -= sums[:-width].copy()
    return sums / count


def fall_steps(
    histories: Histories, series: Float64[np.ndarray, "blocks series"], found: States
) -> Float64[np.ndarray, "3 series"]:
    """Steps at which 10, 50 and 90 % of the way from `first` to `best` were gone; NaN where it never fell.

    By a centred mean of 5 rows.
    """
    width = rows_in_blocks(histories, 5)
    ahead = width // 2
    smooth = trailing_mean(series, width)
    smooth = np.concatenate([smooth[ahead:], np.repeat(smooth[-1:], ahead, axis=0)])
    steps = np.full((len(SHARES), series.shape[1]), np.nan)
    for row, share in enumerate(SHARES):
        down = smooth <= found.first - share * (found.first - found.best)
        reached = found.fell & down.any(axis=0)
        steps[row, reached] = histories.steps[np.argmax(down, axis=0)][reached]
    return steps


def _doubled_for_good(histories: Histories, trailing: np.ndarray, best: np.ndarray) -> np.ndarray:
    """First step from which on the mean of 20 rows about it stayed at or above twice the best."""
    below = trailing[::-1] < _DOUBLED * best
    rows = np.where(below.any(axis=0), np.argmax(below, axis=0), len(trailing) - 1)
    middle = rows_in_blocks(histories, TRAILING_ROWS) // 2
    place = len(trailing) - np.maximum(rows, 1) - middle
    return histories.steps[np.maximum(place, 0)].astype(np.float64)
