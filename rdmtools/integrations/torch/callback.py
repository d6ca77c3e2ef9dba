"""What is alike in the callbacks of torch frameworks? The losses of a model, and maybe those under draws."""

# pyright: reportAttributeAccessIssue=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false

import os
from collections.abc import Iterable, Mapping
from typing import Any

from rdmtools.integrations.callback import BaseCallback
from rdmtools.integrations.torch.draws import GaussianProbe
from rdmtools.integrations.torch.losses import LossFn, per_sample_losses


class TorchCallback(BaseCallback):
    """As `BaseCallback`; where `draws` has options for `GaussianProbe`, these losses are logged too."""

    _default_loss: LossFn | None = None

    def __init__(
        self,
        path: str | os.PathLike[str],
        batches: Iterable[Any],
        *,
        every: int,
        loss_fn: LossFn | None = None,
        draws: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(path, batches, every=every, loss_fn=loss_fn or self._default_loss, **options)
        self._options = draws

    def _losses(self, step: int, model: Any) -> Any:
        return per_sample_losses(model, self._batches, self._loss_fn)

    def _draws(self, step: int, model: Any) -> Any:
        if self._options is None:
            return None
        return GaussianProbe(model, **self._options)(step, self._batches, self._loss_fn)
