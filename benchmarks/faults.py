"""What does a training notice when its disk fills, its folder goes, a rank is killed? Word for word.

    python benchmarks/faults.py [--polls 5000]

Each training below is a process that logs in a loop, with warnings shown, and prints "trained" when its loop
has ended normally. File systems are mounted to be filled, and to fail and become read-only, which takes Linux
and root; without, those two are left out. Last, a reader polls a run that another process logs, closes and
resumes without a rest.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np

import rdmtools
from rdmtools.errors import ChangedError, FormatError

TRAINING = """
import os, shutil, sys, time, rdmtools
path, fault = sys.argv[1], sys.argv[2]
log = rdmtools.ProbeLogger(path, 4096)
with log:
    for step in range(300):
        if step == 100 and fault == "read-only":
            os.write(os.open(sys.argv[3], os.O_WRONLY), b"1")  # it fails, and is read-only then
        if step == 100 and fault == "removed":
            shutil.rmtree(os.path.dirname(path))
        log(step, [float(step)] * 4096)
        time.sleep(1e-3)
print("trained;", dict(log.refused), "refused")
"""
RANK = """
import os, sys, rdmtools
rank = int(os.environ["RANK"])
ids = [rank * 512 + sample for sample in range(512)]
log = rdmtools.ProbeLogger(sys.argv[1], ids)
print("ready", flush=True)
sys.stdin.readline()
with log:
    for step in range(1000):
        log(step, [step + sample / 4096 for sample in ids])
        if rank == 5 and step == 600:
            os.kill(os.getpid(), 9)
"""
LIVE = """
import sys, rdmtools
from rdmtools.logger import compaction, writer
writer._SEGMENT_BYTES, compaction._SLEEPS = 50 * (32 + 4 * 64), 0.0
step = 0
while True:
    with rdmtools.ProbeLogger(sys.argv[1], 64, resume=True) as log:
        for step in range(step, step + 400):
            log(step, [step + sample / 64 for sample in range(64)])
            sum(range(20_000))
    step += 1
"""


def told(words: list[str]) -> str:
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    lines = [line for line in (ended.stderr + ended.stdout).splitlines() if line.strip()]
    return "\n".join("    " + line for line in lines if not line.lstrip().startswith(("log(", "with log:")))


def done(*words: str | Path) -> str | None:
    """What a command prints; None where it fails."""
    try:
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def small_disk(folder: Path) -> str | None:
    return done("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder)


def failing_disk(folder: Path) -> str | None:
    """The file to write to for it to fail."""
    image = folder.with_name("image")
    image.write_bytes(bytes(32 << 20))
    if done("mkfs.ext4", "-q", image) is None:
        return None
    if done("mount", "-o", "loop,errors=remount-ro", image, folder) is None:
        return None
    device = done("findmnt", "-n", "-o", "SOURCE", folder) or ""
    return f"/sys/fs/ext4/{Path(device).name}/trigger_fs_error"


def rows_left(path: Path) -> None:
    try:
        run = rdmtools.read_run(path)
        print(f"    read back: {run!r}; {'; '.join(run.quality.notes()) or 'clean'}")
    except rdmtools.RdmtoolsError as error:
        print(f"    read back: {error}")


def faults() -> None:
    for fault, disk in (("full disk", small_disk), ("read-only", failing_disk), ("removed", lambda _: "")):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name, "disk")
            folder.mkdir()
            trigger = disk(folder)
            if trigger is None:
                print(f"{fault}: left out, for want of root or Linux")
                continue
            path = folder / "run.parquet"
            print(f"{fault}:")
            print(told([sys.executable, "-W", "always", "-c", TRAINING, str(path), fault, trigger]))
            rows_left(path)
            done("umount", folder)


def ranks() -> None:
    print("eight ranks, one killed at step 600:")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "run.parquet")
        words = [sys.executable, "-W", "always", "-c", RANK, str(path)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        jobs = [
            subprocess.Popen(words, env=os.environ | {"RANK": str(rank), "WORLD_SIZE": "8"}, **pipes)
            for rank in range(8)
        ]
        for job in jobs:
            job.stdout.readline()
        for job in jobs:
            job.stdin.write("go\n")
            job.stdin.flush()
        for rank, job in enumerate(jobs):
            _, errors = job.communicate()
            print(f"    rank {rank} ended with {job.returncode}; {errors.strip() or 'nothing said'}")
        rows_left(path)
        rest = rdmtools.read_run(path, missing="drop-samples")
        print(f"    with missing='drop-samples': {rest!r}; {'; '.join(rest.quality.notes())}")
        for run in (rdmtools.read_run(path), rest):
            samples = run.samples["sample_id"].to_numpy()
            assert np.array_equal(run.losses, (run.steps[:, None] + samples / 4096).astype(np.float32))


def polls(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "run.parquet")
        live = subprocess.Popen([sys.executable, "-c", LIVE, str(path)])
        looked = seen = late = bad = 0
        while looked < count:
            try:
                run = rdmtools.read_run(path)
                losses = run.losses
            except ChangedError:
                late += 1  # losses asked for after their file was replaced: read_run again, as it says
                continue
            except FormatError:
                if seen:
                    raise
                continue  # nothing logged yet
            looked += 1
            expected = run.steps[:, None] + np.arange(64) / 64
            whole = np.array_equal(run.steps, np.arange(len(run.steps))) and np.array_equal(losses, expected)
            if not whole or len(run.steps) < seen or run.quality.notes():
                print(f"    poll {looked}: {run!r} after {seen} rows; {'; '.join(run.quality.notes())}")
                bad += 1
            seen = len(run.steps)
            if seen > 20_000:  # begin anew, for the reader's sake
                live.kill()
                live.wait()
                with suppress(OSError):
                    path.unlink()
                subprocess.run(["rm", "-rf", str(path.with_suffix(".rdm"))], check=True)
                live, seen = subprocess.Popen([sys.executable, "-c", LIVE, str(path)]), 0
        live.kill()
        live.wait()
    print(f"{looked} polls of a live run: {bad} with a gap, double, torn row or step back; {late} to repeat")


def main() -> None:
    """Print what each fault leaves."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--polls", type=int, default=5000)
    faults()
    ranks()
    polls(parser.parse_args().polls)


if __name__ == "__main__":
    main()
