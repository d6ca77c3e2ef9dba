"""A store that keeps silent, whispers or cuts short is told in one line, in bounded time."""

import pickle
import subprocess
import sys
import threading
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.bad_store import bad_store
from helpers.object_store import environment
from helpers.tables import LOSSES, SAMPLES, tidy

from rdmtools.errors import ChangedError, FormatError
from rdmtools.read import patience
from rdmtools.read.read import read_run
from rdmtools.read.stores import at

ADDRESS = "s3://bucket/run.parquet"
WAYS = {
    "silent": "no answer from the store",
    "whispers": "no answer from the store",
    "trickles": r"no answer from the store within \d s",
    "truncates": "no answer from the store .*partial file",
    "overloaded": "no answer from the store .*503",
    "short": "is damaged|is cut short|cannot be opened",
}


def content():
    sink = pa.BufferOutputStream()
    pq.write_table(tidy(), sink, row_group_size=3 * SAMPLES, use_dictionary=False)
    return sink.getvalue().to_pybytes()


def wait_for_those_left_behind():
    for _ in range(1000):
        if not patience.waiting():
            return
        time.sleep(0.03)
    raise AssertionError("some wait still")


@pytest.fixture
def hasty(monkeypatch):
    """Nobody waits long."""
    for name, value in {"ANSWER_S": 2.0, "_SILENCE_S": 1.0, "_CONNECT_S": 1.0, "_TRIES": 2}.items():
        monkeypatch.setattr(patience, name, value)


@pytest.fixture
def store(hasty, monkeypatch):
    """A function that leads the environment to a store that answers in some way."""
    opened = []

    def open_store(how):
        opened.append(bad_store(how, content()))
        found = opened[-1].__enter__()
        for name, value in environment(found).items():
            monkeypatch.setenv(name, value)
        return found

    yield open_store
    for each in opened:
        each.__exit__(None, None, None)
    wait_for_those_left_behind()  # until then Arrow makes no other client


def test_the_store_of_these_tests_can_answer(store):
    found = store("good")
    run = read_run(ADDRESS)
    assert run.losses.tolist() == LOSSES.tolist()
    assert len(found.requests) > 3


@pytest.mark.parametrize("how", WAYS)
def test_a_store_that_does_not_answer_as_it_should_is_told_in_bounded_time(store, how):
    found = store(how)
    with pytest.raises(FormatError, match=rf"^{ADDRESS}:? .*({WAYS[how]})") as error:
        read_run(ADDRESS)
    assert "\n" not in str(error.value)
    assert not isinstance(error.value, ChangedError)
    assert len(found.requests) < 15


@pytest.mark.parametrize("how", ["silent", "trickles", "truncates", "overloaded"])
def test_a_store_that_grows_bad_while_it_is_read_is_told(store, how):
    found = store("good")
    run = read_run(ADDRESS)
    found.how = how
    with pytest.raises(FormatError, match=f"{WAYS[how]}.*check the network and AWS_ENDPOINT_URL"):
        run.rows(0, 5)


def test_in_another_process_nobody_is_more_patient(store):
    found = store("overloaded")
    sent = pickle.loads(pickle.dumps(at(ADDRESS)))
    assert sent == at(ADDRESS)
    with pytest.raises(FormatError, match="503"):
        sent.exists()
    assert len(found.requests) == 2
    _, (about,) = sent.filesystem.__reduce__()
    assert (about["connect_timeout"], about["request_timeout"]) == (1.0, 1.0)


COMMAND = """
import sys
from rdmtools.read import patience
patience.ANSWER_S = 2.0
sys.argv = ["rdmtools", "info", sys.argv[1]]
from rdmtools_cli.main import main
main()
"""


def test_the_command_ends_though_a_store_goes_on_to_trickle(store):
    """Without `_leave`, what reads in C++ would be waited for until the store hangs up."""
    store("trickles")
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, ADDRESS], capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "no answer from the store within 2 s" in done.stderr


def test_a_store_of_fsspec_that_keeps_silent_is_told(hasty, monkeypatch):
    fsspec = pytest.importorskip("fsspec", reason="other stores: pip install 'rdmtools[remote]'")
    memory = fsspec.filesystem("memory")
    memory.pipe("/silent/run.parquet", content())
    run = read_run("memory://silent/run.parquet")
    over = threading.Event()

    def keep_silent(*_, **__):
        over.wait()
        raise OSError("over")

    monkeypatch.setattr(type(memory), "open", keep_silent)
    try:
        for read in (lambda: read_run("memory://silent/run.parquet"), lambda: run.rows(0, 5)):
            with pytest.raises(FormatError, match=r"no answer .* within 2 s.*; check the network$"):
                read()
        assert patience.waiting()
    finally:
        over.set()
        monkeypatch.undo()
        wait_for_those_left_behind()
        memory.rm("/silent", recursive=True)


def test_many_bytes_are_waited_for_longer(monkeypatch):
    monkeypatch.setattr(patience, "ANSWER_S", 0.01)
    assert patience.within("x", lambda: threading.Event().wait(0.2), 10 * patience.BYTES_A_SECOND) is False
    with pytest.raises(FormatError, match=r"x: no answer from the store within 0 s, for 30 bytes; check the"):
        patience.within("x", lambda: threading.Event().wait(0.5), 30)


@pytest.mark.parametrize("error", [TimeoutError("its own"), ZeroDivisionError(), KeyboardInterrupt()])
def test_what_a_call_raises_is_raised(error):
    def fail():
        raise error

    with pytest.raises(type(error)) as raised:
        patience.within("x", fail)
    assert raised.value is error
    assert patience.within("x", lambda: 7) == 7
