"""rdmtools: early warnings of training transitions from per-sample losses.

Public names load on first use, so that ``import rdmtools`` inside a training job costs nothing
and the logger needs numpy and pyarrow alone.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rdmtools.errors import FormatError, ParameterError, RdmtoolsError, RdmtoolsWarning, WorkerError

if TYPE_CHECKING:
    from rdmtools.analyses import Analysis, analyze
    from rdmtools.analysis.settings import AnalysisSettings
    from rdmtools.comparison import Comparison, compare, read_comparison
    from rdmtools.logger.merge import recover
    from rdmtools.logger.probe_logger import ProbeLogger
    from rdmtools.read.convert import convert
    from rdmtools.read.read import read_run, read_runs
    from rdmtools.references import reference
    from rdmtools.results.read_analysis import read_analysis
    from rdmtools.run.run import Run
    from rdmtools.watch.event import Event
    from rdmtools.watch.watcher import Watcher

__version__ = "0.1.0"

_HOMES = {
    "Analysis": "rdmtools.analyses",
    "AnalysisSettings": "rdmtools.analysis.settings",
    "Comparison": "rdmtools.comparison",
    "Event": "rdmtools.watch.event",
    "ProbeLogger": "rdmtools.logger.probe_logger",
    "Run": "rdmtools.run.run",
    "Watcher": "rdmtools.watch.watcher",
    "analyze": "rdmtools.analyses",
    "compare": "rdmtools.comparison",
    "convert": "rdmtools.read.convert",
    "read_analysis": "rdmtools.results.read_analysis",
    "read_comparison": "rdmtools.comparison",
    "read_run": "rdmtools.read.read",
    "read_runs": "rdmtools.read.read",
    "recover": "rdmtools.logger.merge",
    "reference": "rdmtools.references",
}

__all__ = [
    "Analysis",
    "AnalysisSettings",
    "Comparison",
    "Event",
    "FormatError",
    "ParameterError",
    "ProbeLogger",
    "RdmtoolsError",
    "RdmtoolsWarning",
    "Run",
    "Watcher",
    "WorkerError",
    "__version__",
    "analyze",
    "compare",
    "convert",
    "read_analysis",
    "read_comparison",
    "read_run",
    "read_runs",
    "recover",
    "reference",
]


def __getattr__(name: str) -> Any:
    if name in ("evaluation", "plot"):
        return import_module(f"rdmtools.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'rdmtools' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
