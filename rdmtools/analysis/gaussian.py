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

from rdmtools.analysis.blas import one_blas_thread
from rdmtools.analysis.moments import residual
from rdmtools.analysis.observables import ratio, spectral_heat_capacity
from rdmtools.analysis.spectra import spectrum_columns

_TOLD = ("shc", "pr", "total_variance", "mean_loss", "mean_loss_variance")


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
    rows = [{"step": step, "draws": len(losses), **_row(losses, spectrum, modes)} for step, losses in draws]
    solved = ["top_share", "effective_rank", *(f"eigenvalue_{mode + 1}" for mode in range(modes))]
    found = {name for row in rows for name in row}
    counts = ["step", "draws", "nonfinite"]
    values = [*_TOLD, *(name for name in solved if name in found)]
    table = pd.DataFrame(rows, columns=pd.Index([*counts, *values]))
    return table.astype({**dict.fromkeys(counts, "int64"), **dict.fromkeys(values, "float64")})


def _row(losses: Float[np.ndarray, "draws samples"], spectrum: bool, modes: int) -> dict[str, Any]:
    nonfinite = int(np.count_nonzero(~np.isfinite(losses)))
    count, samples = losses.shape
    if nonfinite or count < 2:
        return {"nonfinite": nonfinite, **dict.fromkeys(_TOLD, np.nan)}
    with one_blas_thread():
        field = residual(losses, 0)
        gram = (field @ field.T if count <= samples else field.T @ field) / (count - 1)
        solved = np.maximum(np.linalg.eigvalsh(gram)[::-1], 0.0)[None] if spectrum else None
    trace, square = np.array([np.trace(gram)]), np.array([np.sum(gram * gram)])
    row = {
        "nonfinite": 0,
        "shc": spectral_heat_capacity(trace, square, samples)[0],
        "pr": ratio(trace**2, square)[0],
        "total_variance": trace[0],
        "mean_loss": losses.mean(dtype=np.float64),
        "mean_loss_variance": field.mean(axis=1).var(ddof=1),
    }
    if solved is not None:
        columns = spectrum_columns(solved, min(modes, count - 1, samples))
        row |= {name: values[0] for name, values in columns.items()}
    return row
