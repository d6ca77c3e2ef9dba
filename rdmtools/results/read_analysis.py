"""What is in a folder that `Analysis.save` left? The same tables and summary, checked, without the run.

folder -> checked -> SavedAnalysis
"""

from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from rdmtools.analysis.settings import AnalysisSettings
from rdmtools.analysis.tables import AnalysisTables
from rdmtools.errors import FormatError, ParameterError
from rdmtools.format.names import ANALYSIS_FOLDER, SUMMARY_FILE
from rdmtools.read.paths import companion_of, local_path
from rdmtools.results import notebook
from rdmtools.results.checked import checked_settings, checked_summary, checked_table
from rdmtools.results.folder import ANALYSIS
from rdmtools.results.saved import Compared, reading_saved
from rdmtools.results.words import shown
from rdmtools.run.quality import counted


@dataclass(frozen=True, kw_only=True, eq=False)
class SavedAnalysis(AnalysisTables):
    """What `Analysis.save` left of one analysis: its tables and summary, and not the run."""

    folder: Path
    settings: AnalysisSettings
    _summary: dict[str, Any] = field(repr=False)

    @property
    def name(self) -> str:
        """Of the run."""
        return self._summary["run"]["name"]

    def summary(self) -> dict[str, Any]:
        """Settings, data quality, verdict and events as plain values, as `Analysis.summary` gives them."""
        return dict(self._summary)

    def compared(self) -> Compared:
        """What `compare` takes of it."""
        return Compared(summary=self._summary, table=self.table)

    def __repr__(self) -> str:
        run, windows = self._summary["run"], self.settings.windows
        return (
            f"SavedAnalysis of {self.name!r}: {counted(run['rows'], 'row')}, "
            f"{counted(run['samples'], 'sample')}, window{'s' * (len(windows) > 1)} "
            f"{', '.join(map(str, windows))}, {counted(len(self.events), 'event')}, from {str(self.folder)!r}"
        )

    def _repr_html_(self) -> str:
        heading = f"<b>{escape(shown(self.name, 120))}</b>, from {escape(shown(self.folder, 400))}"
        return notebook.cell(heading, self._summary["verdict"].split("\n"), self.events)


def read_analysis(folder: str | Path) -> SavedAnalysis:
    """The tables and the summary in a folder that `Analysis.save`, or ``rdmtools analyze``, left.

    Page checksums are verified, and types and counts checked.

    Raises
    ------
    FormatError
        Where the folder holds no whole analysis.
    ParameterError
        Where `folder` can be none on this machine.

    Examples
    --------
    >>> import tempfile, numpy as np, rdmtools
    >>> run = rdmtools.Run.from_arrays(np.arange(40), np.random.default_rng(0).random((40, 3)), name="noise")
    >>> folder = rdmtools.analyze(run).save(tempfile.mkdtemp() + "/noise", report=False)
    >>> rdmtools.read_analysis(folder).observables.columns[:4].tolist()
    ['step', 'first_step', 'window', 'shc']
    """
    place = local_path(folder)
    _refuse_run(place)
    with reading_saved(place):
        summary = checked_summary(place)
        tables = {name: checked_table(place, name, summary) for name in ANALYSIS.tables}
        settings = checked_settings(summary)
    return SavedAnalysis(folder=place, settings=settings, _summary=summary, **tables)


def _refuse_run(place: Path) -> None:
    """Somebody may name the run, or its companion folder, whose analysis lies beside it."""
    if (place / SUMMARY_FILE).exists():
        return
    for beside in (place / ANALYSIS_FOLDER, companion_of(place) / ANALYSIS_FOLDER):
        if (beside / SUMMARY_FILE).exists():
            raise ParameterError(
                f"{place} is no folder of results; needed that of an analysis, as {str(beside)!r}"
            )
    if not place.is_dir():
        raise FormatError(f"no folder {place}; needed one that Analysis.save left; check the path")
