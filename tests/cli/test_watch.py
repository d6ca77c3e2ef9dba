"""`rdmtools watch`: a line an event, what is done about it, a panel; while a training is killed beside it."""

import io
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from helpers.command import rdmtools
from rich.console import Console

import rdmtools as rdm
from rdmtools.watch.follow import Status
from rdmtools_cli import console
from rdmtools_cli.watch_panel import Panel, drawn

# What a training logs: noise that is twelve times as large for some rows, in three samples of eight.
LOSSES = """
import numpy as np
def losses(step):
    loud = np.where(np.arange(8) < 3, 12.0 if step // 40 % 3 == 2 else 1.0, 1.0)
    return np.float32(3 + 0.1 * loud * np.random.default_rng(step).standard_normal(8))
"""
exec(LOSSES)
PROBE = {"group": ["rare"] * 3 + ["[b]"] * 5}
HOW = "--window", "12", "--false-alarms", "0.2"


def logged(path, stop=120, start=0):
    with rdm.ProbeLogger(path, PROBE, resume=True) as log:
        for step in range(start, stop):
            log(step, losses(step))  # noqa: F821
    return path


def steps_of_analysis(path):
    found = rdm.analyze(path, window=12, false_alarms=0.2, horizon=80).events
    return found["alarm_step"].tolist()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.parquet"


def told(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_events_are_a_line_each_and_told_once(path, tmp_path):
    logged(path)
    done = rdmtools("watch", "run.parquet", *HOW, "--once", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    steps = steps_of_analysis(path)
    lines = done.stdout.splitlines()
    assert len(lines) == len(steps) >= 1
    for line, step in zip(lines, steps, strict=True):
        assert line.startswith(f"run  step {step}: ")
        assert " rises since step " in line
        assert line.endswith("group rare")
    again = rdmtools("watch", "run.parquet", *HOW, "--once", cwd=tmp_path)
    assert (again.stdout, again.stderr, again.returncode) == ("", "", 0)


def test_events_as_json_are_those_of_the_analysis(path, tmp_path):
    logged(path, 400)
    done = rdmtools("watch", path, *HOW, "--once", "--json", cwd=tmp_path)
    events = told(done)
    assert [event["alarm_step"] for event in events] == steps_of_analysis(path)
    assert {event["run"] for event in events} == {"run"}
    assert {event["window"] for event in events} == {12}
    assert events[0]["rate"].startswith("at most 20 % of runs alarm within 80 windows of 12 rows")
    assert {"kind", "movement", "drift_share", "direction", "top_group"} <= set(events[0])


def test_many_runs_are_watched_and_a_bad_one_is_told(path, tmp_path):
    logged(path)
    logged(tmp_path / "other.parquet", 200)
    (tmp_path / "bad.parquet").write_text("nothing")
    done = rdmtools("watch", "*.parquet", *HOW, "--once", "--json", cwd=tmp_path)
    assert done.returncode == 1
    assert {line.get("run") for line in told(done)} >= {"run", "other"}
    [error] = [line for line in told(done) if "error" in line]
    assert "bad.parquet starts with" in error["error"]


def test_a_command_gets_each_event_once(path, tmp_path):
    logged(path, 400)
    for _ in range(2):
        done = rdmtools("watch", path, *HOW, "--once", "--exec", f"cat >> {tmp_path}/seen", cwd=tmp_path)
        assert done.returncode == 0
    events = [json.loads(line) for line in (tmp_path / "seen").read_text().splitlines()]
    assert [event["alarm_step"] for event in events] == steps_of_analysis(path)


def test_a_command_that_fails_is_a_note(path, tmp_path):
    logged(path)
    done = rdmtools("watch", path, *HOW, "--once", "--exec", "echo no disk; false", cwd=tmp_path)
    assert done.returncode == 0
    assert "note: run: exec failed for the event at step" in done.stderr
    assert "(exit code 1: no disk)" in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--false-alarms", "0.5"), "take --false-alarms 0.05"),
        (("--horizon", "100"), "take --horizon 80"),
        (("--window", "4"), "choose --window 20"),
        (("--refresh", "0"), "such as --refresh 1"),
        (("--webhook", "nowhere"), "--webhook https://example.org/hook"),
    ],
)
def test_what_does_not_fit_is_told_in_flags(path, tmp_path, words, told):
    done = rdmtools("watch", path, *words, cwd=tmp_path)
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_text_does_not_tell_when_it_ends(tmp_path):
    (tmp_path / "run.csv").write_text("step,sample_id,loss\n0,0,1\n")
    done = rdmtools("watch", "run.csv", "--until-end", cwd=tmp_path)
    assert done.returncode == 2
    assert "take --once instead" in done.stderr


def test_a_run_that_is_not_there_is_an_error_once_and_waited_for_else(tmp_path):
    done = rdmtools("watch", "run.parquet", "--once", cwd=tmp_path)
    assert done.returncode == 1
    assert "no file run.parquet" in done.stderr


TRAINING = (
    LOSSES
    + """
import sys, time, rdmtools
path, start, stop = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with rdmtools.ProbeLogger(path, {"group": ["rare"] * 3 + ["[b]"] * 5}, resume=True) as log:
    for step in range(start, stop):
        log(step, losses(step))
        time.sleep(2e-3)
        print(step, flush=True)
"""
)


