"""Which charts are folded away? The observables, SHC by window length, the Gaussian 2RDM, the scalars."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from rdmtools.analysis.findings import Findings
from rdmtools.format.names import STEP
from rdmtools.report.charts import Chart, Marks, gaussian_charts, marks, observable_charts, scalar_charts
from rdmtools.report.heat_map import heat_map
from rdmtools.report.map_picture import lengths_picture
from rdmtools.report.stacked_svg import FOLDED, Picture, stacked
from rdmtools.run.quality import counted

_CHART_PX = 110


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartPart:
    """Charts under one heading, and what is to be said of them."""

    title: str
    charts: Sequence[Chart]
    drawn: dict[str, Markup]
    lines: Sequence[str]

    @property
    def chart_keys(self) -> list[str]:
        return [chart.key for chart in self.charts]


def drawn_folded(
    charts: Sequence[Chart],
    marks: Marks,
    span: tuple[float, float],
    *,
    spoken: str,
    height: int = _CHART_PX,
    picture: Picture | None = None,
) -> dict[str, Markup]:
    """Drawn once, for paper and where no script draws it in full; phones scroll it sideways."""
    return {"folded": stacked(charts, marks, span, FOLDED, height=height, spoken=spoken, picture=picture)}


def chart_parts(findings: Findings) -> list[ChartPart]:
    first, last = findings.run.steps[[0, -1]].tolist()
    span, marked = (float(first), float(last)), marks(findings)
    found = [
        _observables(findings, span, marked),
        _lengths(findings, span, marked),
        _gaussian(findings, marked),
    ]
    parts = [part for part in found if part is not None]
    charts, left = scalar_charts(findings)
    if charts:
        parts.append(
            ChartPart(
                title="Scalars that were logged",
                charts=charts,
                drawn=drawn_folded(charts, marked, span, spoken="Scalars over training.", height=80),
                lines=[f"{counted(left, 'scalar')} not drawn."] if left else [],
            )
        )
    return parts


def _observables(findings: Findings, span: tuple[float, float], marked: Marks) -> ChartPart:
    charts = observable_charts(findings)
    return ChartPart(
        title="PR, total variance, autocorrelation, mean loss",
        charts=charts,
        drawn=drawn_folded(charts, marked, span, spoken="Observables over training."),
        lines=[
            "Each value belongs to the last row of its window: nothing after that step is used. SHC is fixed "
            "by total variance and PR; where total variance tells the same story, believe the simpler one."
        ],
    )


def _lengths(findings: Findings, span: tuple[float, float], marked: Marks) -> ChartPart | None:
    drawn = heat_map(findings.shc_map)
    if drawn is None:
        return None
    spoken = f"SHC by window length, {drawn.extent}: {drawn.legend}."
    return ChartPart(
        title="SHC by window length",
        charts=[],
        drawn=drawn_folded([], marked, span, spoken=spoken, picture=lengths_picture(drawn, span)),
        lines=[
            f"The map shows SHC of windows of {drawn.extent} at their last row, blank before a length's "
            "first whole window and where SHC is 0. A sudden change stands out at every length at once and "
            "lasts as long as the window; a slow one shows more in long windows."
        ],
    )


def _gaussian(findings: Findings, marked: Marks) -> ChartPart | None:
    table = findings.gaussian
    if not len(table):
        return None
    charts = gaussian_charts(findings)
    steps = [*findings.run.steps[[0, -1]].tolist(), *table[STEP].tolist()]
    span = float(min(steps)), float(max(steps))
    empty = int(table["shc"].isna().sum())
    without = (
        f"; {empty} of them without a value: a single draw, or losses that are not finite" if empty else ""
    )
    spoken = "SHC and total variance of the Gaussian 2RDM."
    return ChartPart(
        title="Gaussian 2RDM",
        charts=charts,
        drawn=drawn_folded(charts, marked, span, spoken=spoken) if charts else {"folded": Markup()},
        lines=[
            "The Gaussian 2RDM compares losses under small random changes of the weights at one step, not "
            "over time: it says how the losses change together around the weights. Draws were logged at "
            f"{counted(len(table), 'step')}{without}."
        ],
    )
