"""The command as people and machines meet it: output, streams, exit codes, one-line errors."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.command import rdmtools, rdmtools_process

from rdmtools import AnalysisSettings
from rdmtools.format.names import ANALYSIS_TABLES

SAMPLES = Path(__file__).parents[2] / "sample_data"
LOUD, QUIET = "deep_linear.parquet", "deep_linear_quiet.parquet"


@pytest.fixture
def place(tmp_path):
    shutil.copytree(SAMPLES, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("analysis"))
    return tmp_path


def tidy(rows=40, samples=6):
    steps, ids = np.meshgrid(np.arange(rows) * 10, np.arange(samples), indexing="ij")
    losses = np.random.default_rng(0).random(rows * samples)
    return pd.DataFrame({"step": steps.ravel(), "sample_id": ids.ravel(), "loss": losses})


def test_analyze_tells_the_three_events_and_leaves_everything(place):
    done = rdmtools_process("analyze", LOUD, cwd=place)
    assert (done.returncode, done.stderr) == (0, "")
    assert "3 changes" in done.stdout
    assert done.stdout.count("at most 5% of runs alarm") == 1
    for group in ("“mode 2”", "“mode 3”"):
        assert group in done.stdout
    folder = place / "deep_linear.rdm" / "analysis"
    assert {path.name for path in folder.iterdir()} == {
        *(f"{name}.parquet" for name in ANALYSIS_TABLES),
        "summary.json",
        "cards.json",
        "report.html",
    }
    scalars = pd.read_parquet(place / "deep_linear.rdm" / "scalars.parquet").set_index("step")
    alarms = pd.read_parquet(folder / "events.parquet")["alarm_step"]
    for alarm, mode in zip(alarms, ("mode_1", "mode_2", "mode_3"), strict=True):
        assert alarm < (scalars[mode] > 0.5).idxmax()


def test_the_quiet_run_has_no_alarm(place):
    done = rdmtools("analyze", QUIET, "--no-report", cwd=place)
    assert done.returncode == 0
    assert "Nothing stood out" in done.stdout
    assert not (place / "deep_linear_quiet.rdm" / "analysis" / "report.html").exists()


def test_a_run_too_short_to_judge_has_an_exit_code_of_its_own(place):
    tidy(rows=30).to_parquet(place / "short.parquet")
    done = rdmtools("analyze", "short.parquet", "--no-report", cwd=place)
    assert done.returncode == 3
    assert "Too short to judge: 30 rows, and the rule needs 40" in done.stdout.replace("\n", " ")
    with_quiet = rdmtools("analyze", "short.parquet", QUIET, "--no-report", cwd=place)
    assert with_quiet.returncode == 3
    broken = rdmtools("analyze", "short.parquet", "missing.parquet", "--no-report", cwd=place)
    assert broken.returncode == 1
    shorter = rdmtools("analyze", "short.parquet", "--no-report", "--window", 10, cwd=place)
    assert shorter.returncode == 0


def test_json_is_one_object_a_line(place):
    done = rdmtools("analyze", LOUD, QUIET, "missing.parquet", "--json", "--no-report", cwd=place)
    assert (done.returncode, done.stderr) == (1, "")
    loud, quiet, missing = map(json.loads, done.stdout.splitlines())
    assert [len(loud["events"]), len(quiet["events"])] == [3, 0]
    saved = (place / "deep_linear.rdm" / "analysis" / "summary.json").read_text()
    assert json.loads(saved) == loud
    assert "missing.parquet" in missing["error"]


def test_of_many_runs_one_bad_one_is_told_and_the_rest_are_done(place):
    (place / "bad.parquet").write_bytes(b"PAR1 and then nothing")
    done = rdmtools("analyze", "bad.parquet", QUIET, "--no-report", cwd=place)
    assert done.returncode == 1
    assert "Nothing stood out" in done.stdout
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert "bad.parquet" in done.stderr


def test_out_and_every_option(place):
    done = rdmtools(
        *("analyze", LOUD, QUIET, "--window", 10, "-w", 30, "--stride", 3, "--detrend", "linear"),
        *(
            "--spectrum",
            "--rule",
            "decades",
            "--decades",
            1.2,
            "--modes",
            2,
            "--marks",
            "--precision",
            "single",
        ),
        *("--false-alarms", 0.1, "--horizon", 40),
        *("--by", "group", "--known-at-start", "--truth", "mode_1", "--truth", "mode_2@0.9"),
        *("--out", "results", "--no-report"),
        cwd=place,
    )
    assert done.returncode == 0, done.stderr
    table = pd.read_parquet(place / "results" / "deep_linear" / "observables.parquet")
    assert set(table["window"]) == {10, 30}
    assert {"eigenvalue_1", "eigenvalue_2"} <= set(table.columns)
    assert "eigenvalue_3" not in table
    settings = json.loads((place / "results" / "deep_linear" / "summary.json").read_text())["settings"]
    assert settings == {
        "windows": [10, 30],
        "stride": 3,
        "detrend": "linear",
        "spectrum": True,
        "rule": "decades",
        "false_alarms": 0.1,
        "horizon": 40.0,
        "decades": 1.2,
        "marks": True,
        "modes": 2,
        "precision": "single",
        "by": ["group"],
        "known_at_start": True,
        "truth": ["mode_1", "mode_2@0.9"],
    }
    assert not (place / "deep_linear.rdm" / "analysis").exists()


def test_defaults_are_the_settings_own(place):
    done = rdmtools("analyze", QUIET, "--json", "--no-report", cwd=place)
    settings = json.loads(done.stdout)["settings"]
    assert settings == json.loads(json.dumps(AnalysisSettings().to_dict()))


def test_foreign_columns_are_mapped_or_named(tmp_path):
    foreign = tidy().rename(columns={"step": "global_step", "loss": "nll"})
    foreign.to_parquet(tmp_path / "foreign.parquet")
    bare = rdmtools("info", "foreign.parquet", cwd=tmp_path)
    assert bare.returncode == 1
    assert "nll" in bare.stderr
    assert bare.stderr.count("\n") == 1
    mapped = rdmtools(
        "info", "foreign.parquet", "--columns", "step=global_step,loss=nll", "--json", cwd=tmp_path
    )
    facts = json.loads(mapped.stdout)
    assert (facts["rows"], facts["samples"], facts["spacing"]) == (40, 6, "every 10 steps")
    wrong = rdmtools("info", "foreign.parquet", "--columns", "nonsense", cwd=tmp_path)
    assert wrong.returncode == 2


DIRT = {
    "nan": (lambda t: t.assign(loss=t["loss"].where(t.index != 17)), "--nonfinite"),
    "gap": (lambda t: t.drop(index=17), "--missing"),
    "text": (lambda t: t.assign(loss=t["loss"].astype(str)), "loss"),
    "short": (lambda t: t[t["step"] < 50], "window of 20 rows is longer than the run's 5"),
}


@pytest.mark.parametrize("kind", DIRT)
def test_dirty_files_get_one_line_that_says_the_fix(kind, tmp_path):
    change, fix = DIRT[kind]
    change(tidy()).to_parquet(tmp_path / "dirty.parquet")
    before = (tmp_path / "dirty.parquet").read_bytes()
    done = rdmtools("analyze", "dirty.parquet", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert fix in done.stderr
    assert (tmp_path / "dirty.parquet").read_bytes() == before


def test_what_was_repaired_is_said(tmp_path):
    table = tidy()
    again = table.iloc[[5]].assign(loss=99.0)
    pd.concat([table, again]).to_parquet(tmp_path / "twice.parquet")
    done = rdmtools("analyze", "twice.parquet", "--no-report", cwd=tmp_path)
    assert done.returncode == 0
    assert "note: " in done.stdout
    refused = rdmtools("analyze", "twice.parquet", "--duplicates", "error", cwd=tmp_path)
    assert refused.returncode == 1
    gap = table.drop(index=17)
    gap.to_parquet(tmp_path / "gap.parquet")
    done = rdmtools("info", "gap.parquet", "--missing", "drop-samples", "--json", cwd=tmp_path)
    facts = json.loads(done.stdout)
    assert facts["samples"] == 5
    assert facts["quality"]["dropped_samples"] == 1


def test_bad_options_and_their_bad_values_are_usage(place):
    for words, fix in (
        (("analyze", LOUD, "--window", 1), "choose at least 2"),
        (("compare", LOUD, "--decades", -1), "choose a rise above 0"),
        (("analyze", LOUD, "--stride", 0), "choose at least 1"),
        (("info", LOUD, "--columns", "stop=x"), "step, sample_id, loss"),
        (("info", "s3://bucket"), "needed a run in a store"),
        (("convert", "s3://bucket/run.csv"), "copy it here first"),
    ):
        done = rdmtools(*words, cwd=place)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert fix in done.stderr
        as_json = rdmtools(*words, "--json", cwd=place)
        assert (as_json.returncode, as_json.stderr) == (2, "")
        assert fix in json.loads(as_json.stdout)["error"]
    for words in (("analyze",), ("analyze", LOUD, "--detrend", "cubic"), ("nonsense",)):
        assert rdmtools(*words, cwd=place).returncode == 2


def test_compare_prints_a_row_a_run_and_takes_saved_analyses(place):
    rdmtools("analyze", LOUD, "--window", 30, "--out", "saved", "--no-report", cwd=place)
    done = rdmtools("compare", LOUD, QUIET, "saved", "--json", cwd=place)
    loud, quiet, saved = map(json.loads, done.stdout.splitlines())
    assert [row["run"] for row in (loud, quiet, saved)] == ["deep_linear", "deep_linear_quiet", "saved"]
    assert [loud["events"], quiet["events"]] == [3, 0]
    assert [loud["window"], saved["window"]] == [20, 30]
    assert [loud["control"], quiet["control"]] == ["none", "solution"]
    people = rdmtools_process("compare", "*.parquet", cwd=place)
    assert people.returncode == 0
    assert "deep_linear_quiet" in people.stdout


def test_leads_are_told_and_compared(place):
    alone = rdmtools("analyze", LOUD, "--no-report", cwd=place)
    assert "Name a scalar to measure the lead: --truth NAME; logged: loss," in alone.stdout
    done = rdmtools("analyze", LOUD, "--truth", "mode_1", "--no-report", cwd=place)
    assert (
        "100 steps early\n  Alarm 400 by the mean slope → mode_1 half-way 500, before it had" in done.stdout
    )
    wrong = rdmtools("analyze", LOUD, "--truth", "acc", cwd=place)
    assert wrong.returncode == 1
    assert "no scalar 'acc' for the truth; found loss, gradient_norm" in wrong.stderr
    assert "choose --truth theory_3" in wrong.stderr
    both = rdmtools("compare", LOUD, QUIET, "--truth", "mode_1", "--out", "both", cwd=place)
    assert both.returncode == 0, both.stderr
    assert "before T10" in both.stdout
    table = pd.read_parquet(place / "both" / "transitions.parquet")
    assert table["lead_steps"].isna().tolist() == [False, True]


def test_compare_takes_analyses_from_companion_folders_by_the_names_of_their_runs(place):
    rdmtools("analyze", LOUD, QUIET, "--no-report", cwd=place)
    done = rdmtools("compare", "*.rdm/analysis", "--json", cwd=place)
    assert (done.returncode, done.stderr) == (0, "")
    assert [json.loads(line)["run"] for line in done.stdout.splitlines()] == [
        "deep_linear",
        "deep_linear_quiet",
    ]


def test_compare_reads_foreign_files_and_outlives_a_bad_one(place):
    foreign = tidy().rename(columns={"loss": "nll"})
    foreign.assign(nll=foreign["nll"].where(foreign.index != 17)).to_parquet(place / "foreign.parquet")
    done = rdmtools(
        *("compare", "foreign.parquet", LOUD, "--columns", "loss=nll", "--nonfinite", "drop-samples"),
        cwd=place,
    )
    assert done.returncode == 1  # the other has no column nll
    assert "foreign" in done.stdout
    assert done.stderr.startswith("error: deep_linear.parquet: no column 'nll'")
    assert done.stderr.count("\n") == 1
    as_json = rdmtools("compare", LOUD, "missing.parquet", "--json", cwd=place)
    row, error = sorted(map(json.loads, as_json.stdout.splitlines()), key=lambda each: "error" in each)
    assert (row["run"], error["run"]) == ("deep_linear", "missing.parquet")


def test_no_number_is_cut_on_a_narrow_terminal(tmp_path):
    rng = np.random.default_rng(0)
    losses = 1 + 1e-3 * rng.standard_normal((120, 24))
    losses[60:, :12] -= 0.01 * np.arange(60)[:, None]
    steps, ids = np.meshgrid(10**9 + np.arange(120) * 12_345, np.arange(24), indexing="ij")
    table = pd.DataFrame({"step": steps.ravel(), "sample_id": ids.ravel(), "loss": losses.ravel()})
    kinds = np.where(table["sample_id"] < 12, "a rather long name of a group of samples", "others")
    table.assign(kind=kinds).to_parquet(tmp_path / "run.parquet")
    words = ("run.parquet", "-w", 10, "-w", 20, "--group-by", "kind")
    for command in ("analyze", "compare"):
        done = rdmtools(command, *words, cwd=tmp_path, COLUMNS="50")
        assert done.returncode == 0, done.stderr
        alarms = pd.read_parquet(tmp_path / "run.rdm" / "analysis" / "events.parquet")["alarm_step"]
        assert len(alarms) >= 2
        assert (f"{alarms[0]:,}" if command == "analyze" else str(alarms[0])) in done.stdout
    table.assign(loss=1.0, kind="x").to_parquet(tmp_path / "still.parquet")
    beside = rdmtools("compare", "still.parquet", *words, cwd=tmp_path, COLUMNS="50").stdout
    assert str(alarms.iloc[0]) in beside
    assert "“a rather long name of a" in rdmtools("analyze", *words, cwd=tmp_path, COLUMNS="50").stdout


def test_what_users_wrote_never_steers_the_terminal(tmp_path):
    name = "one\ntwo\x1b[31m.parquet"
    tidy().assign(kind="\x1b[2Jred\n").to_parquet(tmp_path / name)
    for words in (("info", name, "--group-by", "kind"), ("compare", name), ("analyze", name, "--no-report")):
        done = rdmtools(*words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "\x1b" not in done.stdout
    missing = rdmtools("info", "one\nmissing", cwd=tmp_path)
    assert (missing.returncode, missing.stderr.count("\n")) == (1, 1)


def test_any_terminal_prints_something(place):
    done = rdmtools_process("analyze", LOUD, "--no-report", cwd=place, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    (place / "quiet né.parquet").write_bytes((place / QUIET).read_bytes())
    done = rdmtools_process("info", "quiet né.parquet", "--json", cwd=place, PYTHONIOENCODING="ascii")
    assert json.loads(done.stdout)["run"] == "quiet né"


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes exist on Linux alone")
def test_a_name_that_is_not_utf8_is_told_as_such(place):
    name = b"bad\xff.parquet"
    (place / os.fsdecode(name)).write_bytes((place / QUIET).read_bytes())
    done = rdmtools_process("info", os.fsdecode(name), cwd=place)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "a name that is not UTF-8; needed one that is: rename it" in done.stderr


def test_names_from_files_never_become_markup(tmp_path):
    tidy().to_parquet(tmp_path / "[red]run :smile:[bold].parquet")
    done = rdmtools("analyze", "[red]run :smile:[bold].parquet", "--no-report", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "[red]run :smile:[bold]" in done.stdout.replace("\n", "")


HERE = {
    "table": (("compare", LOUD, QUIET, "missing.parquet", "--fresh"), {"COLUMNS": "50"}),
    "note, json": (("info", LOUD, "x.csv", "bad\udcff.parquet", "--json"), {}),
    "usage": (("analyze", LOUD, "--detrend", "cubic"), {}),
    "help": (("score", "-h"), {"COLUMNS": "90"}),
    "colours": (("analyze", LOUD, "--fresh", "--no-report"), {"NO_COLOR": "", "FORCE_COLOR": "1"}),
}


@pytest.mark.parametrize("words", HERE)
def test_the_command_run_here_is_that_of_a_process_of_its_own(words, place):
    """To the letter, so that the tests which run it here hold what users meet."""
    words, variables = HERE[words]
    tidy().pivot(index="step", columns="sample_id", values="loss").to_csv(place / "x.csv")
    here, there = (run(*words, cwd=place, **variables) for run in (rdmtools, rdmtools_process))
    assert (here.returncode, here.stdout, here.stderr) == (there.returncode, there.stdout, there.stderr)
    assert here.stdout + here.stderr


def test_version_and_help():
    import rdmtools as package

    assert rdmtools_process("--version", cwd=".").stdout.split() == ["rdmtools", package.__version__]
    for command in ("analyze", "info", "compare"):
        assert command in rdmtools("--help", cwd=".").stdout
        assert "RUN" in rdmtools(command, "-h", cwd=".").stdout


def test_an_interrupt_during_the_imports_is_quiet_too():
    script = (
        "import signal, sys\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'pandas':\n"
        "            signal.raise_signal(signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "from rdmtools_cli.main import main\n"
        "sys.argv = ['rdmtools', 'info', 'run.parquet']\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_interrupted_is_130_without_a_traceback(place):
    script = (
        "import sys, signal, rdmtools_cli.analyze as command, rdmtools_cli.main as program\n"
        "command.read = lambda *args, **kwargs: signal.raise_signal(signal.SIGINT)\n"
        f"sys.argv = ['rdmtools', 'analyze', {LOUD!r}]\n"
        "program.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=place, check=False
    )
    assert done.returncode == 130
    assert "Traceback" not in done.stderr


def test_garbage_is_collected_again_once_the_imports_are_done(place):
    script = (
        "import gc, sys, rdmtools.read.faults as command, rdmtools_cli.main as program\n"
        "told = lambda *args, **kwargs: sys.exit(f'{gc.isenabled()} {gc.get_freeze_count() > 0}')\n"
        "command.read = told\n"
        f"sys.argv = ['rdmtools', 'info', {LOUD!r}]\n"
        "program.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=place, check=False
    )
    assert done.stderr == "True True\n"
