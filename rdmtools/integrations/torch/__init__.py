"""PyTorch: losses of the probe for the logger, at the model's weights and at draws around them.

    model, batches --per_sample_losses--> (samples,)  for log(step, losses)
    the same under draws of the weights --GaussianProbe--> (draws, samples)  for log.draws(step, losses)

What the losses of a batch are is a `loss_fn`: by default cross entropy, for texts `language_model_loss`.
"""

# pyright: reportUnknownVariableType=false

from rdmtools.integrations.checks import needed

with needed("torch", "2.4"):
    from rdmtools.integrations.torch.draws import GaussianProbe
    from rdmtools.integrations.torch.losses import per_sample_losses
    from rdmtools.integrations.torch.tokens import language_model_loss, token_nll

__all__ = ["GaussianProbe", "language_model_loss", "per_sample_losses", "token_nll"]
