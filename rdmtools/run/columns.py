"""Which columns of a foreign table are step, sample and loss, and what numbers are in them?

Any tool may have written it: any integer type, ids that are integers or strings, categorical or not, in any
number of chunks. What does not fit is a ParameterError; `read` adds the path and makes it a FormatError.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportAttributeAccessIssue=false

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as types
from numpy.typing import NDArray

from rdmtools.errors import ParameterError
from rdmtools.format.names import ATTEMPT, LOSS, SAMPLE_ID, STEP
from rdmtools.format.values import floats, integers, is_fractional, one_chunk, refuse_nulls
from rdmtools.run.clean import Tidy
from rdmtools.run.rules import ROLES
from rdmtools.run.usual_names import beside, is_mean, no_sample_losses, step_rank

_LOSSES = ("loss", "losses", "nll", "ce", "per_sample_loss", "per_sample_losses", "cross_entropy")
_SAMPLES = ("sample_id", "sample", "id", "ids", "idx", "index", "sample_idx", "guid", "uid", "example_id")


def find_columns(schema: pa.Schema, columns: Mapping[str, str] | None) -> dict[str, str]:
    """Names of the columns that are the step, the sample, the loss and, where there is one, the attempt.

    `columns` maps from the format's names to the table's, where they differ.
    """
    names = {role: role for role in ROLES} | dict(columns or {})
    found: list[str] = schema.names
    if ATTEMPT not in found and ATTEMPT not in (columns or {}):
        del names[ATTEMPT]
    if absent := {role: name for role, name in names.items() if name not in found}:
        _refuse_means(schema, names, columns)
        raise ParameterError(
            f"no column {', '.join(map(repr, absent.values()))}; found {', '.join(found) or 'none'}; "
            + _suggestion(schema, names, absent)
        )
    for name in names.values():
        if found.count(name) > 1:
            raise ParameterError(
                f"{found.count(name)} columns are named {name!r}; needed one; rename the others"
            )
    return names


def _suggestion(schema: pa.Schema, names: dict[str, str], absent: dict[str, str]) -> str:
    """How to map what is absent: of the free columns whose type fits the one with the likeliest name."""
    free = {field.name: _value_type(field.type) for field in schema if field.name not in names.values()}
    guesses: dict[str, str] = {}
    for role in sorted(absent, key=ROLES.index):
        fit = [name for name, kind in free.items() if _fits(role, name, kind, schema.names)]
        if fit:
            guesses[role] = min(fit, key=partial(_likeliness, role))
            free.pop(guesses[role])
    if lacking := [role for role in absent if role not in guesses]:
        return f"none of them may be {' or '.join(map(repr, lacking))}; add a column of that name"
    pairs = ", ".join(f'"{role}": "{name}"' for role, name in guesses.items())
    return f"map with columns={{{pairs}}}"


def _fits(role: str, name: str, kind: pa.DataType, names: list[str]) -> bool:
    if role == STEP:
        return types.is_integer(kind) or (step_rank(name) is not None and is_fractional(kind))
    if role == LOSS:
        return is_fractional(kind) and step_rank(name) is None and not beside(name, names)
    if role == SAMPLE_ID:
        return _is_id(kind) and not beside(name, names)
    return types.is_integer(kind)


def _likeliness(role: str, name: str) -> int:
    """0 for the likeliest name."""
    if role == STEP:
        rank = step_rank(name)
        return len(ROLES) * 100 if rank is None else rank
    usual = _LOSSES if role == LOSS else _SAMPLES
    return usual.index(name.lower()) if name.lower() in usual else len(usual)


def refuse_empty(rows: int) -> None:
    """Raise ParameterError where a table has no rows."""
    if rows == 0:
        raise ParameterError("no rows; needed at least one step of losses")


def _refuse_means(schema: pa.Schema, names: Mapping[str, str], columns: Mapping[str, str] | None) -> None:
    """Raise ParameterError where all there is beside steps and times are means of a batch."""
    found: list[str] = schema.names
    if columns or SAMPLE_ID in found:
        return
    others = [name for name in found if not beside(name, found) and name != names[STEP]]
    if others and len(others) < len(found) and all(map(is_mean, others)):
        raise no_sample_losses(others)


def type_notes(schema: pa.Schema, names: Mapping[str, str], ids: NDArray[Any] | None = None) -> list[str]:
    """What is said of columns that hold numbers or ids as another type; `ids` are what was made of them."""
    notes: list[str] = []
    for role, name in names.items():
        kind = _value_type(schema.field(name).type)
        if role == LOSS and types.is_decimal(kind):
            notes.append(f"read column {name!r} of type {kind} as float64")
        elif role == SAMPLE_ID and (
            _is_binary(kind) or (types.is_uint64(kind) and ids is not None and ids.dtype.kind == "O")
        ):
            notes.append(f"read column {name!r} of type {kind} as text")
        elif role != LOSS and is_fractional(kind):
            notes.append(f"read column {name!r}, whole numbers of type {kind}, as integers")
    return notes


def better_step(table: pa.Table, names: Mapping[str, str]) -> str | None:
    """Another column of whole numbers by which every sample comes at every step, such as an epoch."""
    samples, _ = pd.factorize(sample_codes(table.column(names[SAMPLE_ID]), names[SAMPLE_ID])[0])
    width = int(samples.max()) + 1
    for each in table.schema:
        if each.name in names.values() or not types.is_integer(each.type):
            continue
        column = table.column(each.name)
        if column.null_count or types.is_uint64(each.type):
            continue
        codes, steps = pd.factorize(integers(column, each.name))
        cells = codes.astype(np.int64) * width + samples
        if 1 < len(steps) <= len(codes) // width and len(np.unique(cells)) == len(steps) * width:
            return str(each.name)
    return None


def tidy_rows(table: pa.Table, names: Mapping[str, str]) -> Tidy:
    """The tidy rows of `table`, whose columns `names` tells."""
    refuse_empty(table.num_rows)
    samples, ids = sample_codes(table.column(names[SAMPLE_ID]), names[SAMPLE_ID])
    return Tidy(
        steps=integers(table.column(names[STEP]), names[STEP]),
        samples=samples,
        losses=floats(table.column(names[LOSS]), names[LOSS]),
        attempts=integers(table.column(names[ATTEMPT]), names[ATTEMPT]) if ATTEMPT in names else None,
        ids=ids,
    )


def row_bytes(schema: pa.Schema, names: Mapping[str, str]) -> int:
    """Bytes that a row takes in memory, an id that is a string those of its code."""
    kinds = [_value_type(schema.field(name).type) for name in names.values()]
    return sum(kind.bit_width // 8 if types.is_primitive(kind) else 4 for kind in kinds)


def has_text_ids(kind: pa.DataType) -> bool:
    """Whether a column of type `kind` has ids that are strings, if it has ids at all."""
    return not (types.is_integer(_value_type(kind)) or is_fractional(_value_type(kind)))


@dataclass(slots=True)
class Words:
    """Ids that are strings, kept from one part of a table to the next, which nearly always has the same."""

    dictionary: pa.Array | None = None
    order: NDArray[np.integer[Any]] = field(default_factory=lambda: np.empty(0, np.int64))
    """Of each word in the dictionary its place among the ids."""
    ids: NDArray[Any] = field(default_factory=lambda: np.empty(0, object))
    """In order."""

    def learn(self, dictionary: pa.Array) -> None:
        """Put the words in order, unless they are those that were put in order before."""
        if self.dictionary is None or not dictionary.equals(self.dictionary):
            plain = _plain_strings(pa.chunked_array([dictionary])).combine_chunks()
            by_word = pc.array_sort_indices(plain)  # UTF-8 sorts as its characters do
            words = np.array(plain.take(by_word).to_pylist(), dtype=object)
            first = np.append(True, words[1:] != words[:-1])[: len(words)]  # a word may stand there twice
            self.order = np.empty(len(words), np.int64)
            self.order[by_word.to_numpy()] = np.cumsum(first) - 1
            self.dictionary, self.ids = dictionary, words[first]


def sample_codes(
    column: pa.ChunkedArray, name: str, words: Words | None = None
) -> tuple[NDArray[np.integer[Any]], NDArray[Any] | None]:
    """Ids that are integers, and None; or positions of ids that are strings, and these, in order."""
    refuse_nulls(column, name, "an id")
    kind = _value_type(column.type)
    if is_fractional(kind) or (types.is_integer(kind) and not _overflows(column)):
        return integers(column, name), None
    if not _is_id(kind):
        raise ParameterError(f"column {name!r} is of type {kind}; needed integers or strings; convert it")
    if types.is_integer(kind) or _is_binary(kind):
        column = _as_text(column, name)
    if not types.is_dictionary(column.type):
        column = _plain_strings(column).dictionary_encode()
    array = one_chunk(column.unify_dictionaries())
    dictionary = array.dictionary
    if dictionary.null_count:
        raise ParameterError(f"column {name!r} has a null among its categories; needed strings; drop it")
    words = words or Words()
    words.learn(dictionary)
    return words.order[array.indices.to_numpy()], words.ids


def _overflows(column: pa.ChunkedArray) -> bool:
    """Whether ids, hashes as a rule, are above what int64 holds."""
    if not types.is_uint64(_value_type(column.type)):
        return False
    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return len(column) > 0 and pc.max(column).as_py() >= 1 << 63


def _as_text(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Ids as they are in text: large numbers by their digits, bytes as UTF-8."""
    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    try:
        return column.cast(pa.large_string())
    except pa.ArrowInvalid as error:
        raise ParameterError(
            f"column {name!r} has bytes that are no UTF-8; needed text or integers"
        ) from error


def _plain_strings(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if "view" not in str(column.type):
        return column
    try:
        return column.cast(pa.large_string())
    except pa.ArrowNotImplementedError:  # before Arrow 17
        return pa.chunked_array([column.to_pylist()], pa.large_string())


def _is_id(kind: pa.DataType) -> bool:
    # Arrow 16 knows string views; asking by name spares a test of the version
    text = types.is_string(kind) or str(kind) in ("large_string", "string_view")
    return text or types.is_integer(kind) or _is_binary(kind)


def _is_binary(kind: pa.DataType) -> bool:
    return types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind)


def _value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if types.is_dictionary(kind) else kind
