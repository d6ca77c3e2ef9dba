"""How are charts drawn without scripts? Stacked over one axis of steps, as a small SVG of our own.

Colours are classes of the page's style sheet, so that one drawing serves light, dark and paper. The map of
samples may be the last of the stack; a second drawing uses the picture of the first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from rdmtools.report.charts import Chart, Line, Marks
from rdmtools.report.thinning import decimate
from rdmtools.report.ticks import decade_ticks, even_ticks, labels, power_of_ten

_TITLE = 19
_AXIS = 22
_LANE = 15.0
_CHARACTER = 7.2
_GRAIN = 0.5
"""Pixels to which lines are rounded, for short numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """How wide a drawing is, in pixels, and what that leaves room for."""

    name: str
    width: int
    left: int
    right: int
    points: int
    """Of a line."""

    @property
    def plot(self) -> int:
        return self.width - self.left - self.right


WIDE = Paper(name="wide", width=1150, left=92, right=22, points=300)
NARROW = Paper(name="narrow", width=360, left=52, right=8, points=140)
FOLDED = Paper(name="folded", width=740, left=80, right=12, points=140)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An image over the steps, such as the map of samples: its rows have labels at their places."""

    title: str
    short: str
    """The title where there is no room for it."""
    source: str
    """As a data URI; or #id, of an image that is on the page."""
    height: int
    rows: int
    bands: Sequence[tuple[str, int]]
    """Labels, and rows of each from the top."""
    name: str


def stacked(
    charts: Sequence[Chart],
    marks: Marks,
    span: tuple[float, float],
    paper: Paper,
    *,
    height: int,
    spoken: str,
    picture: Picture | None = None,
) -> Markup:
    """The drawing; `height` is that of a chart, `spoken` what a screen reader says."""
    parts: list[str] = []
    top = _leads(marks, span, paper, parts) if charts else 0.0
    for chart in charts:
        parts.append(_title(paper, top, chart))
        top += _TITLE
        parts += [
            *axis(chart.limits, chart.decades, paper, top, height),
            *_marks(marks, span, paper, top, height),
        ]
        parts += [_line(line, chart, span, paper, top, height) for line in chart.lines]
        top += height + 8
    if charts:
        parts += steps_axis(span, paper, top - 4)
        top += _AXIS
    if picture is not None:
        parts += _picture(picture, marks, span, paper, top)
        top += _TITLE + picture.height + 2
    if not charts:
        parts += steps_axis(span, paper, top + 2)
        top += _AXIS
    return Markup(
        f'<svg viewBox="0 0 {paper.width} {top:.0f}" role="img" aria-label="{escape(spoken)}">'
        + "".join(parts)
        + "</svg>"
    )


def drawn_twice(
    charts: Sequence[Chart],
    marks: Marks,
    span: tuple[float, float],
    *,
    height: int,
    spoken: str,
    picture: Picture,
) -> dict[str, Markup]:
    """Drawn for wide screens and paper, and for phones, which has the same picture by reference."""
    again = replace(picture, source=f"#{picture.name}", name="")
    return {
        paper.name: stacked(charts, marks, span, paper, height=height, spoken=spoken, picture=shown)
        for paper, shown in ((WIDE, picture), (NARROW, again))
    }


def _x(step: float, span: tuple[float, float], paper: Paper) -> float:
    first, last = span
    return paper.left + paper.plot * (step - first) / ((last - first) or 1)


def text(x: float, y: float, words: str, role: str = "muted", align: str = "") -> str:
    """Words at a place, escaped."""
    kind = f"t-{role}{' ' + align if align else ''}"
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{escape(words)}</text>'


def _cut(words: str, room: float) -> str:
    most = max(int(room / _CHARACTER), 4)
    return words if len(words) <= most else words[: most - 1] + "…"


def _title(paper: Paper, top: float, chart: Chart) -> str:
    words = [text(paper.left, top + 13, _cut(chart.title, paper.plot))]
    if len(chart.lines) > 1 and len(chart.title) * _CHARACTER < paper.plot / 2:
        right = float(paper.width - paper.right)
        for line in reversed(chart.lines):
            words.append(text(right, top + 13, line.label, "muted", "end"))
            right -= len(line.label) * 6.7 + 4
            words.append(f'<path d="M{right - 20:.1f} {top + 9:.1f}h18" class="{_class(line)}"/>')
            right -= 32
    return "".join(words)


def _class(line: Line) -> str:
    return f"l-{line.role} {line.kind}"


