"""How does a figure become a file, or a part of a page? The same bytes each time: no dates, no random ids.

In a page, colours become CSS variables (so that light and dark need one drawing), fonts the page's own, and
ids get a prefix of their own, since several drawings share one document. Its paper, and its first line where
that is a name, which the page itself says, are left out: so one drawing serves a file and a page.
"""

# pyright: reportUnknownMemberType=false

import io
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from rdmtools.report.palette import COLOURS
from rdmtools.report.style import PAPER, drawable, png_bytes

_REFERENCE = re.compile(r"#([\w-]+)")
_NUMBER = re.compile(r"-?\d+\.\d{2}\d+")
_FONT = re.compile(r"font:\s*(?=[\d.]+px)|(?<=px) '[^;]*|font-family:[^;]*;")
_HEX = re.compile("|".join(COLOURS.values()))
_VARIABLES = {value: f"var(--{role})" for role, value in COLOURS.items()}


def save_figure(figure: Figure, path: Path, formats: Sequence[str] = ("png", "svg")) -> str:
    """Write path.svg and so on, on white paper; returns the SVG, for `inline_svg`, empty where none is asked.

    Text stays text in SVG and PDF, and has □ for what the font lacks in PNG and PDF.
    """
    figure.set_facecolor("white")
    text = ""
    if "svg" in formats:
        text = svg_text(figure)
        path.with_name(f"{path.name}.svg").write_text(text, encoding="utf-8")
    drawable(figure)
    if "png" in formats:
        path.with_name(f"{path.name}.png").write_bytes(png_bytes(figure))
    if "pdf" in formats:
        none = {"CreationDate": None, "Creator": None, "Producer": None}
        with matplotlib.rc_context({"pdf.fonttype": 42}):
            FigureCanvasPdf(figure).print_figure(
                path.with_name(f"{path.name}.pdf"), format="pdf", metadata=none
            )
    return text


def inline_svg(drawn: str, prefix: str, label: str) -> str:
    """What `svg_text` drew as an `<svg>` element for a page; `label` is what a screen reader says."""
    root = ElementTree.fromstring(drawn)
    for element in list(root.iter()):
        for child in list(element):
            if child.get("id") == PAPER or child.tag.rpartition("}")[2] in ("metadata", "style"):
                element.remove(child)
    used = {
        name
        for element in root.iter()
        for key, value in element.attrib.items()
        if key != "id"
        for name in _REFERENCE.findall(value)
    }
    used &= {element.get("id") for element in root.iter()}  # not colours, which begin as references do
    names = {name: f"{prefix}-{number}" for number, name in enumerate(sorted(used))}
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        element.attrib = {
            key.rpartition("}")[2]: _adapted(key, value, names)
            for key, value in element.attrib.items()
            if key != "id" or value in used
        }
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.attrib |= {"role": "img", "aria-label": label}
    return ElementTree.tostring(root, encoding="unicode")


def _adapted(key: str, value: str, names: dict[str, str]) -> str:
    if key == "id":
        return names[value]
    if key == "d":
        return _NUMBER.sub(lambda number: f"{float(number[0]):.2f}", value)
    if key == "style":
        value = _FONT.sub(lambda found: "font-size: " if found[0].startswith("font:") else "", value)
        value = _HEX.sub(lambda found: _VARIABLES[found[0]], value)
    return _REFERENCE.sub(lambda found: "#" + names.get(found[1], found[1]), value)


def svg_text(figure: Figure) -> str:
    """The figure as the text of an SVG file."""
    buffer = io.StringIO()
    with (
        warnings.catch_warnings(),
        matplotlib.rc_context({"svg.hashsalt": "rdmtools", "svg.fonttype": "none"}),
    ):
        # Widths are not used, so what DejaVu lacks does not matter: the viewer has another font for it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        FigureCanvasSVG(figure).print_figure(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()
