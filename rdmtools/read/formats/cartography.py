"""What were the losses, where logits were kept? Training dynamics as dataset cartography writes them.

    training_dynamics/dynamics_epoch_0.jsonl    {"guid": 17, "logits_epoch_0": [1.2, -0.3], "gold": 0}

A file is an epoch, a line a sample; step = epoch. In nats,
loss = -log softmax(logits)[gold] = log sum_k exp(logits_k - logits_gold).
Source: Swayamdipta et al. 2020, arXiv:2009.10795.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rdmtools.errors import FormatError
from rdmtools.format.names import LOSS, SAMPLE_ID, STEP
from rdmtools.run.from_table import Long

_FILE = re.compile(r"dynamics_epoch_([0-9]{1,18})\.jsonl")
_FOLDER = "training_dynamics"  # in the folder of outputs


def _epoch_files(folder: Path) -> dict[int, Path]:
    """Files of training dynamics in `folder`, by epoch in order."""
    found = {int(name[1]): path for path in folder.glob("*.jsonl") if (name := _FILE.fullmatch(path.name))}
    return dict(sorted(found.items()))


def _home(path: Path) -> Path:
    """The folder of the files: `path`, or the one of that name in it."""
    return path / _FOLDER if not _epoch_files(path) and (path / _FOLDER).is_dir() else path


def is_dynamics(path: Path) -> bool:
    """Whether `path` is a folder of training dynamics, or the folder of outputs around it."""
    return path.is_dir() and bool(files(path))


def files(path: Path) -> list[Path]:
    """The files of training dynamics in `path`, in the order of their epochs."""
    return [*_epoch_files(_home(path)).values()]


def read(folder: Path, layout: str | None, columns: Mapping[str, str] | None) -> tuple[Long, list[str]]:
    """Losses of every epoch in `folder`, whose layout and names are given.

    Raises FormatError with the file and the line that are wrong.
    """
    home = _home(folder)
    parts = [_epoch(epoch, path) for epoch, path in _epoch_files(home).items()]
    notes = [f"read {_FOLDER}, which lies in it"] if home != folder else []
    return Long(table=pa.concat_tables(parts), unit="nats"), notes


def cross_entropy(logits: NDArray[np.float64], gold: NDArray[np.intp]) -> NDArray[np.float64]:
    """-log softmax(logits)[gold] of each row, (samples,), in nats.

    Logits (samples, classes) are taken relative to that of the gold class, so that neither large logits
    overflow nor a small loss cancels.
    """
    with np.errstate(invalid="ignore", over="ignore"):  # logits that are not finite give losses that are not
        return np.logaddexp.reduce(logits - np.take_along_axis(logits, gold[:, None], axis=1), axis=1)


def _epoch(epoch: int, path: Path) -> pa.Table:
    ids: list[int | str] = []
    logits: list[NDArray[np.float64]] = []
    gold: list[int] = []
    for place, record in _records(path):
        sample, row, label = _checked(place, record, f"logits_epoch_{epoch}")
        if ids and (type(sample) is not type(ids[0]) or len(row) != len(logits[0])):
            raise FormatError(
                f"{place} has {len(row)} logits and a guid of type {type(sample).__name__}, the first line "
                f"{len(logits[0])} and {type(ids[0]).__name__}; needed the same in every line"
            )
        ids.append(sample)
        logits.append(row)
        gold.append(label)
    if not ids:
        raise FormatError(f"{path} is empty; needed a line for each sample; remove or write it again")
    losses = cross_entropy(np.stack(logits), np.array(gold))
    return pa.table({STEP: np.full(len(ids), epoch), SAMPLE_ID: pa.array(ids), LOSS: losses})


def _records(path: Path) -> Iterator[tuple[str, Any]]:
    """Each line that is not blank, and what to call it."""
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                place = f"{path} line {number}"
                try:
                    yield place, json.loads(line)
                except RecursionError as error:
                    raise FormatError(f"{place} nests too deep; write the file again") from error
                except ValueError as error:
                    raise FormatError(f"{place} is not JSON ({error}); write the file again") from error


def _checked(place: str, record: Any, key: str) -> tuple[int | str, NDArray[np.float64], int]:
    """Id, logits and gold class of one line."""
    wanted = ("guid", key, "gold")
    if absent := [name for name in wanted if not isinstance(record, dict) or name not in record]:
        raise FormatError(f"{place} has no {', '.join(absent)}; needed {', '.join(wanted)}")
    sample, logits, gold = (record[name] for name in wanted)
    if type(sample) not in (int, str) or (type(sample) is int and not -(2**63) <= sample < 2**63):
        raise FormatError(f"{place} has guid {str(sample)[:60]}; needed an integer or a string")
    try:
        row = np.array(logits, np.float64)
    except (ValueError, TypeError, OverflowError):
        row = np.empty(0)
    if row.ndim != 1 or len(row) < 2:
        raise FormatError(f"{place} has {key} {str(logits)[:60]}; needed a list of at least two numbers")
    if type(gold) is not int or not 0 <= gold < len(row):
        raise FormatError(f"{place} has gold {str(gold)[:60]}; needed a class from 0 to {len(row) - 1}")
    return sample, row, gold
