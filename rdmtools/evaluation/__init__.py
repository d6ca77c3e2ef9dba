"""How often does a rule warn, how early, and how often for nothing? Runs with a known truth, and a score.

corpus (manifest) -> truth, signals -> alarms -> judging -> contest, rates, loadings -> Score
"""

from rdmtools.evaluation.corpus import Entry, Truth, read_corpus, write_manifest
from rdmtools.evaluation.scoring import Score, score

__all__ = ["Entry", "Score", "Truth", "read_corpus", "score", "write_manifest"]
