"""What is each factor made of? Its samples, when it moves, what they have in common, which events it carries.

A factor keeps its number over the run: they are numbered in the order in which they appear. A look back over
the whole run.

The column that explains a factor has a value that its samples share more than samples drawn at random would:
of all values of columns that say something (at least two values, at most one for every four samples), the one
that is least likely (hypergeometric), if one search in a hundred finds as much by chance, and if the value is
that of half the factor's samples, or half of the value's samples are the factor's.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64

from rdmtools.analysis.blas import one_blas_thread
from rdmtools.analysis.events import Event
from rdmtools.analysis.explained import SAMPLES_A_LEVEL, coded_levels
from rdmtools.analysis.factor_courses import Course, course
from rdmtools.analysis.factors import Groups, coarse, coarse_edges, find_groups
from rdmtools.analysis.groups import NO_GROUP, Grouping
from rdmtools.analysis.histories import Histories
from rdmtools.analysis.mode_matching import matched_modes, window_edges
from rdmtools.analysis.modes import direction
from rdmtools.analysis.tables import typed

FACTOR = "(factor)"
"""What factors are called, where groups are told by the column that they come from."""
_MOST = 0.5
_BY_CHANCE = 0.01
_CARRIED = 0.5
_NEAREST = 3
_TESTED = 32
_WINDOW_BLOCKS = 8
_AT_A_TIME = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """Groups of samples that move together, numbered in the order in which they appear, and their courses."""

    groups: Groups
    courses: Sequence[Course]
    steps: np.ndarray
    """Step of the last row of each block of the courses."""
    loss_change: Float64[np.ndarray, " samples"]
    """From the first of these blocks to the last, in loss."""
    total: float
    """Squared movement of all samples about their means, in loss**2, summed over blocks."""

    def carrier(self, loadings: Float64[np.ndarray, " samples"]) -> tuple[int | None, float | None]:
        """The factor that has more than half of a mode, and how much; None where none has."""
        shares = np.bincount(self.groups.labels, weights=loadings**2)
        shares[0] = 0.0
        factor = int(np.argmax(shares))
        return (factor, float(shares[factor])) if shares[factor] > _CARRIED else (None, None)

    @property
    def column(self) -> pd.Series:
        """Factor of each sample, null in none: a column for the table of samples."""
        labels = pd.Series(self.groups.labels, dtype="Int64", name="factor")
        return labels.mask(labels == 0)

    @property
    def names(self) -> list[str]:
        """What each sample's factor is called, as a group; nothing where there is no factor."""
        labels = self.groups.labels.tolist() if self.courses else []
        return [f"factor {label}" if label else NO_GROUP for label in labels]

    @property
    def grouping(self) -> list[Grouping]:
        """The samples by their factor, for tables by group; nothing where there is no factor."""
        if not self.courses:
            return []
        codes = np.where(self.groups.labels > 0, self.groups.labels - 1, self.groups.count)
        names = [*map(str, range(1, self.groups.count + 1)), NO_GROUP][: codes.max() + 1]
        return [Grouping(column=FACTOR, names=names, codes=codes)]


@one_blas_thread()
def find_factors(histories: Histories) -> Factors:
    """The factors of a run."""
    means = coarse(histories.losses)
    groups = find_groups(histories.losses, means)
    members = [np.flatnonzero(groups.labels == number + 1) for number in range(groups.count)]
    courses = [course(means[:, samples], groups.membership[samples]) for samples in members]
    order = sorted(range(groups.count), key=lambda number: (courses[number].appears, number))
    renamed = np.zeros(groups.count + 1, np.int64)
    renamed[np.array(order, np.intp) + 1] = np.arange(1, groups.count + 1)
    total = 0.0
    for start in range(0, means.shape[1], _AT_A_TIME):
        part = means[:, start : start + _AT_A_TIME]
        part = part - part.mean(axis=0)
        total += float(np.einsum("bs,bs->", part, part))
    return Factors(
        groups=replace(groups, labels=renamed[groups.labels], apart=groups.apart[order]),
        courses=[courses[number] for number in order],
        steps=histories.steps[coarse_edges(len(histories.losses))[1:] - 1],
        loss_change=means[-1] - means[0],
        total=total,
    )


def factors_table(factors: Factors, samples: pd.DataFrame, events: Sequence[Event]) -> pd.DataFrame:
    """One row per factor."""
    ids, steps = samples["sample_id"].to_numpy(), factors.steps
    carriers = [factors.carrier(event.modes.loadings[0])[0] for event in events]
    rows: list[dict[str, Any]] = []
    for number, course_ in enumerate(factors.courses, start=1):
        inside = factors.groups.labels == number
        members, change = np.flatnonzero(inside), factors.loss_change[inside]
        nearest = np.argsort(-np.abs(factors.groups.membership[members]), kind="stable")[:_NEAREST]
        rows.append(
            {
                "factor": number,
                "samples": len(members),
                "appears_step": steps[course_.appears],
                "half_step": steps[course_.half],
                "ends_step": None if course_.ends is None else steps[course_.ends],
                "variance_share": course_.explained / factors.total,
                "loss_change": change.mean(),
                "direction": direction(change),
                "apart": factors.groups.apart[number - 1],
                **_column(inside, samples),
                "nearest": ", ".join(str(ids[member]) for member in members[nearest]),
                "events": ", ".join(
                    str(event)
                    for event, (carrier, of_event) in enumerate(zip(carriers, events, strict=True), start=1)
                    if carrier == number and _moves_during(course_, steps, of_event)
                )
                or None,
            }
        )
    return typed("factors", rows)


