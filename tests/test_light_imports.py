"""A training job pays for numpy and pyarrow only: logging loads no pandas, polars, scipy or matplotlib.

And the command draws only what is asked for: without a report it loads no matplotlib and no jinja2, nor does
any module below the report; and matplotlib for figures alone.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import runs

import rdmtools

PACKAGE = Path(rdmtools.__file__).parent
SAMPLE_RUN = Path(__file__).parents[1] / "sample_data" / "deep_linear.parquet"

FRAMEWORKS = ("torch", "lightning", "pytorch_lightning", "transformers", "keras", "tensorflow", "jax")
HEAVY = ("pandas", "polars", "scipy", "matplotlib", "jinja2", "typer", "rich", "jaxtyping", "tensorboard")
HEAVY += FRAMEWORKS

LOGGING = """
import sys, rdmtools
path = sys.argv[1]
ids = [f"sample {i}" for i in range(5)]
with rdmtools.ProbeLogger(path, {"sample_id": ids, "group": [0, 0, 1, 1, 2]}, metadata={"lr": 0.1}) as log:
    for step in range(1000):
        log(step, [0.1, 0.2, 0.3, 0.4, 0.5])
        log.scalars(step, test_acc=0.9)
    log.draws(step, [[0.1, 0.2, 0.3, 0.4, 0.5]] * 2)
assert (log.rows, log.refused.total()) == (1000, 0)
with rdmtools.ProbeLogger(path, resume=True) as log:
    log(900, [0.1, 0.2, 0.3, 0.4, 0.5])
    log.scalars(900, test_acc=1.0)
    log.draws(900, [[0.1, 0.2, 0.3, 0.4, 0.5]] * 2)
"""


CHOOSING = """
import sys
from rdmtools import ProbeLogger, integrations
from rdmtools.integrations import *
probe = integrations.probe_set(range(100), 8, stratify=[0, 1] * 50, seed=1)
with ProbeLogger(sys.argv[1], samples=probe.samples) as log:
    log(0, probe.indices)
"""

COMMAND = """
import sys
from rdmtools_cli.app import app
command, *options = {words!r}
app([command, sys.argv[1], *options], standalone_mode=False)
"""


LIGHT_COMMANDS = (["--version"], ["--help"], ["analyze", "--help"], ["watch", "-h"], ["convert", "--help"])

TOLD = """
import sys
from contextlib import suppress
from rdmtools_cli.app import app
with suppress(SystemExit):
    app({words!r})
"""

COMPLETION = """
import os
from contextlib import suppress
words = "rdmtools analyze --win"
os.environ |= {"_RDMTOOLS_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": "2"}
from rdmtools_cli.app import app
with suppress(SystemExit):
    app([], prog_name="rdmtools")
"""


TELL = "\nimport sys; print(*[name for name in {names} if name in sys.modules])"
NAMES = (*HEAVY, "numpy", "pyarrow")


def output(script: str, path: str = "") -> list[str]:
    """The lines that a fresh interpreter prints, the last of them which of the packages it holds."""
    command = [sys.executable, "-c", script, path]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def loaded(script: str, path: str) -> set[str]:
    """Which of the heavy packages a fresh interpreter holds after `script`."""
    return set(output(script + TELL.format(names=HEAVY), path)[-1].split())


def test_logging_a_thousand_rows_loads_nothing_heavy(tmp_path):
    assert loaded(LOGGING, str(tmp_path / "run.parquet")) == set()
    assert (tmp_path / "run.parquet").exists()


def test_a_probe_set_loads_no_framework(tmp_path):
    assert loaded(CHOOSING, str(tmp_path / "run.parquet")) == set()


@pytest.mark.parametrize("name", ["pandas", "scipy", "torch"])
def test_the_tests_above_can_fail(tmp_path, name):
    pytest.importorskip(name)
    assert name in loaded(f"{LOGGING}\nimport {name}", str(tmp_path / "run.parquet"))


def test_pyarrow_array_would_load_pandas(tmp_path):
    """Why `rdmtools.format.values.column` lays out its buffers. When this fails, it need not any more."""
    pytest.importorskip("pandas")
    assert "pandas" in loaded("import pyarrow, numpy; pyarrow.array(numpy.arange(3))", "")


# Each room or module below, and what none of its modules may load.
TRAINING = ("errors", "format", "journal", "logger", "probe")
COMPARING = ("results", rdmtools._HOMES["compare"].removeprefix("rdmtools."))
DRAWING = ("matplotlib", "jinja2")

EACH = """
import sys
from importlib import import_module
def held():
    return {{package for package in {packages!r} if package in sys.modules}}
