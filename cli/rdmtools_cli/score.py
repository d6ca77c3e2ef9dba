"""`rdmtools score`: how early a corpus of runs with a known truth is warned of, and how often for nothing."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pandas as pd
import typer
from rich.text import Text

from rdmtools.results.folder import SCORE, SCORE_PAGE_FILE, refuse_place
from rdmtools.results.summary import plain_records
from rdmtools.results.words import is_missing, percent, shown
from rdmtools_cli import options
from rdmtools_cli.console import (
    OUT,
    Column,
    in_runs,
    one_line_errors,
    patient_progress,
    print_json,
    print_table,
    warnings_as_notes,
)
from rdmtools_cli.workers import Dask, Workers, staff

if TYPE_CHECKING:
    from rdmtools.scores import Score

_FOLDER = "score"


def score(
    corpus: Annotated[
        Path, typer.Argument(metavar="CORPUS", help="A folder of runs with a manifest.csv of their truths.")
    ],
    window: Annotated[
        int, typer.Option("--window", "-w", metavar="N", help="Window length in logged rows.")
    ] = options.WINDOWS[0],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Where the results go.", show_default="CORPUS/score"),
    ] = None,
    workers: Workers = 1,
    dask: Dask = None,
    as_json: options.Json = False,
) -> None:
    """Every rule against runs whose transitions are known: leads, misses, false alarms.

    One row per setting and rule, of runs of odd seeds; thresholds are fitted to quiet runs of even seeds. All
    tables and a page, score.html, go to CORPUS/score, or to --out DIR.
    """
    from rdmtools.scores import score as scored  # scipy.stats: a second that no other command needs

    place = corpus / _FOLDER if out is None else out
    with one_line_errors(as_json):
        refuse_place(place, SCORE)
        with (
            staff(workers, dask) as (executor, _),
            patient_progress(str(corpus)) as phase,
            warnings_as_notes(),
        ):
            found = scored(corpus, window=window, executor=executor, progress=phase("scoring", in_runs))
        _print(found, as_json)
        found.save(place)
    if not as_json:
        OUT.print(Text(f"page: {shown(place / SCORE_PAGE_FILE, 4096)}"), soft_wrap=True)


def _print(score: "Score", as_json: bool) -> None:
    if as_json:
        for record in plain_records(score.contest):
            print_json(record)
        return
    contest = score.contest
    if contest.empty:
        OUT.print(Text(f"{score!r}: no judged transition of an odd seed, so no rule has a lead"))
        return
    quiet = {row["rule"]: row for row in plain_records(score.rates) if row["controls"] == "quiet"}
    columns = [
        Column("setting", [shown(name, 24) for name in contest["setting"]], narrowest=8),
        Column("rule", [shown(name, 40) for name in contest["rule"]]),
        Column("detected", _shares(contest, "detected"), right=True),
        Column("before T10", _shares(contest, "before_t10"), right=True),
        Column("lead", _shares(contest, "lead_share"), right=True),
    ]
    if quiet:
        columns += [
            Column("quiet alarms", [_alarmed(quiet, rule) for rule in contest["rule"]], right=True),
            Column("AUROC", [_area(value) for value in contest["area"]], right=True),
        ]
    print_table(columns)
    runs, transitions = _held_out(score)
    OUT.print(Text(f"{transitions} transitions in {runs} runs of odd seeds; window {score.window}", "dim"))
    OUT.print(Text("lead: median, as a share of the way to T50; intervals (95%) are on the page", "dim"))
    if not quiet:
        OUT.print(Text("no quiet run of an odd seed: no false-alarm rate", "dim"))


def _held_out(score: "Score") -> tuple[int, int]:
    """Runs of odd seeds with judged transitions, and these transitions."""
    each = score.contest.drop_duplicates("setting")
    return int(each["runs"].sum()), int(each["transitions"].sum())


def _shares(contest: pd.DataFrame, name: str) -> list[str]:
    return [percent(value) for value in contest[name]]


def _alarmed(quiet: dict[str, dict[str, Any]], rule: str) -> str:
    return f"{quiet[rule]['alarmed']} of {quiet[rule]['runs']}" if rule in quiet else "–"


def _area(value: Any) -> str:
    return "–" if is_missing(value) else f"{value:.2f}"
