"""How well does the method do, put before a person? One page from the tables of a score, limits first.

contest.parquet and the other tables  score.json  score.html
"""

import math
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from rdmtools import __version__
from rdmtools.report import score_figures as figures
from rdmtools.report.drawings import drawings
from rdmtools.report.page import render, write_page
from rdmtools.report.score_words import (
    NO_INTERVAL,
    QUIET,
    SHC,
    TOTAL_VARIANCE,
    between,
    intro,
    limits,
    name_of,
    points,
    winners,
)
from rdmtools.results.folder import SCORE, SCORE_PAGE_FILE, replaced, settled, write_json, write_tables
from rdmtools.results.summary import plain_records
from rdmtools.results.words import number, percent
from rdmtools.run.quality import counted

if TYPE_CHECKING:
    from rdmtools.evaluation.scoring import ScoreTables

_PLACES = (0.9, 0.95, 1.0)
_KINDS = {"transition": "with the transition", "quiet": "quiet controls", "hard": "hard controls"}


class Cell(NamedTuple):
    """What stands in a table: words, and below them, smaller, more of them."""

    text: str
    below: str = ""


class Table(NamedTuple):
    """Headings, of which the first `words` are of words and the others of numbers, and rows."""

    headings: list[str]
    rows: list[list[Cell]]
    words: int = 1


def save_score(score: "ScoreTables", folder: str | Path) -> Path:
    """Write every table as Parquet, score.json and the page, into a folder replaced as a whole; returns it.

    Raises
    ------
    ParameterError
        Where the place cannot be written, or it holds other results or files that rdmtools did not write.
    """
    folder = settled(folder)
    with replaced(folder, SCORE) as place:
        write_tables(place, score.tables())
        found = {
            "contents": SCORE.mark,
            "rdmtools": __version__,
            "window": score.window,
            "runs": score.runs,
            "contest": plain_records(score.contest),
        }
        write_json(place / SCORE.marked_file, found)
        write_score(score, place / SCORE_PAGE_FILE)
    return folder


def write_score(score: "ScoreTables", path: str | Path) -> Path:
    """Write the page of a score; returns its path.

    One HTML file that needs nothing else: what is not covered, the contest of the rules in each setting,
    false alarms, drift or fluctuation, what the eigenvectors say.
    """
    return write_page(_page(score), Path(path))


def _page(score: "ScoreTables") -> str:
    settings = list(dict.fromkeys(score.contest["setting"]))
    told = list(dict.fromkeys(score.groups["setting"])) if len(score.groups) else []
    roc = price = None
    if len(score.roc):
        roc = _figure("roc", "ROC curves", partial(figures.roc_figure, score))
        price = _figure("price", "Median lead against false alarms", partial(figures.price_figure, score))
    sections = [
        {
            "name": name_of(setting),
            "facts": _facts(score, setting),
            "winners": winners(score, setting),
            "table": _contest(score, setting),
            "leads": _figure(
                f"leads-{index}",
                f"Leads in {name_of(setting)}",
                partial(figures.leads_figure, score, setting),
            ),
        }
        for index, setting in enumerate(settings)
    ]
    eigenvectors = [
        {
            "name": name_of(setting),
            "drawn": _figure(
                f"groups-{index}",
                f"What scores of samples tell in {name_of(setting)}",
                partial(figures.groups_figure, score, setting),
            ),
            "table": _separation(score, setting),
        }
        for index, setting in enumerate(told)
    ]
    return render(
        "score.html.jinja",
        name="How early, how often, and how often for nothing",
        intro=intro(score),
        limits=limits(score),
        sections=sections,
        roc=roc,
        price=price,
        false_alarms=_false_alarms(score),
        realised=_realised(score),
        above=_above(score),
        paired=_paired_leads(score),
        movements=_movements(score),
        eigenvectors=eigenvectors,
    )


def _figure(prefix: str, label: str, draw: Callable[[float], Figure]) -> dict[str, Markup]:
    return drawings(draw, f"{label}; numbers in the tables.", prefix=f"{prefix}-")


def _facts(score: "ScoreTables", setting: str) -> str:
    first = score.contest[score.contest["setting"] == setting].iloc[0]
    transitions, runs = int(first["transitions"]), int(first["runs"])
    return f"{counted(transitions, 'transition')} in {counted(runs, 'run')} of odd seeds."


