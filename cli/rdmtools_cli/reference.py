"""`rdmtools reference`: runs in which nothing happened -> a small file, to rank later runs among them."""

from math import isnan
from pathlib import Path

from rdmtools.analysis.settings import AnalysisSettings
from rdmtools.references import reference_runs
from rdmtools.results.reference_file import Reference, refuse_place
from rdmtools.run.quality import counted
from rdmtools.run.rules import Rules
from rdmtools_cli import console
from rdmtools_cli.workers import Sharing, staff


def reference(
    runs: list[str], *, out: Path, settings: AnalysisSettings, rules: Rules, sharing: Sharing, as_json: bool
) -> None:
    """Keep the largest scores of runs in which nothing happened, for `rdmtools analyze --reference FILE`."""
    refuse_place(out)
    with staff(sharing) as (executor, *_), console.patient_progress("reference runs") as phase:
        told = phase("reading", console.in_runs)
        found = reference_runs(runs, settings, rules, executor=executor, progress=told)
    made = Reference(windows=settings.windows, runs=tuple(found))
    made.save(out)
    short = sum(isnan(score) for run in made.runs for score in run.scores.values())
    if as_json:
        console.print_json({"file": str(out), "runs": len(made.runs), "unjudged": short})
        return
    for window in made.windows:
        scores = [run.scores[window] for run in made.runs if not isnan(run.scores[window])]
        largest = f", largest score {min(scores):.2f} to {max(scores):.2f}" if scores else ""
        left = len(made.runs) - len(scores)
        told_short = f"; {left} too short to judge, which do not count" if left else ""
        console.print_text(f"window {window}: {counted(len(scores), 'run')}{largest}{told_short}")
    console.print_path(out, "reference: ")
