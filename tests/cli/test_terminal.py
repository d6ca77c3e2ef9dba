"""What stands in a terminal: each thing once, nothing wider than it is, and the page on request."""

import io
import json
import os
import shutil
import subprocess
import sys
import webbrowser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.command import rdmtools
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

import rdmtools as rdm
from rdmtools_cli import console, told

SAMPLES = Path(__file__).parents[2] / "sample_data"
LOUD, QUIET, GROKKING = "deep_linear.parquet", "deep_linear_quiet.parquet", "grokking.parquet"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("a rather long name of a folder, as those of sweeps are")
    for name in (LOUD, QUIET, GROKKING):
        shutil.copy(SAMPLES / name, folder)
        companion = Path(name).with_suffix(".rdm")
        ignored = shutil.ignore_patterns("analysis")
        shutil.copytree(SAMPLES / companion, folder / companion, ignore=ignored)
    tidy(rows=30).to_parquet(folder / "short.parquet")
    tidy().pivot(index="step", columns="sample_id", values="loss").to_csv(folder / "wide.csv")
    return folder


def tidy(rows=40, samples=6, seed=0):
    steps, ids = np.meshgrid(np.arange(rows) * 10, np.arange(samples), indexing="ij")
    losses = np.random.default_rng(seed).random(rows * samples)
    return pd.DataFrame({"step": steps.ravel(), "sample_id": ids.ravel(), "loss": losses})


def too_wide(text, width):
    """Lines wider than the terminal, but for a path that stands alone and is pasted whole."""
    return [
        line
        for line in text.splitlines()
        if cell_len(line) > width and not os.path.exists(line) and not line.startswith("error: ")
    ]


COMMANDS = {
    "analyze": ("analyze", LOUD, QUIET, GROKKING, "short.parquet", "--fresh"),
    "analyze, truths": ("analyze", LOUD, "--truth", "mode_1", "--truth", "mode_2", "--marks", "--fresh"),
    "analyze, windows": ("analyze", GROKKING, "-w", 10, "-w", 20, "--reference", QUIET, "--fresh"),
    "compare": ("compare", LOUD, QUIET, GROKKING, "short.parquet"),
    "compare, truths": ("compare", LOUD, QUIET, "--truth", "mode_1", "--truth", "mode_2"),
    "info": ("info", LOUD, GROKKING, "wide.csv"),
    "reference": ("reference", QUIET, "short.parquet"),
    "watch": ("watch", LOUD, GROKKING, "--once", "-w", 20, "-w", 40),
    "convert": ("convert", "wide.csv", "--overwrite"),
}
OUT = {"analyze": "results of many analyses of runs", "compare": "side by side", "reference": "quiet.json"}


@pytest.mark.parametrize(
    ("name", "width"), [*((name, 80) for name in COMMANDS), ("analyze, truths", 60), ("compare", 60)]
)
def test_no_line_is_wider_than_the_terminal(name, width, place):
    words = COMMANDS[name]
    if words[0] in OUT:
        words = (*words, "--out", place / f"{name} {OUT[words[0]]}")
    done = rdmtools(*words, cwd=place, COLUMNS=str(width))
    assert done.returncode in (0, 3), done.stderr
    assert done.stdout
    assert too_wide(done.stdout + done.stderr, width) == []


WORDS = st.text("ab ", min_size=1, max_size=24).map(str.strip).filter(bool)


@given(st.integers(20, 100), st.lists(st.tuples(WORDS, st.lists(WORDS, min_size=3, max_size=3)), min_size=1))
def test_a_table_fits_and_cuts_no_cell(width, columns):
    with pytest.MonkeyPatch.context() as patch:
        out = Console(width=width, highlight=False, emoji=False, file=io.StringIO())
        patch.setattr(console, "OUT", out)
        console.print_table([console.Column(heading, cells) for heading, cells in columns])
    printed = out.file.getvalue()
    assert max(map(cell_len, printed.splitlines())) <= width
    everything = "".join(printed.split())
    for _, cells in columns:
        for cell in cells:
            assert "".join(cell.split()) in everything


def test_analyze_says_nothing_twice(place):
    done = rdmtools("analyze", LOUD, "--truth", "mode_1", "--fresh", cwd=place, COLUMNS="300")
    lines = done.stdout.splitlines()
    told_once = [line for line in lines if not line.startswith("  By ")]  # what fired, of each change
    assert len(told_once) == len({*told_once})
    assert done.stdout.count("100 steps early") == 1
    assert done.stdout.count("at most 5% of runs alarm") == 1
    assert "report: " in lines[-1]
    again = rdmtools("analyze", LOUD, "--truth", "mode_1", cwd=place, COLUMNS="300").stdout.splitlines()
    assert again[:-1] == lines[:-1]
    assert "unchanged since it was analysed" in again[-1]


def test_words_that_were_damaged_are_made_again(place):
    words = ("analyze", QUIET, "--no-report", "--out", "words")
    before = rdmtools(*words, cwd=place).stdout
    for damage in ("{", "[]", '{"headline": 3}', json.dumps({"headline": "x", "before": "y", "cards": []})):
        (place / "words" / "cards.json").write_text(damage)
        assert rdmtools(*words, cwd=place).stdout == before


