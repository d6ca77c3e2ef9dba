"""`analyze --control RUN`: its course in the results, made again where the control changes."""

import json

from helpers.command import rdmtools
from helpers.quiet import bursting, quiet, write

from rdmtools_cli import analyze as analyze_command


def analyze(folder, *words):
    return rdmtools("analyze", "burst.parquet", "-w", 10, *words, cwd=folder)


def test_a_control_stands_in_the_results_and_is_part_of_their_name(tmp_path):
    write(bursting(), tmp_path / "burst.parquet")
    write(quiet(3), tmp_path / "q3.parquet")
    done = analyze(tmp_path, "--control", "q3.parquet", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["control"]["run"] == "q3"
    page = (tmp_path / "burst.rdm" / "analysis" / "report.html").read_text(encoding="utf-8")
    assert "Control “q3”: no alarm" in page
    again = analyze(tmp_path, "--control", "q3.parquet").stdout
    assert "unchanged since" in again
    assert "Control “q3”: no alarm" in again
    write(quiet(4), tmp_path / "q3.parquet")
    assert "unchanged since" not in analyze(tmp_path, "--control", "q3.parquet").stdout
    assert "unchanged since" not in analyze(tmp_path).stdout


def test_a_control_that_is_none_is_refused_in_a_line(tmp_path):
    write(bursting(), tmp_path / "burst.parquet")
    write(quiet(0, rows=8), tmp_path / "short.parquet")
    for given, words in (
        ("nowhere.parquet", "nowhere.parquet"),
        ("short.parquet", "needed 10, those of a window; choose --window 8"),
    ):
        done = analyze(tmp_path, "--control", given)
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert words in line


def test_a_control_is_looked_at_once_for_all_runs(tmp_path, monkeypatch):
    asked = []
    find = analyze_command.find_control
    monkeypatch.setattr(analyze_command, "find_control", lambda *a, **k: asked.append(a) or find(*a, **k))
    for seed in range(3):
        write(bursting(seed), tmp_path / f"b{seed}.parquet")
    write(quiet(3), tmp_path / "q3.parquet")
    done = rdmtools("analyze", "b*.parquet", "-w", 10, "--control", "q3.parquet", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["control"]["run"] for line in done.stdout.splitlines()] == ["q3"] * 3
    assert len(asked) == 1
