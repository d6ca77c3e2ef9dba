"""What did the control do meanwhile? Its highest score and its alarms, in a line for each window length."""

from typing import Any

import numpy as np

from rdmtools.analysis.findings import Findings
from rdmtools.analysis.settings import RULES
from rdmtools.results.words import is_missing, shown

_TOLD = 3


def control_facts(findings: Findings) -> dict[str, Any] | None:
    """The control's name, and by window length its largest score and its alarms; None without a control."""
    table = findings.control
    if table.empty:
        return None
    windows: list[dict[str, Any]] = []
    for window in findings.settings.windows:
        own = table[table["window"] == window]
        scores = own["score"].to_numpy(np.float64)
        windows.append(
            {
                "window": window,
                "largest_score": float(np.nanmax(scores)) if np.isfinite(scores).any() else None,
                "alarm_steps": own.loc[own["alarm"], "step"].tolist(),
            }
        )
    return {"run": str(table["run"].iloc[0]), "windows": windows}


def control_lines(findings: Findings) -> list[str]:
    """A sentence for each window length; none without a control."""
    facts = control_facts(findings)
    if facts is None:
        return []
    several = len(facts["windows"]) > 1
    thresholds = dict(zip(findings.judged["window"], findings.judged["threshold"], strict=True))
    lines: list[str] = []
    for each in facts["windows"]:
        of = f", windows of {each['window']} rows" if several else ""
        name = f"Control “{shown(facts['run'], 40)}”{of}"
        alarms = [f"{step:,}" for step in each["alarm_steps"]]
        score = each["largest_score"]
        if alarms:
            more = f" and {len(alarms) - _TOLD} more" if len(alarms) > _TOLD else ""
            told = f"alarms too, at {', '.join(alarms[:_TOLD])}{more}: what it shares may cause them."
        elif findings.settings.rule != RULES[0]:
            told = "no alarm."
        elif is_missing(score):
            told = "too short to judge."
        else:
            told = f"no alarm, its highest score is {score:.2f} of {thresholds[each['window']]:.2f}."
        lines.append(f"{name}: {told}")
    return lines
