"""What does `rdmtools.analyze` give? Findings that can be saved, drawn, summed up and shown.

run -> analysis.findings.find -> Analysis -> results (words, files), report (figures, page)

Its name is no verb's: a module `rdmtools.analyze` would hide the function of that name once it is imported.
"""

import warnings
from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rdmtools.analysis.findings import Findings, find, find_control
from rdmtools.analysis.settings import AnalysisSettings, chosen
from rdmtools.errors import ParameterError, RdmtoolsWarning
from rdmtools.format.names import FIGURES_FOLDER, REPORT_FILE
from rdmtools.read.read import read_run
from rdmtools.read.stores import Location
from rdmtools.references import Given, reference_runs
from rdmtools.results.folder import ANALYSIS, default_folder, figure_formats, replaced, settled
from rdmtools.results.ledger_words import early_lines
from rdmtools.results.saved import write_results
from rdmtools.results.summary import summarise
from rdmtools.run.progress import Progress
from rdmtools.run.rules import Rules
from rdmtools.run.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Analysis(Findings):
    """What `analyze` found in one run, as tables."""

    def save(
        self,
        folder: str | Path | None = None,
        *,
        report: bool = True,
        figures: str | Iterable[str] = (),
    ) -> Path:
        """Write tables and summary, with `report` the page, and figures in the formats named.

        Parameters
        ----------
        folder
            By default ``analysis/`` in the companion folder of the run's file.
        report
            Whether to write ``report.html``, which needs no figures.
        figures
            Of "png", "svg" and "pdf", as ``("png", "svg")`` or ``"png,svg"``: the overview and the first
            events, for papers, in ``figures/``.

        Returns
        -------
        Path
            The folder.
        """
        return save(self, folder, report=report, figures=figures)

    def report(self, path: str | Path) -> Path:
        """Write the one-page HTML report; returns its path."""
        from rdmtools.report.run_page import write_report

        return write_report(self, path)

    def plot(self) -> "Figure":
        """Figure of the observables over training with the events marked."""
        from rdmtools.report.overview import overview_figure

        return overview_figure(self)

    def summary(self) -> dict[str, Any]:
        """Settings, data quality, verdict and events as plain values: what `--json` prints."""
        return summarise(self)

    def _repr_html_(self) -> str:
        from rdmtools.report.notebook_cell import notebook_html

        return notebook_html(self)


def save(
    findings: Findings,
    folder: str | Path | None = None,
    *,
    report: bool = True,
    figures: str | Iterable[str] = (),
    fingerprint: str | None = None,
) -> Path:
    """Write tables, summary, with `report` the page, and figures in the formats named; returns the folder.

    Parameters
    ----------
    folder
        By default ``analysis/`` in the companion folder of the run's file, if that is on this machine. It is
        replaced as a whole.
    figures
        Of "png", "svg" and "pdf"; matplotlib is loaded for them alone.
    fingerprint
        A name for all that the analysis depends on, kept in the summary.

    Raises
    ------
    ParameterError
        Where the run has no file here and no folder is named, the place cannot be written, or it holds a
        comparison or files that rdmtools did not write; and where the default folder holds the results of
        another run that is there still, as ``ok.csv`` beside ``ok.parquet``. And for other figures.
    """
    folder = default_folder(findings.run) if folder is None else settled(folder)
    formats = figure_formats(figures)
    with replaced(folder, ANALYSIS) as place:
        write_results(findings, place, fingerprint)
        if report:
            from rdmtools.report.run_page import page, write_page

            write_page(page(findings), place / REPORT_FILE)
        if formats:
            from rdmtools.report.overview import save_figures

            save_figures(findings, place / FIGURES_FOLDER, formats)
    return folder


def analyze(
    run: Run | str | Location,
    settings: AnalysisSettings | None = None,
    *,
    window: int | None = None,
    reference: Given | None = None,
    control: Run | str | Location | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> Analysis:
    """Observables, events and modes of one run.

    Parameters
    ----------
    run
        From `read_run`, `Run.from_arrays` or `Run.from_frame`; or a path, which is read first.
    settings, window, **changes
        Every choice; ``window=64`` is short for ``windows=(64,)``, and other fields of `AnalysisSettings` may
        be given by name. And options of `read_run`, for a path: `columns`, `missing`, `nonfinite`,
        `duplicates`, `restarts`, `group_by`.
    reference
        Runs in which nothing happened, made as this one: runs, paths and globs of them (read with the same
        options), and what `reference` made or saved. The run is ranked among them, in the table `reference`
        and the `p_value` of events.
    control
        One run, made as this one but for what is thought to cause its change: its SHC and score are in the
        table `control`, and drawn in grey. Nothing else is computed with it.
    executor
        Any `concurrent.futures.Executor`: the work goes to its workers, stretch of rows by stretch, and the
        result is the same to the bit. Losses in files are read by the workers, others are sent to them.
    progress
        Called with (rows done, rows in all) as the losses are read.

    Raises
    ------
    ParameterError
        Where a setting does not fit, or a window is longer than the run.
    FormatError
        Where a path does not make a run.
    WorkerError
        Where the executor lost its workers.

    Warns
    -----
    RdmtoolsWarning
        Where more than a third of the probe's fall was over before the first full window.

    Notes
    -----
    The values, alarms and floors at a step use nothing after it: rows appended to a run change none of them,
    to the bit. Only an event that is still open may gain a later peak and an end.

    Examples
    --------
    A quiet run of 120 rows and 7 samples, in which three samples begin to move together at row 80:

    >>> import numpy as np
    >>> losses = 1 + 0.01 * np.random.default_rng(0).standard_normal((120, 7))
    >>> losses[80:, :3] -= 0.02 * np.arange(40)[:, None]
    >>> analyze(Run.from_arrays(10 * np.arange(120), losses, name="ramp"), window=15)
    Analysis of 'ramp': 120 rows, 7 samples, window 15, 1 event
    """
    options: dict[str, Any] = {}
    if isinstance(run, str | Location):
        options = {each.name: changes.pop(each.name) for each in fields(Rules) if each.name in changes}
        run = read_run(run, **options)
    if not isinstance(run, Run):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ParameterError(
            f"run is a {type(run).__name__}; needed a Run; read_run(path) makes one of a file"
        )
    if given := [each.name for each in fields(Rules) if each.name in changes]:
        raise ParameterError(
            f"{given[0]} is an option of reading; needed a path to read: pass it to read_run"
        )
    settings = chosen(settings, window, changes)
    references = (
        () if reference is None else reference_runs(reference, settings, Rules(**options), executor=executor)
    )
    if isinstance(control, str | Location):
        control = read_run(control, **options)
    beside = None if control is None else find_control(control, settings, executor=executor)
    found = find(run, settings, references=references, control=beside, executor=executor, progress=progress)
    analysis = Analysis(**vars(found))
    for line in early_lines(analysis):
        warnings.warn(line, RdmtoolsWarning, stacklevel=2)
    return analysis
