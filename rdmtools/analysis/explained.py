"""Which column of the sample table tells the samples' changes apart? Each, and each pair, against shuffles.

A column cuts the samples into levels: its values; of numbers with more than 8 values, 8 bins of their ranks.
Of the variance of a change over samples its levels explain eta**2 = (between levels) / (all), a shuffled
column of L levels and n samples m = (L - 1) / (n - 1) of it on average, so that what a column explains is

    share = (eta**2 - m) / (1 - m)

Whether that is more than chance is asked of the *ranks* of the changes, which one sample cannot rule: with
z = (eta**2 - m) / s of each column and pair, s the deviation of eta**2 in shuffles of normal values, p is the
part of 300 shuffles whose *largest* z of all columns and pairs reaches this one's. A column is named where
p <= 0.01 and its share is at least a tenth: of those whose share is within a tenth of the best's, the one
with the fewest levels. A pair is named where it explains a tenth of the variance more than the best column.

Pairs are those of the 6 columns of the largest z, chosen anew in each shuffle. Ids, columns of one value, and
those with more levels than a quarter of the samples are not usable. Of more than 2,048 samples, 2,048 drawn
once are asked.

Measured (`benchmarks/answers_explained.py`): of runs that are noise about 1 in 100 names anything, however
many columns there are (column by column at 5 %, a fifth did).
"""

# pyright: reportUnknownVariableType=false

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int
from numpy.typing import NDArray

from rdmtools.analysis.histories import Histories
from rdmtools.analysis.tables import MOST_EXPLAINING, typed

SIGNIFICANT = 0.01
"""A column is named where at most this part of the shuffles has one as good."""
LEAST_SHARE = 0.1
"""A column that explains less is not named, and no pair that adds less to the best column."""
_ABOUT_AS_MUCH = 0.9
_BINS = 8
SAMPLES_A_LEVEL = 4
"""A column with fewer, on average, is nearly unique."""
_MOST_SAMPLES = 2048
_SHUFFLES = 300
_PAIRED = 6
_MOST_PAIRED = 24

USABLE = "usable"
ONE_VALUE = "one value"
NEARLY_UNIQUE = "nearly unique"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What changed of each sample, and where."""

    event: int | None
    """Number of the event; None of the whole run, and of draws."""
    place: str
    """Either "alarm" or "peak" of an event, "run", or "draws"."""
    step: int | None
    """Of the alarm, the peak, the draws; None of the whole run."""
    values: Float64[np.ndarray, " samples"]


def explained_table(samples: pd.DataFrame, changes: Sequence[Change]) -> pd.DataFrame:
    """One row per change and column, and per pair that was asked.

    Parameters
    ----------
    samples
        The sample table; its ids are left out.
    """
    columns = Columns(samples.drop(columns="sample_id"))
    return typed(
        "explained",
        [
            {"event": change.event, "place": change.place, "step": change.step, **asdict(found)}
            for change in changes
            for found in columns.explain(change.values)
        ],
    )


def run_change(histories: Histories) -> Change:
    """How far each sample's loss went over the whole run: from its first row to the level of its last rows.

    The level is the mean over the last twentieth of the run's blocks. A look back over the whole run.
    """
    blocks = max(len(histories.losses) // 20, 1)
    last = histories.losses[-blocks:].mean(axis=0)
    return Change(event=None, place="run", step=None, values=last - histories.first)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """What one column, or a pair of columns, explains of one change."""

    column: str
    with_column: str | None
    """The other column of a pair."""
    levels: int
    share: float
    """Of the variance of the change over samples, less what a shuffled column explains."""
    by_chance: float
    """The share that 1 in 100 shuffles reaches with its best, had that as many levels as this."""
    p_value: float
    named: bool
    """Whether it is the one to name: at most one column and one pair are."""
    status: str
    """Either "usable"; or why not: "one value", "nearly unique"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Levels:
    """One column or pair, of the samples that are asked."""

    column: str
    with_column: str | None
    codes: Int[np.ndarray, " samples"]
    levels: int
    status: str

    def chance(self) -> tuple[float, float]:
        """Mean and deviation of eta**2 of shuffled normal values."""
        samples, levels = len(self.codes), self.levels
        mean = (levels - 1) / (samples - 1)
        return mean, float(np.sqrt(2 * mean * (1 - mean) / (samples + 1)))


