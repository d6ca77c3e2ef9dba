"""An analysis as figures, tables and one page: the only writer of results."""
