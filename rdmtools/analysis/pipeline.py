"""From a run to its observables, events and modes: the one place where the parts meet.

run.blocks -> row_geometry -> observables -> find_rises -> events
                                                 run.rows -> window_modes
"""

import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from rdmtools.analysis.description import (
    Described,
    describe,
    events_table,
    groups_table,
    modes_table,
    spectra_table,
)
from rdmtools.analysis.events import find_rises
from rdmtools.analysis.gram import PRODUCT_ROWS, RowGeometry, row_geometry
from rdmtools.analysis.observables import (
    DEGREES,
    Observables,
    effective_rank,
    eigenvalues,
    observables,
    top_share,
)
from rdmtools.errors import ParameterError
from rdmtools.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Losses in memory at once, in bytes of float64.
BLOCK_BYTES = 1 << 25

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisSettings:
    """Every choice an analysis makes; the library, the command line and the docs read the defaults here."""

    windows: tuple[int, ...] = (20,)
    """Lengths of the trailing windows, in logged rows."""
    stride: int = 1
    """Keep every so-many-th window in the observables table. Events always look at every window."""
    detrend: str = "constant"
    """What is removed from each sample over a window: its mean ("constant") or its line ("linear")."""
    spectrum: bool = False
    """Also solve for the eigenvalues of every window: top share, effective rank, the leading eigenvalues."""
    decades: float = 1.5
    """Alarm where log10(shc) stands this far above its running minimum. Not calibrated."""
    modes: int = 3
    """Leading modes kept for each event, and eigenvalues kept for each window."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "windows", _lengths(self.windows))
        for name in ("stride", "modes"):
            object.__setattr__(self, name, _integer(name, getattr(self, name)))
        if self.detrend not in DEGREES:
            raise ParameterError(f"detrend is {self.detrend!r}; choose one of {', '.join(DEGREES)}")
        shortest = DEGREES[self.detrend] + 2
        if not self.windows:
            raise ParameterError(
                "no window was given; name at least one length in rows, such as windows=(20,)"
            )
        for window in self.windows:
            if window < shortest:
                raise ParameterError(
                    f"window of {window} rows is too short for detrend={self.detrend!r}; "
                    f"choose at least {shortest}"
                )
        if len(set(self.windows)) < len(self.windows):
            raise ParameterError(f"windows {self.windows} name one length twice; give each once")
        for name in ("stride", "modes"):
            if getattr(self, name) < 1:
                raise ParameterError(f"{name} is {getattr(self, name)}; choose at least 1")
        if not (isinstance(self.decades, Real) and 0 < self.decades < float("inf")):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ParameterError(f"decades is {self.decades!r}; choose a rise above 0, such as 1.5")

    def to_dict(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True, kw_only=True, eq=False)
class Analysis:
    """What `analyze` found in one run, as tables."""

    run: Run
    settings: AnalysisSettings
    observables: pd.DataFrame
    """One row per window length and window; `step` is the window's last row."""
    events: pd.DataFrame
    """One row per event, in the order of windows and alarms."""
    modes: pd.DataFrame
    """One row per event, mode and sample: `loading`, `loss_change`, of the window that ends at the peak."""
    groups: pd.DataFrame
    """One row per event, mode and group of samples; empty where the samples have no groups."""
    spectra: pd.DataFrame
    """One row per event and eigenvalue of the window that ends at the peak."""

    def save(self, folder: str | Path | None = None, *, report: bool = True) -> Path:
        """Write tables and summary, and with `report` figures and page; returns the folder.

        The default folder is ``analysis/`` in the companion folder of the run's file.
        """
        from rdmtools.report import save

        return save(self, folder, report=report)

    def report(self, path: str | Path) -> Path:
        """Write the one-page HTML report; returns its path."""
        from rdmtools.report import write_report

        return write_report(self, path)

    def plot(self) -> "Figure":
        """Figure of the observables over training with the events marked."""
        from rdmtools.report import overview_figure

        return overview_figure(self)

    def summary(self) -> dict[str, Any]:
        """Settings, data quality, verdict and events as plain values: what `--json` prints."""
        from rdmtools.report import summarise

        return summarise(self)

    def __repr__(self) -> str:
        rows, samples = self.run.shape
        return (
            f"Analysis of {self.run.name!r}: {rows} rows, {samples} sample{'s' * (samples != 1)}, "
            f"{_counted(self.settings.windows)}, {len(self.events)} event{'s' * (len(self.events) != 1)}"
        )

    def _repr_html_(self) -> str:
        from rdmtools.report import notebook_html

        return notebook_html(self)


