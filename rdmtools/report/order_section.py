"""Which rose first at each event, SHC or PR, on the page."""

from rdmtools.analysis.findings import Findings
from rdmtools.report.section import Section, cells


def order_section(findings: Findings) -> Section | None:
    """Whether SHC or PR changed first."""
    if findings.order.empty:
        return None
    return Section(
        title="SHC or PR first",
        part="folded",
        sentences=[
            "Unresolved: no rule was found that tells a bottleneck from a plateau, and both from neither."
        ],
        **cells(
            findings.order,
            *(">event", ">shc_half_step", ">pr_half_step", ">lag_steps", ">lag_low", ">lag_high", "outcome"),
        ),
        note="The lag is of the step at which log PR was half-way in its change behind that at which log SHC "
        "was, about the alarm; its interval is of samples that are drawn again.",
    )
