"""What does a person see first? One sentence on the run, and a card for each change.

Several window lengths may each have an event for one change: those whose spans overlap, of different lengths,
are one change, told by its first alarm. A truth that no alarm belongs to has a card of its own: misses are
not left out. The peak of SHC is no time of a change, so nothing is measured from it.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from rdmtools.alarms.self_normalised import SHORTEST_WINDOW
from rdmtools.analysis.events import records
from rdmtools.analysis.findings import Findings
from rdmtools.analysis.judged import TOO_SHORT
from rdmtools.analysis.leads import BEFORE_T10, LATE, MISSED, UNRESOLVED
from rdmtools.analysis.settings import RULES
from rdmtools.results.verdict import largest_rise
from rdmtools.results.warning_words import BASELINES, SIGNALS, marks_words
from rdmtools.results.words import is_missing, listed, percent, shown, signed
from rdmtools.run.quality import counted

_SCALARS_TOLD = 3
_TRUTHS_TOLD = 2
_NEARLY = 0.8
"""Part of the threshold from which on a quiet run is not called one in which nothing stood out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a card: what it answers, and the answer."""

    about: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One change, or a truth without an alarm."""

    title: str
    lead: str
    """What the title rests on, in numbers."""
    lines: Sequence[Line] = ()
    event: int | None = None
    """Number of the event that is told; None of a truth without one."""
    step: int | None = None
    """Of its alarm, or of the truth."""
    alarmed: bool = True


