"""Journals of a logger that was killed, written record by record, and what they must read as."""

from pathlib import Path

import numpy as np

import rdmtools as rdm
from rdmtools import ProbeLogger, read_run
from rdmtools.format.records import Kind, record_header

IDS = ["c", "a", "b"]


def companion(path: Path) -> Path:
    return path.with_suffix(".rdm")


def row(step: int) -> list[float]:
    return [step + sample / 8 for sample in range(len(IDS))]


def record(kind: Kind, step: int, payload: bytes, time=0.0) -> bytes:
    return record_header(kind, step, time, payload) + payload


def losses(*steps: int) -> bytes:
    return b"".join(record(Kind.LOSSES, step, np.float32(row(step)).tobytes()) for step in steps)


def crashed(path: Path, steps=range(3), samples=IDS, **options) -> Path:
    """What a killed logger leaves; the folder of its attempt."""
    log = ProbeLogger(path, samples, resume=True, **options)
    for step in steps:
        log(step, row(step))
    log._attempt.end()
    log._sealed = log._closed = True
    return log._attempt.folder


def check(path: Path, steps=(0, 1, 2)) -> rdm.Run:
    run = read_run(path)
    assert run.steps.tolist() == list(steps)
    order = np.argsort(IDS)
    np.testing.assert_array_equal(run.losses, np.float32([row(step) for step in steps])[:, order])
    return run
