"""How do bytes become an image that a page holds? A PNG with a palette, and its data URI.

The page reads the bytes back from the picture: each shade of `SHADES` is another colour.
"""

import base64
import struct
import zlib

import numpy as np
from jaxtyping import UInt8

# Every 17th shade of viridis, from dark to bright: readable without colour, and for the colour-blind.
_ANCHORS = (
    *("440154", "481a6c", "472f7d", "414487", "39568c", "31688e", "2a788e", "23888e"),
    *("1f988b", "22a884", "35b779", "54c568", "7ad151", "a5db36", "d2e21b", "fde725"),
)


def _shades() -> UInt8[np.ndarray, "256 3"]:
    anchors = np.array([[*bytes.fromhex(anchor)] for anchor in _ANCHORS], np.float64)
    places = np.linspace(0, 255, len(anchors))
    return (
        np.stack([np.interp(np.arange(256), places, anchors[:, n]) for n in range(3)], axis=1)
        .round()
        .astype(np.uint8)
    )


SHADES = _shades()
"""Colours from dark to bright, 256 that all differ."""


def data_uri(levels: UInt8[np.ndarray, "rows columns"], *, blank: int | None = None) -> str:
    """The image, a pixel per value; the value `blank` lets the paper through."""
    rows, columns = levels.shape
    clear = b"" if blank is None else bytes([255] * blank + [0])
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)),
        (b"PLTE", SHADES.tobytes()),
        *([(b"tRNS", clear)] if clear else []),
        (b"IDAT", min((_packed(levels, kind) for kind in (0, 1, 2)), key=len)),
        (b"IEND", b""),
    ]
    body = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )
    return "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + body).decode()


def _packed(levels: UInt8[np.ndarray, "rows columns"], kind: int) -> bytes:
    """Lines of pixels as they are (0), less their left (1) or upper (2) neighbours, compressed."""
    rows, columns = levels.shape
    lines = np.zeros((rows, columns + 1), np.uint8)
    lines[:, 0], lines[:, 1:] = kind, levels
    if kind == 1:
        lines[:, 2:] -= levels[:, :-1]
    elif kind == 2:
        lines[1:, 1:] -= levels[:-1]
    return zlib.compress(lines.tobytes(), 9)
