"""How do the losses move together under small random changes of the weights? The Gaussian 2RDM of one step.

The same matrix C as over a window, but over D draws of theta ~ N(theta_0, sigma**2 I) at one step instead of
over time: X is (D, samples), P removes the mean over draws, nu = D - 1. It needs no history, so it speaks
from the first step on; it says how losses change together around the weights, not how training moves on.

Its modes have no direction in time: draws go both ways along each. What one standard deviation along mode k
does to the loss of sample i, sqrt(lam_k) v_ki, is told as its loss change, with the loading largest in
absolute value positive; only signs relative to each other mean anything.
Source: Hennick & Corlouer, arXiv:2603.29805 (Gaussian 2RDM).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from rdmtools.analysis.baselines import MeanBaselines
from rdmtools.analysis.blas import one_blas_thread
from rdmtools.analysis.events import modes_of, shares_of
from rdmtools.analysis.explained import Change
from rdmtools.analysis.groups import groups_of
from rdmtools.analysis.modes import Modes, modes_by_products
from rdmtools.analysis.moments import residual
from rdmtools.analysis.observables import OBSERVABLES, Sums
from rdmtools.analysis.spectra import spectrum_columns
from rdmtools.analysis.tables import typed
from rdmtools.run.run import Draws, Run

# Steps whose top mode is asked which column tells it, spread over all that have draws.
_EXPLAINED = 8


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


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnModes:
    """The leading modes under the draws of one step."""

    step: int
    modes: Modes


def drawn_modes(draws: Draws, count: int) -> list[DrawnModes]:
    """The `count` leading modes of each step with draws, as far as there is movement along them.

    Steps that have a loss that is not finite, or a single draw, have none.
    """
    found: list[DrawnModes] = []
    for step, losses in draws:
        if len(losses) > 1 and np.isfinite(losses).all():
            found.append(DrawnModes(step=step, modes=_modes(losses, count)))
    return found


def _modes(losses: Float[np.ndarray, "draws samples"], count: int) -> Modes:
    freedom = len(losses) - 1
    with one_blas_thread():
        field = residual(losses, 0)
        squares, loadings = modes_by_products(field, count)
    spectrum = squares[: min(freedom, field.shape[1])] / freedom
    # from products: what is below rounding of the largest is none
    kept = min(count, int(np.count_nonzero(spectrum > 1e-12 * spectrum[0])))
    loadings = loadings[:kept]
    sizes = np.sqrt(spectrum[:kept])[:, None]
    return Modes(
        eigenvalues=spectrum,
        loadings=loadings,
        loss_change=sizes * loadings,
        time_courses=field @ loadings.T / (sizes.T * np.sqrt(freedom)),
    )


def gaussian_modes_table(run: Run, drawn: Sequence[DrawnModes]) -> pd.DataFrame:
    tables = [modes_of(run, each.modes).assign(step=each.step) for each in drawn]
    return typed("gaussian_modes", pd.concat(tables) if tables else [], ids=run.samples["sample_id"].dtype)


def gaussian_groups_table(run: Run, drawn: Sequence[DrawnModes]) -> pd.DataFrame:
    groups = groups_of(run)
    shares = partial(shares_of, groups or ())
    tables = [shares(each.modes).assign(step=each.step) for each in drawn if groups is not None]
    return typed("gaussian_groups", pd.concat(tables) if tables else [])


def drawn_changes(drawn: Sequence[DrawnModes]) -> list[Change]:
    """What the top mode does to each sample's loss: of steps evenly spread, where there are many."""
    moving = [each for each in drawn if len(each.modes.loadings)]
    chosen: list[int] = (
        np.unique(np.linspace(0, len(moving) - 1, min(len(moving), _EXPLAINED)).round()).astype(int).tolist()
    )
    return [
        Change(event=None, place="draws", step=moving[at].step, values=moving[at].modes.loss_change[0])
        for at in chosen
    ]
