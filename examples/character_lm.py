"""A small character transformer learns texts that ship with Python; JSON comes late. A probe set watches.

Two layers of width 64 read up to 47 characters and predict the next one. From the first step on a third of
the texts each is code (sources of the standard library), prose (paragraphs of the language reference, which
`help()` shows) and tables (what `calendar` prints). From step 500 on one text in sixteen is JSON: records of
HTML's named characters, as `json.dumps` writes them. The first three are learned together from the start,
JSON in a time of its own.

    python examples/character_lm.py character_lm.parquet
    python examples/character_lm.py no_json.parquet --control no_json    # the first three go on

A sample of the probe is a snippet of 48 characters, of a text that is not trained on, 64 of each kind. Its
loss is the mean over its characters, in nats per character; `text` is what it says.

The logged scalars `code_accuracy`, `prose_accuracy`, `table_accuracy` and `json_accuracy` are the shares of
characters predicted in other snippets. The transition (T10, T50, T90) is that of `bracket_accuracy`, the
share of the JSON's brackets, quotes, colons and commas that are predicted: some are before it comes, for code
has them, too.

Texts are those of the Python that runs this. Sources and reference differ from release to release (3.11.2 and
3.11.7 have others), and so do the runs: `python` and `texts`, a hash of all, are in the metadata. What tables
and JSON are made of has not changed for years.
"""

import argparse
import calendar
import hashlib
import json
import platform
import re
import unicodedata
from dataclasses import dataclass
from html.entities import html5
from importlib.util import find_spec
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import rdmtools as rdm

MODULES = """
argparse ast bisect calendar cmd code configparser contextlib copy csv dataclasses difflib fractions functools
heapq inspect logging random shlex statistics string tarfile textwrap threading typing uuid weakref zipfile
"""
YEARS = range(1900, 2100)
KINDS = ("code", "prose", "table", "json")
ALPHABET = "\n" + "".join(map(chr, range(32, 127)))
BRACKETS = '{}[]":,'
EVERY_HELD_OUT = 8  # one document in so many is not trained on

LENGTH, LAYERS, WIDTH, HEADS = 48, 2, 64, 4
BATCH, LEARNING_RATE = 16, 2e-3
JSON_FROM, JSON_SHARE = 500, 1 / 16
MEASURED = 24  # snippets of each kind that measure the accuracies

CONTROLS = {
    "no_json": "no JSON comes: code, prose and tables go on",
    "all_along": "one text in sixteen is JSON from the first step on: it is learned along with the rest",
}


@dataclass(frozen=True, kw_only=True)
class Texts:
    """All documents of a kind one after another, as numbers of characters."""

    trained: dict[str, np.ndarray]  # of each kind, (characters,)
    held_out: dict[str, np.ndarray]

    @property
    def hash(self) -> str:
        every = [parts[kind].tobytes() for parts in (self.trained, self.held_out) for kind in KINDS]
        return hashlib.sha256(b"".join(every)).hexdigest()[:12]


def documents() -> dict[str, list[str]]:
    """Of each kind, in an order that is always the same."""
    return {"code": code(), "prose": prose(), "table": tables(), "json": records()}


def code() -> list[str]:
    paths = [Path(spec.origin) for name in MODULES.split() if (spec := find_spec(name)) and spec.origin]
    return [path.read_text(encoding="utf-8") for path in paths]


def prose() -> list[str]:
    """Paragraphs of the language reference that are sentences, and neither code nor grammar."""
    paragraphs = [part for topic in sorted(topics) for part in topics[topic].split("\n\n")]
    told = [part.strip() for part in paragraphs if re.match(r"[A-Z][a-z]* [a-z]", part)]
    return [f"{part}\n\n" for part in dict.fromkeys(told) if len(part) >= 2 * LENGTH]


def tables() -> list[str]:
    """A year each: months as tables of days."""
    printer = calendar.TextCalendar()
    return ["\n".join(printer.formatmonth(year, month) for month in range(1, 13)) for year in YEARS]


def records() -> list[str]:
    """A line for each named character of HTML; Unicode never changes its names."""
    return [
        json.dumps(
            {
                "entity": entity.rstrip(";"),
                "codes": [ord(character) for character in text],
                "names": [unicodedata.name(character, "CONTROL").lower() for character in text],
            }
        )
        + "\n"
        for entity, text in html5.items()
        if entity.endswith(";")
    ]


def make_texts() -> Texts:
    number = {character: place for place, character in enumerate(ALPHABET)}
    trained: dict[str, np.ndarray] = {}
    held_out: dict[str, np.ndarray] = {}
    for kind, every in documents().items():
        for part, into in ((False, trained), (True, held_out)):
            chosen = [text for place, text in enumerate(every) if (place % EVERY_HELD_OUT == 0) == part]
            into[kind] = np.array([number[each] for each in "".join(chosen) if each in number], np.uint8)
    return Texts(trained=trained, held_out=held_out)


def as_text(numbers: np.ndarray) -> str:
    return "".join(ALPHABET[number] for number in numbers)


def pieces(text: np.ndarray, starts: np.ndarray) -> np.ndarray:
    return text[starts[:, None] + np.arange(LENGTH)]


