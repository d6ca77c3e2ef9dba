"""Where do results go? One folder, written beside its place and then moved there as a whole.

observables.parquet  events.parquet  modes.parquet  groups.parquet  spectra.parquet
gaussian.parquet     shc_map.parquet
summary.json         report.html     figures/overview.png, .svg, event_1.png, ...
"""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from rdmtools.analysis.pipeline import Analysis
from rdmtools.errors import ParameterError
from rdmtools.format.names import (
    ANALYSIS_FOLDER,
    EVENTS_FILE,
    FIGURES_FOLDER,
    FINGERPRINT,
    GAUSSIAN_FILE,
    GROUPS_FILE,
    MODES_FILE,
    OBSERVABLES_FILE,
    REPORT_FILE,
    SAMPLE_ID,
    SHC_MAP_FILE,
    SPECTRA_FILE,
    SUMMARY_FILE,
    companion,
)
from rdmtools.read.stores import StorePath
from rdmtools.results.fingerprint import sealed
from rdmtools.results.folder import ANALYSIS, ELSEWHERE, replaced
from rdmtools.results.summary import summarise

_TABLES = {
    "observables": OBSERVABLES_FILE,
    "events": EVENTS_FILE,
    "modes": MODES_FILE,
    "groups": GROUPS_FILE,
    "spectra": SPECTRA_FILE,
    "gaussian": GAUSSIAN_FILE,
    "shc_map": SHC_MAP_FILE,
}


def save(
    analysis: Analysis,
    folder: str | Path | None = None,
    *,
    report: bool = True,
    fingerprint: str | None = None,
) -> Path:
    """Write tables, summary, and with `report` the page and figures; returns the folder.

    Parameters
    ----------
    folder
        By default ``analysis/`` in the companion folder of the run's file, if that is on this machine. It is
        replaced as a whole.
    fingerprint
        A name for all that the analysis depends on, kept in the summary.

    Raises
    ------
    ParameterError
        Where the run has no file here and no folder is named, the place cannot be written, or it holds a
        comparison or files that rdmtools did not write.
    """
    folder = _default(analysis) if folder is None else Path(folder)
    with replaced(folder, ANALYSIS) as place:
        for name, file in _TABLES.items():
            _typed(analysis, name).to_parquet(place / file, index=False)
        summary = summarise(analysis)
        if fingerprint is not None:
            summary[FINGERPRINT] = sealed(summary, fingerprint)
        text = json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False)
        (place / SUMMARY_FILE).write_text(text + "\n", encoding="utf-8")
        if report:
            from rdmtools.report.overview import save_figures
            from rdmtools.report.run_page import page, write_page

            drawn = save_figures(analysis, place / FIGURES_FOLDER)
            write_page(page(analysis, drawn), place / REPORT_FILE)
    return folder


def is_whole(folder: Path, *, report: bool) -> bool:
    """Whether every file is there that `save` leaves, but for figures of events."""
    files = [*_TABLES.values(), SUMMARY_FILE]
    if report:
        files += [REPORT_FILE, f"{FIGURES_FOLDER}/overview.svg", f"{FIGURES_FOLDER}/overview.png"]
    return all((folder / file).is_file() for file in files)


def _default(analysis: Analysis) -> Path:
    source = analysis.run.source
    if source is None:
        raise ParameterError(
            f"run {analysis.run.name!r} has no file to save beside; needed a folder; {ELSEWHERE}"
        )
    if isinstance(source, StorePath):
        raise ParameterError(
            f"{source} lies in a store, where nothing is written; needed a folder; {ELSEWHERE}"
        )
    if source.name in ("", ".."):
        source = source.resolve()
    return companion(source) / ANALYSIS_FOLDER


def _typed(analysis: Analysis, name: str) -> pd.DataFrame:
    """The table; its columns have their types also where there is no event, so that tables can be joined."""
    table: pd.DataFrame = getattr(analysis, name)
    if len(table):
        return table
    ids = analysis.run.samples[SAMPLE_ID].dtype
    types: dict[str, Any] = {
        **dict.fromkeys(("event", "mode", "samples", "eigenvalue_index"), "int64"),
        **dict.fromkeys(("loading", "loss_change", "sample_share", "mode_share"), "float64"),
        **dict.fromkeys(("eigenvalue", "share"), "float64"),
        "group": "string",
        SAMPLE_ID: ids,
    }
    return table.astype({column: types[column] for column in table.columns if column in types})
