"""What is a sequence's loss to a language model? The mean over its own tokens, whatever pads them."""

# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownParameterType=false

from __future__ import annotations  # the docs are built without torch

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from rdmtools.errors import ParameterError
from rdmtools.integrations.torch.precision import widened


def language_model_loss(model: nn.Module, batch: Any) -> Tensor:
    """Mean token NLL of each sequence (batch,) under a causal language model: a `loss_fn`.

    Padding on the left is moved to the right first, so that a text has the same positions, and so the same
    loss, whatever it is padded with and on which side.

    Parameters
    ----------
    model
        ``model(**batch)``, without `labels`, gives logits (batch, tokens, vocabulary), or what has them as
        `logits`.
    batch
        A tokenizer's: `input_ids`, `attention_mask` where there is padding, and `labels` where not every
        token is to count (-100 where not, unshifted).

    Raises
    ------
    ParameterError
        A batch without `input_ids`; a model without logits; shapes that do not fit.
    """
    if not isinstance(batch, Mapping) or "input_ids" not in batch:
        found = f"a dict of {', '.join(batch)}" if isinstance(batch, Mapping) else f"a {type(batch).__name__}"
        raise ParameterError(
            f"batch is {found}; needed a dict with input_ids, and attention_mask where padded: "
            "use the tokenizer's, or token_nll in a loss_fn of your own"
        )
    inputs = _padded_on_the_right(batch)
    labels = inputs.pop("labels", inputs["input_ids"])
    outputs = model(**inputs)
    logits = outputs if isinstance(outputs, Tensor) else getattr(outputs, "logits", None)
    if logits is None:
        raise ParameterError(
            f"model gave a {type(outputs).__name__}; needed logits: use token_nll in a loss_fn of your own"
        )
    return token_nll(logits, labels, inputs.get("attention_mask"))


def token_nll(
    logits: Tensor, labels: Tensor, attention_mask: Tensor | None = None, ignore_index: int = -100
) -> Tensor:
    """Mean negative log likelihood of each sequence's tokens (batch,), in nats, from float32 or wider.

    The token at t is predicted by the logits at t - 1; the shift is made here. It counts where its label is
    not `ignore_index` and neither of the two is padding. A sequence in which no token counts gives NaN.

    Parameters
    ----------
    logits
        (batch, tokens, vocabulary), of any float type. What stands at padding may be NaN.
    labels
        (batch, tokens): the inputs themselves, with `ignore_index` where a token is not to count.
    attention_mask
        (batch, tokens), 0 at padding. Padding on the left needs it: the first token of a text has no
        prediction, but a padding token before it makes one.

    Raises
    ------
    ParameterError
        Shapes that do not fit.
    """
    if logits.ndim != 3:
        raise ParameterError(f"logits have shape {tuple(logits.shape)}; needed (batch, tokens, vocabulary)")
    for name, tensor in (("labels", labels), ("attention_mask", attention_mask)):
        if tensor is not None and tensor.shape != logits.shape[:2]:
            raise ParameterError(
                f"{name} have shape {tuple(tensor.shape)}; needed {tuple(logits.shape[:2])}, "
                "as the logits: do not shift them"
            )
    targets = labels[:, 1:]
    counts = targets != ignore_index
    if attention_mask is not None:
        real = attention_mask.bool()
        counts = counts & real[:, 1:] & real[:, :-1]
    # Only what counts: a softmax over the rest would be work for nothing, and its NaN would spread.
    nll = functional.cross_entropy(widened(logits[:, :-1][counts]), targets[counts], reduction="none")
    of_tokens = nll.new_zeros(counts.shape).masked_scatter(counts, nll)
    return of_tokens.sum(dim=1) / counts.sum(dim=1)


def _padded_on_the_right(batch: Mapping[str, Any]) -> dict[str, Any]:
    """The batch with each row of what is shaped like the mask turned, so that its first real token leads."""
    mask = batch.get("attention_mask")
    if mask is None or mask.ndim != 2:
        return dict(batch)
    tokens = mask.shape[1]
    first = mask.bool().int().argmax(dim=1, keepdim=True)
    order = (first + torch.arange(tokens, device=mask.device)) % tokens
    return {
        name: value.gather(1, order) if isinstance(value, Tensor) and value.shape == mask.shape else value
        for name, value in batch.items()
    }
