"""A score as a page and as a command: what it says of a small corpus, and where there is nothing to say."""

import json
import re
from dataclasses import replace

import pandas as pd
import pytest
from helpers.command import rdmtools, rdmtools_process
from helpers.corpora import write_corpus

from rdmtools.errors import ParameterError
from rdmtools.evaluation import Entry, score, write_manifest
from rdmtools.evaluation.rated import OURS
from rdmtools.report.score_page import write_score
from rdmtools.report.score_words import winners
from rdmtools.results.folder import SCORE

WINDOW = 20


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    entries = write_corpus(folder, ("first", "second"), seeds=4)
    write_manifest(folder / "first", [each for each in entries if each.setting == "first"])
    return folder, entries


@pytest.fixture(scope="module")
def whole(corpus):
    return score(corpus[0], window=WINDOW)


def words(path):
    """The page's text, without its markup and styles."""
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"<(style|svg)\b.*?</\1>", " ", text, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


@pytest.fixture(scope="module")
def written(whole, tmp_path_factory):
    return write_score(whole, tmp_path_factory.mktemp("page") / "score.html")


def test_the_page_has_every_table_and_figure(written):
    text, page = words(written), written.read_text(encoding="utf-8")
    assert "24 runs of 2 settings, in windows of 20 logged rows" in text
    assert "8 runs with 8 judged transitions, 8 quiet control runs" in text
    assert "4 transitions in 4 runs, 4 quiet runs, 4 hard runs" in text
    for rule in ("SHC at 1.5 decades", "total variance", "PR", "kendall tau", "always alarm", "never alarm"):
        assert text.count(rule) >= 2, rule
    assert text.index("What is not covered") < text.index("The contest") < text.index("False alarms")
    # of each wide and narrow: ROC curves, leads at their price, and for each setting leads and groups
    assert page.count("<svg") == 2 * (2 + 2 * 2)
    assert "<script" not in page
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_the_page_tells_the_numbers_of_the_tables(whole, written):
    text = words(written)
    rates = whole.rates[whole.rates["controls"] == "quiet"].set_index("rule")
    assert rates.loc["shc at 1.5 decades", ["alarmed", "runs"]].tolist() == [0, 4]
    assert "quiet, all settings 0 of 4 0% (0–60%)" in text  # Clopper-Pearson of 0 in 4
    alarmed = whole.rates[whole.rates["rule"] == "shc at 1.5 decades"].set_index("controls")["alarmed"]
    assert f"first: ramp {alarmed['first: ramp']} of 2" in text


def test_a_winner_is_named_only_by_a_paired_difference_that_leaves_out_0(whole):
    contest = whole.contest.copy()
    fitted = (contest["setting"] == "first") & ~contest["rule"].str.contains(" ")
    contest.loc[fitted, ["false_alarm_rate", "lead_share"]] = 0.0, 0.1
    contest.loc[fitted, "less_shc_lead_low"] = -0.2
    contest.loc[fitted, "less_shc_lead_high"] = -0.1
    contest.loc[fitted, "chance_hard"] = 0.0
    shc, other = fitted & (contest["rule"] == "shc"), fitted & (contest["rule"] == "drift_energy")

    def headline():
        return winners(replace(whole, contest=contest), "first")[0]

    contest.loc[shc, "lead_share"] = 0.5
    assert headline().startswith("SHC wins")
    contest.loc[fitted, "less_shc_lead_high"] = 0.1
    assert "does not clearly win" in headline()
    contest.loc[other, "lead_share"] = 0.6
    assert headline().startswith("SHC does not win: drift energy has the longest lead")
    contest.loc[other, ["less_shc_lead_low", "less_shc_lead_high"]] = 0.05, 0.1
    assert headline().startswith("SHC does not win: drift energy warns earlier")
    contest.loc[other, "false_alarm_rate"] = 0.25  # of more false alarms: no rival
    assert "does not clearly win" in headline()
    contest.loc[fitted, "lead_share"] = 0.0
    assert headline().startswith("Nobody wins: no signal")
    contest.loc[shc, ["lead_share", "detected", "chance_hard"]] = 0.5, 0.9, 0.9
    assert headline().startswith("Nobody wins: SHC alarms in 90% of the hard controls")


