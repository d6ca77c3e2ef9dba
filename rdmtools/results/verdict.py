"""What is to be said in plain words? What the rule saw, what carried it, and no more than that.

An alarm is a rise in how much per-sample losses move together. Nothing here calls it a transition, a new
capability or critical slowing down.
"""

from typing import Any

import numpy as np
import pandas as pd

from rdmtools.alarms import rule
from rdmtools.analysis.change_kind import AMPLITUDE, DRIFT, FLUCTUATION, NEW_DIRECTION, UNRESOLVED
from rdmtools.analysis.events import records
from rdmtools.analysis.findings import Findings
from rdmtools.analysis.groups import groups_of
from rdmtools.analysis.settings import RULES
from rdmtools.format.names import SAMPLE_ID
from rdmtools.results.answers import answers
from rdmtools.results.told_by import explained_words
from rdmtools.results.warning_words import (
    baselines_words,
    fired,
    marks_words,
    outside_lines,
    quiet_words,
    rate_line,
    short_lines,
)
from rdmtools.results.words import percent, shown, signed
from rdmtools.run.quality import counted
from rdmtools.run.run import Run

ENOUGH_ROWS = 100
"""Logged rows below which silence says little."""
_TOLD = 6
_WINDOWS_TOLD = 5
_MOST = 2 / 3
"""Of all movement: a group with more of it from the floor on is told before others that may have moved."""
_SMALLEST_SQUARE = 1e-290
"""Of total variance: below it SHC, which divides it by the samples, may be less than a double can hold."""


def verdict(findings: Findings) -> str:
    """Plain words, one finding a line: events, what carried each, answers, what the rule cannot say."""
    events = records(findings.events)
    lines = [_count(findings)] if events else [_no_event(findings)]
    lines += _stillness(findings) + short_lines(findings) + outside_lines(findings)
    lines += [_event_line(findings, event) for event in events[:_TOLD]]
    if len(events) > _TOLD:
        lines.append(f"{counted(len(events) - _TOLD, 'further event')} in the table of events.")
    lines += answers(findings)
    if (rows := findings.run.shape[0]) < ENOUGH_ROWS:
        lines.append(
            f"Only {counted(rows, 'row')}: a transition shows once about {ENOUGH_ROWS} came before it."
        )
    lines.append(f"An alarm says that losses move together more than before, not why. {rate_line(findings)}")
    return "\n".join(lines)


def event_words(findings: Findings, event: dict[str, Any]) -> str:
    """What kind of rise one row of the table of events is, and which samples carry it."""
    share = percent(event["drift_share"])
    kind = {
        DRIFT: f"Steady drift: a line per sample makes up {share} of the movement at the alarm.",
        FLUCTUATION: f"Fluctuation, or a trend that bends: at the alarm a line per sample makes up {share} "
        "of the movement, and without lines SHC rose too.",
    }.get(event["kind"], f"Drift or fluctuation is unresolved: a line per sample makes up {share}.")
    movement = {
        AMPLITUDE: f"The losses move along directions in which they moved before ({_overlap(event)}).",
        NEW_DIRECTION: f"The losses move in a new direction ({_overlap(event)}).",
    }.get(event["movement"], f"Whether the direction is new is unresolved ({_overlap(event)}).")
    return " ".join(
        filter(
            None,
            [
                kind,
                movement,
                _carriers(findings, event),
                baselines_words(findings, event),
                marks_words(findings, event),
            ],
        )
    )


def _overlap(event: dict[str, Any]) -> str:
    before = "" if pd.isna(event["past_overlap"]) else f"; earlier {percent(event['past_overlap'])} in median"
    return f"{percent(event['overlap'])} of the top mode lies in those of the floor{before}"


def _event_line(findings: Findings, event: dict[str, Any]) -> str:
    window = f" (window {event['window']})" if len(findings.settings.windows) > 1 else ""
    end = event["end_step"]
    over = "not over by the last row" if pd.isna(end) else f"over at {end:,}"
    kind = {
        DRIFT: "steady drift",
        FLUCTUATION: "fluctuation, or a trend that bends",
    }.get(event["kind"], "drift or fluctuation unresolved")
    kind += f" ({percent(event['drift_share'])} drift)"
    if event["movement"] != UNRESOLVED:
        kind += ", along directions of before" if event["movement"] == AMPLITUDE else ", in a new direction"
    risen = "" if pd.isna(event["rise_decades"]) else f" ({event['rise_decades']:.1f} decades up)"
    return (
        f"Event {event['event']}{window}: alarm at step {event['alarm_step']:,} by {fired(findings, event)}; "
        f"SHC peak at {event['shc_peak_step']:,}{risen}, {over}; {kind}. "
        f"{_carriers(findings, event)}"
    )


def largest_rise(series: np.ndarray) -> float:
    """Largest rise of log10(series) above its running minimum, in decades; 0 if it never rises."""
    return max(float(rule.largest_rise(rule.decades(series))), 0.0)


def _count(findings: Findings) -> str:
    events, settings = findings.events, findings.settings
    rose = f"{counted(len(events), 'event')}: " + (
        "losses moved together more than their own scatter allows"
        if settings.rule == RULES[0]
        else f"SHC rose {settings.decades:g} decades above its running minimum"
    )
    if len(settings.windows) == 1:
        return f"{rose}."
    return f"{rose} ({_by_window(findings)}; one change may show in each)."


def _by_window(findings: Findings) -> str:
    """How many events each window length has; of many lengths only how many they are, for a short line."""
    events, windows = findings.events, findings.settings.windows
    if len(windows) > _WINDOWS_TOLD:
        return f"{len(windows)} window lengths, {min(windows)} to {max(windows)} rows"
    return ", ".join(f"{int((events['window'] == window).sum())} with {window} rows" for window in windows)


