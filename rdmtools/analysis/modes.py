"""Which samples move together in a window, and what does the movement do to each one's loss?

The 2RDM's top eigenvectors, from the window's residual field R = P X (rows x samples) by its singular values:

    R = U sqrt(nu Lam) V'        u_k: time course over rows        v_k: loadings over samples, unit length

A mode's sign is free: (u, v) and (-u, -v) are one mode. Fixed here so that the loading largest in absolute
value is positive (the first such sample, where several tie). What does not depend on the sign is the *loss
change*: the least-squares slope of the window's movement along the mode, times the loading, over the window's
length. Negative means falling: being learned.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Float64

from rdmtools.analysis.choices import DEGREES
from rdmtools.analysis.gram import trend_basis
from rdmtools.analysis.groups import coded
from rdmtools.analysis.moments import residual


@dataclass(frozen=True, slots=True, kw_only=True)
class Modes:
    """The leading modes of one window."""

    eigenvalues: Float64[np.ndarray, " all"]
    """Every structurally nonzero eigenvalue of the 2RDM, largest first, loss**2."""
    loadings: Float64[np.ndarray, "modes samples"]
    """Unit rows: entry (k, i) is the part of sample i in mode k."""
    loss_change: Float64[np.ndarray, "modes samples"]
    """What the window's movement along mode k did to sample i's loss; sign-free, in loss."""
    time_courses: Float64[np.ndarray, "w modes"]
    """Unit columns: how far along mode k each row of the window stands."""

    @property
    def shares(self) -> Float64[np.ndarray, " all"]:
        """Each eigenvalue's share of the total variance; NaN for C = 0."""
        total = self.eigenvalues.sum()
        return self.eigenvalues / total if total > 0 else np.full(self.eigenvalues.shape, np.nan)


def window_modes(
    window_rows: Float[np.ndarray, "w samples"], *, count: int, detrend: str = "constant"
) -> Modes:
    """The `count` leading modes of one window (fewer where the window has fewer).

    Parameters
    ----------
    window_rows
        Finite losses of the window's rows, at least 2 of them ("linear" detrending: 3).

    Notes
    -----
    Loss changes are read off the movement about the window's mean, also when a linear trend was removed to
    find the modes: a trend that is not part of the fluctuations is still part of what happened.
    """
    degree = DEGREES[detrend]
    field = residual(window_rows, degree)
    window, samples = field.shape
    freedom = window - 1 - degree
    left, singular, right = np.linalg.svd(field, full_matrices=False)
    spectrum = singular[: min(samples, freedom)] ** 2 / freedom

    count = min(count, len(spectrum))
    left, right = left[:, :count], right[:count]
    signs = signs_of(right)
    left, right = left * signs, right * signs[:, None]

    movement = field if degree == 0 else residual(window_rows, 0)
    return Modes(
        eigenvalues=spectrum,
        loadings=right,
        loss_change=_loss_change(movement, right),
        time_courses=left,
    )


def top_mode(window_rows: Float[np.ndarray, "w samples"], *, detrend: str = "constant") -> Modes:
    """The first mode of `window_modes` alone, and its eigenvalue, by products: ten times as quick."""
    found = leading_modes(window_rows, count=1, detrend=detrend)
    return replace(found, eigenvalues=found.eigenvalues[:1])


def leading_modes(
    window_rows: Float[np.ndarray, "w samples"], *, count: int, detrend: str = "constant"
) -> Modes:
    """The `count` leading modes of `window_modes` by products, and all eigenvalues.

    Loadings are as exact as long as an eigenvalue is not nearly the next; zeros where nothing moves.
    """
    degree = DEGREES[detrend]
    field = residual(window_rows, degree)
    freedom = len(field) - 1 - degree
    squares, loadings = modes_by_products(field, min(count, freedom))
    movement = field if degree == 0 else residual(window_rows, 0)
    courses = field @ loadings.T
    norms = np.linalg.norm(courses, axis=0)
    return Modes(
        eigenvalues=squares[:freedom] / freedom,
        loadings=loadings,
        loss_change=_loss_change(movement, loadings),
        time_courses=courses / np.where(norms > 0, norms, 1.0),
    )


