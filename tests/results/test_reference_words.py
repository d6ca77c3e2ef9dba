"""What is said of a rank: no p below what the reference runs show, and of other people's runs no p at all."""

import json
import runpy
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from helpers.quiet import bursting, quiet, quiet_runs, write

import rdmtools as rdm
from rdmtools.alarms.ranks import RULE
from rdmtools.results import quiet_runs as known
from rdmtools.results import reference_words
from rdmtools.results.reference_words import p_text

ROOT = Path(__file__).parents[2]


def line(run, reference=None, **changes):
    """The last of the answers, which is in the verdict, too."""
    summary = rdm.analyze(run, reference=reference, **({"window": 10} | changes)).summary()
    told = summary["answers"][-1]
    assert told in summary["verdict"].splitlines()
    return told


@pytest.mark.parametrize(
    ("as_much", "runs", "text"),
    [
        (0, 19, "0.05"),
        (0, 9, "0.10"),
        (0, 20, "0.048"),
        (0, 99, "0.01"),
        (0, 97, "0.011"),
        (0, 98, "0.011"),
        (2, 6, "0.43"),
        (0, 999, "0.001"),
        (0, 1, "0.50"),
        (5, 5, "1"),
        (18, 19, "0.95"),
    ],
)
def test_p_has_two_digits(as_much, runs, text):
    assert p_text(as_much, runs) == text


def test_no_p_is_told_below_its_rank():
    for runs in range(1, 130):
        for as_much in range(runs + 1):
            assert Fraction(p_text(as_much, runs)) >= Fraction(1 + as_much, runs + 1)


def test_the_rank_is_told():
    assert line(bursting(), quiet_runs(19)).endswith(
        ": larger than in all 19 reference runs, p = 0.05 if this run was made as they were."
    )
    told = line(quiet(50), quiet_runs(19))
    assert told.startswith("Largest score 0.")
    assert "of 19 reference runs score no less, p = 0." in told


def test_less_than_so_many_can_show_is_refused():
    assert line(bursting(), quiet_runs(9)).endswith(
        ": larger than in all 9 reference runs, p <= 0.10 at best if this run was made as they were; "
        "needed 19 for 5%."
    )
    assert line(bursting(), quiet_runs(9), false_alarms=0.2).endswith(
        ": larger than in all 9 reference runs, p = 0.10 if this run was made as they were."
    )
    assert line(quiet(5), [bursting()], false_alarms=0.01).endswith(
        ": 1 of 1 reference run scores no less, p = 1 if this run was made as they were "
        "(p <= 0.50 at best with 1; needed 99 for 1%)."
    )


def test_which_runs_do_not_count_is_told():
    reference = [*quiet_runs(3), quiet(1), quiet(4, rows=12), quiet(5, rows=100, samples=7)]
    told = line(quiet(2), reference)
    for words in (
        "of 3 reference runs",
        "; ranked by its first 100 rows, for the shortest has no more",
        "; 1 of them with another number of samples",
        "; 1 more too short to judge",
        "; this run itself, which was among them, is left out",
        "; 1 given twice, counted once.",
    ):
        assert words in told
    assert line(quiet(2), [quiet(2)]) == (
        "No reference run counts; this run itself, which was among them, is left out."
    )
    assert line(quiet(0, rows=12), quiet_runs(2, first=1)) == "Too short to rank among 2 reference runs."


def test_each_window_length_is_told():
    answers = rdm.analyze(bursting(), windows=(10, 12), reference=quiet_runs(2)).summary()["answers"]
    assert ["10 rows" in answers[-2], "12 rows" in answers[-1]] == [True, True]


def test_beside_the_runs_that_come_along_no_p_and_no_rate_is_told(monkeypatch):
    scores = [score for of_setting in known.quiet_runs(10).values() for score in of_setting]
    largest = rdm.analyze(bursting(), window=10).reference["largest_score"][0]
    as_much = sum(score >= largest for score in scores)
    assert 0 < as_much < len(scores)
    settings = len(known.quiet_runs(10))
    told = line(bursting())
    assert f": as large as in {as_much} of {len(scores)} quiet runs of {settings} small settings that" in told
    monkeypatch.setattr(reference_words, "quiet_runs", lambda window: {"a": [largest - 1, 0.1], "b": [0.2]})
    told = line(bursting())
    assert ": larger than in all 3 quiet runs of 2 small settings that come" in told
    assert "which is no rate" in told
    assert "p =" not in told


def test_where_there_are_none_of_that_length_nothing_is_said():
    for changes in ({"window": 13}, {"rule": "decades"}):
        assert not line(quiet(3), **changes).startswith("Largest score")
    assert not line(quiet(0, rows=12)).startswith("Largest score")


def test_the_runs_that_come_along_are_scored_by_the_rule_of_this_release():
    """If this fails, remake them: python benchmarks/quiet_runs.py CORPUS..."""
    found = json.loads(Path(known.__file__).with_name(known.FILE).read_text())
    assert found["rule"] == RULE
    assert {20} <= {int(window) for window in found["windows"]}
    assert found["runs"] >= max(sum(map(len, of.values())) for of in found["windows"].values())


def test_scores_of_another_rule_are_not_told(monkeypatch):
    monkeypatch.setattr(known, "RULE", "another")
    assert known.quiet_runs(10) == {}


def test_the_table_is_made_of_the_quiet_runs_of_corpora(tmp_path, monkeypatch):
    for seed in (1, 2):
        folder = tmp_path / f"corpus{seed}"
        folder.mkdir()
        lines = ["path,setting,control,seed,kind,truth"]
        for name, kind, control in (("calm", "quiet", "calm"), ("change", "transition", "")):
            run = quiet(seed) if kind == "quiet" else bursting()
            write(run, folder / f"{name}.parquet")
            lines.append(f"{name}.parquet,toy,{control},{seed},{kind},x")
        (folder / "manifest.csv").write_text("\n".join(lines))
    out = tmp_path / "made.json"
    script = ROOT / "benchmarks" / "quiet_runs.py"
    folders = [tmp_path / "corpus1", tmp_path / "corpus2"]
    for seeds, runs in (("all", 2), ("odd", 1)):
        words = [script, *folders, folders[0], "--out", out, "--seeds", seeds]
        monkeypatch.setattr(sys, "argv", [*map(str, words)])
        runpy.run_path(str(script), run_name="__main__")
        made = json.loads(out.read_text())
        assert (made["runs"], made["rule"]) == (runs, RULE)
        assert len(made["windows"]["20"]["toy"]) == runs
