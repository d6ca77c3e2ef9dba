"""What did each sample's loss do, at a glance? A map: a row per sample, smoothed, each on its own scale.

histories -> columns of blocks -> smoothed -> own range -> bytes, in the order of groups and half steps.

A sample that only jitters stays pale: its scale is never narrower than sixteen times its scatter from block
to block, so that noise does not fill the colours. Of more samples than rows, a row is the mean of neighbours
in that order, and never of two groups. A look back over the run: smoothed both ways, for eyes alone.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64, UInt8

from rdmtools.analysis.groups import Grouping, coded, groups_of
from rdmtools.analysis.histories import Histories
from rdmtools.run.run import Run

MOST_ROWS, MOST_BLOCKS = 600, 512
"""Rows, but for what groups of uneven sizes add, and columns."""
MOST_GROUPS = 40
"""Values of a column that the map may be sorted by."""
_SMOOTHED = 80
"""A column is smoothed with so small a part of the run."""
_NOISE = 16.0
_NORMAL_DIFFERENCE = 0.954
"""Median |difference| of two draws from a normal of scatter 1."""
_AT_ONCE = 1024
_FEWEST = 4
"""Blocks that a scatter can be told from."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SampleMap:
    """The losses of all samples as bytes, 0 at the low end of the row's scale and 255 at the high one."""

    steps: Int64[np.ndarray, " blocks"]
    """Step of each block's last row."""
    levels: UInt8[np.ndarray, "rows blocks"]
    low: Float64[np.ndarray, " rows"]
    """Loss that 0 stands for; of a row of several samples their mean."""
    high: Float64[np.ndarray, " rows"]
    """Loss that 255 stands for."""
    order: Int64[np.ndarray, " samples"]
    """Places of the samples, from the top row on."""
    edges: Int64[np.ndarray, " edges"]
    """Row r holds the samples order[edges[r]:edges[r + 1]]."""
    column: str
    """That the rows are sorted by; empty for none."""
    groups: Sequence[tuple[str, int]]
    """Each value of the column with its number of rows, from the top."""
    smoothed_rows: int
    """Logged rows that a value is the mean of."""


def sample_map(
    run: Run, past: Histories, groups: Sequence[Grouping], explained: pd.DataFrame, samples: pd.DataFrame
) -> SampleMap:
    """The map of a run, sorted by the column that explains most of its changes, then by `half_step`.

    Parameters
    ----------
    groups
        Of the columns asked for: the first one sorts where none explains.
    explained, samples
        The tables of those names.
    """
    column, names, codes = _sorting(run, groups, explained)
    half = samples["half_step"].astype("Float64").to_numpy(np.float64, na_value=np.inf)
    way = np.unique(samples["direction"].to_numpy(str), return_inverse=True)[1]
    order = np.lexsort((half, way, codes))
    at_once = -(-len(order) // MOST_ROWS)
    sizes = np.bincount(codes, minlength=len(names))
    starts = [np.arange(end - size, end, at_once) for size, end in zip(sizes, np.cumsum(sizes), strict=True)]
    edges = np.append(np.concatenate(starts), len(order))
    blocks = len(past.steps)
    joined = -(-blocks // MOST_BLOCKS)
    cuts = np.arange(0, blocks, joined)
    steps = past.steps[np.append(cuts[1:], blocks) - 1]
    width = max(len(steps) // _SMOOTHED, 1) | 1
    shape = len(edges) - 1, len(steps)
    levels, low, high = np.empty(shape, np.uint8), np.empty(shape[0]), np.empty(shape[0])
    step = max(_AT_ONCE // at_once, 1)
    for first in range(0, shape[0], step):
        these = edges[first : first + step + 1]
        here = slice(first, first + len(these) - 1)
        scaled, least, most = _scaled(_joined(past.losses[:, order[these[0] : these[-1]]], cuts), width)
        counts = np.diff(these)
        begin = these[:-1] - these[0]
        mean = np.add.reduceat(scaled, begin, axis=1) / counts
        levels[here] = np.rint(255 * mean.T).astype(np.uint8)
        low[here] = np.add.reduceat(least, begin) / counts
        high[here] = np.add.reduceat(most, begin) / counts
    return SampleMap(
        steps=steps,
        levels=levels,
        low=low,
        high=high,
        order=order.astype(np.int64),
        edges=edges.astype(np.int64),
        column=column,
        groups=[(name, len(start)) for name, start in zip(names, starts, strict=True)] if column else [],
        smoothed_rows=width * joined * past.block_rows,
    )


def _sorting(
    run: Run, groups: Sequence[Grouping], explained: pd.DataFrame
) -> tuple[str, list[str], Int64[np.ndarray, " samples"]]:
    """Column, its values, and the place of each sample's among them."""
    named = explained[explained["named"].astype(bool) & explained["with_column"].isna()]
    best = named.sort_values("share", ascending=False, kind="stable")["column"].tolist()
    for column in dict.fromkeys([*best, *(group.column for group in groups)]):
        values = groups_of(run, column)
        if values is not None:
            names, codes = coded(values)
            if 1 < len(names) <= MOST_GROUPS:
                return column, names, codes
    return "", [""], np.zeros(len(run.samples), np.int64)


def _joined(
    losses: Float64[np.ndarray, "blocks samples"], cuts: Int64[np.ndarray, " columns"]
) -> Float64[np.ndarray, "columns samples"]:
    """Means of the blocks from each cut to the next."""
    if len(cuts) == len(losses):
        return losses
    return np.add.reduceat(losses, cuts, axis=0) / np.diff(np.append(cuts, len(losses)))[:, None]


def _scaled(
    losses: Float64[np.ndarray, "blocks samples"], width: int
) -> tuple[
    Float64[np.ndarray, "blocks samples"], Float64[np.ndarray, " samples"], Float64[np.ndarray, " samples"]
]:
    """Smoothed losses from 0 to 1 of each sample's scale, and the losses at its ends."""
    size = np.abs(losses).max(axis=0)
    size[size == 0] = 1.0
    smooth = _smoothed(losses / size, width)
    low, high = smooth.min(axis=0), smooth.max(axis=0)
    noise = np.zeros(len(size))
    if len(losses) >= _FEWEST:
        noise = np.median(np.abs(np.diff(losses / size, axis=0)), axis=0) / _NORMAL_DIFFERENCE
    wide = np.maximum(high - low, _NOISE * noise)
    wide[wide == 0] = 1.0
    low = (low + high - wide) / 2
    scaled = np.clip((smooth - low) / wide, 0.0, 1.0)
    return scaled, low * size, (low + wide) * size


def _smoothed(
    values: Float64[np.ndarray, "blocks samples"], width: int
) -> Float64[np.ndarray, "blocks samples"]:
    """Means of `width` blocks about each, of fewer at the ends."""
    blocks = len(values)
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    first = np.maximum(np.arange(blocks) - width // 2, 0)
    stop = np.minimum(np.arange(blocks) + width // 2 + 1, blocks)
    return (sums[stop] - sums[first]) / (stop - first)[:, None]
