"""How is this analysis made again? One line for a shell, and the same in Python."""

import shlex
from dataclasses import Field, fields
from typing import Any, cast

from rdmtools.analysis.findings import Findings
from rdmtools.analysis.settings import AnalysisSettings, flags
from rdmtools.read.stores import StorePath
from rdmtools.run.rules import Rules


def command(findings: Findings) -> str | None:
    """``rdmtools analyze SRC --window 50 ...`` with what differs from the defaults; None without a file,
    of the run, its reference runs and its control."""
    source = findings.run.source
    references = _references(findings)
    if source is None or None in references or (findings.control_source is None and len(findings.control)):
        return None
    path = str(source)
    words = ["rdmtools", "analyze", f"./{path}" if path.startswith("-") else path]
    for choice, value in _changes(findings.settings) + _changes(_rules(findings)):
        flag = flags(choice)[0]
        values = cast("tuple[Any, ...]", value) if isinstance(value, tuple) else (value,)
        words += [flag] if value is True else [word for one in values for word in (flag, str(one))]
    words += [word for given in references for word in ("--reference", str(given))]
    if findings.control_source is not None:
        words += ["--control", findings.control_source]
    if isinstance(source, StorePath):
        words += ["--out", "analysis"]
    return shlex.join(words)


def python(findings: Findings) -> str:
    """The same as Python statements."""
    source = findings.run.source
    read = [] if source is None else [repr(str(source))]
    read += [f"{choice.name}={value!r}" for choice, value in _changes(_rules(findings))]
    made = "...  # made in memory" if source is None else f"rdm.read_run({', '.join(read)})"
    settings = ["run", *(f"{choice.name}={value!r}" for choice, value in _changes(findings.settings))]
    if references := _references(findings):
        settings.append("reference=..." if None in references else f"reference={references!r}")
    if len(findings.control):
        control = findings.control_source
        settings.append("control=..." if control is None else f"control={control!r}")
    return f"import rdmtools as rdm\n\nrun = {made}\nanalysis = rdm.analyze({', '.join(settings)})"


def _references(findings: Findings) -> list[str | None]:
    """What named the reference runs, each once; None for those in memory."""
    return [*dict.fromkeys(each.source for each in findings.references)]


def _changes(choices: AnalysisSettings | Rules) -> list[tuple[Field[Any], Any]]:
    """Each field that differs from its default, and its value."""
    values = [(choice, getattr(choices, choice.name)) for choice in fields(choices)]
    return [(choice, value) for choice, value in values if value != choice.default]


def _rules(findings: Findings) -> Rules:
    """Which drops must have been asked for, since dirt that is not dropped is an error."""
    quality = findings.run.quality
    drop = "drop-samples" if quality.dropped_samples else "drop-steps"
    missing, nonfinite = (drop if count else "error" for count in (quality.missing, quality.nonfinite))
    return Rules(missing=missing, nonfinite=nonfinite)
