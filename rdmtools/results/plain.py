"""How does a value become JSON? As plain dicts, lists, text, numbers, booleans and None."""

# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Mapping
from typing import Any

import numpy as np

from rdmtools.results.words import is_missing


def plain(value: Any) -> Any:
    """The value as dicts, lists, text, numbers, booleans and None; anything else as its text."""
    match value:
        case None | bool() | int():
            return value
        case np.number() | np.bool_():
            return plain(value.item())
        case float():
            return value if np.isfinite(value) else None
        case str():
            # A path may hold bytes that are no UTF-8; no JSON could.
            return value.encode(errors="replace").decode()
        case Mapping():
            return {plain(str(key)): plain(entry) for key, entry in value.items()}
        case list() | tuple():
            return [plain(entry) for entry in value]
        case np.ndarray():
            return plain(value.tolist())
        case _ if is_missing(value):
            return None
        case _:
            return plain(str(value))
