"""In which library is a table of results asked for? pandas, as it is, or polars, which shares the numbers."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from rdmtools.errors import ParameterError

KINDS = ("pandas", "polars")


class Tables:
    """What has tables for attributes gives each by its name, too."""

    __slots__ = ()

    def tables(self) -> dict[str, pd.DataFrame]:
        """Each table by its name."""
        names: tuple[str, ...] = tuple(getattr(self, "__dataclass_fields__", ()))
        found = {name: getattr(self, name) for name in names}
        return {name: table for name, table in found.items() if isinstance(table, pd.DataFrame)}

    def table(self, name: str, kind: str = "pandas") -> Any:
        """One of the tables by its name.

        Parameters
        ----------
        name
            That of an attribute, such as "events".
        kind
            "pandas", the attribute itself, or "polars": numbers are shared where they lie side by side, NaN
            stays NaN, and what is absent among integers or text is null.

        Raises
        ------
        ParameterError
            Where there is no such table, or no such kind.
        """
        tables = self.tables()
        if name not in tables:
            raise ParameterError(f"no table {name!r}; choose one of {', '.join(tables)}")
        if kind not in KINDS:
            raise ParameterError(f"kind is {kind!r}; choose one of {', '.join(KINDS)}")
        return tables[name] if kind == "pandas" else to_polars(tables[name])


def to_polars(table: pd.DataFrame) -> Any:
    """The table as one of polars; a column that has no one type, as metadata may, becomes text."""
    import polars as pl

    return pl.DataFrame([_series(pl, str(name), table[name]) for name in table])


def _series(pl: Any, name: str, column: pd.Series) -> Any:
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iuf":
        return pl.Series(name, column.to_numpy())
    try:
        return pl.from_pandas(column.rename(name))
    except (pa.ArrowException, TypeError):
        words = [None if value is None or value != value else str(value) for value in column]
        return pl.Series(name, words, pl.String)
