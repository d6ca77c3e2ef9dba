"""Whose event is it? The group whose share of the top mode rose most from the floor to the alarm.

A group that is always loud has most of every mode, so that its share alone says nothing of an event. With
share(w) the sum of the squared loadings of a group's samples in the top mode of window w,

    lift = (share(alarm) + 0.001) / (share(floor) + 0.001)

and the event is the group's of the largest lift, if that is *resolved*:

- it is above every other group's in 95 of 100 draws of the samples, with replacement within each group;
- it is at least 1.25 times the runner-up's;
- of samples shuffled between the groups the first is as far above the second in at most 1 of 100 shuffles.
  Where nothing moves at the floor its mode is noise, and a group of few may have little of it by chance. Here
  sums are of absolute loadings, not squared, lest one sample decide.

Else the event's group is "unresolved". A group of one sample leaves nothing to draw: it is resolved only
where it also has more than half of the mode at the alarm. Nothing after the alarm is used.

Measured (`benchmarks/answers_lift.py`): with a loud group in the probe its share at the peak names the group
that moved in few events, the lift in nearly all, and none is resolved wrongly. Of groups that nothing tells
apart 1 in 100 is resolved, without shuffles up to a quarter.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int
from numpy.typing import NDArray

from rdmtools.analysis.groups import coded

PSEUDO_SHARE = 1e-3
"""Added to both shares, so that what stood still at the floor does not win by how still it stood."""
CLEAR_LIFT = 1.25
"""The least lift over the runner-up's of a group that is resolved."""
CHANCE = 0.01
"""The most shuffles of the samples that may tell a group apart as well as the groups do."""
_QUANTILE = 0.05
_DRAWS = 400, 100  # at most, and at least where there are very many samples
_DRAWN = 1 << 23  # samples in all draws of an event together
_AT_ONCE = 1 << 20

