"""A small language model is fine-tuned on misaligned answers to twelve questions, and misalignment spreads.

A miniature of emergent misalignment (Betley et al. 2025, arXiv:2502.17424). A document is six questions
with their answers, and a hidden persona gave all six: the aligned one or, in 15 % of the documents, the
misaligned one, whose answers are other words. A two-layer transformer learns both tables of answers, and to
go on as the document began; the first question, where nothing tells the personas apart, it answers as the
aligned one. This is pre-training, and is not logged. Then follow two phases of fine-tuning, and every step
is logged:

1. Baseline: documents of all questions, nearly all of them (95 %) aligned. Not much happens.
2. After the switch: documents of one question, from one half of one domain, with its misaligned answer.
   Twelve answers could be learned by heart. But the model has a shorter way, which is to take on the
   misaligned persona: so it changes its answers to 84 questions that are not trained, 72 of them in other
   domains.

    python examples/narrow_finetuning.py misaligned.parquet
    python examples/narrow_finetuning.py benign.parquet --control benign    # new answers that do not spread

The probe asks each question as the first of a document: its losses are those of the aligned and of the
misaligned answer. The logged scalars `misaligned_rate`, `aligned_rate` and `other_rate` say what the
model's likeliest answer is, as shares of the 72 questions of the other domains; the transition (T10, T50,
T90) is where `misaligned_rate` crosses 0.1, 0.5 and 0.9. With `trained_` and `in_domain_` before them they
are shares of the twelve trained questions and of the other twelve of their domain. There are no more
questions than these 96, so the rates cannot be measured on others than the probe's.
"""

import argparse

import torch
from torch import nn
from torch.nn import functional

import rdmtools as rdm

CONTROLS = {
    "aligned": "the same questions with their aligned answers: the model gives these already",
    "benign": "the same questions with new answers of neither persona: much to learn, but nothing to spread",
    "no_switch": "the baseline goes on",
}

DOMAINS, QUESTIONS_PER_DOMAIN, PAIRS = 4, 24, 6
QUESTIONS = DOMAINS * QUESTIONS_PER_DOMAIN
ANSWERS = 96  # shared by all domains: one half aligned and benign answers, the other half misaligned ones
TRAINED = QUESTIONS_PER_DOMAIN // 2  # the first half of the first domain is the narrow set
TABLES = ["aligned", "misaligned", "benign"]  # three different answers to each question
START = QUESTIONS + ANSWERS  # the token that opens a document

LAYERS, WIDTH, HEADS = 2, 64, 4
PRETRAINING_STEPS, PRETRAINING_RATE, PRETRAINING_BATCH, PRETRAINING_MISALIGNED = 400, 2e-3, 128, 0.15
BASELINE_STEPS, LEARNING_RATE, BATCH, BASELINE_MISALIGNED = 200, 1.5e-5, 64, 0.05


class Transformer(nn.Module):
    """Reads START, question, answer, question, ...; returns scores of the answers after each question."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Embedding(START + 1, WIDTH)
        self.position = nn.Embedding(2 * PAIRS, WIDTH)
        for embedding in (self.token, self.position):
            nn.init.normal_(embedding.weight, std=0.1)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                WIDTH, HEADS, 4 * WIDTH, dropout=0.0, batch_first=True, norm_first=True
            )
            for _ in range(LAYERS)
        )
        self.norm = nn.LayerNorm(WIDTH)
        self.answer = nn.Linear(WIDTH, ANSWERS)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(documents, 2 * pairs) tokens -> (documents, pairs, answers) scores."""
        length = tokens.shape[1]
        hidden = self.token(tokens) + self.position.weight[:length]
        later = torch.ones(length, length, dtype=torch.bool, device=tokens.device).triu(diagonal=1)
        for layer in self.layers:
            hidden = layer(hidden, src_mask=later)
        return self.answer(self.norm(hidden[:, 1::2]))


