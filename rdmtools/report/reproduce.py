"""How is this analysis made again? One line for a shell, and the same in Python."""

import shlex
from typing import Any

from rdmtools.analysis.pipeline import Analysis, AnalysisSettings
from rdmtools.read.stores import StorePath


def command(analysis: Analysis) -> str | None:
    """``rdmtools analyze SRC --window 50 ...`` with what differs from the defaults; None without a file."""
    source = analysis.run.source
    if source is None:
        return None
    path = str(source)
    words = ["rdmtools", "analyze", f"./{path}" if path.startswith("-") else path]
    for name, value in _changes(analysis).items():
        if name == "windows":
            for window in value:
                words += ["--window", str(window)]
        else:
            words += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    for name, value in _reading(analysis).items():
        words += [f"--{name}", value]
    if isinstance(source, StorePath):
        words += ["--out", "analysis"]
    return shlex.join(words)


def python(analysis: Analysis) -> str:
    """The same as Python statements."""
    source = analysis.run.source
    read = [] if source is None else [repr(str(source))]
    read += [f"{name}={value!r}" for name, value in _reading(analysis).items()]
    made = "...  # made in memory" if source is None else f"rdm.read_run({', '.join(read)})"
    settings = ["run", *(f"{name}={value!r}" for name, value in _changes(analysis).items())]
    return f"import rdmtools as rdm\n\nrun = {made}\nanalysis = rdm.analyze({', '.join(settings)})"


def _changes(analysis: Analysis) -> dict[str, Any]:
    defaults = AnalysisSettings().to_dict()
    return {name: value for name, value in analysis.settings.to_dict().items() if value != defaults[name]}


def _reading(analysis: Analysis) -> dict[str, str]:
    """Which drops must have been asked for, since dirt that is not dropped is an error."""
    quality = analysis.run.quality
    rule = "drop-samples" if quality.dropped_samples else "drop-steps"
    dirt = {"missing": quality.missing, "nonfinite": quality.nonfinite}
    return {name: rule for name, count in dirt.items() if count}