def _contest(score: "ScoreTables", setting: str) -> Table:
    """Every rule in one setting. Columns of false alarms are there only where there are quiet runs."""
    rows = score.contest[score.contest["setting"] == setting].to_dict("records")
    quiet = {row["rule"]: row for row in _of(score.rates, "controls", QUIET)}
    columns: list[tuple[str, Callable[[dict[Any, Any]], Cell]]] = [
        ("rule", lambda row: Cell(name_of(row["rule"]))),
        ("threshold", lambda row: Cell(_number(row["threshold"]))),
        ("detected", lambda row: Cell(percent(row["detected"]), between(row, "detected"))),
        ("before T10", lambda row: Cell(percent(row["before_t10"]), between(row, "before_t10"))),
        ("by chance", lambda row: Cell(percent(row["chance"]), _hard_chance(row))),
        ("lead, share of T50", lambda row: Cell(percent(row["lead_share"]), between(row, "lead_share"))),
        ("lead, windows", lambda row: Cell(f"{row['lead_windows']:.1f}")),
        ("lead less SHC, points", lambda row: _less_shc(row, "less_shc_lead", points, "earlier", "later")),
        ("alarms a transition", lambda row: Cell(f"{row['alarms']:.1f}")),
    ]
    if quiet:
        columns.extend(
            [
                ("quiet runs alarmed", lambda row: _alarmed(quiet.get(row["rule"]))),
                ("alarms per 1,000 rows", lambda row: Cell(f"{row['false_alarms_per_1000_rows']:,.2f}")),
            ]
        )
    if any(not math.isnan(row["area"]) for row in rows):
        columns.extend(
            [
                ("AUROC", lambda row: Cell(_area(row["area"]), _areas(row, "area"))),
                ("AUROC less SHC", lambda row: _less_shc(row, "less_shc", _less, "better", "worse")),
            ]
        )
    return Table([heading for heading, _ in columns], [[cell(row) for _, cell in columns] for row in rows])


def _less_shc(row: dict[Any, Any], name: str, shown: Callable[[float], str], more: str, less: str) -> Cell:
    """A difference to SHC, which has none to itself."""
    itself = row["rule"].split(" at ")[0] == SHC
    return Cell("–") if itself else _paired(row, name, shown, more, less)


def _paired(row: dict[Any, Any], name: str, shown: Callable[[float], str], more: str, less: str) -> Cell:
    """A difference, its interval, and in words whether that leaves 0 out."""
    value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
    if math.isnan(value):
        return Cell("–")
    mark = f" ▲ {more}" if low > 0 else f" ▼ {less}" if high < 0 else ""
    interval = f"{shown(low)} to {shown(high)}" if math.isfinite(low) else NO_INTERVAL
    return Cell(shown(value) + mark, interval)


def _hard_chance(row: dict[Any, Any]) -> str:
    return "" if math.isnan(row["chance_hard"]) else f"hard: {percent(row['chance_hard'])}"


def _alarmed(row: dict[Any, Any] | None) -> Cell:
    if row is None:
        return Cell("–")
    return Cell(f"{row['alarmed']} of {row['runs']}", f"{percent(row['rate'])} ({between(row, 'rate')})")


def _false_alarms(score: "ScoreTables") -> Table | None:
    """Rates of the rules on SHC and on total variance, controls below one another; None without controls."""
    if score.rates.empty:
        return None
    rules = score.rules.loc[score.rules["signal"].isin([SHC, TOTAL_VARIANCE]), "name"].tolist()
    found = {(row["controls"], row["rule"]): row for row in score.rates.to_dict("records")}
    controls = sorted(dict.fromkeys(score.rates["controls"]), key=_order)
    return Table(
        ["controls", *map(name_of, rules)],
        [
            [
                Cell("quiet, all settings" if name == QUIET else name_of(name)),
                *(_alarmed(found.get((name, rule))) for rule in rules),
            ]
            for name in controls
        ],
    )


def _realised(score: "ScoreTables") -> Table | None:
    """What each rule with a stated rate realised, controls below one another; None without controls."""
    if score.realised.empty:
        return None
    found = {(row["controls"], row["rule"]): row for row in score.realised.to_dict("records")}
    rules = list(dict.fromkeys(score.realised["rule"]))
    return Table(
        ["controls", *map(name_of, rules)],
        [
            [
                Cell("quiet, all settings" if name == QUIET else name_of(name)),
                *(_stretches(found[name, rule]) for rule in rules),
            ]
            for name in sorted(dict.fromkeys(score.realised["controls"]), key=_order)
        ],
    )