class Columns:
    """The columns of one sample table, put into levels once; then any number of changes are asked of them.

    Parameters
    ----------
    samples
        The sample table, without its ids; columns of any type and name.
    """

    def __init__(self, samples: pd.DataFrame) -> None:
        count = len(samples)
        self._asked = np.arange(count)
        if count > _MOST_SAMPLES:
            self._asked = np.sort(np.random.default_rng(0).permutation(count)[:_MOST_SAMPLES])
        drawn = samples.iloc[self._asked, : MOST_EXPLAINING - _PAIRED * (_PAIRED - 1) // 2]
        self._every = [_levels(str(name), drawn.iloc[:, at]) for at, name in enumerate(drawn.columns)]
        self._singles = [column for column in self._every if column.status == USABLE]
        self._pairs = _pairs(self._singles)
        self._largest: dict[bytes, NDArray[np.float64]] = {}

    def explain(self, change: Float64[np.ndarray, " samples"]) -> list[Explained]:
        """What each column and pair explains of one change of each sample; columns in order, then pairs.

        Where the change is the same for all samples nothing is explained: shares and p are NaN.
        """
        values = change[self._asked].astype(np.float64)
        ranks = pd.Series(values).rank().to_numpy() - (len(values) + 1) / 2
        spread = values - values.mean() if len(values) else values
        size = float(np.abs(values).max(initial=0.0))
        # what is left of equal numbers is rounding
        if not self._singles or not float(np.abs(spread).max(initial=0.0)) > 1e-12 * size:
            return [_untold(column) for column in self._every]
        z = _z(self._singles, ranks[:, None])[0]
        chosen = self._chosen(z[None])
        pairs = [self._pairs[key] for key, rows in chosen.items() if len(rows)]
        z_pairs = _z(pairs, ranks[:, None])[0].tolist()
        largest = self._largest_by_chance(ranks)
        by_column = dict(zip((id(column) for column in self._singles), z, strict=True))
        found = [
            _found(column, spread, float(by_column[id(column)]), largest)
            if id(column) in by_column
            else _untold(column)
            for column in self._every
        ]
        found_pairs = [
            _found(pair, spread, value, largest) for pair, value in zip(pairs, z_pairs, strict=True)
        ]
        return _named(found, found_pairs)

    def _chosen(self, z: Float64[np.ndarray, "shuffles columns"]) -> dict[tuple[int, int], NDArray[np.intp]]:
        """Of each pair that may be asked the shuffles whose leading columns hold it."""
        leading = np.zeros(z.shape, bool)
        best = np.argsort(-z, axis=1, kind="stable")[:, :_PAIRED]
        leading[np.arange(len(z))[:, None], best] = True
        return {
            (one, other): np.flatnonzero(leading[:, one] & leading[:, other]) for one, other in self._pairs
        }

    def _largest_by_chance(self, ranks: Float64[np.ndarray, " samples"]) -> NDArray[np.float64]:
        """Largest z of all columns and pairs in each shuffle, in order; of the same ranks the same."""
        key = np.sort(ranks).tobytes()
        if key not in self._largest:
            drawn = np.random.default_rng(0).permuted(np.tile(np.sort(ranks), (_SHUFFLES, 1)), axis=1)
            shuffled = np.ascontiguousarray(drawn.T)
            z = _z(self._singles, shuffled)
            largest = z.max(axis=1)
            for pair, held in self._chosen(z).items():
                if len(held):
                    z_pair = _z([self._pairs[pair]], shuffled[:, held])[:, 0]
                    largest[held] = np.maximum(largest[held], z_pair)
            self._largest[key] = np.sort(largest)
        return self._largest[key]


def _levels(name: str, column: pd.Series) -> _Levels:
    """The levels of one column; missing values are one of them."""
    column = column.infer_objects()
    codes, values = coded_levels(column, missing=True)
    count = len(values)
    most = len(column) // SAMPLES_A_LEVEL
    known = column.dropna()
    numbers = pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column)
    if numbers and count > _BINS and not pd.api.types.is_complex_dtype(column):
        unique = pd.api.types.is_integer_dtype(column) and known.nunique() == len(column)
        if not unique:  # all different whole numbers are ids
            codes, count = _binned(column, min(_BINS, max(most - 1, 1)))
    status = ONE_VALUE if count < 2 else NEARLY_UNIQUE if count > most else USABLE
    return _Levels(column=name, with_column=None, codes=codes, levels=count, status=status)


def coded_levels(column: pd.Series, *, missing: bool) -> tuple[NDArray[np.int64], Any]:
    """The level of each sample, and the levels; what has no value is one of them, or else -1."""
    try:
        codes, values = pd.factorize(column, use_na_sentinel=not missing)
    except TypeError:  # lists, dicts: by their text
        codes, values = pd.factorize(column.map(repr))
    return codes.astype(np.int64), values