def with_changes(count, path):
    """Losses that fall together now and then, so that each time is a change of its own."""
    rng = np.random.default_rng(3)
    rows, samples = 120 * (count + 1), 12
    losses = 50 + 1e-3 * rng.standard_normal((rows, samples))
    for n in range(count):
        fall = 120 * (n + 1)
        losses[fall:, n % 4 : n % 4 + 4] -= np.minimum(0.02 * np.arange(rows - fall), 0.4)[:, None]
    run = rdm.Run.from_arrays(np.arange(rows) * 10, losses, name=path.stem)
    steps, ids = np.meshgrid(run.steps, np.arange(samples), indexing="ij")
    pd.DataFrame({"step": steps.ravel(), "sample_id": ids.ravel(), "loss": losses.ravel()}).to_parquet(path)


def test_of_many_changes_three_are_told_in_full_and_the_rest_in_a_line_each(tmp_path):
    with_changes(6, tmp_path / "many.parquet")
    done = rdmtools("analyze", "many.parquet", "--no-report", cwd=tmp_path, COLUMNS="80")
    found = len(pd.read_parquet(tmp_path / "many.rdm" / "analysis" / "events.parquet"))
    assert found > 4
    assert done.stdout.count("Who moved: ") == 3
    head, table = done.stdout.split(f"{found - 3} further changes:\n")
    rows = table.splitlines()[1 : found - 2]
    alarms = pd.read_parquet(tmp_path / "many.rdm" / "analysis" / "events.parquet")["alarm_step"]
    assert [row.split()[0] for row in rows] == [f"{alarm:,}" for alarm in alarms[3:]]
    assert head.count("Alarm at step") == 3
    assert told._IN_FULL == 3


def test_a_note_of_several_runs_is_told_once_with_how_many(tmp_path):
    for seed in range(4):
        table = tidy(seed=seed)
        twice = table.iloc[[5]].assign(loss=99.0) if seed else table.iloc[:0]
        more = table.iloc[[7, 8]] if seed == 3 else table.iloc[:0]
        pd.concat([table, twice, more]).to_parquet(tmp_path / f"s{seed}.parquet")
    words = ("analyze", "s*.parquet", "--no-report")
    done = rdmtools(*words, cwd=tmp_path)
    assert done.stdout.count("note (3 of 4 runs): 1 row among them had another loss") == 1
    assert done.stdout.count("note (2 of 4 runs): left out 1 row that came twice") == 1
    assert done.stdout.count("note (s3): left out 3 rows that came twice") == 1
    assert done.stdout.rindex("tables: ") < done.stdout.index("note (")
    shared = rdmtools(*words, "--workers", 2, "--fresh", cwd=tmp_path)
    assert shared.stdout == done.stdout
    alone = rdmtools("analyze", "s3.parquet", "--no-report", cwd=tmp_path).stdout.splitlines()
    assert [line.partition(":")[0] for line in alone[1:3]] == ["note", "note"]


def test_warnings_of_many_runs_are_told_once(tmp_path):
    """A companion that cannot be read is warned of with its path, which differs from run to run."""
    for seed in range(3):
        tidy(seed=seed).to_parquet(tmp_path / f"s{seed}.parquet")
        (tmp_path / f"s{seed}.rdm").mkdir()
        if seed:
            (tmp_path / f"s{seed}.rdm" / "samples.parquet").write_text("junk")
    for words in (("compare",), ("analyze", "--no-report")):
        done = rdmtools(*words, "s*.parquet", cwd=tmp_path, COLUMNS="300")
        assert done.returncode == 0, done.stderr
        assert done.stderr.startswith("note (2 of 3 runs): RUN.rdm/samples.parquet starts with b'junk'")
        assert done.stderr.count("\n") == 1


@pytest.fixture
def opened(monkeypatch):
    pages = []
    monkeypatch.setattr(webbrowser, "open", lambda address: pages.append(address) or True)
    return pages


def test_open_shows_the_page(place, opened):
    done = rdmtools("analyze", QUIET, GROKKING, "--open", cwd=place)
    assert (done.returncode, done.stderr) == (0, "")
    assert opened == [(place / "deep_linear_quiet.rdm" / "analysis" / "report.html").as_uri()]
    assert rdmtools("compare", LOUD, QUIET, "--out", "beside", "--open", cwd=place).returncode == 0
    assert opened[1:] == [(place / "beside" / "comparison.html").as_uri()]


def test_where_there_is_no_page_to_open_that_is_usage(place, opened):
    for words in (("analyze", QUIET, "--no-report", "--open"), ("compare", LOUD, QUIET, "--open")):
        done = rdmtools(*words, cwd=place)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "--open" in done.stderr
    assert opened == []


def refuse(address):
    raise webbrowser.Error("could not locate runnable browser")


@pytest.mark.parametrize("browser", [lambda address: False, refuse])
def test_without_a_browser_a_note_says_so(place, browser, monkeypatch):
    monkeypatch.setattr(webbrowser, "open", browser)
    done = rdmtools("analyze", QUIET, "--open", cwd=place)
    assert (done.returncode, done.stderr) == (0, "note: no browser was found here that could open the page\n")


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_bash_completes_commands_choices_and_files(tmp_path):
    program = tmp_path / "rdmtools"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path[:0] = {sys.path!r}\n"
        "from rdmtools_cli.main import main\nmain()\n"
    )
    program.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    script = (
        'eval "$(_RDMTOOLS_COMPLETE=source_bash rdmtools)"; complete -p rdmtools\n'
        'try() { COMP_WORDS=(rdmtools "$@"); COMP_CWORD=$#; _rdmtools_completion rdmtools; }\n'
        'try ana; echo "${COMPREPLY[@]}"; try analyze --detrend ""; echo "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    files, *completed = done.stdout.splitlines()
    assert "-o default" in files  # where the command has no answer, bash completes files
    assert [sorted(each.split()) for each in completed] == [["analyze"], ["constant", "linear"]]
