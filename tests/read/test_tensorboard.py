"""Losses that a training logged to TensorBoard as tensors become a run; restarts are attempts."""

import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rdmtools
from rdmtools.errors import FormatError
from rdmtools.read.read import read_run
from rdmtools.run.quality import Quality

LOSSES = np.random.default_rng(0).random((6, 4)).astype(np.float32)
STEPS = [0, 20, 40, 60, 80, 100]


@pytest.fixture(autouse=True)
def tensorboard():
    pytest.importorskip("tensorboard", reason="reads TensorBoard logs: pip install 'rdmtools[tensorboard]'")


def log(folder, tensors, *, scalars=()):
    """An event file as `SummaryWriter.add_tensor` and `add_scalar` write it: (tag, values, step) each."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter
    from tensorboard.util.tensor_util import make_tensor_proto

    before = set(folder.glob("*")) if folder.exists() else set()
    writer = EventFileWriter(str(folder))
    for tag, number, step in scalars:
        writer.add_event(
            Event(step=step, summary=Summary(value=[Summary.Value(tag=tag, simple_value=number)]))
        )
    for tag, values, step in tensors:
        value = Summary.Value(tag=tag, tensor=make_tensor_proto(values))
        writer.add_event(Event(step=step, summary=Summary(value=[value])))
    writer.close()
    (path,) = set(folder.glob("*")) - before
    return path


def under(tag, steps=STEPS, losses=LOSSES):
    return [(tag, values, step) for step, values in zip(steps, losses, strict=True)]


def read(source, **options):
    """The run, and what was said, without the source's name."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        run = read_run(source, **options)
    return run, [str(each.message).removeprefix(f"{source}: ") for each in said]


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_tensors_under_the_only_tag_that_fits_are_the_losses(kind, tmp_path):
    log(
        tmp_path / "logs",
        under("probe/nll", losses=LOSSES.astype(kind)),
        scalars=[("lr", 0.1, 0), ("lr", 0.1, 20)],
    )
    run, said = read(tmp_path / "logs")
    np.testing.assert_array_equal(run.losses, LOSSES.astype(kind))
    assert run.dtype == (np.float64 if kind == np.float64 else np.float32)
    assert (run.name, run.steps.tolist(), run.samples["sample_id"].tolist()) == ("logs", STEPS, [0, 1, 2, 3])
    assert said == ["took tag 'probe/nll' for the losses", "left out 1 tag: 'lr'"]
    assert replace(run.quality, guesses=()) == Quality()


