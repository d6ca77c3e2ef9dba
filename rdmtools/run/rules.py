"""How are losses read? Which columns they are in, and what becomes of dirt: the options of `read_run`."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from rdmtools.errors import ParameterError
from rdmtools.format.names import ATTEMPT, LOSS_COLUMNS

ROLES = (*LOSS_COLUMNS, ATTEMPT)
_ON_GAP = ("error", "drop-samples", "drop-steps")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Every choice that reading makes. Raises ParameterError where one does not fit.

    The metadata of a field has what the command line says of it, and its choices.
    """

    columns: Mapping[str, str] | None = field(
        default=None,
        metadata={"help": "Foreign column names: step=global_step,loss=nll.", "metavar": "NAME=COLUMN,…"},
    )
    """Maps `step`, `sample_id`, `loss`, `attempt` to the file's own names, where they differ."""
    group_by: str | None = field(
        default=None,
        metadata={"help": "Group samples by this column, constant per sample.", "metavar": "COLUMN"},
    )
    """A column of samples.parquet, or one of the losses that is constant per sample: it becomes `group`."""
    missing: str = field(
        default="error", metadata={"help": "A sample absent at some steps.", "choices": _ON_GAP}
    )
    """What to do about absent losses: "error", "drop-samples" or "drop-steps"."""
    nonfinite: str = field(default="error", metadata={"help": "NaN or infinite losses.", "choices": _ON_GAP})
    """The same about NaN and inf; null counts as NaN."""
    duplicates: str = field(
        default="last",
        metadata={"help": "One step and sample twice, with different losses.", "choices": ("last", "error")},
    )
    """Of rows with the same step and sample but different losses keep the "last", or "error"."""

    restarts: str = field(
        default="keep",
        metadata={
            "help": "Steps that fall back, as where a training starts again, without a column attempt.",
            "choices": ("keep", "supersede"),
        },
    )
    """Where steps fall back in a table without attempts: "keep" all rows, or let later starts "supersede"."""

    def __post_init__(self) -> None:
        for each in fields(self):
            choices, chosen = each.metadata.get("choices"), getattr(self, each.name)
            if choices is not None and chosen not in choices:
                raise ParameterError(f"{each.name} is {chosen!r}; choose one of {', '.join(choices)}")
        for role in self.columns or {}:
            if role not in ROLES:
                raise ParameterError(f"columns maps {role!r}; needed one of {', '.join(ROLES)}")

    def to_dict(self) -> dict[str, Any]:
        """Each choice by its name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}
