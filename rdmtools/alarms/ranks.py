"""How unusual is a run's score among those of reference runs? Its rank, and no more than they show.

With n reference runs, m of which score at least as much as this run,

    p = (1 + m) / (n + 1)

is at most a in at most a share a of runs, whatever losses do, if this run could as well be one of them
(exchangeable: made in the same way, and nothing happens in it). It is never below 1 / (n + 1): 19 reference
runs are needed for 5 %, 99 for 1 %.

What is ranked is the highest score J so far of a rule that scores and never fires (`self_normalised` with an
infinite threshold), of this run as of its references: an alarm would end the stretch in which a score is
measured, so that scores after it are those of another run. Up to the first alarm both are the same, to the
bit. As it only rises, its p only falls: a run that is ranked again at every row keeps the rate of the last.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from hashlib import blake2b
from math import ceil, inf

import numpy as np
from jaxtyping import Float64

from rdmtools.alarms.one_signal import DEAD_ZONE
from rdmtools.alarms.self_normalised import SIGNALS, watched

RULE = f"self_normalised {blake2b(f'{SIGNALS} {DEAD_ZONE}'.encode(), digest_size=8).hexdigest()}"
"""Name of all that a score depends on, but for code: those of another rule rank nothing."""


def highest_scores(
    values: Mapping[str, Float64[np.ndarray, " rows"]], window: int
) -> Float64[np.ndarray, " rows"]:
    """J: the highest score up to each row, never armed again; NaN before the first judged row.

    Parameters
    ----------
    values
        u of each signal by name, as `self_normalised.watched` takes them.
    """
    return highest(watched(values, window=window, threshold=inf).score)


def highest(scores: Float64[np.ndarray, " rows"]) -> Float64[np.ndarray, " rows"]:
    """The highest so far; NaN before the first score."""
    return np.fmax.accumulate(scores)


def at_least(score: float, others: Sequence[float]) -> int:
    """How many of the others are no less than the score."""
    return sum(other >= score for other in others)


def p_value(score: float, others: Sequence[float]) -> float:
    """Of the rank of a score among others, the score itself counted with them: above 0, at most 1."""
    return (1 + at_least(score, others)) / (len(others) + 1)


def needed(rate: float) -> int:
    """How many reference runs could show a p as low as the rate: 19 for 5 %, 99 for 1 %."""
    return ceil(1 / Fraction(str(rate))) - 1