def factor_samples_table(factors: Factors, samples: pd.DataFrame) -> pd.DataFrame:
    """One row per factor and sample of it."""
    ids, labels = samples["sample_id"], factors.groups.labels
    members = np.flatnonzero(labels)
    members = members[np.argsort(labels[members], kind="stable")]
    table = {
        "factor": labels[members],
        "sample_id": ids.to_numpy()[members],
        "membership": factors.groups.membership[members],
        "loss_change": factors.loss_change[members],
    }
    return typed("factor_samples", pd.DataFrame(table), ids=ids.dtype)


def factor_courses_table(factors: Factors) -> pd.DataFrame:
    """One row per factor and block, at most 128 blocks."""
    return typed(
        "factor_courses",
        [
            {"factor": number, "step": step, "loss": loss, "activity": activity}
            for number, each in enumerate(factors.courses, start=1)
            for step, loss, activity in zip(factors.steps, each.loss, each.activity, strict=True)
        ],
    )


@one_blas_thread()
def mode_tracks_table(histories: Histories, factors: Factors, *, window: int, count: int) -> pd.DataFrame:
    """One row per mode that is followed from window to window.

    Parameters
    ----------
    window
        Rows of a window; at least 8 blocks are taken, and more where there would be more than 128 windows.
    count
        Leading modes of each window.
    """
    losses = histories.losses
    edges = window_edges(len(losses), max(-(-window // histories.block_rows), _WINDOW_BLOCKS))
    last = histories.steps[edges[1:] - 1]
    rows: list[dict[str, Any]] = []
    for number, track in enumerate(matched_modes(losses, edges, count=count), start=1):
        factor, factor_share = factors.carrier(track.loadings)
        rows.append(
            {
                "track": number,
                "first_step": last[track.first],
                "last_step": last[track.last],
                "best_step": last[track.best],
                "windows": track.last - track.first + 1,
                "share": track.share,
                "overlap": track.overlap,
                "factor": factor,
                "factor_share": factor_share,
            }
        )
    return typed("mode_tracks", rows)


def _moves_during(course_: Course, steps: np.ndarray, event: Event) -> bool:
    """Whether the event alarms or peaks while the factor moves."""
    begin, end = steps[course_.appears], steps[-1 if course_.ends is None else course_.ends]
    return any(begin <= event.row[name] <= end for name in ("alarm_step", "shc_peak_step"))


def _column(inside: np.ndarray, samples: pd.DataFrame) -> dict[str, Any]:
    """The column and value that a factor's samples have in common, more than by chance."""
    best: dict[str, Any] = dict.fromkeys(("column", "value", "value_inside", "value_samples"))
    size, every = int(inside.sum()), len(samples)
    searched, least = 0, 0.0
    for name in samples.columns:
        if name == "sample_id":
            continue
        codes, values = coded_levels(samples[name], missing=False)
        if not 2 <= len(values) <= every // SAMPLES_A_LEVEL:
            continue
        searched += len(values)
        counts = np.bincount(codes[codes >= 0], minlength=len(values))
        both = np.bincount(codes[(codes >= 0) & inside], minlength=len(values))
        # The likeliest to be it: the test itself is slow.
        overlap = np.where(
            np.maximum(both / size, both / counts) >= _MOST, both / (counts + size - both), 0.0
        )
        nearest = np.argsort(-overlap, kind="stable")[:_TESTED]
        nearest = nearest[overlap[nearest] > 0]
        if not len(nearest):
            continue
        chance = [_log_chance(int(both[one]), every, int(counts[one]), size) for one in nearest]
        place = int(np.argmin(chance))
        if chance[place] < least:
            least, place = float(chance[place]), int(nearest[place])
            best = {
                "column": str(name),
                "value": str(values[place]),
                "value_inside": int(both[place]),
                "value_samples": int(counts[place]),
            }
    if least + np.log(max(searched, 1)) > np.log(_BY_CHANCE):
        return dict.fromkeys(best)
    return best


@lru_cache(maxsize=1)
def _log_factorials(most: int) -> Float64[np.ndarray, " numbers"]:
    """Of 0 to `most`. SciPy's functions for that take a quarter of a second to load."""
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1.0, most + 1)))])


def _log_chance(both: int, every: int, having: int, drawn: int) -> float:
    """Log of the chance that `both` or more of `drawn` samples of `every` have what `having` of them have."""
    several = np.arange(both, min(having, drawn) + 1)
    log_factorials = _log_factorials(every)

    def ways(of: Any, some: Any) -> Any:
        return log_factorials[of] - log_factorials[some] - log_factorials[of - some]

    few = ways(having, several) + ways(every - having, drawn - several) - ways(every, drawn)
    return float(np.logaddexp.reduce(few))
