"""What comes of files that are damaged, or lie? Each is read as users read it, in a process of its own.

a mutated input -> read_run, losses, draws; convert; recover; compare -> "as before", ..., "failed: why"

Only an `RdmtoolsError`, or a run, may come of it, and no warning but an `RdmtoolsWarning`; within 10 seconds
and 1 GB; no file is changed or removed. A process that hangs or dies is seen and counted.
"""

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import traceback
import warnings
from contextlib import suppress
from functools import cache
from pathlib import Path

from helpers.fuzzing import KINDS, mutated, valid

import rdmtools as rdm

SECONDS, BYTES = 10, 1 << 30


def put(files: dict[str, bytes], folder: Path) -> None:
    """Write an input into an empty folder, and beside it a folder that nothing has to do with."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "victim").mkdir()
    (folder / "victim" / "keep").write_text("mine")


@cache
def _expected(kind: str) -> tuple | None:
    if "read" not in KINDS[kind].doors:
        return None
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        put(valid(kind), Path(name))
        return _content(rdm.read_run(Path(name, KINDS[kind].run)))


def _content(run):
    return run.steps.tolist(), run.samples["sample_id"].tolist(), run.losses.tobytes()


def outcome(kind: str, seed: int, folder: Path, *, every_door: bool = True) -> str:
    """What came of one input: "as before", "other values", "refused"; or "failed: ..." and why."""
    expected, doors = _expected(kind), KINDS[kind].doors
    put(files := mutated(kind, seed), folder)
    said, told = "", list[str]()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for door in doors:
            if door in ("convert", "recover") and not every_door:
                continue
            try:
                content = _DOORS[door](folder, folder / KINDS[kind].run)
                word = "as before" if content == expected else "other values"
            except rdm.RdmtoolsError as error:
                word, content = "refused", None
                told.append(str(error))
                if "\n" in str(error):
                    return f"failed: {door} says more than a line: {error}"
            except BaseException as error:
                return f"failed: {door}: {_last_lines(error)}"
            said = said or word
            newer = told and "this release reads up to" in told[-1]
            if door == "read" and KINDS[kind].losses_stay and content != expected and not newer:
                return f"failed: losses do not stay, {word} {''.join(told)}"
            if door != "recover" and (changed := _changed(files, folder)):
                return f"failed: {door} changed {changed}"
    if others := [each for each in warned if not issubclass(each.category, rdm.RdmtoolsWarning)]:
        return f"failed: {others[0].category.__name__}: {others[0].message} ({others[0].filename})"
    if not (folder / "victim" / "keep").exists():
        return "failed: removed a folder of somebody else's"
    return said


def _changed(files, folder):
    for name, content in files.items():
        if not (folder / name).exists() or (folder / name).read_bytes() != content:
            return name
    return None


def _read(folder, path):
    run = rdm.read_run(path)
    content = _content(run)
    repr(run), run._repr_html_(), run.quality.notes()
    with suppress(rdm.FormatError):  # which is what was asked for
        run.draws  # noqa: B018
    return content


def _convert(folder, path):
    target = folder / "converted.parquet"
    rdm.convert(path, target, overwrite=True)
    return _content(rdm.read_run(target))


def _recover(folder, path):
    rdm.recover(path)
    return _content(rdm.read_run(path))


def _compare(folder, path):
    rdm.compare([path])
    if hasattr(rdm, "read_analysis"):
        repr(rdm.read_analysis(path))


_DOORS = {"read": _read, "convert": _convert, "recover": _recover, "compare": _compare}


def _last_lines(error):
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames[-4:]]
    return f"{type(error).__name__}: {' '.join(str(error).split())[:160]} [{' < '.join(reversed(places))}]"


def _peak() -> int:
    """Most bytes of memory that this process has held since the last `_forget_peak`; 0 where none tells."""
    try:
        status = Path("/proc/self/status").read_text()
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])
    except (OSError, IndexError):
        return 0


def _forget_peak() -> None:
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _limit_memory() -> None:
    """Let an allocation that is far too large fail, rather than the machine."""
    try:
        import resource

        size = 4096 * int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (size + 8 * BYTES, size + 8 * BYTES))
    except (ImportError, OSError):
        pass


def serve() -> None:
    """Answer lines of JSON [kind, seed, every_door] with the outcome of each, until there are no more."""
    place = Path(tempfile.mkdtemp(prefix="fuzz-"))
    sys.setrecursionlimit(1000)
    import polars  # noqa: F401

    _limit_memory()
    for line in sys.stdin:
        kind, seed, every_door = json.loads(line)
        _expected(kind)
        if seed is None:
            print('outcome ""', flush=True)
            continue
        folder = place / "input"
        folder.mkdir()
        os.chdir(folder)  # a path without a folder is in here
        before = _forget_peak() or _peak()
        found = outcome(kind, seed, folder, every_door=every_door)
        if (more := _peak() - before) > BYTES and not found.startswith("failed"):
            found = f"failed: took {more / 1e9:.1f} GB of memory"
        os.chdir(place)
        shutil.rmtree(folder)
        print("outcome " + json.dumps(found), flush=True)
    shutil.rmtree(place)


class Worker:
    """A process that reads inputs; begun anew where one ends it, or takes too long."""

    def __init__(self) -> None:
        self._process = None

    def ask(self, kind: str, seed: int, *, every_door: bool = True) -> str:
        """The outcome of one input, also where it hangs or kills the process."""
        if self._process is None:
            self._begin()
        self._answer([kind, None, False], 60)  # the valid input, and what is slow at first
        return self._answer([kind, seed, every_door], SECONDS)

    def _begin(self):
        tests = Path(__file__).parent.parent
        paths = [str(tests), str(tests.parent), str(tests.parent / "cli"), os.environ.get("PYTHONPATH", "")]
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from helpers.fuzz_worker import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        )

    def _answer(self, question, seconds):
        process = self._process
        process.stdin.write(json.dumps(question) + "\n")
        process.stdin.flush()
        while select.select([process.stdout], [], [], seconds)[0] and (line := process.stdout.readline()):
            if line.startswith("outcome "):
                return json.loads(line.removeprefix("outcome "))
        slow = process.poll() is None and not select.select([process.stdout], [], [], 0)[0]
        process.kill()
        code = process.wait()
        self.close()
        return f"failed: took longer than {seconds} s" if slow else f"failed: the process died ({code})"

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.stdin.close()
            self._process.stdout.close()
            self._process.wait()
            self._process = None
