"""What the rule could see, what fired and how high it came, on the page: rate, alarms, baselines, marks."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

import pandas as pd

from rdmtools.analysis.findings import Findings
from rdmtools.report.section import Section, cells
from rdmtools.results.control_words import control_lines
from rdmtools.results.reference_words import reference_lines
from rdmtools.results.warning_words import BASELINES, SIGNALS, outside_lines, rate_line, short_lines


def judged_section(findings: Findings) -> Section:
    """What each window length could have seen."""
    table = findings.judged.copy()
    return Section(
        title="What was judged",
        part="trust",
        sentences=[rate_line(findings), *short_lines(findings), *outside_lines(findings)],
        **cells(
            table,
            *(
                ">window",
                "rule",
                ">false_alarms",
                ">horizon",
                ">threshold",
                ">first_step",
                ">own_step",
                ">outside_step",
            ),
            *(">judged_share", ">needed_first", ">needed_last", ">largest_score", ">largest_score_step"),
            "status",
        ),
        note="An alarm is where the score reaches the threshold. Rows are judged from the first step on, "
        "with the run's own scatter from its own step on. Needed is the least rise that fires, in decades.",
    )


def reference_section(findings: Findings) -> Section | None:
    """How the run stands beside runs in which nothing happened."""
    lines = reference_lines(findings)
    if not lines:
        return None
    ranked = findings.reference[findings.reference["runs"] > 0]
    columns = (">window", ">runs", ">at_least", ">p_value", ">needed", ">largest_score", ">rows", "status")
    return Section(
        title="Beside runs in which nothing happened",
        part="trust",
        sentences=lines,
        **(cells(ranked, *columns) if len(ranked) else {}),
    )


def control_section(findings: Findings) -> Section | None:
    """What the control did meanwhile."""
    lines = control_lines(findings)
    return Section(title="The control", part="trust", sentences=lines) if lines else None


def alarms_section(findings: Findings) -> Section | None:
    """Each signal and each baseline that fired."""
    if findings.alarms.empty and findings.baselines.empty:
        return None
    alarms = findings.alarms.assign(what=findings.alarms["signal"].map(SIGNALS), of="the rule")
    baselines = findings.baselines.assign(what=findings.baselines["baseline"].map(BASELINES), of="alone")
    both = pd.concat([alarms, baselines]).sort_values(["window", "alarm_step"], kind="stable")
    return Section(
        title="Alarms, and what simpler signals do",
        part="trust",
        sentences=[
            "The rule watches SHC and the mean slope. Beside it each baseline alone is a rule of its own, "
            "with the same stated rate of false alarms."
        ],
        **cells(both, ">event", ">window", "of", "what", ">floor_step", ">alarm_step", ">end_step", ">score"),
    )


def marks_section(findings: Findings) -> Section | None:
    """Whether alarms hold in other analyses of the run."""
    if findings.marks.empty:
        return None
    return Section(
        title="Does it hold?",
        part="trust",
        sentences=["The same rule in other analyses of the run: in how many an event opens there."],
        **cells(findings.marks, ">event", "mark", ">tried", ">held", ">alarm_step", "status"),
    )
