"""What do the windows say that end in one stretch of a run's rows? The unit of work, here or elsewhere.

losses of the rows and of those before them that windows reach -> row_geometry (of each shard, added up)
                                                              -> observables, spectra, map of SHC
                                                              -> energies, which the warning rule watches
                                                               -> block means, for what looks back

Values do not depend on how a run is cut into spans: products are anchored at absolute rows, so that one
process, a pool or a cluster give the same bits.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from math import lcm
from operator import add
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

from rdmtools.alarms.self_normalised import SHORTEST_WINDOW, SIGNALS
from rdmtools.analysis.blas import one_blas_thread
from rdmtools.analysis.gram import RowGeometry, row_geometry, tile_rows
from rdmtools.analysis.histories import BlockMeans, Blocks, joined_blocks, rows_per_block
from rdmtools.analysis.log_energies import log_energies
from rdmtools.analysis.moments import moments
from rdmtools.analysis.observables import heat_capacity, observables
from rdmtools.analysis.settings import AnalysisSettings
from rdmtools.analysis.spectra import eigenvalues
from rdmtools.analysis.windows import Windows
from rdmtools.run.losses import LossRows

# Rows of a span. Every span computes again the distances between the rows before it that its windows reach.
SPAN_ROWS = 4096
_SHORTEST_SPAN = 1024
_SPANS = 16

# Losses in memory at once, in bytes.
BLOCK_BYTES = 1 << 26

_MAP_STEPS = 512
_MAP_SHORTEST = {"constant": 4, "linear": 5}


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Rows start .. stop - 1 of a run, in which windows end, and what it takes to analyse these."""

    start: int
    stop: int
    losses: LossRows
    steps: NDArray[np.int64]
    first: int
    """Row of the run that is the first of `losses` and `steps`."""
    begin: int
    """First row of the run that is read."""
    map_every: int
    block_rows: int
    settings: AnalysisSettings

    def windows(self, length: int, every: int = 1, phase: int = 0) -> Windows:
        """Windows of that length that end at rows = phase (mod every), as places in the rows read."""
        last = max(self.start, length - 1)
        last += (phase - last) % every
        count = len(range(last, self.stop, every))
        return Windows(length=length, first=last - length + 1 - self.begin, count=count, every=every)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanValues:
    """Values of the windows that end in a span, for each window length asked for."""

    observables: Sequence[dict[str, Float64[np.ndarray, " windows"]]]
    """By name."""
    spectra: Sequence[Float64[np.ndarray, "windows modes"]]
    """Of each stride-th window; empty unless asked for."""
    shc_map: Sequence[Float64[np.ndarray, " windows"]]
    """SHC for each length of `map_lengths`, of each map_every-th window."""
    energies: Sequence[dict[str, Float64[np.ndarray, " rows"]]]
    """By signal, of the windows of half that length; none of windows too short for the warning rule."""
    blocks: Blocks
    """Means of blocks of the span's own rows."""


def spans(
    losses: LossRows, steps: NDArray[np.int64], settings: AnalysisSettings, *, apart: bool
) -> Iterator[Span]:
    """All spans of a run in order; `apart` makes them small, each with its own part of the losses."""
    rows, samples = losses.shape
    for start, stop in _cuts(rows, samples, settings, apart):
        begin = _begin(start, settings, samples)
        yield Span(
            start=start,
            stop=stop,
            losses=losses.part(begin, stop) if apart else losses,
            steps=steps[begin:stop] if apart else steps,
            first=begin if apart else 0,
            begin=begin,
            map_every=map_every(rows),
            block_rows=rows_per_block(rows, samples),
            settings=settings,
        )


