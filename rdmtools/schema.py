"""What is a run on disk: the names, types and versions that writers and readers share.

run.parquet              step, sample_id, loss
run.rdm/                 the companion folder
  samples.parquet        sample_id [, group, label, text, ...]
  scalars.parquet        step [, train_loss, test_acc, ...]
  draws.parquet          step, draw, sample_id, loss
  journal/               while a logger is open, or after a crash
  analysis/              what `rdmtools analyze` writes
"""

from pathlib import Path

FORMAT_VERSION = "1.0"

# Parquet key-value metadata: JSON of the table's version, name, unit and the user's metadata.
METADATA_KEY = b"rdmtools"

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
JOURNAL_FOLDER = "journal"
ANALYSIS_FOLDER = "analysis"

OBSERVABLES_FILE = "observables.parquet"
EVENTS_FILE = "events.parquet"
MODES_FILE = "modes.parquet"
GROUPS_FILE = "groups.parquet"
SPECTRA_FILE = "spectra.parquet"
SUMMARY_FILE = "summary.json"
REPORT_FILE = "report.html"
FIGURES_FOLDER = "figures"


def companion(path: Path) -> Path:
    """Companion folder of a run: ``run.parquet`` -> ``run.rdm``, ``parts/`` -> ``parts.rdm``."""
    stem = path.name.removesuffix(LOSSES_SUFFIX) if path.suffix == LOSSES_SUFFIX else path.name
    return path.with_name(stem + COMPANION_SUFFIX)
