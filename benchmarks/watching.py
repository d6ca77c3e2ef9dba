"""Does a watch tell and execute each event exactly once, whatever is killed? And what does it cost?

    python benchmarks/watching.py [--rows 100000] [--kills 10] [--watch-kills 3] [--samples 64]

A training logs rows of known values, is killed with SIGKILL again and again, and resumed up to 500 rows
before, as from a checkpoint; `rdmtools watch --exec` runs beside it, and is killed too. Afterwards: the
events it told and those it executed, beside those of `analyze` with the same horizon; the rows that came a
second; the watch's memory. A watch that is killed between writing an event down and the end of its command
leaves the event "begun": told as not known, never executed twice.
"""

# pyright: basic

import argparse
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import rdmtools as rdm

TRAINING = """
import sys, time
import numpy as np
import rdmtools
path, note, pause = *sys.argv[1:3], float(sys.argv[6])
start, rows, samples = map(int, sys.argv[3:6])
group = ["rare"] * (samples // 4) + ["common"] * (samples - samples // 4)
def losses(step):
    rng = np.random.default_rng(step)
    loud = np.where(np.arange(samples) < samples // 4, 12.0 if step // 300 % 3 == 2 else 1.0, 1.0)
    return (3 + 0.1 * loud * rng.standard_normal(samples)).astype(np.float32)
log = rdmtools.ProbeLogger(path, {"group": group}, resume=True)
with open(note, "w") as file:
    for step in range(start, rows):
        log(step, losses(step))
        if step % 50 == 0:
            file.seek(0)
            file.write(f"{step:12}")
            file.flush()
            time.sleep(50 * pause)
log.close(merge=True)
"""


def begun(words: list[str], **how) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, *words], **how)


def reached(note: Path) -> int:
    try:
        return int(note.read_text() or 0)
    except (OSError, ValueError):
        return 0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=10, help="of the training")
    parser.add_argument("--watch-kills", type=int, default=3)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--pause", type=float, default=2e-4, help="seconds after each row")
    asked = parser.parse_args()
    chance = random.Random(0)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        path, note, done = folder / "run.parquet", folder / "note", folder / "done.jsonl"
        told = folder / "told.jsonl"
        out = told.open("ab")
        errors = (folder / "errors").open("ab")

        def watch() -> subprocess.Popen:
            words = ["-m", "rdmtools_cli", "watch", str(path), "--json", "--until-end", "--refresh", "0.5"]
            return begun([*words, "--exec", f"cat >> {done}"], stdout=out, stderr=errors)

        def train(start: int) -> subprocess.Popen:
            words = [str(path), str(note), str(start), str(asked.rows), str(asked.samples), str(asked.pause)]
            return begun(["-c", TRAINING, *words])

        began = time.monotonic()
        watching, training = watch(), train(0)
        stops = sorted(chance.sample(range(500, asked.rows - 500), asked.kills))
        watch_stops = sorted(chance.sample(range(500, asked.rows - 500), asked.watch_kills))
        while stops or watch_stops:
            time.sleep(0.02)
            step = reached(note)
            if watch_stops and step >= watch_stops[0]:
                watch_stops.pop(0)
                watching.send_signal(signal.SIGKILL)
                watching.wait()
                watching = watch()
            if stops and step >= stops[0]:
                stops.pop(0)
                training.send_signal(signal.SIGKILL)
                training.wait()
                training = train(max(reached(note) - chance.randrange(500), 0))
        assert training.wait() == 0
        ended = time.monotonic()
        code = watching.wait()
        behind = time.monotonic() - ended
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        found = rdm.analyze(rdm.read_run(path), horizon=80).events
        expected = list(zip(found["window"].tolist(), found["alarm_step"].tolist(), strict=True))
        lines = [json.loads(line) for line in told.read_text().splitlines()]
        executed = [json.loads(line) for line in done.read_text().splitlines()]
        keys = [[(line["window"], line["alarm_step"]) for line in each] for each in (lines, executed)]
        twice = [sum(count > 1 for count in Counter(each).values()) for each in keys]
        print(
            f"{asked.rows:,} rows of {asked.samples} samples, training killed {asked.kills} times, ", end=""
        )
        print(f"watch {asked.watch_kills} times; {ended - began:.0f} s, watch ended {behind:.1f} s later")
        print(f"exit code of the watch {code}; the largest process took {peak:.0f} MiB")
        print(f"events of analyze {len(expected)}")
        for name, each, again in zip(("told", "executed"), keys, twice, strict=True):
            missing, more = set(expected) - set(each), set(each) - set(expected)
            print(f"{name:10} {len(each)}, {again} twice, {len(missing)} missing, {len(more)} that are none")
        columns = ["kind", "movement", "top_group", "drift_share"]
        by_key = found.set_index(["window", "alarm_step"])
        others = 0
        for line in lines:
            row = by_key.loc[(line["window"], line["alarm_step"])]
            others += any(
                abs(row[each] - line[each]) > 1e-9 if each == "drift_share" else row[each] != line[each]
                for each in columns
            )
        print(f"events whose kind, movement, group or drift share is another in analyze: {others}")
        said = (folder / "errors").read_text().splitlines()
        print(f"lines on stderr: {len(said)}", *said[:12], sep="\n  ")


if __name__ == "__main__":
    os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
    main()
