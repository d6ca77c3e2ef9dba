"""What did an analysis find, as plain values? summary.json, and what `--json` prints."""

# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from dataclasses import asdict
from typing import Any

import pandas as pd

from rdmtools import __version__
from rdmtools.analysis.events import records
from rdmtools.analysis.findings import Brief, Findings
from rdmtools.analysis.observables import OBSERVABLES, leading_first
from rdmtools.format.names import FORMAT_VERSION, STEP
from rdmtools.results.answers import answers
from rdmtools.results.control_words import control_facts
from rdmtools.results.folder import ANALYSIS
from rdmtools.results.plain import plain
from rdmtools.results.verdict import largest_rise, verdict


def summarise(findings: Findings) -> dict[str, Any]:
    """Plain, JSON-able values; what is missing or not finite is None.

    Notes
    -----
    Keys, in order:

    - `contents`: "rdmtools analysis"; `rdmtools`: version that wrote it; `format`: version of the files.
    - `run`: `name`, `source` (path or None), `rows`, `samples`, `first_step`, `last_step`, `spacing` (steps:
      `median`, `smallest`, `largest`), `unit` of the losses, `metadata` (the user's own).
    - `settings`: the fields of `AnalysisSettings`; `windows` is a list.
    - `quality`: the counts of `run.quality`, all 0 and false for a clean run but for `unchecked`, the files
      without checksums; `notes`: the same as sentences.
    - `verdict`: plain words, one finding a line; `answers`: those of its lines that need no event.
    - `early_fall`: `share` of the fall of the probe's mean that was over at `step`, where the first window of
      `window` rows was full.
    - `events`, `alarms`, `judged`, `reference`: lists of rows of the tables of those names.
    - `control`: None without one; else its name as `run`, and for each window length in `windows` its
      `largest_score`, null where nothing is judged, and `alarm_steps`.
    - `peaks`: for each window length `window`, `step` of its largest SHC, and there `shc`, `total_variance`,
      `pr` and `drift_share`; `largest_rise_decades` of log10(shc) above its running minimum anywhere.
      All of the windows kept in observables.parquet.
    - `gaussian`: None without draws of the weights; else `steps` (how many have draws), `first_step`, and at
      that step `shc`, `pr` and `total_variance` of the Gaussian 2RDM.
    - `first_mean_loss`, `last_mean_loss`: of the first and last window of the first window length, in loss.
    - `fingerprint`, in a folder that ``rdmtools analyze`` left: a name for all that the analysis depends on.
    """
    return plain(
        {
            **_about(findings),
            "verdict": verdict(findings),
            "answers": answers(findings),
            "early_fall": asdict(findings.early_fall),
            **_warned(findings),
            "reference": plain_records(findings.reference),
            "control": control_facts(findings),
            "peaks": _peaks(findings),
            "gaussian": _gaussian(findings.gaussian),
            **_mean_losses(findings),
        }
    )


def summarise_brief(brief: Brief) -> dict[str, Any]:
    """The same of what runs are compared by, and no words."""
    facts = {**_about(brief), "verdict": "", "answers": [], **_warned(brief)}
    return plain({**facts, "peaks": _peaks(brief), **_mean_losses(brief)})


def _about(found: Findings | Brief) -> dict[str, Any]:
    run = found.run
    rows, samples = run.shape
    spacing = run.spacing
    return {
        "contents": ANALYSIS.mark,
        "rdmtools": __version__,
        "format": FORMAT_VERSION,
        "run": {
            "name": run.name,
            "source": None if run.source is None else str(run.source),
            "rows": rows,
            "samples": samples,
            "first_step": run.steps[0],
            "last_step": run.steps[-1],
            "spacing": {
                "median": spacing.median,
                "smallest": spacing.smallest,
                "largest": spacing.largest,
            },
            "unit": run.unit,
            "metadata": run.metadata,
        },
        "settings": found.settings.to_dict(),
        "quality": run.quality.to_dict(),
        "notes": run.quality.notes(),
    }


def _warned(found: Findings | Brief) -> dict[str, Any]:
    return {name: plain_records(getattr(found, name)) for name in ("events", "alarms", "judged")}


def _mean_losses(found: Findings | Brief) -> dict[str, Any]:
    table = found.observables
    mean_loss = table.loc[table["window"] == found.settings.windows[0], "mean_loss"]
    return {"first_mean_loss": mean_loss.iloc[0], "last_mean_loss": mean_loss.iloc[-1]}


def _peaks(found: Findings | Brief) -> list[dict[str, Any]]:
    return [_peak(found.observables, window) for window in found.settings.windows]


def _peak(table: pd.DataFrame, window: int) -> dict[str, Any]:
    table = table[table["window"] == window]
    peak = table.iloc[int(table["shc"].argmax())]
    return {
        "window": window,
        "step": int(peak["step"]),
        **{row.name: peak[row.name] for row in leading_first() if row.at_peak},
        "largest_rise_decades": largest_rise(table["shc"].to_numpy()),
    }


def _gaussian(table: pd.DataFrame) -> dict[str, Any] | None:
    if not len(table):
        return None
    first = table.iloc[0]
    values = {row.name: first[row.name] for row in OBSERVABLES.values() if row.at_peak and row.of_draws}
    return {"steps": len(table), "first_step": int(first[STEP]), **values}


def plain_records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table as plain dicts; null, NaN and inf are None."""
    return [plain(record) for record in records(frame)]