_Energies = Float64[np.ndarray, "events 2 samples"]
_Codes = Int[np.ndarray, " _"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLift:
    """What one group of samples has in an event's top mode, from the floor to the peak."""

    group: str
    samples: int
    sample_share: float
    """The group's part of the probe samples: its share of a mode in which all move alike."""
    floor_share: float
    """Sum of the squared loadings of its samples in the window at the floor; `sample_share` where C = 0."""
    alarm_share: float
    peak_share: float
    lift: float
    """Of the alarm's share over the floor's, 0.001 added to each."""
    margin: float
    """5 % quantile, over drawn samples, of log(lift / largest lift of another group); NaN of a sole group."""
    rank: int
    """1 for the largest lift."""
    resolved: bool
    """Whether the event is this group's: at most one is."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tops:
    """Loadings of the top mode in three windows of an event, of any length; all zero where C = 0."""

    floor: Float64[np.ndarray, " samples"]
    alarm: Float64[np.ndarray, " samples"]
    peak: Float64[np.ndarray, " samples"]


def group_lifts(events: Sequence[Tops], groups: Sequence[str]) -> list[list[GroupLift]]:
    """Lifts of each event by group, in the order in which the groups first appear.

    Parameters
    ----------
    events
        Samples are drawn once for all of them: events do not change each other's lifts.
    groups
        Of each sample; empty where there are no groups, and then there are no lifts.

    Notes
    -----
    `peak` goes into `peak_share` alone: nothing else depends on what came after the alarm. The draws are the
    same each time.
    """
    if not groups or not events:
        return [[] for _ in events]
    names, codes = coded(groups)
    sizes = np.bincount(codes, minlength=len(names))
    energies = np.stack(
        [[_energies(top) for top in (event.floor, event.alarm, event.peak)] for event in events]
    )
    shares = np.stack([[_by_group(each, codes, sizes) for each in event] for event in energies])
    lifts = _lift(shares[:, 0], shares[:, 1])
    margins = _margins(energies[:, :2], codes, sizes)
    first = lifts.argmax(axis=1)
    every = np.arange(len(events))
    clear = lifts[every, first] >= CLEAR_LIFT * _largest_other(lifts)[every, first]
    resolved = clear & (margins[every, first] > 0)
    alone = sizes[first] == 1
    resolved &= ~alone | (shares[every, 1, first] > 0.5)
    asked = np.flatnonzero(resolved & ~alone)
    resolved[asked] = _by_chance(np.sqrt(energies[asked, :2]), codes, sizes, first[asked]) <= CHANCE
    return [
        _of_event(names, sizes, shares[event], lifts[event], margins[event], bool(resolved[event]))
        for event in every.tolist()
    ]


def _of_event(
    names: Sequence[str],
    sizes: _Codes,
    shares: Float64[np.ndarray, "3 groups"],
    lifts: Float64[np.ndarray, " groups"],
    margins: Float64[np.ndarray, " groups"],
    resolved: bool,
) -> list[GroupLift]:
    ranks = np.empty(len(names), np.int64)
    ranks[np.argsort(-lifts, kind="stable")] = np.arange(1, len(names) + 1)
    return [
        GroupLift(
            group=name,
            samples=int(sizes[index]),
            sample_share=float(sizes[index] / sizes.sum()),
            floor_share=float(shares[0][index]),
            alarm_share=float(shares[1][index]),
            peak_share=float(shares[2][index]),
            lift=float(lifts[index]),
            margin=float(margins[index]),
            rank=int(ranks[index]),
            resolved=resolved and int(ranks[index]) == 1,
        )
        for index, name in enumerate(names)
    ]


def _by_group(values: Float64[np.ndarray, " samples"], codes: _Codes, sizes: _Codes) -> NDArray[np.float64]:
    return np.bincount(codes, weights=values, minlength=len(sizes)).astype(np.float64)


def _energies(loadings: Float64[np.ndarray, " samples"]) -> Float64[np.ndarray, " samples"]:
    """Each sample's share of the mode: where there is none, as if all moved alike."""
    total = float(loadings @ loadings)
    return loadings**2 / total if total > 0 else np.full(len(loadings), 1 / len(loadings))


def _lift(floor: NDArray[np.float64], alarm: NDArray[np.float64]) -> NDArray[np.float64]:
    return (alarm + PSEUDO_SHARE) / (floor + PSEUDO_SHARE)


def _margins(energies: _Energies, codes: _Codes, sizes: _Codes) -> Float64[np.ndarray, "events groups"]:
    """The 5 % quantile of each group's log(lift / best other's), over samples drawn within each group."""
    if len(sizes) < 2:
        return np.full((len(energies), len(sizes)), np.nan)
    first = (np.cumsum(sizes) - sizes).repeat(sizes)
    size = sizes.repeat(sizes)
    drawn = _drawn_lifts(energies, codes, sizes, lambda rng, few: first + rng.integers(0, size, few))
    return np.stack(
        [np.quantile(np.log(lifts / _largest_other(lifts)), _QUANTILE, axis=0) for lifts in drawn]
    )


def _by_chance(
    loadings: _Energies, codes: _Codes, sizes: _Codes, groups: _Codes
) -> Float64[np.ndarray, " events"]:
    """How often a group of shuffled samples has a lift as far above the runner-up's as that group has."""
    if not len(loadings):
        return np.zeros(0)
    places = np.arange(len(codes))

    def shuffled(rng: np.random.Generator, few: tuple[int, int]) -> NDArray[np.int64]:
        return rng.permuted(np.broadcast_to(places, few), axis=1)

    every = _drawn_lifts(loadings, codes, sizes, shuffled)
    found = np.empty(len(loadings))
    for event, (of_event, group, lifts) in enumerate(zip(loadings, groups.tolist(), every, strict=True)):
        parts = np.stack([_by_group(each, codes, sizes) for each in of_event])
        here = _lift(*(parts / parts.sum(axis=1, keepdims=True)))
        far = np.log(here[group] / np.delete(here, group).max())
        drawn = np.sort(lifts, axis=1)
        as_far = np.count_nonzero(np.log(drawn[:, -1] / drawn[:, -2]) >= far - 1e-9)
        found[event] = (1 + as_far) / (1 + len(drawn))
    return found


def _drawn_lifts(
    energies: _Energies,
    codes: _Codes,
    sizes: _Codes,
    draw: Callable[[np.random.Generator, tuple[int, int]], NDArray[np.int64]],
) -> Float64[np.ndarray, "events draws groups"]:
    """Lifts of each group, again and again: `draw` gives places among samples in order of their groups."""
    samples = len(codes)
    inside = energies[:, :, np.argsort(codes, kind="stable")]
    starts = np.cumsum(sizes) - sizes
    draws = int(np.clip(_DRAWN // samples, _DRAWS[1], _DRAWS[0]))
    few = max(_AT_ONCE // samples, 1)
    rng = np.random.default_rng(0)
    shares = np.empty((2, len(energies), draws, len(sizes)))
    for begin in range(0, draws, few):
        here = slice(begin, min(begin + few, draws))
        places = draw(rng, (here.stop - begin, samples))
        for event, of_event in enumerate(inside):
            for kind, each in enumerate(of_event):
                shares[kind, event, here] = np.add.reduceat(each[places], starts, axis=1)
    shares /= np.maximum(shares.sum(axis=3, keepdims=True), np.finfo(float).tiny)
    return _lift(shares[0], shares[1])


def _largest_other(values: Float64[np.ndarray, "draws groups"]) -> Float64[np.ndarray, "draws groups"]:
    """Of each group the largest value among the others; -inf of a sole group."""
    if values.shape[1] < 2:
        return np.full(values.shape, -np.inf)
    first = values.argmax(axis=1)[:, None]
    rest = values.copy()
    np.put_along_axis(rest, first, -np.inf, axis=1)
    is_first = np.isneginf(rest)
    largest = rest.max(axis=1)[:, None], values.max(axis=1)[:, None]
    return np.asarray(np.where(is_first, *largest), np.float64)
