"""When did each run have its transition, and how do runs look beside each other from there on?

leads of each run -> one row per run and truth -> averages over seeds
alarm of an event, or T50 of a truth -> observables with rows and steps counted from there
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import re
import warnings
from collections.abc import Mapping, Sequence

import pandas as pd

from rdmtools.analysis.leads import NOT_ASKED, first_leads
from rdmtools.analysis.tables import TABLES, typed
from rdmtools.errors import ParameterError, RdmtoolsWarning
from rdmtools.results.saved import Compared, metadata_columns
from rdmtools.run.quality import counted

_EVENT = re.compile(r"event\s+(\d+)")
_NAMED = 3


def transitions_table(found: Mapping[str, Compared], asked: Sequence[str] = ()) -> pd.DataFrame:
    """One row per run and truth, that of the first alarm: `run`, the columns of leads, the run's metadata.

    A saved analysis has the truths that it was made with; of others that are `asked` for it says "not asked".
    Of several window lengths the first is told.
    """
    tables = [_transitions(name, one, asked) for name, one in found.items()]
    if not tables:
        return pd.DataFrame(columns=pd.Index(["run", *TABLES["leads"].columns]))
    full = [table for table in tables if len(table)] or tables[:1]
    columns = dict.fromkeys(column for table in tables for column in table.columns)
    return pd.concat(full, ignore_index=True).reindex(columns=list(columns))


def _transitions(name: str, found: Compared, asked: Sequence[str]) -> pd.DataFrame:
    window = found.summary["peaks"][0]["window"]
    # Without a truth there is no lead, and nothing to be read.
    table = found.table("leads") if found.summary["settings"]["truth"] else typed("leads", [])
    leads = first_leads(table[table["window"] == window])
    absent = [truth for truth in asked if truth not in set(leads["truth"])]
    if absent:
        more = typed("leads", [{"truth": truth, "window": window, "outcome": NOT_ASKED} for truth in absent])
        leads = pd.concat([leads, more], ignore_index=True) if len(leads) else more
    leads.insert(0, "run", name)
    for key, value in metadata_columns(found, taken=[str(name) for name in leads]).items():
        leads[key] = [value] * len(leads)
    return leads


def aligned(
    at: str, events: pd.DataFrame, transitions: pd.DataFrame, observables: pd.DataFrame
) -> pd.DataFrame:
    """Observables of the runs, with rows and steps counted from an event's alarm or a truth's T50.

    Parameters
    ----------
    at
        "event 1", the event of that number in each run, or a truth, as `transitions` has it.

    Returns
    -------
    DataFrame
        `run`, `relative_row`, `relative_step`, then the columns of `observables`. Row 0 is the first window
        that ends at that step or after it; of an event, windows of its own length alone.

    Raises
    ------
    ParameterError
        Where no run has it.

    Warns
    -----
    RdmtoolsWarning
        Of runs that do not have it, and are left out.
    """
    places = _places(at, events, transitions)
    runs = dict.fromkeys(observables["run"])
    if places.empty:
        numbers = sorted(set(events["event"].dropna().astype(int))) if len(events) else []
        truths = dict.fromkeys(transitions.loc[transitions["t50"].notna(), "truth"])
        there = ", ".join([*(f"event {number}" for number in numbers), *truths])
        raise ParameterError(
            f"no run has {at!r}; {f'choose one of {there}' if there else 'there is no event'}"
        )
    if absent := [str(run) for run in runs if run not in set(places["run"])]:
        named = ", ".join(absent[:_NAMED]) + (", ..." if len(absent) > _NAMED else "")
        warnings.warn(
            f"{counted(len(absent), 'run')} of {len(runs)} without {at!r}, left out: {named}",
            RdmtoolsWarning,
            stacklevel=3,
        )
    on = [name for name in ("run", "window") if name in places]
    table = observables.merge(places, on=on, how="inner", sort=False)
    after = (table["step"] >= table["at"]).astype("int64")
    by = [table["run"], table["window"]]
    row = table.groupby(["run", "window"], sort=False).cumcount() - (1 - after).groupby(by).transform("sum")
    table.insert(1, "relative_row", row.astype("int64"))
    table.insert(2, "relative_step", (table["step"] - table["at"]).astype("int64"))
    return table.drop(columns="at")


def _places(at: str, events: pd.DataFrame, transitions: pd.DataFrame) -> pd.DataFrame:
    """The step of each run at which it is, and of an event its window length."""
    known = transitions[(transitions["truth"] == at) & transitions["t50"].notna()]
    if known.empty and (match := _EVENT.fullmatch(at)):
        here = events[events["event"] == int(match[1])]
        return here[["run", "window", "alarm_step"]].rename(columns={"alarm_step": "at"})
    return known[["run", "t50"]].rename(columns={"t50": "at"}).drop_duplicates("run")
