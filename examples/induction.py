"""Induction heads form in a two-layer attention-only transformer, and a probe set watches.

Each training sequence is a random segment of 12 to 24 tokens, repeated until 48 are full. Within its first
occurrence hardly anything can be predicted; from its second on everything can, by finding the current token
earlier in the context and copying what followed it. One attention layer cannot do that; two can, the first
telling each position which token came before it, the second looking for that (Olsson et al. 2022,
arXiv:2209.11895). For hundreds of steps the network learns little but that tokens of the context come again;
then the two heads form together, within 200 steps.

    python examples/induction.py induction.parquet
    python examples/induction.py one_layer.parquet --control one_layer

A sample of the probe is a set of positions in one sequence; its loss is their mean negative log-likelihood of
the next token. Each repeated sequence gives two samples: `repeated`, the positions whose next token induction
heads would find, and `fresh`, those whose next token is still of the first occurrence. A `random` sample is a
whole sequence of independent tokens. The probe is the same in every control.

The logged scalar `in_context_accuracy` is the share of repeated positions predicted, on 128 other sequences:
the transition (T10, T50, T90) is where it crosses 0.1, 0.5 and 0.9. It can reach 1, since the tokens of a
segment all differ.
"""

import argparse
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import rdmtools as rdm

VOCABULARY, LENGTH, WIDTH = 64, 48, 64
SHORTEST, LONGEST = 12, 24  # of a segment, in tokens
HELD_OUT = 128  # sequences that measure the accuracy
FORMING_STEPS = 2000  # before the log begins, where the heads have already formed

CONTROLS = {
    "one_layer": "one attention layer, same data: it can only learn which tokens are likelier to come again",
    "no_repeats": "same network, sequences of independent tokens: there is nothing to learn",
    "already_formed": f"same recipe, logged after {FORMING_STEPS} steps: accuracy near 1, confidence grows",
}


class Attention(nn.Module):
    """One causal head on the layer-normed stream, added to it."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.query_key_value = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.out = nn.Linear(WIDTH, WIDTH, bias=False)

    def forward(self, stream: torch.Tensor) -> torch.Tensor:
        query, key, value = self.query_key_value(self.norm(stream)).chunk(3, dim=-1)
        return stream + self.out(functional.scaled_dot_product_attention(query, key, value, is_causal=True))


class Transformer(nn.Module):
    """Attention layers and nothing else between the embeddings and the logits."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.token = nn.Embedding(VOCABULARY, WIDTH)
        # Smaller than torch's 1, so that the heads form sooner: AdamW's steps do not scale with the weights.
        nn.init.normal_(self.token.weight, std=0.3)
        self.position = nn.Parameter(0.02 * torch.randn(LENGTH, WIDTH))
        self.norm = nn.LayerNorm(WIDTH)
        self.logits = nn.Linear(WIDTH, VOCABULARY, bias=False)
        # The layers come last, so that one layer starts from the same weights as the first of two.
        self.layers = nn.Sequential(*(Attention() for _ in range(layers)))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        stream = self.token(tokens) + self.position[: tokens.shape[1]]
        return self.logits(self.norm(self.layers(stream)))


@dataclass(frozen=True, kw_only=True)
class Probe:
    tokens: torch.Tensor  # (sequences, length)
    sequence: torch.Tensor  # (samples,): whose losses the sample's are, a row of tokens
    counts: torch.Tensor  # (samples, length - 1): 1 where the position counts for the sample's loss, else 0
    groups: list[str]  # of each sample


def make_model(seed: int, *, layers: int = 2) -> Transformer:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Transformer(layers)


