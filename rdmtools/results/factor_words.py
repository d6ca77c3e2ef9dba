"""Which samples moved together, in a few words? How many factors there are, of what, and when each moved.

"None" and "one" are answers. Where samples move one after another without a gap, factors are cut somewhere,
and that is said.
"""

from typing import Any

import numpy as np
import pandas as pd

from rdmtools.analysis.events import records
from rdmtools.analysis.factors import FEWEST_BLOCKS, LEAST
from rdmtools.analysis.findings import Findings
from rdmtools.results.words import shown
from rdmtools.run.quality import counted

_TOLD = 4
_ALL = 0.9
_APART = 0.6
_FALL = {"falling": "fall", "rising": "rise", "mixed": "move both ways"}


def factor_lines(findings: Findings) -> list[str]:
    """What the verdict says of factors, in one line."""
    rows, samples = findings.run.shape
    factors = records(findings.factors)
    first = findings.factor_courses["step"].min()
    if not factors:
        return [_none(rows, samples)]
    if len(factors) == 1 and factors[0]["samples"] >= _ALL * samples:
        return [f"One factor, so nearly all samples move together: {_factor(factors[0], samples, first)}."]
    told = "; ".join(f"({each['factor']}) {_factor(each, samples, first)}" for each in factors[:_TOLD])
    more = f"; {len(factors) - _TOLD} more in the table of factors" if len(factors) > _TOLD else ""
    line = f"{counted(len(factors), 'factor')}, samples that move together: {told}{more}."
    return [line + (f" {RUN_INTO_EACH_OTHER}" if run_into_each_other(findings.factors) else "")]


RUN_INTO_EACH_OTHER = (
    "They run into each other, as where samples move one after another: where one ends is arbitrary."
)


def run_into_each_other(factors: pd.DataFrame) -> bool:
    """Whether every factor runs into another: mean silhouettes all below .6."""
    return len(factors) > 1 and float(np.max(factors["apart"])) < _APART


def in_common(factor: dict[str, Any]) -> str:
    """What samples of a factor have in common: 64 of 65 with kind “json”; nothing where no column says it."""
    if pd.isna(factor["column"]):
        return ""
    of = f"{factor['value_inside']:,} of {factor['value_samples']:,}"
    return f"{of} with {shown(factor['column'], 40)} “{shown(factor['value'], 40)}”"


def _none(rows: int, samples: int) -> str:
    if rows < FEWEST_BLOCKS:
        found = counted(rows, "row")
        return f"Too short to look for samples that move together: {found}, needed {FEWEST_BLOCKS}."
    if samples < LEAST:
        return f"Too few samples to look for some that move together: {samples} of them, needed {LEAST}."
    return "No factor: no samples move together more than noise would, or each moves by itself."


def _factor(factor: dict[str, Any], samples: int, first: int) -> str:
    common = in_common(factor)
    of = f" ({common})" if common else ""
    appears = factor["appears_step"]
    begin = "from the start" if appears == first else f"from step {appears:,}"
    end = "still moving" if pd.isna(factor["ends_step"]) else f"over at {factor['ends_step']:,}"
    return (
        f"{factor['samples']:,} of {counted(samples, 'sample')}{of} {_FALL[factor['direction']]} "
        f"{begin}, half at {factor['half_step']:,}, {end}"
    )
