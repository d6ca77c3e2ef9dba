"""How unusual is this run among reference runs, in which nothing happened? Its rank, of each window length.

reference run -> span_energies -> highest score J of each window length -> ReferenceRun
this run      -> highest score so far, row by row ------------------------> rank, p (`alarms.ranks`)

References count that are judged, each once, and not this run itself, known by its content. More rows are more
chances to score: this run is ranked by no more of them than the shortest reference has, and longer references
make p larger, never smaller. The p of an event is that of the run up to its alarm, and uses nothing after it;
so that of a later event says no more than that the run has by then left its references. Beyond those rows
there is none.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from math import isfinite, nan
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int

from rdmtools.alarms.ranks import at_least, highest, highest_scores, needed, p_value
from rdmtools.alarms.self_normalised import SHORTEST_WINDOW
from rdmtools.analysis.judged import Judgement
from rdmtools.analysis.settings import RULES, AnalysisSettings
from rdmtools.analysis.spans import joined_columns, span_energies, spans
from rdmtools.analysis.tables import typed
from rdmtools.errors import ParameterError
from rdmtools.executor import results
from rdmtools.run.run import Run

NONE, TOO_SHORT, TOO_FEW, RANKED = (
    "no reference runs",
    "too short to judge",
    "too few reference runs",
    "ranked",
)

_DIGEST_ROWS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceRun:
    """What is kept of a reference run."""

    name: str
    rows: int
    samples: int
    digest: str
    """Of its content: tells the same run again."""
    scores: Mapping[int, float]
    """Its highest score by window length; NaN where it is too short to judge."""
    source: str | None = None
    """The path, pattern or file by which it was named; None of a run in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """A run among its references, of one window length."""

    window: int
    highest: Float64[np.ndarray, " rows"]
    """Score of the run so far; NaN before the first judged row, and where nothing is ranked."""
    others: Sequence[float]
    """Highest score of each reference run that counts."""
    rows: int
    """Of the run that are ranked, from the first."""
    other_samples: int
    """How many that count have another number of samples than the run."""
    unjudged: int
    repeated: int
    itself: bool

    def score(self, row: int) -> float:
        """The highest up to that row."""
        return float(self.highest[row])

    def p_value(self, row: int) -> float | None:
        """Of the run up to that row; None where nothing is ranked."""
        if row >= self.rows or not self.others or not isfinite(score := self.score(row)):
            return None
        return p_value(score, self.others)


def reference_run(
    run: Run,
    windows: Sequence[int],
    *,
    precision: str = "double",
    source: str | None = None,
    executor: Executor | None = None,
) -> ReferenceRun:
    """What is kept of a run as a reference for these window lengths."""
    rows, samples = run.shape
    lengths = tuple(window for window in windows if SHORTEST_WINDOW <= window <= rows)
    scores = dict.fromkeys(windows, nan)
    if lengths:
        settings = AnalysisSettings(windows=lengths, precision=precision)
        parts = [*_energies(run, settings, executor)]
        for window, of_length in zip(lengths, joined_columns(parts), strict=True):
            scores[window] = float(highest_scores(_at_rows(of_length, window), window)[-1])
    return ReferenceRun(
        name=run.name, rows=rows, samples=samples, digest=digest(run), scores=scores, source=source
    )


def _energies(
    run: Run, settings: AnalysisSettings, executor: Executor | None
) -> Iterator[Sequence[dict[str, Float64[np.ndarray, " rows"]]]]:
    """Of one span after another."""
    cut = spans(run.stored, run.steps, settings, apart=executor is not None)
    if executor is None:
        return map(span_energies, cut)
    return results(span_energies, ((span, span.losses.nbytes) for span in cut), executor)


def digest(run: Run) -> str:
    """A name for the content of a run: of its steps, and losses of rows spread over it."""
    rows, _ = run.shape
    found = hashlib.blake2b(np.ascontiguousarray(run.steps, dtype="<i8").tobytes(), digest_size=16)
    for row in np.unique(np.linspace(0, rows - 1, _DIGEST_ROWS).round().astype(int)).tolist():
        found.update(np.ascontiguousarray(run.rows(row, row + 1), dtype="<f8").tobytes())
    return found.hexdigest()


def rank(
    run: Run,
    judgements: Sequence[Judgement],
    energies: Mapping[int, Mapping[str, Float64[np.ndarray, " late_rows"]]],
    references: Sequence[ReferenceRun],
    settings: AnalysisSettings,
) -> list[Ranks]:
    """The run among its references, for each window length.

    Parameters
    ----------
    energies
        u of each signal of half windows, from the first whole one on (`log_energies`), by window length; of
        lengths too short for the rule it is not asked.

    Raises
    ------
    ParameterError
        Where a reference has no score of a window length, or the rule is one whose scores are not ranked.
    """
    if settings.rule != RULES[0]:
        if references:
            refuse_rule(settings)
        nothing = np.full(run.shape[0], nan)
        return [_ranks(run, judgement.window, nothing, ()) for judgement in judgements]
    references = [*references]
    if references:
        refuse_windows(references, settings.windows)
    return [
        _ranks(run, judgement.window, _highest(judgement, energies), references) for judgement in judgements
    ]


