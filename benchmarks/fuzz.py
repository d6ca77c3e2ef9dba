"""What comes of thousands of files that are damaged, or lie?

    python benchmarks/fuzz.py [--inputs 5000] [--kinds "parquet bytes" samples] [--seed 0]

Counts by kind: read as before, read as other values, refused; and failures: an exception that is none of
ours, more than 10 seconds, more than 1 GB, a process that died, losses that a fault beside them blocked. A
failure is told by its kind and seed, those of one cause once; `helpers.fuzzing.mutated` makes it again.
"""

import argparse
import re
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from helpers.fuzz_worker import Worker
from helpers.fuzzing import KINDS

WORDS = ("as before", "other values", "refused", "failed")


def main() -> None:
    """Print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--inputs", type=int, default=5000, help="of each kind")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS), metavar="KIND")
    parser.add_argument("--seed", type=int, default=0, help="the first one")
    options = parser.parse_args()
    worker, causes, failed = Worker(), {}, 0
    print(f"{'':24}" + "".join(f"{word:>14}" for word in WORDS))
    for kind in options.kinds:
        if not KINDS[kind].there():
            print(f"{kind:24}  left out: not read here")
            continue
        counts: Counter[str] = Counter()
        for seed in range(options.seed, options.seed + options.inputs):
            said = worker.ask(kind, seed)
            counts[said.partition(":")[0]] += 1
            if said.startswith("failed"):
                cause = kind, re.sub(r"\d+|'[^']*'|\S*/fuzz-\S*", "…", said)
                causes.setdefault(cause, []).append((seed, said))
        failed += counts["failed"]
        print(f"{kind:24}" + "".join(f"{counts[word]:14,}" for word in WORDS), flush=True)
    worker.close()
    for (kind, _), found in causes.items():
        print(f"{kind}, seed {found[0][0]}, {len(found)} in all: {found[0][1]}")
    raise SystemExit(min(failed, 1))


if __name__ == "__main__":
    main()
