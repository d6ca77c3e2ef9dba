"""What does the page tell of one event? Words and numbers, spectrum, groups, the samples that carry it."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from typing import Any

from rdmtools.analysis.events import records
from rdmtools.analysis.findings import Findings
from rdmtools.format.names import SAMPLE_ID
from rdmtools.report.section import MOST_EVENTS_TOLD
from rdmtools.results.verdict import event_words
from rdmtools.results.warning_words import fired
from rdmtools.results.words import shown

_SAMPLES_TOLD = 20
_EIGENVALUES_TOLD = 6
_GROUPS_TOLD = 30
_COLUMNS_TOLD = 30
_TEXT_BUDGET = 200_000  # characters of the samples' metadata in all events together
_SHORTEST_CELL, _LONGEST_CELL = 16, 160


def event_part(findings: Findings, event: dict[str, Any]) -> dict[str, Any]:
    """One row of the table of events, and what the page tells of it."""
    number_ = event["event"]
    spectra = findings.spectra[findings.spectra["event"] == number_]
    samples = findings.run.shape[1]
    total = float(spectra["eigenvalue"].sum())
    square = float((spectra["eigenvalue"] ** 2).sum())
    shares = spectra["share"].tolist()
    groups = findings.groups[(findings.groups["event"] == number_) & (findings.groups["mode"] == 1)]
    excess = (groups["mode_share"] - groups["sample_share"]).sort_values(ascending=False)
    return {
        **event,
        "words": event_words(findings, event),
        "fired": fired(findings, event),
        "shc": square / samples - (total / samples) ** 2,
        "total_variance": total,
        "shares": shares[:_EIGENVALUES_TOLD],
        "other_shares": sum(shares[_EIGENVALUES_TOLD:]),
        "others": max(len(shares) - _EIGENVALUES_TOLD, 0),
        "groups": [
            {**group, "group": shown(group["group"], 60)}
            for group in records(groups.loc[excess.index[:_GROUPS_TOLD]])
        ],
        "single": len(groups) > 0 and bool((groups["samples"] == 1).all()),
        "groups_left": max(len(groups) - _GROUPS_TOLD, 0),
        **_samples(findings, number_),
    }


def _samples(findings: Findings, event: int) -> dict[str, Any]:
    """The samples with the largest loadings in the event's top mode, and what is known of them."""
    modes = findings.modes
    top = modes[(modes["event"] == event) & (modes["mode"] == 1)].reset_index(drop=True)
    places = top["loading"].abs().sort_values(ascending=False, kind="stable").index[:_SAMPLES_TOLD]
    known = findings.run.samples.drop(columns=SAMPLE_ID)
    columns = list(known.columns[:_COLUMNS_TOLD])
    sections = min(len(findings.events), MOST_EVENTS_TOLD)
    cells = sections * _SAMPLES_TOLD * max(len(columns), 1)
    limit = min(max(_TEXT_BUDGET // cells, _SHORTEST_CELL), _LONGEST_CELL)
    return {
        "columns": [shown(column, 40) for column in columns],
        "columns_left": max(known.shape[1] - _COLUMNS_TOLD, 0),
        "carriers": [
            {
                "sample_id": shown(top["sample_id"].iloc[place], 60),
                "known": [shown(known[column].iloc[place], limit) for column in columns],
                "loading": float(top["loading"].iloc[place]),
                "loss_change": float(top["loss_change"].iloc[place]),
            }
            for place in places.tolist()
        ],
    }
