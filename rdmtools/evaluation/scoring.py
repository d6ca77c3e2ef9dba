"""How well does the method do on a corpus? From runs with a known truth to the tables of a score.

manifest -> runs -> signals, transitions -> rules -> alarms -> contest
             '----> loadings of the windows before each transition -> groups
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from typing import TypeVar

import numpy as np
import pandas as pd

from rdmtools.alarms.rule import find_rises
from rdmtools.analysis.settings import AnalysisSettings
from rdmtools.errors import FormatError, ParameterError
from rdmtools.evaluation.contest import contest_table, false_alarms_table, rates_table, transitions_table
from rdmtools.evaluation.corpus import Entry
from rdmtools.evaluation.judging import idle_rows
from rdmtools.evaluation.loadings import Question, answer, groups_table, questions, separation_table
from rdmtools.evaluation.observed import Observed
from rdmtools.evaluation.paired import paired_table
from rdmtools.evaluation.rated import watches
from rdmtools.evaluation.realised import realised_table
from rdmtools.evaluation.roc import areas_table, roc_table, sweep
from rdmtools.evaluation.rules import REFERENCE, Rule, alarms_of, fit_rules
from rdmtools.evaluation.signals import SIGNALS, Measured
from rdmtools.evaluation.truth import find_transitions
from rdmtools.executor import results
from rdmtools.read.read import read_run
from rdmtools.run.frames import Tables
from rdmtools.run.progress import Progress
from rdmtools.run.quality import counted
from rdmtools.run.run import Run

WINDOW = AnalysisSettings().windows[0]

Task = TypeVar("Task")
Result = TypeVar("Result")
Change = Callable[[Run, Entry], Run]


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoreTables(Tables):
    """What a corpus says of each rule, as tidy tables. Everything but `truth`, `transitions`, `false_alarms`,
    `alarms` and `realised`, which have every run, is of odd seeds alone."""

    window: int
    """Rows of the windows."""
    runs: int
    rules: pd.DataFrame
    """One row per rule: `signal`, `threshold`, whether that was `stated` or fitted, and `stated_rate`."""
    truth: pd.DataFrame
    """One row per run and truth: T10, T50, T90 and the status: judged, or why not."""
    transitions: pd.DataFrame
    """One row per judged transition and rule: outcome, alarm and lead."""
    false_alarms: pd.DataFrame
    """One row per run and rule: alarms where nothing happened, and the rows in which there could be one."""
    alarms: pd.DataFrame
    """One row per alarm of an SHC rule: drift or fluctuation."""
    contest: pd.DataFrame
    """One row per setting and rule: detected, leads, false alarms, area under the ROC curve."""
    rates: pd.DataFrame
    """One row per rule and set of controls: false-alarm rate with its exact interval."""
    realised: pd.DataFrame
    """One row per rule that states its rate and set of controls: the rate realised, beside it."""
    paired: pd.DataFrame
    """One row per setting and rule beside the self-normalised one at 5 %: leads as paired differences."""
    areas: pd.DataFrame
    """One row per setting, signal and kind of control, with its area under the ROC curve, less SHC's too."""
    roc: pd.DataFrame
    """One row per setting, signal and threshold: false-alarm rate, detection rate, median lead."""
    loadings: pd.DataFrame
    """One row per run, truth and place: what samples' loadings and simpler scores tell of its group."""
    groups: pd.DataFrame
    """The same by setting, control and place, with intervals."""
    separation: pd.DataFrame
    """One row per setting, control and place: what tells runs with the transition from that control."""

    def __repr__(self) -> str:
        judged = self.truth["status"].eq("judged").sum()
        name = type(self).__name__
        found = f"{counted(self.runs, 'run')} with {counted(judged, 'judged transition')}"
        return f"{name} of {found}, window {self.window}"


