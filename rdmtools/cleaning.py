"""What becomes of rows that are doubled, absent, superseded or not finite? Each is counted, none repaired.

tidy rows (step, sample, loss [, attempt]) -> superseded rows left out -> one scatter, which counts doubles
and gaps -> gaps and losses that are not finite: an error, or their samples or steps are dropped.

Pure functions of arrays. They raise ParameterError; `load` adds the path and makes it a FormatError.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rdmtools.errors import ParameterError

ON_GAP = ("error", "drop-samples", "drop-steps")
ON_DUPLICATE = ("last", "error")
_PART = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What to do about dirt; the defaults of `read_run` and `Run.from_frame`."""

    missing: str = "error"
    nonfinite: str = "error"
    duplicates: str = "last"

    def __post_init__(self) -> None:
        for name, choices in (("missing", ON_GAP), ("nonfinite", ON_GAP), ("duplicates", ON_DUPLICATE)):
            if getattr(self, name) not in choices:
                found = getattr(self, name)
                raise ParameterError(f"{name} is {found!r}; choose one of {', '.join(choices)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """What was dropped, replaced or trusted while a run was read: counts, all 0 and False for a clean run."""

    duplicates: int = 0
    """Rows left out because their (step, sample) came again."""
    duplicates_replaced: int = 0
    """Those among them whose loss differed from the one kept."""
    order_trusted: bool = False
    """Whether "the last row" decided between different losses, so that the order of the file mattered."""
    superseded_rows: int = 0
    """Rows (step, sample) left out because a later attempt starts at or before their step."""
    missing: int = 0
    """Pairs (step, sample) without a loss, all of them among the dropped samples or steps."""
    nonfinite: int = 0
    """Losses that are NaN or inf, all of them among the dropped samples or steps."""
    dropped_samples: int = 0
    dropped_steps: int = 0
    unused_samples: int = 0
    """Samples that samples.parquet describes and the losses lack."""
    bytes_left: int = 0
    """Bytes of the journal after its first bad record: a write that a crash cut short."""
    refused: int = 0
    """Calls that the logger did not accept while the run was recorded."""

    out_of_reach: int = 0
    """Journals whose rows lie, in part, on another machine."""

    def notes(self) -> list[str]:
        """One plain sentence per finding; empty for a clean run."""
        found = (
            (self.duplicates, "row", "left out {} that came twice"),
            (self.duplicates_replaced, "row", "{} among them had another loss than the one kept, the last"),
            (self.order_trusted, "", "trusted the order of the file to tell which row came last"),
            (self.superseded_rows, "row", "left out {} that a later attempt superseded"),
            (self.missing, "pair", "found no loss for {} of step and sample"),
            (self.nonfinite, "loss", "found {} not finite"),
            (self.dropped_samples, "sample", "dropped {}"),
            (self.dropped_steps, "step", "dropped {}"),
            (self.unused_samples, "sample", "ignored {} described in samples.parquet but without losses"),
            (self.bytes_left, "byte", "could not read the last {} of the journal"),
            (self.out_of_reach, "journal", "lacks what {} may still hold on the machine that wrote it"),
            (self.refused, "call", "lacks what {} to the logger held, which it refused"),
        )
        return [sentence.format(counted(count, noun)) for count, noun, sentence in found if count]

    def __add__(self, other: "Quality") -> "Quality":
        sums = {
            field.name: type(getattr(self, field.name))(
                getattr(self, field.name) + getattr(other, field.name)
            )
            for field in fields(self)
        }
        return Quality(**sums)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def finite_part(
    blocks: Iterable[NDArray[Any]], steps: NDArray[np.int64], ids: Sequence[Any], rule: str
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], Quality]:
    """Which rows and which samples stay so that all losses are finite, and what that took.

    `blocks` are consecutive (rows, samples) parts of the losses, looked at one at a time.
    """
    keep_rows, keep_samples = np.ones(len(steps), np.bool_), np.ones(len(ids), np.bool_)
    count, start, first = 0, 0, ""
    for block in blocks:
        finite = np.isfinite(block)
        if not finite.all():
            rows, samples = np.nonzero(~finite)
            first = first or f"step {steps[start + rows[0]]}, sample {ids[samples[0]]!r}"
            count += len(rows)
            keep_rows[start + rows] = False
            keep_samples[samples] = False
        start += len(block)
    if not count:
        return keep_rows, keep_samples, Quality()
    if rule == "error":
        raise ParameterError(
            f"{counted(count, 'loss')} not finite (first: {first}); needed finite losses; "
            f"{_drop_options('nonfinite')}, or cut the run before it diverges"
        )
    rows, samples = one_kind(rule, keep_rows, keep_samples, "nonfinite")
    return rows, samples, Quality(nonfinite=count) + dropped(rows, samples)


def dropped(rows: NDArray[np.bool_], samples: NDArray[np.bool_]) -> Quality:
    """Counts of the rows and samples that do not stay."""
    return Quality(dropped_steps=int((~rows).sum()), dropped_samples=int((~samples).sum()))


def one_kind(
    rule: str, keep_rows: NDArray[np.bool_], keep_samples: NDArray[np.bool_], option: str
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Of the clean rows and clean samples, drop one kind only, as `rule` says."""
    by_sample = rule == "drop-samples"
    if not (keep_samples if by_sample else keep_rows).any():
        what, other = ("sample", "drop-steps") if by_sample else ("step", "drop-samples")
        raise ParameterError(f'{option}="{rule}" would drop every {what}; try {option}="{other}"')
    if by_sample:
        return np.ones_like(keep_rows), keep_samples
    return keep_rows, np.ones_like(keep_samples)


def _drop_options(option: str) -> str:
    return f'pass {option}="drop-samples" or "drop-steps" (--{option})'


def counted(count: int, noun: str) -> str:
    """``counted(2, "loss")`` is "2 losses"."""
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{count:,} {noun if count == 1 else plural}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tidy:
    """Losses as a tidy table has them, one row for each step and sample, in any order."""

    steps: NDArray[np.integer[Any]]
    """(tidy rows,)."""
    samples: NDArray[np.integer[Any]]
    """(tidy rows,): ids, or positions in `ids` where that is given."""
    losses: NDArray[np.floating[Any]]
    """(tidy rows,)."""
    attempts: NDArray[np.integer[Any]] | None = None
    """(tidy rows,): which start of the training wrote the row."""
    ids: NDArray[Any] | None = None
    """Ids that are strings, distinct and in order."""

    def where(self, keep: NDArray[np.bool_]) -> "Tidy":
        """Only the tidy rows to keep."""
        return Tidy(
            steps=self.steps[keep],
            samples=self.samples[keep],
            losses=self.losses[keep],
            attempts=None if self.attempts is None else self.attempts[keep],
            ids=self.ids,
        )

    def named(self, samples: NDArray[np.integer[Any]]) -> NDArray[Any]:
        """Ids of `samples`."""
        return samples if self.ids is None else self.ids[samples]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Losses with one row per step and one column per sample, both in order."""

    steps: NDArray[np.int64]
    ids: NDArray[Any]
    losses: NDArray[Any]
    """(rows, samples); not yet known to be finite."""
    quality: Quality


def grid(tidy: Tidy, rules: Rules) -> Grid:
    """The losses of `tidy` by step and sample, whatever order they come in.

    Rows in canonical order are verified and reshaped. All others go through one lookup-table scatter, which
    sees every double and every gap: to sort and reshape would miss those that balance.
    """
    tidy, superseded = latest_attempts(tidy)
    layout = None if superseded else whole_steps(tidy.steps, tidy.samples)
    if layout is None:
        found = _scatter(tidy, rules)
        return replace(found, quality=found.quality + Quality(superseded_rows=superseded))
    steps, template = layout
    losses, order = tidy.losses.reshape(len(steps), -1), np.argsort(template)
    if (template[order] != template).any():
        losses, template = losses[:, order], template[order]
    return Grid(steps=steps, ids=tidy.named(template), losses=losses, quality=Quality())


def joined(parts: Sequence[Tidy]) -> Tidy:
    """The rows of several parts of one run, one after the other."""
    if len(parts) == 1:
        return parts[0]
    named = [part.ids for part in parts if part.ids is not None]
    samples = [part.samples for part in parts]
    attempts = [part.attempts for part in parts if part.attempts is not None]
    for column, found in (("sample_id that is a string", named), ("column attempt", attempts)):
        if 0 < len(found) < len(parts):
            raise ParameterError(
                f"{len(found)} of {len(parts)} parts have a {column}; needed it in all of them or in none"
            )
    ids = None
    if named:
        ids = np.unique(np.concatenate(named))
        samples = [np.searchsorted(ids, words)[codes] for words, codes in zip(named, samples, strict=True)]
    return Tidy(
        steps=np.concatenate([part.steps for part in parts]),
        samples=np.concatenate(samples),
        losses=np.concatenate([part.losses for part in parts]),
        attempts=np.concatenate(attempts) if attempts else None,
        ids=ids,
    )


def latest_attempts(tidy: Tidy) -> tuple[Tidy, int]:
    """`tidy` without the rows that a later attempt superseded, and their count.

    An attempt that starts at step s supersedes every row of an earlier one with step >= s.
    """
    if tidy.attempts is None:
        return tidy, 0
    place, distinct = places(tidy.attempts)
    attempt = place(slice(None))
    starts = np.full(len(distinct), np.iinfo(np.int64).max)
    np.minimum.at(starts, attempt, tidy.steps)
    keep = survives(tidy.steps, attempt, starts)
    superseded = len(keep) - int(np.count_nonzero(keep))
    return (tidy.where(keep) if superseded else tidy), superseded


def survives(
    steps: NDArray[np.integer[Any]], attempt: NDArray[np.integer[Any]], starts: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Which rows no later attempt supersedes; `attempt` is the place of each row's own in `starts`."""
    limits = np.append(np.minimum.accumulate(starts[:0:-1])[::-1], np.iinfo(np.int64).max)
    return (steps < limits[attempt]) | (attempt == len(starts) - 1)


def whole_steps(
    steps: NDArray[np.integer[Any]], samples: NDArray[np.integer[Any]]
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Steps and samples of tidy rows in canonical order, None for any other.

    Canonical: steps rise, and each has the same distinct samples in the same order.
    """
    width = _first_run(steps)
    if len(steps) % width:
        return None
    by_step, by_sample = steps.reshape(-1, width), samples.reshape(-1, width)
    first, template = by_step[:, 0], by_sample[0]
    if (first[1:] <= first[:-1]).any() or len(np.unique(template)) < width:
        return None
    for part in _parts(len(first), max(1, _PART // width)):
        if (by_step[part] != by_step[part, :1]).any() or (by_sample[part] != template).any():
            return None
    return first.astype(np.int64), template.astype(np.int64)


def _first_run(values: NDArray[Any]) -> int:
    """How many values at the start equal the first."""
    for part in _parts(len(values)):
        if (other := values[part] != values[0]).any():
            return part.start + int(np.argmax(other))
    return len(values)


def places(
    values: NDArray[np.integer[Any]],
) -> tuple[Callable[[slice], NDArray[np.integer[Any]]], NDArray[np.int64]]:
    """Where each value stands among the distinct ones in order, as a function of a slice, and those."""
    low, high = int(values.min()), int(values.max())
    if high - low < 4 * len(values) + _PART:
        present = np.zeros(high - low + 1, np.bool_)
        for part in _parts(len(values)):
            present[values[part].astype(np.int64) - low] = True
        table = np.cumsum(present) - 1
        return lambda part: table[values[part].astype(np.int64) - low], np.flatnonzero(present) + low
    found, distinct = pd.factorize(values.astype(np.int64))
    order = np.argsort(distinct)
    table = np.empty_like(order)
    table[order] = np.arange(len(order))
    return lambda part: table[found[part]], distinct[order]


def _scatter(tidy: Tidy, rules: Rules) -> Grid:
    row, steps = places(tidy.steps)
    column, samples = places(tidy.samples)
    shape = len(steps), len(samples)

    def cells(part: slice) -> NDArray[np.integer[Any]]:
        return row(part) * shape[1] + column(part)

    size, rows = shape[0] * shape[1], len(tidy.steps)
    losses = np.empty(0)
    filled = None
    if size > 2 * rows:  # mostly gaps: the grid may be far larger than memory
        filled = np.unique(cells(slice(None)))
    else:
        losses = np.full(size, np.nan, tidy.losses.dtype)
        for part in _parts(rows):
            losses[cells(part)] = tidy.losses[part]  # where a cell comes again, NumPy leaves the last value
        # A cell that is not NaN was filled; only where some are NaN must gaps be told from losses that are.
        if np.isnan(losses).any():
            seen = np.zeros(size, np.bool_)
            for part in _parts(rows):
                seen[cells(part)] = True
            filled = None if seen.all() else np.flatnonzero(seen)
    if filled is not None:
        keep_rows, keep_samples, missing = _complete_part(filled, steps, tidy.named(samples), rules.missing)
        keep = keep_rows[row(slice(None))] & keep_samples[column(slice(None))]
        found = _scatter(tidy.where(keep), rules)
        return replace(found, quality=found.quality + missing)
    quality = Quality()
    if rows > size:
        differ = different(losses[cells(slice(None))], tidy.losses)
        quality = _doubles(tidy, rows - size, differ, rules.duplicates)
    return Grid(steps=steps, ids=tidy.named(samples), losses=losses.reshape(shape), quality=quality)


def different(kept: NDArray[Any], given: NDArray[Any]) -> NDArray[np.bool_]:
    """Where losses differ, NaN being equal to NaN."""
    return (kept != given) & ~(np.isnan(kept) & np.isnan(given))


def _doubles(tidy: Tidy, count: int, differ: NDArray[np.bool_], rule: str) -> Quality:
    """Counts of rows whose step and sample came twice; `differ` where another loss than theirs was kept."""
    replaced = int(np.count_nonzero(differ))
    if replaced and rule == "error":
        at = int(np.argmax(differ))
        raise doubles_error(replaced, int(tidy.steps[at]), tidy.named(tidy.samples[at : at + 1]).tolist()[0])
    return Quality(duplicates=count, duplicates_replaced=replaced, order_trusted=replaced > 0)


def doubles_error(count: int, step: int, sample: Any) -> ParameterError:
    """What is said where rows came twice with different losses, first at `step` and `sample`."""
    return ParameterError(
        f"{counted(count, 'row')} came twice with different losses "
        f"(first: step {step}, sample {sample!r}); needed one loss for each step and sample; "
        'add a column attempt, or pass duplicates="last" (--duplicates) to keep the last'
    )


def gaps_error(count: int, step: int, sample: Any) -> ParameterError:
    """What is said where pairs of step and sample have no loss, the first one at `step` and `sample`."""
    return ParameterError(
        f"{counted(count, 'pair')} of step and sample without a loss "
        f"(first: step {step}, sample {sample!r}); "
        f"needed every sample at every step; {_drop_options('missing')}"
    )


def _parts(length: int, size: int = 0) -> Iterator[slice]:
    """Consecutive slices of `length` things, small enough to stay in cache."""
    size = size or _PART
    return (slice(start, min(start + size, length)) for start in range(0, length, size))


def _complete_part(
    filled: NDArray[np.integer[Any]], steps: NDArray[np.int64], ids: NDArray[Any], rule: str
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], Quality]:
    """Which rows and which samples stay so that no loss is missing, and what that took."""
    shape = len(steps), len(ids)
    missing = shape[0] * shape[1] - len(filled)
    if rule == "error":
        gaps = np.flatnonzero(filled != np.arange(len(filled)))
        row, sample = divmod(int(gaps[0]) if len(gaps) else len(filled), shape[1])
        raise gaps_error(missing, int(steps[row]), ids.tolist()[sample])
    full_rows = np.bincount(filled // shape[1], minlength=shape[0]) == shape[1]
    full_samples = np.bincount(filled % shape[1], minlength=shape[1]) == shape[0]
    rows, samples = one_kind(rule, full_rows, full_samples, "missing")
    return rows, samples, Quality(missing=missing) + dropped(rows, samples)
