"""What does a person read of runs side by side? One page: a sentence, a row per run, and all over each other.

runs.parquet  events.parquet  observables.parquet  transitions.parquet  failures.parquet  comparison.json
comparison.html               figures/comparison.png, .svg, .pdf where they were asked for

The page is made as that of a run: our own scripts alone, no network, every word of the user's as text.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from rdmtools import __version__
from rdmtools.analysis.events import records
from rdmtools.format.names import FIGURES_FOLDER, FORMAT_VERSION
from rdmtools.report.compare_drawing import grid, overlays, small, span_of, sparkline, swatch
from rdmtools.report.compared_lines import MOST_LOOKS, Quantity, RunLines, compared_lines
from rdmtools.report.page import beside, dense, render, write_page
from rdmtools.report.page_data import data_block
from rdmtools.report.ticks import power_of_ten
from rdmtools.results.compared_words import Facts, facts, headline, need_runs
from rdmtools.results.controls import in_order
from rdmtools.results.differences import RESULTS, Differences, differences, titled
from rdmtools.results.folder import (
    COMPARISON,
    PAGE_FILE,
    figure_formats,
    replaced,
    settled,
    write_json,
    write_tables,
)
from rdmtools.results.run_pages import is_page, link
from rdmtools.results.summary import plain_records
from rdmtools.results.words import is_missing, number, shown
from rdmtools.run.quality import counted

if TYPE_CHECKING:
    from rdmtools.comparison import Comparison

MOST_RUNS_TOLD = 500
_MOST_CELLS = 4_000
"""Of the folded table of what else there is of the runs."""
_MOST_FAILURES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A run's row of the page."""

    number: int
    name: str
    link: str | None
    of: str | None
    """The run that it is a control of."""
    swatch: Markup
    spark: Markup
    small: Markup
    cells: Sequence[str]


def save_comparison(
    comparison: "Comparison", folder: str | Path, *, figures: str | Iterable[str] = ()
) -> Path:
    """Write tables and page, and the figure in the formats named, into a folder; returns the page.

    The folder is replaced as a whole. Runs whose own pages lie beside them are linked, as seen from it.

    Raises
    ------
    ParameterError
        Where the place cannot be written, or it holds an analysis or files that rdmtools did not write; for
        other figures than "png", "svg" and "pdf"; and where no run could be compared.
    """
    need_runs(comparison.runs)
    folder, formats = settled(folder), figure_formats(figures)
    links = _links(comparison, folder)
    with replaced(folder, COMPARISON) as place:
        tables = {name: getattr(comparison, name) for name in COMPARISON.tables}
        write_tables(place, tables)
        about = {"contents": COMPARISON.mark, "rdmtools": __version__, "format": FORMAT_VERSION}
        found = {
            "counts": {name: len(table) for name, table in tables.items()},
            "pages": links,
            "runs": plain_records(comparison.runs),
        }
        write_json(place / COMPARISON.marked_file, about | found)
        write_page(page(comparison, links), place / PAGE_FILE)
        if formats:
            from rdmtools.report.comparison_figure import save_comparison_figure

            save_comparison_figure(comparison, place / FIGURES_FOLDER, formats)
    return folder / PAGE_FILE


