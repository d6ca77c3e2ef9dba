"""Makes the table of quiet runs' highest scores that comes with rdmtools, of one corpus or several.

    python examples/make_corpus.py corpus
    python benchmarks/quiet_runs.py corpus [another ...] [--seeds odd] [--out FILE]

Of each run of kind "quiet" in the manifests: its highest score, never armed again, for each window length
that thresholds were judged with. Runs too short to judge have none; a run that lies in two folders counts
once.
"""

import argparse
import json
import re
from collections import defaultdict
from math import isfinite
from pathlib import Path

import rdmtools as rdm
from rdmtools.alarms.ranks import RULE
from rdmtools.evaluation import read_corpus
from rdmtools.results import quiet_runs

WINDOWS = (10, 20, 40, 64)
SEEDS = {"all": (0, 1), "even": (0,), "odd": (1,)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("corpus", nargs="+", type=Path)
    parser.add_argument("--seeds", choices=SEEDS, default="all")
    parser.add_argument("--out", type=Path, default=Path(quiet_runs.__file__).with_name(quiet_runs.FILE))
    asked = parser.parse_args()
    entries = [
        entry
        for folder in asked.corpus
        for entry in read_corpus(folder)
        if entry.kind == "quiet" and entry.seed % 2 in SEEDS[asked.seeds]
    ]
    found = {}
    for entry in entries:
        (run,) = rdm.reference(entry.path, window=WINDOWS).runs
        found[run.digest] = entry, run
        print(f"{entry.name:40} {run.rows:6} rows ", *(f"{score:7.3f}" for score in run.scores.values()))
    windows = {window: defaultdict(list) for window in WINDOWS}
    for entry, run in found.values():
        for window, score in run.scores.items():
            if isfinite(score):
                windows[window][entry.setting].append(round(score, 4))
    for settings in windows.values():
        for scores in settings.values():
            scores.sort()
    table = {"rule": RULE, "runs": len(found), "windows": windows}
    text = re.sub(
        r"\n +(-?\d|\])", r" \1", json.dumps(table, indent=1)
    )  # the scores of a setting on one line
    asked.out.write_text(text + "\n", encoding="utf-8")
    for window, settings in windows.items():
        counts = ", ".join(f"{name} {len(scores)} (to {scores[-1]})" for name, scores in settings.items())
        print(f"windows of {window} rows: {counts}")


if __name__ == "__main__":
    main()
