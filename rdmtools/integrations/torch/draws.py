"""What would the losses be at weights nearby? Those under Gaussian draws around the model's own."""

# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownParameterType=false

from __future__ import annotations  # the docs are built without torch

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rdmtools.errors import ParameterError
from rdmtools.integrations.checks import check_gaussian
from rdmtools.integrations.torch.losses import LossFn, per_sample_losses
from rdmtools.integrations.torch.precision import widened
from rdmtools.integrations.torch.state import kept, overwrite


@dataclass(frozen=True, slots=True, eq=False)
class GaussianProbe:
    """The probe's losses at weights drawn around the model's own: theta + sigma * N(0, 1).

    Moves the trainable parameters of a floating type, tied ones once, and puts saved copies back: for the
    length of a call these take the parameters' memory again. The noise comes from generators of its own on
    the parameters' devices; the same seed, step and kind of device give the same. Parameters sharded over
    ranks are not supported. In bfloat16 a move of less than half a digit (0.4 %) of a weight is rounded away.

    Parameters
    ----------
    model
        The model.
    sigma
        Standard deviation of the noise, in units of the parameters; at least 0.
    draws
        How many draws each call evaluates.
    seed
        Of the noise, with the step.
    relative
        Whether `sigma` is a share of each tensor's root mean square. Tensors of zeros then stay.

    Raises
    ------
    ParameterError
        At construction: numbers out of range.
    """

    model: nn.Module
    sigma: float
    _: KW_ONLY
    draws: int
    seed: int
    relative: bool = False

    def __post_init__(self) -> None:
        check_gaussian(self.sigma, self.draws)

    def __call__(
        self,
        step: int,
        batches: Iterable[Any],
        loss_fn: LossFn | None = None,
        *,
        device: torch.device | str | None = None,
        autocast: torch.dtype | None = None,
    ) -> NDArray[np.float32] | NDArray[np.float64]:
        """Losses (draws, samples) at `step`, each row as `per_sample_losses` has it, which takes the rest.

        Raises
        ------
        ParameterError
            As `per_sample_losses`; no parameter to move.
        """
        parameters = [
            weights
            for weights in self.model.parameters()
            if weights.requires_grad and weights.is_floating_point()
        ]
        if not parameters:
            raise ParameterError("the model has no trainable floating-point parameters; needed one to move")
        generators = _generators(parameters, self.seed, step)
        losses: list[NDArray[Any]] = []
        with kept(parameters) as saved:
            for _ in range(self.draws):
                for parameter, before in zip(parameters, saved, strict=True):
                    overwrite(parameter, self._moved(before, generators[before.device]))
                losses.append(
                    per_sample_losses(self.model, batches, loss_fn, device=device, autocast=autocast)
                )
        return np.stack(losses)

    def _moved(self, before: Tensor, generator: torch.Generator) -> Tensor:
        wide = widened(before)
        noise = torch.randn(wide.shape, generator=generator, device=wide.device, dtype=wide.dtype)
        scale = self.sigma * wide.square().mean().sqrt() if self.relative else self.sigma
        return wide + scale * noise


def _generators(parameters: list[Any], seed: int, step: int) -> dict[torch.device, torch.Generator]:
    """A generator on each device in use, each with a seed of its own from the seed and the step."""
    places = list(dict.fromkeys(weights.device for weights in parameters))
    entropy = np.random.SeedSequence([seed % 2**64, step % 2**64])  # which takes no negative ones
    starts: list[int] = entropy.generate_state(len(places), np.uint64).tolist()
    return {
        place: torch.Generator(place).manual_seed(start) for place, start in zip(places, starts, strict=True)
    }
