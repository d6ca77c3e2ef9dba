"""How does a page come to be? From a template of ours, with style and scripts inside, written as a whole.

A page whose styles and scripts are all known says so by their hashes: nothing else may run or style it, and
nothing is fetched. Pages with figures of matplotlib have styles in their drawings, and no script at all.
"""

import base64
import hashlib
from collections.abc import Sequence
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from rdmtools import __version__
from rdmtools.errors import ParameterError
from rdmtools.report.palette import COLOURS, DARK
from rdmtools.results.warning_words import SIGNALS
from rdmtools.results.words import number, percent, power, signed
from rdmtools.run.quality import counted

_LIGHT_PAPER = {"paper": "#ffffff", "wash": "#f5f7f9", "link": "#0b5c99"}
_DARK_PAPER = {"paper": "#14171b", "wash": "#1d2228", "link": "#7cc4f5"}


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


def render(
    template: str, *, sheets: Sequence[str] = ("base.css",), scripts: Sequence[Markup] = (), **values: Any
) -> str:
    """A page of ours from its template.

    Parameters
    ----------
    sheets
        Style sheets beside the templates.
    scripts
        Where there are any, the page runs these and no others, and takes no style from elsewhere.
    """
    style = style_sheet(*sheets)
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    if scripts:
        known = " ".join(map(_source, scripts))
        policy = f"default-src 'none'; script-src {known}; style-src {_source(style)}; img-src data:"
        policy += "; base-uri 'none'; form-action 'none'"
    return (
        _environment()
        .get_template(template)
        .render(style=style, policy=Markup(policy), scripts=scripts, version=__version__, **values)
    )


def style_sheet(*names: str) -> Markup:
    """Our colours as CSS variables, in light and dark, then the sheets of those names."""
    light, dark = (
        "".join(f"--{role}:{value};" for role, value in roles.items())
        for roles in (_LIGHT_PAPER | COLOURS, _DARK_PAPER | DARK)
    )
    colours = (
        f":root{{color-scheme:light dark;{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}\n"
        f"@media screen{{:root[data-theme=dark]{{color-scheme:dark;{dark}}}\n"
        ":root[data-theme=light]{color-scheme:light}}\n"
    )
    return Markup(colours + "".join(beside(name).replace("\n  ", "\n") for name in names))


def beside(name: str) -> str:
    """The text of a file that lies beside the templates."""
    return (files("rdmtools.report") / name).read_text(encoding="utf-8")


def dense(text: str) -> str:
    """A script or style sheet of ours without its comments of whole lines, and without indentation."""
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


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
