"""An analysis as figures, tables and one page: the only writer of results.

What draws or renders loads when it is called for: tables and words need neither matplotlib nor jinja2.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rdmtools.report.folder import is_whole, save
from rdmtools.results.summary import plain_records, summarise
from rdmtools.results.verdict import verdict

if TYPE_CHECKING:
    from rdmtools.report.compare_page import save_comparison
    from rdmtools.report.overview import overview_figure
    from rdmtools.report.run_page import notebook_html, write_report
    from rdmtools.report.score_page import save_score, write_score

_HOMES = {
    "notebook_html": "rdmtools.report.run_page",
    "overview_figure": "rdmtools.report.overview",
    "save_comparison": "rdmtools.report.compare_page",
    "save_score": "rdmtools.report.score_page",
    "write_report": "rdmtools.report.run_page",
    "write_score": "rdmtools.report.score_page",
}

__all__ = [
    "is_whole",
    "notebook_html",
    "overview_figure",
    "plain_records",
    "save",
    "save_comparison",
    "save_score",
    "summarise",
    "verdict",
    "write_report",
    "write_score",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'rdmtools.report' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
