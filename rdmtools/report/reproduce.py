"""How is this analysis made again? One line for a shell, and the same in Python."""

import shlex
from typing import Any

from rdmtools.analysis.findings import Findings
from rdmtools.analysis.settings import AnalysisSettings
from rdmtools.read.stores import StorePath


def command(findings: Findings) -> str | None:
    """``rdmtools analyze SRC --window 50 ...`` with what differs from the defaults; None without a file."""
    source = findings.run.source
    if source is None:
        return None
    path = str(source)
    words = ["rdmtools", "analyze", f"./{path}" if path.startswith("-") else path]
    for name, value in _changes(findings).items():
        if name == "windows":
            for window in value:
                words += ["--window", str(window)]
        else:
            words += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    for name, value in _reading(findings).items():
        words += [f"--{name}", value]
    if isinstance(source, StorePath):
        words += ["--out", "analysis"]
    return shlex.join(words)


def python(findings: Findings) -> str:
    """The same as Python statements."""
    source = findings.run.source
    read = [] if source is None else [repr(str(source))]
    read += [f"{name}={value!r}" for name, value in _reading(findings).items()]
    made = "...  # made in memory" if source is None else f"rdm.read_run({', '.join(read)})"
    settings = ["run", *(f"{name}={value!r}" for name, value in _changes(findings).items())]
    return f"import rdmtools as rdm\n\nrun = {made}\nanalysis = rdm.analyze({', '.join(settings)})"


def _changes(findings: Findings) -> dict[str, Any]:
    defaults = AnalysisSettings().to_dict()
    return {name: value for name, value in findings.settings.to_dict().items() if value != defaults[name]}


def _reading(findings: Findings) -> dict[str, str]:
    """Which drops must have been asked for, since dirt that is not dropped is an error."""
    quality = findings.run.quality
    rule = "drop-samples" if quality.dropped_samples else "drop-steps"
    dirt = {"missing": quality.missing, "nonfinite": quality.nonfinite}
    return {name: rule for name, count in dirt.items() if count}
