"""What does an analysis find? From a run to its observables, events and modes: where the parts meet.

run.stored -> spans -> span_values (here or by workers) -> observables -> find_events -> events
                                                                          run.rows -> window_modes
"""

import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from rdmtools.alarms.self_normalised import SHORTEST_WINDOW
from rdmtools.analysis.arrivals import arrivals_table
from rdmtools.analysis.control import Control, control_of, no_control
from rdmtools.analysis.events import (
    event_changes,
    events_table,
    find_events,
    groups_table,
    lift_table,
    modes_of,
    modes_table,
    spectra_table,
)
from rdmtools.analysis.explained import explained_table, run_change
from rdmtools.analysis.factor_tables import (
    factor_courses_table,
    factor_samples_table,
    factors_table,
    find_factors,
    mode_tracks_table,
)
from rdmtools.analysis.gaussian import (
    drawn_changes,
    drawn_modes,
    gaussian_groups_table,
    gaussian_modes_table,
    gaussian_table,
)
from rdmtools.analysis.groups import groupings
from rdmtools.analysis.histories import histories
from rdmtools.analysis.judged import Judgement, alarms_table, baselines_table, judge, judged_table
from rdmtools.analysis.leads import find_truths, leads_table
from rdmtools.analysis.ledger import EarlyFall, early_fall, ledger_table, samples_table
from rdmtools.analysis.marks import marks_table
from rdmtools.analysis.modes import window_modes
from rdmtools.analysis.order import order_table
from rdmtools.analysis.reference import ReferenceRun, rank, reference_table, with_p_values
from rdmtools.analysis.sample_map import SampleMap, sample_map
from rdmtools.analysis.settings import AnalysisSettings, chosen
from rdmtools.analysis.spans import Span, SpanValues, joined, map_every, map_lengths, span_values, spans
from rdmtools.analysis.spectra import spectrum_columns
from rdmtools.analysis.splits import split
from rdmtools.analysis.tables import AnalysisTables, typed
from rdmtools.errors import ChangedError, FormatError, ParameterError, RdmtoolsWarning
from rdmtools.executor import results
from rdmtools.run.progress import Progress
from rdmtools.run.quality import counted
from rdmtools.run.run import Draws, Run


@dataclass(frozen=True, kw_only=True, eq=False)
class Findings(AnalysisTables):
    """What an analysis found in one run, as tables."""

    run: Run
    settings: AnalysisSettings
    references: Sequence[ReferenceRun]
    """Runs in which nothing happened, among which it is ranked."""
    control_source: str | None
    """Where the control was read from; None of one in memory, and without one."""
    early_fall: EarlyFall
    """How much of the probe's fall was over before the first full window, of the first length."""
    sample_map: SampleMap
    """Each sample's loss over the run, as the page shows it."""

    def modes_at(self, step: int, *, window: int | None = None) -> pd.DataFrame:
        """Leading modes of the window that ends at `step`: `mode`, `sample_id`, `loading`, `loss_change`.

        Parameters
        ----------
        step
            A step of the run, at least as many rows in as the window is long.
        window
            Length in rows; by default the first of the analysis.

        Raises
        ------
        ParameterError
            Where no such window ends at that step.
        """
        window = self.settings.windows[0] if window is None else window
        settings = chosen(self.settings, window, {})
        stop = int(np.searchsorted(self.run.steps, step)) + 1
        if stop > len(self.run.steps) or self.run.steps[stop - 1] != step or stop < window:
            first = self.run.steps[min(window, len(self.run.steps)) - 1]
            raise ParameterError(
                f"no window of {window} rows ends at step {step}; needed a logged step from {first} on"
            )
        found = window_modes(
            self.run.rows(stop - window, stop), count=settings.modes, detrend=settings.detrend
        )
        return modes_of(self.run, found)

    def __repr__(self) -> str:
        rows, samples = self.run.shape
        return (
            f"{type(self).__name__} of {self.run.name!r}: {counted(rows, 'row')}, "
            f"{counted(samples, 'sample')}, {_lengths(self.settings.windows)}, "
            f"{counted(len(self.events), 'event')}"
        )


