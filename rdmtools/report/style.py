"""How is one panel drawn? Lines with few points, ticks that fit, text that is never markup.

Figures are made of stacked panels placed by hand, in inches. Scales come before anything is drawn, so that
the margin has room for the longest label; widths follow from the number of characters, so that the layout is
the same with any font. Colours are roles; `svg.py` turns each into a CSS variable of the same name.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import math
import os
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator
from numpy.typing import NDArray

# Okabe and Ito's colours, told apart by the colour-blind; series beyond the fourth are dashed.
COLOURS = {
    "ink": "#1f2329",
    "muted": "#5b6470",
    "rule": "#d5dae0",
    "alarm": "#d55e00",
    "span": "#fbe7da",
    "series-1": "#0072b2",
    "series-2": "#b87a00",
    "series-3": "#009e73",
    "series-4": "#a8518b",
}
_SERIES = ("series-1", "series-2", "series-3", "series-4")

TEXT_PT = 8.0
_LABEL_PT = TEXT_PT - 0.5
LINE_IN = 0.165
"""Height of a line of text."""
PAPER, NAME = "paper", "name"
"""Ids, in SVG, of what a page leaves out; a figure that has a name has it on its first line."""
_CHARACTER_EM = 0.65
"""Width of a character in labels of digits and words; a digit of DejaVu Sans, which is wide, has 0.64."""
_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": TEXT_PT,
    "text.usetex": False,
    "svg.fonttype": "none",
    "path.simplify_threshold": 0.2,
    "lines.solid_capstyle": "round",
}
_ROUNDING = 1e-13  # differences below this share are rounding, no movement to zoom in on
_LARGEST = 1e300  # room for the margins of an axis


@contextmanager
def own_style() -> Generator[None]:
    """Matplotlib's defaults and ours while drawing, whatever the user's own style; theirs comes back."""
    with matplotlib.style.context(_STYLE, after_reset=True):
        yield


def colour(role: str) -> str:
    return COLOURS[role]


def series_colour(index: int) -> str:
    """Colour of the index-th of several lines in one panel; from the fifth on they come again, dashed."""
    return COLOURS[_SERIES[index % len(_SERIES)]]


def is_dashed(index: int) -> bool:
    """Whether the colour of the index-th line was used before."""
    return index >= len(_SERIES)


def drawable(figure: Figure) -> Figure:
    """The figure with □ for what its font lacks; for pixels, as a browser finds another font by itself."""
    known = get_font(os.fspath(findfont(FontProperties(family="DejaVu Sans")))).get_charmap()
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        text.set_text("".join(c if ord(c) in known else "□" for c in text.get_text()))
    return figure


def text_in(words: str, size_pt: float = TEXT_PT) -> float:
    """About how wide the words are, in inches."""
    return len(words) * _CHARACTER_EM * size_pt / 72


def left_margin_in(labels: Iterable[str]) -> float:
    """Room left of panels, so that the longest label of their y axes is whole."""
    return max(0.62, 0.12 + max(text_in(label, _LABEL_PT) for label in labels))


def right_margin_in(last_step: float) -> float:
    """Room right of panels, so that the label of a tick at the last step is whole."""
    return max(0.25, text_in(_step_label(last_step), _LABEL_PT) / 2)


@dataclass(slots=True, kw_only=True)
class Stack:
    """Panels from top to bottom over one x axis; `panel` makes the next one, `figure` all of them."""

    width_in: float
    left_in: float
    """From `left_margin_in` of the labels of all panels, which are aligned."""
    right_in: float
    """From `right_margin_in` of the last step."""
    top_in: float = 0.08
    gap_in: float = 0.13
    _planned: list["_Planned"] = field(default_factory=list["_Planned"])

    @property
    def plot_in(self) -> float:
        """Width of a panel between its margins."""
        return self.width_in - self.left_in - self.right_in

    def panel(self, titles: Sequence[tuple[str, str]], height_in: float) -> int:
        """Plan a panel under lines of text (words, colour role); returns its number."""
        self._planned.append(_Planned(titles=list(titles), height_in=height_in))
        return len(self._planned) - 1

    def figure(self, x_label: str, x_range: tuple[float, float]) -> tuple[Figure, list[Axes]]:
        """The figure with its empty axes, one for each planned panel."""
        below_in = 0.42
        height = self.top_in + below_in
        height += sum(plan.height_in + plan.above_in + self.gap_in for plan in self._planned)
        figure = Figure(figsize=(self.width_in, height), facecolor="none")
        figure.patch.set_gid(PAPER)
        made: list[Axes] = []
        top = height - self.top_in
        for plan in self._planned:
            for words, role in plan.titles:
                top -= LINE_IN
                # As far right as the panels, or less where it would be cut off.
                left = min(self.left_in, max(self.width_in - text_in(words), 0.62))
                put_text(figure, left / self.width_in, (top + 0.045) / height, words, role)
            top -= plan.height_in
            axes = figure.add_axes(
                (
                    self.left_in / self.width_in,
                    top / height,
                    self.plot_in / self.width_in,
                    plan.height_in / height,
                )
            )
            dress(axes)
            axes.set_xlim(*x_range)
            made.append(axes)
            top -= self.gap_in
        for axes in made[:-1]:
            axes.tick_params(labelbottom=False)
        room = int(self.plot_in / text_in(f"{_step_label(x_range[1])} ", _LABEL_PT))
        _step_axis(made, x_range, min(round(self.width_in * 0.85) + 1, room))
        put_text(figure, 1 - self.right_in / self.width_in, 0.05 / height, x_label, "muted", "right")
        return figure, made


@dataclass(slots=True, kw_only=True)
class _Planned:
    titles: list[tuple[str, str]]
    height_in: float

    @property
    def above_in(self) -> float:
        return LINE_IN * len(self.titles)


def put_text(figure: Figure, x: float, y: float, words: str, role: str, align: str = "left") -> None:
    """Text at a place in figure units, never read as markup."""
    figure.text(x, y, words, color=COLOURS[role], ha=align, va="bottom", size=TEXT_PT, parse_math=False)


def dress(axes: Axes) -> None:
    """Quiet spines, grid and ticks."""
    axes.set_facecolor("none")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(COLOURS["rule"])
    axes.grid(True, axis="y", color=COLOURS["rule"], linewidth=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(color=COLOURS["rule"], labelcolor=COLOURS["muted"], labelsize=_LABEL_PT, length=2.5)
    axes.margins(0)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_label_coords(0, 0)  # no axis has a label; else all ticks are laid out twice more to place it


def _step_axis(stack: Sequence[Axes], x_range: tuple[float, float], ticks: int) -> None:
    places = _inside(MaxNLocator(max(ticks - 1, 1), integer=True).tick_values(*x_range), *x_range)
    for axes in stack:
        axes.xaxis.set_major_locator(FixedLocator(places))
        axes.xaxis.set_major_formatter(FixedFormatter([_step_label(place) for place in places]))


def _step_label(step: float) -> str:
    return f"{step:,.0f}"


def draw_line(
    axes: Axes, steps: NDArray[np.int64], values: NDArray[np.float64], points: int, index: int
) -> None:
    """A line of at most about `points` points; NaN leaves a gap, and a value between gaps is a dot."""
    values = np.clip(values, -_LARGEST, _LARGEST)
    x, y = decimate(steps, values, points)
    ink = series_colour(index)
    axes.plot(x, y, linewidth=1.1, color=ink, linestyle="--" if is_dashed(index) else "-")
    there = np.isfinite(y)
    alone = there & ~np.r_[False, there[:-1]] & ~np.r_[there[1:], False]
    if alone.any():
        axes.plot(x[alone], y[alone], ".", markersize=2.5, color=ink)


def decimate(
    x: NDArray[np.int64], y: NDArray[np.float64], points: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """At most about `points` of the points, as they are: the ends, and each stretch's smallest and largest.

    A stretch with a NaN keeps its first one, so that gaps stay gaps.
    """
    if len(y) <= points:
        return x, y
    edges = np.linspace(0, len(y), max(points // 2, 2) + 1).astype(np.intp)[:-1]
    low = np.minimum.reduceat(np.where(np.isnan(y), np.inf, y), edges)
    high = np.maximum.reduceat(np.where(np.isnan(y), -np.inf, y), edges)
    stretch = np.repeat(np.arange(len(edges)), np.diff(np.r_[edges, len(y)]))
    keep = np.zeros(len(y), np.bool_)
    for wanted in (y == low[stretch], y == high[stretch], np.isnan(y)):
        found = np.flatnonzero(wanted)
        _, first = np.unique(stretch[found], return_index=True)
        keep[found[first]] = True
    keep[[0, -1]] = True
    return x[keep], y[keep]


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
    places = _inside(MaxNLocator(ticks).tick_values(low, high), low, high)
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
    finite = np.clip(finite, -_LARGEST, _LARGEST)
    return float(finite.min()), float(finite.max())


def _inside(places: Iterable[float], low: float, high: float) -> list[float]:
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


def power_of_ten(power: int) -> str:
    """10⁻³ of -3."""
    return "10" + str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
