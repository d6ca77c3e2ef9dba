"""`rdmtools score`: how early a corpus of runs with a known truth is warned of, and how often for nothing."""

from pathlib import Path
from typing import TYPE_CHECKING

from rdmtools.evaluation.rated import SELF_NORMALISED
from rdmtools.results.folder import SCORE, SCORE_PAGE_FILE, free_place, settled
from rdmtools.results.summary import plain_records
from rdmtools.results.words import is_missing, percent, shown
from rdmtools.run.quality import counted
from rdmtools_cli import console
from rdmtools_cli.workers import Sharing, staff

if TYPE_CHECKING:
    from rdmtools.scores import Score


def score(corpus: Path, window: int, out: Path | None, *, sharing: Sharing, as_json: bool) -> None:
    """Every rule against runs whose transitions are known: leads, misses, false alarms."""
    from rdmtools.scores import score as scored  # scipy.stats: a second that no other command needs

    place = settled(corpus / "score" if out is None else out)
    free_place(place, SCORE)
    with staff(sharing) as (executor, *_), console.patient_progress(str(corpus)) as phase:
        scores = scored(corpus, window=window, executor=executor, progress=phase("scoring", console.in_runs))
    _print(scores, as_json)
    scores.save(place)
    if not as_json:
        console.print_path(place / SCORE_PAGE_FILE, "page: ")


def _print(score: "Score", as_json: bool) -> None:
    if as_json:
        for record in plain_records(score.contest):
            console.print_json(record)
        return
    contest = score.contest
    if contest.empty:
        console.print_text(f"{score!r}: no judged transition of an odd seed, so no rule has a lead")
        return
    quiet = {row["rule"]: row for row in plain_records(score.rates) if row["controls"] == "quiet"}

    def shares(heading: str, name: str) -> console.Column:
        return console.Column(heading, [percent(value) for value in contest[name]], right=True)

    def alarmed(rule: str) -> str:
        return f"{quiet[rule]['alarmed']} of {quiet[rule]['runs']}" if rule in quiet else "–"

    columns = [
        console.Column("setting", [shown(name, 24) for name in contest["setting"]], narrowest=8),
        console.Column("rule", [shown(name, 40) for name in contest["rule"]]),
        shares("detected", "detected"),
        shares("before T10", "before_t10"),
        shares("lead", "lead_share"),
    ]
    if quiet:
        areas = ["–" if is_missing(value) else f"{value:.2f}" for value in contest["area"]]
        columns += [
            console.Column("quiet alarms", [*map(alarmed, contest["rule"])], right=True),
            console.Column("AUROC", areas, right=True),
        ]
    console.print_table(columns)
    runs, transitions = map(int, contest.drop_duplicates("setting")[["runs", "transitions"]].sum())
    found = f"{counted(transitions, 'transition')} in {counted(runs, 'run')} of odd seeds"
    console.print_text(f"{found}; window {score.window}", "dim")
    console.print_text("lead: median, as a share of the way to T50; intervals (95%) are on the page", "dim")
    if not quiet:
        console.print_text("no quiet run of an odd seed: no false-alarm rate", "dim")
    for row in plain_records(score.realised[score.realised["rule"].str.startswith(SELF_NORMALISED)]):
        if row["controls"] == "quiet" and row["runs"]:
            what = "quiet runs" if row["stretches"] == row["runs"] else "quiet stretches of 80 windows"
            console.print_text(
                f"{row['rule']}: {row['alarmed']} of {row['stretches']} {what} alarmed, of all seeds,"
                f" {percent(row['rate'])} ({percent(row['rate_low'])} to {percent(row['rate_high'])})",
                "dim",
            )
        elif row["kind"] == "quiet" and row["above"]:
            console.print_text(f"{row['rule']}: above what is stated in {shown(row['controls'], 80)}")
