"""How is a warning told? The rate that is stated, what was judged, what had to be crossed: in words."""

from operator import itemgetter
from typing import Any

import pandas as pd

from rdmtools.alarms.self_normalised import SHORTEST_WINDOW
from rdmtools.alarms.thresholds import WINDOWS
from rdmtools.analysis.events import records
from rdmtools.analysis.findings import Findings
from rdmtools.analysis.judged import EARLY, TOO_SHORT
from rdmtools.results.words import listed, percent
from rdmtools.run.quality import counted

BASELINES = {
    "mean_slope": "the mean slope",
    "mean_loss_variance": "the variance of the mean loss",
    "total_variance": "total variance",
    "drift_energy": "drift",
}
SIGNALS = {"shc": "SHC", "mean_slope": "the mean slope"}


def fired(findings: Findings, event: dict[str, Any]) -> str:
    """What fired, how high it scored, and what fired after it."""
    first, *others = [each for each in records(findings.alarms) if each["event"] == event["event"]]
    words = SIGNALS[first["signal"]]
    if not pd.isna(first["scatter"]):
        words += f" (score {first['score']:.2f}, {event['threshold']:.2f} fires)"
    for other in others:
        words += f", then {SIGNALS[other['signal']]} at {other['alarm_step']:,}"
    return words


def baselines_words(findings: Findings, event: dict[str, Any]) -> str:
    """Which of the baselines fired for the event, and how much earlier or later, at the same rate."""
    if pd.isna(findings.judged["false_alarms"].iloc[0]):
        return ""
    mine = [row for row in records(findings.baselines) if row["event"] == event["event"]]
    first = {row["baseline"]: row["alarm_step"] for row in reversed(mine)}
    told = [f"{BASELINES[name]} at {step:,}" for name, step in sorted(first.items(), key=itemgetter(1))]
    silent = [words for name, words in BASELINES.items() if name not in first]
    words = f"At the same rate {listed(told)} alone would have fired" if told else "No baseline fired"
    return f"{words}; {listed(silent)} not." if told and silent else f"{words}."


def marks_words(findings: Findings, event: dict[str, Any]) -> str:
    """In which other analyses of the run the alarm holds; empty where none was made."""
    asked = [row for row in records(findings.marks) if row["event"] == event["event"] and row["tried"]]
    if not asked:
        return ""
    halves = [f"{row['held']} of {row['tried']} halves of the probe" for row in asked if row["tried"] > 1]
    held = [row["mark"] for row in asked if row["tried"] == 1 and row["held"]]
    lost = [row["mark"] for row in asked if row["tried"] == 1 and not row["held"]]
    parts = [f"holds with {listed([*halves, *held])}"] if halves or held else []
    parts += [f"{'not' if parts else 'does not hold'} with {listed(lost)}"] if lost else []
    return f"The alarm {', '.join(parts)}."


def rate_line(findings: Findings) -> str:
    """How often such an alarm is false, as far as that is stated."""
    judged = records(findings.judged)
    if pd.isna(judged[0]["false_alarms"]):
        return (
            f"The rule ({findings.settings.decades:g} decades) is not calibrated and states no "
            'false-alarm rate; rule="self_normalised" does.'
        )
    first = judged[0]
    rows = round(first["horizon"] * first["window"])
    longer = findings.run.shape[0] > rows
    within = f"any {first['horizon']:.0f} windows ({rows:,} rows)" if longer else f"{rows:,} rows"
    line = (
        f"Stated: while training goes on as before, at most {100 * first['false_alarms']:g}% of runs alarm "
        f"within {within}"
    )
    line += ", for each window length." if len(judged) > 1 else "."
    unchecked = [each["window"] for each in judged if not each["rate_checked"]]
    if unchecked:
        lengths = ", ".join(map(str, unchecked))
        line += (
            f" That was judged with windows of {WINDOWS[0]} to {WINDOWS[1]} rows, not of {lengths}; "
            "choose window=20 for a rate that was."
        )
    return line


def short_lines(findings: Findings) -> list[str]:
    """From where on the rule can fire, where that leaves much of the run unjudged."""
    lines: list[str] = []
    judged = records(findings.judged)
    rows = findings.run.shape[0]
    for each in judged:
        window = f" of {each['window']} rows" if len(judged) > 1 else ""
        if each["window"] < SHORTEST_WINDOW:
            lines.append(
                f"Windows of {each['window']} rows are too short to judge; needed {SHORTEST_WINDOW}; choose "
                'window=20, or rule="decades".'
            )
        elif each["status"] == TOO_SHORT:
            lines.append(
                f"Too short to judge{window}: {counted(rows, 'row')}, and the rule needs "
                f"{2 * each['window']} in which losses move; log more often, or choose a shorter window."
            )
        elif each["status"] == EARLY:
            lines.append(
                f"Only large rises are judged{window}, of at least {each['needed_first']:.1f} decades "
                f"and from step {each['first_step']:,} on: before {4 * each['window']} rows the run has told "
                "no scatter of its own."
            )
    return lines


def outside_lines(findings: Findings) -> list[str]:
    """Where the run's own past says that its rate was not checked for the like of it."""
    return [
        f"From step {each['outside_step']:,} on the run swings with a period of about two windows"
        + (f" of {each['window']} rows" if len(findings.judged) > 1 else "")
        + f": outside what the rate was checked for; choose window={each['window'] // 2 or 1} or "
        f"window={2 * each['window']}."
        for each in records(findings.judged)
        if not pd.isna(each["outside_step"])
    ]


def quiet_words(findings: Findings) -> str:
    """How near the nearest came to an alarm."""
    told = records(findings.judged)
    scored = [each for each in told if not pd.isna(each["largest_score"])]
    if not scored:
        return "nothing could be judged"
    best = max(scored, key=lambda each: each["largest_score"] / each["threshold"])
    where = f", window {best['window']}" if len(told) > 1 else ""
    return (
        f"the highest score was {best['largest_score']:.2f} of the {best['threshold']:.2f} that fires, at "
        f"step {best['largest_score_step']:,}{where}; {percent(best['judged_share'])} of the rows were judged"
    )
