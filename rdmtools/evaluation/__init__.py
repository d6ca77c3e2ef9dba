"""How often does a rule warn, how early, and how often for nothing? Runs with a known truth, and a score.

corpus (manifest) -> truth, signals -> alarms -> judging -> contest, rates, loadings -> tables of a score

Public names load on first use; whoever is inside the house takes them from where they are made.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rdmtools.evaluation.corpus import Entry, Truth, read_corpus, write_manifest
    from rdmtools.scores import Score, score

_HOMES = {
    "Entry": "rdmtools.evaluation.corpus",
    "Score": "rdmtools.scores",
    "Truth": "rdmtools.evaluation.corpus",
    "read_corpus": "rdmtools.evaluation.corpus",
    "score": "rdmtools.scores",
    "write_manifest": "rdmtools.evaluation.corpus",
}

__all__ = ["Entry", "Score", "Truth", "read_corpus", "score", "write_manifest"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'rdmtools.evaluation' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
