"""Grokking: a network memorises modular addition at once and understands it much later; a probe set watches.

Two embeddings and one hidden layer learn a + b mod 59 from 40 % of all pairs, by AdamW with strong weight
decay. Within some 300 steps every training pair is known by heart and hardly a held-out one is right. Weight
decay then wears the memorised answer away while a general one, built of a few Fourier frequencies, grows in
its place; thousands of steps later the held-out pairs are right as well (Power et al. 2022, arXiv:2201.02177;
Nanda et al. 2023, arXiv:2301.05217).

    python examples/grokking.py grokking.parquet
    python examples/grokking.py quiet.parquet --control random_labels      # there is no rule to find

The logged scalars `train_accuracy` and `test_accuracy` are measured on all training and all held-out pairs.
The transition is that of `test_accuracy`: T10, T50 and T90 are where it crosses 0.1, 0.5 and 0.9.

The control `already_generalised` is trained for 3000 steps before its first logged row, by the optimiser that
then goes on: 1500 steps on all pairs, where the rule is found without delay, and 1000 on the training pairs,
both at five times the learning rate, which balances gradients and decay five times as fast; then 500 at the
run's own rate. It still settles, ever more slowly: weights and losses creep down throughout the run.
"""

import argparse
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

import rdmtools as rdm

MODULUS = 59
TRAIN_SHARE = 0.40
EMBEDDING, HIDDEN = 64, 256
LEARNING_RATE, WEIGHT_DECAY, BETAS = 2e-3, 1.0, (0.9, 0.98)
BATCH = 512
# Before the first row of `already_generalised`: pairs, steps, and learning rate in times of LEARNING_RATE.
SETTLING = (("all", 1500, 5), ("train", 1000, 5), ("train", 500, 1))

CONTROLS = {
    "random_labels": "the labels of all pairs are permuted: they are memorised, there is no rule to find",
    "no_weight_decay": "no decay, eps 1e-5: what was memorised stays, nothing favours the general answer",
    "already_generalised": "starts from a network that has grokked and settled: nothing is left to happen",
}


@dataclass(frozen=True, kw_only=True)
class Task:
    pairs: Tensor  # (modulus**2, 2)
    labels: Tensor  # (modulus**2,)
    train: Tensor  # rows of `pairs`, in random order
    held_out: Tensor  # the other rows, likewise


@dataclass(frozen=True, kw_only=True)
class Probe:
    pairs: Tensor  # (samples, 2)
    labels: Tensor  # (samples,)
    groups: list[str]  # "train" or "held-out", of each sample


class Network(nn.Module):
    """Two embeddings side by side, a ReLU layer, and one logit for each possible sum."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Parameter(torch.empty(MODULUS, EMBEDDING))
        self.right = nn.Parameter(torch.empty(MODULUS, EMBEDDING))
        self.hidden = nn.Linear(2 * EMBEDDING, HIDDEN)
        self.logits = nn.Linear(HIDDEN, MODULUS)

    def forward(self, pairs: Tensor) -> Tensor:
        # The hidden layer meets only 59 left and 59 right embeddings: it is applied to each of them once, and
        # the results are looked up, for a fraction of the cost of applying it to every pair of the batch.
        for_left, for_right = self.hidden.weight.split(EMBEDDING, dim=1)
        left = functional.linear(self.left, for_left, self.hidden.bias)
        right = functional.linear(self.right, for_right)
        looked_up = functional.embedding(pairs[:, 0], left) + functional.embedding(pairs[:, 1], right)
        return self.logits(torch.relu(looked_up))


def random_stream(seed: int, purpose: str) -> torch.Generator:
    """One for each purpose, so that a control which draws more for one of them shares the rest of the run."""
    state = np.random.SeedSequence([seed, *purpose.encode()]).generate_state(1)
    return torch.Generator().manual_seed(int(state[0]))


def make_task(seed: int, *, random_labels: bool = False) -> Task:
    numbers = torch.arange(MODULUS)
    pairs = torch.cartesian_prod(numbers, numbers)
    labels = pairs.sum(dim=1) % MODULUS
    if random_labels:
        labels = labels[torch.randperm(len(labels), generator=random_stream(seed, "labels"))]
    order = torch.randperm(len(pairs), generator=random_stream(seed, "split"))
    train = round(TRAIN_SHARE * len(pairs))
    return Task(pairs=pairs, labels=labels, train=order[:train], held_out=order[train:])


def make_model(seed: int) -> Network:
    """With the initial weights of PyTorch's own layers."""
    model, stream = Network(), random_stream(seed, "weights")
    for embedding in (model.left, model.right):
        nn.init.normal_(embedding, generator=stream)
    for layer in (model.hidden, model.logits):
        bound = layer.in_features**-0.5
        nn.init.uniform_(layer.weight, -bound, bound, generator=stream)
        nn.init.uniform_(layer.bias, -bound, bound, generator=stream)
    return model


