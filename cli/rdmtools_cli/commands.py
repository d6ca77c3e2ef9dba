"""Which commands are there, and which flags does each take? What a command does is in the module of its name.

    analyze(..., out=DIR) here  ->  rdmtools_cli.analyze.analyze(..., out=DIR)

which is loaded once it is called: this page, and so `--help`, `--version` and completion, stand on the light
parts of rdmtools alone. A parameter that is a dataclass stands for a flag for each of its fields.
"""

from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rdmtools.analysis.settings import AnalysisSettings
from rdmtools.run.rules import Rules
from rdmtools_cli import options
from rdmtools_cli.workers import Sharing

DIRECTIONS = ("falling", "rising", "mixed")
_SETTINGS = {each.name: each for each in fields(AnalysisSettings)}


class Layout(StrEnum):
    """`LAYOUTS`, as typer asks for a choice."""

    long = "long"
    wide = "wide"
    lists = "lists"
    samples = "samples"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is watched for."""

    windows: tuple[int, ...] = field(default=(20,), metadata=_SETTINGS["windows"].metadata)
    false_alarms: float = field(
        default=AnalysisSettings().false_alarms, metadata=_SETTINGS["false_alarms"].metadata
    )
    horizon: float | None = field(
        default=None,
        metadata={
            "help": "Windows within which that share may alarm, 20 to 80; by default 80, for nobody knows "
            "the run's length.",
            "metavar": "WINDOWS",
        },
    )
    direction: str | None = field(
        default=None,
        metadata={"help": "Only events in which losses go that way.", "choices": DIRECTIONS},
    )


def analyze(
    runs: options.Paths,
    *,
    settings: AnalysisSettings,
    out: options.Out = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RUN",
            help="Runs in which nothing happened, among which this one is ranked: a run, a quoted glob, or "
            "what `rdmtools reference` saved; may be given again.",
        ),
    ] = None,
    control: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="A run made as this one but for what is thought to cause its change: drawn in grey.",
        ),
    ] = None,
    report: Annotated[
        bool, typer.Option("--report/--no-report", help="Write report.html, a page to look at.")
    ] = True,
    figures: Annotated[
        str,
        typer.Option(
            metavar="png,svg,pdf",
            help="Write figures for papers, too, in these formats: the overview and the first events.",
            show_default=False,
        ),
    ] = "",
    open_page: Annotated[
        bool, typer.Option("--open", help="Show the page in the browser; of several runs that of the first.")
    ] = False,
    rules: Rules,
    sharing: Sharing,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Analyse again what has not changed since it was analysed.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """When did the network reorganise, how early did it show, and which samples moved?

    Results go to RUN.rdm/analysis/, or to --out DIR (DIR/NAME for several runs); those of a run that has not
    changed since are left as they are. Runs in a store need --out. The exit code is 3 where all went well
    and a run is too short to judge.
    """


def info(runs: options.Paths, *, rules: Rules, as_json: options.Json = False) -> None:
    """What is in a run, and what is wrong with it.

    Of a bad one all faults are told, and what is in it but for those.
    """


def compare(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="Runs, or folders of saved analyses, as they are.")
    ],
    *,
    settings: Annotated[AnalysisSettings, options.Without({"stride", "spectrum", "modes"})],
    out: options.Out = None,
    rules: Rules,
    sharing: Sharing,
    open_page: Annotated[
        bool, typer.Option("--open", help="Show the page, which --out makes, in the browser.")
    ] = False,
    cache: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep what is found here, rather than beside each run."),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Look again at runs that have not changed since.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """One row a run: its events, its largest rise, SHC and total variance at its peak, its metadata.

    With --out DIR also as tables (runs.parquet, events.parquet) and one page. Saved analyses keep
    the settings they were made with; what this command or `rdmtools analyze` left beside a run is used where
    it still holds.
    """


def convert(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A .csv, .csv.gz, .tsv, .tsv.gz, .jsonl, .jsonl.gz, .ndjson, .ndjson.gz, .npy, .npz, "
            ".arrow, .feather, .zarr or .parquet file, a TensorBoard log, a folder of step=0, step=10 and "
            "so on, or one of training dynamics from dataset cartography.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="RUN", help="The run to write; by default beside SOURCE."),
    ] = None,
    layout: Annotated[
        Layout | None,
        typer.Option(help="A row a step and sample, a row a step, lists, or a row a sample; else guessed."),
    ] = None,
    *,
    rules: Annotated[Rules, options.Without({"group_by"})],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a run that is there.")] = False,
    as_json: options.Json = False,
) -> None:
    """Turn per-sample losses in some other form into run.parquet.

    What was guessed, left out or dropped is told on stderr, with --json in the object.
    """


def recover(runs: options.Paths, as_json: options.Json = False) -> None:
    """Turn the journal that a crash or a large run left into run.parquet.

    What is in a journal reads as it is; this makes one file of it, and removes the journal.
    """


def reference(
    runs: options.Paths,
    *,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The file, which ends in .json.")],
    settings: Annotated[AnalysisSettings, options.Without(set(_SETTINGS) - {"windows", "precision"})],
    rules: Annotated[Rules, options.Without({"group_by"})],
    sharing: Sharing,
    as_json: options.Json = False,
) -> None:
    """Keep the largest scores of runs in which nothing happened, for `rdmtools analyze --reference FILE`.

    Runs may also be files that this command saved, which it then puts together.
    """


def score(
    corpus: Annotated[
        Path, typer.Argument(metavar="CORPUS", help="A folder of runs with a manifest.csv of their truths.")
    ],
    window: Annotated[
        int, typer.Option("--window", "-w", metavar="N", help="Window length in logged rows.")
    ] = AnalysisSettings().windows[0],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Where the results go.", show_default="CORPUS/score"),
    ] = None,
    *,
    sharing: Sharing,
    as_json: options.Json = False,
) -> None:
    """Every rule against runs whose transitions are known: leads, misses, false alarms.

    One row per setting and rule, of runs of odd seeds; thresholds are fitted to quiet runs of even seeds. All
    tables and a page, score.html, go to CORPUS/score, or to --out DIR.
    """


def watch(
    runs: options.Paths,
    *,
    asked: Asked,
    group: Annotated[
        str | None, typer.Option("--group", metavar="NAME", help="Only events of this group of samples.")
    ] = None,
    run_command: Annotated[
        str | None,
        typer.Option(
            "--exec", metavar="CMD", help="Run CMD for each event, which it gets as JSON on its input."
        ),
    ] = None,
    address: Annotated[
        str | None, typer.Option("--webhook", metavar="URL", help="Post each event there as JSON.")
    ] = None,
    refresh: Annotated[float, typer.Option("--refresh", metavar="SECONDS", help="How often to look.")] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Look at what is there, and end.")] = False,
    until_end: Annotated[
        bool, typer.Option("--until-end", help="End once the loggers of all runs are closed.")
    ] = False,
    rules: Annotated[Rules, options.Without({"missing", "nonfinite"})],
    as_json: options.Json = False,
) -> None:
    """Warn while it trains: follow runs that are being logged, and tell each event once.

    What was told and done is kept in RUN.rdm/watch, so that nothing is done twice whatever is restarted. The
    events are those of `rdmtools analyze` with the same --window, --false-alarms and --horizon. Ends with
    Ctrl-C.
    """


COMMANDS = (analyze, info, compare, convert, recover, reference, score, watch)
