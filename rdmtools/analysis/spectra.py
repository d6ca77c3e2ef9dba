"""How is the movement of a window spread over directions? Eigenvalues, on request.

The 2RDM's nonzero spectrum is that of the W x W Gram matrix, or of the W x n rows themselves where there are
fewer samples than rows: whichever is smaller is solved.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Float64

from rdmtools.analysis.choices import DEGREES
from rdmtools.analysis.gram import RowGeometry, centred_gram, window_distances
from rdmtools.analysis.moments import WINDOWS_AT_ONCE, blurred, residual
from rdmtools.analysis.observables import ratio
from rdmtools.analysis.windows import Windows


def eigenvalues(
    geometry: RowGeometry,
    windows: Windows,
    *,
    detrend: str = "constant",
    precision: str = "double",
    rows: Callable[[int, int], Float[np.ndarray, "_ samples"]],
) -> Float64[np.ndarray, "windows modes"]:
    """Nonzero spectrum of each trailing window's 2RDM, largest first, in loss**2.

    ``modes = min(samples, window - 1)`` ("linear": window - 2); the other eigenvalues are zero by structure.
    From a Gram matrix, eigenvalues below 1e-13 of the largest are rounding (in single precision, 1e-6).
    """
    degree, window = DEGREES[detrend], windows.length
    freedom = window - 1 - degree
    modes = min(geometry.samples, freedom)
    spectra = np.empty((windows.count, modes))
    for first in range(0, windows.count, WINDOWS_AT_ONCE):
        few = windows.some(first, min(WINDOWS_AT_ONCE, windows.count - first))
        starts = few.starts()
        if geometry.samples < window:
            block = rows(starts[0], starts[-1] + window)
            views = np.lib.stride_tricks.sliding_window_view(block, window, axis=0)[:: few.every]
            solved = np.linalg.svd(residual(views.swapaxes(1, 2), degree), compute_uv=False) ** 2
        else:
            apart = window_distances(geometry.distances, window, starts)
            matrices = centred_gram(apart, degree)
            energy = np.trace(matrices, axis1=1, axis2=2)
            total = apart.sum(axis=(1, 2)) / (2 * window)
            for index in blurred(energy, total, precision) if degree else ():
                field = residual(rows(starts[index], starts[index] + window), degree)
                matrices[index] = field @ field.T
            solved = np.maximum(np.linalg.eigvalsh(matrices)[:, ::-1], 0.0)
        spectra[first : first + few.count] = solved[:, :modes] / freedom
    return spectra


def spectrum_columns(
    spectra: Float64[np.ndarray, "windows solved"], modes: int
) -> dict[str, Float64[np.ndarray, " windows"]]:
    """What tables show of spectra: top share, effective rank, and that many leading eigenvalues."""
    leading = {f"eigenvalue_{mode + 1}": spectra[:, mode] for mode in range(modes)}
    return {"top_share": top_share(spectra), "effective_rank": effective_rank(spectra), **leading}


def top_share(spectra: Float64[np.ndarray, "windows modes"]) -> Float64[np.ndarray, " windows"]:
    """lam_1 / sum(lam) of each window; NaN for C = 0."""
    return ratio(spectra[:, 0], spectra.sum(axis=1))


def effective_rank(spectra: Float64[np.ndarray, "windows modes"]) -> Float64[np.ndarray, " windows"]:
    """exp of the entropy of p = lam / sum(lam), 1 .. modes; NaN for C = 0."""
    shares = ratio(spectra, spectra.sum(axis=1, keepdims=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.sum(np.where(shares > 0, shares * np.log(shares), 0.0), axis=1)
    return np.where(np.isnan(shares[:, 0]), np.nan, np.exp(entropy))
