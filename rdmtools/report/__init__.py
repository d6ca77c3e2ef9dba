"""An analysis as figures, tables and one page: the only writer of results."""

from rdmtools.report.folder import save
from rdmtools.report.summary import plain_records, summarise
from rdmtools.report.verdict import verdict

__all__ = ["plain_records", "save", "summarise", "verdict"]
