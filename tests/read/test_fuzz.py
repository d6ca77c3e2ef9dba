"""Whatever is damaged or lies: a run comes of it, or one error of ours; see `helpers.fuzz_worker`."""

import pyarrow as pa
import pytest
from helpers.fuzz_worker import Worker
from helpers.fuzzing import KINDS, mutated, valid

INPUTS = 200
# Arrow 16 ends the process over some damaged footers, and warns of pickles that it does not open.
OLD_ARROW = int(pa.__version__.partition(".")[0]) < 20
FORGIVEN = ("the process died", "pickle-based deserialization")


@pytest.fixture(scope="module")
def worker():
    worker = Worker()
    yield worker
    worker.close()


@pytest.mark.parametrize("kind", KINDS)
def test_only_our_errors_leave_a_reader(kind, worker):
    if not KINDS[kind].there():
        pytest.skip("this form is not read here")
    found = {seed: worker.ask(kind, seed, every_door=seed % 8 == 0) for seed in range(INPUTS)}
    if OLD_ARROW:
        found = {seed: said for seed, said in found.items() if not any(word in said for word in FORGIVEN)}
    assert not {seed: said for seed, said in found.items() if said.startswith("failed")}
    words = set(found.values())
    assert words == {"as before"} if KINDS[kind].losses_stay else OLD_ARROW or len(words) > 1  # some are read


def test_an_input_is_the_same_each_time():
    for kind in ("parquet bytes", "scalars", "journal records", "npz"):
        assert mutated(kind, 3) == mutated(kind, 3) != mutated(kind, 4)
        assert mutated(kind, 3) != valid(kind)
