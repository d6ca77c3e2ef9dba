"""Which limits and ticks has an axis? Few ticks, with as many digits as tell them apart."""

# pyright: reportUnknownMemberType=false

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator
from numpy.typing import NDArray

from rdmtools.report.ticks import power_of_ten

LARGEST = 1e300
"""Values are drawn up to here, so that there is room for the margins of an axis."""
_ROUNDING = 1e-13  # differences below this share are rounding, no movement to zoom in on


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Limits and ticks of a y axis."""

    low: float
    high: float
    places: list[float]
    labels: list[str]
    logarithmic: bool


def linear_scale(values: Sequence[NDArray[np.float64]], ticks: int = 4) -> Scale:
    """Limits around the finite values; as many digits in the tick labels as tell them apart."""
    low, high = _range(values)
    size = max(abs(low), abs(high))
    flat = high - low <= _ROUNDING * size
    pad = (0.06 * size or 1.0) if flat else 0.06 * (high - low)
    low, high = low - pad, high + pad
    places = inside(MaxNLocator(ticks).tick_values(low, high), low, high)
    return Scale(low=low, high=high, places=places, labels=_labels(places), logarithmic=False)


def log_scale(values: Sequence[NDArray[np.float64]], ticks: int = 4) -> Scale:
    """Whole decades around the positive values, ticks at powers of ten; linear where nothing is positive."""
    positive = [part[np.isfinite(part) & (part > 0)] for part in values]
    if not any(len(part) for part in positive):
        return linear_scale(values)
    low, high = _range(positive)
    first, last = max(math.floor(math.log10(low)), -300), min(math.ceil(math.log10(high)), 300)
    last = max(last, first + 1)
    every = max(math.ceil((last - first) / ticks), 1)
    exponents = [power for power in range(first, last + 1) if power % every == 0] or [first, last]
    room = min(0.06 * (last - first), 3.0)
    return Scale(
        low=10.0 ** (first - room),
        high=10.0 ** (last + room),
        places=[10.0**power for power in exponents],
        labels=[power_of_ten(power) for power in exponents],
        logarithmic=True,
    )


SCALES = {"linear": linear_scale, "log": log_scale}


def set_scale(axes: Axes, scale: Scale) -> None:
    if scale.logarithmic:
        axes.set_yscale("log", nonpositive="mask")
        axes.yaxis.set_minor_locator(FixedLocator([]))
    axes.set_ylim(scale.low, scale.high)
    axes.yaxis.set_major_locator(FixedLocator(scale.places))
    axes.yaxis.set_major_formatter(FixedFormatter(scale.labels))


def _range(values: Sequence[NDArray[np.float64]]) -> tuple[float, float]:
    finite = np.concatenate([part[np.isfinite(part)] for part in values]) if values else np.zeros(0)
    if not len(finite):
        return 0.0, 0.0
    finite = np.clip(finite, -LARGEST, LARGEST)
    return float(finite.min()), float(finite.max())


def inside(places: Iterable[float], low: float, high: float) -> list[float]:
    """The ticks between the limits."""
    return [float(place) for place in places if low <= place <= high]


def _labels(places: Sequence[float]) -> list[str]:
    labels: list[str] = []
    for digits in range(3, 18):
        labels = [f"{place:.{digits}g}" for place in places]
        if len(set(labels)) == len(labels) and all(
            math.isclose(float(label), place, rel_tol=1e-3) or abs(place) < 1e-12
            for label, place in zip(labels, places, strict=True)
        ):
            break
    return [label.replace("-", "−") for label in labels]