def test_stated_rates_stand_beside_realised_ones_and_leads_beside_each_rule(whole, tmp_path):
    text = words(write_score(whole, tmp_path / "plain.html"))
    assert text.index("False alarms") < text.index("Stated against realised")
    # of even seeds too: 4 in each of two settings
    assert whole.realised.loc[whole.realised["controls"] == "quiet", "runs"].eq(8).all()
    assert "quiet, all settings 0 of 8 0% (0–37%)" in text
    assert "Above its stated rate" not in text
    transitions, realised, paired = whole.transitions.copy(), whole.realised.copy(), whole.paired.copy()
    cell = (realised["rule"] == OURS) & (realised["controls"] == "first: still (quiet)")
    realised.loc[cell, ["alarmed", "rate", "rate_low", "rate_high", "above"]] = 3, 0.75, 0.2, 0.99, True
    realised.loc[(realised["rule"] == OURS) & (realised["kind"] == "hard"), "above"] = True
    lead = (paired["setting"] == "first") & (paired["other"] == "shc at 1.5 decades")
    names = ["both", "only_rule", "only_other", "neither", "earlier", "later"]
    paired.loc[lead, names] = 2, 0, 0, 0, 2, 0
    columns = [f"lead_difference{end}" for end in ("", "_low", "_high")]
    paired.loc[lead, columns] = 0.123, 0.1, 0.2
    unseen = (transitions["rule"] == OURS) & (transitions["run"] == "first/transition/1")
    transitions.loc[unseen, "outcome"] = "not judged"
    told = replace(whole, realised=realised, paired=paired, transitions=transitions)
    text = words(write_score(told, tmp_path / "told.html"))
    # hard controls are no breach of what is stated
    assert text.count("Above its stated rate:") == 1
    assert "Above its stated rate: self normalised at 5% in first: still (quiet): 3 of 4." in text
    assert "SHC at 1.5 decades 2 0 0 0 2, 0 +12.3 ▲ earlier +10.0 to +20.0" in text
    assert "counted as missed: self normalised at 5% in 1 run of first." in text


def test_controls_in_which_something_happened_are_named(corpus, tmp_path):
    entries = [
        Entry(path=each.path, setting="x", control="kept", seed=each.seed, kind="quiet", truths=each.truths)
        if each.seed == 3 and each.kind == "transition"
        else each
        for each in corpus[1]
        if each.setting == "first"
    ]
    text = words(write_score(score(entries, window=WINDOW), tmp_path / "score.html"))
    assert "In 1 control run the truth says that something did happen" in text
    assert "all the same: x/kept, seed 3 (1 judged)." in text


def test_without_quiet_controls_there_is_no_rate(corpus, tmp_path):
    entries = [each for each in corpus[1] if each.kind == "transition"]
    found = score(entries, window=WINDOW, loadings=False)
    text = words(found.save(tmp_path / "score") / "score.html")
    assert "No quiet controls: no threshold is fitted, and there is no false-alarm rate" in text
    assert "No control run of an odd seed: there is no false-alarm rate." in text
    assert "SHC has no fitted threshold here" in text
    assert "AUROC" not in text
    assert "quiet runs alarmed" not in text
    assert "At every threshold" not in text