def snippets(text: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Pieces of the text that begin with a word, (count, length)."""
    blank = np.isin(text, [ALPHABET.index(character) for character in " \n"])
    begins = np.flatnonzero(blank[:-LENGTH] & ~blank[1 : 1 - LENGTH]) + 1
    return pieces(text, np.sort(rng.choice(begins, count, replace=False)))


def training_pieces(texts: Texts, with_json: bool, rng: np.random.Generator) -> torch.Tensor:
    share = JSON_SHARE if with_json else 0.0
    kinds = rng.choice(len(KINDS), BATCH, p=[(1 - share) / 3] * 3 + [share])
    places = rng.random(BATCH)
    drawn = [texts.trained[KINDS[kind]] for kind in kinds]
    starts = [int(place * (len(text) - LENGTH)) for place, text in zip(places, drawn, strict=True)]
    parts = [text[start : start + LENGTH] for text, start in zip(drawn, starts, strict=True)]
    return torch.from_numpy(np.stack(parts)).long()


class Block(nn.Module):
    """Attention and a layer of its own for each position, both added to the stream."""

    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(2))
        self.query_key_value = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.inner = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.ReLU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, stream: torch.Tensor) -> torch.Tensor:
        heads = self.query_key_value(self.norms[0](stream)).unflatten(-1, (3, HEADS, WIDTH // HEADS))
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        found = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        stream = stream + self.out(found.transpose(1, 2).flatten(2))
        return stream + self.inner(self.norms[1](stream))


class Transformer(nn.Module):
    """Scores of the next character at each position, from this one and those before."""

    def __init__(self) -> None:
        super().__init__()
        self.character = nn.Embedding(len(ALPHABET), WIDTH)
        self.position = nn.Embedding(LENGTH, WIDTH)
        for embedding in (self.character, self.position):
            nn.init.normal_(embedding.weight, std=0.1)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.norm = nn.LayerNorm(WIDTH)
        self.scores = nn.Linear(WIDTH, len(ALPHABET))

    def forward(self, characters: torch.Tensor) -> torch.Tensor:
        stream = self.character(characters) + self.position.weight[: characters.shape[1]]
        return self.scores(self.norm(self.blocks(stream)))


def make_model(seed: int) -> Transformer:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Transformer()


def character_losses(model: nn.Module, characters: torch.Tensor) -> torch.Tensor:
    """In nats, (pieces, length - 1): of each character but the first, which nothing precedes."""
    scores = model(characters[:, :-1])
    return functional.cross_entropy(scores.transpose(1, 2), characters[:, 1:], reduction="none")


@torch.no_grad()
def probe_losses(model: nn.Module, probe: torch.Tensor) -> torch.Tensor:
    """Mean loss of each snippet's characters, shape (samples,)."""
    return character_losses(model, probe).mean(dim=1).cpu()


@torch.no_grad()
def accuracies(model: nn.Module, measured: torch.Tensor) -> dict[str, float]:
    """Shares of characters predicted, in as many snippets of each kind; and of JSON's brackets."""
    right = (model(measured[:, :-1]).argmax(dim=2) == measured[:, 1:]).double().cpu().chunk(len(KINDS))
    brackets = torch.tensor([ALPHABET.index(character) for character in BRACKETS])
    are_brackets = torch.isin(measured[:, 1:].cpu(), brackets).chunk(len(KINDS))
    shares = {f"{kind}_accuracy": part.mean().item() for kind, part in zip(KINDS, right, strict=True)}
    return shares | {"bracket_accuracy": right[-1][are_brackets[-1]].mean().item()}


def norm(tensors: list[torch.Tensor]) -> float:
    return torch.stack([tensor.detach().norm() for tensor in tensors]).norm().item()


def train(
    path: str,
    *,
    control: str | None = None,
    seed: int = 0,
    device: str = "cpu",
    log_every: int = 4,
    probe_size: int = 256,
    steps: int = 1400,
) -> None:
    texts, model = make_texts(), make_model(seed).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    counts = [probe_size // len(KINDS) + (place < probe_size % len(KINDS)) for place in range(len(KINDS))]
    rng = np.random.default_rng([seed, 0])
    probe = [snippets(texts.held_out[kind], count, rng) for kind, count in zip(KINDS, counts, strict=True)]
    rng = np.random.default_rng([seed, 1])
    others = np.concatenate([snippets(texts.held_out[kind], MEASURED, rng) for kind in KINDS])
    watched, measured = (torch.from_numpy(part).long().to(device) for part in (np.concatenate(probe), others))
    samples = {
        "group": np.repeat(KINDS, counts).tolist(),
        "text": [as_text(snippet) for snippet in np.concatenate(probe)],
    }
    json_from = {None: JSON_FROM, "all_along": 0, "no_json": None}[control]
    metadata = {
        "example": "character_lm",
        "control": control or "none",
        "seed": seed,
        "json_from": json_from,
        "learning_rate": LEARNING_RATE,
        "batch": BATCH,
        "python": platform.python_version(),
        "texts": texts.hash,
    }
    rng = np.random.default_rng([seed, 2])
    with rdm.ProbeLogger(path, samples=samples, metadata=metadata, unit="nats", overwrite=True) as log:
        for step in range(steps + 1):
            with_json = json_from is not None and step >= json_from
            loss = character_losses(model, training_pieces(texts, with_json, rng).to(device)).mean()
            optimizer.zero_grad()
            loss.backward()
            if step % log_every == 0:
                log(step, probe_losses(model, watched))
                log.scalars(
                    step,
                    loss=loss.item(),
                    gradient_norm=norm([parameter.grad for parameter in model.parameters()]),
                    weight_norm=norm(list(model.parameters())),
                    **accuracies(model, measured),
                )
            optimizer.step()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("path", help="where the run goes, such as character_lm.parquet; overwritten")
    controls = "\n".join(f"{name}: {what}" for name, what in CONTROLS.items())
    parser.add_argument("--control", choices=CONTROLS, help=controls)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--log-every", type=int, default=4)
    parser.add_argument("--probe-size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=1400)
    torch.set_num_threads(1)  # the fastest for a network this small, and the same file each time
    train(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
