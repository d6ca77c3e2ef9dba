"""What does the contest need of one run? Its transitions, its signals' levels, and where alarms are false."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from rdmtools.evaluation.corpus import Entry
from rdmtools.evaluation.rated import Watch
from rdmtools.evaluation.signals import Levels
from rdmtools.evaluation.truth import Transition


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """One run, as far as the contest needs it."""

    entry: Entry
    transitions: tuple[Transition, ...]
    steps: Int64[np.ndarray, " windows"]
    """Last step of each window."""
    start: int
    """Step from which the cause was there."""
    window: int
    spacing: float
    """Steps between logged rows."""
    idle: Bool[np.ndarray, " windows"]
    """Windows in which an alarm is false."""
    levels: Levels
    rated: Mapping[str, Watch]
    """Of each rule with a stated rate, by its name, what it did."""

    @property
    def judged(self) -> list[Transition]:
        return [transition for transition in self.transitions if transition.judged]
