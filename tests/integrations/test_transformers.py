"""Transformers: what is logged is what the model gives by hand, a resume goes on, training never notices."""

import numpy as np
import pytest

from rdmtools import ParameterError, read_run

torch = pytest.importorskip("torch", reason="needs torch")
transformers = pytest.importorskip("transformers", reason="needs transformers")
pytest.importorskip("accelerate", reason="needs accelerate")

from torch.nn import functional  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402

from rdmtools.integrations.torch import GaussianProbe, token_nll  # noqa: E402
from rdmtools.integrations.transformers import ProbeCallback  # noqa: E402

SAMPLES, TOKENS, VOCABULARY, ROWS, BATCH = 5, 6, 17, 32, 4  # 8 steps an epoch


def model(kind=transformers.GPT2LMHeadModel, **options):
    """Random weights; GPT-2 has dropout."""
    if kind is transformers.GPT2LMHeadModel:
        options |= {"n_embd": 8, "n_layer": 1, "n_head": 2, "n_positions": TOKENS, "vocab_size": VOCABULARY}
        options |= {"bos_token_id": 0, "eos_token_id": 0}
    return kind(kind.config_class(**options))


def data(rows, seed):
    rng = torch.Generator().manual_seed(seed)
    ids = torch.randint(VOCABULARY, (rows, TOKENS), generator=rng)
    return [{"input_ids": row, "labels": row} for row in ids]


def probe():
    """Of several lengths: padded, and the padding masked."""
    ids = torch.stack([row["input_ids"] for row in data(SAMPLES, 1)])
    mask = (torch.arange(TOKENS) < torch.tensor([6, 5, 4, 3, 2])[:, None]).long()
    rows = [{"input_ids": row, "attention_mask": real} for row, real in zip(ids, mask, strict=True)]
    return DataLoader(rows, batch_size=2)


def train(path, folder, *others, steps=12, callback=None, resume=None, seed=0, **options):
    """A model that was trained to `steps` of 24; without a path no probe is watched."""
    transformers.set_seed(seed)
    arguments = transformers.TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=BATCH,
        max_steps=24,
        logging_steps=4,
        save_steps=8,
        learning_rate=0.01,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        seed=seed,
        dataloader_pin_memory=False,
        **options,
    )
    callbacks = [] if path is None else [callback or ProbeCallback(path, probe(), every=3)]
    trainer = transformers.Trainer(
        model(), arguments, train_dataset=data(ROWS, 0), eval_dataset=data(6, 2), callbacks=callbacks
    )
    for other in (*others, Stop(steps)):
        trainer.add_callback(other)
    trainer.train(resume_from_checkpoint=resume)
    return trainer.model


class Stop(transformers.TrainerCallback):
    """Stops at a step, as a job at its time limit."""

    def __init__(self, step):
        self.step = step

    def on_step_end(self, args, state, control, **_):
        control.should_training_stop |= state.global_step >= self.step


def same_weights(one, other):
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.parquet"


@pytest.mark.parametrize("bf16", [False, True])
def test_the_training_is_bit_for_bit_what_it_is_without_the_probe(path, tmp_path, bf16):
    watched = ProbeCallback(path, probe(), every=2, draws={"sigma": 0.1, "draws": 1, "seed": 0})
    with_probe = train(path, tmp_path / "a", callback=watched, bf16=bf16)
    without = train(None, tmp_path / "b", bf16=bf16)
    assert same_weights(with_probe, without)
    assert read_run(path).steps.tolist() == list(range(0, 13, 2))
    # The comparison can fail.
    assert not same_weights(train(None, tmp_path / "c", bf16=bf16, seed=1), without)


def test_losses_are_the_models_own(path, tmp_path):
    trained = train(path, tmp_path / "out", steps=12).eval()
    run = read_run(path)
    assert run.steps.tolist() == [0, 3, 6, 9, 12]
    by_hand = []
    for row in probe().dataset:  # alone, its padding cut off
        ids = row["input_ids"][: row["attention_mask"].sum()]
        with torch.no_grad():
            by_hand.append(trained(ids[None], labels=ids[None]).loss.item())
    np.testing.assert_allclose(run.losses[-1], by_hand, rtol=1e-5)