def _stretches(row: dict[Any, Any]) -> Cell:
    if not row["runs"]:
        return Cell("not judged")
    mark = " ▲ above" if row["above"] else ""
    return Cell(
        f"{row['alarmed']} of {row['stretches']}{mark}", f"{percent(row['rate'])} ({between(row, 'rate')})"
    )


def _above(score: "ScoreTables") -> list[str]:
    """Quiet cells whose interval lies above what a rule states, by name."""
    quiet = score.realised[(score.realised["kind"] == "quiet") & score.realised["above"]]
    return [
        f"{name_of(row['rule'])} in {name_of(row['controls'])}: {row['alarmed']} of {row['stretches']}."
        for row in quiet.to_dict("records")
    ]


def _paired_leads(score: "ScoreTables") -> Table | None:
    """Leads of the rule at 5 % less every other's, of what both detected; None where there are none."""
    rows = score.paired[score.paired["both"] + score.paired["only_rule"] + score.paired["only_other"] > 0]
    if rows.empty:
        return None
    return Table(
        ["setting", "beside", "both", "it alone", "the other alone", "neither", "earlier, later", "points"],
        [
            [
                Cell(name_of(row["setting"])),
                Cell(name_of(row["other"])),
                *(Cell(f"{row[name]}") for name in ("both", "only_rule", "only_other", "neither")),
                Cell(f"{row['earlier']}, {row['later']}"),
                _paired(row, "lead_difference", points, "earlier", "later"),
            ]
            for row in rows.to_dict("records")
        ],
    )


def _order(controls: str) -> int:
    return 0 if controls == QUIET else 1 if controls.endswith("(quiet)") else 2


def _movements(score: "ScoreTables") -> Table | None:
    """Alarms of odd seeds by movement; None where there are none."""
    alarms = score.alarms[score.alarms["held_out"]]
    if alarms.empty:
        return None
    rows: list[list[Cell]] = []
    for (setting, rule), cell in alarms.groupby(["setting", "rule"], sort=False):
        row = [Cell(name_of(setting)), Cell(name_of(rule))]
        for kind in _KINDS:
            here = cell[cell["kind"] == kind]
            fluctuation = int((here["movement"] == "fluctuation").sum())
            row += [Cell(str(len(here) - fluctuation)), Cell(str(fluctuation))]
        rows.append(row)
    headings = [f"{kind}: {movement}" for kind in _KINDS.values() for movement in ("drift", "fluctuation")]
    return Table(["setting", "rule", *headings], rows, 2)


def _separation(score: "ScoreTables", setting: str) -> Table | None:
    """What tells runs with the transition from controls near T50; None where nothing was asked."""
    if score.separation.empty:
        return None
    here = score.separation[
        (score.separation["setting"] == setting) & score.separation["place"].isin(_PLACES)
    ].sort_values(["control", "place"], kind="stable")
    if here.empty:
        return None
    return Table(
        [
            *("control", "share of the way", "runs, controls"),
            *("group's share of the mode: transition", "group's share of the mode: control"),
            *("AUROC of its share of the mode", "AUROC of its share of variance"),
            "AUROC of its share of squared change",
        ],
        [
            [
                Cell(name_of(row["control"])),
                Cell(f"{row['place']:.0%}"),
                Cell(f"{row['runs']}, {row['controls']}"),
                Cell(percent(row["share_mode_transition"])),
                Cell(percent(row["share_mode_control"])),
                *(Cell(_area(row[f"area_share_{name}"])) for name in ("mode", "variance", "change")),
            ]
            for row in here.to_dict("records")
        ],
    )


def _of(table: pd.DataFrame, column: str, value: str) -> Iterable[dict[Any, Any]]:
    return table[table[column] == value].to_dict("records")


def _number(value: float) -> str:
    return number(float(f"{value:.3g}"))


def _area(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "–"


def _areas(row: dict[Any, Any], name: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    if math.isnan(row[name]):
        return ""
    return f"{low:.2f}–{high:.2f}" if math.isfinite(low) else NO_INTERVAL


def _less(difference: float) -> str:
    if not math.isfinite(difference):
        return "–"
    return "0" if abs(difference) < 0.005 else f"{difference:+.2f}".replace("-", "−")