def _no_event(findings: Findings) -> str:
    settings, table = findings.settings, findings.observables
    if not (table["shc"] > 0).any() and (settings.rule != RULES[0] or table["score"].isna().all()):
        return f"No event: SHC is 0 in every window: {_why_zero(findings)}."
    if settings.rule == RULES[0]:
        return f"No event: {quiet_words(findings)}."
    rises = {
        window: largest_rise(table.loc[table["window"] == window, "shc"].to_numpy())
        for window in settings.windows
    }
    window, rise = max(rises.items(), key=lambda item: item[1])
    where = f", window {window}" if len(rises) > 1 else ""
    return (
        f"No event: log10 SHC never stood {settings.decades:g} decades above its running minimum "
        f"(largest rise {rise:.1f} decades{where})."
    )


def _why_zero(findings: Findings) -> str:
    table = findings.observables
    if findings.run.shape[1] == 1:
        return "it is the variance of the eigenvalues, and one sample has one"
    # Slopes are not squared, so they tell losses that stand still from squares that are too small.
    if not ((table["total_variance"] > 0) | (table["mean_loss_slope"] != 0)).any():
        return "no loss moved"
    if float(table["total_variance"].max()) ** 2 < _SMALLEST_SQUARE:
        return "the losses move so little that their fourth powers round to 0; scale them up"
    return "samples move equally much and independently of each other"


def _stillness(findings: Findings) -> list[str]:
    """What was skipped, where a run starts from stillness: windows in which nothing moves have no level."""
    table = findings.observables
    for window in findings.settings.windows:
        of_length = table[table["window"] == window]
        moving = (of_length["shc"] > 0).to_numpy()
        if moving.any() and not moving[0]:
            last = int(of_length["step"].iloc[int(moving.argmax()) - 1])
            skipped = int(np.searchsorted(findings.run.steps, last)) - window + 2
            length = f" of {window} rows" if len(findings.settings.windows) > 1 else ""
            which = "first window" if skipped == 1 else f"first {skipped:,} windows"
            return [
                f"SHC is 0 in the {which}{length}, to step {last:,}: skipped, for stillness has no level; "
                "the rule's running minimum begins after it."
            ]
    return []


def _carriers(findings: Findings, event: dict[str, Any]) -> str:
    samples = findings.run.shape[1]
    verb = "carries" if event["samples_90"] == 1 else "carry"
    carried = f"{event['samples_90']:,} of {counted(samples, 'sample')} {verb} 90% of its top mode"
    if event["group_status"] == "no groups":
        told = {"falling": "fall", "rising": "rise", "mixed": "fall in some samples and rise in others"}
        sentences = [f"{carried}; along it losses {told[event['direction']]}."]
    else:
        rows = records(findings.lift.sort_values(["event", "rank"]))
        lift = [row for row in rows if row["event"] == event["event"]]
        group = _unresolved(lift) if pd.isna(event["top_group"]) else _top_group(findings, event, lift)
        sentences = [f"{carried}; {group}."]
    if explained := explained_words(findings.explained, place="peak", event=event["event"]):
        sentences.append(f"The change along it is told by {explained}.")
    if event["one_row"]:
        so_far = "So far one row" if pd.isna(event["end_step"]) else "One row"
        sentences.append(
            f"{so_far} alone carries it: without that of step {event['loud_step']:,} SHC never comes "
            "to where it is at the alarm."
        )
    return " ".join(sentences)


def _unresolved(lift: list[dict[str, Any]]) -> str:
    """Which groups may have moved, or which moved most from the floor on."""
    largest = max(lift, key=lambda row: row["alarm_movement"])
    if min(largest["floor_movement"], largest["alarm_movement"]) > _MOST:
        return (
            f"most of all movement is of group “{shown(largest['group'], 60)}”, but that was so before "
            f"({_parts(largest)}), and no group's part grew clearly"
        )
    names = [f"“{shown(row['group'], 60)}” ({_parts(row)})" for row in lift[:2]]
    return f"which group moved is unresolved: {' or '.join(names)}"


def _parts(row: dict[str, Any]) -> str:
    floor, alarm = percent(row["floor_movement"]), percent(row["alarm_movement"])
    return f"{floor} of all movement at the floor, {alarm} at the alarm"


def _top_group(findings: Findings, event: dict[str, Any], lift: list[dict[str, Any]]) -> str:
    """The group that moved; of one sample, the sample."""
    groups = findings.groups
    here = (
        (groups["event"] == event["event"]) & (groups["mode"] == 1) & (groups["group"] == event["top_group"])
    )
    mean_change = float(groups.loc[here, "loss_change"].iloc[0])
    moved = "fell" if mean_change < 0 else "rose"
    change = f"{signed(mean_change)} {shown(findings.run.unit, 20)}".rstrip()
    first = lift[0]
    shares = f"{_parts(first)}, {percent(first['sample_share'])} of the samples"
    if first["samples"] == 1:
        sample = shown(_only_sample(findings.run, event["top_group"]), 60)
        return (
            f"what moved is a single sample, {sample}, alone in its group ({shares}), "
            f"and its loss {moved} ({change})"
        )
    return (
        f"group “{shown(event['top_group'], 60)}” moved ({shares}), "
        f"and its losses {moved} ({change} on average)"
    )


def _only_sample(run: Run, group: str) -> Any:
    """Id of the one sample of a group, named as in the table of groups."""
    names = groups_of(run) or []
    return run.samples[SAMPLE_ID].iloc[names.index(group)]
