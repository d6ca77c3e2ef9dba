"""What do an event's windows say: what kind it is, which samples and groups carry it, and where they go?

The windows at the floor and at the alarm tell drift from fluctuation, and whose event it is; the one at the
peak has the modes. One row per event, and tables of its modes by sample, of its modes by group, of the lift
of each group, and of its spectrum.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64

from rdmtools.alarms import joined
from rdmtools.alarms.rule import decades
from rdmtools.analysis.change_kind import PAST_WINDOWS, change_kind
from rdmtools.analysis.explained import Change
from rdmtools.analysis.groups import groups_of, texts_of
from rdmtools.analysis.judged import Judgement
from rdmtools.analysis.lift import GroupLift, Moved, group_lifts
from rdmtools.analysis.loud_row import loud_row
from rdmtools.analysis.modes import Modes, direction, group_shares, samples_carrying, top_mode, window_modes
from rdmtools.analysis.moments import movement
from rdmtools.analysis.settings import AnalysisSettings
from rdmtools.analysis.tables import TEXT, typed
from rdmtools.run.run import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event: its row, without its number, and what its windows hold."""

    row: dict[str, Any]
    modes: Modes
    """Of the window that ends at the peak."""
    at_alarm: Modes
    """The top mode of the window that ends at the alarm."""
    moved: Moved
    loud: int | None
    """Row that alone carries the event; None without one."""
    lifts: Sequence[GroupLift] = ()
    """Of each group; none where the samples have no groups."""


def find_events(
    run: Run,
    values: Sequence[Mapping[str, Float64[np.ndarray, " _windows"]]],
    judgements: Sequence[Judgement],
    settings: AnalysisSettings,
) -> list[Event]:
    """Every event of each window length, and its leading modes.

    Parameters
    ----------
    values
        Observables of each window length.
    judgements
        What the rule says of each.
    """
    found = [
        event_of(run, of_length, alarmed, judgement, settings)
        for of_length, judgement in zip(values, judgements, strict=True)
        for alarmed in judgement.events
    ]
    lifts = group_lifts([event.moved for event in found], groups_of(run) or () if found else ())
    return [
        replace(event, row=event.row | _top_group(of_event), lifts=of_event)
        for event, of_event in zip(found, lifts, strict=True)
    ]


def event_of(
    run: Run,
    values: Mapping[str, Float64[np.ndarray, " windows"]],
    alarmed: joined.Event,
    judgement: Judgement,
    settings: AnalysisSettings,
) -> Event:
    """What the windows at an event's floor, alarm and peak hold, which is so far, while it lasts."""
    window, first = judgement.window, alarmed.first
    before = window - 1  # rows before the first window's last

    shc = decades(values["shc"])
    stop = len(shc) if alarmed.end is None else alarmed.end - before + 1
    since = np.where(np.isnan(shc), -np.inf, shc)[alarmed.alarm - before : stop]
    floor, alarm, peak = alarmed.floor, alarmed.alarm, alarmed.alarm + int(since.argmax())
    past_from = max(floor + 1 - PAST_WINDOWS * window, 0)
    past = run.rows(past_from, floor + 1)
    alarm_rows = run.rows(alarm - before, alarm + 1)
    floor_rows = past[-window:]
    peak_rows = alarm_rows if peak == alarm else run.rows(peak - before, peak + 1)
    modes = window_modes(peak_rows, count=settings.modes, detrend=settings.detrend)
    at_floor, at_alarm = (
        top_mode(window_rows, detrend=settings.detrend) for window_rows in (floor_rows, alarm_rows)
    )
    drift_share = float(values["drift_share"][alarm - before])
    change = change_kind(past, alarm_rows, drift_share=drift_share, detrend=settings.detrend)
    risen = float(shc[alarm - before] - shc[floor - before])
    loud = loud_row(
        alarm_rows,
        peak_rows,
        later=peak - alarm,
        floor=float(values["shc"][floor - before]),
        decades=min(first.needed, risen),
        detrend=settings.detrend,
    )
    row = {
        "signal": first.signal,
        "window": window,
        "floor_step": int(run.steps[floor]),
        "alarm_step": int(run.steps[alarm]),
        "shc_peak_step": int(run.steps[peak]),
        "end_step": None if alarmed.end is None else int(run.steps[alarmed.end]),
        "score": first.score,
        "threshold": judgement.threshold,
        "rise_decades": float(shc[peak - before] - shc[floor - before]),
        "p_value": None,
        "pr_at_floor": float(values["pr"][floor - before]),
        "pr_at_alarm": float(values["pr"][alarm - before]),
        "pr_at_peak": float(values["pr"][peak - before]),
        "direction": direction(modes.loss_change[0]),
        "drift_share": drift_share,
        **asdict(change),
        "samples_90": samples_carrying(modes.loadings[0]),
        "one_row": loud is not None,
        "loud_step": None if loud is None else int(run.steps[alarm - before + loud]),
    }
    moved = Moved(
        loadings=np.stack([_top(at_floor), _top(at_alarm), _top(modes)]),
        movement=np.stack([movement(each, settings.detrend) for each in (floor_rows, alarm_rows)]),
    )
    return Event(
        row=row,
        modes=modes,
        at_alarm=at_alarm,
        moved=moved,
        loud=None if loud is None else alarm - before + loud,
    )


