"""How does a figure look? Its colours, its axes, lines with few points, and text that is never markup.

Colours are roles; `svg.py` turns each into a CSS variable of the same name.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import io
import os
from collections.abc import Generator
from contextlib import contextmanager

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.text import Text
from numpy.typing import NDArray

from rdmtools.report.palette import COLOURS, SERIES
from rdmtools.report.scale import LARGEST
from rdmtools.report.thinning import decimate

WIDE_IN, NARROW_IN = 7.4, 3.7
"""Widths of figures, for wide screens and paper, and for phones."""
TEXT_PT = 8.0
LABEL_PT = TEXT_PT - 0.5
LINE_IN = 0.165
"""Height of a line of text."""
PAPER = "paper"
"""Id, in SVG, of what a page leaves out."""
_CHARACTER_EM = 0.65
"""Width of a character in labels of digits and words; a digit of DejaVu Sans, which is wide, has 0.64."""
Title = tuple[str, str]
"""A line of text: words, and the role of their colour."""
_PNG_DPI = 160
_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": TEXT_PT,
    "text.usetex": False,
    "svg.fonttype": "none",
    "path.simplify_threshold": 0.2,
    "lines.solid_capstyle": "round",
}


@contextmanager
def own_style() -> Generator[None]:
    """Matplotlib's defaults and ours while drawing, whatever the user's own style; theirs comes back."""
    with matplotlib.style.context(_STYLE, after_reset=True):
        yield


def colour(role: str) -> str:
    return COLOURS[role]


def series_colour(index: int) -> str:
    """Colour of the index-th of several lines in one panel; from the fifth on they come again, dashed."""
    return COLOURS[SERIES[index % len(SERIES)]]


def is_dashed(index: int) -> bool:
    """Whether the colour of the index-th line was used before."""
    return index >= len(SERIES)


def series_title(words: str, index: int) -> Title:
    """The words with the stroke and the colour of the index-th line."""
    return f"{'╌' if is_dashed(index) else '—'} {words}", SERIES[index % len(SERIES)]


class Drawing(Figure):
    """A figure that a notebook shows by itself, with or without ``%matplotlib``."""

    def _repr_png_(self) -> bytes:
        return png_bytes(self)


def png_bytes(figure: Figure) -> bytes:
    """The figure as a PNG, on white where it has no paper of its own."""
    buffer = io.BytesIO()
    clear = to_rgba(figure.get_facecolor())[3] == 0
    FigureCanvasAgg(figure).print_figure(
        buffer,
        dpi=_PNG_DPI,
        format="png",
        facecolor="white" if clear else "auto",
        metadata={"Software": None},
    )
    return buffer.getvalue()


def paper(width_in: float, height_in: float) -> Figure:
    """A figure without anything, which a page shows on its own paper."""
    figure = Drawing(figsize=(width_in, height_in), facecolor="none")
    figure.patch.set_gid(PAPER)
    return figure


def drawable(figure: Figure) -> Figure:
    """The figure with □ for what its font lacks; for pixels, as a browser finds another font by itself."""
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        text.set_text(drawable_words(text.get_text()))
    return figure


def drawable_words(words: str) -> str:
    known = get_font(os.fspath(findfont(FontProperties(family="DejaVu Sans")))).get_charmap()
    return "".join(c if ord(c) in known else "□" for c in words)


def text_in(words: str, size_pt: float = TEXT_PT) -> float:
    """About how wide the words are, in inches."""
    return len(words) * _CHARACTER_EM * size_pt / 72


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
    axes.tick_params(color=COLOURS["rule"], labelcolor=COLOURS["muted"], labelsize=LABEL_PT, length=2.5)
    axes.margins(0)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_label_coords(0, 0)  # no axis has a label; else all ticks are laid out twice more to place it


def draw_line(
    axes: Axes, steps: NDArray[np.int64], values: NDArray[np.float64], points: int, index: int
) -> None:
    """A line of at most about `points` points; NaN leaves a gap, and a value between gaps is a dot."""
    values = np.clip(values, -LARGEST, LARGEST)
    x, y = decimate(steps, values, points)
    ink = series_colour(index)
    axes.plot(x, y, linewidth=1.1, color=ink, linestyle="--" if is_dashed(index) else "-")
    there = np.isfinite(y)
    alone = there & ~np.r_[False, there[:-1]] & ~np.r_[there[1:], False]
    if alone.any():
        axes.plot(x[alone], y[alone], ".", markersize=2.5, color=ink)
