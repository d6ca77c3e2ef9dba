"""Sphinx: MyST pages, the docstrings of the public names, furo."""

from rdmtools import __version__
from rdmtools.analysis.observables import OBSERVABLES
from rdmtools.analysis.tables import TABLES, Table

project = "rdmtools"
author = "The rdmtools authors"
copyright = "2026, the rdmtools authors"
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
myst_enable_extensions = ["dollarmath", "colon_fence", "substitution"]
# A new observable is in the reference by its row alone.
_ROWS = [f"| `{row.name}` | {row.meaning} | {row.unit} |" for row in OBSERVABLES.values()]


def _table(name: str, table: Table) -> str:
    """A list of columns; those of the observables have a table of their own."""
    columns = [
        f"`{column}`: {about.meaning}" for column, about in table.columns.items() if column not in OBSERVABLES
    ]
    columns += ["the [observables](#columns-of-the-observables)"] * any(
        name in OBSERVABLES for name in table.columns
    )
    columns += [table.more] * bool(table.more)
    return f"**`{name}`**: {table.row}.\n\n" + "\n".join(f"- {column}" for column in columns)


# And so is a new table.
myst_substitutions = {
    "observables": "\n".join(["| column | meaning | unit |", "|---|---|---|", *_ROWS]),
    "tables": "\n\n".join(_table(name, table) for name, table in TABLES.items()),
}
myst_heading_anchors = 3
exclude_patterns = ["_build"]
nitpicky = False

autodoc_member_order = "bysource"
autodoc_mock_imports = ["torch"]
autodoc_typehints = "signature"
autodoc_class_signature = "separated"
autodoc_default_options = {"exclude-members": "__init__, __new__"}
napoleon_google_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"rdmtools {release}"
html_show_sphinx = False