def test_labels_say_which_tokens_count(path, tmp_path):
    [batch] = DataLoader(data(SAMPLES, 1), batch_size=SAMPLES)
    batch["labels"] = torch.where(torch.arange(TOKENS) < 3, -100, batch["labels"])
    trained = train(path, tmp_path / "out", steps=4, callback=ProbeCallback(path, [batch], every=4)).eval()
    with torch.no_grad():
        logits = trained(batch["input_ids"]).logits[:, 2:-1]
    by_hand = functional.cross_entropy(logits.mT, batch["labels"][:, 3:], reduction="none").mean(dim=1)
    np.testing.assert_allclose(read_run(path).losses[-1], by_hand.numpy(), rtol=1e-5)


def test_what_the_trainer_logs_are_the_scalars(path, tmp_path):
    train(path, tmp_path / "out", eval_strategy="steps", eval_steps=6)
    scalars = read_run(path).scalars.set_index("step")
    assert scalars["loss"].dropna().index.tolist() == [4, 8, 12]
    assert scalars["eval_loss"].dropna().index.tolist() == [6, 12]
    assert {"learning_rate", "grad_norm", "epoch", "train_loss"} <= set(scalars.columns)


def test_a_training_from_a_checkpoint_goes_on_with_the_run(path, tmp_path):
    whole = tmp_path / "whole.parquet"
    train(whole, tmp_path / "whole", steps=24)
    train(path, tmp_path / "out", steps=13)  # its last checkpoint is at 8
    train(path, tmp_path / "out", steps=24, resume=True)
    run = read_run(path)
    assert run.steps.tolist() == list(range(0, 25, 3))
    assert run.quality.superseded_rows == 2 * SAMPLES  # 9 and 12
    np.testing.assert_array_equal(run.losses, read_run(whole).losses)


def test_a_training_that_was_killed_goes_on_too(path, tmp_path):
    class Killed(transformers.TrainerCallback):
        def on_step_end(self, args, state, control, **_):
            if state.global_step == 13:
                raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        train(path, tmp_path / "out", Killed(), steps=24)
    assert not path.exists()
    assert read_run(path).steps.tolist() == [0, 3, 6, 9, 12]  # from the journal
    train(path, tmp_path / "out", steps=24, resume=True)
    assert read_run(path).steps.tolist() == list(range(0, 25, 3))


def test_draws_are_of_the_models_weights(path, tmp_path):
    draws = {"sigma": 0.5, "draws": 2, "seed": 0, "relative": True}
    callback = ProbeCallback(path, probe(), every=4, draws=draws)
    trained = train(path, tmp_path / "out", steps=8, callback=callback)

    def loss_fn(model, batch):
        return token_nll(model(**batch).logits, batch["input_ids"], batch["attention_mask"])

    logged = dict(read_run(path).draws)
    assert list(logged) == [0, 4, 8]
    np.testing.assert_array_equal(logged[8], GaussianProbe(trained, **draws)(8, probe(), loss_fn))


def test_other_processes_do_nothing(path):
    class Other:
        is_world_process_zero, global_step = False, 0

    callback = ProbeCallback(path, probe(), every=1)
    for hook in (callback.on_train_begin, callback.on_step_end, callback.on_log, callback.on_train_end):
        hook(None, Other(), None, model=model(), logs={"loss": 1.0})
    assert not list(path.parent.iterdir())


ENCODER = {
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "vocab_size": VOCABULARY,
}
SEQ2SEQ = {"d_model": 8, "num_layers": 1, "num_heads": 2, "d_ff": 8, "vocab_size": VOCABULARY}


