"""Which choices does an analysis make? Each with the default that library, command line and docs read."""

import operator
from collections.abc import Iterable
from dataclasses import Field, dataclass, field, fields, replace
from numbers import Real
from typing import Any, cast

from rdmtools.alarms.thresholds import HORIZONS, threshold
from rdmtools.analysis.choices import DEGREES, PRECISIONS
from rdmtools.errors import ParameterError

RULES = ("self_normalised", "decades")
"""By name, the default first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisSettings:
    """Every choice an analysis makes.

    The metadata of a field has what the command line says of it, and its choices.
    """

    windows: tuple[int, ...] = field(
        default=(20,),
        metadata={"help": "Window length in logged rows; may be given again.", "flags": ("--window", "-w")},
    )
    """Lengths of the trailing windows, in logged rows."""
    stride: int = field(
        default=1, metadata={"help": "Keep every so-many-th window in the observables table."}
    )
    """Keep every so-many-th window in the observables table. Events always look at every window."""
    detrend: str = field(
        default="constant",
        metadata={"help": "What is removed from each sample over a window.", "choices": tuple(DEGREES)},
    )
    """What is removed from each sample over a window: its mean ("constant") or its line ("linear")."""
    spectrum: bool = field(default=False, metadata={"help": "Also the eigenvalues of every window."})
    """Also solve for the eigenvalues of the windows kept: top share, effective rank, leading eigenvalues."""
    rule: str = field(
        default="self_normalised",
        metadata={
            "help": "What fires: a rise against the run's own scatter, or, uncalibrated, a fixed one.",
            "choices": RULES,
        },
    )
    """What fires: a rise measured against the run's own scatter, which states its rate of false alarms
    (`alarms.self_normalised`), or a fixed rise in decades, which states none (`alarms.rule`)."""
    false_alarms: float = field(
        default=0.05,
        metadata={
            "help": "Share of runs that may alarm while training goes on as before: 0.01 to 0.2. Promised "
            "for autocorrelated noise, heavy tails, descents; not for bursts or waves of two windows."
        },
    )
    """Share of runs, 0.01 to 0.2, that may alarm within the horizon while training goes on as before."""
    horizon: float | None = field(
        default=None,
        metadata={
            "help": "Windows within which that share may alarm, 20 to 80; by default the run's own length, "
            "of longer runs any 80 windows.",
            "metavar": "WINDOWS",
        },
    )
    """Windows within which that share may alarm, 20 to 80; None for the run's own length, at most 80."""
    decades: float = field(
        default=1.5, metadata={"help": "Rise of log10(SHC) at which the rule of that name fires."}
    )
    """With the rule "decades", which is not calibrated: alarm where log10(shc) stands this far above its
    running minimum."""
    marks: bool = field(
        default=False,
        metadata={
            "help": "Also whether each alarm holds: with half of the probe, other windows, every second row."
        },
    )
    """Also ask of each event whether it holds with half of the probe, other windows, and every second row."""
    modes: int = field(default=3, metadata={"help": "Leading modes kept for each event."})
    """Leading modes kept for each event, and eigenvalues kept for each window."""
    precision: str = field(
        default="double",
        metadata={
            "help": "Of products: single is faster, with errors of about 1e-6.",
            "choices": tuple(PRECISIONS),
        },
    )
    """Of differences and products: "double", or "single" for speed, with relative errors of about 1e-6."""

    by: tuple[str, ...] = field(
        default=("group",),
        metadata={
            "help": "Column of the samples whose groups the ledger tells; may be given again.",
            "metavar": "COLUMN",
        },
    )
    """Columns of the samples whose groups the ledger tells, and the arrivals. A text alone is one of them."""
    known_at_start: bool = field(
        default=False,
        metadata={"help": "The model begins trained: its first level counts as learned, and may be lost."},
    )
    """Whether the model begins trained: its first level counts as learned, and may be lost."""
    truth: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "Scalar that says when it happened, to measure leads: NAME (its own rise), NAME=0..1 or "
            "NAME@0.9; may be given again.",
            "metavar": "NAME",
        },
    )
    """Scalars that say when it happened, against which leads are measured, as "test_acc", "test_acc=0..1" or
    "test_acc@0.9" (`analysis.leads`). A text alone is one of them."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "windows", _lengths(self.windows))
        for name in ("by", "truth"):
            object.__setattr__(self, name, _names(name, getattr(self, name)))
        for name in ("stride", "modes"):
            object.__setattr__(self, name, _integer(name, getattr(self, name)))
            if getattr(self, name) < 1:
                raise ParameterError(f"{name} is {getattr(self, name)}; choose at least 1")
        for setting in fields(self):
            choices, value = setting.metadata.get("choices"), getattr(self, setting.name)
            if choices is not None and value not in choices:
                raise ParameterError(f"{setting.name} is {value!r}; choose one of {', '.join(choices)}")
        shortest = DEGREES[self.detrend] + 2
        for window in self.windows:
            if window < shortest:
                raise ParameterError(
                    f"window of {window} rows is too short for detrend={self.detrend!r}; "
                    f"choose at least {shortest}"
                )
        if not (isinstance(self.decades, Real) and 0 < self.decades < float("inf")):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ParameterError(f"decades is {self.decades!r}; choose a rise above 0, such as 1.5")
        self._check_rate()

    def _check_rate(self) -> None:
        for name, fix in (("false_alarms", "0.05"), ("horizon", "80")):
            value = getattr(self, name)
            if not (isinstance(value, Real) or (value is None and name == "horizon")):
                raise ParameterError(f"{name} is {value!r}; needed a number; choose {name}={fix}")
        # Outside what was judged it refuses.
        threshold(self.false_alarms, HORIZONS[0] if self.horizon is None else self.horizon)

    def to_dict(self) -> dict[str, Any]:
        return {setting.name: getattr(self, setting.name) for setting in fields(self)}


def flags(choice: Field[Any]) -> tuple[str, ...]:
    """How the command line calls a field of settings, or of rules: by its name, or as its metadata say."""
    return choice.metadata.get("flags", (f"--{choice.name.replace('_', '-')}",))


def chosen(
    settings: AnalysisSettings | None, window: int | None, changes: dict[str, Any]
) -> AnalysisSettings:
    """The settings, or the defaults, with changes by name. Raises ParameterError where one does not fit."""
    if not (settings is None or isinstance(settings, AnalysisSettings)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ParameterError(
            f"settings is {settings!r}; needed AnalysisSettings; window=20 gives a window alone"
        )
    known = [setting.name for setting in fields(AnalysisSettings)]
    for name in changes:
        if name not in known:
            raise ParameterError(f"no setting {name!r}; there are {', '.join(known)}")
    if window is not None:
        if "windows" in changes:
            raise ParameterError("both window and windows were given; give one of them")
        changes["windows"] = (window,)
    return replace(settings or AnalysisSettings(), **changes)


def _lengths(windows: Any) -> tuple[int, ...]:
    if isinstance(windows, str) or not isinstance(windows, Iterable):
        raise ParameterError(f"windows is {windows!r}; needed lengths in rows, such as windows=(10, 20)")
    lengths = tuple(_integer("window", length) for length in cast(Iterable[Any], windows))
    if not lengths:
        raise ParameterError("no window was given; name at least one length in rows, such as windows=(20,)")
    if len(set(lengths)) < len(lengths):
        raise ParameterError(f"windows {lengths} name one length twice; give each once")
    return lengths


def _names(name: str, given: Any) -> tuple[str, ...]:
    """One text, or several, each once."""
    texts = [given] if isinstance(given, str) else given
    if isinstance(texts, Iterable):
        listed = [*cast("Iterable[Any]", texts)]
        if all(isinstance(text, str) and text for text in listed):
            return tuple(dict.fromkeys(listed))
    raise ParameterError(f'{name} is {given!r}; needed names of columns, such as {name}="NAME"')


def _integer(name: str, value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise ParameterError(f"{name} is {value!r}; needed an integer") from None
