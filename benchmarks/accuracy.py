"""How far are the observables from 50-digit reference values? The worst relative error of each, and where.

    python benchmarks/accuracy.py

The cases are those of the tests (tests/helpers/oracle.json): noise, one factor, offsets of 1e6 above
fluctuations of 1e-3, a jump of 50 beside fluctuations of 1e-4, steep lines; both detrendings, every window.
Eigenvalues that are zero by structure, and what has no value there (NaN), are left out.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

import rdmtools as rdm

CASES = json.loads((Path(__file__).parents[1] / "tests" / "helpers" / "oracle.json").read_text())
OBSERVABLES = ("shc", "pr", "total_variance", "drift_share", "autocorrelation", "effective_rank")


def errors(case: dict[str, Any]) -> dict[str, float]:
    """Worst relative error of each quantity over the windows of one case."""
    losses = np.array(case["losses"])
    exact = case["windows"]
    modes = len(exact[0]["top_eigenvalues"])
    run = rdm.Run.from_arrays(np.arange(len(losses)), losses)
    found = rdm.analyze(
        run, window=case["width"], detrend=case["detrend"], spectrum=True, modes=modes
    ).observables
    worst = {name: worst_of(found[name], [each[name] for each in exact]) for name in OBSERVABLES}
    for mode in range(modes):
        values = [each["top_eigenvalues"][mode] for each in exact]
        if f"eigenvalue_{mode + 1}" in found and min(values) > 0:
            worst[f"eigenvalue_{mode + 1}"] = worst_of(found[f"eigenvalue_{mode + 1}"], values)
    return worst


def worst_of(found, exact) -> float:
    found, exact = np.array(found, float), np.array(exact, float)
    told = np.isfinite(exact) & (exact != 0)
    return float(np.max(np.abs(found[told] / exact[told] - 1), initial=0.0))


def worst_errors(cases: Iterable[dict[str, Any]] = CASES) -> dict[str, tuple[float, str]]:
    """Worst relative error of each quantity over some cases, and where."""
    worst: dict[str, tuple[float, str]] = {}
    for case in cases:
        for name, error in errors(case).items():
            worst[name] = max(worst.get(name, (0.0, "")), (error, f"{case['name']}, {case['detrend']}"))
    return worst


if __name__ == "__main__":
    for name, (error, where) in worst_errors().items():
        print(f"{name:16s} {error:8.1e}  {where}")
