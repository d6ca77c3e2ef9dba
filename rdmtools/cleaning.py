"""What becomes of rows that are doubled, absent, superseded or not finite? Each is counted, none repaired.

tidy rows (step, sample, loss [, attempt]) -> superseded rows left out -> one scatter, which counts doubles
and gaps -> gaps and losses that are not finite: an error, or their samples or steps are dropped.

Pure functions of arrays. They raise ParameterError; `load` adds the path and makes it a FormatError.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdmtools.errors import ParameterError

ON_GAP = ("error", "drop-samples", "drop-steps")
ON_DUPLICATE = ("last", "error")


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
    rows, samples = _one_kind(rule, keep_rows, keep_samples, "nonfinite")
    return rows, samples, Quality(nonfinite=count) + dropped(rows, samples)


def dropped(rows: NDArray[np.bool_], samples: NDArray[np.bool_]) -> Quality:
    """Counts of the rows and samples that do not stay."""
    return Quality(dropped_steps=int((~rows).sum()), dropped_samples=int((~samples).sum()))


def _one_kind(
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
