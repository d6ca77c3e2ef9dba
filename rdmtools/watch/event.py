"""What is a warning, while it trains? An event as it is known at the row that opens it, in steps."""

from dataclasses import asdict, dataclass
from typing import Any

from rdmtools.alarms.self_normalised import SHORTEST_WINDOW
from rdmtools.alarms.thresholds import HORIZONS, WINDOWS, threshold
from rdmtools.errors import ParameterError


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event at its alarm, with nothing in it that came later."""

    signal: str
    """Which fired first: "shc" or "mean_slope"."""
    statistic: str
    """Of it: "mean" or "ramp"."""
    alarm_step: int
    floor_step: int
    """Step at which the signal was lowest: it rises since."""
    window: int
    """Rows."""
    score: float
    """J at the alarm."""
    threshold: float
    """That J had to reach."""
    scatter: float
    """How much the signal scatters of itself, decades of loss**4."""
    needed: float
    """Rise of the signal's mean that fires at this scatter, decades."""
    false_alarms: float
    """Share of runs that alarm within the horizon while training goes on as before: at most this."""
    horizon: float
    """Windows."""
    outside_step: int | None = None
    """From which on the run's own past says that it is outside what the rate was checked for (it swings with
    a period of about two windows); None where it does not."""
    checkpoint: str | None = None
    """The last one saved before it, where a framework tells."""

    @property
    def rate(self) -> str:
        """How often such a warning comes for nothing, in words."""
        least, most = WINDOWS
        told = "" if least <= self.window <= most else f" (judged with windows of {least} to {most} rows)"
        if self.outside_step is not None:
            told += (
                f"; from step {self.outside_step} on this run is outside what that was checked for: it "
                "swings with a period of about two windows"
            )
        return (
            f"at most {self.false_alarms * 100:g} % of runs alarm within {self.horizon:g} windows "
            f"of {self.window} rows while training goes on as before{told}"
        )

    def to_dict(self) -> dict[str, Any]:
        """All of it by name, as JSON has it, the rate in words too."""
        return asdict(self) | {"rate": self.rate}

    def __str__(self) -> str:
        """One line.

        >>> print(Event(signal="mean_slope", statistic="ramp", alarm_step=1240, floor_step=1100, window=20,
        ...             score=1.5, threshold=1.4, scatter=0.5, needed=2.3, false_alarms=0.05, horizon=80.0))
        step 1240: mean_slope rises since step 1100 (score 1.50, line 1.40)
        """
        saved = f"; last checkpoint {self.checkpoint}" if self.checkpoint else ""
        return (
            f"step {self.alarm_step}: {self.signal} rises since step {self.floor_step} "
            f"(score {self.score:.2f}, line {self.threshold:.2f}){saved}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What a watch is asked for. Raises ParameterError where it is not what the rule was judged for."""

    window: int = 20
    """Rows W of a window, at least 6."""
    false_alarms: float = 0.05
    """Share of runs that may alarm within the horizon while training goes on as before, 0.01 to 0.2."""
    horizon: float | None = None
    """In windows, 20 to 80; None is 80: a run's length is not known while it trains."""

    def __post_init__(self) -> None:
        if isinstance(self.window, bool) or not isinstance(self.window, int):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ParameterError(f"window is {self.window!r}; needed a number of rows; choose window=20")
        if self.window < SHORTEST_WINDOW:
            raise ParameterError(
                f"a window of {self.window} rows; warnings need at least {SHORTEST_WINDOW}; choose window=20"
            )
        for name in ("false_alarms", "horizon"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float | None):
                raise ParameterError(f"{name} is {value!r}; needed a number")
        _ = self.threshold  # which refuses what was not judged

    @property
    def windows(self) -> float:
        """The horizon."""
        return float(HORIZONS[1] if self.horizon is None else self.horizon)

    @property
    def threshold(self) -> float:
        """Score that fires."""
        return threshold(self.false_alarms, self.windows)
