"""Whose event is it? The group whose part of all that moves grew most from the floor to the alarm.

A group that is always loud has most of every window, and a group that hardly moves may double by chance; so
neither the share at the alarm tells, nor a ratio of shares. With share(w) the part that a group's samples
have in the variance of window w, summed over samples,

    gain = sqrt(share(alarm)) - sqrt(share(floor))

is by how much its part of the window grew in length, between a difference of shares and a ratio. The event is
the group's of the largest gain, if that is *resolved*: it is at least 0.1, and of samples shuffled between
the groups the first stands as far above the second in at most 3 of 100 shuffles. So that no sample decides
alone, what is shuffled has no squares: each sample's standard deviation at the alarm less that at the floor,
both in units of the probe's at that time (the square of the mean root, which the loud ones hardly move); a
group stands at the mean of its samples.

Else the event's group is "unresolved". A group of one sample leaves nothing to shuffle: it is resolved only
where it also has more than half of the variance at the alarm. Nothing after the alarm is used.

The shares of the top mode and their *lift*, (share(alarm) + 0.001) / (share(floor) + 0.001), are told beside
it and decide nothing: where little moves the top mode is one direction of many, and a share of it is luck.

Measured (`benchmarks/answers_lift.py`), on other seeds than it was chosen on: of 180 new tasks in streams 168
are named and none wrongly (3 have no event; in 7 of the 9 others the largest gain is the new task's), and
beside a loud group the one that moved has the largest gain in 48 of 48 events, 22 of them resolved. Of groups
that nothing tells apart 1 in 100 is resolved.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import NDArray

from rdmtools.analysis.groups import coded

PSEUDO_SHARE = 1e-3
"""Added to both shares of a lift, so that what stood still at the floor has one."""
CLEAR_GAIN = 0.1
"""The least gain of a group that is resolved."""
CHANCE = 0.03
"""The most shuffles of the samples that may tell a group apart as well as the groups do."""
_SHUFFLES = 1000, 100  # at most, and at least where there are very many samples
_SHUFFLED = 1 << 23  # samples in all shuffles of an event together
_AT_ONCE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLift:
    """What one group of samples has of an event's windows, from the floor to the peak."""

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
    floor_movement: float
    """Its samples' part of the variance of the window at the floor; `sample_share` where nothing moves."""
    alarm_movement: float
    gain: float
    """Square root of the movement at the alarm, less that at the floor."""
    margin: float
    """Its gain less the largest other group's; NaN of a sole group."""
    chance: float
    """Shuffles in which some group stands out as far, of all; NaN where it is not the first, or alone."""
    rank: int
    """1 for the largest gain."""
    resolved: bool
    """Whether the event is this group's: at most one is."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Moved:
    """How much each sample moved in the windows of one event, of any length."""

    loadings: Float64[np.ndarray, "3 samples"]
    """Of the top mode of the windows that end at floor, alarm and peak; all zero where C = 0."""
    movement: Float64[np.ndarray, "2 samples"]
    """Standard deviation over the windows that end at floor and alarm, or any multiple of it."""


def group_lifts(events: Sequence[Moved], groups: Sequence[str]) -> list[list[GroupLift]]:
    """Gains and lifts of each event by group, in the order in which the groups first appear.

    Parameters
    ----------
    events
        Samples are shuffled once for all of them: events do not change each other's answers.
    groups
        Of each sample; empty where there are no groups, and then there are no lifts.

    Notes
    -----
    Loadings at the peak go into `peak_share` alone: nothing else depends on what came after the alarm. The
    shuffles are the same each time.
    """
    if not groups or not events:
        return [[] for _ in events]
    names, codes = coded(groups)
    sizes = np.bincount(codes)
    moved = np.stack([_by_group(_energies(event.movement), codes) for event in events])
    gains = np.sqrt(moved[:, 1]) - np.sqrt(moved[:, 0])
    order = np.argsort(-gains, axis=1, kind="stable")
    chance = np.full(len(events), np.nan)
    if len(names) > 1:
        chance = _chances(np.stack([_growth(event.movement) for event in events]), codes, sizes, order[:, 0])
    found: list[list[GroupLift]] = []
    for at, event in enumerate(events):
        first, runner_up = int(order[at, 0]), int(order[at, min(1, len(names) - 1)])
        clear = moved[at, 1, first] > 0.5 if sizes[first] == 1 else chance[at] <= CHANCE
        resolved = len(names) > 1 and bool(gains[at, first] >= CLEAR_GAIN) and bool(clear)
        shares = _by_group(_energies(event.loadings), codes)
        ranks = np.empty(len(names), np.int64)
        ranks[order[at]] = np.arange(1, len(names) + 1)
        others = gains[at, np.where(ranks == 1, runner_up, first)]
        margins = gains[at] - others if len(names) > 1 else np.full(1, np.nan)
        lifts = (shares[1] + PSEUDO_SHARE) / (shares[0] + PSEUDO_SHARE)
        found.append(
            [
                GroupLift(
                    group=name,
                    samples=int(sizes[index]),
                    sample_share=float(sizes[index] / len(codes)),
                    floor_share=float(shares[0, index]),
                    alarm_share=float(shares[1, index]),
                    peak_share=float(shares[2, index]),
                    lift=float(lifts[index]),
                    floor_movement=float(moved[at, 0, index]),
                    alarm_movement=float(moved[at, 1, index]),
                    gain=float(gains[at, index]),
                    margin=float(margins[index]),
                    chance=float(chance[at]) if index == first else float("nan"),
                    rank=int(ranks[index]),
                    resolved=resolved and index == first,
                )
                for index, name in enumerate(names)
            ]
        )
    return found


def _energies(values: Float64[np.ndarray, "windows samples"]) -> Float64[np.ndarray, "windows samples"]:
    """Each sample's part of the sum of squares of a window: where there are none, as if all moved alike."""
    largest = np.abs(values).max(axis=1, keepdims=True)
    squares = np.where(largest > 0, values / np.where(largest > 0, largest, 1), 1) ** 2
    return squares / squares.sum(axis=1, keepdims=True)


