"""What do training jobs call what they log beside losses of samples? Steps, times, rates, means of a batch.

Trackers, trainers and data frames write these next to everything; none of them is ever a sample.
"""

import re
from collections.abc import Collection, Sequence

from rdmtools.errors import ParameterError

# The first that is there counts.
_STEPS = (
    *("step", "steps", "global_step", "global_steps", "trainer_global_step", "train_global_step"),
    *("training_step", "train_step", "optimizer_step", "iteration", "iterations", "iter", "it", "update"),
)
_EPOCHS = ("epoch", "epochs", "train_epoch", "trainer_epoch")
_TIMES = (
    *("time", "timestamp", "wall_time", "walltime", "runtime", "elapsed", "elapsed_time", "elapsed_s"),
    *("relative_time", "date", "datetime", "created_at", "time_s", "train_runtime", "eval_runtime"),
)
_RATES = (
    *("lr", "learning_rate", "weight_decay", "momentum", "grad_norm", "gradient_norm", "loss_scale"),
    *("tokens", "num_tokens", "tokens_seen", "num_input_tokens_seen", "samples_seen", "examples_seen"),
    *("batch", "batch_idx", "batch_size", "batch_index", "rank", "seed", "run", "run_id", "run_name"),
)
_BESIDE = {*_STEPS, *_EPOCHS, *_TIMES, *_RATES}
_RANGES = re.compile(r"(.+)__(?:MIN|MAX)")  # what a tracker writes beside a column that it thinned out

# Of curves: what most public logs hold.
NO_SAMPLES = (
    "one loss a step for the whole batch ({names}): no per-sample losses, and a mean cannot be taken apart; "
    "evaluate a fixed probe set, e.g. with reduction='none', and log it with rdm.ProbeLogger"
)

_METRICS = {
    *("loss", "losses", "nll", "ce", "mse", "mae", "rmse", "bpb", "ppl", "perplexity", "error", "err", "acc"),
    *("accuracy", "auc", "f1", "precision", "recall", "score", "reward", "kl", "top1", "top5", "bleu"),
}
_QUALIFIERS = {
    *("train", "training", "val", "valid", "validation", "test", "eval", "evaluation", "dev", "holdout"),
    *("mean", "avg", "average", "total", "sum", "epoch", "step", "batch", "running", "smoothed", "ema"),
    *("cross", "entropy", "token", "per", "final", "best", "min", "max", "std", "median"),
}


def step_rank(name: str) -> int | None:
    """How likely a column of that name holds steps, 0 first; None where it does not."""
    known = _STEPS + _EPOCHS
    plain = _plain(name)
    return known.index(plain) if plain in known else None


def is_epoch(name: str) -> bool:
    """Whether a column of that name counts epochs, which may have parts."""
    return _plain(name) in _EPOCHS


def beside(name: str, names: Collection[str]) -> bool:
    """Whether a column is what jobs log beside losses, or a tracker's range of another of `names`."""
    if (found := _RANGES.fullmatch(name)) is not None:
        return found[1] in names
    plain = _plain(name)
    return plain in _BESIDE or plain.startswith("lr_")


def is_mean(name: str) -> bool:
    """Whether a column of that name holds a number for a whole batch: train_loss, val/accuracy."""
    words = _plain(name).split("_")
    return {*words} <= _METRICS | _QUALIFIERS and bool({*words} & _METRICS)


def no_sample_losses(names: Sequence[str]) -> ParameterError:
    """What is said of curves of means, which most public logs are."""
    few = ", ".join(map(repr, names[:4])) + (", …" if len(names) > 4 else "")
    return ParameterError(NO_SAMPLES.format(names=few))


def _plain(name: str) -> str:
    """Lower case, words joined by one _, without the run's name that a tracker puts before it."""
    return re.sub(r"[^a-z0-9]+", "_", name.rpartition(" - ")[2].lower()).strip("_")