def axis(limits: tuple[float, float], decades: bool, paper: Paper, top: float, height: int) -> list[str]:
    """Lines across, and their labels at the left; limits of decades are log10."""
    low, high = limits
    most = max(height // 28, 2)
    if decades and (powers := decade_ticks(low, high, most)):
        places, words = [float(power) for power in powers], [power_of_ten(power) for power in powers]
    else:
        places = even_ticks(low, high, most)
        words = [f"{10**place:.2g}" for place in places] if decades else labels(places)
    parts: list[str] = []
    for place, word in zip(places, words, strict=True):
        y = top + height * (high - place) / (high - low)
        parts.append(f'<path d="M{paper.left} {y:.1f}h{paper.plot}" class="l-rule"/>')
        parts.append(text(paper.left - 6, y + 4, _cut(word, paper.left), "muted", "end"))
    return parts


def _marks(marks: Marks, span: tuple[float, float], paper: Paper, top: float, height: float) -> list[str]:
    """Bands from T10 to T90, half-way lines, and alarms."""
    parts: list[str] = []
    for truth in marks.truths:
        if truth.t10 is not None and truth.t90 is not None:
            left, right = _x(truth.t10, span, paper), _x(truth.t90, span, paper)
            width = max(right - left, 1)
            parts.append(
                f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{height}" class="band"/>'
            )
        parts.append(f'<path d="M{_x(truth.t50, span, paper):.1f} {top}v{height}" class="l-truth dotted"/>')
    for alarm in marks.alarms:
        parts.append(f'<path d="M{_x(alarm, span, paper):.1f} {top}v{height}" class="l-alarm strong"/>')
    return parts


def _leads(marks: Marks, span: tuple[float, float], paper: Paper, parts: list[str]) -> float:
    """A lane of brackets from alarms to half-way steps, as far as their labels do not collide; its height."""
    told = [truth for truth in marks.truths if truth.alarm is not None and truth.label]
    ends = [
        (*sorted([_x(truth.alarm or 0, span, paper), _x(truth.t50, span, paper)]), truth.label)
        for truth in sorted(told, key=lambda truth: truth.t50)
    ]
    free = 0.0
    following = [*(left for left, _, _ in ends[1:]), float(paper.width)][: len(ends)]
    for (left, right, words), end in zip(ends, following, strict=True):
        parts.append(f'<path d="M{left:.1f} 4v8m0-4H{right:.1f}m0-4v8" class="l-ink"/>')
        width = len(words) * _CHARACTER
        if right + 5 + width < end:
            parts.append(text(right + 5, 12, words, "ink"))
            free = right + 5 + width
        elif left - 5 - width > free:
            parts.append(text(left - 5, 12, words, "ink", "end"))
            free = right
        else:
            free = right
    return _LANE if told else 0.0


def _line(line: Line, chart: Chart, span: tuple[float, float], paper: Paper, top: float, height: int) -> str:
    low, high = chart.limits
    steps, values = decimate(chart.steps, line.values, paper.points)
    x = np.round((paper.left + paper.plot * (steps - span[0]) / ((span[1] - span[0]) or 1)) / _GRAIN)
    y = np.round((top + height * (high - values) / (high - low)) / _GRAIN)
    return f'<path transform="scale({_GRAIN})" d="{path_of(x, y)}" class="{_class(line)}"/>'


def path_of(x: NDArray[np.floating[Any]], y: NDArray[np.floating[Any]]) -> str:
    """A path with gaps at NaN, in whole grains; a point between gaps is a dot, for lines have round ends."""
    parts: list[str] = []
    before: tuple[int, int] | None = None
    for across, down in zip(x.tolist(), y.tolist(), strict=True):
        if down != down:
            before = None
            continue
        here = int(across), int(down)
        if before is None:
            parts.append(f"M{here[0]} {here[1]}l0 0")
        else:
            right, fall = here[0] - before[0], here[1] - before[1]
            parts.append(f" {right}{fall}" if fall < 0 else f" {right} {fall}")
        before = here
    return "".join(parts)


def steps_axis(span: tuple[float, float], paper: Paper, top: float) -> list[str]:
    """Ticks and their labels below a drawing."""
    first, last = span
    widest = len(f"{last:,.0f}") * _CHARACTER + 14
    places = even_ticks(first, last, max(int(paper.plot / max(widest, 50)), 2))
    parts: list[str] = []
    for place, word in zip(places, labels(places), strict=True):
        x = _x(place, span, paper)
        half = len(word) * _CHARACTER / 2
        align = "end" if x + half > paper.width else "middle"
        parts.append(f'<path d="M{x:.1f} {top - 4:.1f}v5" class="l-rule"/>')
        parts.append(text(min(x, paper.width), top + 14, word, "muted", align))
    return parts


def _picture(
    picture: Picture, marks: Marks, span: tuple[float, float], paper: Paper, top: float
) -> list[str]:
    place = f'x="{paper.left}" y="{top + _TITLE:.1f}" width="{paper.plot}" height="{picture.height}"'
    whole = len(picture.title) * _CHARACTER < paper.plot
    parts = [text(paper.left, top + 13, picture.title if whole else _cut(picture.short, paper.plot))]
    if picture.source.startswith("#"):
        parts.append(
            f'<svg {place} viewBox="0 0 1 1" preserveAspectRatio="none"><use href="{picture.source}"/></svg>'
        )
    else:
        parts.append(
            f'<svg {place} viewBox="0 0 1 1" preserveAspectRatio="none"><image id="{picture.name}" width="1" '
            f'height="1" preserveAspectRatio="none" href="{picture.source}"/></svg>'
        )
    top += _TITLE
    done = 0
    for words, rows in picture.bands:
        y = top + picture.height * done / picture.rows
        tall = picture.height * rows / picture.rows
        if done:
            parts.append(f'<path d="M{paper.left - 8} {y:.1f}h8" class="l-muted"/>')
        if tall >= 13:
            parts.append(
                text(paper.left - 10, y + tall / 2 + 4, _cut(words, paper.left - 10), "muted", "end")
            )
        done += rows
    parts += [
        f'<path d="M{_x(alarm, span, paper):.1f} {top}v{picture.height}" class="l-{ink}"/>'
        for alarm in marks.alarms
        for ink in ("halo", "alarm strong")
    ]
    return parts
