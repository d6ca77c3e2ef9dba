"""What losses are in a NumPy file? In .npy (rows, samples) alone; in .npz maybe with steps and ids."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdmtools.errors import ParameterError
from rdmtools.format.names import LOSS, SAMPLE_ID, STEP
from rdmtools.run.from_table import Wide, numbered
from rdmtools.run.layout import left_out, shortened

_USUAL = {
    LOSS: ("loss", "losses", "per_sample_loss", "per_sample_losses", "nll"),
    STEP: ("step", "steps", "global_step", "global_steps", "epoch", "epochs"),
    SAMPLE_ID: ("sample_id", "sample_ids", "id", "ids", "idx"),
}
_NOUNS = {LOSS: "losses", STEP: "steps", SAMPLE_ID: "ids"}


def read(path: Path, layout: str | None, columns: Mapping[str, str] | None) -> tuple[Wide, list[str]]:
    """The losses in `path`, and what was guessed. Raises what NumPy raises, and ParameterError.

    Parameters
    ----------
    layout
        Arrays have but one.
    columns
        Maps `loss`, `step` and `sample_id` to the arrays in an .npz file; where it does not, usual names do.
    """
    if path.suffix != ".npz":
        return _unnamed(np.load(path, mmap_mode="r", allow_pickle=False))
    with path.open("rb") as file:  # which NumPy leaves open where it is no archive
        found: Any = np.load(file, allow_pickle=False)
        return _named(found, columns or {})


def _unnamed(losses: NDArray[Any]) -> tuple[Wide, list[str]]:
    steps, said = numbered(len(losses) if losses.ndim else 0)
    return Wide(steps=steps, ids=None, losses=losses), said


def _named(found: Mapping[str, NDArray[Any]], columns: Mapping[str, str]) -> tuple[Wide, list[str]]:
    names = list(found)
    chosen = {role: name for role in _USUAL if (name := _name(role, names, columns)) is not None}
    if LOSS not in chosen:
        if len(names) != 1:
            raise ParameterError(
                f'no array \'loss\'; found {shortened(names) or "none"}; map with columns={{"loss": "…"}}'
            )
        chosen[LOSS] = names[0]
    wide, notes = _unnamed(found[chosen[LOSS]])
    if STEP in chosen:
        wide, notes = Wide(steps=found[chosen[STEP]], ids=None, losses=wide.losses), []
    if SAMPLE_ID in chosen:
        wide = Wide(steps=wide.steps, ids=found[chosen[SAMPLE_ID]], losses=wide.losses)
    guessed = [(name, _NOUNS[role]) for role, name in chosen.items() if name not in (role, columns.get(role))]
    notes += [f"took array {name!r} for the {noun}" for name, noun in guessed]
    return wide, notes + left_out("array", [name for name in names if name not in chosen.values()])


def _name(role: str, names: list[str], columns: Mapping[str, str]) -> str | None:
    """The array that is `role`: the one mapped, or the first under a usual name."""
    if role not in columns:
        return next((name for name in _USUAL[role] if name in names), None)
    if columns[role] not in names:
        raise ParameterError(
            f"no array {columns[role]!r}; found {shortened(names) or 'none'}; map {role} to one of them"
        )
    return columns[role]
