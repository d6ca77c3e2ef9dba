"""How are the user's own words, and numbers, put before a person?

Names, texts and paths come from anywhere. Characters that have no picture, or that reorder the line around
them, become visible; what is too long is cut, visibly. Escaping is left to what writes HTML or SVG.
"""

# pyright: reportUnknownArgumentType=false

import math
import unicodedata
from typing import Any

ELLIPSIS = "…"
# Embedding, override and isolate marks: they could make a name read as something else.
_REORDERING = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNSEEN = frozenset({"Cc", "Cs", "Cn", "Co", "Zl", "Zp"})


def shown(value: Any, limit: int = 200) -> str:
    """One line of at most `limit` characters; a cut ends in …, unseen characters become a replacement sign.

    Missing values are the empty string. Line breaks and tabs become spaces.
    """
    if is_missing(value):
        return ""
    # Cut first: no need to look at the whole of a very long text.
    text = number(value) if isinstance(value, float) else str(value)[: 4 * limit]
    text = " ".join(text.split())
    text = "".join(_visible(character) for character in text)
    return text if len(text) <= limit else text[: limit - 1] + ELLIPSIS


def is_missing(value: Any) -> bool:
    """Whether a table shows nothing there: None, NaN, NaT, NA."""
    if value is None or isinstance(value, str | int):
        return value is None
    if isinstance(value, float):
        return math.isnan(value)
    import pandas as pd  # a third of a second, which a line of text has no need of

    return pd.api.types.is_scalar(value) and bool(pd.isna(value))


def _visible(character: str) -> str:
    if character in _REORDERING or unicodedata.category(character) in _UNSEEN:
        return "\N{REPLACEMENT CHARACTER}"
    return character


def number(value: float) -> str:
    """Four digits, in plain notation where that is short."""
    if not math.isfinite(value):
        return "–" if math.isnan(value) else str(value)
    return f"{value:,.0f}" if value == round(value) and abs(value) < 1e9 else f"{value:.4g}"


def signed(value: float) -> str:
    """Three digits with a sign; a true minus."""
    return f"{value:+#.3g}".rstrip(".").replace("-", "−") if math.isfinite(value) else "–"


def power(unit: str, exponent: str) -> str:
    """ "nats" to the "⁴" is nats⁴; of several words, (sq. error)⁴; where nobody said, loss⁴."""
    unit = unit or "loss"
    return f"{unit}{exponent}" if unit.isalnum() or not exponent else f"({unit}){exponent}"


def with_unit(title: str, unit: str, loss: str) -> str:
    """The title and, unless that is "1", the unit: "loss⁴" of losses in nats is nats⁴."""
    return title if unit == "1" else f"{title}, {power(loss, unit.removeprefix('loss'))}"


def percent(share: float) -> str:
    """No decimals between 10% and 99%; never "0%" or "100%" of what is only close to it."""
    if not math.isfinite(share):
        return "–"
    if 0 < share < 0.0005:
        return "<0.1%"
    if 0.99 < share < 1:
        return f"{share:.1%}" if share < 0.9995 else ">99.9%"
    return f"{share:.1%}" if 0 < share < 0.1 else f"{share:.0%}"


def listed(words: list[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