def judge_corpus(
    entries: Sequence[Entry],
    *,
    window: int,
    change: Change | None = None,
    loadings: bool = True,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> ScoreTables:
    """The tables of a score, as `score` has them; raises what it raises."""
    if not entries:
        raise FormatError("the corpus has no runs; needed at least one")
    names = [entry.name for entry in entries]
    if again := next((name for name in names if names.count(name) > 1), None):
        raise FormatError(
            f"{names.count(again)} runs are {again}; needed one for each setting, control and seed; "
            "give each a seed of its own"
        )
    observe = partial(_observed, window=window, change=change)
    runs: list[Observed] = []
    for done, run in enumerate(_map(observe, entries, executor), start=1):
        runs.append(run)
        if progress is not None:
            progress(done, len(entries))
    rules = fit_rules(runs)
    alarms = {rule.name: alarms_of(runs, rule) for rule in rules}
    transitions = transitions_table(runs, rules, alarms)
    false_alarms = false_alarms_table(runs, rules, alarms)
    rates = rates_table(false_alarms)
    settings = list(dict.fromkeys(run.entry.setting for run in runs))
    swept = [sweep(runs, setting, signal) for setting in settings for signal in SIGNALS]
    sweeps = [curve for curve in swept if curve is not None]
    areas = areas_table(sweeps)
    ask = partial(_answer, window=window, change=change)
    asked = _map(ask, questions(runs), executor) if loadings else ()
    answers = pd.DataFrame([row for rows in asked for row in rows])
    return ScoreTables(
        window=window,
        runs=len(runs),
        rules=pd.DataFrame([asdict(rule) for rule in rules]),
        truth=_truth_table(runs),
        transitions=transitions,
        false_alarms=false_alarms,
        alarms=_kinds_table(runs, rules),
        contest=contest_table(rules, transitions, rates, areas),
        rates=rates,
        realised=realised_table(runs, rules),
        paired=paired_table(rules, transitions),
        areas=areas,
        roc=roc_table(sweeps),
        loadings=answers,
        groups=groups_table(answers) if len(answers) else pd.DataFrame(),
        separation=separation_table(answers) if len(answers) else pd.DataFrame(),
    )


def _map(
    work: Callable[[Task], Result], tasks: Iterable[Task], executor: Executor | None
) -> Iterator[Result]:
    if executor is None:
        return map(work, tasks)
    return results(work, ((task, 0) for task in tasks), executor)


def _observed(entry: Entry, *, window: int, change: Change | None) -> Observed:
    run = _run(entry, change)
    start = int(run.steps[0]) if entry.since is None else entry.since
    try:
        transitions = tuple(find_transitions(run, entry.truths, window=window, since=entry.since))
        measured = Measured(run=run, window=window)
    except (FormatError, ParameterError) as error:  # which of the runs? many files may share a name
        raise type(error)(f"{entry.path}: {error}") from error
    return Observed(
        entry=entry,
        transitions=transitions,
        steps=run.steps[window - 1 :],
        start=start,
        window=window,
        spacing=run.spacing.median,
        # every alarm of a control is false, whatever its truth does
        idle=idle_rows(
            run.steps, transitions if entry.kind == "transition" else (), window=window, start=start
        ),
        levels=measured.levels,
        rated=watches(measured.energies, rows=len(run.steps), window=window),
    )


def _run(entry: Entry, change: Change | None) -> Run:
    run = read_run(entry.path)
    return run if change is None else change(run, entry)


def _answer(question: Question, *, window: int, change: Change | None) -> list[dict[str, object]]:
    return list(answer(_run(question.entry, change), question, window=window))


def _truth_table(runs: Sequence[Observed]) -> pd.DataFrame:
    table = pd.DataFrame(
        run.entry.row("setting", "control", "seed", "kind") | transition.row() | {"status": transition.status}
        for run in runs
        for transition in run.transitions
    )
    return table.astype(dict.fromkeys(["t10", "t50", "t90"], "Int64"))


def _kinds_table(runs: Sequence[Observed], rules: Sequence[Rule]) -> pd.DataFrame:
    """Each alarm of an SHC rule: "fluctuation" where SHC rose as far with each window's lines removed."""
    rows: list[dict[str, object]] = []
    for rule, run in product([rule for rule in rules if rule.signal == REFERENCE], runs):
        level = run.levels["shc"][0]
        # one that does not move at all once its line is removed stands below every other
        detrended = np.nan_to_num(run.levels["shc_detrended"][0], nan=-np.inf)
        drift = run.levels["drift_energy"][0] / 2 - run.levels["total_variance"][0]
        for rise in find_rises(level, threshold=rule.threshold):
            low, high = detrended[rise.floor], detrended[rise.alarm]
            survives = high > -np.inf and high - low >= rule.threshold
            row = run.entry.row("setting", "control", "kind", "held_out") | {
                "rule": rule.name,
                "alarm_step": int(run.steps[rise.alarm]),
                "movement": "fluctuation" if survives else "drift",
                "drift_share": float(10 ** drift[rise.alarm]),
                "false": bool(run.idle[rise.alarm]),
            }
            rows.append(row)
    columns = ["run", "setting", "control", "kind", "held_out", "rule", "alarm_step"]
    columns += ["movement", "drift_share", "false"]
    return pd.DataFrame(rows, columns=pd.Index(columns)).astype({"held_out": bool, "false": bool})
