"""JAX: losses of the probe for the logger, at the parameters and at draws around them.

    params, batch --per_sample_losses--> (samples,)  for log(step, losses)
    the same under draws of the parameters --GaussianProbe--> (draws, samples)  for log.draws(step, losses)

Pure functions: nothing of the training is touched. The loop is the user's own, and so is the logger; with
`ProbeLogger(..., resume=True)` a training that starts again goes on with its run.
"""

# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false, reportUntypedFunctionDecorator=false
# pyright: reportAttributeAccessIssue=false

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdmtools.errors import ParameterError
from rdmtools.integrations.checks import check_gaussian, check_width, needed

with needed("jax", "0.4.38"):
    import jax
    import jax.numpy as jnp

Loss = Callable[[Any, Any], Any]
"""``loss(params, sample) -> ()``, of one sample: an item of each array of a batch, without its first axis."""


def per_sample_losses(
    loss: Loss, params: Any, batch: Any, *, batch_size: int | None = None
) -> NDArray[np.float32] | NDArray[np.float64]:
    """Loss of each sample (samples,), in the order of `batch`.

    Parameters
    ----------
    loss
        ``loss(params, sample) -> ()``, float32 or float64; vectorised and compiled here. Pass the same
        function each time: a new one, as a lambda in the loop, is compiled again.
    params
        A pytree of arrays.
    batch
        The probe: a pytree of arrays whose first axis is the samples, such as ``(x, y)`` or a dict.
    batch_size
        How many samples go through `loss` at once, to spare memory; by default all. Results agree to
        rounding, whatever it is.

    Raises
    ------
    ParameterError
        Losses that are not one number per sample, or narrower than float32; arrays of several lengths.
    """
    return _checked(_losses(loss, params, batch, _size(batch, batch_size)))


@dataclass(frozen=True, slots=True, eq=False)
class GaussianProbe:
    """The probe's losses at parameters drawn around the given ones: theta + sigma * N(0, 1).

    Moves the arrays of a floating type. The noise of an array is that of its place in the tree, the draw, the
    step and the seed; the same four and the same version of JAX give the same. In bfloat16 a move of less
    than half a digit (0.4 %) of a parameter is rounded away.

    Parameters
    ----------
    loss
        As for `per_sample_losses`.
    sigma
        Standard deviation of the noise, in units of the parameters; at least 0.
    draws
        How many draws each call evaluates.
    seed
        Of the noise, with the step; 0 to 2**32 - 1.
    relative
        Whether `sigma` is a share of each array's root mean square. Arrays of zeros then stay.

    Raises
    ------
    ParameterError
        At construction: numbers out of range.
    """

    loss: Loss
    sigma: float
    _: KW_ONLY
    draws: int
    seed: int
    relative: bool = False

    def __post_init__(self) -> None:
        check_gaussian(self.sigma, self.draws)
        if not 0 <= self.seed < 2**32:
            raise ParameterError(f"seed is {self.seed}; needed 0 to 2**32 - 1")

    def __call__(
        self, step: int, params: Any, batch: Any, *, batch_size: int | None = None
    ) -> NDArray[np.float32] | NDArray[np.float64]:
        """Losses (draws, samples) at `step`, each row as `per_sample_losses` has it.

        Raises
        ------
        ParameterError
            As `per_sample_losses`; no array to move.
        """
        if not any(map(_floating, jax.tree.leaves(params))):
            raise ParameterError("the parameters have no floating-point array; needed one to move")
        size = _size(batch, batch_size)
        key = jax.random.key(np.uint32(self.seed), impl="threefry2x32")  # whatever the user's default is
        key = jax.random.fold_in(key, np.uint32(step % 2**32))
        rows = [
            _losses_of_draw(
                self.loss, params, batch, size, jax.random.fold_in(key, draw), self.sigma, self.relative
            )
            for draw in range(self.draws)
        ]
        return np.stack([_checked(row) for row in rows])


@partial(jax.jit, static_argnames=("loss", "size"))
def _losses(loss: Loss, params: Any, batch: Any, size: int) -> Any:
    return jax.lax.map(partial(loss, params), batch, batch_size=size)


@partial(jax.jit, static_argnames=("loss", "size", "relative"))
def _losses_of_draw(
    loss: Loss, params: Any, batch: Any, size: int, key: Any, sigma: float, relative: bool
) -> Any:
    leaves, tree = jax.tree.flatten(params)
    moved = [
        _moved(leaf, jax.random.fold_in(key, place), sigma, relative) if _floating(leaf) else leaf
        for place, leaf in enumerate(leaves)
    ]
    return _losses(loss, jax.tree.unflatten(tree, moved), batch, size)


def _moved(leaf: Any, key: Any, sigma: Any, relative: bool) -> Any:
    """In float32 or wider, then as narrow as it was."""
    leaf = jnp.asarray(leaf)
    wide = leaf.astype(jnp.promote_types(leaf.dtype, jnp.float32))
    scale = sigma * jnp.sqrt(jnp.mean(wide**2)) if relative else sigma
    return (wide + scale * jax.random.normal(key, wide.shape, wide.dtype)).astype(leaf.dtype)


def _floating(leaf: Any) -> bool:
    return jnp.issubdtype(jnp.result_type(leaf), jnp.floating)


def _size(batch: Any, batch_size: int | None) -> int:
    """How many samples go at once."""
    lengths = {np.shape(leaf)[:1] for leaf in jax.tree.leaves(batch)}
    if len(lengths) != 1 or lengths & {(), (0,)}:
        found = ", ".join(sorted(str(length[0]) if length else "no axis" for length in lengths)) or "no array"
        raise ParameterError(f"batch has {found}; needed arrays with the samples as first axis, all as long")
    if batch_size is not None and batch_size < 1:
        raise ParameterError(f"batch_size is {batch_size}; needed at least 1")
    [(samples,)] = lengths
    return min(batch_size or samples, samples)


def _checked(losses: Any) -> NDArray[Any]:
    if not hasattr(losses, "ndim") or losses.ndim != 1:
        found = f"shape {losses.shape[1:]}" if hasattr(losses, "ndim") else f"type {type(losses).__name__}"
        raise ParameterError(f"a sample's loss has {found}; needed one number: take its mean")
    check_width(losses.dtype, (jnp.float32, jnp.float64), "outputs.astype(jnp.float32)")
    return np.asarray(losses)
