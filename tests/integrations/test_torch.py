"""PyTorch: the probe's losses are the model's own, whatever the batches, and the training does not notice."""

import random
from collections import OrderedDict, namedtuple

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402
from torch.utils import data  # noqa: E402

from rdmtools import ParameterError, ProbeLogger, read_run  # noqa: E402
from rdmtools.integrations import probe_set  # noqa: E402
from rdmtools.integrations.torch import (  # noqa: E402
    GaussianProbe,
    language_model_loss,
    per_sample_losses,
    state,
    token_nll,
)

SAMPLES, FEATURES, CLASSES = 23, 7, 4
VOCABULARY, IGNORED = 11, -100

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def network(dtype=torch.float32):
    """BatchNorm, whose buffers training moves, and dropout, which draws."""
    layers = [nn.Linear(FEATURES, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Dropout(0.5), nn.Linear(16, CLASSES)]
    model = nn.Sequential(*layers).to(dtype)
    model(torch.randn(50, FEATURES, dtype=dtype))  # statistics that are not the first
    return model


def samples(dtype=torch.float32):
    return torch.randn(SAMPLES, FEATURES, dtype=dtype), torch.randint(CLASSES, (SAMPLES,))


def batches(pair, size):
    return list(zip(*(each.split(size) for each in pair), strict=True))


def by_hand(model, pair):
    """In double precision, one sample at a time, by the definition."""
    twin = network().double()
    twin.load_state_dict(model.state_dict())
    twin.eval()
    with torch.no_grad():
        logits = [twin(row[None].double())[0] for row in pair[0]]
    return [float(torch.logsumexp(row, 0) - row[label]) for row, label in zip(logits, pair[1], strict=True)]


def bits(tensor):
    return tensor.detach().reshape(-1).view(torch.uint8).tolist()


def everything(model):
    """All that a training would notice: as bytes, so that NaN and the sign of zero count."""
    return {
        "tensors": {name: (id(each), bits(each)) for name, each in model.state_dict(keep_vars=True).items()},
        "gradients": [None if each.grad is None else bits(each.grad) for each in model.parameters()],
        "versions": [each._version for each in model.parameters()],
        "flags": [module.training for module in model.modules()],
        "torch": bits(torch.get_rng_state()),
        "numpy": str(np.random.get_state(legacy=False)),  # noqa: NPY002
        "python": random.getstate(),
        "modes": (
            torch.is_grad_enabled(),
            torch.is_autocast_enabled("cpu"),
            torch.is_autocast_cache_enabled(),
        ),
    }


# losses


@pytest.mark.parametrize("size", [1, 2, 5, SAMPLES])
def test_losses_are_those_of_the_definition_whatever_the_batch_size(size):
    model, pair = network(), samples()
    losses = per_sample_losses(model, batches(pair, size))
    assert (losses.shape, losses.dtype) == ((SAMPLES,), np.float32)
    np.testing.assert_allclose(losses, by_hand(model, pair), rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("size", [1, 5])
def test_double_precision_stays(size):
    model, pair = network(torch.float64), samples(torch.float64)
    losses = per_sample_losses(model, batches(pair, size))
    assert losses.dtype == np.float64
    np.testing.assert_allclose(losses, by_hand(model, pair), rtol=1e-13)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("how", ["model", "autocast", "caller"])
def test_half_precision_gives_losses_in_float32(dtype, how):
    model, pair = network(), samples()
    reference = by_hand(model, pair)
    if how == "model":
        losses = per_sample_losses(model.to(dtype), batches((pair[0].to(dtype), pair[1]), 5))
    elif how == "autocast":
        losses = per_sample_losses(model, batches(pair, 5), autocast=dtype)
    else:
        with torch.autocast("cpu", dtype):
            losses = per_sample_losses(model, batches(pair, 5))
    assert losses.dtype == np.float32
    np.testing.assert_allclose(losses, reference, atol=0.05)
    assert abs(losses - reference).max() > 1e-5  # it was narrow indeed


def test_autocast_caches_no_weight_that_training_would_miss_the_gradient_of():
    model, pair = network(), samples()
    with torch.autocast("cpu", torch.bfloat16):
        per_sample_losses(model, batches(pair, 5))
        functional.cross_entropy(model(pair[0]), pair[1]).backward()
    assert all(each.grad is not None for each in model.parameters())


def test_a_loss_function_of_ones_own():
    model, (inputs, _) = network(), samples()
    targets = torch.randn(SAMPLES, CLASSES)
    losses = per_sample_losses(
        model,
        batches((inputs, targets), 5),
        lambda model, batch: (model(batch[0]) - batch[1]).square().mean(1),
    )
    with torch.no_grad():
        expected = [
            float(((model.eval()(x[None])[0] - y) ** 2).mean()) for x, y in zip(inputs, targets, strict=True)
        ]
    np.testing.assert_allclose(losses, expected, rtol=2e-6)


Named = namedtuple("Named", "inputs targets")


class Tokenized(OrderedDict):
    """A tokenizer's batch: it moves itself, in place."""

    def to(self, place):
        for name in self:
            self[name] = self[name].to(place)
        return self


@pytest.mark.parametrize("shape", ["dict", "named", "nested", "tokenized"])
def test_batches_of_any_structure_are_moved_and_the_callers_stay(shape):
    seen = []

    def loss_fn(model, batch):
        seen.append(batch)
        return torch.zeros(SAMPLES)

    inputs, targets = samples()
    batch = {
        "dict": {"inputs": inputs, "texts": ["a"] * SAMPLES},
        "named": Named(inputs, targets),
        "nested": [(inputs, {"targets": targets})],
        "tokenized": Tokenized(inputs=inputs, targets=targets),
    }[shape]
    per_sample_losses(network(), [batch], loss_fn, device="meta")
    assert type(seen[0]) is type(batch)
    leaves = {
        "dict": lambda b: [b["inputs"]],
        "named": lambda b: [b.inputs, b.targets],
        "nested": lambda b: [b[0][0], b[0][1]["targets"]],
        "tokenized": lambda b: list(b.values()),
    }[shape]
    assert {leaf.device.type for leaf in leaves(seen[0])} == {"meta"}
    assert {leaf.device.type for leaf in leaves(batch)} == {"cpu"}


# what training would notice


@pytest.mark.parametrize("how", ["losses", "draws"])
@pytest.mark.parametrize("end", ["well", RuntimeError, KeyboardInterrupt])
def test_training_does_not_notice(how, end):
    model, pair = network(), samples()
    functional.cross_entropy(model(pair[0]), pair[1]).backward()
    model[1].eval()  # a frozen BatchNorm stays one
    model[0].bias.data[0] = torch.tensor([-123], dtype=torch.int32).view(torch.float32)[0]  # a NaN of its own
    model[4].bias.data[0] = -0.0
    seen = []

    def loss_fn(model, batch):
        seen.append(({module.training for module in model.modules()}, torch.is_grad_enabled()))
        model[1].running_mean.add_(1)
        model[1].num_batches_tracked = torch.tensor(0)
        random.random(), np.random.random(), torch.rand(3)  # noqa: NPY002
        if end != "well" and len(seen) == 7:
            raise end
        return functional.cross_entropy(model(batch[0]), batch[1], reduction="none")

    def evaluate():
        if how == "losses":
            per_sample_losses(model, batches(pair, 3), loss_fn, autocast=torch.bfloat16)
        else:
            GaussianProbe(model, 0.1, draws=2, seed=0)(5, batches(pair, 6), loss_fn, autocast=torch.bfloat16)

    before = everything(model)
    if end == "well":
        evaluate()
    else:
        with pytest.raises(end):
            evaluate()
    assert everything(model) == before
    assert len(seen) >= 7
    assert all(each == ({False}, False) for each in seen)


@pytest.mark.parametrize("how", ["losses", "draws"])
@pytest.mark.parametrize("write", range(1, 30, 3))
def test_an_interrupt_while_things_are_put_back_leaves_none_behind(how, write, monkeypatch):
    model, pair = network(), samples()
    before, writes, done = everything(model), [], []
    real = state.overwrite

    def interrupted(tensor, values):
        writes.append(tensor)
        if done and len(writes) == done[0] + write:
            raise KeyboardInterrupt
        real(tensor, values)

    def loss_fn(model, batch):
        done[:] = [len(writes)]
        return functional.cross_entropy(model(batch[0]), batch[1], reduction="none")

    monkeypatch.setattr(state, "overwrite", interrupted)
    monkeypatch.setattr("rdmtools.integrations.torch.draws.overwrite", interrupted)
    try:
        if how == "losses":
            per_sample_losses(model, batches(pair, SAMPLES), loss_fn)
        else:
            GaussianProbe(model, 0.1, draws=1, seed=0)(0, batches(pair, SAMPLES), loss_fn)
    except KeyboardInterrupt:
        pass
    else:
        assert len(writes) < done[0] + write  # there was nothing left to interrupt
    assert everything(model) == before


@pytest.mark.parametrize("how", ["losses", "draws"])
def test_a_backward_that_is_under_way_gives_the_same_gradients(how):
    model, pair = network(), samples()
    gradients = []
    for watched in (False, True):
        torch.manual_seed(1)
        model.zero_grad()
        loss = functional.cross_entropy(model(pair[0]), pair[1])
        if watched and how == "losses":
            per_sample_losses(model, batches(pair, 5))
        elif watched:
            GaussianProbe(model, 0.5, draws=3, seed=0)(0, batches(pair, 5))
        loss.backward()
        gradients.append([bits(each.grad) for each in model.parameters()])
        model.load_state_dict(model.state_dict())
    assert gradients[0] == gradients[1]


class Merging(nn.Linear):
    """As adapters that add themselves to the weights in `eval`, and subtract themselves in `train`."""

    def train(self, mode=True):
        raise AssertionError("the flag is all that should change")


def test_modules_with_an_eval_of_their_own_are_switched_by_their_flags():
    model = nn.Sequential(Merging(FEATURES, CLASSES), nn.Dropout(0.5))
    pair = samples()
    losses = per_sample_losses(model, batches(pair, 5))
    assert [module.training for module in model.modules()] == [True] * 3
    with torch.no_grad():
        expected = functional.cross_entropy(model[0](pair[0]), pair[1], reduction="none")
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


@pytest.mark.parametrize("how", ["compiled", "scripted"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_compiled_models_are_evaluated_and_left_in_training(how):
    plain, pair = network(), samples()
    expected = per_sample_losses(plain, batches(pair, SAMPLES))
    model = torch.compile(plain, backend="eager") if how == "compiled" else torch.jit.script(plain)
    model(pair[0])
    expected = per_sample_losses(plain, batches(pair, SAMPLES))
    np.testing.assert_allclose(per_sample_losses(model, batches(pair, SAMPLES)), expected, rtol=1e-6)
    assert all(module.training for module in model.modules())
    assert not torch.equal(model(pair[0]), model(pair[0]))  # dropout is on again


@pytest.mark.filterwarnings("ignore:Sparse CSR:UserWarning")
def test_a_buffer_that_nobody_could_write_to_is_no_obstacle():
    model = network()
    model.register_buffer("positions", torch.arange(3).expand(5, 3))
    model.register_buffer("none", None)
    model.register_buffer("sparse", torch.eye(3).to_sparse_csr())
    before = model.positions
    assert per_sample_losses(model, batches(samples(), 5)).shape == (SAMPLES,)
    assert model.positions is before


# loaders


def loader(pair, **options):
    return data.DataLoader(data.TensorDataset(*pair), batch_size=5, num_workers=0, **options)


def test_a_loader_gives_what_a_list_gives_and_its_generator_stays():
    model, pair = network(), samples()
    shared = torch.Generator().manual_seed(3)
    probe = loader(pair, generator=shared)
    before = bits(shared.get_state())
    np.testing.assert_array_equal(per_sample_losses(model, probe), per_sample_losses(model, batches(pair, 5)))
    assert bits(shared.get_state()) == before


def shuffling_samplers():
    ten = range(SAMPLES)
    yield "random", {"shuffle": True}
    yield "subset", {"sampler": data.SubsetRandomSampler(ten)}
    yield "weighted", {"sampler": data.WeightedRandomSampler([1.0] * SAMPLES, SAMPLES)}
    yield "ranks", {"sampler": data.DistributedSampler(ten, num_replicas=1, rank=0, shuffle=True)}


@pytest.mark.parametrize(("name", "options"), list(shuffling_samplers()), ids=lambda value: str(value)[:8])
def test_a_loader_that_shuffles_is_refused(name, options):
    with pytest.raises(ParameterError, match="the loader shuffles; needed the same order each time"):
        per_sample_losses(network(), loader(samples(), **options))


def test_a_batch_sampler_that_shuffles_is_refused_and_one_that_does_not_is_taken():
    pair = samples()
    for inner, refused in ((data.RandomSampler, True), (data.SequentialSampler, False)):
        dataset = data.TensorDataset(*pair)
        sampler = data.BatchSampler(inner(dataset), 5, drop_last=False)
        batches = data.DataLoader(dataset, batch_sampler=sampler)
        if refused:
            with pytest.raises(ParameterError, match="the loader shuffles"):
                per_sample_losses(network(), batches)
        else:
            assert per_sample_losses(network(), batches).shape == (SAMPLES,)


def faults():
    pair = samples()
    inputs = pair[0]
    yield (
        lambda m: per_sample_losses(m, iter([])),
        "no batches; needed at least one: pass a list, a generator is used up by one call",
    )
    yield (
        lambda m: per_sample_losses(m, [inputs]),
        "batch is a Tensor; needed a pair (inputs, targets), or loss_fn(model, batch), such as "
        "language_model_loss",
    )
    yield (
        lambda m: per_sample_losses(Tuple(), [pair]),
        "model gave a tuple; needed a tensor of logits, or loss_fn(model, batch)",
    )
    yield (
        lambda m: per_sample_losses(m, [pair], lambda model, batch: 1.0),
        "loss_fn gave a float; needed a tensor, one loss per sample",
    )
    yield (
        lambda m: per_sample_losses(m, [pair], lambda model, b: functional.cross_entropy(model(b[0]), b[1])),
        'losses have shape (); needed (23,), one per sample: pass reduction="none" and take means over other '
        "axes than the first",
    )
    yield (
        lambda m: per_sample_losses(m, [pair], lambda model, b: model(b[0])[:5, 0]),
        'losses have shape (5,); needed (23,), one per sample: pass reduction="none" and take means over '
        "other axes than the first",
    )
    yield (
        lambda m: per_sample_losses(m, [pair], lambda model, b: model(b[0])[:, 0].bfloat16()),
        "losses are of type torch.bfloat16; needed float32 or float64: widen outputs before the loss, as by "
        "outputs.float()",
    )
    yield (
        lambda m: per_sample_losses(m, [pair], language_model_loss),
        "batch is a tuple; needed a dict with input_ids, and attention_mask where padded: use the "
        "tokenizer's, or token_nll in a loss_fn of your own",
    )
    yield (
        lambda m: language_model_loss(m, {"ids": inputs, "mask": inputs}),
        "batch is a dict of ids, mask; needed a dict with input_ids, and attention_mask where padded: use "
        "the tokenizer's, or token_nll in a loss_fn of your own",
    )
    yield (
        lambda m: language_model_loss(lambda input_ids: (), {"input_ids": inputs}),
        "model gave a tuple; needed logits: use token_nll in a loss_fn of your own",
    )
    yield (
        lambda m: token_nll(torch.zeros(2, 3), torch.zeros(2, 3)),
        "logits have shape (2, 3); needed (batch, tokens, vocabulary)",
    )
    yield (
        lambda m: token_nll(torch.zeros(2, 3, 5), torch.zeros(2, 2)),
        "labels have shape (2, 2); needed (2, 3), as the logits: do not shift them",
    )
    yield (
        lambda m: GaussianProbe(m, -0.1, draws=1, seed=0),
        "sigma is -0.1; needed a finite number of at least 0",
    )
    yield (lambda m: GaussianProbe(m, 0.1, draws=0, seed=0), "draws is 0; needed at least 1")
    yield (
        lambda m: GaussianProbe(m.requires_grad_(False), 0.1, draws=1, seed=0)(0, [pair]),
        "the model has no trainable floating-point parameters; needed one to move",
    )
    yield (
        lambda m: GaussianProbe(m, 0.1, draws=2, seed=0)(0, iter([pair])),
        "no batches; needed at least one: pass a list, a generator is used up by one call",
    )


class Tuple(nn.Module):
    def forward(self, inputs):
        return (inputs,)


@pytest.mark.parametrize(("call", "message"), list(faults()), ids=lambda value: str(value)[:20])
def test_faults_are_told_in_one_line_and_change_nothing(call, message):
    model = network()
    before = everything(model)
    with pytest.raises(ParameterError) as caught:
        call(model)
    assert str(caught.value) == message
    assert everything(model) == before


# language models


class LanguageModel(nn.Module):
    """Causal attention, learned positions, tied embeddings; logits as an attribute of what it gives."""

    Outputs = namedtuple("Outputs", "past logits")

    def __init__(self, width=16, longest=32):
        super().__init__()
        self.tokens = nn.Embedding(VOCABULARY, width)
        self.positions = nn.Embedding(longest, width)
        self.attention = nn.MultiheadAttention(width, 2, dropout=0.3, batch_first=True)
        self.head = nn.Linear(width, VOCABULARY, bias=False)
        self.head.weight = self.tokens.weight

    def forward(self, input_ids, attention_mask=None):
        length = input_ids.shape[1]
        hidden = self.tokens(input_ids) + self.positions.weight[:length]
        hidden_from = torch.ones(length, length).triu(1).bool()
        padding = None if attention_mask is None else ~attention_mask.bool()
        mixed, _ = self.attention(
            hidden, hidden, hidden, attn_mask=hidden_from, key_padding_mask=padding, need_weights=False
        )
        return self.Outputs(None, self.head(hidden + mixed))


TEXTS = [
    [int(token) for token in np.random.default_rng(n).integers(VOCABULARY, size=n)]
    for n in (5, 2, 9, 3, 7, 6)
]


def padded(texts, side, *, labels=None, pad=0):
    """A tokenizer's batch, padded to the longest of it."""
    longest = max(map(len, texts))

    def filled(rows, value):
        gaps = [[value] * (longest - len(row)) for row in rows]
        rows = zip(gaps, rows, strict=True) if side == "left" else zip(rows, gaps, strict=True)
        return torch.tensor([first + last for first, last in rows])

    batch = {
        "input_ids": filled(texts, pad),
        "attention_mask": filled([[1] * len(text) for text in texts], 0),
    }
    return batch if labels is None else batch | {"labels": filled(labels, IGNORED)}


def nll_by_hand(model, text, counts=None):
    """Token by token, by the definition, in double precision: no batch, no padding, no mask."""
    with torch.no_grad():
        logits = model.double().eval()(torch.tensor([text])).logits[0]
    terms = [
        float(torch.logsumexp(logits[at - 1], 0) - logits[at - 1, text[at]])
        for at in range(1, len(text))
        if counts is None or counts[at]
    ]
    return np.mean(terms)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("size", [1, 2, 4, len(TEXTS)])
@pytest.mark.parametrize("labelled", [False, True])
def test_a_texts_loss_is_the_mean_over_its_own_tokens_whatever_pads_it(side, size, labelled):
    model = LanguageModel()
    answers = [[at >= len(text) // 2 for at in range(len(text))] for text in TEXTS]
    labels = [
        [token if counts else IGNORED for token, counts in zip(text, answer, strict=True)]
        for text, answer in zip(TEXTS, answers, strict=True)
    ]
    groups = range(0, len(TEXTS), size)
    loader = [
        padded(TEXTS[at : at + size], side, labels=labels[at : at + size] if labelled else None)
        for at in groups
    ]
    losses = per_sample_losses(model, loader, language_model_loss)
    expected = [
        nll_by_hand(model, text, answer if labelled else None)
        for text, answer in zip(TEXTS, answers, strict=True)
    ]
    np.testing.assert_allclose(losses, expected, rtol=2e-6)


def test_what_the_padding_holds_does_not_matter():
    model = LanguageModel()
    plain, other = ([padded(TEXTS, "right", pad=pad)] for pad in (0, 7))
    np.testing.assert_array_equal(
        per_sample_losses(model, plain, language_model_loss),
        per_sample_losses(model, other, language_model_loss),
    )


def test_token_nll_masks_padding_on_the_left_and_nan_at_it():
    logits = torch.randn(1, 4, VOCABULARY)
    labels, mask = torch.tensor([[3, 1, 4, 1]]), torch.tensor([[0, 1, 1, 1]])
    expected = functional.cross_entropy(logits[0, 1:3], labels[0, 2:])
    logits[0, 0] = float("nan")
    assert torch.allclose(token_nll(logits, labels, mask), expected)
    assert token_nll(logits, labels, mask * 0).isnan().all()
    assert token_nll(logits.bfloat16(), labels, mask).dtype == torch.float32
    assert token_nll(logits.double(), labels, mask).dtype == torch.float64


def test_a_language_model_may_give_logits_alone_and_be_without_padding():
    model = LanguageModel()
    tokens = torch.tensor([TEXTS[2], TEXTS[2][::-1]])
    bare = torch.nn.Module()
    bare.inner = model
    bare.forward = lambda input_ids: model(input_ids).logits
    losses = per_sample_losses(bare, [{"input_ids": tokens}], language_model_loss)
    np.testing.assert_allclose(losses, [nll_by_hand(model, text.tolist()) for text in tokens], rtol=2e-6)


@pytest.mark.parametrize("family", ["GPT2", "Llama"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_models_of_transformers_are_taken_as_they_are(family):
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    if family == "GPT2":
        config = transformers.GPT2Config(
            vocab_size=VOCABULARY,
            n_positions=16,
            n_embd=16,
            n_layer=2,
            n_head=2,
            bos_token_id=0,
            eos_token_id=0,
        )
        model = transformers.GPT2LMHeadModel(config).train()
    else:
        config = transformers.LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=16,
        )
        model = transformers.LlamaForCausalLM(config).train()
    encoding = transformers.BatchEncoding(padded(TEXTS, "left"))
    before = everything(model)
    losses = {
        name: per_sample_losses(model, loader, language_model_loss)
        for name, loader in {
            "left": [encoding],
            "right": [padded(TEXTS, "right")],
            "one": [padded([text], "left") for text in TEXTS],
        }.items()
    }
    assert everything(model) == before
    assert type(encoding) is transformers.BatchEncoding
    expected = [nll_by_hand(model, text) for text in TEXTS]
    for found in losses.values():
        np.testing.assert_allclose(found, expected, rtol=5e-6)


# draws


def test_draws_are_the_losses_at_weights_that_far_away():
    """The losses are the weights themselves, all 3: draws are then 3 + sigma * noise, and their law known."""

    class One(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.full((1000,), 3.0))
            self.still = nn.Parameter(torch.ones(3), requires_grad=False)
            self.register_buffer("also_still", torch.ones(2))

    def loss_fn(model, batch):
        assert model.still.tolist() == [1] * 3
        assert model.also_still.tolist() == [1] * 2
        return model.weight + 0

    model = One()
    for options, sigma in (({}, 0.5), ({"relative": True}, 1.5)):
        draws = GaussianProbe(model, 0.5, draws=20, seed=0, **options)(0, [torch.zeros(1000)], loss_fn)
        noise = (draws - 3) / sigma
        assert noise.shape == (20, 1000)
        assert abs(noise.mean()) < 5 / np.sqrt(20_000)
        assert abs(noise.std() - 1) < 5 / np.sqrt(40_000)
        correlations = np.corrcoef(noise)[np.triu_indices(20, 1)]
        assert abs(correlations).max() < 5 / np.sqrt(1000)


def test_relative_sigma_is_a_share_of_each_tensors_size():
    model = nn.Sequential(nn.Linear(40, 40), nn.Linear(40, 40))
    model[0].weight.data.mul_(100)
    model[1].bias.data.zero_()
    at_rest = [each.detach().clone() for each in model.parameters()]
    seen = []

    def loss_fn(model, batch):
        seen.append([each.detach().clone() for each in model.parameters()])
        return torch.zeros(1)

    GaussianProbe(model, 0.01, draws=1, seed=0, relative=True)(0, [torch.zeros(1)], loss_fn)
    moves = [
        float((moved - rest).square().mean() / rest.square().mean().clamp(min=1e-30))
        for moved, rest in zip(seen[0], at_rest, strict=True)
    ]
    np.testing.assert_allclose(np.sqrt(moves[0::2]), 0.01, rtol=0.1)
    assert moves[3] == 0


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("relative", [False, True])
def test_draws_at_no_distance_are_the_models_own_losses(dtype, relative):
    model, pair = network(dtype), samples(dtype)
    draws = GaussianProbe(model, 0, draws=2, seed=0, relative=relative)(0, batches(pair, 5))
    np.testing.assert_array_equal(draws, [per_sample_losses(model, batches(pair, 5))] * 2)


def test_the_seed_and_the_step_say_which_draws():
    model, pair = network(), batches(samples(), 5)

    def draws(step, seed, count=3):
        torch.manual_seed(random.randrange(1000))  # which must not matter
        return GaussianProbe(model, 0.1, draws=count, seed=seed)(step, pair)

    first = draws(20, 1)
    np.testing.assert_array_equal(draws(20, 1), first)
    np.testing.assert_array_equal(draws(20, 1, count=5)[:3], first)
    assert (
        len({float(each) for d in (first, draws(21, 1), draws(20, 2), draws(1, 20)) for each in d[:, 0]})
        == 12
    )
    assert draws(-1, -1).shape == (3, SAMPLES)


def test_draws_inside_the_trainings_autocast_are_of_the_moved_weights():
    model, pair = network(), samples()
    probe = GaussianProbe(model, 0.5, draws=2, seed=0)
    model.eval()
    expected = probe(0, batches(pair, 5), autocast=torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        model(pair[0])  # which leaves weights in autocast's cache
        draws = probe(0, batches(pair, 5))
    np.testing.assert_array_equal(draws, expected)


def test_tied_weights_move_together_and_once():
    model = LanguageModel()
    seen = []

    def loss_fn(model, batch):
        assert model.head.weight is model.tokens.weight
        seen.append(model.head.weight.detach().clone())
        return language_model_loss(model, batch)

    before = everything(model)
    draws = GaussianProbe(model, 0.3, draws=3, seed=0)(0, [padded(TEXTS, "left")], loss_fn)
    assert everything(model) == before
    assert draws.shape == (3, len(TEXTS))
    moves = [float((each - model.head.weight).detach().std()) for each in seen]
    np.testing.assert_allclose(moves, 0.3, rtol=0.3)


def test_weights_that_share_memory_under_two_names_come_back():
    first, second = nn.Linear(6, 6), nn.Linear(6, 6)
    second.weight = nn.Parameter(first.weight.data.T)  # another parameter, the same memory
    model = nn.Sequential(first, second)
    pair = torch.randn(3, 6), torch.tensor([0, 1, 2])
    before = everything(model)
    GaussianProbe(model, 0.3, draws=2, seed=0)(0, [pair])
    assert everything(model) == before


def test_the_logger_takes_losses_and_draws(tmp_path):
    pair = samples()
    dataset = data.TensorDataset(*pair)
    probe = probe_set(dataset, 9, stratify=lambda item: item[1], seed=0)
    model = network()
    batches = data.DataLoader(probe.subset(dataset), batch_size=4)
    around = GaussianProbe(model, 0.1, draws=3, seed=0)
    with ProbeLogger(tmp_path / "run.parquet", samples=probe.samples) as log:
        for step in range(2):
            log(step, per_sample_losses(model, batches))
            log.draws(step, around(step, batches))
    run = read_run(tmp_path / "run.parquet")
    assert run.samples["group"].tolist() == pair[1][probe.indices].tolist()
    np.testing.assert_array_equal(run.losses[1], per_sample_losses(model, batches))
    np.testing.assert_array_equal(run.draws[1][1], around(1, batches))
