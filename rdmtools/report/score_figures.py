"""What does a score look like? ROC curves, lead against false alarms, every lead, and what loadings tell.

Small panels in rows, one per setting or control, three across a page and one or two across a phone; the
same colours for the same signals throughout. Lines that lie on one another get thinner, so all are seen.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator

from rdmtools.evaluation.rated import OURS
from rdmtools.report.score_words import SHC, TOTAL_VARIANCE, name_of
from rdmtools.report.style import (
    LINE_IN,
    TEXT_PT,
    WIDE_IN,
    Title,
    colour,
    dress,
    is_dashed,
    paper,
    put_text,
    series_colour,
    series_title,
    text_in,
)
from rdmtools.results.words import shown

if TYPE_CHECKING:
    from rdmtools.evaluation.scoring import ScoreTables

SIGNALS = (SHC, TOTAL_VARIANCE, "drift_energy", "mean_loss_variance")
SCORES = {
    "auc_mode": "first mode",
    "auc_variance": "variance",
    "auc_change": "change",
    "auc_mean_loss": "mean loss",
    "auc_beyond": "mode beyond the other three",
}
_WIDTHS = (3.4, 2.5, 1.7, 1.1, 0.9)
_SHARES = {0.0: "0", 0.5: "50%", 1.0: "100%"}
_LEFT_IN, _RIGHT_IN, _GAP_IN, _BELOW_IN = 0.5, 0.18, 0.12, 0.42
_PANEL_IN, _WIDEST_IN = 1.5, 3.2
_LANE_IN = 0.34
_OTHERS_TOLD = 4


def drawn_signals(score: "ScoreTables", setting: str) -> list[str]:
    """The signals whose curves are drawn: four that are always told, and the best of the others."""
    areas = score.areas[(score.areas["setting"] == setting) & (score.areas["controls"] == "quiet")]
    known = areas.set_index("signal")["area"]
    others = known.drop([name for name in SIGNALS if name in known.index])
    best = [] if others.empty else [str(others.idxmax())]
    return [name for name in SIGNALS if name in known.index] + best


def roc_figure(score: "ScoreTables", width_in: float) -> Figure:
    """Share of transitions detected against share of quiet runs alarmed, a panel per setting."""
    settings = _settings(score.roc)
    areas = score.areas[score.areas["controls"] == "quiet"].set_index(["setting", "signal"])["area"]
    titles = [
        [
            (_short(setting), "ink"),
            *(
                series_title(f"{name_of(signal)}, {float(areas[setting, signal]):.2f}", index)
                for index, signal in enumerate(drawn_signals(score, setting))
            ),
        ]
        for setting in settings
    ]
    figure, panels = _panels(titles, width_in, "share of quiet runs alarmed", _PANEL_IN)
    for setting, axes in zip(settings, panels, strict=True):
        _shares(axes)
        axes.plot([0, 1], [0, 1], color=colour("rule"), linewidth=0.8, linestyle=":")
        for index, signal in enumerate(drawn_signals(score, setting)):
            curve = _curve(score, setting, signal)
            alarmed, found = curve["false_alarm_rate"].to_numpy(), curve["detected"].to_numpy()
            _line(axes, np.r_[0.0, alarmed], np.r_[0.0, found], index)
    return figure


def price_figure(score: "ScoreTables", width_in: float) -> Figure:
    """Median lead against share of quiet runs alarmed, a panel per setting; dots at fitted thresholds."""
    settings = _settings(score.roc)
    titles = [
        [(_short(setting), "ink"), *_signal_titles(drawn_signals(score, setting))] for setting in settings
    ]
    figure, panels = _panels(titles, width_in, "share of quiet runs alarmed", _PANEL_IN)
    for setting, axes in zip(settings, panels, strict=True):
        _shares(axes)
        fitted = score.contest[score.contest["setting"] == setting].set_index("rule")
        for index, signal in enumerate(drawn_signals(score, setting)):
            curve = _curve(score, setting, signal)
            _line(axes, curve["false_alarm_rate"].to_numpy(), curve["lead_share"].to_numpy(), index)
            if signal in fitted.index:
                place = fitted.loc[signal]
                axes.plot(
                    [place["false_alarm_rate"]],
                    [place["lead_share"]],
                    "o",
                    markersize=4.5,
                    color=series_colour(index),
                    clip_on=False,
                    zorder=4,
                )
    return figure


def leads_figure(score: "ScoreTables", setting: str, width_in: float) -> Figure:
    """One dot per transition of odd seeds, a lane per rule, over the share of the way to T50 that is left."""
    rows = score.transitions[score.transitions["held_out"]]
    rows = rows[rows["setting"] == setting]
    rules = _told_rules(score, setting)
    t10 = _t10_leads(rows)
    lanes = [*rules, "T10"]
    below = _BELOW_IN
    height = below + _LANE_IN * len(lanes) + 0.08
    figure = paper(width_in, height)
    axes = figure.add_axes(
        (0.15 / width_in, below / height, (width_in - 0.4) / width_in, _LANE_IN * len(lanes) / height)
    )
    dress(axes)
    axes.grid(False)
    axes.spines["left"].set_visible(False)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(len(lanes) - 0.25, -0.75)
    axes.set_yticks([])
    axes.xaxis.set_major_locator(FixedLocator([0, 0.25, 0.5, 0.75, 1]))
    axes.xaxis.set_major_formatter(FixedFormatter(["0", "25%", "50%", "75%", "100%"]))
    for lane, rule in enumerate(lanes):
        axes.axhline(lane, color=colour("rule"), linewidth=0.5, zorder=0)
        words = "T10, where the truth has risen by a tenth" if rule == "T10" else name_of(rule)
        text = axes.text(1.0, lane - 0.3, words, parse_math=False)
        text.set(ha="right", va="bottom", color=colour("muted"), size=TEXT_PT - 0.5)
    if len(t10):
        axes.axvline(float(np.median(t10)), color=colour("muted"), linewidth=0.8, linestyle=":", zorder=1)
        axes.plot(t10, [len(lanes) - 1] * len(t10), "|", markersize=7, color=colour("muted"))
    for lane, rule in enumerate(rules):
        here = rows[rows["rule"] == rule]
        lead = here["lead_share"].astype("float64").to_numpy()
        found = here["outcome"].eq("detected").to_numpy()
        ink = _rule_colour(rule)
        for which, fill in ((found, ink), (~found, "none")):
            values = np.nan_to_num(lead[which])
            axes.plot(
                values,
                lane + _spread(values),
                "o",
                markersize=4,
                color=ink,
                markerfacecolor=fill,
                markeredgewidth=0.8,
                alpha=0.75,
                clip_on=False,
            )
        if len(lead):
            median = float(np.median(np.nan_to_num(lead)))
            axes.plot([median], [lane], "|", markersize=15, color=colour("ink"))
    put_text(figure, 1 - 0.25 / width_in, 0.05 / height, "lead, share of the way to T50", "muted", "right")
    return figure


def groups_figure(score: "ScoreTables", setting: str, width_in: float) -> Figure:
    """How well scores of samples tell the transition's group, over the way to T50: transition, controls."""
    here = score.groups[score.groups["setting"] == setting]
    controls = list(dict.fromkeys(here["control"]))
    controls.sort(key=lambda name: name != "")
    titles: list[list[Title]] = [
        [(f"control: {_short(control)}" if control else "with the transition", "ink")] for control in controls
    ]
    legend = [series_title(words, index) for index, words in enumerate(SCORES.values())]
    figure, panels = _panels(titles, width_in, "share of the way to T50", 1.2, above=legend)
    for control, axes in zip(controls, panels, strict=True):
        cell = here[here["control"] == control].sort_values("place")
        places = cell["place"].to_numpy()
        axes.set_ylim(-0.02, 1.02)
        axes.set_xlim(min(0.2, float(here["place"].min())), max(1.05, float(here["place"].max())))
        axes.xaxis.set_major_locator(FixedLocator([0.5, 1.0, 1.5]))
        axes.xaxis.set_major_formatter(FixedFormatter(["50%", "T50", "150%"]))
        axes.yaxis.set_major_locator(FixedLocator([0, 0.5, 1]))
        axes.yaxis.set_major_formatter(FixedFormatter(["0", "0.5", "1"]))
        axes.axhline(0.5, color=colour("muted"), linewidth=0.8)
        axes.axvline(1.0, color=colour("muted"), linewidth=0.8, linestyle=":")
        for index, name in enumerate(SCORES):
            _line(axes, places, cell[name].to_numpy(), index)
    return figure


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grid:
    """How panels stand on a page of some width."""

    across: int
    panel_in: float

    @classmethod
    def of(cls, titles: Sequence[Sequence[Title]], width_in: float) -> "_Grid":
        """As many panels in a row as have room for the widest of their titles."""
        widest = max(text_in(words) for lines in titles for words, _ in lines)
        across = max(min(len(titles), 3 if width_in >= WIDE_IN else 2), 1)
        while across > 1 and cls._panel(across, width_in) + _RIGHT_IN < widest:
            across -= 1
        return cls(across=across, panel_in=min(cls._panel(across, width_in), _WIDEST_IN))

    @staticmethod
    def _panel(across: int, width_in: float) -> float:
        return (width_in - across * _LEFT_IN - _RIGHT_IN - (across - 1) * _GAP_IN) / across