def trained(path, start, kill_at, stop):
    """A training that is killed as soon as a step is logged; where it goes on."""
    training = subprocess.Popen(
        [sys.executable, "-c", TRAINING, str(path), str(start), str(stop)], stdout=subprocess.PIPE, text=True
    )
    last = start
    for line in training.stdout:
        last = int(line)
        if last >= kill_at:
            os.kill(training.pid, signal.SIGKILL)
            break
    training.stdout.close()
    training.wait()
    return last


def begun(path, seen):
    words = ["-m", "rdmtools_cli", "watch", str(path), *HOW, "--json", "--until-end", "--refresh", "0.1"]
    return subprocess.Popen(
        [sys.executable, *words, "--exec", f"cat >> {seen}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_training_is_killed_and_resumed_and_each_event_is_told_and_executed_once(path, tmp_path):
    seen = tmp_path / "seen"
    watching = begun(path, seen)
    start = 0
    for kill_at in (100, 190, 260):
        start = trained(path, start, kill_at, 400) - 37
    time.sleep(1.5)  # the watch sees a journal that nobody writes
    watching.kill()  # the watch, too
    first, _ = watching.communicate()
    watching = begun(path, seen)
    trained(path, start, 10_000, 400)
    then, errors = watching.communicate(timeout=60)
    assert watching.returncode == 0, errors
    steps = [json.loads(line)["alarm_step"] for line in [*first.splitlines(), *then.splitlines()]]
    assert sorted(steps) == steps_of_analysis(path)
    executed = [json.loads(line)["alarm_step"] for line in seen.read_text().splitlines()]
    assert sorted(executed) == steps_of_analysis(path)
    assert len(steps) >= 3


def test_an_interrupt_ends_the_watch_and_its_state_is_written(path):
    logged(path)
    watching = subprocess.Popen(
        [sys.executable, "-m", "rdmtools_cli", "watch", str(path), *HOW, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert json.loads(watching.stdout.readline())["run"] == "run"
    watching.send_signal(signal.SIGINT)
    _, errors = watching.communicate(timeout=30)
    assert (watching.returncode, errors) == (130, "")
    assert json.loads((path.with_suffix(".rdm") / "watch" / "watch.json").read_text())["rows"] == 120


def test_what_an_interrupt_kept_from_being_done_is_done_by_the_next_watch(path, tmp_path):
    logged(path, 400)
    slow = f"cat >> {tmp_path}/seen; sleep 0.7"
    watching = subprocess.Popen(
        [sys.executable, "-m", "rdmtools_cli", "watch", str(path), *HOW, "--json", "--exec", slow],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    watching.stdout.readline()
    while not (tmp_path / "seen").exists():
        time.sleep(0.02)
    watching.send_signal(signal.SIGINT)
    watching.communicate(timeout=30)
    first = (tmp_path / "seen").read_text().splitlines()
    done = rdmtools("watch", path, *HOW, "--once", "--exec", f"cat >> {tmp_path}/seen", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    steps = [json.loads(line)["alarm_step"] for line in (tmp_path / "seen").read_text().splitlines()]
    assert 1 <= len(first) < len(steps)
    assert steps == steps_of_analysis(path)


# The panel


def screen(runs, events=()):
    file = io.StringIO()
    Console(file=file, width=90, color_system=None).print(drawn(runs, [*events]))
    return file.getvalue()


def test_the_panel_shows_score_ledger_and_events():
    status = Status(rows=1200, step=24_000, score=0.5, groups={"[b]": (2.0, 0.5, 0.75), "c": (1.0, 1.0, 1.5)})
    text = screen({"run": status, "new": Status(trouble="no file")}, ["step 7: SHC rises"])
    first, second = text.splitlines()[1:3]
    assert "run" in first
    assert "1,200" in first
    assert "24,000" in first
    assert "━━━━━━━━━         │        50%" in first
    assert second.split() == ["new", "0", "–", "│", "–", "waiting"]
    assert [line.split() for line in text.splitlines() if line.startswith(("[b]", "c "))] == [
        ["[b]", "2", "0.5", "0.75"],
        ["c", "1", "1", "1.5"],
    ]
    assert "step 7: SHC rises" in text


@pytest.mark.parametrize("score", [np.nan, -2.0, 0.0, 0.99, 1.0, 30.0])
def test_the_line_stays_where_it_is(score):
    [line] = [line for line in screen({"run": Status(score=score)}).splitlines() if "│" in line]
    assert line.index("│") == screen({"run": Status(score=0.2)}).splitlines()[1].index("│")


def test_the_panel_is_drawn_on_a_terminal_alone(monkeypatch):
    file = io.StringIO()
    monkeypatch.setattr(console, "OUT", Console(file=file, force_terminal=True, width=90))
    with Panel(True) as panel:
        panel.add("step 7: SHC rises")
        panel.show({"run": Status(score=0.5)})
    assert "SHC rises" in file.getvalue()
    file.truncate(0)
    with Panel(False) as panel:
        panel.show({"run": Status(score=0.5)})
    assert "run" not in file.getvalue()
