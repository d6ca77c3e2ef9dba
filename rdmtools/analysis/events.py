"""What do an event's windows say: what kind it is, which samples and groups carry it, and where they go?

The windows at the floor and at the alarm tell drift from fluctuation; the one at the peak has the modes. One
row per event, and tables of its modes by sample, of its modes by group, and of its spectrum.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64

from rdmtools.alarms.rule import Rise, decades, find_rises
from rdmtools.analysis.modes import GroupShare, Modes, direction, group_shares, samples_carrying, window_modes
from rdmtools.analysis.observables import spectral_heat_capacity
from rdmtools.analysis.settings import AnalysisSettings
from rdmtools.analysis.tables import typed
from rdmtools.run.run import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event: its row, without its number, and the modes of the window that ends at its peak."""

    row: dict[str, Any]
    modes: Modes


def find_events(
    run: Run,
    values: Sequence[Mapping[str, Float64[np.ndarray, " _windows"]]],
    settings: AnalysisSettings,
) -> list[Event]:
    """Every rise of SHC and its leading modes, from the observables of each window length."""
    return [
        _event(run, of_length, rise, length, settings)
        for length, of_length in zip(settings.windows, values, strict=True)
        for rise in find_rises(decades(of_length["shc"]), threshold=settings.decades)
    ]


def _event(
    run: Run,
    values: Mapping[str, Float64[np.ndarray, " windows"]],
    rise: Rise,
    window: int,
    settings: AnalysisSettings,
) -> Event:
    def rows(index: int) -> np.ndarray:
        return run.rows(index, index + window)

    last = run.steps[window - 1 :]
    modes = window_modes(rows(rise.peak), count=settings.modes, detrend=settings.detrend)
    top = _top_group(run, modes)
    row = {
        "signal": "shc",
        "window": window,
        "floor_step": int(last[rise.floor]),
        "alarm_step": int(last[rise.alarm]),
        "shc_peak_step": int(last[rise.peak]),
        "end_step": None if rise.end is None else int(last[rise.end]),
        "rise_decades": rise.height,
        "p_value": None,
        "pr_at_peak": float(values["pr"][rise.peak]),
        "top_group": top and top.group,
        "top_group_share": top and top.mode_share,
        "top_group_sample_share": top and top.sample_share,
        "direction": direction(modes.loss_change[0]),
        "kind": _kind(rows(rise.floor), rows(rise.alarm), settings.decades),
        "drift_share": float(values["drift_share"][rise.alarm]),
        "samples_90": samples_carrying(modes.loadings[0]),
    }
    return Event(row=row, modes=modes)


def events_table(events: Sequence[Event]) -> pd.DataFrame:
    return typed("events", [{"event": number, **event.row} for number, event in enumerate(events, start=1)])


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table, such as that of the events, as dicts by column."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def modes_table(run: Run, events: Sequence[Event]) -> pd.DataFrame:
    return _stacked("modes", events, partial(modes_of, run), ids=run.samples["sample_id"].dtype)


def modes_of(run: Run, modes: Modes) -> pd.DataFrame:
    """One row per mode and sample."""
    ids = run.samples["sample_id"].to_numpy()
    count = len(modes.loadings)
    return pd.DataFrame(
        {
            "mode": np.repeat(np.arange(1, count + 1), len(ids)),
            "sample_id": np.tile(ids, count),
            "loading": modes.loadings.ravel(),
            "loss_change": modes.loss_change.ravel(),
        }
    )


def groups_table(run: Run, events: Sequence[Event]) -> pd.DataFrame:
    groups = groups_of(run)

    def table(modes: Modes) -> pd.DataFrame:
        return pd.DataFrame(
            {"mode": mode, **asdict(share)}
            for mode, loadings in enumerate(modes.loadings, start=1)
            for share in group_shares(loadings, modes.loss_change[mode - 1], groups or ())
        )

    return _stacked("groups", events if groups is not None else (), table)


def spectra_table(events: Sequence[Event]) -> pd.DataFrame:
    def table(modes: Modes) -> pd.DataFrame:
        index = np.arange(1, len(modes.eigenvalues) + 1)
        return pd.DataFrame(
            {"eigenvalue_index": index, "eigenvalue": modes.eigenvalues, "share": modes.shares}
        )

    return _stacked("spectra", events, table)


def _stacked(
    name: str, events: Sequence[Event], table: Callable[[Modes], pd.DataFrame], ids: Any = None
) -> pd.DataFrame:
    """The table of each event's modes, one under another, with the event's number first."""
    numbered = [table(event.modes).assign(event=number) for number, event in enumerate(events, start=1)]
    return typed(name, pd.concat(numbered, ignore_index=True) if numbered else [], ids=ids)


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


def groups_of(run: Run) -> Sequence[str] | None:
    """Name of each sample's group; None where samples have none."""
    if "group" not in run.samples:
        return None
    return ["(none)" if pd.isna(group) else str(group) for group in run.samples["group"]]


def _top_group(run: Run, modes: Modes) -> GroupShare | None:
    """The group whose share of the top mode most exceeds its share of the samples; None without groups."""
    if (groups := groups_of(run)) is None:
        return None
    shares = group_shares(modes.loadings[0], modes.loss_change[0], groups)
    return max(shares, key=lambda share: share.mode_share - share.sample_share)
