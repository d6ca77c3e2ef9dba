"""Which samples move together: the section of the page on factors."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from rdmtools.analysis.events import records
from rdmtools.analysis.findings import Findings
from rdmtools.format.names import SAMPLE_ID
from rdmtools.report.section import MOST_ROWS, Section
from rdmtools.results.factor_words import factor_lines, in_common
from rdmtools.results.words import is_missing, percent, shown, signed

_EXAMPLES, _LONGEST = 2, 120
_SENTENCE = 15
"""Characters in the mean from which on a column is taken for texts."""
_LOOKED_AT = 200


def factors_section(findings: Findings) -> Section | None:
    """The factors, with the texts of samples that move most as each does, where samples have texts."""
    factors = records(findings.factors.head(MOST_ROWS))
    if not factors:
        return None
    texts = _texts(findings)
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
            _nearest(findings, each["factor"], texts) or shown(each["nearest"], 80),
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
            "nearest samples" if texts is None else f"nearest samples, their {shown(texts, 30)}",
            "events",
        ],
        rows=rows,
        note="Found without labels, in a look back over the whole run. A factor appears, is half done and "
        "ends where 5, 50 and 95 % of its movement lie before.",
    )


def _texts(findings: Findings) -> str | None:
    """The column of the samples with the longest texts; None where none has sentences."""
    samples = findings.run.samples
    lengths = {
        column: float(samples[column].dropna().head(_LOOKED_AT).map(lambda value: len(str(value))).mean())
        for column in samples.columns[1:].tolist()
        if samples[column].dropna().head(_LOOKED_AT).map(lambda value: isinstance(value, str)).any()
    }
    best = max(lengths, key=lengths.__getitem__, default=None)
    return best if best is not None and lengths[best] >= _SENTENCE else None


def _nearest(findings: Findings, factor: int, texts: str | None) -> str:
    """Texts of the samples that move most as the factor does."""
    if texts is None:
        return ""
    of_factor = findings.factor_samples[findings.factor_samples["factor"] == factor]
    order = of_factor["membership"].abs().sort_values(ascending=False, kind="stable").index[:_EXAMPLES]
    ids = of_factor.loc[order, SAMPLE_ID].tolist()
    known = findings.run.samples.set_index(SAMPLE_ID)[texts]
    return " | ".join(f"{shown(one, 20)}: {shown(known[one], _LONGEST)}" for one in ids)
