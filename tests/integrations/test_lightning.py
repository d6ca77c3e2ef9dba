"""Lightning: what is logged is what the model gives by hand, a resume goes on, and the fit never notices."""

import numpy as np
import pytest

from rdmtools import ParameterError, RdmtoolsWarning, read_run

pytest.importorskip("torch", reason="needs torch")
lightning = pytest.importorskip("lightning.pytorch", reason="needs lightning")

import torch  # noqa: E402
from torch.nn import functional  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

from rdmtools.integrations.lightning import ProbeCallback  # noqa: E402
from rdmtools.integrations.torch import GaussianProbe  # noqa: E402

# Lightning's own: it calls what torch deprecates, and advises more workers and fewer steps between logs.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore::lightning.fabric.utilities.warnings.PossibleUserWarning"),
]

SAMPLES, WIDTH, CLASSES, ROWS, BATCH = 7, 4, 3, 40, 5  # 8 steps an epoch


class Net(lightning.LightningModule):
    """Dropout, batch norm and an optimizer with a state: what an evaluation could disturb."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(WIDTH, 8),
            torch.nn.BatchNorm1d(8),
            torch.nn.ReLU(),
            torch.nn.Dropout(0.3),
            torch.nn.Linear(8, CLASSES),
        )

    def forward(self, x):
        return self.layers(x)

    def training_step(self, batch, index):
        loss = functional.cross_entropy(self(batch[0]), batch[1])
        self.log("train_loss", loss)
        self.log("epoch_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, index):
        self.log("val_loss", functional.cross_entropy(self(batch[0]), batch[1]))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=0.01)


def data(rows, seed):
    rng = torch.Generator().manual_seed(seed)
    x, y = torch.randn(rows, WIDTH, generator=rng), torch.randint(CLASSES, (rows,), generator=rng)
    return TensorDataset(x, y)


def probe():
    return DataLoader(data(SAMPLES, 1), batch_size=3)


def fit(path, *others, epochs=2, callback=None, ckpt=None, seed=0, **options):
    """A module that was fitted, and its trainer; without a path no probe is watched."""
    lightning.seed_everything(seed, verbose=False)
    net = Net()
    callbacks = [] if path is None else [callback or ProbeCallback(path, probe(), every=3)]
    trainer = lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        callbacks=[*callbacks, *others],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )
    # Shuffled, from torch's global random state.
    trainer.fit(
        net, DataLoader(data(ROWS, 0), BATCH, shuffle=True), DataLoader(data(9, 2), 9), ckpt_path=ckpt
    )
    return net, trainer


def same_weights(one, other):
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.parquet"


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_the_fit_is_bit_for_bit_what_it_is_without_the_probe(path, precision):
    watched = ProbeCallback(path, probe(), every=2, draws={"sigma": 0.1, "draws": 1, "seed": 0})
    with_probe, _ = fit(path, callback=watched, precision=precision)
    without, _ = fit(None, precision=precision)
    assert same_weights(with_probe, without)
    assert read_run(path).steps.tolist() == list(range(0, 17, 2))
    assert not same_weights(fit(None, precision=precision, seed=1)[0], without)  # the comparison can fail


def test_losses_are_the_models_own(path):
    net, _ = fit(path, epochs=3)  # 24 steps: the last is logged
    run = read_run(path)
    x, y = data(SAMPLES, 1).tensors
    with torch.no_grad():
        by_hand = functional.cross_entropy(net.eval()(x), y, reduction="none")
    assert run.steps.tolist() == list(range(0, 25, 3))
    np.testing.assert_allclose(run.losses[-1], by_hand.numpy(), rtol=1e-6)


def test_the_forward_is_as_narrow_as_the_fits(path):
    seen = []

    def loss_fn(module, batch):
        seen.append(module(batch[0]).dtype)
        return functional.cross_entropy(module(batch[0]).float(), batch[1], reduction="none")

    fit(
        path,
        epochs=1,
        callback=ProbeCallback(path, probe(), every=4, loss_fn=loss_fn),
        precision="bf16-mixed",
    )
    assert set(seen) == {torch.bfloat16}


def test_metrics_are_logged_at_the_step_they_were_computed(path):
    fit(path)
    scalars = read_run(path).scalars.set_index("step")
    assert scalars["train_loss"].dropna().index.tolist() == [3, 6, 8, 9, 12, 15, 16]
    assert scalars["val_loss"].dropna().index.tolist() == [8, 16]
    assert scalars["epoch_loss"].dropna().index.tolist() == [8, 16]


def test_metrics_of_a_validation_within_an_epoch_have_its_step(path):
    fit(path, epochs=1, val_check_interval=4)
    scalars = read_run(path).scalars.set_index("step")
    assert scalars["val_loss"].dropna().index.tolist() == [4, 8]
    assert scalars["train_loss"].dropna().index.tolist() == [3, 4, 6, 8]


def test_a_fit_from_a_checkpoint_goes_on_with_the_run(path, tmp_path):
    whole = tmp_path / "whole.parquet"
    fit(whole, epochs=4)
    checkpoint = str(tmp_path / "last.ckpt")
    fit(path, epochs=2)[1].save_checkpoint(checkpoint)  # at 16
    fit(path, epochs=3, ckpt=checkpoint)  # 18 ... 24, thrown away
    fit(path, epochs=4, ckpt=checkpoint)
    run = read_run(path)
    assert run.steps.tolist() == read_run(whole).steps.tolist() == list(range(0, 33, 3))
    assert run.quality.superseded_rows == 3 * SAMPLES
    np.testing.assert_array_equal(run.losses[:6], read_run(whole).losses[:6])


def test_accumulated_batches_are_one_step(path):
    fit(path, epochs=2, accumulate_grad_batches=2, callback=ProbeCallback(path, probe(), every=2))
    assert read_run(path).steps.tolist() == [0, 2, 4, 6, 8]


def test_draws_are_of_the_models_weights(path):
    draws = {"sigma": 0.5, "draws": 2, "seed": 0}
    net, _ = fit(path, epochs=1, callback=ProbeCallback(path, probe(), every=4, draws=draws))
    logged = dict(read_run(path).draws)
    assert list(logged) == [0, 4, 8]
    np.testing.assert_array_equal(logged[8], GaussianProbe(net, **draws)(8, probe()))


def test_an_error_of_the_fit_closes_the_run(path):
    class Stops(lightning.Callback):
        def on_train_batch_start(self, trainer, module, batch, index):
            if trainer.global_step == 7:
                raise RuntimeError("the training's own")

    with pytest.raises(RuntimeError, match="the training's own"):
        fit(path, Stops())
    assert read_run(path).steps.tolist() == [0, 3, 6]
    assert not path.with_suffix(".rdm").joinpath("journal").exists()


def test_other_ranks_do_nothing(path):
    class Rank1:
        is_global_zero, global_step, callback_metrics, sanity_checking = False, 0, {"a": 1.0}, False

    callback = ProbeCallback(path, probe(), every=1)
    for hook in (callback.on_train_start, callback.on_train_batch_end, callback.on_validation_end):
        hook(Rank1(), Net())
    callback.on_fit_end(Rank1(), Net())
    assert not list(path.parent.iterdir())


def test_a_first_evaluation_that_fails_stops_the_fit(path):
    with (
        pytest.raises(ParameterError, match="one per sample"),
    ):
        fit(path, callback=ProbeCallback(path, probe(), every=3, loss_fn=lambda *_: torch.zeros(())))


def test_a_later_evaluation_that_fails_does_not(path):
    def loss_fn(module, batch):
        if module.global_step == 6:
            raise RuntimeError("no memory")
        return functional.cross_entropy(module(batch[0]), batch[1], reduction="none")

    callback = ProbeCallback(path, probe(), every=3, loss_fn=loss_fn)
    with pytest.warns(RdmtoolsWarning, match="no memory"):
        fit(path, callback=callback)
    assert read_run(path).steps.tolist() == [0, 3, 9, 12, 15]
    assert callback.watch.log.refused["evaluation"] == 1


# Warnings while it trains


def loud_from_48(module, batch):
    """Noise that is thirty times as large from step 48 on."""
    step = module.global_step
    rng = torch.Generator().manual_seed(step)
    return torch.randn(len(batch[0]), generator=rng) * (30.0 if step >= 48 else 1.0)


def watched(path, on_event, *others, loss_fn=loud_from_48, epochs=10, **options):
    callback = ProbeCallback(
        path, [data(SAMPLES, 1).tensors], every=1, loss_fn=loss_fn, watch={"window": 6}, on_event=on_event
    )
    _, trainer = fit(path, *others, callback=callback, epochs=epochs, **options)
    return trainer, callback.watch.warner


class Held(lightning.Callback):
    """The trainer, for what is to be done with it."""

    def on_fit_start(self, trainer, pl_module):
        self.trainer = trainer


def test_an_event_may_stop_the_fit(path):
    held = Held()

    def stop(event):
        held.trainer.should_stop = True

    trainer, warner = watched(path, stop, held)
    assert trainer.global_step == warner.events[0].alarm_step < 56
    assert read_run(path).steps[-1] == trainer.global_step


def test_an_event_may_save_a_checkpoint(path, tmp_path):
    held, saved = Held(), []

    def save(event):
        saved.append(tmp_path / f"event-{event.alarm_step}.ckpt")
        held.trainer.save_checkpoint(saved[-1])

    _, warner = watched(path, save, held)
    assert len(saved) == len(warner.events) >= 1
    for file, event in zip(saved, warner.events, strict=True):
        assert torch.load(file, weights_only=False)["global_step"] == event.alarm_step


def test_an_event_names_the_checkpoint_before_it(path, tmp_path):
    every_5 = lightning.callbacks.ModelCheckpoint(tmp_path / "ckpt", every_n_train_steps=5, save_top_k=-1)
    lightning.seed_everything(0, verbose=False)
    seen = []
    callback = ProbeCallback(
        path,
        [data(SAMPLES, 1).tensors],
        every=1,
        loss_fn=loud_from_48,
        watch={"window": 6},
        on_event=seen.append,
    )
    lightning.Trainer(
        max_epochs=10,
        accelerator="cpu",
        callbacks=[callback, every_5],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    ).fit(Net(), DataLoader(data(ROWS, 0), BATCH), DataLoader(data(9, 2), 9))
    for event in seen:
        step = (event.alarm_step - 1) // 5 * 5  # that of the event's own step is saved after us
        assert f"step={step}.ckpt" in event.checkpoint
        assert (tmp_path / "ckpt" / event.checkpoint).exists()
    assert seen


def test_a_failure_in_on_event_does_not_stop_the_fit(path):
    def fails(event):
        raise RuntimeError("no space")

    with pytest.warns(RdmtoolsWarning, match=r"on_event failed at step \d+ \(RuntimeError: no space\)"):
        trainer, _ = watched(path, fails)
    assert trainer.global_step == 80


def test_a_fit_from_a_checkpoint_has_the_events_of_one_that_never_stopped(path, tmp_path):
    whole, seen = [], []
    watched(tmp_path / "whole.parquet", whole.append)
    first, _ = watched(path, seen.append, epochs=5)
    first.save_checkpoint(tmp_path / "at-40.ckpt")
    _, warner = watched(path, seen.append, ckpt=tmp_path / "at-40.ckpt")
    assert [event.alarm_step for event in seen] == [event.alarm_step for event in whole]
    assert warner.events[0].checkpoint == str(tmp_path / "at-40.ckpt")
