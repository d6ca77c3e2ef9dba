"""Do the top mode's loadings tell which samples the transition is about, beyond what is simpler?

For windows on the way to a transition, how well a score of each sample tells the transition's group from all
other samples, as the area under the ROC curve (1/2: not at all): the size of its loading in the first mode,
its variance over the window, the size of its change over the window, its mean loss. `beyond` is the same for
what the ranks of the other three leave of the loading's rank (least squares). A control is asked at the same
steps as the run of its own seed that has the transition.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Float64
from scipy.stats import rankdata

from rdmtools.analysis.modes import window_modes
from rdmtools.evaluation.corpus import Entry
from rdmtools.evaluation.observed import Observed
from rdmtools.evaluation.rates import median_with_interval, resampled_weights, with_interval
from rdmtools.run.run import Run

PLACES = (0.25, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0, 1.1, 1.25, 1.5)
"""Where windows end, as shares of the way from the cause to T50."""
SCORES = ("mode", "variance", "change", "mean_loss")
_MEASURED = (*(f"auc_{name}" for name in SCORES), "auc_beyond", *(f"share_{name}" for name in SCORES[:3]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Where one run is asked about one truth's group of samples."""

    entry: Entry
    truth: str
    group: str
    places: tuple[tuple[float, int], ...]
    """Share of the way, and the window's last step."""


def questions(runs: Sequence[Observed]) -> list[Question]:
    """What to ask: each judged transition with a group, and the controls of its seed at the same steps."""
    asked: list[Question] = []
    for run in runs:
        if run.entry.kind != "transition":
            continue
        cell = (run.entry.setting, run.entry.seed)
        partners = [other.entry for other in runs if (other.entry.setting, other.entry.seed) == cell]
        for transition in run.judged:
            if not transition.truth.group or transition.t50 is None:
                continue
            goals = [(place, run.start + place * (transition.t50 - run.start)) for place in PLACES]
            places = tuple(
                (place, int(run.steps[run.steps <= goal][-1]))
                for place, goal in goals
                if run.steps[0] <= goal <= run.steps[-1]
            )
            truth, group = transition.truth.column, transition.truth.group
            asked += [Question(entry=entry, truth=truth, group=group, places=places) for entry in partners]
    return asked


def answer(run: Run, question: Question, *, window: int) -> Iterator[dict[str, object]]:
    """One row for each place at which the run has a window: what each score says of the group."""
    if "group" not in run.samples:
        return
    inside = run.samples["group"].to_numpy() == question.group
    if not inside.any() or inside.all():
        return
    for place, step in question.places:
        stop = int(np.searchsorted(run.steps, step, side="right"))
        if stop < window or step > run.steps[-1]:
            continue
        yield {
            **question.entry.row("setting", "control", "seed", "held_out"),
            "truth": question.truth,
            "group": question.group,
            "place": place,
            "step": int(run.steps[stop - 1]),
            **scores_of(run.rows(stop - window, stop), inside),
        }


def scores_of(rows: Float[np.ndarray, "w samples"], inside: np.ndarray) -> dict[str, float]:
    """Areas and shares of one window: what each score of a sample says of its being inside the group."""
    modes = window_modes(rows, count=1)
    values = rows.astype(np.float64)
    place = np.arange(len(values)) - (len(values) - 1) / 2
    scores = {
        "mode": np.abs(modes.loadings[0]) * (modes.eigenvalues[0] > 0),  # none of what stands still
        "variance": values.var(axis=0, ddof=1),
        "change": np.abs(place @ values / (place @ place)) * (len(values) - 1),
        "mean_loss": values.mean(axis=0),
    }
    ranks = {name: rankdata(score) for name, score in scores.items()}
    simpler = np.column_stack([np.ones(len(inside)), *(ranks[name] for name in SCORES[1:])])
    beyond = ranks["mode"] - simpler @ np.linalg.lstsq(simpler, ranks["mode"], rcond=None)[0]
    beyond = np.round(beyond, 6)  # what is but rounding error ranks nobody
    areas = {f"auc_{name}": area(score, inside) for name, score in scores.items()}
    shares = {
        f"share_{name}": _part(scores[name] ** power, inside)
        for name, power in (("mode", 2), ("variance", 1), ("change", 2))
    }
    return {**areas, "auc_beyond": area(beyond, inside), **shares}


