"""Which samples move together over the whole run, found without labels? None, and all, are answers.

    Y     means of 20 to 128 blocks, each sample centred and over its noise:  blocks x samples
    D     Y on its left singular vectors, of singular values above the edge of noise: at most 20
    U     D's row differences: unit columns, each row over rms**.5, unit columns again
    d_ij  1 - |u_i . u_j|: samples that rise where others fall are near each other

A factor is a cluster of at least 5 samples (average linkage, cut at d = .6) that noise would not make: its
five nearest samples are closer, by a quarter, than any five of three surrogates, in which each sample keeps
its own spectrum and has random phases; and its samples move together again in odd and in even blocks alone.

A sample's noise is the median absolute second difference of its block means (white noise is told from
movement), at least 2 % of its rms. The edge is that of Gavish & Donoho 2014 (arXiv:1305.5870, known noise).
Samples with less than a quarter of their energy in D are in no factor. Each row is equalised because a drop
that all share, such as the first, hides what tells them apart. Of more than 1,024 samples every so-manyth is
clustered, and each other joins the factor to whose samples its mean |u_i . u_j| is largest, from .4 on: a
factor has at least 5 samples among those 1,024.

Measured (`benchmarks/answers_factors.py`): without the surrogates a quarter of the runs of AR(1) noise had a
factor, as odd and even rows share slow noise. Asking odd and even rows for the same *clusters* lost small
factors, which half of the rows are too few for; so they are asked for the movement.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy.typing import NDArray

from rdmtools.analysis.average_linkage import average_linkage, flat_groups

FEWEST_BLOCKS, MOST_BLOCKS = 20, 128
CORE = 1024
"""Samples that are compared each with each."""
LEAST = 5
"""Samples of a factor."""
CUT = 0.6
_RANK = 20
_KEPT = 0.25
_CLOSER = 0.75
_SURROGATES = 3
_AGAIN = 0.5
_LEAST_NOISE = 0.02
_EQUALISED = 0.5
# Samples that are compared with the core at a time.
_AT_A_TIME = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """Samples by the factor they are in."""

    labels: Int64[np.ndarray, " samples"]
    """1, 2, ... from the largest factor down; 0 in none."""
    membership: Float64[np.ndarray, " samples"]
    """Correlation of a sample's movement with its factor's, in U: negative where it moves against it; NaN in
    none."""
    apart: Float64[np.ndarray, " factors"]
    """Mean silhouette of the samples: near 1 where factors stand apart, below .6 where one runs into another;
    NaN for one factor."""

    @property
    def count(self) -> int:
        return len(self.apart)


def find_groups(
    losses: Float64[np.ndarray, "blocks samples"], means: Float64[np.ndarray, "coarse samples"] | None = None
) -> Groups:
    """Samples that move together, by the definition above; none where there are fewer than 20 blocks.

    Parameters
    ----------
    losses
        Finite means of blocks of consecutive rows, as `Histories.losses` are. A look back over all of them.
    means
        `coarse(losses)`, where it is known.
    """
    samples = losses.shape[1]
    core = core_samples(samples)
    means = coarse(losses) if means is None else means
    clusters = _clusters(losses[:, core], means[:, core]) if len(losses) >= FEWEST_BLOCKS else None
    labels, membership = np.zeros(samples, np.int64), np.full(samples, np.nan)
    if clusters is None or not clusters.members:
        return Groups(labels=labels, membership=membership, apart=np.zeros(0))
    courses = np.stack([_leading(clusters.moves[:, members]) for members in clusters.members], axis=1)
    place = np.full(samples, -1)
    place[core] = np.arange(len(core))
    for start in range(0, samples, _AT_A_TIME):
        columns = slice(start, start + _AT_A_TIME)
        moves, kept = clusters.space.moves(scaled(means[:, columns]))
        known = place[columns]
        labels[columns] = np.where(known >= 0, clusters.labels[known], 0)
        rest = np.flatnonzero((known < 0) & kept)
        labels[start + rest] = clusters.nearest(moves[:, rest])
        inside = np.flatnonzero(labels[columns])
        along = courses[:, labels[start + inside] - 1]
        membership[start + inside] = np.einsum("rs,rs->s", moves[:, inside], along)
    return Groups(labels=labels, membership=membership, apart=clusters.apart())


def core_samples(samples: int) -> Int64[np.ndarray, " core"]:
    """Which samples are compared each with each: all, or 1,024 evenly spaced ones."""
    return np.unique(np.linspace(0, samples - 1, min(samples, CORE)).round().astype(np.int64))


def coarse_edges(blocks: int) -> Int64[np.ndarray, " edges"]:
    """Where at most 128 equal blocks of blocks begin, and the end of the last, which may be longer."""
    size = -(-blocks // MOST_BLOCKS)
    return np.append(np.arange(0, blocks // size) * size, blocks)


def coarse(losses: Float64[np.ndarray, "blocks samples"]) -> Float64[np.ndarray, "coarse samples"]:
    """Means over those blocks of blocks."""
    if len(losses) <= MOST_BLOCKS:
        return losses
    edges = coarse_edges(len(losses))
    size, whole = int(edges[1]), len(edges) - 1
    means = losses[: whole * size].reshape(whole, size, -1).mean(axis=1)
    means[-1] = losses[edges[-2] :].mean(axis=0)
    return means


def noise_of(losses: Float64[np.ndarray, "blocks samples"]) -> Float64[np.ndarray, " samples"]:
    """Standard deviation of each sample's noise about what it does, from its second differences."""
    second = np.abs(np.diff(losses, n=2, axis=0))
    return np.median(second, axis=0, overwrite_input=True) / (0.6745 * np.sqrt(6))