@pytest.mark.parametrize(
    ("kept", "line"),
    [
        (lambda each: each.kind != "transition", "No run has a transition: nothing to detect"),
        (lambda each: each.seed % 2 == 0, "No quiet run of an odd seed: there is no false-alarm rate"),
        (lambda each: each.seed % 2 == 1, "No quiet run of an even seed: no threshold is fitted"),
        (lambda each: each.kind == "hard", "There is no judged transition of an odd seed"),
    ],
    ids=["no transitions", "no odd seeds", "no even seeds", "hard controls alone"],
)
def test_what_there_is_no_number_for_is_said(corpus, tmp_path, kept, line):
    entries = [each for each in corpus[1] if each.setting == "first" and kept(each)]
    found = score(entries, window=WINDOW)
    folder = found.save(tmp_path / "score")
    assert line in words(folder / "score.html")
    assert "nan" not in words(folder / "score.html").lower()
    for name, table in found.tables().items():
        assert len(pd.read_parquet(folder / f"{name}.parquet")) == len(table)


def test_a_folder_is_replaced_as_a_whole_and_only_if_it_is_ours(whole, tmp_path):
    folder = whole.save(tmp_path / "score")
    assert {each.name for each in folder.iterdir()} == SCORE.names
    assert set(whole.tables()) == set(SCORE.tables)
    whole.save(folder)
    found = json.loads((folder / "score.json").read_text())
    assert found["contents"] == "rdmtools score"
    assert len(found["contest"]) == len(whole.contest)
    (folder / "thesis.txt").write_text("mine")
    with pytest.raises(ParameterError, match=r"thesis\.txt"):
        whole.save(folder)
    assert (folder / "thesis.txt").read_text() == "mine"


def test_an_interval_that_cannot_be_made_is_said_to_be_none(tmp_path):
    """One odd seed: drawing it again gives it again."""
    lone = score(write_corpus(tmp_path, ("first",), seeds=2), window=WINDOW)
    assert lone.contest["less_shc_lead_low"].isna().all()
    compared = replace(lone, contest=lone.contest.assign(chance_hard=0.0, lead_share=0.5))
    told = " ".join(winners(compared, "first"))
    assert "(one seed: no interval)" in told
    assert "holds 0" not in told
    page = words(write_score(lone, tmp_path / "score.html"))
    assert "first: one run of an odd seed, so no interval can be made: needed two." in page
    assert "no interval" in page
    assert "– to –" not in page


def test_the_command_prints_the_contest_and_leaves_the_page(corpus):
    folder = corpus[0] / "first"
    done = rdmtools_process("score", folder, "--window", 25, cwd=folder, COLUMNS="80")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["quiet"]
    assert " ".join(lines[1].split()) == "setting rule detected before T10 lead alarms AUROC"
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("first") and "shc at 1.5 decades" in line for line in lines)
    assert "2 transitions in 2 runs of odd seeds; window 25" in done.stdout
    assert "intervals (95%) are on the page" in done.stdout
    assert "self_normalised at 5%: 0 of 4 quiet runs alarmed, of all seeds, 0% (0% to 60%)" in done.stdout
    assert (folder / "score" / "score.html").is_file()
    assert len(pd.read_parquet(folder / "score" / "transitions.parquet"))


def test_the_command_for_machines(corpus, tmp_path):
    done = rdmtools("score", corpus[0] / "first", "--json", "--out", tmp_path / "kept", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    kept = pd.read_parquet(tmp_path / "kept" / "contest.parquet")
    assert [record["rule"] for record in records] == kept["rule"].tolist()
    assert {record["setting"] for record in records} == {"first"}


def test_a_broken_corpus_is_told_in_one_line(tmp_path):
    for text, told in (
        ("path,setting,seed,kind\n", "no column 'truth'"),
        ("path,setting,seed,kind,truth\nlost.parquet,a,1,quiet,skill\n", "no lost.parquet"),
    ):
        (tmp_path / "manifest.csv").write_text(text)
        done = rdmtools("score", tmp_path, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("error: ")
        assert told in done.stderr
        assert done.stderr.count("\n") == 1
    assert not (tmp_path / "score").exists()


def test_a_place_that_is_not_ours_is_refused_before_the_work(corpus, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    done = rdmtools("score", corpus[0], "--out", tmp_path, "--json", cwd=tmp_path.parent)
    assert done.returncode == 2
    assert "rdmtools did not write it" in json.loads(done.stdout)["error"]