def _panels(
    titles: Sequence[Sequence[Title]],
    width_in: float,
    x_label: str,
    height_in: float,
    above: Sequence[Title] = (),
) -> tuple[Figure, list[Axes]]:
    """Empty panels in rows under their titles, and under the lines `above` that hold for all."""
    grid = _Grid.of(titles, width_in)
    rows = math.ceil(len(titles) / grid.across)
    lines = max(map(len, titles))
    row_in = LINE_IN * lines + height_in + 0.3
    legend = _flowed(above, width_in - _LEFT_IN - _RIGHT_IN)
    height = 0.06 + LINE_IN * (len(legend) + bool(legend)) + rows * row_in + 0.12
    figure = paper(width_in, height)
    for line, entries in enumerate(legend):
        left = _LEFT_IN
        for words, role in entries:
            put_text(figure, left / width_in, 1 - (0.06 + LINE_IN * (line + 1)) / height, words, role)
            left += text_in(words) + 0.1
    begin = height - 0.06 - LINE_IN * (len(legend) + bool(legend))
    made: list[Axes] = []
    for index, words_of in enumerate(titles):
        row, column = divmod(index, grid.across)
        left = _LEFT_IN + column * (grid.panel_in + _LEFT_IN + _GAP_IN)
        top = begin - row * row_in
        skipped = lines - len(words_of)
        for line, (words, role) in enumerate(words_of):
            y = top - LINE_IN * (line + 1 + skipped) + 0.045
            put_text(figure, left / width_in, y / height, words, role)
        bottom = top - LINE_IN * lines - height_in
        axes = figure.add_axes(
            (left / width_in, bottom / height, grid.panel_in / width_in, height_in / height)
        )
        dress(axes)
        made.append(axes)
    right = _LEFT_IN + (grid.across - 1) * (grid.panel_in + _LEFT_IN + _GAP_IN) + grid.panel_in
    put_text(figure, right / width_in, 0.04 / height, x_label, "muted", "right")
    return figure, made