def _part(values: np.ndarray, inside: np.ndarray) -> float:
    return float(values[inside].sum() / values.sum()) if values.sum() > 0 else float("nan")


def area(score: Float64[np.ndarray, " samples"], inside: np.ndarray) -> float:
    """Chance that a sample inside scores above one outside; ties count half."""
    count = int(inside.sum())
    ranks = rankdata(score)[inside].sum() - count * (count + 1) / 2
    return float(ranks / (count * (len(inside) - count)))


def groups_table(answers: pd.DataFrame) -> pd.DataFrame:
    """One row per setting, control and place: medians over runs and truths of odd seeds, with intervals.

    `auc_mode_less_simple` is the loading's area less the largest of the three simpler ones (each turned so
    that it is at least 1/2; so is the loading's), and `..._less_control` are those of the runs with the
    transition less the same seed's control's.
    """
    shown = answers[answers["held_out"]].copy()
    if shown.empty:
        return pd.DataFrame()
    turned = {name: (shown[f"auc_{name}"] - 0.5).abs() + 0.5 for name in SCORES}
    simple = pd.DataFrame({name: turned[name] for name in SCORES[1:]}).max(axis=1)
    shown["auc_simple"] = simple
    shown["auc_mode_less_simple"] = turned["mode"] - simple
    measured = [*_MEASURED, "auc_simple", "auc_mode_less_simple"]
    mine = shown[shown["control"] == ""].set_index(["setting", "seed", "truth", "place"])
    rows: list[dict[str, object]] = []
    for (setting, control, place), cell in shown.groupby(["setting", "control", "place"], sort=False):
        row: dict[str, object] = {"setting": setting, "control": control, "place": place}
        row["runs"] = cell["run"].nunique()
        for name in measured:
            row |= _median(name, cell[name], cell["run"])
        if control:
            theirs = cell.set_index(["setting", "seed", "truth", "place"])
            for name in ("auc_mode", "auc_beyond", "auc_mode_less_simple", "share_mode"):
                less = (mine[name] - theirs[name]).dropna()
                row |= _median(f"{name}_less_control", less, less.index.get_level_values("seed"))
        rows.append(row)
    return pd.DataFrame(rows)


def _median(name: str, values: pd.Series, runs: pd.Series | pd.Index) -> dict[str, float]:
    """The median of what is known, with its interval where whole runs are drawn again."""
    numbers = values.to_numpy(np.float64)
    known = np.isfinite(numbers)
    if not known.any():
        return with_interval(name, np.nan, (np.nan, np.nan))
    weights = resampled_weights(runs[known].tolist(), [""] * int(known.sum()))
    return median_with_interval(name, numbers[known], weights)


def separation_table(answers: pd.DataFrame) -> pd.DataFrame:
    """What tells runs with the transition from each control: the group's share of the mode, or of less.

    One row per setting, control and place: the area under the ROC curve over runs of odd seeds, of the share
    of the first mode (of variance, of squared change) that lies in the transition's group.
    """
    shown = answers[answers["held_out"]]
    rows: list[dict[str, object]] = []
    for (setting, place), cell in shown.groupby(["setting", "place"], sort=False):
        mine = cell[cell["control"] == ""]
        if mine.empty:
            continue
        for control, theirs in cell[cell["control"] != ""].groupby("control", sort=False):
            row: dict[str, object] = {"setting": setting, "control": control, "place": place}
            row |= {"runs": mine["run"].nunique(), "controls": theirs["run"].nunique()}
            for name in ("share_mode", "share_variance", "share_change"):
                both = np.concatenate([mine[name], theirs[name]]).astype(float)
                row[f"{name}_transition"] = float(mine[name].median())
                row[f"{name}_control"] = float(theirs[name].median())
                row[f"area_{name}"] = area(both, np.arange(len(both)) < len(mine))
            rows.append(row)
    return pd.DataFrame(rows)