def events_table(events: Sequence[Event]) -> pd.DataFrame:
    return typed("events", [{"event": number, **event.row} for number, event in enumerate(events, start=1)])


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table, such as that of the events, as dicts by column, of plain Python values; NA is None.

    Column by column: pandas' own way goes through each row, and was a third of the work on a page.
    """
    if table.empty:
        return []
    columns = [
        [None if value is pd.NA else value for value in column.tolist()] for _, column in table.items()
    ]
    names = [str(name) for name in table.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


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
            **{
                column: pd.Series((texts_of(run, column) or [None] * len(ids)) * count, dtype=TEXT)
                for column in ("group", "label")
            },
            "loading": modes.loadings.ravel(),
            "loss_change": modes.loss_change.ravel(),
        }
    )


def groups_table(run: Run, events: Sequence[Event]) -> pd.DataFrame:
    groups = groups_of(run)
    return _stacked("groups", events if groups is not None else (), partial(shares_of, groups or ()))


def shares_of(groups: Sequence[str], modes: Modes) -> pd.DataFrame:
    """One row per mode and group."""
    return pd.DataFrame(
        {"mode": mode, **asdict(share)}
        for mode, loadings in enumerate(modes.loadings, start=1)
        for share in group_shares(loadings, modes.loss_change[mode - 1], groups)
    )


def lift_table(events: Sequence[Event]) -> pd.DataFrame:
    return typed(
        "lift",
        [{"event": number, **asdict(lift)} for number, event in enumerate(events, 1) for lift in event.lifts],
    )


def event_changes(events: Sequence[Event]) -> list[Change]:
    """What the top mode did to each sample's loss, up to the alarm and up to the peak of each event."""
    return [
        Change(event=number, place=place, step=event.row[column], values=modes.loss_change[0])
        for number, event in enumerate(events, start=1)
        for place, column, modes in (
            ("alarm", "alarm_step", event.at_alarm),
            ("peak", "shc_peak_step", event.modes),
        )
    ]


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


def _top(modes: Modes) -> Float64[np.ndarray, " samples"]:
    """Loadings of the top mode; zeros where nothing moves and any vector would be one."""
    return modes.loadings[0] * (modes.eigenvalues[0] > 0)


def _top_group(lifts: Sequence[GroupLift]) -> dict[str, Any]:
    """Whose event it is, in the columns of the table of events."""
    top = next((lift for lift in lifts if lift.resolved), None)
    return {
        "top_group": top and top.group,
        "group_status": "no groups" if len(lifts) < 2 else "unresolved" if top is None else "resolved",
        "top_group_share": top and top.alarm_share,
        "top_group_sample_share": top and top.sample_share,
    }
