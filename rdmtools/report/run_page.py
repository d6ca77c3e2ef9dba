"""What does a person read? One page that holds everything it shows: no script, no network, light and dark.

Every word of the user's passes through `shown` and the template's escaping; only our own SVG is markup. How
much text a cell may hold follows from how many cells there are, so that the page stays small.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from rdmtools.analysis.events import records
from rdmtools.analysis.findings import Findings
from rdmtools.format.names import SAMPLE_ID
from rdmtools.report import reproduce
from rdmtools.report.event_figure import MOST_EVENT_FIGURES
from rdmtools.report.heat_map import heat_map
from rdmtools.report.overview import overview
from rdmtools.report.page import drawings, render, write_page
from rdmtools.report.panels import has_gaussian
from rdmtools.report.sections import sections
from rdmtools.results import notebook
from rdmtools.results.verdict import ENOUGH_ROWS, event_words, verdict
from rdmtools.results.warning_words import fired, rate_line
from rdmtools.results.words import shown
from rdmtools.run.quality import counted

_MOST_EVENTS_LISTED = 200
_SAMPLES_TOLD = 20
_EIGENVALUES_TOLD = 6
_GROUPS_TOLD = 30
_COLUMNS_TOLD = 30
_TEXT_BUDGET = 250_000  # characters of the samples' metadata on the whole page
_SHORTEST_CELL, _LONGEST_CELL = 16, 160


def write_report(findings: Findings, path: str | Path) -> Path:
    """Write the page; returns its path.

    One HTML file below 1.5 MB that needs nothing else: a verdict in plain words, the figure, a section for
    each event (the first 20), data quality, settings, how to make it again, and what an alarm does not tell.
    """
    return write_page(page(findings), Path(path))


def page(findings: Findings, drawn: str | None = None) -> str:
    """The page as text; `drawn` is the SVG of its figure, where there is one already."""
    run = findings.run
    told = findings.events.head(MOST_EVENT_FIGURES)
    return render(
        "page.html.jinja",
        name=shown(run.name, 120),
        facts=_run_facts(findings),
        metadata={shown(key, 40): shown(value, 200) for key, value in run.metadata.items()},
        verdict=verdict(findings).split("\n"),
        overview=drawings(partial(overview, findings), _spoken(findings), wide=drawn),
        heat_map=heat_map(findings.shc_map),
        gaussian=_gaussian_facts(findings),
        events=[_event(findings, event) for event in records(told)],
        every_event=records(findings.events.head(_MOST_EVENTS_LISTED)),
        event_count=len(findings.events),
        sections=sections(findings),
        several_windows=len(findings.settings.windows) > 1,
        notes=run.quality.notes(),
        checksums=run.quality.checksums(),
        settings={name: _setting(value) for name, value in findings.settings.to_dict().items()},
        command=reproduce.command(findings),
        python=reproduce.python(findings),
        rate=rate_line(findings),
        stated=bool(findings.judged["false_alarms"].notna().all()),
        unit=shown(run.unit, 20),
        enough_rows=ENOUGH_ROWS,
        spacing=str(run.spacing),
        uneven=not run.spacing.even,
    )


def notebook_html(findings: Findings) -> str:
    """Name, verdict and the first events, for a notebook's cell."""
    name = f"<b>{escape(shown(findings.run.name, 120))}</b>"
    return notebook.cell(name, verdict(findings).split("\n"), findings.events)


def _spoken(findings: Findings) -> str:
    alarms = ", ".join(
        f"{step:,}" for step in findings.events["alarm_step"].head(MOST_EVENT_FIGURES).tolist()
    )
    words = ["Observables and scalars over training."]
    if (drawn_map := heat_map(findings.shc_map)) is not None:
        words.append(f"SHC by window length, {drawn_map.extent}: {drawn_map.legend}.")
    if has_gaussian(findings):
        words.append("SHC and total variance of the Gaussian 2RDM.")
    return " ".join([*words, f"Alarms at steps {alarms}." if alarms else "No alarm."])


def _gaussian_facts(findings: Findings) -> dict[str, int] | None:
    """How many steps have draws, and how many of these no value; None where none have draws."""
    table = findings.gaussian
    empty = int(table["shc"].isna().sum())
    return {"steps": len(table), "empty": empty} if len(table) else None


def _run_facts(findings: Findings) -> dict[str, str]:
    run = findings.run
    rows, samples = run.shape
    windows = ", ".join(map(str, findings.settings.windows))
    groups = run.samples["group"].nunique() if "group" in run.samples else 0
    return {
        "rows": f"{rows:,}, steps {run.steps[0]:,} to {run.steps[-1]:,}, {run.spacing}",
        "samples": f"{samples:,}" + (f" in {counted(groups, 'group')}" if groups else ", without groups"),
        "window": f"{windows} rows, {findings.settings.detrend} detrending",
        "losses": f"{run.dtype}, {shown(run.unit, 40) or 'of a unit that nobody named'}",
        "source": shown(run.source or "made in memory", 400),
    }


def _event(findings: Findings, event: dict[str, Any]) -> dict[str, Any]:
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
    sections = min(len(findings.events), MOST_EVENT_FIGURES)
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


def _setting(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
