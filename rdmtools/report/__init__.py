"""An analysis as figures, tables and one page: the only writer of results.

What draws or renders loads when it is called for: tables and words need neither matplotlib nor jinja2.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rdmtools.report.folder import is_whole, save
from rdmtools.results.summary import plain_records, summarise
from rdmtools.results.verdict import verdict

if TYPE_CHECKING:
    from rdmtools.report.figures import overview_figure
    from rdmtools.report.page import notebook_html, write_report
    from rdmtools.report.score_page import save_score, write_score
    from rdmtools.report.side_by_side import save_comparison

_HOMES = {
    "notebook_html": "rdmtools.report.page",
    "overview_figure": "rdmtools.report.figures",
    "save_comparison": "rdmtools.report.side_by_side",
    "save_score": "rdmtools.report.score_page",
    "write_report": "rdmtools.report.page",
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
