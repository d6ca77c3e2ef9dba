"""`rdmtools reference`, and `analyze --reference`: ranks on the screen, and results that depend on them."""

import json
import shlex

import pytest
from helpers.command import rdmtools
from helpers.quiet import bursting, quiet, write

import rdmtools as rdm
from rdmtools.report import reproduce

RUNS = 4


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    (folder / "quiet").mkdir()
    for seed in range(RUNS):
        write(quiet(seed), folder / "quiet" / f"q{seed}.parquet")
    write(bursting(), folder / "burst.parquet")
    return folder


def told(done):
    assert done.returncode == 0, done.stderr
    (summary,) = map(json.loads, done.stdout.splitlines())
    return summary


def analyze(runs, *words, name="burst.parquet"):
    return rdmtools("analyze", name, *(() if "-w" in words else ("-w", 10)), "--no-report", *words, cwd=runs)


def test_a_run_is_ranked_among_those_of_a_pattern(runs):
    summary = told(analyze(runs, "--reference", "quiet/*.parquet", "--json"))
    (row,) = summary["reference"]
    assert (row["runs"], row["at_least"], row["p_value"]) == (RUNS, 0, 1 / (RUNS + 1))
    assert summary["events"][0]["p_value"] == 1 / (RUNS + 1)
    done = analyze(runs, "--reference", "quiet/q0.parquet", "--reference", "quiet/q1.parquet")
    assert "larger than in all 2 reference runs, p <= 0.34 at best" in " ".join(done.stdout.split())


def test_a_saved_reference_ranks_as_its_runs_do(runs, tmp_path):
    out = tmp_path / "quiet.json"
    done = rdmtools("reference", "quiet/*.parquet", "-w", 10, "--out", out, cwd=runs)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"window 10: {RUNS} runs, largest score 0.")
    assert done.stdout.endswith(f"reference: {out}\n")
    rows = [
        told(analyze(runs, "--reference", given, "--json"))["reference"] for given in (out, "quiet/*.parquet")
    ]
    assert rows[0] == rows[1]
    both = tmp_path / "both.json"
    done = rdmtools("reference", out, "burst.parquet", "-w", 10, "--out", both, "--json", cwd=runs)
    assert json.loads(done.stdout) == {"file": str(both), "runs": RUNS + 1, "unjudged": 0}


def test_results_are_made_again_where_the_references_are_others(runs, tmp_path):
    out = tmp_path / "quiet.json"

    def unchanged(*words):
        return "unchanged since" in analyze(runs, *words).stdout

    def keep(pattern):
        done = rdmtools("reference", pattern, "-w", 10, "--out", out, cwd=runs)
        assert done.returncode == 0, done.stderr

    assert not unchanged("--fresh")
    assert unchanged()
    keep("quiet/*.parquet")
    assert not unchanged("--reference", out)
    assert unchanged("--reference", out)
    keep("quiet/q[01].parquet")
    assert not unchanged("--reference", out)
    assert not unchanged("--reference", "quiet/*.parquet")
    assert unchanged("--reference", "quiet/*.parquet")
    assert not unchanged("--reference", "quiet/q1.parquet")
    assert not unchanged()


def test_each_of_several_runs_is_left_out_of_its_own_references(runs, tmp_path):
    words = ("-w", 10, "--no-report", "--json", "--out", tmp_path, "--reference", "quiet/*.parquet")
    done = rdmtools("analyze", "quiet/q0.parquet", "quiet/q1.parquet", *words, cwd=runs)
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        (row,) = json.loads(line)["reference"]
        assert (row["itself"], row["runs"]) == (True, RUNS - 1)


def test_what_cannot_rank_is_told_in_flags(runs, tmp_path):
    out = tmp_path / "quiet.json"
    assert rdmtools("reference", "quiet/*.parquet", "-w", 10, "--out", out, cwd=runs).returncode == 0
    for words, code, expected in (
        (("--reference", out, "-w", 12), 2, f"error: {out} has scores with windows of 10 rows; needed 12; "),
        (
            ("--reference", out, "--rule", "decades"),
            2,
            "error: --rule decades has no score that reference runs",
        ),
        (("--reference", tmp_path / "no.json"), 1, f"error: no file {tmp_path / 'no.json'}; needed what "),
        (("--reference", "none/*"), 1, "error: no run matches none/*; needed at least one"),
    ):
        done = analyze(runs, *words)
        assert (done.returncode, done.stdout) == (code, "")
        assert done.stderr.startswith(expected)
        assert done.stderr.count("\n") == 1
    done = rdmtools("reference", "quiet/*.parquet", "--out", tmp_path / "quiet", cwd=runs)
    assert done.returncode == 2
    assert done.stderr.endswith(f"choose --out {tmp_path / 'quiet.json'}\n")


def test_the_line_that_makes_it_again_names_the_references(runs):
    run = rdm.read_run(runs / "burst.parquet")
    pattern = str(runs / "quiet" / "*.parquet")
    words = shlex.split(reproduce.command(rdm.analyze(run, window=10, reference=pattern)))
    assert words[-2:] == ["--reference", pattern]
    assert f"reference=[{pattern!r}])" in reproduce.python(rdm.analyze(run, window=10, reference=pattern))
    in_memory = rdm.analyze(run, window=10, reference=[quiet(0)])
    assert reproduce.command(in_memory) is None
    assert "reference=...)" in reproduce.python(in_memory)
