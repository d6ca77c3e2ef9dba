"""A score from runs on disk to its tables: what is in them, and that nobody's help changes it."""

import re
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import numpy as np
import pandas as pd
import pytest

import rdmtools as rdm
from rdmtools.errors import FormatError, ParameterError
from rdmtools.evaluation import Entry, Truth, read_corpus, score, write_manifest
from rdmtools.run.run import Run

ROWS, SAMPLES, WINDOW, EVERY = 90, 12, 6, 10
GROUPS = ["learned"] * 5 + ["other"] * 7


def log_run(path, seed, *, learns):
    """Noise in which the group is learned about step 600, or is not."""
    rng = np.random.default_rng(seed)
    at = 60 + rng.integers(-3, 4)
    fall = 1 / (1 + np.exp(-(np.arange(ROWS) - at) / 2)) if learns else np.zeros(ROWS)
    path.parent.mkdir(parents=True, exist_ok=True)
    with rdm.ProbeLogger(path, samples={"sample_id": np.arange(SAMPLES), "group": GROUPS}) as log:
        for row in range(ROWS):
            losses = 2 + 0.01 * rng.standard_normal(SAMPLES)
            losses[:5] -= fall[row]
            log(EVERY * row, losses)
            norms = {"gradient_norm": rng.lognormal(), "weight_norm": 1 + row}
            log.scalars(EVERY * row, accuracy=fall[row], **norms)


def make_corpus(folder, seeds=4):
    truths = (Truth(column="accuracy", group="learned"),)
    entries = []
    for seed in range(seeds):
        for control, kind in (("", "transition"), ("frozen", "quiet"), ("partly", "hard")):
            path = folder / (control or "transition") / f"{seed}.parquet"
            log_run(path, 10 * seed + len(control), learns=kind != "quiet")
            entries.append(
                Entry(path=path, setting="toy", control=control, seed=seed, kind=kind, truths=truths)
            )
    write_manifest(folder, entries)
    return folder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def found(corpus):
    return score(corpus, window=WINDOW)


def assert_same(one, two):
    for name, table in one.tables().items():
        pd.testing.assert_frame_equal(table, two.tables()[name])


def test_the_transitions_are_found_and_the_quiet_runs_are_not(found):
    contest = found.contest.set_index("rule")
    assert contest.loc[["shc", "total_variance"], "detected"].tolist() == [1, 1]
    assert contest.loc["shc at 1.5 decades", "detected"] == 1
    assert contest.loc["shc", ["transitions", "runs", "area"]].tolist() == [2, 2, 1]
    assert 0 < contest.loc["shc", "lead_share"] < 0.2
    assert found.rates.set_index(["rule", "controls"]).loc[("shc at 1.5 decades", "quiet"), "alarmed"] == 0
    assert found.rates.set_index(["rule", "controls"]).loc[("shc", "toy: partly"), "rate"] == 1


def test_the_truth_is_of_every_run(found):
    assert len(found.truth) == found.runs == 12
    status = found.truth.groupby("kind")["status"].unique()
    assert status["transition"].tolist() == ["judged"]
    assert status["quiet"].tolist() == ["no transition: never risen"]
    shown = found.truth[found.truth["kind"] == "transition"]
    assert shown["t50"].between(560, 640).all()
    assert (shown["t10"] < shown["t50"]).all()


def test_the_loadings_tell_the_group(found):
    groups = found.groups.set_index(["control", "place"])
    assert groups.loc[("", 1.0), "auc_mode"] == 1
    assert groups.loc[("", 1.0), "share_mode"] > 0.99
    assert groups.loc[("frozen", 1.0), "share_mode_less_control"] > 0.3
    separation = found.separation.set_index(["control", "place"])
    assert separation.loc[("frozen", 1.0), ["runs", "controls", "area_share_mode"]].tolist() == [2, 2, 1]


def test_it_says_what_it_is_of(found):
    assert repr(found) == "Score of 12 runs with 8 judged transitions, window 6"


def test_processes_change_nothing(corpus, found):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert_same(found, score(corpus, window=WINDOW, executor=pool))


def test_entries_are_as_good_as_their_folder_in_any_order(corpus, found):
    seen = []
    backwards = read_corpus(corpus)[::-1]
    again = score(backwards, window=WINDOW, loadings=False, progress=lambda *done: seen.append(done))
    assert seen == [(k, 12) for k in range(1, 13)]
    pd.testing.assert_series_equal(
        again.rules.set_index("name")["threshold"], found.rules.set_index("name")["threshold"]
    )
    columns = ["rule", "detected", "lead_share", "false_alarm_rate", "area"]
    pd.testing.assert_frame_equal(again.contest[columns], found.contest[columns])


def without_the_learned(run, entry):
    """The samples that learn nothing, of the runs that have the transition."""
    if entry.kind != "transition":
        return run
    kept = run.samples["group"] == "other"
    return Run.from_arrays(
        run.steps, run.losses[:, kept], samples=run.samples[kept], scalars=run.scalars, name=run.name
    )


