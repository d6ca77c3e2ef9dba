"""What does an analysis leave on disk, and what is read back of it? Tables and a summary.

observables.parquet  events.parquet  modes.parquet  groups.parquet  spectra.parquet
gaussian.parquet     shc_map.parquet summary.json     cards.json
report.html          figures/overview.png, .svg, .pdf, event_1.png, ...   where they were asked for
"""

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from rdmtools.analysis.findings import Brief, Findings
from rdmtools.errors import FormatError, ParameterError, one_line, reading
from rdmtools.format.names import (
    COMPARED_FOLDER,
    FIGURES_FOLDER,
    FINGERPRINT,
    REPORT_FILE,
    SUMMARY_FILE,
)
from rdmtools.format.ours import is_analysis
from rdmtools.read.paths import companion_of
from rdmtools.read.stores import Location
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
    table: Callable[[str], pd.DataFrame]
    """"events", "observables" or "leads"; read and checked when asked for, where it lies in a folder."""
    kept: bool = False
    """Whether it was found earlier, and still holds."""


def compared(found: Findings | Brief) -> Compared:
    """What is compared of an analysis, or what was found for that alone."""
    return Compared(
        summary=summarise_brief(found) if isinstance(found, Brief) else summarise(found),
        table={name: getattr(found, name) for name in _COMPARED}.__getitem__,
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


def saved(folder: Path, *, whole: bool = True) -> Compared:
    """What is compared of what `Analysis.save`, or a cache, left. Raises FormatError.

    Tables are read at once, or, where not the `whole` of it is wanted, once they are asked for.
    """
    with reading_saved(folder):
        summary = checked_summary(folder)
        if not whole:
            return Compared(summary=summary, table=partial(_saved_table, folder, summary))
        read = {name: checked_table(folder, name, summary) for name in _COMPARED}
    return Compared(summary=summary, table=read.__getitem__)


def _saved_table(folder: Path, summary: dict[str, Any], name: str) -> pd.DataFrame:
    with reading_saved(folder):
        return checked_table(folder, name, summary)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """Where is kept what is found for a comparison, and are earlier findings used?"""

    cache: Path | None = None
    """A folder with a place for each run and settings."""
    beside: bool = False
    """Without that, beside each run on this machine: the last one of it."""
    fresh: bool = False
    """Whether all is found again, whatever is kept."""
    whole: bool = True
    """Whether tables are wanted, and not the summary alone."""

    def place(self, path: Location, key: str) -> Path | None:
        """That of a run, by its fingerprint; None where nothing is kept."""
        if self.cache is not None:
            return self.cache / key
        folder = companion_of(path)
        return folder / COMPARED_FOLDER if self.beside and isinstance(folder, Path) else None

    def put(self, found: Compared, place: Path, key: str) -> None:
        """Put what is compared into its place, as a whole.

        Raises ParameterError where the cache cannot be written; beside a run nothing is kept then.
        """
        try:
            _put(found, place, key)
        except OSError as error:
            if self.cache is not None:
                raise ParameterError(
                    f"cache {self.cache} cannot be written ({error.strerror}); needed a folder that can; "
                    "make room, or choose another"
                ) from error


def _put(found: Compared, target: Path, key: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    place = new_place(target)
    place.mkdir()
    try:
        write_tables(place, {name: found.table(name) for name in _COMPARED})
        write_json(place / SUMMARY_FILE, _named(found.summary, key), indent=None)
        if is_analysis(target):
            remove_ours(target, ANALYSIS)  # half of one, or of other settings
        try:
            place.rename(target)
        except OSError:
            if not target.is_dir():  # else another made it meanwhile
                raise
    finally:
        remove_ours(place, ANALYSIS)


def still_holding(places: Iterable[Path], key: str, *, whole: bool = True) -> Compared | None:
    """The first of the saved analyses in `places` that is whole and bears that fingerprint; None without."""
    for place in places:
        try:
            found = saved(place, whole=whole)
        except FormatError:  # half of one, or none
            continue
        if found.summary.get(FINGERPRINT) == sealed(found.summary, key):
            return replace(found, kept=True)
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
