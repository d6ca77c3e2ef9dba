"""From a run to its observables, events and modes: the one place where the parts meet.

run.blocks -> row_geometry -> observables -> find_rises -> events
                                                 run.rows -> window_modes
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rdmtools.analysis.events import Rise, find_rises
from rdmtools.analysis.gram import PRODUCT_ROWS, RowGeometry, row_geometry
from rdmtools.analysis.modes import Modes, direction, group_shares, samples_carrying, window_modes
from rdmtools.analysis.observables import (
    DEGREES,
    Observables,
    effective_rank,
    eigenvalues,
    observables,
    spectral_heat_capacity,
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
        if not 0 < self.decades < float("inf"):
            raise ParameterError(f"decades is {self.decades}; choose a rise above 0, such as 1.5")

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
            f"Analysis of {self.run.name!r}: {rows} rows, {samples} samples, "
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
    settings = _settings(settings, window, changes)
    rows, _ = run.shape
    longest = max(settings.windows)
    if rows < longest:
        raise ParameterError(
            f"window of {longest} rows is longer than the run's {rows}; choose at most {rows}"
        )
    geometry = row_geometry(_reported(run, progress), rows=rows, lags=longest)

    tables: list[pd.DataFrame] = []
    found: list[_Event] = []
    for window_length in settings.windows:
        values = observables(
            geometry, run.steps, window=window_length, detrend=settings.detrend, rows=run.rows
        )
        tables.append(_observables_table(run, geometry, values, settings, window_length))
        for rise in find_rises(values.shc, decades=settings.decades):
            found.append(_describe(run, values, rise, settings, window_length))
    labels = list(range(1, len(found) + 1))
    return Analysis(
        run=run,
        settings=settings,
        observables=pd.concat(tables, ignore_index=True),
        events=_events_table(found),
        modes=_stack([_modes_table(run, event.modes) for event in found], labels, _MODES),
        groups=_stack([_groups_table(run, event.modes) for event in found], labels, _GROUPS),
        spectra=_stack([_spectrum_table(event.modes) for event in found], labels, _SPECTRA),
    )


def _counted(windows: Sequence[int]) -> str:
    return f"window{'s' * (len(windows) > 1)} {', '.join(map(str, windows))}"


def _settings(
    settings: AnalysisSettings | None, window: int | None, changes: dict[str, Any]
) -> AnalysisSettings:
    known = [field.name for field in fields(AnalysisSettings)]
    for name in changes:
        if name not in known:
            raise ParameterError(f"no setting {name!r}; there are {', '.join(known)}")
    if window is not None:
        if "windows" in changes:
            raise ParameterError("both window and windows were given; give one of them")
        changes["windows"] = (window,)
    if "windows" in changes:
        changes["windows"] = tuple(int(length) for length in changes["windows"])
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    row: dict[str, Any]
    modes: Modes


def _describe(run: Run, values: Observables, rise: Rise, settings: AnalysisSettings, window: int) -> _Event:
    """One event with what its windows say: the alarm's for its kind, the peak's for its modes."""

    def rows(index: int) -> np.ndarray:
        return run.rows(index, index + window)

    last = run.steps[window - 1 :]
    modes = window_modes(rows(rise.peak), count=settings.modes, detrend=settings.detrend)
    top, top_share_, top_sample_share = _top_group(run, modes)
    row = {
        "signal": "shc",
        "window": window,
        "floor_step": int(last[rise.floor]),
        "alarm_step": int(last[rise.alarm]),
        "peak_step": int(last[rise.peak]),
        "end_step": None if rise.end is None else int(last[rise.end]),
        "rise_decades": rise.decades,
        "p_value": None,
        "pr_at_peak": float(values.pr[rise.peak]),
        "top_group": top,
        "top_group_share": top_share_,
        "top_group_sample_share": top_sample_share,
        "direction": direction(modes.loss_change[0]),
        "kind": _kind(rows(rise.floor), rows(rise.alarm), settings.decades),
        "drift_share": float(values.drift_share[rise.alarm]),
        "samples_90": samples_carrying(modes.loadings[0]),
    }
    return _Event(row=row, modes=modes)


def _kind(floor_rows: np.ndarray, alarm_rows: np.ndarray, decades: float) -> str:
    """ "fluctuation" where the rise from floor to alarm survives linear detrending, else "drift"."""
    if len(alarm_rows) < 3:
        return "drift"  # two rows are all line
    floor, alarm = (_linear_shc(window_rows) for window_rows in (floor_rows, alarm_rows))
    return "fluctuation" if alarm > 0 and alarm >= floor * 10**decades else "drift"


def _linear_shc(window_rows: np.ndarray) -> float:
    spectrum = window_modes(window_rows, count=1, detrend="linear").eigenvalues
    trace, square = np.array([spectrum.sum()]), np.array([np.sum(spectrum**2)])
    return float(spectral_heat_capacity(trace, square, window_rows.shape[1])[0])


def _groups(run: Run) -> Sequence[str] | None:
    if "group" not in run.samples:
        return None
    return ["(none)" if pd.isna(group) else str(group) for group in run.samples["group"]]


def _top_group(run: Run, modes: Modes) -> tuple[str | None, float | None, float | None]:
    """The group whose share of the top mode most exceeds its share of the samples."""
    groups = _groups(run)
    if groups is None:
        return None, None, None
    shares = group_shares(modes.loadings[0], modes.loss_change[0], groups)
    top = max(shares, key=lambda share: share.mode_share - share.sample_share)
    return top.group, top.mode_share, top.sample_share


# What this pandas makes of text that may be null: object before 3, str since.
_TEXT = pd.Series(["text"]).dtype

_EVENTS = {
    "event": "int64",
    "signal": "text",
    "window": "int64",
    "floor_step": "int64",
    "alarm_step": "int64",
    "peak_step": "int64",
    "end_step": "Int64",
    "rise_decades": "float64",
    "p_value": "Float64",
    "pr_at_peak": "float64",
    "top_group": "text",
    "top_group_share": "float64",
    "top_group_sample_share": "float64",
    "direction": "text",
    "kind": "text",
    "drift_share": "float64",
    "samples_90": "int64",
}
_MODES = ("event", "mode", "sample_id", "loading", "loss_change")
_GROUPS = ("event", "mode", "group", "samples", "sample_share", "mode_share", "loss_change")
_SPECTRA = ("event", "eigenvalue_index", "eigenvalue", "share")


def _events_table(found: Sequence[_Event]) -> pd.DataFrame:
    rows = [{"event": number, **event.row} for number, event in enumerate(found, start=1)]
    table = pd.DataFrame(rows, columns=pd.Index(list(_EVENTS)))
    return table.astype({name: _TEXT if kind == "text" else kind for name, kind in _EVENTS.items()})


def _stack(tables: Sequence[pd.DataFrame], labels: Sequence[int], columns: Sequence[str]) -> pd.DataFrame:
    labelled = [table.assign(event=label) for table, label in zip(tables, labels, strict=True)]
    full = [table for table in labelled if len(table)]
    return (pd.concat(full, ignore_index=True) if full else pd.DataFrame(columns=pd.Index(columns)))[
        list(columns)
    ]


def _modes_table(run: Run, modes: Modes) -> pd.DataFrame:
    count, samples = len(modes.loadings), run.shape[1]
    return pd.DataFrame(
        {
            "mode": np.repeat(np.arange(1, count + 1), samples),
            "sample_id": np.tile(run.samples["sample_id"].to_numpy(), count),
            "loading": modes.loadings.ravel(),
            "loss_change": modes.loss_change.ravel(),
        }
    )


def _groups_table(run: Run, modes: Modes) -> pd.DataFrame:
    groups = _groups(run)
    if groups is None:
        return pd.DataFrame()
    rows = [
        {"mode": mode + 1, **{field.name: getattr(share, field.name) for field in fields(share)}}
        for mode in range(len(modes.loadings))
        for share in group_shares(modes.loadings[mode], modes.loss_change[mode], groups)
    ]
    return pd.DataFrame(rows)


def _spectrum_table(modes: Modes) -> pd.DataFrame:
    count = len(modes.eigenvalues)
    return pd.DataFrame(
        {
            "eigenvalue_index": np.arange(1, count + 1),
            "eigenvalue": modes.eigenvalues,
            "share": modes.shares,
        }
    )
