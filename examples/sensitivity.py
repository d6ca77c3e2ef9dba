"""What does the score of a corpus depend on? The same runs, seen through other windows, intervals and probes.

    python examples/make_corpus.py corpus --settings deep_linear grokking induction narrow_finetuning
    python examples/make_corpus.py wide --settings deep_linear grokking --seeds 10 --probe-size 512
    python examples/sensitivity.py corpus wide --out sensitivity

Nothing is trained here. Rows are left out to log less often, samples to make the probe smaller (evenly from
each group, the same ones in every run of a setting) or to choose it otherwise. For each variant thresholds
are fitted anew to the quiet runs of even seeds, and what is told is of odd seeds: `sensitivity.csv` has a row
for each variant, setting and rule, and `sensitivity.svg` shows leads and false alarms.
"""

import argparse
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from rich.progress import track

import rdmtools as rdm
from rdmtools.evaluation import Entry, read_corpus, score
from rdmtools.evaluation.scoring import Change

WINDOWS = (10, 20, 40, 80)
EVERY = (1, 2, 4, 8)
SIZES = (8, 16, 32, 64, 128, 256, 512)
SMALLEST_PROBE = 64  # of the corpus's settings, in full groups
RULES = ("shc at 1.5 decades", "shc", "shc_detrended", "total_variance")
PROBES = {
    "deep_linear": {"random": ["random"], "modes": ["mode 1", "mode 2", "mode 3"]},
    "grokking": {"train": ["train"], "held-out": ["held-out"]},
    "induction": {"repeated": ["repeated"], "fresh": ["fresh"], "random": ["random"]},
    "narrow_finetuning": {
        "in-domain": ["in-domain trained", "in-domain untrained"],
        "out-of-domain": ["out-of-domain"],
    },
}


def part(run: rdm.Run, rows: slice, samples: np.ndarray) -> rdm.Run:
    return rdm.Run.from_arrays(
        run.steps[rows],
        run.losses[rows][:, samples],
        samples=run.samples.iloc[samples].reset_index(drop=True),
        scalars=run.scalars,
        metadata=run.metadata,
        name=run.name,
        unit=run.unit,
    )


def every(run: rdm.Run, entry: Entry, *, rows: int) -> rdm.Run:
    return part(run, slice(None, None, rows), np.arange(run.shape[1]))


def of_size(run: rdm.Run, entry: Entry, *, size: int) -> rdm.Run:
    """That many samples, from each group in proportion, at least one of each."""
    groups = run.samples["group"].to_numpy()
    kept: list[int] = []
    for group in pd.unique(groups):
        mine = np.flatnonzero(groups == group)
        count = max(1, round(size * len(mine) / len(groups)))
        kept += np.random.default_rng(0).permutation(mine)[:count].tolist()
    return part(run, slice(None), np.sort(kept))


def of_groups(run: rdm.Run, entry: Entry, *, groups: list[str]) -> rdm.Run:
    return part(run, slice(None), np.flatnonzero(run.samples["group"].isin(groups)))


@dataclass(frozen=True, kw_only=True)
class Variant:
    varied: str
    value: str
    entries: list[Entry]
    window: int = 20
    change: Change | None = None


def variants(corpus: list[Entry], wide: list[Entry]) -> Iterator[Variant]:
    for window in WINDOWS:
        yield Variant(varied="window", value=str(window), entries=corpus, window=window)
    for rows in EVERY:
        yield Variant(varied="interval", value=str(rows), entries=corpus, change=partial(every, rows=rows))
    for size in SIZES:
        change = partial(of_size, size=size)
        if size <= SMALLEST_PROBE:
            yield Variant(varied="probe size", value=str(size), entries=corpus, change=change)
    for size in SIZES if wide else ():
        change = partial(of_size, size=size)
        yield Variant(varied="probe size, wide", value=str(size), entries=wide, change=change)
    for setting, probes in PROBES.items():
        # thresholds are those of the setting's own quiet runs, seen through the same probe
        here = [entry for entry in corpus if entry.setting == setting]
        for name, groups in {"mixed": None, **probes}.items():
            change = None if groups is None else partial(of_groups, groups=groups)
            if here:
                yield Variant(varied="probe", value=name, entries=here, change=change)


def table(corpus: list[Entry], wide: list[Entry], workers: int) -> pd.DataFrame:
    rows: list[pd.DataFrame] = []
    with ProcessPoolExecutor(workers) as pool:
        for each in track([*variants(corpus, wide)], "variants"):
            found = score(
                each.entries, window=each.window, change=each.change, loadings=False, executor=pool
            ).contest
            told = found[found["rule"].isin(RULES)]
            rows.append(told.assign(varied=each.varied, value=each.value))
    return pd.concat(rows, ignore_index=True)


def figure(found: pd.DataFrame) -> Figure:
    """A row of panels for each thing varied: share detected, median lead, quiet runs that alarm."""
    varied = list(dict.fromkeys(found["varied"]))
    told = (
        ("detected", "detected before T50"),
        ("lead_share", "median lead, share of T50"),
        ("false_alarm_rate", "quiet runs that alarm"),
    )
    fig = Figure(figsize=(11, 2.6 * len(varied)), layout="constrained")
    axes = fig.subplots(len(varied), len(told), squeeze=False)
    styles = {"shc at 1.5 decades": "-", "shc": "--"}
    for row, name in zip(axes, varied, strict=True):
        here = found[found["varied"] == name]
        for ax, (column, title) in zip(row, told, strict=True):
            for number, (setting, cell) in enumerate(here.groupby("setting", sort=False)):
                for rule, style in styles.items():
                    line = cell[cell["rule"] == rule]
                    label = f"{setting}, {'1.5 decades' if rule != 'shc' else 'fitted'}"
                    values = line["value"] if name != "probe" else f"{setting}: " + line["value"]
                    ax.plot(values, line[column], f"o{style}", color=f"C{number}", label=label, ms=3)
            ax.set(ylim=(-0.05, 1.05), title=f"{title}" if ax in axes[0] else None)
            ax.tick_params(labelsize=7)
            if name == "probe":
                ax.tick_params(axis="x", rotation=90)
        row[0].set_ylabel(name)
    axes[0, 0].legend(fontsize=6)
    return fig


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("wide", type=Path, nargs="?", help="a corpus with 512 samples, for the larger probes")
    parser.add_argument("--out", type=Path, default=Path("sensitivity"))
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    wide = [] if given.wide is None else read_corpus(given.wide)
    found = table(read_corpus(given.corpus), wide, given.workers)
    given.out.mkdir(parents=True, exist_ok=True)
    found.to_csv(given.out / "sensitivity.csv", index=False)
    figure(found).savefig(given.out / "sensitivity.svg")
    columns = [
        "varied",
        "value",
        "setting",
        "rule",
        "transitions",
        "detected",
        "lead_share",
        "false_alarm_rate",
    ]
    print(found[columns].round(2).to_string(index=False))


if __name__ == "__main__":
    main()
