"""Shapes in annotations are checked while the tests run."""

from jaxtyping import install_import_hook

_HOOK = install_import_hook("rdmtools.analysis", "beartype.beartype")