OTHERS = [
    lambda: model(transformers.BertForMaskedLM, **ENCODER),
    lambda: model(transformers.BertForSequenceClassification, **ENCODER),
    lambda: model(transformers.T5ForConditionalGeneration, **SEQ2SEQ),
    lambda: torch.nn.Linear(3, 3),
]


@pytest.mark.parametrize("make", OTHERS)
def test_the_loss_of_another_kind_of_model_is_the_users_to_say(path, make):
    other = make()

    class State:
        is_world_process_zero, global_step = True, 0

    callback = ProbeCallback(path, probe(), every=1)
    with (
        pytest.raises(ParameterError, match=f"{type(other).__name__} is no causal language model"),
    ):
        callback.on_train_begin(None, State(), None, model=other)


# Warnings while it trains


def loud_from_60():
    """A loss of the probe: noise that is thirty times as large from evaluation 60 on."""
    calls = []

    def loss_fn(model, batch):
        calls.append(1)
        rng = torch.Generator().manual_seed(len(calls))
        return torch.randn(len(batch["input_ids"]), generator=rng) * (30.0 if len(calls) > 60 else 1.0)

    return loss_fn


def watched(path, folder, on_event, steps=90, save_steps=8, resume=None):
    """A training whose probe is loud from step 60 on; its trainer."""
    transformers.set_seed(0)
    [batch] = DataLoader(data(SAMPLES, 1), batch_size=SAMPLES)
    callback = ProbeCallback(
        path, [batch], every=1, loss_fn=loud_from_60(), watch={"window": 6}, on_event=on_event
    )
    arguments = transformers.TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=1,
        max_steps=steps,
        save_steps=save_steps,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    trainer = transformers.Trainer(model(), arguments, train_dataset=data(ROWS, 0), callbacks=[callback])
    made.append(trainer)
    trainer.train(resume_from_checkpoint=resume)
    return trainer, callback.watch.warner


made = []  # trainers, the last one in training


def test_an_event_may_stop_the_training(path, tmp_path):
    def stop(event):
        made[-1].control.should_training_stop = True

    trainer, warner = watched(path, tmp_path / "out", stop)
    assert trainer.state.global_step == warner.events[0].alarm_step < 70


def test_an_event_may_save_a_checkpoint_and_names_the_one_before(path, tmp_path):
    def save(event):
        made[-1].control.should_save = True

    _, warner = watched(path, tmp_path / "out", save)
    for event in warner.events:
        assert (tmp_path / "out" / f"checkpoint-{event.alarm_step}" / "trainer_state.json").exists()
    first = warner.events[0]
    assert first.checkpoint == str(tmp_path / "out" / f"checkpoint-{(first.alarm_step - 1) // 8 * 8}")


def test_an_event_may_change_the_data(path, tmp_path):
    seen = []

    class Rows(torch.utils.data.Dataset):
        easy = True

        def __len__(self):
            return 1000

        def __getitem__(self, place):
            seen.append(self.easy)
            return data(1, place)[0]

    rows = Rows()

    def harder(event):
        rows.easy = False

    [batch] = DataLoader(data(SAMPLES, 1), batch_size=SAMPLES)
    callback = ProbeCallback(
        path, [batch], every=1, loss_fn=loud_from_60(), watch={"window": 6}, on_event=harder
    )
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path / "out"),
        per_device_train_batch_size=1,
        max_steps=90,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    transformers.Trainer(model(), arguments, train_dataset=rows, callbacks=[callback]).train()
    # The loader is a batch ahead, and looks whether there is another.
    assert abs(seen.index(False) - callback.watch.warner.events[0].alarm_step) <= 2
    assert not any(seen[seen.index(False) :])


def test_a_training_from_a_checkpoint_names_it(path, tmp_path, monkeypatch):
    watched(path, tmp_path / "out", print, steps=56)
    monkeypatch.setattr(ProbeCallback, "on_save", lambda *_, **__: None)
    _, warner = watched(path, tmp_path / "out", print, steps=60, resume=True)
    assert warner.watcher.checkpoint == str(tmp_path / "out" / "checkpoint-56")
