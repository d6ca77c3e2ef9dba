"""Which samples move together: the section of the page on factors."""

from rdmtools.analysis.events import records
from rdmtools.analysis.findings import Findings
from rdmtools.report.section import MOST_ROWS, Section
from rdmtools.results.factor_words import factor_lines, in_common
from rdmtools.results.words import is_missing, percent, shown, signed


def factors_section(findings: Findings) -> Section | None:
    factors = records(findings.factors.head(MOST_ROWS))
    if not factors:
        return None
    rows = [
        [
            str(each["factor"]),
            f"{each['samples']:,}",
            f"{each['appears_step']:,}",
            f"{each['half_step']:,}",
            "still moving" if is_missing(each["ends_step"]) else f"{each['ends_step']:,}",
            percent(each["variance_share"]),
            signed(each["loss_change"]),
            each["direction"],
            in_common(each) or "–",
            shown(each["nearest"], 80),
            shown(each["events"], 80) or "–",
        ]
        for each in factors
    ]
    return Section(
        title="Samples that move together",
        sentences=[*factor_lines(findings)],
        columns=[
            ">factor",
            ">samples",
            ">appears",
            ">half",
            ">ends",
            ">of all movement",
            ">loss change",
            "direction",
            "in common",
            "nearest samples",
            "events",
        ],
        rows=rows,
        note="Found without labels, in a look back over the whole run. A factor appears, is half done and "
        "ends where 5, 50 and 95 % of its movement lie before.",
    )
