"""What does the page's script know? The charts, marks and rows of the map, as JSON that no word can leave.

Numbers are as fine as a ten-thousandth or so of their chart's height, and each is told by its change from the
one before; long lines have so many points that no screen shows more.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from rdmtools.report.charts import Chart, Marks
from rdmtools.report.thinning import decimate

MOST_POINTS, FEW_POINTS = 900, 450
"""Of a line, about: of those on the first screen, and of those that are folded away."""
_MOST_DECIMALS = 300
_OUTSIDE = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)


def data_block(values: Mapping[str, Any]) -> Markup:
    """JSON in which nothing ends the block or begins another."""
    text = json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.translate(_OUTSIDE))


def charts_data(charts: Sequence[Chart], points: int) -> dict[str, Any]:
    return {chart.key: _chart(chart, points) for chart in charts}


def marks_data(marks: Marks) -> dict[str, Any]:
    return {"alarms": list(marks.alarms), "truths": [asdict(truth) for truth in marks.truths]}


def _chart(chart: Chart, points: int) -> dict[str, Any]:
    kept = _kept(chart, points)
    low, high = chart.limits
    decimals = min(3 - math.floor(math.log10(high - low)), _MOST_DECIMALS)
    steps = chart.steps[kept]
    return {
        "title": chart.title,
        "decades": chart.decades,
        "limits": [float(f"{limit:.6g}") for limit in chart.limits],
        "decimals": decimals,
        "steps": _steps(steps),
        "lines": [
            {
                "label": line.label,
                "role": line.role,
                "kind": line.kind,
                "changes": _changes(line.values[kept], decimals),
            }
            for line in chart.lines
        ],
    }


def _kept(chart: Chart, points: int) -> NDArray[np.bool_]:
    """Which points are shown: the ends and extremes of each line."""
    places = np.arange(len(chart.steps))
    kept = np.zeros(len(places), np.bool_)
    for line in chart.lines:
        kept[decimate(places, line.values, points)[0]] = True
    return kept


def _steps(steps: NDArray[np.int64]) -> list[int] | dict[str, int]:
    """As a list; even ones as their first, distance and count."""
    apart = np.diff(steps)
    if len(steps) > 2 and (apart == apart[0]).all():
        return {"first": int(steps[0]), "every": int(apart[0]), "count": len(steps)}
    return steps.tolist()


def _changes(values: NDArray[np.float64], decimals: int) -> list[int | None]:
    """Each value, in units of its last decimal, less the one before it; trailing zeros are left out."""
    there = np.isfinite(values)
    units = [round(value) for value in (values[there] * 10.0**decimals).tolist()]
    told: list[int | None] = [None] * len(values)
    for place, now, before in zip(np.flatnonzero(there).tolist(), units, [0, *units], strict=False):
        told[place] = now - before
    while len(told) > 1 and told[-1] == 0:
        del told[-1]
    return told