def repeated_sequences(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Sequences (count, length) of one segment each, again and again, and the segments' lengths (count,)."""
    segments = rng.permuted(np.tile(np.arange(VOCABULARY), (count, 1)), axis=1)
    periods = rng.integers(SHORTEST, LONGEST + 1, count)
    return np.take_along_axis(segments, np.arange(LENGTH) % periods[:, None], axis=1), periods


def random_sequences(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.integers(VOCABULARY, size=(count, LENGTH))


def training_sequences(rng: np.random.Generator, count: int, control: str | None) -> torch.Tensor:
    if control == "no_repeats":
        return torch.from_numpy(random_sequences(rng, count))
    return torch.from_numpy(repeated_sequences(rng, count)[0])


def repeated_positions(periods: np.ndarray) -> np.ndarray:
    """Where the current token came before and so its successor is known, (count, length - 1).

    The last token of the first occurrence counts in neither set: its successor came before, it did not.
    """
    return np.arange(LENGTH - 1) >= periods[:, None]


def fresh_positions(periods: np.ndarray) -> np.ndarray:
    """Where the next token is still of the segment's first occurrence, (count, length - 1)."""
    return np.arange(1, LENGTH) < periods[:, None]


def make_probe(seed: int, size: int = 160) -> Probe:
    """Two fifths of the samples are repeated, two fifths fresh (of the same sequences), the rest random."""
    rng = np.random.default_rng([seed, 1])
    pairs = 2 * size // 5
    others = size - 2 * pairs
    sequences, periods = repeated_sequences(rng, pairs)
    everywhere = np.ones((others, LENGTH - 1), dtype=bool)
    tokens = np.concatenate([sequences, random_sequences(rng, others)])
    sequence = np.concatenate([np.arange(pairs), np.arange(pairs + others)])
    counts = np.concatenate([repeated_positions(periods), fresh_positions(periods), everywhere])
    return Probe(
        tokens=torch.from_numpy(tokens),
        sequence=torch.from_numpy(sequence),
        counts=torch.from_numpy(counts).float(),
        groups=["repeated"] * pairs + ["fresh"] * pairs + ["random"] * others,
    )


def token_losses(model: nn.Module, tokens: torch.Tensor) -> torch.Tensor:
    """Negative log-likelihood of each next token, (sequences, length - 1)."""
    logits = model(tokens)[:, :-1]
    return functional.cross_entropy(logits.transpose(1, 2), tokens[:, 1:], reduction="none")


@torch.no_grad()
def probe_losses(model: nn.Module, probe: Probe) -> torch.Tensor:
    """Mean over the positions that count, (samples,)."""
    device = next(model.parameters()).device
    losses = token_losses(model, probe.tokens.to(device))[probe.sequence.to(device)]
    counts = probe.counts.to(device)
    return (losses * counts).sum(dim=1) / counts.sum(dim=1)


@torch.no_grad()
def in_context_accuracy(model: nn.Module, tokens: torch.Tensor, repeated: torch.Tensor) -> float:
    """Share of the repeated positions whose next token is the likeliest."""
    hits = model(tokens)[:, :-1].argmax(dim=-1) == tokens[:, 1:]
    return hits[repeated].float().mean().item()


def norm(tensors: list[torch.Tensor]) -> float:
    return torch.stack([tensor.detach().norm() for tensor in tensors]).norm().item()


def train(
    path: str,
    *,
    control: str | None = None,
    seed: int = 0,
    device: str = "cpu",
    log_every: int = 3,
    probe_size: int = 160,
    steps: int = 1000,
    learning_rate: float = 6e-4,
    batch: int = 16,
) -> None:
    model = make_model(seed, layers=1 if control == "one_layer" else 2).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate)
    rng = np.random.default_rng([seed, 0])
    probe = make_probe(seed, probe_size)
    sequences, periods = repeated_sequences(np.random.default_rng([seed, 2]), HELD_OUT)
    held_out = torch.from_numpy(sequences).to(device)
    repeated = torch.from_numpy(repeated_positions(periods)).to(device)

    first_step = -FORMING_STEPS if control == "already_formed" else 0
    metadata = {
        "example": "induction",
        "control": control or "none",
        "seed": seed,
        "learning_rate": learning_rate,
        "batch": batch,
    }
    with rdm.ProbeLogger(
        path, samples={"group": probe.groups}, metadata=metadata, unit="nats", overwrite=True
    ) as log:
        for step in range(first_step, steps + 1):
            loss = token_losses(model, training_sequences(rng, batch, control).to(device)).mean()
            optimizer.zero_grad()
            loss.backward()
            if step >= 0 and step % log_every == 0:
                log(step, probe_losses(model, probe))
                log.scalars(
                    step,
                    loss=loss.item(),
                    gradient_norm=norm([parameter.grad for parameter in model.parameters()]),
                    weight_norm=norm(list(model.parameters())),
                    in_context_accuracy=in_context_accuracy(model, held_out, repeated),
                )
            optimizer.step()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("path", help="where the run goes, such as induction.parquet; overwritten")
    controls = "\n".join(f"{name}: {difference}" for name, difference in CONTROLS.items())
    parser.add_argument("--control", choices=CONTROLS, help=controls)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--log-every", type=int, default=3)
    parser.add_argument("--probe-size", type=int, default=160)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--learning-rate", type=float, default=6e-4)
    parser.add_argument("--batch", type=int, default=16)
    torch.set_num_threads(1)  # the fastest for a network this small, and the same file each time
    train(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
