"""What does an analysis leave on disk, and what is read back of it? Tables and a summary.

observables.parquet  events.parquet  modes.parquet  groups.parquet  spectra.parquet
gaussian.parquet     shc_map.parquet summary.json     cards.json
report.html          figures/overview.png, .svg, .pdf, event_1.png, ...   where they were asked for
"""

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from rdmtools.analysis.findings import Brief, Findings
from rdmtools.errors import FormatError, ParameterError, one_line, reading
from rdmtools.format.names import FIGURES_FOLDER, FINGERPRINT, REPORT_FILE, SUMMARY_FILE
from rdmtools.results.checked import checked_summary, checked_table
from rdmtools.results.fingerprint import sealed
from rdmtools.results.first_words import write_first_words
from rdmtools.results.folder import ANALYSIS, new_place, remove_ours, table_file, write_json, write_tables
from rdmtools.results.summary import summarise, summarise_brief

_COMPARED = ("events", "observables", "leads")


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What is compared of one run, whether it was analysed now or earlier."""

    summary: dict[str, Any]
    events: pd.DataFrame
    observables: pd.DataFrame
    leads: pd.DataFrame


def compared(found: Findings | Brief) -> Compared:
    """What is compared of an analysis, or what was found for that alone."""
    return Compared(
        summary=summarise_brief(found) if isinstance(found, Brief) else summarise(found),
        events=found.events,
        observables=found.observables,
        leads=found.leads,
    )


def write_results(findings: Findings, place: Path, fingerprint: str | None = None) -> None:
    """Write every table, the cards and the summary into the folder `place`, which is new.

    `fingerprint` is a name for all that the analysis depends on, kept in the summary.
    """
    write_tables(place, {name: getattr(findings, name) for name in ANALYSIS.tables})
    write_first_words(findings, place)
    write_json(place / SUMMARY_FILE, _named(summarise(findings), fingerprint))


def _named(summary: dict[str, Any], fingerprint: str | None) -> dict[str, Any]:
    return summary if fingerprint is None else summary | {FINGERPRINT: sealed(summary, fingerprint)}


def is_whole(folder: Path, *, report: bool, figures: Iterable[str] = ()) -> bool:
    """Whether every file is there that `Analysis.save` leaves, but for figures of events."""
    files = [*map(table_file, ANALYSIS.tables), *ANALYSIS.words, SUMMARY_FILE]
    if report:
        files.append(REPORT_FILE)
    files += [f"{FIGURES_FOLDER}/overview.{kind}" for kind in figures]
    return all((folder / file).is_file() for file in files)


def saved(folder: Path) -> Compared:
    """What is compared of what `Analysis.save`, or a cache, left. Raises FormatError."""
    with reading_saved(folder):
        summary = checked_summary(folder)
        return Compared(
            summary=summary,
            events=checked_table(folder, "events", summary),
            observables=checked_table(folder, "observables", summary),
            leads=checked_table(folder, "leads", summary),
        )


@contextmanager
def reading_saved(folder: Path) -> Generator[None]:
    """Whatever is wrong in here is wrong with the saved analysis in `folder`: a FormatError of one line."""

    def explain(error: Exception) -> FormatError:
        if isinstance(error, OSError):
            why = f"{Path(str(error.filename)).name}: {error.strerror}" if error.filename else one_line(error)
        else:
            why = one_line(error)
        return FormatError(
            f"{folder} is not a whole saved analysis ({why}); needed what Analysis.save leaves; "
            "analyse the run again"
        )

    with reading(folder, explain=explain):
        yield


def keep(found: Compared, cache: Path, key: str) -> None:
    """Put what is compared into its place in the cache, as a whole. Raises ParameterError."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        place = new_place(cache / key)
        place.mkdir()
        try:
            write_tables(place, {name: getattr(found, name) for name in _COMPARED})
            write_json(place / SUMMARY_FILE, _named(found.summary, key), indent=None)
            remove_ours(cache / key, ANALYSIS)  # half of one, or it would have been used
            try:
                place.rename(cache / key)
            except OSError:
                if not (cache / key).is_dir():  # else another made it meanwhile
                    raise
        finally:
            remove_ours(place, ANALYSIS)
    except OSError as error:
        raise ParameterError(
            f"cache {cache} cannot be written ({error.strerror}); needed a folder that can; "
            "make room, or choose another"
        ) from error


def still_holding(places: Iterable[Path], key: str) -> Compared | None:
    """The first of the saved analyses in `places` that is whole and bears that fingerprint; None without."""
    for place in places:
        try:
            found = saved(place)
        except FormatError:  # half of one, or none
            continue
        if found.summary.get(FINGERPRINT) == sealed(found.summary, key):
            return found
    return None


def run_row(name: str, found: Compared) -> dict[str, Any]:
    """Size, settings, events, the peak of SHC and what stands beside it (first window length); metadata."""
    summary = found.summary
    run, settings, peak = summary["run"], summary["settings"], summary["peaks"][0]
    judged: dict[str, Any] = summary["judged"][0]
    events = [event for event in summary["events"] if event["window"] == peak["window"]]
    row = {
        "run": name,
        "rows": run["rows"],
        "samples": run["samples"],
        "first_step": run["first_step"],
        "last_step": run["last_step"],
        "window": peak["window"],
        "detrend": settings["detrend"],
        "rule": settings["rule"],
        "threshold": judged.get("threshold"),
        "judgement": judged.get("status"),
        "largest_score": judged.get("largest_score"),
        "events": len(events),
        "first_alarm_step": min((event["alarm_step"] for event in events), default=None),
        "largest_rise_decades": peak["largest_rise_decades"],
        "largest_shc_step": peak["step"],
        "largest_shc": peak["shc"],
        "total_variance_at_largest_shc": peak["total_variance"],
        "pr_at_largest_shc": peak["pr"],
        "first_mean_loss": summary["first_mean_loss"],
        "last_mean_loss": summary["last_mean_loss"],
    }
    return {**row, **metadata_columns(found, taken=list(row))}


def metadata_columns(found: Compared, taken: list[str]) -> dict[str, Any]:
    """The run's own metadata; a key that is taken becomes ``metadata_<key>``."""
    metadata = found.summary["run"]["metadata"]
    columns: dict[str, Any] = {}
    for key, value in metadata.items():
        name = key
        while name in taken or name in columns or (name != key and name in metadata):
            name = f"metadata_{name}"
        columns[name] = value
    return columns
