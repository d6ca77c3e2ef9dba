"""Do warnings keep their rate, and lead, on runs that nobody had seen when they were chosen?

    python benchmarks/warning_confirmation.py FOLDER [--odd]     # a corpus of `examples/make_corpus.py`

Contract, written before these runs were looked at: `benchmarks/warning_contract.md`. Prints, for windows of
20 rows and stated rates of 20, 5 and 1 %: which cells are there; what each rule does in transitions, and in
quiet and hard runs, by setting and control, with exact 95 % intervals; leads of the shipped rule less those
of each other one, of the same transitions; and which aims are met. `--odd` takes odd seeds alone.
"""

# pyright: basic

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from scipy.stats import beta, binom, binomtest

import rdmtools as rdm
from rdmtools.alarms.joined import joined
from rdmtools.alarms.one_signal import MOST_ROWS, OneSignal, Signal, Warned
from rdmtools.alarms.rule import find_rises
from rdmtools.alarms.self_normalised import BASELINES, SIGNALS, watched
from rdmtools.alarms.thresholds import HORIZONS, THRESHOLDS, horizon_of
from rdmtools.analysis.log_energies import log_energies_of
from rdmtools.evaluation.corpus import Entry, read_corpus
from rdmtools.evaluation.judging import judge
from rdmtools.evaluation.truth import Transition, find_transitions

W = 20
RATES = (0.2, 0.05, 0.01)
Table = dict[int, dict[float, float]]

# The first rule of the design, and rule A to the letter; with groups, the same and one signal more.
FIRST = (
    Signal(name="shc", prior=0.3, costs={"mean": 3.9, "jump": 9.5}, prior_windows=2, pause=0),
    Signal(name="mean_slope", prior=0.6, costs={"mean": 2.65}, prior_windows=2, pause=0),
)
LETTER = (
    Signal(name="shc", prior=0.45, costs={"mean": 3.9, "jump": 7.9}),
    Signal(name="mean_slope", prior=0.9, costs={"mean": 2.9, "ramp": 3.85}),
)
BESIDE_GROUPS = (
    Signal(name="shc", prior=0.45, costs={"mean": 4.0, "jump": 8.2}),
    Signal(name="mean_slope", prior=0.9, costs={"mean": 2.95, "ramp": 3.95}),
)
SHIPPED_BESIDE_GROUPS = (
    Signal(name="shc", prior=0.45, costs={"mean": 4.0}, trimmed=3),
    BESIDE_GROUPS[1],
)
GROUP = Signal(name="group", prior=0.9, costs={"mean": 2.5, "half": 3.85})

FIRST_TABLE: Table = {20: {0.2: 1.00, 0.05: 1.25, 0.01: 1.55}, 80: {0.2: 1.06, 0.05: 1.30, 0.01: 1.60}}
LETTER_TABLE: Table = {20: {0.2: 0.94, 0.05: 1.20, 0.01: 1.66}, 80: {0.2: 1.37, 0.05: 2.08, 0.01: 3.30}}


@dataclass(frozen=True, kw_only=True)
class Run:
    entry: Entry
    steps: np.ndarray
    transitions: list[Transition]
    u: dict[str, np.ndarray]
    """Of each signal, of the largest group, and log10 SHC of whole windows for the fixed rule."""

    @property
    def cell(self) -> tuple[str, str]:
        return self.entry.setting, self.entry.control or "transition"

    @property
    def start(self) -> int:
        return int(self.steps[0]) if self.entry.since is None else self.entry.since


Rows = Callable[[Run, float], list[int]]
"""Rows at which events of a run begin, at a stated rate."""


class OfGroups(OneSignal):
    """With the mean of the last W / 2 values besides."""

    def _statistics(self, u):
        sums, others = super()._statistics(u)
        half = sums[:, self._half - 1] / self._half
        return sums, [*others, ("half", self._signal.costs["half"], half.tolist())]


def largest_group(losses: np.ndarray, groups: np.ndarray, half: int) -> np.ndarray:
    """u of the group whose mean slope over half as many rows is the largest, NaN for the first h - 1."""
    means = np.stack([losses[:, groups == group].mean(axis=1, dtype=float) for group in np.unique(groups)])
    few = half // 2
    rows = sliding_window_view(means, few, axis=1)
    times = np.arange(few) - (few - 1) / 2
    slope = rows @ times / (times @ times)
    about = rows - rows.mean(axis=2, keepdims=True) - slope[:, :, None] * times
    energy = (slope**2 + (about**2).sum(axis=2) / (few - 2) / (times @ times)).max(axis=0)
    with np.errstate(divide="ignore"):
        u = 2 * np.log10(energy)
    return np.concatenate([np.full(half - 1, np.nan), u[half - few :]])