def _cuts(rows: int, samples: int, settings: AnalysisSettings, apart: bool) -> Iterator[tuple[int, int]]:
    longest = max(settings.windows)
    length = SPAN_ROWS
    if apart:  # enough of them for the workers to end together
        length = min(max(rows // _SPANS, _SHORTEST_SPAN), SPAN_ROWS)
    whole = lcm(tile_rows(samples), rows_per_block(rows, samples))  # no span cuts a tile, or a block of means
    length = -(-max(length, 16 * longest) // whole) * whole
    for start in range(0, rows, length):
        yield start, min(start + length, rows)


def _begin(start: int, settings: AnalysisSettings, samples: int) -> int:
    return first_reached(start, max(settings.windows), samples)


def map_every(rows: int) -> int:
    """Rows from one column of the map of SHC to the next."""
    every = 1
    while rows > every * _MAP_STEPS:
        every *= 2
    return every


def map_lengths(settings: AnalysisSettings) -> list[int]:
    """Window lengths in the map of SHC: from the shortest to the longest asked for, by factors of sqrt(2)."""
    longest = max(settings.windows)
    shortest = min(_MAP_SHORTEST[settings.detrend], longest)
    count = round(2 * np.log2(longest / shortest)) + 1
    return np.unique(np.geomspace(shortest, longest, count).round().astype(int)).tolist()


def span_values(span: Span, progress: Callable[[int], None] | None = None) -> SpanValues:
    """Values of the windows that end in the span.

    `progress` is called with the number of rows of the span that were read.
    """
    settings = span.settings
    with one_blas_thread():
        geometry, blocks = _geometry(span, progress)
        steps = span.steps[span.begin - span.first : span.stop - span.first]
        detrend, rows = settings.detrend, partial(_rows, span)
        windows = [span.windows(length) for length in settings.windows]
        mapped = [
            replace(span.windows(length, span.map_every), size_only=True) for length in map_lengths(settings)
        ]
        between = [places for places in mapped if places.length not in settings.windows]
        halves = _halves(span)
        solved = [
            span.windows(length, settings.stride, length - 1)
            for length in settings.windows
            if settings.spectrum
        ]
        # The warning rule knows constant detrending alone.
        sums = iter(
            moments(
                geometry.distances,
                [*windows, *between, *halves],
                detrend=[detrend] * (len(windows) + len(between)) + ["constant"] * len(halves),
                precision=settings.precision,
                rows=rows,
            )
        )
        of_windows = [observables(next(sums), geometry, steps, places, detrend) for places in windows]
        shc = {places.length: of_each["shc"] for places, of_each in zip(windows, of_windows, strict=True)}
        firsts = {places.length: places.first for places in windows}
        return SpanValues(
            observables=of_windows,
            shc_map=[
                shc[places.length][places.first - firsts[places.length] :: places.every]
                if places.length in shc
                else heat_capacity(next(sums), places, geometry.samples, detrend)
                for places in mapped
            ],
            energies=[log_energies(next(sums), geometry, places) for places in halves],
            spectra=[
                eigenvalues(geometry, places, detrend=detrend, precision=settings.precision, rows=rows)
                for places in solved
            ],
            blocks=blocks,
        )


def span_energies(
    span: Span, progress: Callable[[int], None] | None = None
) -> list[dict[str, Float64[np.ndarray, " rows"]]]:
    """What `SpanValues` calls so, to the bit, and nothing else."""
    with one_blas_thread():
        geometry, _ = _geometry(span, progress)
        halves = _halves(span)
        # No row is read again under constant detrending.
        sums = moments(geometry.distances, halves, rows=partial(_rows, span)) if halves else []
        return [log_energies(half, geometry, places) for half, places in zip(sums, halves, strict=True)]


def _halves(span: Span) -> list[Windows]:
    """The windows whose energies are watched."""
    return [span.windows(length // 2) for length in span.settings.windows if length >= SHORTEST_WINDOW]


def row_energies(
    losses: LossRows, start: int, stop: int, *, windows: Sequence[int], first: int = 0
) -> list[dict[str, Float64[np.ndarray, " rows"]]]:
    """Of each window length u of each signal at rows start .. stop - 1, with the bits of an analysis.

    Reads what windows and tiles reach alone, from row `first_reached` on; `losses` begin at row `first`.
    NaN at rows that no half window reaches.
    """
    samples, longest = losses.shape[1], max(windows)
    begin, tile = first_reached(start, longest, samples), tile_rows(samples)
    rows = stop - begin
    with one_blas_thread():
        parts = (
            row_geometry([shard.read(begin - first, stop - first)], rows=rows, lags=longest, tile=tile)
            for shard in losses.shards
        )
        geometry = reduce(add, parts)
        ends = [_ends_of(window // 2, start, stop, begin) for window in windows]
        there = [places for places in ends if places.count]
        # No row is read again under constant detrending.
        sums = iter(moments(geometry.distances, there, rows=losses.read) if there else [])
        found = [log_energies(next(sums), geometry, places) if places.count else {} for places in ends]
    return [
        {signal.name: _after_nan(values.get(signal.name), stop - start) for signal in SIGNALS}
        for values in found
    ]


def _ends_of(half: int, start: int, stop: int, begin: int) -> Windows:
    """Half windows that end at rows start .. stop - 1, as places in the rows from `begin` on."""
    last = max(start, half - 1)
    return Windows(length=half, first=last - half + 1 - begin, count=max(stop - last, 0))


def _after_nan(values: Float64[np.ndarray, " late"] | None, rows: int) -> Float64[np.ndarray, " rows"]:
    late = np.empty(0) if values is None else values
    return np.concatenate([np.full(rows - len(late), np.nan), late])


def first_reached(row: int, window: int, samples: int) -> int:
    """First row of a run that `row_energies` of this row and later ones reads."""
    tile = tile_rows(samples)
    return max(row - window + 1, 0) // tile * tile


def joined(parts: Sequence[SpanValues]) -> SpanValues:
    """The values of consecutive spans, one after another."""
    return SpanValues(
        observables=joined_columns([part.observables for part in parts]),
        energies=joined_columns([part.energies for part in parts]),
        spectra=[np.concatenate(arrays) for arrays in zip(*(part.spectra for part in parts), strict=True)],
        shc_map=[np.concatenate(arrays) for arrays in zip(*(part.shc_map for part in parts), strict=True)],
        blocks=joined_blocks([part.blocks for part in parts]),
    )


def joined_columns(
    parts: Sequence[Sequence[dict[str, Float64[np.ndarray, " windows"]]]],
) -> list[dict[str, Float64[np.ndarray, " windows"]]]:
    """Of each length, by name."""
    return [
        {name: np.concatenate([values[name] for values in of_length]) for name in of_length[0]}
        for of_length in zip(*parts, strict=True)
    ]


def _geometry(span: Span, progress: Callable[[int], None] | None) -> tuple[RowGeometry, Blocks]:
    shards = span.losses.shards
    means = BlockMeans(span.start, span.stop, span.losses.shape[1], span.block_rows)
    tile = tile_rows(span.losses.shape[1])
    reached = span.start

    def told(shard: LossRows) -> Iterator[NDArray[Any]]:
        nonlocal reached
        at_once = min(BLOCK_BYTES // (shard.dtype.itemsize * shard.shape[1]), SPAN_ROWS)
        at_once = max(at_once // tile, 1) * tile  # else sums would begin elsewhere, and bits change
        for start in range(span.begin, span.stop, at_once):
            stop = min(start + at_once, span.stop)
            yield shard.read(start - span.first, stop - span.first)
            if progress is not None and shard is shards[-1] and stop > reached:
                progress(stop - reached)
                reached = stop

    rows, lags = span.stop - span.begin, max(span.settings.windows)

    def of_shard(shard: LossRows, places: Any) -> RowGeometry:
        def seen(row: int, losses: NDArray[Any], columns: slice) -> None:
            means.take(span.begin + row, losses, columns if isinstance(places, slice) else places[columns])

        precision = span.settings.precision
        return row_geometry(told(shard), rows=rows, lags=lags, tile=tile, precision=precision, seen=seen)

    parts = (of_shard(*each) for each in zip(shards, span.losses.places, strict=True))
    return reduce(add, parts), means.result()


def _rows(span: Span, start: int, stop: int) -> NDArray[Any]:
    """Losses of all samples, by places in the rows that are read."""
    offset = span.begin - span.first
    return span.losses.read(start + offset, stop + offset)
