"""How does a page come to be? From a template of ours and drawings of two widths, written as a whole."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from rdmtools import __version__
from rdmtools.errors import ParameterError
from rdmtools.report.style import COLOURS, NARROW_IN, WIDE_IN, own_style
from rdmtools.report.svg import inline_svg, svg_text
from rdmtools.results.warning_words import SIGNALS
from rdmtools.results.words import number, percent, power, signed
from rdmtools.run.quality import counted


def write_page(text: str, path: Path) -> Path:
    """Write a page under a temporary name, then rename it."""
    fresh = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A path may hold bytes that are no UTF-8; a page could not.
        fresh.write_text(text, encoding="utf-8", errors="replace")
        fresh.replace(path)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink()
        why = error.strerror or type(error).__name__
        raise ParameterError(f"{path} cannot be written ({why}); name another path") from error
    return path


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


def render(template: str, **values: Any) -> str:
    """A page of ours from its template."""
    return _environment().get_template(template).render(palette=COLOURS, version=__version__, **values)


def _environment() -> Environment:
    """Templates that escape whatever is not marked as our own markup."""
    made = Environment(
        loader=PackageLoader("rdmtools.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {"counted": counted, "number": number, "percent": percent, "power": power}
    filters |= {"signal": SIGNALS.__getitem__, "signed": signed}
    cast(dict[str, Any], made.filters).update(filters)
    made.tests["missing"] = lambda value: bool(pd.isna(value))
    return made