def make_probe(task: Task, size: int = 128) -> Probe:
    """Half training pairs, half held-out ones; a smaller probe of the same task is part of a larger one."""
    train, held_out = task.train[: size // 2], task.held_out[: size - size // 2]
    if len(train) + len(held_out) < size:
        raise ValueError(f"a probe of {size} pairs is too large; choose at most {2 * len(task.train)}")
    rows = torch.cat([train, held_out])
    groups = ["train"] * len(train) + ["held-out"] * len(held_out)
    return Probe(pairs=task.pairs[rows], labels=task.labels[rows], groups=groups)


@torch.no_grad()
def probe_losses(model: nn.Module, probe: Probe) -> Tensor:
    """Cross-entropy of each sample in nats, shape (samples,)."""
    device = next(model.parameters()).device
    logits = model(probe.pairs.to(device))
    return functional.cross_entropy(logits, probe.labels.to(device), reduction="none").cpu()


@torch.no_grad()
def accuracies(model: nn.Module, task: Task) -> dict[str, float]:
    right = (model(task.pairs).argmax(dim=1) == task.labels).double()
    return {
        "train_accuracy": right[task.train].mean().item(),
        "test_accuracy": right[task.held_out].mean().item(),
    }


def norm(tensors: list[Tensor]) -> float:
    return torch.stack([tensor.detach().norm() for tensor in tensors]).norm().item()


def make_optimizer(model: nn.Module, control: str | None) -> torch.optim.AdamW:
    # Adam divides each weight's gradient by its usual size, plus eps. Without decay the training loss falls
    # without end, and with the default eps of 1e-8 it gets below 1e-7. There the right answer's probability
    # rounds to 1 in float32 and gradients are little but rounding errors, which Adam still follows until the
    # network jumps, again and again (cf. Prieto et al. 2025, arXiv:2501.04697); in float64 it does not jump.
    # With a larger eps the steps die out along with the gradients while the loss is still well above that.
    quiet = control == "no_weight_decay"
    return torch.optim.AdamW(
        model.parameters(),
        lr=LEARNING_RATE,
        betas=BETAS,
        eps=1e-5 if quiet else 1e-8,
        weight_decay=0.0 if quiet else WEIGHT_DECAY,
        fused=True,
    )


def backward(model: nn.Module, task: Task, rows: Tensor, stream: torch.Generator) -> float:
    """Leaves the gradients of a batch drawn from `rows` in the model; returns the batch's loss."""
    batch = rows[torch.randint(len(rows), (BATCH,), generator=stream).to(rows.device)]
    loss = functional.cross_entropy(model(task.pairs[batch]), task.labels[batch])
    model.zero_grad()
    loss.backward()
    return loss.item()


def generalise(model: nn.Module, optimizer: torch.optim.Optimizer, task: Task, seed: int) -> None:
    """What goes before the first row of `already_generalised`; see above."""
    stream = random_stream(seed, "batches before the first row")
    rows = {"all": torch.cat([task.train, task.held_out]), "train": task.train}
    for pairs, steps, faster in SETTLING:
        optimizer.param_groups[0]["lr"] = faster * LEARNING_RATE
        for _ in range(steps):
            backward(model, task, rows[pairs], stream)
            optimizer.step()


def train(
    path: str,
    *,
    control: str | None = None,
    seed: int = 0,
    device: str = "cpu",
    log_every: int = 20,
    probe_size: int = 128,
    steps: int = 9000,
) -> None:
    task = make_task(seed, random_labels=control == "random_labels")
    probe = make_probe(task, probe_size)
    task = Task(**{name: values.to(device) for name, values in vars(task).items()})
    model = make_model(seed).to(device)
    optimizer = make_optimizer(model, control)
    if control == "already_generalised":
        generalise(model, optimizer, task, seed)
    samples = {
        "group": probe.groups,
        "label": probe.labels.tolist(),
        "text": [f"{a} + {b}" for a, b in probe.pairs.tolist()],
    }
    metadata = {
        "example": "grokking",
        "control": control or "none",
        "seed": seed,
        "modulus": MODULUS,
        "train_share": TRAIN_SHARE,
        "learning_rate": LEARNING_RATE,
        "weight_decay": optimizer.defaults["weight_decay"],
        "eps": optimizer.defaults["eps"],
        "batch": BATCH,
    }
    stream = random_stream(seed, "batches")
    with rdm.ProbeLogger(path, samples=samples, metadata=metadata, unit="nats", overwrite=True) as log:
        for step in range(steps + 1):
            loss = backward(model, task, task.train, stream)
            if step % log_every == 0:
                log(step, probe_losses(model, probe))
                log.scalars(
                    step,
                    loss=loss,
                    gradient_norm=norm([weights.grad for weights in model.parameters()]),
                    weight_norm=norm(list(model.parameters())),
                    **accuracies(model, task),
                )
            optimizer.step()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("path", help="where the run goes, such as grokking.parquet; overwritten")
    parser.add_argument("--control", choices=CONTROLS, help="train a run without the transition")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--log-every", type=int, default=20)
    parser.add_argument("--probe-size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=9000)
    train(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
