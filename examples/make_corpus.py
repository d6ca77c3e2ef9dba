"""Trains a corpus: every setting and control, many seeds, in parallel processes; to be scored.

    python examples/make_corpus.py corpus                       # all of it; --settings and --seeds take less
    rdmtools score corpus

Each run is trained in `corpus/unfinished/` and moved to its place when it is whole, so that an interrupted
corpus goes on where it stopped. `corpus/manifest.csv` says of each run that is there what is known of it: its
setting, its control, and the scalars that tell when its transition was.
"""

import argparse
import importlib
import importlib.util
import multiprocessing
import os
import shutil
import signal
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from rdmtools.evaluation import Entry, Truth, write_manifest


@dataclass(frozen=True, kw_only=True)
class Setting:
    truths: tuple[Truth, ...]
    quiet: tuple[str, ...]
    """Controls in which nothing happens."""
    hard: tuple[str, ...]
    """Controls in which something milder does."""
    options: dict[str, int] = field(default_factory=dict)
    """Where runs of the corpus differ from the script's own defaults."""
    since: int | None = None
    """Step of the cause, where it is not there from the first."""


SETTINGS = {
    "deep_linear": Setting(
        truths=tuple(Truth(column=f"mode_{mode}", group=f"mode {mode}") for mode in (1, 2, 3)),
        quiet=("solution", "lazy", "decay"),
        hard=("noise",),
        # Modes are to have a hundred rows before them: the first comes at about step 550.
        options={"log_every": 5},
    ),
    "grokking": Setting(
        truths=(Truth(column="test_accuracy", group="held-out"),),
        quiet=("random_labels", "no_weight_decay", "already_generalised"),
        hard=(),
    ),
    "induction": Setting(
        truths=(Truth(column="in_context_accuracy", group="repeated"),),
        quiet=("no_repeats", "already_formed"),
        hard=("one_layer",),
    ),
    "narrow_finetuning": Setting(
        truths=(Truth(column="misaligned_rate", group="out-of-domain"),),
        # The data change in both: with aligned answers nothing spreads, but all losses move at once.
        quiet=("no_switch",),
        hard=("aligned", "benign"),
        since=200,
    ),
    "stream": Setting(
        truths=tuple(Truth(column=f"learned_{task}", group=f"task {task}") for task in (6, 7, 8)),
        quiet=("steady",),
        # A task is forgotten in it, and none comes.
        hard=("starved",),
    ),
    "character_lm": Setting(
        # A fifth is predicted before it comes, for code has brackets, too; and not all can be known.
        truths=(Truth(column="bracket_accuracy", low=0.2, high=0.85, group="json"),),
        quiet=("no_json",),
        # JSON is learned in it as well, before five windows are over.
        hard=("all_along",),
        since=500,
    ),
}


@dataclass(frozen=True, kw_only=True)
class Job:
    setting: str
    control: str | None
    seed: int
    folder: Path
    options: dict[str, int]

    @property
    def path(self) -> Path:
        return self.folder / self.setting / f"{self.control or 'transition'}_{self.seed:02d}.parquet"

    @property
    def entry(self) -> Entry:
        setting = SETTINGS[self.setting]
        kind = "transition" if self.control is None else "hard" if self.control in setting.hard else "quiet"
        return Entry(
            path=self.path,
            setting=self.setting,
            control=self.control or "",
            seed=self.seed,
            kind=kind,
            truths=setting.truths,
            since=setting.since,
        )


def jobs(folder: Path, settings: list[str], seeds: int, options: dict[str, int]) -> list[Job]:
    """Seed by seed, so that a corpus that is stopped early has every cell."""
    return [
        Job(
            setting=name,
            control=control,
            seed=seed,
            folder=folder,
            options=SETTINGS[name].options | options,
        )
        for seed in range(seeds)
        for name in settings
        for control in (None, *SETTINGS[name].quiet, *SETTINGS[name].hard)
    ]


def whole_runs(folder: Path) -> list[Job]:
    """Every run that is there, of whatever settings and seeds this or an earlier command had."""
    seeds = [path.stem.rpartition("_")[2] for path in folder.glob("*/*.parquet")]
    last = max((int(seed) for seed in seeds if seed.isdecimal()), default=-1)
    return [job for job in jobs(folder, list(SETTINGS), last + 1, {}) if job.path.exists()]


def run(job: Job) -> None:
    """Train one run; its losses come into place last, for they say that it is whole."""
    script = importlib.import_module(job.setting)
    unfinished = job.folder / "unfinished" / f"{job.setting}_{job.path.name}"
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(unfinished.with_suffix(".rdm"), ignore_errors=True)  # of a run that was stopped
    job.path.parent.mkdir(parents=True, exist_ok=True)
    script.train(str(unfinished), control=job.control, seed=job.seed, **job.options)
    companion = job.path.with_suffix(".rdm")
    shutil.rmtree(companion, ignore_errors=True)
    unfinished.with_suffix(".rdm").rename(companion)
    unfinished.rename(job.path)


def begin() -> None:
    """One thread each, for the runs are small; and ^C is the first process's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if "torch" in sys.modules or importlib.util.find_spec("torch"):
        importlib.import_module("torch").set_num_threads(1)


def make_corpus(folder: Path, settings: list[str], seeds: int, workers: int, options: dict[str, int]) -> None:
    wanted = jobs(folder, settings, seeds, options)
    missing = [job for job in wanted if not job.path.exists()]
    failed: list[str] = []
    folder.mkdir(parents=True, exist_ok=True)
    times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    os.environ["OMP_NUM_THREADS"] = "1"
    context = multiprocessing.get_context("spawn")
    with Progress("runs", BarColumn(), MofNCompleteColumn(), *times) as bar:
        task = bar.add_task("", total=len(wanted), completed=len(wanted) - len(missing))
        with ProcessPoolExecutor(workers, mp_context=context, initializer=begin) as pool:
            futures = {pool.submit(run, job): job for job in missing}
            try:
                for future in as_completed(futures):
                    if error := future.exception():
                        failed.append(f"{futures[future].path.name}: {error}")
                    bar.advance(task)
            finally:
                pool.shutdown(cancel_futures=True)
                write_manifest(folder, [job.entry for job in whole_runs(folder)])
    if failed:
        sys.exit("\n".join(["these failed; the command trains them again:", *failed]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the corpus goes; runs that are there are kept")
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--seeds", type=int, default=20, help="runs a cell, with the seeds 0, 1, ...")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--probe-size", type=int, help="instead of each script's own")
    given = parser.parse_args()
    options = {} if given.probe_size is None else {"probe_size": given.probe_size}
    try:
        make_corpus(given.folder, given.settings, given.seeds, given.workers, options)
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on with what is missing")


if __name__ == "__main__":
    main()