def refuse_rule(settings: AnalysisSettings) -> None:
    """Raise ParameterError where the rule has no score to be ranked."""
    if settings.rule != RULES[0]:
        raise ParameterError(
            f'rule="{settings.rule}" has no score that reference runs could rank; needed '
            f'rule="{RULES[0]}"; choose that, or leave reference runs out'
        )


def refuse_windows(references: Sequence[ReferenceRun], windows: Sequence[int]) -> None:
    """Raise ParameterError where one has no score of a window length."""
    for each in references:
        for window in windows:
            if window not in each.scores:
                has = ", ".join(map(str, each.scores))
                raise ParameterError(
                    f"{each.source or each.name} has scores with windows of {has} rows; needed {window}; "
                    f"choose window={next(iter(each.scores))}, or make a reference with window={window}"
                )


def _highest(
    judgement: Judgement, energies: Mapping[int, Mapping[str, Float64[np.ndarray, " late_rows"]]]
) -> Float64[np.ndarray, " rows"]:
    if not judgement.events:  # then the rule has never fired
        return highest(judgement.score)
    return highest_scores(_at_rows(energies[judgement.window], judgement.window), judgement.window)


def _at_rows(
    energies: Mapping[str, Float64[np.ndarray, " late_rows"]], window: int
) -> dict[str, Float64[np.ndarray, " rows"]]:
    early = np.full(window // 2 - 1, nan)
    return {name: np.concatenate([early, late]) for name, late in energies.items()}


def _ranks(
    run: Run,
    window: int,
    so_far: Float64[np.ndarray, " rows"],
    references: Sequence[ReferenceRun],
) -> Ranks:
    own = digest(run) if references else ""
    different = {each.digest: each for each in reversed(references)}  # the first of those alike
    itself = different.pop(own, None) is not None
    counted = [each for each in different.values() if isfinite(each.scores[window])]
    rows, samples = run.shape
    return Ranks(
        window=window,
        highest=so_far,
        others=[each.scores[window] for each in counted],
        rows=min([rows, *(each.rows for each in counted)]),
        other_samples=sum(each.samples != samples for each in counted),
        unjudged=len(different) - len(counted),
        repeated=len(references) - len(different) - itself,
        itself=itself,
    )


def reference_table(ranks: Sequence[Ranks], settings: AnalysisSettings) -> pd.DataFrame:
    """The run among its references: one row per window length, also where there are none.

    Returns
    -------
    DataFrame
        `window`; `runs`, references that count; `at_least`, how many of them score at least as much;
        `p_value`, null where nothing is ranked; `needed`, runs that could show the rate asked, null where the
        rule states none; `largest_score`, what is ranked, NaN of a run too short; `rows` ranked, from the
        first; `other_samples`, `unjudged`, `repeated`, `itself`; `status`.
    """
    return typed("reference", [_row(each, settings) for each in ranks])


def _row(ranks: Ranks, settings: AnalysisSettings) -> dict[str, Any]:
    last = ranks.rows - 1
    score, p, count = ranks.score(last), ranks.p_value(last), len(ranks.others)
    enough = needed(settings.false_alarms)
    if not count:
        status = NONE
    elif p is None:
        status = TOO_SHORT
    else:
        status = RANKED if count >= enough else TOO_FEW
    return {
        "window": ranks.window,
        "runs": count,
        "at_least": None if p is None else at_least(score, ranks.others),
        "p_value": p,
        "needed": enough if settings.rule == RULES[0] else None,
        "largest_score": score,
        "rows": ranks.rows,
        "other_samples": ranks.other_samples,
        "unjudged": ranks.unjudged,
        "repeated": ranks.repeated,
        "itself": ranks.itself,
        "status": status,
    }


def with_p_values(
    events: pd.DataFrame, ranks: Sequence[Ranks], steps: Int[np.ndarray, " rows"]
) -> pd.DataFrame:
    """The table of events with the p of the run up to each alarm."""
    of_window = {each.window: each for each in ranks}
    alarms: list[int] = events["alarm_step"].to_list()
    windows: list[int] = events["window"].to_list()
    found = [
        of_window[window].p_value(int(np.searchsorted(steps, alarm)))
        for window, alarm in zip(windows, alarms, strict=True)
    ]
    return events.assign(p_value=pd.array(found, dtype="Float64"))
