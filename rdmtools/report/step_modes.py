"""What does a click on a step tell? The modes of the window that ends there, or the last before.

For the page's script alone: each window as its steps and modes, samples by their place in one list of names.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from typing import Any

import numpy as np

from rdmtools.analysis.findings import Findings
from rdmtools.analysis.groups import groups_of
from rdmtools.analysis.leading_modes import LeadingMode, modes_over_run
from rdmtools.format.names import SAMPLE_ID
from rdmtools.report.section import MOST_EVENTS_TOLD
from rdmtools.results.words import shown

DIRECTIONS = ("falling", "rising", "mixed")


def known_of_steps(findings: Findings) -> dict[str, Any]:
    """Windows of the first length, by step, with those at the first alarms and their SHC peaks."""
    run, settings = findings.run, findings.settings
    events = findings.events.head(MOST_EVENTS_TOLD)
    steps = [*events["alarm_step"].tolist(), *events["shc_peak_step"].tolist()]
    windows = modes_over_run(
        run,
        settings.windows[0],
        detrend=settings.detrend,
        also=np.searchsorted(run.steps, steps).tolist(),
    )
    places: dict[int, int] = {}
    groups: dict[str, int] = {}

    def mode(each: LeadingMode) -> list[Any]:
        few = zip(each.samples.tolist(), each.loadings_squared, each.loss_changes, strict=True)
        top = each.top_group
        return [
            float(f"{100 * each.share:.3g}"),
            DIRECTIONS.index(each.direction),
            each.carrying,
            None if top is None else groups.setdefault(top, len(groups)),
            round(100 * each.top_group_share),
            [
                number
                for place, part, change in few
                for number in (
                    places.setdefault(place, len(places)),
                    round(100 * part),
                    float(f"{change:.3g}"),
                )
            ],
        ]

    told = [[each.first_step, each.step, [mode(one) for one in each.modes]] for each in windows]
    ids, of = run.samples[SAMPLE_ID].astype(str).tolist(), groups_of(run)
    return {
        "windows": told,
        "directions": DIRECTIONS,
        "samples": [
            [shown(ids[place], 30), None if of is None else groups.get(of[place])] for place in places
        ],
        "groups": [shown(name, 30) for name in groups],
    }