def _flowed(entries: Sequence[Title], width_in: float) -> list[list[Title]]:
    """Entries in lines that fit."""
    lines: list[list[Title]] = []
    used = math.inf
    for words, role in entries:
        needed = text_in(words) + 0.1
        if used + needed > width_in:
            lines.append([])
            used = 0.0
        lines[-1].append((words, role))
        used += needed
    return lines


def _shares(axes: Axes) -> None:
    """Both axes from 0 to 1, with room for lines that lie on the edge."""
    for axis, limit in ((axes.xaxis, axes.set_xlim), (axes.yaxis, axes.set_ylim)):
        limit(-0.03, 1.04)
        axis.set_major_locator(FixedLocator(list(_SHARES)))
        axis.set_major_formatter(FixedFormatter(list(_SHARES.values())))


def _line(axes: Axes, x: np.ndarray, y: np.ndarray, index: int) -> None:
    axes.plot(
        x,
        y,
        color=series_colour(index),
        linewidth=_WIDTHS[index % len(_WIDTHS)],
        linestyle="--" if is_dashed(index) else "-",
        zorder=2 + index / 10,
    )


def _short(name: str) -> str:
    return shown(name_of(name), 24)


def _signal_titles(signals: Sequence[str]) -> list[Title]:
    return [series_title(name_of(signal), index) for index, signal in enumerate(signals)]


def _settings(table: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(table["setting"]))


def _curve(score: "ScoreTables", setting: str, signal: str) -> pd.DataFrame:
    """From no quiet run alarmed to all but one of them."""
    roc = score.roc[(score.roc["setting"] == setting) & (score.roc["signal"] == signal)]
    return roc.sort_values("threshold", ascending=False)


def _told_rules(score: "ScoreTables", setting: str) -> list[str]:
    """SHC and total variance under all rules, the rule that states 5 %, and the fitted that lead most."""
    rules = score.rules.to_dict("records")
    first = [
        str(rule["name"]) for rule in rules if rule["signal"] in (SHC, TOTAL_VARIANCE) or rule["name"] == OURS
    ]
    rows = score.contest[score.contest["setting"] == setting]
    leads = dict(zip(rows["rule"].astype(str), rows["lead_share"].astype(float), strict=True))
    others = [str(rule["name"]) for rule in rules if not rule["stated"] and rule["name"] not in first]
    return [*first, *sorted(others, key=lambda name: -leads[name])[:_OTHERS_TOLD]]


def _rule_colour(rule: str) -> str:
    for index, signal in enumerate(SIGNALS):
        if rule == signal or rule.startswith(f"{signal} at "):
            return series_colour(index)
    return colour("ink")


def _t10_leads(rows: pd.DataFrame) -> np.ndarray:
    """T50 less T10 as a share of the way to T50, by transition; a lead over its share is the way."""
    found = rows[rows["lead_steps"].fillna(0) > 0].drop_duplicates(["run", "truth"])
    way = found["lead_steps"].astype("float64") / found["lead_share"].astype("float64")
    return ((found["t50"] - found["t10"]).astype("float64") / way).to_numpy()


def _spread(values: np.ndarray) -> np.ndarray:
    """Offsets that part dots at nearly the same place, the same each time."""
    offsets = np.zeros(len(values))
    taken: dict[int, int] = {}
    for index, value in enumerate(values.tolist()):
        place = round(value * 60)
        count = taken.get(place, 0)
        offsets[index] = 0.07 * ((count + 1) // 2) * (-1 if count % 2 else 1)
        taken[place] = count + 1
    return np.clip(offsets, -0.28, 0.28)
