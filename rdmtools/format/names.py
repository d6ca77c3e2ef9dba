"""What is a run on disk: the names, types and versions that writers and readers share.

run.parquet              step, sample_id, loss
run.rdm/                 the companion folder
  samples.parquet        sample_id [, group, label, text, ...]
  scalars.parquet        step [, train_loss, test_acc, ...]
  draws.parquet          step, draw, sample_id, loss
  journal/               while a logger is open, or after a crash
  analysis/              what `rdmtools analyze` writes
  watch/                 what `rdmtools watch` told
"""

from typing import Protocol, Self, TypeVar

FORMAT_VERSION = "1.0"

# Parquet key-value metadata: JSON of the table's version, name, unit and the user's metadata.
METADATA_KEY = b"rdmtools"
# In it, the attempts that a merge put into the table: such a one in a journal is here already.
MERGED = "merged"
# And how many ranks logged it, where that is more than one.
RANKS = "ranks"

STEP = "step"
SAMPLE_ID = "sample_id"
LOSS = "loss"
ATTEMPT = "attempt"
DRAW = "draw"
GROUP = "group"
LOSS_COLUMNS = (STEP, SAMPLE_ID, LOSS)

LOSSES_SUFFIX = ".parquet"
COMPANION_SUFFIX = ".rdm"
SAMPLES_FILE = "samples.parquet"
SCALARS_FILE = "scalars.parquet"
DRAWS_FILE = "draws.parquet"
REFERENCE_SUFFIX = ".json"  # of saved reference runs
JOURNAL_FOLDER = "journal"
ANALYSIS_FOLDER = "analysis"
WATCH_FOLDER = "watch"
COMPARED_FOLDER = "compared"

SUMMARY_FILE = "summary.json"
# What its `contents` say of an analysis of ours; and the tables that such a one holds.
ANALYSIS_MARK = "rdmtools analysis"
ANALYSIS_TABLES = (
    *(
        "observables",
        "events",
        "alarms",
        "baselines",
        "judged",
        "marks",
        "reference",
        "control",
        "modes",
        "groups",
        "lift",
        "explained",
        "spectra",
    ),
    *("gaussian", "gaussian_modes", "gaussian_groups", "shc_map", "leads"),
    *("ledger", "samples", "arrivals", "order"),
    *("factors", "factor_samples", "factor_courses", "mode_tracks"),
)
# In a summary: the name of all that the analysis depends on.
FINGERPRINT = "fingerprint"
REPORT_FILE = "report.html"
CARDS_FILE = "cards.json"
FIGURES_FOLDER = "figures"
FIGURE_FORMATS = ("png", "svg", "pdf")


class Named(Protocol):
    """A `Path`, or what is like one elsewhere."""

    @property
    def name(self) -> str: ...

    def with_name(self, name: str, /) -> Self: ...


Place = TypeVar("Place", bound=Named)


def companion(path: Place) -> Place:
    """Companion folder of a run of ours: ``run.parquet`` -> ``run.rdm``, ``parts/`` -> ``parts.rdm``."""
    stem = path.name.removesuffix(LOSSES_SUFFIX) or path.name
    return path.with_name(stem + COMPANION_SUFFIX)
