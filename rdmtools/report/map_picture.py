"""How does the map of samples come into the page? As a picture over even steps, with what its rows are.

The picture is all there is of the losses: the script reads the bytes back from its colours.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import UInt8

from rdmtools.analysis.findings import Findings
from rdmtools.analysis.groups import coded, groups_of
from rdmtools.analysis.sample_map import MOST_GROUPS, SampleMap
from rdmtools.format.names import SAMPLE_ID
from rdmtools.report.heat_map import HeatMap, even_columns
from rdmtools.report.png import data_uri
from rdmtools.report.stacked_svg import Picture
from rdmtools.results.words import is_missing, shown
from rdmtools.run.quality import counted

IMAGE = "samples-image"
_IDS_TOLD = 3
_MOST_COLUMNS = 6
_LENGTH_HEIGHT = 16
_MAP_COLUMNS = 512


def samples_picture(findings: Findings, height: int) -> Picture:
    """Each probe sample, a row each."""
    drawn = findings.sample_map
    by = f"by {shown(drawn.column, 30)}, then " if drawn.column else ""
    rows = len(drawn.levels)
    each = "a row each" if rows == len(drawn.order) else f"{counted(rows, 'row')} of neighbours"
    return Picture(
        title=f"Every probe sample, {each}: dark = its highest loss, bright = its lowest. "
        f"Sorted {by}by when it changed.",
        short="Samples: dark = high loss, bright = low",
        source=data_uri(even_map(drawn, *_span(findings))),
        height=height,
        rows=rows,
        bands=[(shown(name, 40), count) for name, count in drawn.groups],
        name=IMAGE,
    )


def known_of_rows(findings: Findings) -> dict[str, Any]:
    """What the script tells of the map's rows: samples, losses at both ends of the scale, columns."""
    drawn, run = findings.sample_map, findings.run
    ids = run.samples[SAMPLE_ID].tolist()
    rows: list[list[Any]] = []
    for start, stop, low, high in zip(
        drawn.edges[:-1].tolist(),
        drawn.edges[1:].tolist(),
        drawn.low.tolist(),
        drawn.high.tolist(),
        strict=True,
    ):
        few = [shown(ids[place], 40) for place in drawn.order[start:stop][:_IDS_TOLD].tolist()]
        more = ", …" if stop - start > _IDS_TOLD else ""
        rows.append([", ".join(few) + more, stop - start, _short(low), _short(high)])
    single = len(rows) == len(drawn.order)
    half = findings.samples["half_step"].tolist()
    return {
        "image": IMAGE,
        "column": shown(drawn.column, 30),
        "groups": [[shown(name, 40), count] for name, count in drawn.groups],
        "rows": rows,
        "half": [None if is_missing(half[place]) else int(half[place]) for place in drawn.order]
        if single
        else [],
        "columns": _columns(findings) if single else [],
        "unit": shown(run.unit, 20),
        "smoothed": drawn.smoothed_rows,
    }


def lengths_picture(drawn: HeatMap, span: tuple[float, float]) -> Picture:
    """SHC by window length, as a picture."""
    values = even_columns(drawn, *span, _MAP_COLUMNS)[::-1]
    there = np.isfinite(values)
    scaled = np.clip((values - drawn.darkest) / (drawn.brightest - drawn.darkest), 0, 1)
    levels = np.full(values.shape, 255, np.uint8)
    levels[there] = np.rint(254 * scaled[there]).astype(np.uint8)
    return Picture(
        title=f"SHC by window length: {drawn.legend}",
        short="SHC by window length",
        source=data_uri(levels, blank=255),
        height=_LENGTH_HEIGHT * len(drawn.lengths),
        rows=len(drawn.lengths),
        bands=[(f"{length} rows", 1) for length in reversed(drawn.lengths)],
        name="lengths-image",
    )


def _span(findings: Findings) -> tuple[float, float]:
    first, last = findings.run.steps[[0, -1]].tolist()
    return float(first), float(last)


def even_map(drawn: SampleMap, first: float, last: float) -> UInt8[np.ndarray, "rows columns"]:
    """Bright where losses are low; columns of equal widths in steps, of the block that holds the middle."""
    count = len(drawn.steps)
    middles = first + (np.arange(count) + 0.5) * (last - first) / count
    blocks = np.clip(np.searchsorted(drawn.steps, middles), 0, count - 1)
    return 255 - drawn.levels[:, blocks]


def _columns(findings: Findings) -> list[dict[str, Any]]:
    """Columns of few values, each with the value of each row."""
    known: list[dict[str, Any]] = []
    samples: pd.DataFrame = findings.run.samples
    for column in samples.columns[1:].tolist():
        names, codes = coded(groups_of(findings.run, column) or [])
        if 1 < len(names) <= MOST_GROUPS and len(known) < _MOST_COLUMNS:
            values = codes[findings.sample_map.order].tolist()
            known.append(
                {"name": shown(column, 30), "names": [shown(name, 40) for name in names], "of": values}
            )
    return known


def _short(value: float) -> float:
    return float(f"{value:.4g}")