def test_bfloat16_is_read(tmp_path):
    """As torch logs it: the upper half of a float32, in `half_val`."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.compat.proto.types_pb2 import DT_BFLOAT16
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    values = np.array([0.5, 1.25, 3.0], np.float32)
    tensor = TensorProto(
        dtype=DT_BFLOAT16,
        half_val=(values.view(np.uint32) >> 16).tolist(),
        tensor_shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=3)]),
    )
    writer = EventFileWriter(str(tmp_path))
    writer.add_event(Event(step=7, summary=Summary(value=[Summary.Value(tag="loss", tensor=tensor)])))
    writer.close()
    np.testing.assert_array_equal(read(tmp_path)[0].losses, [values])


def test_a_tag_is_named_where_several_fit(tmp_path):
    path = log(tmp_path / "logs", under("train") + under("test", losses=LOSSES + 1) + [("grid", LOSSES, 0)])
    with pytest.raises(
        FormatError,
        match=r"under tag 'loss'; found such under 'train', 'test', .* 'grid'; map .*={.loss.: .train.}",
    ):
        read(tmp_path / "logs")
    for source in (tmp_path / "logs", path):
        run, said = read(source, columns={"loss": "test"})
        np.testing.assert_array_equal(run.losses, LOSSES + 1)
        assert said == ["left out 2 tags: 'train', 'grid'"]
    with pytest.raises(FormatError, match=r"no tensors .* under tag 'grid'"):
        read(tmp_path / "logs", columns={"loss": "grid"})
    with pytest.raises(FormatError, match="columns maps 'step'; needed loss alone"):
        read(tmp_path / "logs", columns={"step": "x"})


def test_a_restart_supersedes_the_steps_from_which_it_goes_on(tmp_path):
    first = log(tmp_path, under("loss"))
    first.rename(first.with_name("events.out.tfevents.0000000001.first"))
    again = log(tmp_path, under("loss", STEPS[3:5], 2 * LOSSES[3:5]))
    run, said = read(tmp_path)
    assert said == []
    assert run.steps.tolist() == STEPS[:5]
    np.testing.assert_array_equal(run.losses, np.vstack([LOSSES[:3], 2 * LOSSES[3:5]]))
    assert run.quality.superseded_rows == 3 * LOSSES.shape[1]
    again.unlink()
    assert read(tmp_path)[0].steps.tolist() == STEPS


def test_a_step_twice_in_one_file_follows_the_readers_rules(tmp_path):
    log(tmp_path, under("loss", [0, 20, 20, 40, 60, 80]))
    run, _ = read(tmp_path)
    np.testing.assert_array_equal(run.losses, LOSSES[[0, 2, 3, 4, 5]])
    assert (run.quality.duplicates_replaced, run.quality.order_trusted) == (4, True)
    with pytest.raises(FormatError, match="4 rows came twice with different losses"):
        read(tmp_path, duplicates="error")


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_end_is_left_out_and_its_bytes_are_told(damage, tmp_path):
    path = log(tmp_path, under("loss"))
    raw = bytearray(path.read_bytes())
    whole = log(tmp_path / "short", under("loss", STEPS[:5], LOSSES[:5])).stat().st_size
    if damage == "cut":
        path.write_bytes(raw[:-3])
    else:
        raw[whole + 20] ^= 1
        path.write_bytes(raw)
    run, said = read(path)
    np.testing.assert_array_equal(run.losses, LOSSES[:5])
    left = len(raw) - whole - (3 if damage == "cut" else 0)
    assert said == [f"could not read the last {left} bytes of {path.name}: damaged, or cut short"]


def test_samples_that_change_are_told(tmp_path):
    log(tmp_path, [("loss", LOSSES[0], 0), ("loss", LOSSES[1, :3], 20)])
    with pytest.raises(
        FormatError, match=r"'loss' has 3 values at step 20, 4 at step 0; needed the same samples"
    ):
        read(tmp_path)


def test_a_folder_of_runs_or_without_losses_is_no_log(tmp_path):
    (tmp_path / "empty" / "events.out.tfevents.1.x").parent.mkdir()
    (tmp_path / "empty" / "events.out.tfevents.1.x").write_bytes(b"")
    with pytest.raises(
        FormatError, match=r"no tensors of shape .*; found such under no tag, something else under no"
    ):
        read(tmp_path / "empty")
    log(tmp_path / "other", under("loss"))
    with pytest.raises(FormatError) as error:
        read(tmp_path)
    assert str(error.value) == (
        f"{tmp_path} has no *.parquet files in it; found empty (a TensorBoard log), other (a TensorBoard "
        f"log) in it; pass one of them: '{tmp_path / 'empty'}'"
    )


def test_a_log_converts_to_a_run_of_its_own_name(tmp_path):
    source = log(tmp_path / "logs", under("loss"))
    for given in (tmp_path / "logs", source):
        path = rdmtools.convert(given)
        assert path == given.with_name(given.name + ".parquet")
        np.testing.assert_array_equal(read_run(path).losses, LOSSES)


def test_what_reads_a_log_is_loaded_for_a_log_alone(tmp_path):
    (tmp_path / "x.csv").write_text("step,sample_id,loss\n0,0,0.5\n")
    code = "import sys, rdmtools; rdmtools.read_run(sys.argv[1]); print('tensorboard' in sys.modules)"
    for source, loaded in ((tmp_path / "x.csv", "False"), (log(tmp_path / "logs", under("loss")), "True")):
        done = subprocess.run(
            [sys.executable, "-c", code, source], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == loaded


def test_without_tensorboard_a_log_is_told_what_it_needs(tmp_path, monkeypatch):
    path = log(tmp_path / "logs", under("loss"))
    monkeypatch.setitem(sys.modules, "tensorboard.backend.event_processing.event_file_loader", None)
    with pytest.raises(
        FormatError, match=r"needed it to read one: pip install 'rdmtools\[tensorboard\]'$"
    ) as error:
        read(tmp_path / "logs")
    assert str(error.value).startswith(str(Path(path)))


def test_steps_that_fall_back_in_one_file_supersede_as_tensorboard_purges(tmp_path):
    log(tmp_path, under("loss") + under("loss", [50, 60, 80], 2 * LOSSES[3:]))
    run, said = read(tmp_path)
    assert said == []
    assert run.steps.tolist() == [0, 20, 40, 50, 60, 80]
    np.testing.assert_array_equal(run.losses, np.vstack([LOSSES[:3], 2 * LOSSES[3:]]))
    assert run.quality.superseded_rows == 3 * LOSSES.shape[1]


def test_tags_that_count_differently_do_not_supersede_each_other(tmp_path):
    mixed = [pair for pairs in zip(under("loss"), under("other", range(6)), strict=True) for pair in pairs]
    log(tmp_path, mixed)
    run, _ = read(tmp_path)
    np.testing.assert_array_equal(run.losses, LOSSES)
    assert run.quality.superseded_rows == 0


def scalars(tags, steps=STEPS, losses=LOSSES):
    return [
        (tag, float(loss), step)
        for step, row in zip(steps, losses, strict=True)
        for tag, loss in zip(tags, row, strict=True)
    ]


@pytest.mark.parametrize(
    ("tags", "ids"),
    [
        (["loss/10", "loss/9", "loss/8", "loss/7"], [7, 8, 9, 10]),
        (["probe/nll_03", "probe/nll_02", "probe/nll_01", "probe/nll_00"], ["00", "01", "02", "03"]),
    ],
)
@pytest.mark.parametrize("kind", ["simple", "tensor"])
def test_a_scalar_for_each_sample_is_read(kind, tags, ids, tmp_path):
    """As `add_scalar` writes them, and as TensorFlow does: tensors ()."""
    values = [*scalars(tags), *(("lr", 0.1, step) for step in STEPS)]
    if kind == "simple":
        log(tmp_path, [], scalars=values)
    else:
        log(tmp_path, [(tag, np.float32(number), step) for tag, number, step in values])
    run, said = read(tmp_path)
    np.testing.assert_array_equal(run.losses, LOSSES[:, ::-1])
    assert run.samples["sample_id"].tolist() == ids
    assert said == [
        f"took the scalars {', '.join(map(repr, tags))} for the losses of 4 samples",
        "left out 1 tag: 'lr'",
    ]


def test_a_scalar_that_is_not_there_is_a_missing_loss(tmp_path):
    log(tmp_path, [], scalars=scalars([f"loss/{sample}" for sample in range(4)])[:-1])
    with pytest.raises(FormatError, match=r"1 .*absent|missing|step 100"):
        read(tmp_path)
    assert read(tmp_path, missing="drop-steps")[0].steps.tolist() == STEPS[:-1]


def test_a_restart_among_scalars_supersedes(tmp_path):
    tags = [f"loss/{sample}" for sample in range(4)]
    log(tmp_path, [], scalars=scalars(tags) + scalars(tags, [30, 40], 2 * LOSSES[:2]))
    run, _ = read(tmp_path)
    assert run.steps.tolist() == [0, 20, 30, 40]
    np.testing.assert_array_equal(run.losses, np.vstack([LOSSES[:2], 2 * LOSSES[:2]]))


def test_scalars_by_name_are_read_where_they_are_many_or_asked_for(tmp_path):
    names = [f"loss/{name}" for name in "dbca"]
    log(tmp_path / "few", [], scalars=scalars(names))
    with pytest.raises(FormatError, match="no per-sample losses"):
        read(tmp_path / "few")
    run, _ = read(tmp_path / "few", columns={"loss": "loss"})
    assert run.samples["sample_id"].tolist() == ["a", "b", "c", "d"]
    np.testing.assert_array_equal(run.losses, LOSSES[:, [3, 1, 2, 0]])
    many = np.tile(LOSSES, 4)
    log(
        tmp_path / "many",
        [],
        scalars=scalars([f"loss/{letter}" for letter in "abcdefghijklmnop"], losses=many),
    )
    np.testing.assert_array_equal(read(tmp_path / "many")[0].losses, many)


@pytest.mark.parametrize(
    ("tags", "named"),
    [
        (["loss", "lr"], "'loss'"),
        (["train/loss", "val/loss", "train/accuracy"], "'train/loss', 'val/loss'"),
        (["loss/total", "loss/kl", "loss/reconstruction"], "'loss/total', 'loss/kl', 'loss/reconstruction'"),
        (["loss/0", "loss/1"], "'loss/0', 'loss/1'"),
        ([f"val_loss/dataloader_idx_{index}" for index in range(3)], "'val_loss/dataloader_idx_0', "),
        ([f"gradient/{index}" for index in range(4)], "'gradient/0', "),
    ],
)
def test_curves_of_means_are_told_to_be_none_of_samples(tags, named, tmp_path):
    log(tmp_path, [], scalars=[(tag, 0.5, step) for step in STEPS for tag in tags])
    with pytest.raises(FormatError) as error:
        read(tmp_path)
    assert str(error.value).startswith(f"{tmp_path}: one loss a step for the whole batch ({named}")
    assert "log it with rdm.ProbeLogger" in str(error.value)


def test_two_sets_of_samples_are_named(tmp_path):
    tags = [f"{part}_loss/{sample}" for part in ("train", "val") for sample in range(4)]
    log(tmp_path, [], scalars=scalars(tags, losses=np.hstack([LOSSES, LOSSES + 1])))
    with pytest.raises(
        FormatError, match=r"under 'train_loss', 'val_loss'; .*columns=\{\"loss\": \"train_loss\"\}"
    ):
        read(tmp_path)
    run, said = read(tmp_path, columns={"loss": "val_loss"})
    np.testing.assert_array_equal(run.losses, LOSSES + 1)
    assert said[1].startswith("left out 4 tags: 'train_loss/0'")


def test_a_log_one_level_down_is_read_where_it_is_the_one_thing_there(tmp_path):
    folder = tmp_path / "runs"
    log(folder / "version_0", under("loss"))
    (folder / "hparams.yaml").write_text("lr: 0.1")
    run, said = read(folder)
    np.testing.assert_array_equal(run.losses, LOSSES)
    assert (run.name, said) == ("runs", ["read version_0, which lies in it"])
    with pytest.warns(match="read version_0"):
        np.testing.assert_array_equal(read_run(rdmtools.convert(folder)).losses, LOSSES)
    (folder / "losses.csv").write_text("step,sample_id,loss\n0,0,0.5\n")
    with pytest.raises(FormatError, match=r"found losses.csv \(CSV\), version_0 \(a TensorBoard log\) in it"):
        read(folder)


def test_the_rows_of_a_logger_come_before_a_log_one_level_down(tmp_path):
    log(tmp_path / "run" / "version_0", under("loss"))
    logger = rdmtools.ProbeLogger(tmp_path / "run.parquet", range(4))
    logger(0, LOSSES[0] + 1)
    logger.flush()
    np.testing.assert_allclose(read_run(tmp_path / "run").losses, [LOSSES[0] + 1], rtol=1e-6)
    logger.close()


def record(raw):
    """A record of an event file, with its checksums."""
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    length = len(raw).to_bytes(8, "little")
    ends = [int(masked_crc32c(each)).to_bytes(4, "little") for each in (length, raw)]
    return length + ends[0] + raw + ends[1]


def damaged(kind):
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto

    if kind == "no event":
        return b"\xff\xff\xff"
    size = {"huge": 1 << 60, "negative": -5}.get(kind, 4)
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=size)])
    tensor = TensorProto(dtype=99 if kind == "type" else 1, tensor_shape=shape, tensor_content=b"abc")
    if kind == "huge":
        tensor = TensorProto(dtype=1, tensor_shape=shape, float_val=[0.5])
    return Event(summary=Summary(value=[Summary.Value(tag="loss", tensor=tensor)])).SerializeToString()


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("no event", "has a record 1 that is no event (Error parsing message"),
        ("huge", "unfolds to more than"),
        ("content", "has a tensor that does not read, under tag 'loss' at step 0"),
        ("type", "has a tensor that does not read, under tag 'loss' at step 0"),
        ("negative", "no tensors of shape (samples,) under tag 'loss'"),
    ],
)
def test_a_record_that_is_whole_but_no_event_is_told(kind, message, tmp_path):
    (tmp_path / "events.out.tfevents.1.x").write_bytes(record(damaged(kind)))
    with pytest.raises(FormatError) as error:
        read(tmp_path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
