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
        match=r"under tag 'loss'; found such under 'train', 'test', .* 'grid'; .*\"train\"}",
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
    with pytest.raises(FormatError, match=r"has no \*\.parquet files in it"):
        read(tmp_path)


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