def scaled(losses: Float64[np.ndarray, "blocks samples"]) -> Float64[np.ndarray, "blocks samples"]:
    """Each sample centred and over its noise; 0 where it stands still."""
    centred = losses - losses.mean(axis=0)
    # A constant's mean may differ from it in the last digit: that is no movement.
    centred[np.abs(centred) <= 1e-13 * np.abs(losses).max(axis=0)] = 0.0
    rms = np.sqrt(np.mean(centred**2, axis=0))
    return _over(centred, np.maximum(noise_of(losses), _LEAST_NOISE * rms))


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """What is signal, and what U looks like in it."""

    basis: Float64[np.ndarray, "blocks rank"]
    """Left singular vectors of the scaled blocks, above the edge of noise."""
    equalised: Float64[np.ndarray, "rank rank"]
    """From a sample on the basis to its U: the differences of the basis, each row over its rms**.5, turned
    into the space that they span. Angles and lengths are those of the rows."""

    def moves(
        self, field: Float64[np.ndarray, "blocks samples"]
    ) -> tuple[Float64[np.ndarray, "rank samples"], Bool[np.ndarray, " samples"]]:
        """U of the samples (columns of unit length, or 0), and which have a quarter of their energy in D."""
        within = self.basis.T @ field
        energy = np.einsum("bs,bs->s", field, field)
        kept = np.einsum("rs,rs->s", within, within) >= _KEPT * energy
        return _unit(self.equalised @ within), kept & (energy > 0)


def signal_space(field: Float64[np.ndarray, "blocks samples"]) -> Space | None:
    """Directions above the edge of noise, at most 20; None where there are none."""
    values, vectors = np.linalg.eigh(field @ field.T)
    singular = np.sqrt(np.maximum(values[::-1], 0))
    rank = min(int(np.count_nonzero(singular > _edge(*field.shape))), _RANK)
    if rank == 0:
        return None
    basis = vectors[:, ::-1][:, :rank]
    steps = np.diff(basis, axis=0)
    rms = np.sqrt(np.mean(_unit(steps @ (basis.T @ field)) ** 2, axis=1))
    loudness = np.maximum(rms, 1e-3 * rms.max()) ** _EQUALISED
    return Space(basis=basis, equalised=np.linalg.qr(steps / loudness[:, None])[1])