def changes(events: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """The events of each change, the first alarm's first; changes by alarm."""
    found: list[list[Mapping[str, Any]]] = []
    for event in sorted(events, key=lambda event: (event["alarm_step"], event["window"])):
        for change in found:
            lengths = {other["window"] for other in change}
            if event["window"] not in lengths and any(_overlap(event, other) for other in change):
                change.append(event)
                break
        else:
            found.append([event])
    return found


def cards(findings: Findings) -> list[Card]:
    """A card per change, and one per truth that none belongs to, by step."""
    told = [_card(findings, change) for change in changes(records(findings.events))]
    told += [_without_alarm(row) for row in alone(findings)]
    return sorted(told, key=lambda card: (card.step is None, card.step))


def leads_of(findings: Findings, change: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row of `leads` per truth that belongs to the change, of its first event that has one; by T50."""
    rows = [row for row in records(findings.leads) if not is_missing(row["event"])]
    rows = [row for event in change for row in rows if row["event"] == event["event"]]
    first = {row["truth"]: row for row in reversed(rows)}
    timed = [row for row in first.values() if not (is_missing(row["t50"]) or is_missing(row["lead_steps"]))]
    return sorted(timed, key=itemgetter("t50"))


def alone(findings: Findings) -> list[dict[str, Any]]:
    """One row of `leads` per truth that no event of any window length belongs to."""
    rows = records(findings.leads)
    belongs = {row["truth"] for row in rows if not is_missing(row["event"])}
    return [*{row["truth"]: row for row in reversed(rows) if row["truth"] not in belongs}.values()][::-1]


def headline(findings: Findings) -> str:
    """The run in one sentence."""
    found = changes(records(findings.events))
    if not found:
        return _quiet(findings)
    count = counted(len(found), "change")
    leads = [lead for change in found if (lead := leads_of(findings, change))]
    if not leads:
        first = found[0][0]["alarm_step"]
        where = f"from step {first:,} on" if len(found) == 1 else f"the first from step {first:,} on"
        more = "" if findings.leads.empty else "; no scalar that was named moved with it"
        what = "losses moved together more than their own past allows"
        if findings.settings.rule != RULES[0]:
            what = f"SHC rose {findings.settings.decades:g} decades"
        return f"{count}: {what}, {where}{more}."
    early = [lead[0] for lead in leads if lead[0]["lead_steps"] is not None and lead[0]["lead_steps"] > 0]
    without = sum(row["outcome"] == MISSED for row in alone(findings))
    missed = f"; {counted(without, 'named scalar')} moved without an alarm" if without else ""
    if len(early) == len(found):
        each = "" if len(found) == 1 else "each "
        before = all(lead["outcome"] == BEFORE_T10 for lead in early)
        moved = (
            "before the scalar you named had moved" if before else "before the scalar you named was half-way"
        )
        return f"{count}, {each}alarmed {moved}: {_span(early)} early{missed}."
    told = f"{len(early)} alarmed early, {_span(early)}" if early else "none alarmed early"
    return f"{count}: {told}{missed}."


def truth_wanted(findings: Findings) -> str:
    """What to name, where changes were found and no lead could be measured; else empty."""
    if findings.events.empty or findings.settings.truth:
        return ""
    names = [shown(name, 30) for name in findings.run.scalars.columns[1:]]
    logged = ""
    if names:
        more = len(names) - _SCALARS_TOLD
        logged = f"; logged: {listed([*names[:_SCALARS_TOLD], *([f'{more} more'] if more > 0 else [])])}"
    return f"How early was it? Name a scalar to measure the lead: --truth NAME{logged}."


def _overlap(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return not any(
        not is_missing(first["end_step"]) and first["end_step"] < second["alarm_step"]
        for first, second in ((one, other), (other, one))
    )


def _span(leads: Sequence[Mapping[str, Any]]) -> str:
    steps = sorted(lead["lead_steps"] for lead in leads)
    return counted(steps[0], "step") if steps[0] == steps[-1] else f"{steps[0]:,} to {steps[-1]:,} steps"


def _card(findings: Findings, change: Sequence[Mapping[str, Any]]) -> Card:
    event = change[0]
    leads = leads_of(findings, change)
    fired = SIGNALS[event["signal"]]
    if len(findings.settings.windows) > 1:
        windows = sorted({other["window"] for other in change})
        fired += f" (windows of {listed([str(window) for window in windows])} rows)"
    if leads:
        first = leads[0]
        title = _title(first)
        told = f"Alarm {first['alarm_step']:,} by {fired} → {_moved(first)}"
        others = [f"{_title(lead)}: {_moved(lead)}" for lead in leads[1 : 1 + _TRUTHS_TOLD]]
        told = "; ".join([told, *others])
    else:
        title = f"Alarm at step {event['alarm_step']:,}"
        named = bool(findings.settings.truth)
        told = f"By {fired}. " + ("No named scalar moved with it." if named else "Lead not measured.")
    lines = [
        Line(about="Who moved", words=_who(findings, event)),
        Line(about="Simpler", words=_simpler(findings, event)),
        Line(
            about="Held",
            words=marks_words(findings, dict(event)).removeprefix("The alarm ").removesuffix("."),
        ),
        Line(about="False alarms", words=_wrong(findings, event)),
    ]
    return Card(
        title=title,
        lead=told,
        lines=[line for line in lines if line.words],
        event=event["event"],
        step=event["alarm_step"],
    )


def _title(lead: Mapping[str, Any]) -> str:
    if lead["outcome"] == UNRESOLVED:
        return "No lead: within one logged row"
    if lead["outcome"] == LATE:
        return f"{counted(-lead['lead_steps'], 'step')} late"
    return f"{counted(lead['lead_steps'], 'step')} early"


def _moved(lead: Mapping[str, Any]) -> str:
    level = is_missing(lead["t10"])
    told = f"{shown(lead['truth'], 40)} {'reached' if level else 'half-way'} {lead['t50']:,}"
    if not level and lead["outcome"] == BEFORE_T10:
        told += ", before it had moved 10 %"
    elif not level and lead["lead_steps"] > 0:
        told += ", after it had moved 10 %"
    if lead["lead_steps"] > 0:
        told += f" ({counted(lead['lead_rows'], 'logged row')}, {percent(lead['lead_share'])} of the way)"
    return told


def _who(findings: Findings, event: Mapping[str, Any]) -> str:
    """Who moved, by the column that explains most."""
    samples = findings.run.shape[1]
    carry = "carries" if event["samples_90"] == 1 else "carry"
    few = f"{event['samples_90']:,} of {counted(samples, 'sample')} {carry} 90% of it"
    if not is_missing(event["top_group"]):
        groups = findings.groups
        here = groups[
            (groups["event"] == event["event"])
            & (groups["mode"] == 1)
            & (groups["group"] == event["top_group"])
        ]
        change = f"{signed(float(here['loss_change'].iloc[0]))} {shown(findings.run.unit, 20)}".rstrip()
        few = f"“{shown(event['top_group'], 40)}”, {change}; {few}"
    else:
        few += f", losses {event['direction']}"
    told = _telling(findings, event)
    return few + (f"; {told}" if told else "")


def _telling(findings: Findings, event: Mapping[str, Any]) -> str:
    """The column that explains most of the change."""
    named = [
        row
        for row in records(findings.explained)
        if row["event"] == event["event"] and row["place"] == "peak" and row["named"]
    ]
    if not named:
        return ""
    best = max(named, key=itemgetter("share"))
    names = [shown(best[name], 40) for name in ("column", "with_column") if not is_missing(best[name])]
    return f"{' and '.join(f'“{name}”' for name in names)} explains {percent(best['share'])} of the change"


def _simpler(findings: Findings, event: Mapping[str, Any]) -> str:
    """What else could explain it: simpler signals, a straight line, one row."""
    told: list[str] = []
    if event["one_row"]:
        told.append(f"one row alone carries it, that of step {event['loud_step']:,}")
    told.append(f"{percent(event['drift_share'])} of the movement is a straight line")
    if not is_missing(findings.judged["false_alarms"].iloc[0]):
        mine = [row for row in records(findings.baselines) if row["event"] == event["event"]]
        first = sorted(
            {row["baseline"]: row for row in reversed(mine)}.values(), key=itemgetter("alarm_step")
        )
        if first:
            best = first[0]
            rows = -best["lead_rows"]
            apart = (
                "at the same row"
                if rows == 0
                else f"{counted(abs(rows), 'row')} {'later' if rows > 0 else 'earlier'}"
            )
            told.append(f"{BASELINES[best['baseline']]} alone fires {apart}")
        else:
            told.append("no simpler signal fires alone")
    return "; ".join(told)


def _wrong(findings: Findings, event: Mapping[str, Any]) -> str:
    """How often such an alarm comes without a change."""
    row = next(row for row in records(findings.judged) if row["window"] == event["window"])
    if is_missing(row["false_alarms"]):
        return "the rule of a fixed rise states no rate"
    rows = round(row["horizon"] * row["window"])
    told = f"at most {100 * row['false_alarms']:g}% of runs alarm within {rows:,} rows"
    return told if row["rate_checked"] else f"{told}, not checked at this window length"


def _without_alarm(row: Mapping[str, Any]) -> Card:
    name, outcome = shown(row["truth"], 40), shown(row["outcome"], 120)
    if is_missing(row["t50"]):
        return Card(title="No lead", lead=f"{name}: {outcome}.", alarmed=False)
    what = "reached" if is_missing(row["t10"]) else "half-way"
    title = "Missed" if row["outcome"] == MISSED else "No lead"
    why = "no alarm came before" if row["outcome"] == MISSED else outcome
    return Card(
        title=title, lead=f"{name} {what} {row['t50']:,}: {why}.", step=int(row["t50"]), alarmed=False
    )


def _quiet(findings: Findings) -> str:
    settings, judged = findings.settings, findings.judged
    if settings.rule == RULES[0]:
        if (judged["status"] == TOO_SHORT).all():
            window = min(settings.windows)
            if max(settings.windows) < SHORTEST_WINDOW:
                return f"Too short to judge: windows of {window} rows, needed {SHORTEST_WINDOW}."
            needed = 2 * window
            found = counted(findings.run.shape[0], "row")
            return f"Too short to judge: {found}, needed {needed:,} in which losses move."
        scored = records(judged.dropna(subset=["largest_score"]))
        if not scored:
            return "Nothing could be judged."
        best = max(scored, key=lambda row: row["largest_score"] / row["threshold"])
        near = best["largest_score"] / best["threshold"] > _NEARLY
        told = "No alarm, though nearly" if near else "Nothing stood out"
        return f"{told}: the highest score was {best['largest_score']:.2f} of {best['threshold']:.2f}."
    table = findings.observables
    rise = max(largest_rise(of["shc"].to_numpy()) for _, of in table.groupby("window"))
    return f"Nothing stood out: {rise:.1f} of {settings.decades:g} decades."
