"""Where is the page of each run that is compared? Beside the run, or in the folder of its saved analysis.

A page is named only if it lies beside the summary of an analysis, and that of the run in question: runs of
one stem, as ``ok.csv`` and ``ok.parquet``, share a companion folder.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from rdmtools.analysis.findings import Findings
from rdmtools.format.names import ANALYSIS_FOLDER, REPORT_FILE, SUMMARY_FILE
from rdmtools.read.paths import companion_of, located
from rdmtools.read.stores import Location
from rdmtools.results.folder import ANALYSIS, read_json
from rdmtools.results.named_runs import Comparable
from rdmtools.results.read_analysis import SavedAnalysis
from rdmtools.run.run import Run


def pages(named: Mapping[str, Comparable]) -> dict[str, Path]:
    """The page of each run that has one, by the run's name."""
    found = {name: _page(run) for name, run in named.items()}
    return {name: page for name, page in found.items() if page is not None}


def is_page(page: Path, run: Path | None = None) -> bool:
    """Whether there is the page of an analysis; if the path of a run is given, of that run."""
    try:
        if page.name != REPORT_FILE or not page.is_file():
            return False
        summary = read_json(page.with_name(SUMMARY_FILE))
    except (OSError, ValueError):
        return False
    about = summary.get("run")
    if summary.get("contents") != ANALYSIS.mark or not isinstance(about, dict):
        return False
    source = cast(dict[str, Any], about).get("source")
    return run is None or not isinstance(source, str) or Path(source).name == run.name


def link(page: Path, folder: Path) -> str | None:
    """The address of a page as seen from the folder; None where there is no way between them."""
    try:
        way = Path(os.path.relpath(page.resolve(), folder.resolve())).as_posix()
        return quote(way)
    except (OSError, RuntimeError, ValueError):  # on another drive, a circle of links, bytes that are no text
        return None


def _page(run: Comparable) -> Path | None:
    if isinstance(run, SavedAnalysis):
        page, path = run.folder / REPORT_FILE, None
    else:
        given = run.run if isinstance(run, Findings) else run
        source = given.source if isinstance(given, Run) else given
        path = located(source) if isinstance(source, str | Location) else None
        if not isinstance(path, Path):
            return None  # in a store, or in memory alone
        if (path / SUMMARY_FILE).is_file():
            page, path = path / REPORT_FILE, None
        else:
            page = companion_of(path) / ANALYSIS_FOLDER / REPORT_FILE
    return page.absolute() if is_page(page, path) else None