def surrogate(
    field: Float64[np.ndarray, "blocks samples"], generator: np.random.Generator
) -> Float64[np.ndarray, "blocks samples"]:
    """Samples that each keep the spectrum of their row differences, and move independently of each other.

    Differences, as they are nearer to periodic than what they add up to; without their mean, which is a line.
    """
    steps = np.diff(field, axis=0)
    spectrum = np.abs(np.fft.rfft(steps, axis=0))
    spectrum[0] = 0.0
    phases = np.exp(2j * np.pi * generator.random(spectrum.shape))
    if len(steps) % 2 == 0:
        phases[-1] = np.sign(phases[-1].real)
    walk = np.zeros_like(field)
    np.cumsum(np.fft.irfft(spectrum * phases, n=len(steps), axis=0), axis=0, out=walk[1:])
    return walk - walk.mean(axis=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Clusters:
    """Factors among the core."""

    space: Space
    moves: Float64[np.ndarray, "rank core"]
    members: list[NDArray[np.intp]]
    """Of each factor, from the largest down."""

    @property
    def labels(self) -> Int64[np.ndarray, " core"]:
        labels = np.zeros(self.moves.shape[1], np.int64)
        for number, members in enumerate(self.members, start=1):
            labels[members] = number
        return labels

    def alike(self, moves: Float64[np.ndarray, "rank samples"]) -> Float64[np.ndarray, "samples factors"]:
        """Sum of |u_i . u_j| over each factor's samples in the core."""
        return np.stack(
            [_alike(moves, self.moves[:, members]).sum(axis=1) for members in self.members], axis=1
        )

    def nearest(self, moves: Float64[np.ndarray, "rank samples"]) -> Int64[np.ndarray, " samples"]:
        """Factor of samples outside the core, 0 where they are near none."""
        alike = self.alike(moves) / [len(members) for members in self.members]
        return np.where(alike.max(axis=1) >= 1 - CUT, alike.argmax(axis=1) + 1, 0)

    def apart(self) -> Float64[np.ndarray, " factors"]:
        """Mean silhouette of each factor's samples."""
        if len(self.members) < 2:
            return np.full(len(self.members), np.nan)
        sizes, apart = np.array([len(members) for members in self.members]), np.zeros(len(self.members))
        for number, members in enumerate(self.members):
            alike = self.alike(self.moves[:, members])
            own = 1 - (alike[:, number] - 1) / (sizes[number] - 1)
            other = 1 - np.delete(alike / sizes, number, axis=1).max(axis=1)
            apart[number] = np.mean((other - own) / np.maximum(np.maximum(other, own), 1e-12))
        return apart


def _clusters(
    losses: Float64[np.ndarray, "blocks core"], means: Float64[np.ndarray, "coarse core"]
) -> _Clusters | None:
    field = scaled(means)
    space = signal_space(field)
    if space is None:
        return None
    moves, kept = space.moves(field)
    ids = np.flatnonzero(kept)
    tree = _tree(moves[:, ids])
    if tree is None:
        return None
    flat = flat_groups(tree, CUT)
    sizes, heights = np.bincount(flat), _heights(tree, flat)
    large = [name for name in np.argsort(-sizes, kind="stable") if sizes[name] >= LEAST]
    found: list[NDArray[np.intp]] = []
    if large:
        limit = _CLOSER * _nearest_by_chance(field)
        close = [ids[flat == name] for name in large if heights[name] < limit]
        halves = [_half(losses[half::2]) for half in (0, 1)] if close else []
        found = [
            members
            for members in close
            if all(half is not None and _again(half[:, members]) for half in halves)
        ]
    return _Clusters(space=space, moves=moves, members=found)


def _half(losses: Float64[np.ndarray, "blocks core"]) -> Float64[np.ndarray, "rank core"] | None:
    """U of every second block."""
    field = scaled(coarse(losses))
    space = signal_space(field)
    return None if space is None else space.moves(field)[0]


def _again(moves: Float64[np.ndarray, "rank members"]) -> bool:
    """Whether the samples share a movement here too: half of them, to a correlation of .5."""
    return float(np.median(np.abs(_leading(moves) @ moves))) >= _AGAIN


def _nearest_by_chance(field: Float64[np.ndarray, "blocks core"]) -> float:
    """Height at which some five samples of a surrogate meet: the least of three surrogates."""
    generator = np.random.default_rng(0)
    heights: list[float] = []
    for _ in range(_SURROGATES):
        shuffled = surrogate(field, generator)
        if (space := signal_space(shuffled)) is None:
            continue
        moves, kept = space.moves(shuffled)
        heights.append(_nearest_five(_tree(moves[:, kept])))
    return min(heights, default=1.0)


def _nearest_five(tree: Float64[np.ndarray, "merges 4"] | None) -> float:
    """Least height at which five samples are together; 1, as of samples at right angles, where none are."""
    if tree is None:
        return 1.0
    return float(np.min(tree[tree[:, 3] >= LEAST, 2], initial=1.0))


def _heights(
    tree: Float64[np.ndarray, "merges 4"], flat: Int64[np.ndarray, " samples"]
) -> Float64[np.ndarray, " clusters"]:
    """The same within each flat cluster, by its name."""
    heights = np.ones(flat.max() + 1)
    leaf = [*range(len(flat))]
    for left, _, height, count in tree:
        leaf.append(leaf[int(left)])
        if count >= LEAST and height <= CUT:
            heights[flat[leaf[-1]]] = min(heights[flat[leaf[-1]]], height)
    return heights


def _tree(moves: Float64[np.ndarray, "rank samples"]) -> Float64[np.ndarray, "merges 4"] | None:
    """Average linkage of samples by 1 - |u_i . u_j|; None of fewer than five."""
    if moves.shape[1] < LEAST:
        return None
    apart = _alike(moves, moves)
    np.subtract(1, apart, out=apart)
    np.maximum(apart, 0, out=apart)
    return average_linkage(apart)


def _alike(
    some: Float64[np.ndarray, "rank some"], others: Float64[np.ndarray, "rank others"]
) -> Float64[np.ndarray, "some others"]:
    products = some.T @ others
    return np.abs(products, out=products)


def _leading(moves: Float64[np.ndarray, "rank members"]) -> Float64[np.ndarray, " rank"]:
    """The movement that samples share: the leading left singular vector, most of them moving with it."""
    course = np.linalg.eigh(moves @ moves.T)[1][:, -1]
    along = course @ moves
    # Where as many move against it as with it, the first decides.
    sign = np.sign(np.sum(np.sign(along))) or np.sign(along[0]) or 1.0
    return course * sign


def _edge(blocks: int, samples: int) -> float:
    """Singular values below it are better left out: Gavish & Donoho's optimal hard threshold, unit noise."""
    short, long = min(blocks, samples), max(blocks, samples)
    ratio = short / long
    root = np.sqrt(ratio**2 + 14 * ratio + 1)
    return float(np.sqrt((2 * (ratio + 1) + 8 * ratio / (ratio + 1 + root)) * long))


def _unit(columns: Float64[np.ndarray, "rows samples"]) -> Float64[np.ndarray, "rows samples"]:
    return _over(columns, np.sqrt(np.einsum("rs,rs->s", columns, columns)))


def _over(
    columns: Float64[np.ndarray, "rows samples"], scale: Float64[np.ndarray, " samples"]
) -> Float64[np.ndarray, "rows samples"]:
    return np.divide(columns, scale, out=np.zeros_like(columns), where=scale > 0)
