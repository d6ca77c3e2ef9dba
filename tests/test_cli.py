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

from rdmtools.analysis.pipeline import AnalysisSettings

SAMPLES = Path(__file__).parents[1] / "sample_data"
LOUD, QUIET = "deep_linear.parquet", "deep_linear_quiet.parquet"


def rdmtools(*words, cwd):
    environment = {**os.environ, "COLUMNS": "140", "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-m", "rdmtools_cli", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment,
        check=False,
    )


@pytest.fixture
def place(tmp_path):
    shutil.copytree(SAMPLES, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("analysis"))
    return tmp_path


def tidy(rows=40, samples=6):
    steps, ids = np.meshgrid(np.arange(rows) * 10, np.arange(samples), indexing="ij")
    losses = np.random.default_rng(0).random(rows * samples)
    return pd.DataFrame({"step": steps.ravel(), "sample_id": ids.ravel(), "loss": losses})


def test_analyze_tells_the_three_modes_and_leaves_everything(place):
    done = rdmtools("analyze", LOUD, cwd=place)
    assert (done.returncode, done.stderr) == (0, "")
    assert "3 events" in done.stdout
    assert "not calibrated" in done.stdout
    for mode in ("mode 1", "mode 2", "mode 3"):
        assert mode in done.stdout
    folder = place / "deep_linear.rdm" / "analysis"
    assert {path.name for path in folder.iterdir()} == {
        "observables.parquet",
        "events.parquet",
        "modes.parquet",
        "groups.parquet",
        "spectra.parquet",
        "summary.json",
        "report.html",
        "figures",
    }
    scalars = pd.read_parquet(place / "deep_linear.rdm" / "scalars.parquet").set_index("step")
    alarms = pd.read_parquet(folder / "events.parquet")["alarm_step"]
    for alarm, mode in zip(alarms, ("mode_1", "mode_2", "mode_3"), strict=True):
        assert alarm < (scalars[mode] > 0.5).idxmax()


def test_the_quiet_run_has_no_alarm(place):
    done = rdmtools("analyze", QUIET, "--no-report", cwd=place)
    assert done.returncode == 0
    assert "No event" in done.stdout
    assert not (place / "deep_linear_quiet.rdm" / "analysis" / "report.html").exists()


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
    assert "No event" in done.stdout
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert "bad.parquet" in done.stderr


def test_out_and_every_option(place):
    done = rdmtools(
        *("analyze", LOUD, QUIET, "--window", 10, "-w", 30, "--stride", 3, "--detrend", "linear"),
        *("--spectrum", "--decades", 1.2, "--modes", 2, "--out", "results", "--no-report"),
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
        "decades": 1.2,
        "modes": 2,
    }
    assert not (place / "deep_linear.rdm" / "analysis").exists()


def test_defaults_are_the_settings_own(place):
    done = rdmtools("analyze", QUIET, "--json", "--no-report", cwd=place)
    settings = json.loads(done.stdout)["settings"]
    assert settings == {**AnalysisSettings().to_dict(), "windows": list(AnalysisSettings().windows)}


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


def test_a_bad_setting_is_one_line_and_a_bad_option_is_usage(place):
    window = rdmtools("analyze", LOUD, "--window", 1, cwd=place)
    assert (window.returncode, window.stderr.count("\n")) == (1, 1)
    assert "choose at least 2" in window.stderr
    for words in (("analyze",), ("analyze", LOUD, "--detrend", "cubic"), ("nonsense",)):
        assert rdmtools(*words, cwd=place).returncode == 2


def test_compare_prints_a_row_a_run_and_takes_saved_analyses(place):
    rdmtools("analyze", LOUD, "--window", 30, "--out", "saved", "--no-report", cwd=place)
    done = rdmtools("compare", LOUD, QUIET, "saved", "--json", cwd=place)
    loud, quiet, saved = map(json.loads, done.stdout.splitlines())
    assert [row["run"] for row in (loud, quiet, saved)] == ["deep_linear", "deep_linear_quiet", "saved"]
    assert [loud["events"], quiet["events"]] == [3, 0]
    assert [loud["window"], saved["window"]] == [20, 30]
    assert [loud["start"], quiet["start"]] == ["random", "solution"]
    people = rdmtools("compare", "*.parquet", cwd=place)
    assert people.returncode == 0
    assert "deep_linear_quiet" in people.stdout


def test_names_from_files_never_become_markup(tmp_path):
    tidy().to_parquet(tmp_path / "[red]run :smile:[bold].parquet")
    done = rdmtools("analyze", "[red]run :smile:[bold].parquet", "--no-report", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "[red]run :smile:[bold]" in done.stdout.replace("\n", "")


def test_version_and_help():
    import rdmtools as package

    assert rdmtools("--version", cwd=".").stdout.split() == ["rdmtools", package.__version__]
    for command in ("analyze", "info", "compare"):
        assert command in rdmtools("--help", cwd=".").stdout
        assert "RUN" in rdmtools(command, "-h", cwd=".").stdout


def test_interrupted_is_130_without_a_traceback(place):
    script = (
        "import sys, signal, rdmtools_cli.analyze as command, rdmtools_cli.main as program\n"
        "command.read_run = lambda *args, **kwargs: signal.raise_signal(signal.SIGINT)\n"
        f"sys.argv = ['rdmtools', 'analyze', {LOUD!r}]\n"
        "program.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=place, check=False
    )
    assert done.returncode == 130
    assert "Traceback" not in done.stderr