def modes_by_products(
    field: Float64[np.ndarray, "rows samples"], count: int
) -> tuple[Float64[np.ndarray, " squares"], Float64[np.ndarray, "modes samples"]]:
    """Squared singular values from the largest down, for all rows or samples, and `count` leading loadings.

    From the smaller of the two products: below 1e-16 of the largest square all is rounding. Loadings are
    zeros where nothing moves along them.
    """
    by_row = len(field) <= field.shape[1]
    solved, vectors = np.linalg.eigh(field @ field.T if by_row else field.T @ field)
    squares = np.maximum(solved[::-1], 0.0)
    leading = vectors[:, ::-1][:, :count] * (squares[:count] > 0)
    along = field.T @ leading if by_row else leading
    norms = np.linalg.norm(along, axis=0)
    loadings = np.divide(along, norms, out=np.zeros_like(along), where=norms > 0).T
    return squares, loadings * signs_of(loadings)[:, None]


def _loss_change(
    movement: Float64[np.ndarray, "w samples"], loadings: Float64[np.ndarray, "modes samples"]
) -> Float64[np.ndarray, "modes samples"]:
    """The slope of the movement along each mode, over the window's length, times the loading."""
    line = trend_basis(len(movement), degree=1)[:, 1]
    return (line[-1] - line[0]) * (line @ (movement @ loadings.T))[:, None] * loadings


def signs_of(loadings: Float64[np.ndarray, "modes samples"]) -> Float64[np.ndarray, " modes"]:
    """What to multiply each mode by, 1 or -1, for its loading largest in absolute value to be positive."""
    largest = np.argmax(np.abs(loadings), axis=1)
    return np.where(loadings[np.arange(len(loadings)), largest] < 0, -1.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupShare:
    """What one group of samples has in one mode, beside what it has in the probe set."""

    group: str
    samples: int
    sample_share: float
    """The group's part of the probe samples: its share of a mode in which all move alike."""
    mode_share: float
    """Sum of the squared loadings of the group's samples."""
    loss_change: float
    """Mean loss change of the group's samples along the mode, in loss."""


def group_shares(
    loadings: Float64[np.ndarray, " samples"],
    loss_change: Float64[np.ndarray, " samples"],
    groups: Sequence[str],
) -> list[GroupShare]:
    """Shares of one mode by group, in the order in which the groups first appear."""
    names, codes = coded(groups)
    counts = np.bincount(codes, minlength=len(names))
    energy = np.bincount(codes, weights=loadings**2, minlength=len(names))
    change = np.bincount(codes, weights=loss_change, minlength=len(names)) / counts
    return [
        GroupShare(
            group=name,
            samples=int(counts[index]),
            sample_share=float(counts[index] / len(groups)),
            mode_share=float(energy[index]),
            loss_change=float(change[index]),
        )
        for index, name in enumerate(names)
    ]


def samples_carrying(loadings: Float64[np.ndarray, " samples"], share: float = 0.9) -> int:
    """Fewest samples that carry that share of the mode (of the sum of squared loadings)."""
    energy = np.cumsum(np.sort(loadings**2)[::-1])
    return int(np.count_nonzero(energy < share * energy[-1] * (1 - 1e-12)) + 1)


def direction(loss_change: Float64[np.ndarray, " samples"], agreement: float = 0.8) -> str:
    """What the losses do along a mode: "falling", "rising", or "mixed" where neither has that share.

    Shares are of the summed absolute loss change, so that samples the mode hardly touches hardly vote.
    """
    total = np.abs(loss_change).sum()
    falling = -loss_change[loss_change < 0].sum()
    if total > 0 and falling >= agreement * total:
        return "falling"
    if total > 0 and total - falling >= agreement * total:
        return "rising"
    return "mixed"