def _by_group(
    energies: Float64[np.ndarray, "windows samples"], codes: Int64[np.ndarray, " samples"]
) -> Float64[np.ndarray, "windows groups"]:
    return np.stack([np.bincount(codes, weights=each) for each in energies])


def _growth(movement: Float64[np.ndarray, "2 samples"]) -> Float64[np.ndarray, " samples"]:
    """How much more each sample moved at the alarm than at the floor, in units of the probe's movement."""
    units = np.sqrt(movement).mean(axis=1, keepdims=True) ** 2
    floor, alarm = movement / np.where(units > 0, units, 1)
    return alarm - floor


def _chances(
    growth: Float64[np.ndarray, "events samples"],
    codes: Int64[np.ndarray, " samples"],
    sizes: Int64[np.ndarray, " groups"],
    first: Int64[np.ndarray, " events"],
) -> Float64[np.ndarray, " events"]:
    """How often some group of shuffled samples stands as far above the runner-up as the first one does."""
    growth = growth[:, np.argsort(codes, kind="stable")]
    starts, samples = np.cumsum(sizes) - sizes, len(codes)

    def means(of: Float64[np.ndarray, "*shuffles samples"]) -> Float64[np.ndarray, "*shuffles groups"]:
        return np.add.reduceat(of, starts, axis=-1) / sizes

    here = means(growth)
    every = np.arange(len(growth))
    leading = here[every, first]
    here[every, first] = -np.inf
    leads = leading - here.max(axis=1) - 1e-9 * np.abs(growth).max(axis=1)
    shuffles = int(np.clip(_SHUFFLED // samples, _SHUFFLES[1], _SHUFFLES[0]))
    few = max(_AT_ONCE // samples, 1)
    rng = np.random.default_rng(0)
    as_far = np.zeros(len(growth), np.int64)
    for begin in range(0, shuffles, few):
        shape = (min(few, shuffles - begin), samples)
        places: NDArray[np.int64] = rng.permuted(np.broadcast_to(np.arange(samples), shape), axis=1)
        for event, of_event in enumerate(growth):
            highest = np.partition(means(of_event[places]), -2, axis=1)
            as_far[event] += np.count_nonzero(highest[:, -1] - highest[:, -2] >= leads[event])
    return (1 + as_far) / (1 + shuffles)