def analyze(
    run: Run,
    settings: AnalysisSettings | None = None,
    *,
    window: int | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> Analysis:
    """Observables, events and modes of one run.

    Parameters
    ----------
    run
        From `read_run`, `Run.from_arrays` or `Run.from_frame`.
    settings, window, **changes
        Every choice; ``window=64`` is short for ``windows=(64,)``, and other fields of `AnalysisSettings` may
        be given by name.
    progress
        Called with (rows done, rows in all) as the losses are read.

    Raises
    ------
    ParameterError
        Where a setting does not fit, or a window is longer than the run.

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
    if not isinstance(run, Run):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ParameterError(
            f"run is a {type(run).__name__}; needed a Run; read_run(path) makes one of a file"
        )
    settings = _settings(settings, window, changes)
    rows, _ = run.shape
    longest = max(settings.windows)
    if rows < longest:
        raise ParameterError(
            f"window of {longest} rows is longer than the run's {rows}; choose at most {rows}"
        )
    geometry = row_geometry(_reported(run, progress), rows=rows, lags=longest)

    tables: list[pd.DataFrame] = []
    found: list[Described] = []
    for length in settings.windows:
        values = observables(geometry, run.steps, window=length, detrend=settings.detrend, rows=run.rows)
        tables.append(_observables_table(run, geometry, values, settings, length))
        for rise in find_rises(values.shc, decades=settings.decades):
            described = describe(
                run,
                values,
                rise,
                window=length,
                detrend=settings.detrend,
                decades=settings.decades,
                modes=settings.modes,
            )
            found.append(described)
    return Analysis(
        run=run,
        settings=settings,
        observables=pd.concat(tables, ignore_index=True),
        events=events_table(found),
        modes=modes_table(run, found),
        groups=groups_table(run, found),
        spectra=spectra_table(found),
    )


def _lengths(windows: Any) -> tuple[int, ...]:
    if isinstance(windows, str) or not isinstance(windows, Iterable):
        raise ParameterError(f"windows is {windows!r}; needed lengths in rows, such as windows=(10, 20)")
    return tuple(_integer("window", length) for length in cast(Iterable[Any], windows))


def _integer(name: str, value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise ParameterError(f"{name} is {value!r}; needed an integer") from None


def _counted(windows: Sequence[int]) -> str:
    return f"window{'s' * (len(windows) > 1)} {', '.join(map(str, windows))}"


def _settings(
    settings: AnalysisSettings | None, window: int | None, changes: dict[str, Any]
) -> AnalysisSettings:
    if not (settings is None or isinstance(settings, AnalysisSettings)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ParameterError(
            f"settings is {settings!r}; needed AnalysisSettings; window=20 gives a window alone"
        )
    known = [field.name for field in fields(AnalysisSettings)]
    for name in changes:
        if name not in known:
            raise ParameterError(f"no setting {name!r}; there are {', '.join(known)}")
    if window is not None:
        if "windows" in changes:
            raise ParameterError("both window and windows were given; give one of them")
        changes["windows"] = (window,)
    return replace(settings or AnalysisSettings(), **changes)


def _reported(run: Run, progress: Progress | None) -> Iterator[np.ndarray]:
    rows, samples = run.shape
    at_once = max(BLOCK_BYTES // (8 * samples * PRODUCT_ROWS), 1) * PRODUCT_ROWS
    done = 0
    for block in run.blocks(at_once):
        yield block
        done += len(block)
        if progress is not None:
            progress(done, rows)


def _observables_table(
    run: Run, geometry: RowGeometry, values: Observables, settings: AnalysisSettings, window: int
) -> pd.DataFrame:
    columns = values.columns()
    if settings.spectrum:
        spectra = eigenvalues(geometry, window=window, detrend=settings.detrend, rows=run.rows)
        columns["top_share"] = top_share(spectra)
        columns["effective_rank"] = effective_rank(spectra)
        for mode in range(min(settings.modes, spectra.shape[1])):
            columns[f"eigenvalue_{mode + 1}"] = spectra[:, mode]
    count = len(values.shc)
    places = {
        "step": run.steps[window - 1 :],
        "first_step": run.steps[:count],
        "window": np.full(count, window),
    }
    return pd.DataFrame({**places, **columns}).iloc[:: settings.stride]
