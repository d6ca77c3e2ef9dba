"""A CUDA tensor leaves by a copy that goes on while the training does; its row is written at the next call.

There is no GPU here: the tensor, its copy and its event are doubles that behave as PyTorch documents them.
"""

import sys
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

from rdmtools import ParameterError, ProbeLogger, RdmtoolsWarning, read_run


class Copy:
    """Pinned memory: what is copied is there once the event is waited for."""

    def __init__(self, shape, dtype, pin_memory):
        assert pin_memory
        self.shape, self._there, self._coming = shape, np.full(shape, -1, dtype), None

    def copy_(self, tensor, non_blocking):
        assert non_blocking
        self._coming = tensor
        Event.copies.append(self)

    def numpy(self):
        return self._there

    def arrive(self):
        self._there[...] = self._coming.values


class Event:
    copies: ClassVar[list] = []

    def record(self, stream):
        assert stream == "the stream of cuda:0"

    def synchronize(self):
        if "broken" in sys.modules["torch"].__dict__:
            raise RuntimeError("CUDA error:\n an illegal memory access")
        for copy in self.copies:
            copy.arrive()


class Tensor:
    is_cuda, device = True, "cuda:0"

    def __init__(self, values):
        self.values, self.shape, self.dtype = np.asarray(values), np.shape(values), None

    def detach(self):
        return self

    def to(self, dtype):
        found = Tensor(self.values.astype(dtype))
        found.dtype = dtype
        return found

    def float(self):
        raise AssertionError("a tensor that waits for the device")

    double = float


@pytest.fixture
def torch(monkeypatch):
    cuda = SimpleNamespace(Event=Event, current_stream=lambda device: f"the stream of {device}")
    found = SimpleNamespace(float32=np.float32, float64=np.float64, empty=Copy, cuda=cuda)
    monkeypatch.setitem(sys.modules, "torch", found)
    monkeypatch.setattr(Event, "copies", [])
    return found


def row(step):
    return np.array([step, step + 0.5], np.float64)


@pytest.mark.usefixtures("torch")
def test_a_row_is_accepted_at_the_next_call_or_flush(tmp_path):
    path = tmp_path / "run.parquet"
    log = ProbeLogger(path, 2)
    log(0, Tensor(row(0)))
    assert log.rows == 0
    log.scalars(0, acc=1.0)
    assert log.rows == 1
    log(1, Tensor(row(1)))
    assert log.rows == 1
    log.flush()
    assert log.rows == 2
    log(2, row(2))
    log(3, Tensor(row(3)))
    log.draws(3, Tensor([row(3), row(4)]))
    assert read_run(path).steps.tolist() == [0, 1, 2, 3]
    log.close()
    run = read_run(path)
    np.testing.assert_array_equal(run.losses, [row(step) for step in range(4)])
    np.testing.assert_array_equal(run.draws[0][1], [row(3), row(4)])


@pytest.mark.usefixtures("torch")
def test_a_logger_that_nobody_closes_keeps_what_was_on_its_way(tmp_path):
    path = tmp_path / "run.parquet"
    log = ProbeLogger(path, 2)
    log(0, Tensor([np.nan, 1.0]))
    log(1, Tensor(row(1)))
    assert log.nonfinite == 1
    del log
    assert read_run(path, nonfinite="drop-steps").steps.tolist() == [1]


@pytest.mark.usefixtures("torch")
def test_wrong_shapes_and_steps_are_told_at_once(tmp_path):
    log = ProbeLogger(tmp_path / "run.parquet", 2)
    with pytest.raises(ParameterError, match=r"losses have shape \(3,\); needed \(2,\)"):
        log(0, Tensor([1.0, 2.0, 3.0]))
    log(1, Tensor(row(1)))
    with pytest.warns(RdmtoolsWarning, match="step 1 follows step 1"):
        log(1, Tensor(row(1)))
    log.close()
    assert read_run(log.path).steps.tolist() == [1]


def test_a_device_that_fails_costs_the_row_and_not_the_training(tmp_path, torch):
    log = ProbeLogger(tmp_path / "run.parquet", 2)
    log(0, row(0))
    log(1, Tensor(row(1)))
    torch.broken = True
    with pytest.warns(RdmtoolsWarning, match="losses of step 1 not recorded .*illegal memory access"):
        log(2, row(2))
    log.close()
    assert dict(log.refused) == {"values": 1}
    assert read_run(log.path).steps.tolist() == [0, 2]