def page(comparison: "Comparison", links: Mapping[str, str] | None = None) -> str:
    """The page as text; `links` has the address of the page of each run that has one."""
    every = facts(comparison.runs, comparison.events, comparison.transitions)
    told = in_order(comparison.runs)[:MOST_RUNS_TOLD]
    names = [name for name, _ in told]
    drawn, lines = compared_lines(names, comparison.runs, comparison.observables, every)
    differ = differences(comparison.runs)
    known = {row["run"]: row for row in records(comparison.runs)}
    columns = _columns(comparison, every, differ)
    span = span_of(lines)
    rows = [
        Row(
            number=line.number,
            name=shown(line.name, 80),
            link=(links or {}).get(line.name),
            of=None if of is None else shown(of, 80),
            swatch=swatch(line),
            spark=sparkline(line, drawn[0]),
            small=small(line, span),
            cells=_cells(known[line.name], every[line.name], differ, columns),
        )
        for line, (_, of) in zip(lines, told, strict=True)
    ]
    more = [name for name in comparison.runs.columns if name in (*RESULTS, *differ.left)]
    few = bool(more) and len(rows) * len(more) <= _MOST_CELLS
    return render(
        "side_by_side.html.jinja",
        sheets=("base.css", "run.css", "compare.css"),
        scripts=[Markup(dense(beside("compare.js")))],
        data=data_block(_data(drawn, lines)),
        name=f"{counted(len(known), 'run')} side by side",
        headline=headline(every),
        columns=columns,
        rows=rows,
        left=[titled(name) for name in differ.left],
        more_columns=[titled(name) for name in more] if few else [],
        more_rows=[[_cell(known[name][column]) for column in more] for name in names] if few else [],
        same={titled(name): _cell(comparison.runs[name].iloc[0]) for name in differ.same},
        untold=len(known) - len(rows),
        coloured=min(len(rows), MOST_LOOKS),
        overlay=overlays(lines, drawn[0], "SHC of the runs over training, alarms marked."),
        grid=grid(drawn[0]),
        scale=_scale(drawn[0], span),
        several_windows=comparison.runs["window"].nunique() > 1,
        timed=any(fact.truths for fact in every.values()),
        failures=[(shown(row["run"], 80), shown(row["error"], 300)) for row in records(comparison.failures)][
            :_MOST_FAILURES
        ],
        failed=len(comparison.failures),
    )


def _links(comparison: "Comparison", folder: Path) -> dict[str, str]:
    """The address of each run's own page, as seen from the folder."""
    found = {name: link(path, folder) for name, path in comparison.pages.items() if is_page(path)}
    return {name: address for name, address in found.items() if address is not None}


def _columns(comparison: "Comparison", every: Mapping[str, Facts], differ: Differences) -> list[str]:
    """Headings of a row's cells after the sparkline; ">" stands before that of numbers."""
    columns = [">first alarm"]
    if any(fact.asked for fact in every.values()):
        columns.append(">lead, steps")
    columns.append("who moved")
    if comparison.runs["largest_score"].notna().any():
        columns.append(">highest score")
    numeric = {name for name in differ.told if comparison.runs[name].dtype.kind in "iuf"}
    return columns + [(">" if name in numeric else "") + titled(name) for name in differ.told]


def _cells(run: Mapping[str, Any], fact: Facts, differ: Differences, columns: Sequence[str]) -> list[str]:
    first = [f"{fact.alarms[0]:,}" if fact.alarms else "–"]
    if ">lead, steps" in columns:
        first.append("–" if fact.lead is None else number(fact.lead).replace("-", "−"))
    first.append(fact.who or "–")
    if ">highest score" in columns:
        score = run["largest_score"]
        first.append("–" if is_missing(score) else f"{score:.2f}")
    return first + [_cell(run[name]) for name in differ.told]


def _cell(value: Any) -> str:
    if is_missing(value):
        return "–"
    return number(value) if isinstance(value, float) else shown(value, 40)


def _scale(drawn: Quantity, span: tuple[float, float]) -> str:
    low, high = drawn.limits
    ends = [power_of_ten(round(end)) if drawn.decades else number(end) for end in (low, high)]
    limits = f"{drawn.title.partition(',')[0]} about {ends[0]} to {ends[1]}"
    return f"steps {span[0]:,.0f} to {span[1]:,.0f}, {limits}"


def _data(drawn: Sequence[Quantity], lines: Sequence[RunLines]) -> dict[str, Any]:
    """What the script draws: all paths but those that are on the page already."""
    return {
        "quantities": [
            {
                "key": one.key,
                "title": one.title,
                "decades": one.decades,
                "limits": [float(f"{limit:.6g}") for limit in one.limits],
            }
            for one in drawn
        ],
        "runs": [
            {
                "name": shown(line.name, 80),
                "look": line.look,
                "first": line.first,
                "last": line.last,
                "every": line.every,
                "alarms": list(line.alarms)[:40],
                "truths": [[truth.t10, truth.t50, truth.t90] for truth in line.truths[:40]],
                "paths": [line.paths[one.key] for one in drawn[1:]],
            }
            for line in lines
        ],
        "coloured": MOST_LOOKS,
    }
