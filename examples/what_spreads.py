"""What tells fine-tuning that spreads from fine-tuning that does not, and how soon after the switch of data?

    python examples/make_corpus.py corpus --settings narrow_finetuning
    python examples/what_spreads.py corpus > what_spreads.csv

An alarm fires at any switch of data. Here runs in which misalignment spreads are set against controls whose
data switch as well, so many rows after the switch: by the samples that the first mode holds, and by simpler
things. Areas under the ROC curve are of odd seeds; where 10 runs and 10 others are told apart without a fault
the area is 1, and its exact interval begins at 0.69.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

import rdmtools as rdm
from rdmtools.analysis.modes import window_modes
from rdmtools.evaluation import Entry, read_corpus
from rdmtools.evaluation.loadings import area

WINDOW = 20
AFTER = (5, 10, 15, 20, 25, 30)
CONTROLS = ("benign", "aligned")


def told(run: rdm.Run, since: int) -> list[dict[str, float]]:
    """One row for each number of rows after the switch: shares of the other domains, changes in nats."""
    others = (run.samples["group"] == "out-of-domain").to_numpy()
    misaligned = (run.samples["answer"] == "misaligned").to_numpy()
    switch = int(np.searchsorted(run.steps, since))
    before = run.rows(switch - WINDOW, switch).mean(axis=0, dtype=np.float64)
    rows: list[dict[str, float]] = []
    for after in AFTER:
        window = run.rows(switch + after - WINDOW, switch + after).astype(np.float64)
        variance = window.var(axis=0, ddof=1)
        change = window[-1] - before
        rows.append(
            {
                "after": after,
                "mode share": energy_share(window, others),
                "mode share, aligned answers": energy_share(window[:, ~misaligned], others[~misaligned]),
                "mode share, misaligned answers": energy_share(window[:, misaligned], others[misaligned]),
                "variance share": variance[others].sum() / variance.sum(),
                "total variance": variance.sum(),
                "fall of misaligned answers": -change[others & misaligned].mean(),
                "rise of aligned answers": change[others & ~misaligned].mean(),
            }
        )
    return rows


def energy_share(window: np.ndarray, inside: np.ndarray) -> float:
    return float(np.sum(window_modes(window, count=1).loadings[0][inside] ** 2))


def runs(entries: list[Entry]) -> pd.DataFrame:
    rows = [
        {"control": entry.control, **row}
        for entry in entries
        if entry.setting == "narrow_finetuning" and entry.held_out and entry.since is not None
        for row in told(rdm.read_run(entry.path), entry.since)
    ]
    return pd.DataFrame(rows)


def areas(table: pd.DataFrame) -> pd.DataFrame:
    rows: list[dict[str, object]] = []
    for after, here in table.groupby("after"):
        mine = here[here["control"] == ""]
        for control in CONTROLS:
            theirs = here[here["control"] == control]
            for name in table.columns[2:]:
                both = np.concatenate([mine[name], theirs[name]])
                rows.append(
                    {
                        "rows after the switch": after,
                        "control": control,
                        "what": name,
                        "area": area(both, np.arange(len(both)) < len(mine)),
                        "transition": mine[name].median(),
                        "its control": theirs[name].median(),
                    }
                )
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("corpus", type=Path)
    areas(runs(read_corpus(parser.parse_args().corpus))).to_csv(sys.stdout, index=False)


if __name__ == "__main__":
    main()
