"""How do the losses move together under small random changes of the weights? The Gaussian 2RDM of one step.

The same matrix C as over a window, but over D draws of theta ~ N(theta_0, sigma**2 I) at one step instead of
over time: X is (D, samples), P removes the mean over draws, nu = D - 1. It needs no history, so it speaks
from the first step on; it says how losses change together around the weights, not how training moves on.
Source: Hennick & Corlouer, arXiv:2603.29805 (Gaussian 2RDM).
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from rdmtools.analysis.baselines import MeanBaselines
from rdmtools.analysis.blas import one_blas_thread
from rdmtools.analysis.moments import residual
from rdmtools.analysis.observables import OBSERVABLES, Sums
from rdmtools.analysis.spectra import spectrum_columns
from rdmtools.analysis.tables import typed


def gaussian_table(
    draws: Iterable[tuple[int, Float[np.ndarray, "draws samples"]]], *, spectrum: bool, modes: int
) -> pd.DataFrame:
    """One row per step with draws: `step`, `draws`, `nonfinite`, and the observables over the draws.

    Parameters
    ----------
    draws
        Step, and losses under each draw.
    spectrum, modes
        Whether to add `top_share`, `effective_rank` and that many leading eigenvalues.

    Notes
    -----
    Order and drift mean nothing for draws, so what speaks of them is left out. `nonfinite` counts losses that
    are NaN or inf; a step that has any, or a single draw, has no C, and its observables are NaN.
    """
    rows: list[dict[str, Any]] = []
    for step, losses in draws:
        nonfinite = int(np.count_nonzero(~np.isfinite(losses)))
        values = {} if nonfinite or len(losses) < 2 else _values(losses, spectrum, modes)
        rows.append({"step": step, "draws": len(losses), "nonfinite": nonfinite, **values})
    return typed("gaussian", rows)


def _values(losses: Float[np.ndarray, "draws samples"], spectrum: bool, modes: int) -> dict[str, float]:
    count, samples = losses.shape
    with one_blas_thread():
        field = residual(losses, 0)
        gram = (field @ field.T if count <= samples else field.T @ field) / (count - 1)
        solved = np.maximum(np.linalg.eigvalsh(gram)[::-1], 0.0)[None] if spectrum else None
    mean = MeanBaselines(
        level=losses.mean(dtype=np.float64, keepdims=True)[0],
        variance=field.mean(axis=1).var(ddof=1, keepdims=True),
        slope=np.array([np.nan]),
    )
    trace, square = np.array([np.trace(gram)]), np.array([np.sum(gram * gram)])
    sums = Sums(samples=samples, trace=trace, square=square, mean=mean)
    columns = {name: row.formula(sums) for name, row in OBSERVABLES.items() if row.of_draws}
    if solved is not None:
        columns |= spectrum_columns(solved, min(modes, count - 1, samples))
    return {name: float(values[0]) for name, values in columns.items()}