def test_runs_may_be_changed_first(corpus, found):
    changed = score(corpus, window=WINDOW, change=without_the_learned)
    contest = changed.contest.set_index("rule")
    assert contest.loc["shc at 1.5 decades", "detected"] == 0
    pd.testing.assert_frame_equal(changed.rules, found.rules)
    pd.testing.assert_frame_equal(changed.rates, found.rates)
    # Nobody of the group is left to ask in the runs that have the transition.
    assert set(changed.loadings["control"]) == {"frozen", "partly"}
    assert changed.groups["auc_mode_less_control"].isna().all()
    assert changed.separation.empty


def test_loadings_may_be_left_out(corpus, found):
    short = score(corpus, window=WINDOW, loadings=False)
    assert short.loadings.empty
    assert short.groups.empty
    assert short.separation.empty
    pd.testing.assert_frame_equal(short.contest, found.contest)


def test_alarms_of_shc_are_those_of_the_verdicts(found):
    """At a fitted threshold, too, which stands a rounding error above what a quiet run reaches."""
    for rule in ("shc", "shc at 1.5 decades"):
        told = found.alarms[found.alarms["rule"] == rule]
        false = told[told["false"]].groupby("run").size()
        counted = found.false_alarms[found.false_alarms["rule"] == rule].set_index("run")["false_alarms"]
        assert false.to_dict() == counted[counted > 0].to_dict()
        first = found.transitions[found.transitions["rule"] == rule].set_index("run")["alarm_step"].dropna()
        steps = told.groupby("run")["alarm_step"].apply(list)
        assert all(step in steps[run] for run, step in first.items())
    assert set(found.alarms["movement"]) <= {"drift", "fluctuation"}
    assert found.alarms["drift_share"].between(0, 1).all()


def test_no_quiet_run_of_an_even_seed_alarms_under_a_fitted_rule(found):
    fitted = found.rules.loc[~found.rules["stated"], "name"]
    table = found.false_alarms
    table = table[(table["kind"] == "quiet") & ~table["held_out"] & table["rule"].isin(fitted)]
    assert len(table) == 2 * len(fitted)
    assert table["false_alarms"].sum() == 0
    alarms = found.alarms
    assert alarms[(alarms["kind"] == "quiet") & ~alarms["held_out"] & (alarms["rule"] == "shc")].empty


def test_odd_runs_move_no_threshold(corpus, found):
    entries = read_corpus(corpus)
    changed = score([each for each in entries if not each.held_out], window=WINDOW, loadings=False)
    pd.testing.assert_frame_equal(changed.rules, found.rules)
    assert changed.contest.empty
    assert changed.rates.empty


def test_controls_alone_have_rates_and_no_contest(corpus):
    entries = [each for each in read_corpus(corpus) if each.kind != "transition"]
    alone = score(entries, window=WINDOW)
    assert alone.contest.empty
    assert alone.transitions.empty
    assert alone.loadings.empty
    assert alone.rates["runs"].tolist()
    assert repr(alone) == "Score of 8 runs with 4 judged transitions, window 6"


def test_transitions_alone_have_stated_rules_and_no_rate(corpus):
    entries = [each for each in read_corpus(corpus) if each.kind == "transition"]
    alone = score(entries, window=WINDOW)
    assert alone.rules["stated"].all()
    assert alone.rates.empty
    assert alone.contest["false_alarm_rate"].isna().all()
    assert alone.groups["control"].unique().tolist() == [""]


def test_alarms_before_the_cause_are_false(corpus):
    entries = [
        replace(each, since=EVERY * 20) if each.kind == "transition" else each for each in read_corpus(corpus)
    ]
    found = score(entries, window=WINDOW, loadings=False)
    idle = found.false_alarms[(found.false_alarms["rule"] == "always alarm")]
    mine = idle[idle["kind"] == "transition"]
    assert (mine["first_false_alarm"] == EVERY * (WINDOW - 1)).all()
    assert (mine["idle_rows"] >= 20 - WINDOW + 1).all()
    assert (idle.loc[idle["kind"] != "transition", "idle_rows"] == ROWS - WINDOW + 1).all()
    always = found.transitions[found.transitions["rule"] == "always alarm"]
    assert (always["alarm_step"] == EVERY * 20).all()
    assert (always["lead_share"] == 1).all()


def test_what_cannot_be_scored_is_said_in_a_line(corpus, tmp_path):
    entries = read_corpus(corpus)
    with pytest.raises(FormatError, match=r"^the corpus has no runs; needed at least one$"):
        score([])
    twice = "^2 runs are toy/frozen/0; needed one for each setting, control and seed; give each a seed"
    with pytest.raises(FormatError, match=twice):
        score([*entries, replace(entries[1], path=tmp_path / "other.parquet")])
    # files of two settings may share their name, so the whole path is told
    path = re.escape(str(entries[0].path))
    with pytest.raises(ParameterError, match=f"^{path}: window of 91 rows is longer than the run's 90"):
        score(entries[:1], window=91)
    with pytest.raises(FormatError, match=f"^{path}: no scalar 'skill', its truth; found accuracy, grad"):
        score([replace(entries[0], truths=(Truth(column="skill"),))], window=WINDOW)
    missing = replace(entries[0], path=tmp_path / "none.parquet")
    with pytest.raises(FormatError, match=re.escape(str(missing.path))):
        score([missing])
