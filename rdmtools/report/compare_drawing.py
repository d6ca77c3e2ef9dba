"""How are runs drawn side by side without scripts? A sparkline each, all over each other, a small chart each.

A run's path stands on the page once, in its sparkline; the others are uses of it, scaled to their steps.
"""

from collections.abc import Sequence

from markupsafe import Markup, escape

from rdmtools.report.compared_lines import ACROSS, MOST_LOOKS, UP, Quantity, RunLines
from rdmtools.report.stacked_svg import NARROW, WIDE, Paper, axis, steps_axis, text
from rdmtools.report.ticks import decade_ticks, even_ticks

OVERLAY_PX = 300
_BOX = f'viewBox="0 0 {ACROSS} {UP}" preserveAspectRatio="none"'
# What is used elsewhere takes its class there: style sheets reach no further, and this is not handed down.
_STROKE = 'vector-effect="non-scaling-stroke"'
_TICK = 200
_MOST_MARKS = 40


def sparkline(run: RunLines, drawn: Quantity) -> Markup:
    """The run's line over its own steps, with its truths and alarms."""
    path = f'<path id="r{run.number}" d="{run.paths[drawn.key]}" class="{run.look}" {_STROKE}/>'
    bands, ticks = _marks(run, 0, ACROSS, UP)
    return Markup(f'<svg class="spark" {_BOX} aria-hidden="true">{bands}{path}{ticks}</svg>')


def swatch(run: RunLines) -> Markup:
    """A stroke in the run's colour and dash."""
    return Markup(
        '<svg class="key" viewBox="0 0 24 8" aria-hidden="true">'
        f'<path d="M1 4h22" class="{run.look} strong"/></svg>'
    )


def overlay(
    runs: Sequence[RunLines], drawn: Quantity, paper: Paper, *, spoken: str, used: bool = True
) -> Markup:
    """All runs by step; `used` says that their paths are on the page already."""
    span = span_of(runs)
    top = 19.0
    parts = [text(paper.left, 13, f"{drawn.title}, by step", "muted")]
    parts += axis(drawn.limits, drawn.decades, paper, top, OVERLAY_PX)
    parts += steps_axis(span, paper, top + OVERLAY_PX + 4)
    place = f'x="{paper.left}" y="{top:.0f}" width="{paper.plot}" height="{OVERLAY_PX}"'
    inner: list[str] = []
    for run in reversed(runs):  # the first runs, which have colours, above the others
        if used:
            line = f'<use href="#r{run.number}" class="{run.look}" transform="{_matrix(run, span)}"/>'
        else:
            line = f'<path d="{run.paths[drawn.key]}" class="{run.look}" transform="{_matrix(run, span)}"/>'
        faint = run.number >= MOST_LOOKS
        inner.append(f'<g class="faint">{line}</g>' if faint else line)
        if not faint:
            first, wide = _place(run, span)
            inner.append(_marks(run, first, wide, _TICK)[1])
    parts.append(f"<svg {place} {_BOX}>{''.join(inner)}</svg>")
    height = top + OVERLAY_PX + 26
    return Markup(
        f'<svg viewBox="0 0 {paper.width} {height:.0f}" role="img" aria-label="{escape(spoken)}">'
        + "".join(parts)
        + "</svg>"
    )


def overlays(runs: Sequence[RunLines], drawn: Quantity, spoken: str) -> dict[str, Markup]:
    """Drawn for wide screens and paper, and for phones."""
    return {paper.name: overlay(runs, drawn, paper, spoken=spoken) for paper in (WIDE, NARROW)}


def small(run: RunLines, span: tuple[float, float]) -> Markup:
    """The run alone, by step, on the scales of all."""
    first, wide = _place(run, span)
    bands, ticks = _marks(run, first, wide, UP)
    line = f'<use href="#r{run.number}" class="{run.look}" transform="{_matrix(run, span)}"/>'
    return Markup(
        f'<svg {_BOX} aria-hidden="true"><use href="#grid" class="l-rule"/>{bands}{line}{ticks}</svg>'
    )


def grid(drawn: Quantity) -> Markup:
    """Lines across of the small charts, for them to use."""
    low, high = drawn.limits
    places = decade_ticks(low, high, 4) if drawn.decades else []
    places = places or even_ticks(low, high, 4)
    path = "".join(f"M0 {UP * (high - place) / (high - low):.0f}h{ACROSS}" for place in places)
    return Markup(f'<svg class="none" aria-hidden="true"><path id="grid" d="{path}" {_STROKE}/></svg>')


def span_of(runs: Sequence[RunLines]) -> tuple[float, float]:
    """The first and the last step of all."""
    return float(min(run.first for run in runs)), float(max(run.last for run in runs))


def _place(run: RunLines, span: tuple[float, float]) -> tuple[float, float]:
    """Where the run begins among all steps, and how wide it is, in grains."""
    whole = (span[1] - span[0]) or 1
    return ACROSS * (run.first - span[0]) / whole, ACROSS * (run.last - run.first) / whole


def _matrix(run: RunLines, span: tuple[float, float]) -> str:
    first, wide = _place(run, span)
    return f"matrix({wide / ACROSS:.6g} 0 0 1 {first:.6g} 0)"


def _marks(run: RunLines, first: float, wide: float, tall: int) -> tuple[str, str]:
    """T10 to T90 as grey bands, dotted where half-way; and alarms in the colour and dash of the run."""

    def x(step: float) -> str:
        return f"{first + wide * run.grain(step) / ACROSS:.0f}"

    bands: list[str] = []
    for truth in run.truths[:_MOST_MARKS]:
        if truth.t10 is not None and truth.t90 is not None:
            width = max(wide * (run.grain(truth.t90) - run.grain(truth.t10)) / ACROSS, 12)
            bands.append(f'<rect x="{x(truth.t10)}" width="{width:.0f}" height="{UP}" class="truth"/>')
        bands.append(f'<path d="M{x(truth.t50)} 0v{UP}" class="l-muted dotted"/>')
    alarms = "".join(f"M{x(alarm)} 0v{tall}" for alarm in run.alarms[:_MOST_MARKS])
    return "".join(bands), f'<path d="{alarms}" class="{run.look} strong"/>' if alarms else ""