def read(entry: Entry) -> Run:
    run = rdm.read_run(entry.path)
    losses = np.asarray(run.losses)
    groups = run.samples["group"].to_numpy() if "group" in run.samples else np.zeros(losses.shape[1])
    u = log_energies_of(losses, W)
    u["group"] = largest_group(losses, groups, W // 2)
    u["whole"] = log_energies_of(losses, 2 * W)["shc"]
    transitions = find_transitions(run, entry.truths, window=W, since=entry.since)
    return Run(entry=entry, steps=run.steps, transitions=transitions, u=u)


def of_table(table: Table, rate: float, rows: int) -> float:
    """Linear in the log of the horizon, as the shipped table is."""
    short, long = HORIZONS
    share = np.log(horizon_of(rows, W) / short) / np.log(long / short)
    return table[short][rate] + share * (table[long][rate] - table[short][rate])


def fixed(run: Run, rate: float) -> list[int]:
    """Uncalibrated: the same at every rate."""
    return [rise.alarm for rise in find_rises(run.u["whole"], threshold=1.5)]


def self_normalised(run: Run, rate: float, *, signals: tuple[Signal, ...], table: Table) -> list[int]:
    at = of_table(table, rate, len(run.steps))
    return begun([*watched(run.u, window=W, threshold=at, signals=signals).events])


def with_groups(run: Run, rate: float, *, signals: tuple[Signal, ...], table: Table) -> list[int]:
    at = of_table(table, rate, len(run.steps))
    events = [*watched(run.u, window=W, threshold=at, signals=signals).events]
    rule = OfGroups(GROUP, W, at)
    for first in range(0, len(run.steps), MOST_ROWS):
        events += rule.extend(run.u["group"][first : first + MOST_ROWS])[1]
    return begun([*events, *([rule.event] if rule.event else [])])


def begun(warned: list[Warned]) -> list[int]:
    return [event.alarm for event in joined(sorted(warned, key=lambda each: each.alarm), W)]


SHIPPED = "shipped"
RULES: dict[str, Rows] = {
    SHIPPED: partial(self_normalised, signals=SIGNALS, table=THRESHOLDS),
    "A to the letter": partial(self_normalised, signals=LETTER, table=LETTER_TABLE),
    "A with groups": partial(with_groups, signals=BESIDE_GROUPS, table=LETTER_TABLE),
    "shipped with groups": partial(with_groups, signals=SHIPPED_BESIDE_GROUPS, table=THRESHOLDS),
    "first rule": partial(self_normalised, signals=FIRST, table=FIRST_TABLE),
    "fixed 1.5 decades": fixed,
    **{
        f"{baseline.name} alone": partial(self_normalised, signals=(baseline,), table=THRESHOLDS)
        for baseline in BASELINES
    },
}


def judged(runs: list[Run]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A row per transition, rule and rate; and a row per run, rule and rate."""
    transitions, of_runs = [], []
    for run in runs:
        for name, rule in RULES.items():
            for rate in RATES:
                alarms = run.steps[np.array(rule(run, rate), dtype=int)]
                setting, control = run.cell
                key = {"setting": setting, "control": control, "seed": run.entry.seed} | {
                    "rule": name,
                    "rate": rate,
                }
                early = int((alarms < run.start).sum())
                of_runs.append(
                    key | {"kind": run.entry.kind, "alarmed": len(alarms) > 0, "before_cause": early > 0}
                )
                for number, transition in enumerate(run.transitions):
                    if run.entry.kind != "transition" or not transition.judged:
                        continue
                    verdict = judge(transition, alarms, start=run.start)
                    found = verdict.outcome == "detected"
                    lead = 100 * (verdict.lead_share or 0.0) if found else 0.0
                    transitions.append(
                        key
                        | {"number": number, "detected": found, "late": verdict.outcome == "late"}
                        | {"before_t10": found and verdict.before_t10, "lead": lead}
                    )
    return pd.DataFrame(transitions), pd.DataFrame(of_runs)


def interval(hits: int, of: int) -> str:
    """Exact, 95 %."""
    low = float(beta.ppf(0.025, hits, of - hits + 1)) if hits else 0.0
    high = float(beta.ppf(0.975, hits + 1, of - hits)) if hits < of else 1.0
    return f"{hits:3}/{of:<3} ({100 * low:3.0f}-{100 * high:3.0f})"


def median_interval(values: np.ndarray) -> tuple[float, float]:
    """Of order statistics, at least 95 %; all of them where they are too few for that."""
    ordered, of = np.sort(values), len(values)
    skip = int(binom.ppf(0.025, of, 0.5))  # so many may lie below it and still not be too few
    skip = max(skip - 1, 0) if of else 0
    return float(ordered[skip]), float(ordered[of - 1 - skip])


def tell_cells(runs: list[Run]) -> None:
    print("Cells (runs; transitions judged and not, and why)")
    for cell in dict.fromkeys(run.cell for run in runs):
        those = [run for run in runs if run.cell == cell]
        seeds = sorted(run.entry.seed for run in those)
        statuses: dict[str, int] = {}
        for run in those:
            for transition in run.transitions if run.entry.kind == "transition" else []:
                short = transition.status.partition(":")
                told = short[0] + (": before T50" if "rows before T50" in short[2] else short[2])
                statuses[told] = statuses.get(told, 0) + 1
        rows = sorted({len(run.steps) for run in those})
        many = f"{rows[0]} to {rows[-1]} rows" if len(rows) > 1 else f"{rows[0]} rows"
        told = "; ".join(f"{count} {status}" for status, count in statuses.items())
        from_to = f"seeds {seeds[0]} to {seeds[-1]}, {many}"
        print(f"  {cell[0]:18} {cell[1]:20} {len(those):3} runs, {from_to}  {told}")


def tell_transitions(table: pd.DataFrame, rate: float) -> None:
    print(f"\nTransitions, stated {rate:.0%}: detected | before T10 | late | median lead, % of T50")
    for setting in table["setting"].unique():
        print(f"  {setting}")
        for name in RULES:
            those = table[(table["setting"] == setting) & (table["rule"] == name) & (table["rate"] == rate)]
            found = those[those["detected"]]
            lead = f"{found['lead'].median():5.1f}" if len(found) else "    -"
            before = interval(int(those["before_t10"].sum()), len(those))
            late = int(those["late"].sum())
            print(f"    {name:26} {interval(len(found), len(those))}  {before}  {late:3}  {lead}")


def tell_runs(table: pd.DataFrame, kind: str, rate: float) -> None:
    here = table[(table["rate"] == rate) & (table["kind"] == kind)]
    if here.empty:
        return
    print(f"\nRuns with an event, {kind}, stated {rate:.0%}")
    cells = list(dict.fromkeys(zip(here["setting"], here["control"], strict=True)))
    for name in RULES:
        those = here[here["rule"] == name]
        print(f"  {name:26} all {interval(int(those['alarmed'].sum()), len(those))}")
        told = []
        for setting, control in cells:
            cell = those[(those["setting"] == setting) & (those["control"] == control)]
            told.append(f"{setting} {control} {int(cell['alarmed'].sum())}/{len(cell)}")
        print("      " + ", ".join(told))


def tell_causes(table: pd.DataFrame) -> None:
    print("\nTransition runs with an event before the cause (of settings that have one)")
    here = table[(table["kind"] == "transition") & table["setting"].isin(CAUSED)]
    for rate in RATES:
        for name in RULES:
            those = here[(here["rate"] == rate) & (here["rule"] == name)]
            print(f"  {rate:4.0%} {name:26} {interval(int(those['before_cause'].sum()), len(those))}")


CAUSED = ("narrow_finetuning", "character_lm")


def tell_pairs(table: pd.DataFrame, rate: float) -> None:
    """Missed and late count as a lead of 0."""
    print(
        f"\nLead of the shipped rule less that of another, % of T50, same transitions, stated {rate:.0%}: "
        "median (95 %), mean | longer, shorter, even (p) | before T10: shipped alone, other alone (p)"
    )
    here = table[table["rate"] == rate].set_index(["setting", "seed", "number"])
    shipped = here[here["rule"] == SHIPPED]
    for setting in table["setting"].unique():
        print(f"  {setting}")
        for name in RULES:
            if name == SHIPPED:
                continue
            one, other = shipped.loc[setting], here[here["rule"] == name].loc[setting]
            gain = (one["lead"] - other["lead"]).to_numpy()
            low, high = median_interval(gain)
            more, less = int((gain > 0).sum()), int((gain < 0).sum())
            mine = int((one["before_t10"] & ~other["before_t10"]).sum())
            theirs = int((other["before_t10"] & ~one["before_t10"]).sum())
            print(
                f"    {name:26} {np.median(gain):6.1f} ({low:6.1f} to {high:5.1f}), {gain.mean():6.1f} | "
                f"{more:3} {less:3} {len(gain) - more - less:3} (p {sign_test(more, less):.2g}) | "
                f"{mine:3} {theirs:3} (p {sign_test(mine, theirs):.2g})"
            )


def sign_test(more: int, less: int) -> float:
    return float(binomtest(more, more + less).pvalue) if more + less else 1.0


def tell_aims(transitions: pd.DataFrame, of_runs: pd.DataFrame) -> None:
    print("\nAims, stated 5 %")
    quiet = of_runs[(of_runs["kind"] == "quiet") & (of_runs["rate"] == 0.05)]
    here = transitions[transitions["rate"] == 0.05]
    for name in RULES:
        those = quiet[quiet["rule"] == name]
        alarmed = those.groupby(["setting", "control"])["alarmed"].agg(["sum", "size"])
        over = alarmed[alarmed["sum"] > np.maximum(alarmed["size"] // 20, 1)]
        named = ", ".join(f"{' '.join(cell)} {row['sum']}/{row['size']}" for cell, row in over.iterrows())
        print(f"  {name}")
        if len(those):
            met(
                those["alarmed"].mean() <= 0.05,
                f"quiet {those['alarmed'].sum()} of {len(those)}, at most 5 %",
            )
            met(over.empty, f"quiet cells with more than 1 of 20: {named or 'none'}")
        for setting, column, least in (
            ("grokking", "detected", 0.95),
            ("induction", "detected", 0.95),
            ("deep_linear", "detected", 0.95),
            ("deep_linear", "before_t10", 0.70),
            ("grokking", "before_t10", 0.80),
        ):
            cell = here[(here["rule"] == name) & (here["setting"] == setting)]
            if len(cell):
                told = f"{setting} {column} {int(cell[column].sum())} of {len(cell)}, at least {least:.0%}"
                met(cell[column].mean() >= least, told)


def tell_wins(transitions: pd.DataFrame, of_runs: pd.DataFrame) -> None:
    """As the contract says it."""
    print("\nDoes another rule win over the shipped one, stated 5 %?")
    quiet = of_runs[(of_runs["kind"] == "quiet") & (of_runs["rate"] == 0.05)]
    here = transitions[transitions["rate"] == 0.05].set_index(["setting", "seed", "number"])
    shipped = here[here["rule"] == SHIPPED]
    alarmed = quiet.groupby("rule")["alarmed"].sum()
    for name in RULES:
        if name == SHIPPED:
            continue
        those, other = quiet[quiet["rule"] == name], here[here["rule"] == name].loc[shipped.index]
        cells = those.groupby(["setting", "control"])["alarmed"].agg(["sum", "size"])
        few = those["alarmed"].mean() <= 0.05 and (cells["sum"] <= np.maximum(cells["size"] // 20, 1)).all()
        calm = bool(few or alarmed.get(name, 0) <= alarmed.get(SHIPPED, 0))
        fewer = (shipped["detected"].astype(int) - other["detected"]).groupby("setting").sum()
        finds = bool((fewer <= 1).all())
        theirs = int((other["before_t10"] & ~shipped["before_t10"]).sum())
        mine = int((shipped["before_t10"] & ~other["before_t10"]).sum())
        earlier = theirs > mine and sign_test(theirs, mine) < 0.05
        gains = [
            median_interval(gain.to_numpy())
            for _, gain in (other["lead"] - shipped["lead"]).groupby("setting")
        ]
        leads = any(low > 0 for low, _ in gains) and not any(high < 0 for _, high in gains)
        wins = calm and finds and (earlier or leads)
        print(
            f"  {name:26} {'WINS' if wins else 'no  '}  quiet {'yes' if calm else 'no'}, "
            f"detects {'yes' if finds else 'no (' + str(fewer[fewer > 1].to_dict()) + ' fewer)'}, "
            f"before T10 {theirs} alone against {mine}: {'yes' if earlier else 'no'}, "
            f"leads {'yes' if leads else 'no'}"
        )


def met(whether: bool, what: str) -> None:
    print(f"    {'met   ' if whether else 'MISSED'} {what}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--odd", action="store_true", help="odd seeds alone")
    given = parser.parse_args()
    entries = [entry for entry in read_corpus(given.folder) if entry.held_out or not given.odd]
    entries.sort(key=lambda entry: (entry.setting, entry.control, entry.seed))
    runs = [read(entry) for entry in entries]
    tell_cells(runs)
    transitions, of_runs = judged(runs)
    for rate in (0.05, 0.2, 0.01):
        tell_transitions(transitions, rate)
        for kind in ("quiet", "hard"):
            tell_runs(of_runs, kind, rate)
        tell_pairs(transitions, rate)
    tell_causes(of_runs)
    tell_aims(transitions, of_runs)
    tell_wins(transitions, of_runs)


if __name__ == "__main__":
    main()
