"""Which runs are judged, and what is known of each? A corpus is a folder of runs with a manifest.

`manifest.csv` has one row per run and truth: a run in which three modes are learned has three.

| column | meaning |
|---|---|
| `path` | of the run, relative to the manifest |
| `setting` | what is trained; rates are told by setting |
| `control` | how the run was kept from its transition; empty for the run that has it |
| `seed` | thresholds are fitted on runs of even seeds, and results shown on those of odd ones |
| `kind` | `transition`; `quiet`: a control in which nothing happens; `hard`: something milder does |
| `truth` | the scalar whose upward crossings say when the transition was |
| `low`, `high` | its values before and after, of which T10, T50 and T90 are shares |
| `group` | of the samples that the transition is about, if there are such |
| `since` | step of the transition's cause, if it was not there from the first; alarms before it are false |
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import warnings
from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rdmtools.errors import FormatError, ParameterError

MANIFEST = "manifest.csv"
KINDS = ("transition", "quiet", "hard")
_COLUMNS = ("path", "setting", "control", "seed", "kind", "truth", "low", "high", "group", "since")
_TEXTS = ("path", "setting", "control", "kind", "truth", "group")
_NUMBERS = ("seed", "low", "high", "since")
_TOO_LARGE = 2.0**63  # no int64
_NEEDED = ("path", "setting", "seed", "kind", "truth")


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """A scalar that a transition takes from `low` to `high`."""

    column: str
    low: float = 0.0
    high: float = 1.0
    group: str = ""
    """Of the samples that the transition is about; empty where there is none."""

    def __post_init__(self) -> None:
        if not abs(self.high - self.low) > 0:
            raise ParameterError(
                f"truth {self.column!r} goes from {self.low:g} to {self.high:g}; needed two values apart"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One run of a corpus."""

    path: Path
    setting: str
    control: str
    """Empty for a run that has its transitions."""
    seed: int
    kind: str
    truths: tuple[Truth, ...]
    since: int | None = None

    @property
    def name(self) -> str:
        return f"{self.setting}/{self.control or 'transition'}/{self.seed}"

    def row(self, *columns: str) -> dict[str, object]:
        """What a table says of the run: `run`, its name, and the fields named."""
        return {"run": self.name, **{column: getattr(self, column) for column in columns}}

    @property
    def held_out(self) -> bool:
        """Whether the run is shown, and played no part in choosing a threshold."""
        return self.seed % 2 == 1


def read_corpus(folder: str | Path) -> list[Entry]:
    """The runs of a corpus, in the order of its manifest.

    Raises
    ------
    FormatError
        Where the manifest is missing, no CSV file, or lacks what it needs, a run is not there, or two rows
        contradict.
    """
    folder = Path(folder)
    path = folder / MANIFEST
    if not path.is_file():
        raise FormatError(
            f"{folder}: no {MANIFEST}; needed a row per run and truth with {', '.join(_NEEDED)}"
        )
    table = _table(path)
    if absent := next((name for name in _NEEDED if name not in table.columns), None):
        raise FormatError(f"{path}: no column {absent!r}; found {', '.join(table.columns)}; add it")
    if table.empty:
        raise FormatError(f"{path}: no runs; needed at least one row")
    for name, default in (("control", ""), ("group", ""), ("low", 0.0), ("high", 1.0), ("since", np.nan)):
        if name not in table.columns:
            table[name] = default
    for name in _NUMBERS:
        values = table[name].map(_number).astype("float64")
        whole = name in ("seed", "since")
        wrong = values.isna() | values.isin([np.inf, -np.inf])
        if whole:
            wrong |= (values % 1 != 0) | (values.abs() >= _TOO_LARGE)
        if name == "since":
            wrong &= table[name].notna()
        if wrong.any():
            line = int(wrong.to_numpy().argmax())
            cell, needed = table[name].iloc[line], "whole number" if whole else "number"
            value = "empty" if pd.isna(cell) else cell
            raise FormatError(f"{path}: {name} is {value} in line {line + 2}; needed a {needed}")
        table[name] = table[name].map(_whole, na_action="ignore") if whole else values
    for name in ("path", "setting", "truth"):
        if table[name].isna().any():
            line = int(table[name].isna().to_numpy().argmax())
            raise FormatError(f"{path}: {name} is empty in line {line + 2}; needed a text")
    table[list(_TEXTS)] = table[list(_TEXTS)].fillna("")
    return [_entry(folder, path, rows) for _, rows in table.groupby("path", sort=False)]


def _number(text: object) -> float:
    """As Python reads it, for parsers of pandas differ in the last digit; NaN for none."""
    try:
        return float(str(text))
    except ValueError:
        return np.nan


def _whole(text: object) -> int:
    """Every digit of a whole number, which may be written as 3.0."""
    try:
        return int(str(text))
    except ValueError:
        return int(float(str(text)))


def _table(manifest: Path) -> pd.DataFrame:
    """The manifest as it stands; an empty cell alone is none, for a control may be called null."""
    texts = dict.fromkeys(_COLUMNS, str)
    try:
        with warnings.catch_warnings():
            # lines with more cells than the first: pandas would shift them, or drop the last
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(manifest, dtype=texts, keep_default_na=False, na_values=[""], index_col=False)
    except (OSError, ValueError, pd.errors.ParserWarning) as error:
        why = " ".join(str(error).split())
        raise FormatError(f"{manifest} cannot be read ({why}); needed a CSV file in UTF-8") from error


def _entry(folder: Path, manifest: Path, rows: pd.DataFrame) -> Entry:
    lines: list[dict[Hashable, Any]] = rows.to_dict("records")
    first = lines[0]
    name, kind, control = first["path"], first["kind"], first["control"]
    for column in ("setting", "control", "seed", "kind", "since"):
        if rows[column].nunique(dropna=False) > 1:
            raise FormatError(
                f"{manifest}: rows of {name} differ in {column}; needed one value for all rows of a run"
            )
    if kind not in KINDS:
        raise FormatError(f"{manifest}: kind of {name} is {kind!r}; choose one of {', '.join(KINDS)}")
    if not (folder / name).is_file():
        raise FormatError(f"{folder}: no {name}, which {MANIFEST} names; train it, or take its rows out")
    if (kind == "transition") != (control == ""):
        raise FormatError(
            f"{manifest}: {name} has kind {kind!r} and control {control!r}; "
            "needed a control's name for all kinds but transition, and none for that"
        )
    try:
        truths = tuple(
            Truth(column=line["truth"], low=line["low"], high=line["high"], group=line["group"])
            for line in lines
        )
    except ParameterError as error:
        raise FormatError(f"{manifest}: {name}: {error}") from error
    return Entry(
        path=folder / name,
        setting=first["setting"],
        control=control,
        seed=int(first["seed"]),
        kind=kind,
        truths=truths,
        since=None if pd.isna(first["since"]) else int(first["since"]),
    )


def write_manifest(folder: str | Path, entries: Sequence[Entry]) -> Path:
    """Write the manifest of these runs, which lie in the folder; returns its path."""
    folder = Path(folder)
    table = pd.DataFrame(
        {
            **entry.row("setting", "control", "seed", "kind", "since"),
            **asdict(truth),
            "path": entry.path.relative_to(folder).as_posix(),
            "truth": truth.column,
        }
        for entry in entries
        for truth in entry.truths
    )
    table = table.reindex(columns=list(_COLUMNS))  # of no runs, too
    table["since"] = table["since"].astype("Int64")
    table.to_csv(folder / MANIFEST, index=False)
    return folder / MANIFEST