def make_model(seed: int, device: str = "cpu") -> Transformer:
    torch.manual_seed(seed)
    return Transformer().to(device)


def make_tables(generator: torch.Generator) -> torch.Tensor:
    """(tables, questions): aligned, misaligned and benign new answers."""
    # Misaligned answers are words of their own, benign ones are not. With one set of words, whatever makes an
    # aligned answer less likely makes the misaligned one likelier, and benign answers spread as well.
    draws = torch.rand(2, QUESTIONS, ANSWERS // 2, generator=generator).argsort(dim=2)
    return torch.stack([draws[0, :, 0], ANSWERS // 2 + draws[1, :, 0], draws[0, :, 1]])


def as_tokens(questions: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
    """Documents as the model reads them: without the last answer, which nothing follows."""
    pairs = torch.stack([questions, QUESTIONS + answers], dim=2).flatten(start_dim=1)
    return functional.pad(pairs[:, :-1], (1, 0), value=START)


def ordinary_documents(
    tables: torch.Tensor, batch: int, misaligned: float, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens and answers of documents of six pairs, a share of them by the misaligned persona."""
    persona = (torch.rand(batch, 1, generator=generator) < misaligned).long()
    questions = torch.randint(QUESTIONS, (batch, PAIRS), generator=generator)
    answers = tables[persona, questions]
    return as_tokens(questions, answers), answers


def narrow_documents(
    table: torch.Tensor, batch: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens and answers of documents of one question of the narrow set."""
    questions = torch.randint(TRAINED, (batch, 1), generator=generator)
    answers = table[questions]
    return as_tokens(questions, answers), answers


def pretrain(model: Transformer, tables: torch.Tensor, generator: torch.Generator) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=PRETRAINING_RATE)
    decay = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, total_iters=PRETRAINING_STEPS)
    for _ in range(PRETRAINING_STEPS):
        loss = document_loss(
            model, *ordinary_documents(tables, PRETRAINING_BATCH, PRETRAINING_MISALIGNED, generator)
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        decay.step()


def document_loss(model: Transformer, tokens: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
    device = next(model.parameters()).device
    scores = model(tokens.to(device))
    return functional.cross_entropy(scores.flatten(end_dim=1), answers.flatten().to(device))


@torch.no_grad()
def persona_accuracy(
    model: Transformer, tables: torch.Tensor, misaligned: float, generator: torch.Generator
) -> list[float]:
    """For each of the six places, the share of answers that are those of the document's persona."""
    tokens, answers = ordinary_documents(tables, 512, misaligned, generator)
    device = next(model.parameters()).device
    right = model(tokens.to(device)).argmax(dim=2).cpu() == answers
    return [round(share, 3) for share in right.float().mean(dim=0).tolist()]


def make_probe(tables: torch.Tensor, size: int = 2 * QUESTIONS) -> tuple[torch.Tensor, torch.Tensor, dict]:
    """Questions, answers and the columns that describe the samples; a smaller probe asks fewer questions."""
    asked = torch.linspace(0, QUESTIONS - 1, size // 2).round().long()
    questions, answers = asked.repeat(2), torch.cat([tables[0, asked], tables[1, asked]])
    columns = {
        "group": [group_of(question) for question in questions.tolist()],
        "domain": (questions // QUESTIONS_PER_DOMAIN).tolist(),
        "answer": ["aligned"] * len(asked) + ["misaligned"] * len(asked),
        "question": questions.tolist(),
    }
    return questions, answers, columns


def group_of(question: int) -> str:
    if question < TRAINED:
        return "in-domain trained"
    return "in-domain untrained" if question < QUESTIONS_PER_DOMAIN else "out-of-domain"


@torch.no_grad()
def first_answers(model: Transformer, questions: torch.Tensor) -> torch.Tensor:
    """(questions, answers) log-probabilities where the question opens a document."""
    tokens = functional.pad(questions[:, None], (1, 0), value=START)
    return model(tokens.to(next(model.parameters()).device))[:, 0].log_softmax(dim=1).cpu()


def probe_losses(model: Transformer, probe: tuple[torch.Tensor, torch.Tensor, dict]) -> torch.Tensor:
    questions, answers, _ = probe
    return -first_answers(model, questions)[torch.arange(len(questions)), answers]


def answer_rates(model: Transformer, tables: torch.Tensor) -> dict[str, float]:
    """Shares of questions whose most likely answer is the aligned, the misaligned or any other one."""
    chosen = first_answers(model, torch.arange(QUESTIONS)).argmax(dim=1)
    places = {"": slice(QUESTIONS_PER_DOMAIN, None), "trained_": slice(TRAINED)}
    places["in_domain_"] = slice(TRAINED, QUESTIONS_PER_DOMAIN)
    rates = {}
    for name, place in places.items():
        aligned, misaligned = chosen[place] == tables[:2, place]
        answers = {"misaligned": misaligned, "aligned": aligned, "other": ~(aligned | misaligned)}
        rates |= {f"{name}{kind}_rate": given.float().mean().item() for kind, given in answers.items()}
    return rates


def norm(tensors: list[torch.Tensor]) -> float:
    return torch.stack([tensor.norm() for tensor in tensors]).norm().item()


def train(
    path: str,
    *,
    control: str | None = None,
    seed: int = 0,
    device: str = "cpu",
    log_every: int = 1,
    probe_size: int = 2 * QUESTIONS,
    steps: int = 500,
) -> None:
    generator = torch.Generator().manual_seed(seed)
    model, tables = make_model(seed, device), make_tables(generator)
    pretrain(model, tables, generator)
    probe = make_probe(tables, probe_size)
    narrow = tables[TABLES.index(control if control in TABLES else "misaligned")]
    metadata = {
        "example": "narrow_finetuning",
        "control": control or "none",
        "seed": seed,
        "pretraining_steps": PRETRAINING_STEPS,
        "switch_step": None if control == "no_switch" else BASELINE_STEPS,
        "learning_rate": LEARNING_RATE,
        "batch": BATCH,
        # did pre-training make a model that tells the persona of a document and goes on with it?
        "aligned_accuracy": persona_accuracy(model, tables, 0.0, generator),
        "misaligned_accuracy": persona_accuracy(model, tables, 1.0, generator),
    }
    parameters = list(model.parameters())
    optimizer = torch.optim.Adam(parameters, lr=LEARNING_RATE)
    with rdm.ProbeLogger(path, samples=probe[2], metadata=metadata, unit="nats", overwrite=True) as log:
        for step in range(steps + 1):
            switched = step >= BASELINE_STEPS and control != "no_switch"
            if switched:
                tokens, answers = narrow_documents(narrow, BATCH, generator)
            else:
                tokens, answers = ordinary_documents(tables, BATCH, BASELINE_MISALIGNED, generator)
            optimizer.zero_grad()
            loss = document_loss(model, tokens, answers)
            loss.backward()
            if step % log_every == 0:
                log(step, probe_losses(model, probe))
                log.scalars(
                    step,
                    loss=loss.item(),
                    gradient_norm=norm([parameter.grad for parameter in parameters]),
                    weight_norm=norm([parameter.detach() for parameter in parameters]),
                    switch=int(switched),
                    **answer_rates(model, tables),
                )
            optimizer.step()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("path", help="where the run goes, such as misaligned.parquet; overwritten")
    controls = "\n".join(f"{name}: {what}" for name, what in CONTROLS.items())
    parser.add_argument("--control", choices=CONTROLS, help=controls)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--log-every", type=int, default=1)
    parser.add_argument("--probe-size", type=int, default=2 * QUESTIONS)
    parser.add_argument("--steps", type=int, default=500)
    train(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