def find(
    run: Run,
    settings: AnalysisSettings,
    *,
    references: Sequence[ReferenceRun] = (),
    control: Control | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Findings:
    """Observables, events and modes of one run, as `rdmtools.analyze` has them.

    `control` is the course of a run to stand beside it, by `find_control`.

    Raises ParameterError where a window is longer than the run, or a truth is not there; WorkerError where
    the executor lost workers.
    """
    _refuse_short(run, settings)
    beside = control or no_control()
    truths = find_truths(run, settings.truth)
    groups = groupings(run, settings.by)
    values = joined([*_values(run, settings, executor, progress)])
    past = histories(values.blocks, run.steps)
    parts = split(past.losses)
    judgements = _judgements(run, values, settings)
    events = find_events(run, values.observables, judgements, settings)
    watched = [window for window in settings.windows if window >= SHORTEST_WINDOW]
    energies = dict(zip(watched, values.energies, strict=True))
    ranks = rank(run, judgements, energies, references, settings)
    table = with_p_values(events_table(events), ranks, run.steps)
    factors = find_factors(past)
    draws = _draws(run)
    drawn = drawn_modes(draws, settings.modes)
    changes = [*event_changes(events), run_change(past), *drawn_changes(drawn)]
    explained = explained_table(run.samples, changes)
    samples = samples_table(run, past, parts, factors.column, known_at_start=settings.known_at_start)
    return Findings(
        run=run,
        settings=settings,
        early_fall=early_fall(past, settings.windows[0]),
        sample_map=sample_map(run, past, groups, explained, samples),
        observables=_observables_table(run, values, judgements, settings),
        events=table,
        alarms=alarms_table(judgements, run.steps),
        baselines=baselines_table(judgements, run.steps),
        judged=judged_table(judgements, run.steps, settings),
        reference=reference_table(ranks, settings),
        references=references,
        control=beside.table,
        control_source=beside.source,
        marks=marks_table(
            run, judgements if settings.marks else [], [event.loud for event in events], run.steps
        ),
        modes=modes_table(run, events),
        groups=groups_table(run, events),
        lift=lift_table(events),
        explained=explained,
        spectra=spectra_table(events),
        arrivals=arrivals_table(past, groups[0].of_samples if groups else factors.names, table, run.steps),
        order=order_table(run, table, settings.detrend),
        leads=leads_table(run, truths, table, settings.windows),
        gaussian=gaussian_table(draws, spectrum=settings.spectrum, modes=settings.modes),
        gaussian_modes=gaussian_modes_table(run, drawn),
        gaussian_groups=gaussian_groups_table(run, drawn),
        shc_map=_map_table(run, values, settings),
        ledger=ledger_table(
            run, past, parts, [*groups, *factors.grouping], known_at_start=settings.known_at_start
        ),
        samples=samples,
        factors=factors_table(factors, run.samples, events),
        factor_samples=factor_samples_table(factors, run.samples),
        factor_courses=factor_courses_table(factors),
        mode_tracks=mode_tracks_table(past, factors, window=settings.windows[0], count=settings.modes),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Brief:
    """What is compared of a run: its events and when they alarmed, and not who moved in all else."""

    run: Run
    settings: AnalysisSettings
    observables: pd.DataFrame
    events: pd.DataFrame
    alarms: pd.DataFrame
    judged: pd.DataFrame
    leads: pd.DataFrame


def find_brief(
    run: Run,
    settings: AnalysisSettings,
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Brief:
    """The same tables as `find` has, those of them that runs are compared by: in a fifth of the time."""
    _refuse_short(run, settings)
    truths = find_truths(run, settings.truth)
    groupings(run, settings.by)  # raises, as `find` does, where there is no such column
    values = joined([*_values(run, settings, executor, progress)])
    judgements = _judgements(run, values, settings, baselines=False)
    events = events_table(find_events(run, values.observables, judgements, settings))
    return Brief(
        run=run,
        settings=settings,
        observables=_observables_table(run, values, judgements, settings),
        events=events,
        alarms=alarms_table(judgements, run.steps),
        judged=judged_table(judgements, run.steps, settings),
        leads=leads_table(run, truths, events, settings.windows),
    )


def _refuse_short(run: Run, settings: AnalysisSettings) -> None:
    rows, longest = run.shape[0], max(settings.windows)
    if rows < longest:
        raise ParameterError(
            f"window of {longest} rows is longer than the run's {rows}; choose at most {rows}"
        )


def find_control(
    run: Run,
    settings: AnalysisSettings,
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Control:
    """The course of a control with these settings, but for those that ask for more.

    Raises ParameterError where it is shorter than a window.
    """
    if run.shape[0] < max(settings.windows):
        raise ParameterError(
            f"control {run.name!r} has {counted(run.shape[0], 'row')}; needed {max(settings.windows)}, those "
            f"of a window; choose window={run.shape[0]}, or another control"
        )
    plain = AnalysisSettings()
    alone = replace(settings, truth=(), by=plain.by, marks=False, stride=1, spectrum=False)
    found = find_brief(run, alone, executor=executor, progress=progress)
    return control_of(run, found.observables, found.events)


def _draws(run: Run) -> Draws:
    """The draws of the run; where they do not read, that is told, and nothing is said of them."""
    try:
        return run.draws
    except ChangedError:
        raise
    except FormatError as error:
        warnings.warn(f"{error}; analysed without draws", RdmtoolsWarning, stacklevel=2)
        return []


def _lengths(windows: Sequence[int]) -> str:
    return f"window{'s' * (len(windows) > 1)} {', '.join(map(str, windows))}"


def _values(
    run: Run, settings: AnalysisSettings, executor: Executor | None, progress: Progress | None
) -> Iterator[SpanValues]:
    """Values of one span of the run after another, told as they come."""
    rows, _ = run.shape
    cut = spans(run.stored, run.steps, settings, apart=executor is not None)
    done = 0

    def tell(count: int) -> None:
        nonlocal done
        done += count
        if progress is not None:
            progress(done, rows)

    if executor is None:
        for span in cut:
            yield span_values(span, tell)
        return
    lengths: list[int] = []

    def tasks() -> Iterator[tuple[Span, int]]:
        for span in cut:
            lengths.append(span.stop - span.start)
            yield span, span.losses.nbytes

    for number, values in enumerate(results(span_values, tasks(), executor)):
        tell(lengths[number])
        yield values


def _judgements(
    run: Run, values: SpanValues, settings: AnalysisSettings, *, baselines: bool = True
) -> list[Judgement]:
    rows, _ = run.shape
    energies = iter(values.energies)
    return [
        judge(
            rows,
            window,
            next(energies) if window >= SHORTEST_WINDOW else {},
            columns["shc"],
            settings,
            baselines=baselines,
        )
        for window, columns in zip(settings.windows, values.observables, strict=True)
    ]


def _map_table(run: Run, values: SpanValues, settings: AnalysisSettings) -> pd.DataFrame:
    rows, every = len(run.steps), map_every(len(run.steps))
    tables: list[pd.DataFrame] = []
    for length, shc in zip(map_lengths(settings), values.shc_map, strict=True):
        first = -(-(length - 1) // every) * every
        tables.append(pd.DataFrame({"window": length, "step": run.steps[first:rows:every], "shc": shc}))
    return typed("shc_map", pd.concat(tables))


def _observables_table(
    run: Run, values: SpanValues, judgements: Sequence[Judgement], settings: AnalysisSettings
) -> pd.DataFrame:
    tables: list[pd.DataFrame] = []
    for index, (judgement, observed) in enumerate(zip(judgements, values.observables, strict=True)):
        window, columns = judgement.window, observed | judgement.columns()
        last = run.steps[window - 1 :]
        places = {"step": last, "first_step": run.steps[: len(last)], "window": np.full(len(last), window)}
        table = pd.DataFrame({**places, **columns}).iloc[:: settings.stride]
        if settings.spectrum:
            spectra = values.spectra[index]
            table = table.assign(**spectrum_columns(spectra, min(settings.modes, spectra.shape[1])))
        tables.append(table)
    return typed("observables", pd.concat(tables))
