"""The options that several commands share; their defaults are the library's own."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rdmtools.analysis.settings import AnalysisSettings
from rdmtools.run.rules import Rules

DEFAULTS = AnalysisSettings()


class Detrend(StrEnum):
    constant = "constant"
    linear = "linear"


WINDOWS = list(DEFAULTS.windows)
DETREND = Detrend(DEFAULTS.detrend)


class Precision(StrEnum):
    double = "double"
    single = "single"


PRECISION = Precision(DEFAULTS.precision)


class Drop(StrEnum):
    error = "error"
    drop_samples = "drop-samples"
    drop_steps = "drop-steps"


class Duplicates(StrEnum):
    last = "last"
    error = "error"


def _columns(text: str) -> dict[str, str]:
    """``step=global_step,loss=nll`` -> {"step": "global_step", "loss": "nll"}."""
    pairs = [part.partition("=") for part in text.split(",")]
    for ours, equals, theirs in pairs:
        if not (ours and equals and theirs):
            raise typer.BadParameter(f"{text!r} is not NAME=COLUMN[,NAME=COLUMN], such as loss=nll")
    return {ours.strip(): theirs.strip() for ours, _, theirs in pairs}


Paths = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN...",
        help="run.parquet, run.csv and so on, a directory of parts, or a quoted glob; also s3://bucket/run.parquet.",
    ),
]
Columns = Annotated[
    str | None,
    typer.Option(metavar="NAME=COLUMN,…", help="Foreign column names: step=global_step,loss=nll."),
]
GroupBy = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Group samples by this column, constant per sample.")
]
Missing = Annotated[Drop, typer.Option(help="A sample absent at some steps.")]
Nonfinite = Annotated[Drop, typer.Option(help="NaN or infinite losses.")]
OnDuplicates = Annotated[Duplicates, typer.Option(help="One step and sample twice, with different losses.")]
Windows = Annotated[
    list[int], typer.Option("--window", "-w", help="Window length in logged rows; may be given again.")
]
Stride = Annotated[int, typer.Option(help="Keep every so-many-th window in the observables table.")]
Detrending = Annotated[Detrend, typer.Option(help="What is removed from each sample over a window.")]
Spectrum = Annotated[bool, typer.Option("--spectrum", help="Also the eigenvalues of every window.")]
Decades = Annotated[float, typer.Option(help="Alarm at this rise of log10(SHC); not calibrated.")]
ModeCount = Annotated[int, typer.Option("--modes", help="Leading modes kept for each event.")]
Precisions = Annotated[
    Precision, typer.Option("--precision", help="Of products: single is faster, with errors of about 1e-6.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line on stdout, errors too.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Where the results go.")]


def reading(
    columns: str | None, group_by: str | None, missing: Drop, nonfinite: Drop, duplicates: Duplicates
) -> Rules:
    """How runs are read. Raises ParameterError where a column is mapped that there is not."""
    return Rules(
        columns=_columns(columns) if columns is not None else None,
        group_by=group_by,
        missing=missing.value,
        nonfinite=nonfinite.value,
        duplicates=duplicates.value,
    )
