"""`rdmtools info`: what is in a run, and what is wrong with it."""

from typing import Any

import pandas as pd

from rdmtools.read.faults import examined
from rdmtools.read.paths import named_paths
from rdmtools.read.stores import Location
from rdmtools.results.words import shown
from rdmtools.run.rules import Rules
from rdmtools.run.run import Run
from rdmtools_cli import console
from rdmtools_cli.in_flags import in_flags

_NOTHING = "–"


def info(runs: list[str], *, rules: Rules, as_json: bool) -> bool:
    """What is in a run, and what is wrong with it."""
    bad = False

    def work(name: str, path: Location) -> None:
        nonlocal bad
        with console.patient_progress(name) as phase:
            run, faults = examined(path, rules, name=name, progress=phase("opening"))
        bad = bad or bool(faults)
        for fault in faults if run is None or not as_json else ():
            console.print_error(fault, str(path), as_json)
        if run is not None and as_json:
            told = [in_flags(str(fault)) for fault in faults]
            console.print_json(_facts(run) | ({"error": told[0], "faults": told} if told else {}))
        elif run is not None:
            _print(_facts(run))

    return console.all_done(named_paths(runs), work, as_json) and not bad


def _facts(run: Run) -> dict[str, Any]:
    rows, samples = run.shape
    groups = run.samples.get("group", pd.Series(dtype=object)).value_counts(sort=False)
    return {
        "run": run.name,
        "source": None if run.source is None else str(run.source),
        "rows": rows,
        "samples": samples,
        "first_step": int(run.steps[0]),
        "last_step": int(run.steps[-1]),
        "spacing": str(run.spacing),
        "loss_type": str(run.dtype),
        "unit": run.unit,
        "groups": {str(name): int(count) for name, count in groups.items()},
        "sample_columns": [str(name) for name in run.samples.columns],
        "scalars": [str(name) for name in run.scalars.columns if name != "step"],
        "metadata": run.metadata,
        "quality": run.quality.to_dict(),
        "notes": run.quality.notes(),
        "checksums": run.quality.checksums(),
    }


def _print(facts: dict[str, Any]) -> None:
    rows = {
        "run": shown(facts["run"]),
        "file": facts["source"] or _NOTHING,
        "rows": f"{facts['rows']}, steps {facts['first_step']} to {facts['last_step']}, {facts['spacing']}",
        "samples": str(facts["samples"]),
        "groups": ", ".join(f"{shown(name)} ({count})" for name, count in facts["groups"].items()) or "none",
        "columns": ", ".join(map(shown, facts["sample_columns"])),
        "scalars": ", ".join(map(shown, facts["scalars"])) or "none",
        "losses": f"{facts['loss_type']}, {shown(facts['unit']) or 'unit unknown'}",
        "metadata": ", ".join(f"{shown(key)}={shown(value)}" for key, value in facts["metadata"].items())
        or "none",
        "quality": "\n".join(map(in_flags, facts["notes"]))
        or "clean: nothing dropped, replaced or taken on trust",
    }
    if facts["checksums"]:
        rows["checksums"] = facts["checksums"]
    label = max(map(len, rows)) + 1
    for name, value in rows.items():
        if name == "file":
            console.print_path(value, f"{name:<{label}}")
        else:
            console.print_line((f"{name:<{label}}", "dim"), value, hanging=label)
