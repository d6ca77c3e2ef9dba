"""In which group is each sample? By a column of the run's sample table; groups as they first appear."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from rdmtools.errors import ParameterError
from rdmtools.run.run import Run

GROUP = "group"
NO_GROUP = "(none)"
"""What samples without a value are called, as a group."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grouping:
    """The samples by one column: names of the groups, and the group of each sample."""

    column: str
    names: list[str]
    codes: Int64[np.ndarray, " samples"]

    @property
    def of_samples(self) -> list[str]:
        """Name of each sample's group."""
        return [self.names[code] for code in self.codes.tolist()]

    def means(self, losses: Float64[np.ndarray, "blocks samples"]) -> Float64[np.ndarray, "blocks groups"]:
        """Mean loss of each group."""
        if len(self.names) == 1:
            return losses.mean(axis=1, keepdims=True)
        order = np.argsort(self.codes, kind="stable")
        ends = np.cumsum(np.bincount(self.codes, minlength=len(self.names)))[:-1]
        return np.stack([losses[:, few].mean(axis=1) for few in np.split(order, ends)], axis=1)


def coded(groups: Sequence[str]) -> tuple[list[str], Int64[np.ndarray, " samples"]]:
    """Names of the groups, and the place among them of each sample's."""
    names = list(dict.fromkeys(groups))
    place = {name: index for index, name in enumerate(names)}
    return names, np.array([place[group] for group in groups], np.int64)


def texts_of(run: Run, column: str) -> list[str | None] | None:
    """A column of the samples as text, None for a missing value; None where samples have no such column."""
    if column not in run.samples:
        return None
    values = run.samples[column]
    missing = values.isna().tolist()
    return [None if gone else str(value) for value, gone in zip(values.tolist(), missing, strict=True)]


def groups_of(run: Run, column: str = GROUP) -> list[str] | None:
    """Name of each sample's group; None where samples have no such column."""
    texts = texts_of(run, column)
    return None if texts is None else [NO_GROUP if text is None else text for text in texts]


def groupings(run: Run, by: Sequence[str]) -> list[Grouping]:
    """One for each column asked for; none for "group" where the samples have no groups.

    Raises
    ------
    ParameterError
        Where there is no such column.
    """
    found: list[Grouping] = []
    known = [str(name) for name in run.samples.columns[1:]]
    for column in by:
        if column in known and (groups := groups_of(run, column)) is not None:
            names, codes = coded(groups)
            found.append(Grouping(column=column, names=names, codes=codes))
        elif column != GROUP or tuple(by) != (GROUP,):
            there = f'found {", ".join(known)}; choose by="{known[0]}"' if known else "found none; log one"
            raise ParameterError(f"no column {column!r} of the samples; {there}")
    return found
