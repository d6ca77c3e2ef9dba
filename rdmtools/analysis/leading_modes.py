"""Which samples moved together at a step that somebody points at? Modes of windows over the run.

evenly spaced windows, and those at each alarm and SHC peak -> their rows -> modes by products, which is quick
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from rdmtools.analysis.groups import coded, groups_of
from rdmtools.analysis.modes import direction, leading_modes, samples_carrying
from rdmtools.run.run import Run

_MOST_PRODUCTS = 2e9
"""Of numbers, in all windows, so that wide runs of long windows have fewer of them."""
_FEWEST = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadingMode:
    """One mode of a window, in short."""

    share: float
    """Of the window's total variance."""
    direction: str
    """falling, rising or mixed, as `modes.direction` has it."""
    carrying: int
    """Fewest samples that carry 90 % of it."""
    top_group: str | None
    """Whose squared loadings sum to most; None without groups."""
    top_group_share: float
    samples: Int64[np.ndarray, " few"]
    """Places of the samples with the largest loadings, largest first."""
    loadings_squared: Sequence[float]
    """Their part of the mode."""
    loss_changes: Sequence[float]
    """What the window's movement along the mode did to their losses, in loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModesAt:
    """Leading modes of the window that ends at a step, most variance first; none where nothing moves."""

    step: int
    first_step: int
    modes: Sequence[LeadingMode]


def modes_over_run(
    run: Run,
    window: int,
    *,
    detrend: str,
    also: Sequence[int] = (),
    windows: int = 30,
    modes: int = 3,
    samples: int = 3,
) -> list[ModesAt]:
    """Leading modes of so many windows of one length, by step.

    Parameters
    ----------
    window
        Rows, at most the run's.
    also
        Rows at which further windows end; those before the first full window are left out.
    modes, samples
        At most so many, of each window and of each mode.
    """
    rows, wide = run.shape
    windows = min(windows, max(int(_MOST_PRODUCTS / (wide * window**2)), _FEWEST))
    even = np.linspace(window - 1, rows - 1, min(windows, rows - window + 1)).round().astype(int)
    names, codes = coded(groups_of(run) or [])
    told: list[ModesAt] = []
    for row in np.union1d(even, [row for row in also if row >= window - 1]).astype(int).tolist():
        found = leading_modes(run.rows(row + 1 - window, row + 1), count=modes, detrend=detrend)
        listed: list[LeadingMode] = []
        for share, loadings, change in zip(
            found.shares[:modes].tolist(), found.loadings, found.loss_change, strict=False
        ):
            if not share > 0 or not loadings.any():
                continue
            energy = loadings**2
            of_groups = np.bincount(codes, weights=energy, minlength=1) if names else np.zeros(1)
            top = np.argsort(-energy, kind="stable")[:samples]
            listed.append(
                LeadingMode(
                    share=share,
                    direction=direction(change),
                    carrying=samples_carrying(loadings),
                    top_group=names[int(of_groups.argmax())] if names else None,
                    top_group_share=float(of_groups.max()),
                    samples=top.astype(np.int64),
                    loadings_squared=energy[top].tolist(),
                    loss_changes=change[top].tolist(),
                )
            )
        first, last = run.steps[[row + 1 - window, row]].tolist()
        told.append(ModesAt(step=last, first_step=first, modes=listed))
    return told
