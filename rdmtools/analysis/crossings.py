"""When did a scalar cross 10, 50 and 90 % of the way from one value to another, and was that a transition?

T10, T50 and T90 are the first steps at which its share of the way, (value - low) / (high - low), is at or
above 0.1, 0.5 and 0.9. What has no T50, or is risen from the start, or creeps there, is no transition. The
one rule of what counts as the truth: leads and the score stand on it.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

SHARES = (0.1, 0.5, 0.9)
SHARPEST = 1.0
"""A transition is sharp where T90 - T10 is at most this share of T50 (counted from the first row)."""
CROSSED = "crossed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossings:
    """When a scalar crossed its shares, in steps; None where it never did."""

    t10: int | None
    t50: int | None
    t90: int | None
    status: str
    """Either "crossed"; "no transition: ..." with the reason; or "not covered: ..."."""
    resolution: int = 1
    """Steps below which a lead counts as 0: those between the rows, or the scalar's values, on both sides of
    T50, whichever are further apart."""


def crossings(
    steps: Int64[np.ndarray, " values"],
    shares: Float64[np.ndarray, " values"],
    rows: Int64[np.ndarray, " rows"],
) -> Crossings:
    """Crossings of a scalar's shares, judged by themselves alone.

    Parameters
    ----------
    steps, shares
        Steps at which the scalar is known, rising, and how far it is there: 0 before, 1 after. No NaN.
    rows
        Steps of the run's rows, at which an alarm could be.
    """
    t10, t50, t90 = (first_step(steps, shares >= share) for share in SHARES)
    return Crossings(
        t10=t10,
        t50=t50,
        t90=t90,
        status=_status(t10, t50, t90, risen=bool((shares[:1] >= SHARES[0]).any()), first_row=int(rows[0])),
        resolution=resolution(steps, rows, t50),
    )


def resolution(
    steps: Int64[np.ndarray, " values"], rows: Int64[np.ndarray, " rows"], step: int | None
) -> int:
    """Steps between the two rows, or the two values, about `step`, whichever are further apart."""
    return 1 if step is None else max(_gap(rows, step), _gap(steps, step))


def first_step(steps: Int64[np.ndarray, " values"], reached: np.ndarray) -> int | None:
    """The first of the steps at which that is so."""
    return int(steps[reached.argmax()]) if reached.any() else None


def _gap(steps: np.ndarray, step: int) -> int:
    after = int(np.searchsorted(steps, step))
    return int(steps[after] - steps[after - 1]) if 0 < after < len(steps) else 1


def _status(t10: int | None, t50: int | None, t90: int | None, *, risen: bool, first_row: int) -> str:
    if t10 is None or t50 is None:
        return "no transition: never risen"
    if risen:
        return "no transition: risen from the start"
    if t90 is None:
        return "not covered: never complete"
    width = (t90 - t10) / max(t50 - first_row, 1)
    if width > SHARPEST:
        return f"no transition: creeps, T90 - T10 is {width:.2g} of T50"
    return CROSSED