def _binned(column: pd.Series, bins: int) -> tuple[NDArray[np.int64], int]:
    """Bins of equally many samples, ties kept together; missing values are one more."""
    missing = column.isna().to_numpy()
    ranks = column.rank(method="average").to_numpy(np.float64, na_value=np.nan)
    known = max(int((~missing).sum()), 1)
    place = np.where(missing, 0.5, ranks) - 0.5
    bin_of = np.where(missing, bins, np.minimum(place * bins / known, bins - 1).astype(np.int64))
    codes, values = pd.factorize(bin_of)
    return codes.astype(np.int64), len(values)


def _pairs(singles: Sequence[_Levels]) -> dict[tuple[int, int], _Levels]:
    """Pairs by the places of their columns: of those with the fewest levels, where there are very many."""
    fewest = sorted(range(len(singles)), key=lambda at: singles[at].levels)[:_MOST_PAIRED]
    pairs: dict[tuple[int, int], _Levels] = {}
    for one, other in combinations(sorted(fewest), 2):
        first, second = singles[one], singles[other]
        codes, values = pd.factorize(first.codes * second.levels + second.codes)
        # a pair that only renames a column's levels is no pair
        if max(first.levels, second.levels) < len(values) <= len(codes) // SAMPLES_A_LEVEL:
            pairs[one, other] = _Levels(
                column=first.column,
                with_column=second.column,
                codes=codes.astype(np.int64),
                levels=len(values),
                status=USABLE,
            )
    return pairs


def _z(columns: Sequence[_Levels], ranks: Float64[np.ndarray, "samples shuffles"]) -> NDArray[np.float64]:
    """z of each column or pair, (shuffles, columns)."""
    squares = np.sum(ranks**2, axis=0)
    found = np.empty((ranks.shape[1], len(columns)))
    for at, column in enumerate(columns):
        sizes = np.bincount(column.codes, minlength=column.levels)
        together = ranks[np.argsort(column.codes, kind="stable")]
        sums = np.add.reduceat(together, np.cumsum(sizes) - sizes, axis=0)
        mean, deviation = column.chance()
        found[:, at] = (np.sum(sums**2 / sizes[:, None], axis=0) / squares - mean) / deviation
    return found


def _named(singles: Sequence[Explained], pairs: Sequence[Explained]) -> list[Explained]:
    """All of them, the column and the pair that are to be named marked."""
    one = _simplest(singles, 0.0)
    best = max((each.share for each in singles if _holds(each)), default=0.0)
    two = _simplest(pairs, best)
    return [replace(each, named=each is one or each is two) for each in (*singles, *pairs)]


def _holds(each: Explained) -> bool:
    return each.p_value <= SIGNIFICANT and each.share >= LEAST_SHARE


def _simplest(found: Sequence[Explained], beyond: float) -> Explained | None:
    """Of those that explain about as much as the best the one with the fewest levels, if any holds."""
    holding = [each for each in found if _holds(each) and each.share >= beyond + LEAST_SHARE]
    best = max((each.share for each in holding), default=0.0)
    alike = [each for each in holding if each.share >= _ABOUT_AS_MUCH * best]
    return min(alike, key=lambda each: (each.levels, -each.share), default=None)


def _found(
    levels: _Levels,
    spread: Float64[np.ndarray, " samples"],
    z: float,
    largest: Float64[np.ndarray, " shuffles"],
) -> Explained:
    sizes = np.bincount(levels.codes, minlength=levels.levels)
    between = np.bincount(levels.codes, weights=spread, minlength=levels.levels) ** 2 / sizes
    mean, deviation = levels.chance()
    rarest = largest[int(np.ceil((1 - SIGNIFICANT) * (len(largest) + 1))) - 1]
    as_good = int(np.count_nonzero(largest >= z - 1e-9))
    return Explained(
        column=levels.column,
        with_column=levels.with_column,
        levels=levels.levels,
        share=(float(between.sum() / (spread @ spread)) - mean) / (1 - mean),
        by_chance=float(rarest) * deviation / (1 - mean),
        p_value=(1 + as_good) / (1 + len(largest)),
        named=False,
        status=levels.status,
    )


def _untold(levels: _Levels) -> Explained:
    return Explained(
        column=levels.column,
        with_column=levels.with_column,
        levels=levels.levels,
        share=np.nan,
        by_chance=np.nan,
        p_value=np.nan,
        named=False,
        status=levels.status,
    )
