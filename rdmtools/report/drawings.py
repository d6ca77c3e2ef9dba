"""How does a figure of matplotlib come into a page? Drawn for two widths, as SVG within the text."""

from collections.abc import Callable

from markupsafe import Markup
from matplotlib.figure import Figure

from rdmtools.report.style import NARROW_IN, WIDE_IN, own_style
from rdmtools.report.svg import inline_svg, svg_text


def drawings(
    draw: Callable[[float], Figure], spoken: str, *, prefix: str = "", wide: str | None = None
) -> dict[str, Markup]:
    """One drawing for wide screens and paper, one for phones.

    `spoken` is what a screen reader says, `prefix` tells the ids of several figures on a page apart, and
    `wide` is the SVG of the first, where it was drawn already.
    """
    with own_style():
        texts = {"wide": wide or svg_text(draw(WIDE_IN)), "narrow": svg_text(draw(NARROW_IN))}
    return {name: Markup(inline_svg(text, prefix + name, spoken)) for name, text in texts.items()}
