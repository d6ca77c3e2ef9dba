"""What came of fine-tuning a real language model: a line for each arm, of the runs in a folder.

    python examples/narrow_finetuning_lm.py runs/ --model MODEL --arm wrong right --seed 0
    python examples/narrow_finetuning_lm_table.py runs/

Rows are counted from the switch. "mode" is the share of the first mode that lies in domains that are not
trained, of the samples with a right answer, in the window of 20 rows that ends so many rows after the switch;
"variance" the same of plain variance. Seeds stand side by side.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

import rdmtools as rdm
from rdmtools.alarms.rule import find_alarms
from rdmtools.analysis.modes import window_modes
from rdmtools.evaluation.signals import measure

WINDOW, SWITCH = 20, 30
AFTER = (10, 20, 30)
RULES = {
    "SHC": ("shc", 1.5),
    "total variance": ("total_variance", 0.75),
    "mean": ("mean_loss_variance", 0.75),
}


def told(run: rdm.Run) -> dict[str, object]:
    wrong = run.scalars["out_of_domain_wrong"].to_numpy()
    levels = measure(run, window=WINDOW)
    row: dict[str, object] = {
        "arm": run.metadata["arm"],
        "T10": first(wrong[SWITCH:] >= 0.1),
        "T50": first(wrong[SWITCH:] >= 0.5),
        "highest": f"{wrong.max():.2f}",
        "end": f"{wrong[-10:].mean():.2f}",
    }
    for name, (signal, decades) in RULES.items():
        fired = find_alarms(levels[signal], np.full((1, 1), decades))[0, 0]
        row[f"alarm: {name}"] = first(fired[SWITCH - WINDOW + 1 :])
    right = (run.samples["answer"] == "right").to_numpy()
    others = (run.samples["group"] == "out-of-domain").to_numpy()[right]
    for after in AFTER:
        stop = SWITCH + after + 1
        window = run.rows(stop - WINDOW, stop)[:, right].astype(np.float64)
        energy, variance = window_modes(window, count=1).loadings[0] ** 2, window.var(axis=0)
        row[f"mode / variance +{after}"] = (
            f"{energy[others].sum():.2f} / {variance[others].sum() / variance.sum():.2f}"
        )
    return row


def first(reached: np.ndarray) -> str:
    """Rows after the switch."""
    return str(int(reached.argmax())) if reached.any() else "–"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    paths = sorted(parser.parse_args().folder.glob("*.parquet"))
    table = pd.DataFrame(told(rdm.read_run(path)) for path in paths)
    for arm, runs in table.groupby("arm"):
        cells = [", ".join(runs[name]) for name in table.columns[1:]]
        print("| " + " | ".join([str(arm), *cells]) + " |")


if __name__ == "__main__":
    main()
