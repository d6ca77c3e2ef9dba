"""When does a factor appear, grow and end? The course of its samples' losses, and where most of it happened.

    z_b = mean over samples i of  m_i + s_i (x_bi - m_i)       x: block means, m: their mean over the run
    a_b = what |z_b+1 - z_b| has above 4 standard deviations of noise and 5 % of the largest

s_i is -1 for samples that move against the most, so that a rise and a fall add up; z is in loss. It appears,
has gone half its way and ends where 5, 50 and 95 % of the sum of a lie before. Where no step exceeds noise,
as in a slow ramp, every |z_b+1 - z_b| counts. A look back over the whole run, no finer than its blocks.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from rdmtools.analysis.factors import noise_of

_LOUD = 4.0
_LEAST = 0.05
_BEGUN, _HALF, _OVER = 0.05, 0.5, 0.95
# Movement in that last part of the blocks leaves a factor open.
_OPEN = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What the samples of a factor did together."""

    loss: Float64[np.ndarray, " blocks"]
    """z: mean loss, with samples that move against the most mirrored about their own mean."""
    activity: Float64[np.ndarray, " blocks"]
    """Share of the movement that came in each block; 0 in the first. Sums to 1, or to 0 where none moved."""
    appears: int
    """Block after which it moves."""
    half: int
    """Block after which more than half of the movement is done."""
    ends: int | None
    """Block with which it is over; None where it still moves in the last twentieth of the blocks."""
    explained: float
    """Squared movement of its samples that lies along z, in loss**2, summed over blocks."""


def course(
    losses: Float64[np.ndarray, "blocks members"], membership: Float64[np.ndarray, " members"]
) -> Course:
    """The course of a factor's samples, of signed membership, from block means."""
    centred = losses - losses.mean(axis=0)
    loss = losses.mean() + (centred * np.where(membership < 0, -1.0, 1.0)).mean(axis=1)
    steps = np.abs(np.diff(loss))
    noise = noise_of(loss[:, None])[0] * np.sqrt(2)
    loud = np.maximum(steps - max(_LOUD * noise, _LEAST * steps.max()), 0.0)
    moved = loud if loud.any() else steps
    total = moved.sum()
    shares = moved / total if total > 0 else moved
    done = np.cumsum(shares)
    blocks = len(loss)
    last = int(np.searchsorted(done, _OVER - 1e-12)) + 1
    still = moved[-max(round(_OPEN * blocks), 1) :].any()
    along = loss - loss.mean()
    energy = along @ along
    return Course(
        loss=loss,
        activity=np.append(0.0, shares),
        appears=min(int(np.searchsorted(done, _BEGUN - 1e-12)), blocks - 1),
        half=min(int(np.searchsorted(done, _HALF - 1e-12)), blocks - 1),
        ends=None if still or last >= blocks else last,
        explained=float(np.sum((along @ centred) ** 2) / energy) if energy > 0 else 0.0,
    )