for name in {names!r}:
    before = held()
    import_module(name)
    if more := held() - before:
        print(name, *sorted(more))
"""


def modules(*rooms):
    """Names of the modules in rooms, or of those that lie flat."""
    for room in rooms:
        path = PACKAGE.joinpath(*room.split("."))
        for file in sorted(path.rglob("*.py")) or [path.with_suffix(".py")]:
            yield ".".join(["rdmtools", *file.relative_to(PACKAGE).with_suffix("").parts])


def first_loads(names, packages):
    """Which modules load a package in a fresh interpreter that imports them in turn, as "module packages"."""
    script = EACH.format(names=[*names], packages=packages)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_no_module_of_a_training_job_loads_anything_heavy():
    names = [*modules(*TRAINING)]
    assert len(names) > 20
    assert first_loads(names, HEAVY) == []


def test_no_module_of_results_and_comparison_loads_what_draws():
    names = [*modules(*COMPARING)]
    assert len(names) > 6
    assert first_loads(names, DRAWING) == []


def test_a_module_that_loads_too_much_is_named():
    names = ["rdmtools.errors", "rdmtools.run.run", "rdmtools.report.run_page"]
    assert first_loads(names, ("pandas", *DRAWING)) == [
        "rdmtools.run.run pandas",
        "rdmtools.report.run_page jinja2",
    ]


SAVED = """
import sys
import rdmtools
found = rdmtools.compare([sys.argv[1]])
assert found.runs["run"].tolist() == ["one", "two"]
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Two saved analyses, as a pattern names them."""
    place = tmp_path_factory.mktemp("saved")
    for name in ("one", "two"):
        rdmtools.analyze(runs.with_event(name=name)).save(place / name, report=False)
    return str(place / "*")


def test_comparing_saved_analyses_loads_nothing_to_draw_with(saved):
    assert loaded(SAVED, saved) & {*DRAWING} == set()


def test_their_page_needs_no_matplotlib_and_a_figure_does(saved):
    save = f"{SAVED}\nfound.save(sys.argv[1][:-1] + '../drawn'"
    assert loaded(f"{save})", saved) & {*DRAWING} == {"jinja2"}
    assert loaded(f"{save}, figures='svg')", saved) >= {*DRAWING}


@pytest.fixture
def run(tmp_path):
    return str(shutil.copy(SAMPLE_RUN, tmp_path))


@pytest.mark.parametrize("words", [("analyze", "--no-report"), ("info",), ("compare",)], ids=" ".join)
def test_a_command_that_draws_nothing_loads_nothing_to_draw_with(run, words):
    needed = {"pandas", "typer", "rich", "jaxtyping"}
    if words[0] != "info":
        needed.add("scipy")  # sparse products of what columns explain
    assert loaded(COMMAND.format(words=words), run) <= needed


def test_the_test_above_can_fail(run):
    words = ("analyze", "--no-report", "--figures", "svg")
    assert loaded(COMMAND.format(words=words), run) >= {"matplotlib"}


def test_the_page_needs_no_matplotlib(run):
    assert loaded(COMMAND.format(words=("analyze",)), run) & {*DRAWING} == {"jinja2"}


@pytest.mark.parametrize("words", LIGHT_COMMANDS, ids=" ".join)
def test_help_and_version_load_nothing_that_analyses(words):
    told = output(TOLD.format(words=words) + TELL.format(names=NAMES))
    assert len(told) > 1
    assert not {*told[-1].split()} - {"typer", "rich"}


def test_completion_loads_nothing_that_analyses():
    completed, modules = output(COMPLETION + TELL.format(names=NAMES))
    assert completed == "--window"
    assert not {*modules.split()} - {"typer", "rich"}
