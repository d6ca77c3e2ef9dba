"""Which of the runs are controls, and of which run? As their metadata say; where they do not, none is.

`control_of`, the name of another run -> a control of that run
`control`, how a run was kept from its transition -> a control of the only run without one that agrees with it
                                                    in each of `example`, `setting` and `seed` that either has

Of `control`, nothing, "none", "no" and "false" mean none. A run that fits no other run, or several, stands
on its own, as does one that has neither `example` nor `setting`: what is compared was hardly made alike.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from typing import Any

import pandas as pd

from rdmtools.analysis.events import records
from rdmtools.results.words import is_missing

_NONE = frozenset({"", "0", "false", "no", "none"})
_MADE_AS = ("example", "setting")
_SAME = (*_MADE_AS, "seed")


def controls(runs: pd.DataFrame) -> dict[str, str]:
    """The run that each control belongs to, by their names; of the table of runs of a comparison."""
    rows = records(runs)
    names = {row["run"] for row in rows}
    found: dict[str, str] = {}
    for row in rows:
        named = row.get("control_of")
        if isinstance(named, str) and named in names - {row["run"]}:
            found[row["run"]] = named
        elif is_control(row) and any(_known(row, key) for key in _MADE_AS):
            alike = [
                other["run"]
                for other in rows
                if not is_control(other)
                and is_missing(other.get("control_of"))
                and all(_known(row, key) == _known(other, key) for key in _SAME)
            ]
            if len(alike) == 1:
                found[row["run"]] = alike[0]
    # A control of a control would have to stand two deep; it stands beside it instead.
    return {name: of for name, of in found.items() if of not in found}


def is_control(row: dict[str, Any]) -> bool:
    """Whether the run's metadata name what kept it from its transition."""
    value = row.get("control")
    return not is_missing(value) and str(value).strip().lower() not in _NONE


def _known(row: dict[str, Any], key: str) -> str:
    value = row.get(key)
    return "" if is_missing(value) else str(value)


def in_order(runs: pd.DataFrame) -> list[tuple[str, str | None]]:
    """Each run's name, with that of the run that it is a control of: in order, controls beneath their run."""
    of = controls(runs)
    told: list[tuple[str, str | None]] = []
    for name in runs["run"].tolist():
        if name not in of:
            told.append((name, None))
            told += [(control, name) for control, run in of.items() if run == name]
    return told
