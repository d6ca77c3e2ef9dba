"""What is done about an event? A command gets it on its standard input, an address gets it posted.

Each kind of action has a thread of its own and takes one event after another, so that nothing waits for it.
The words of an event go nowhere but into the input and the body: no value of a run becomes part of a command.
"""

import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import NamedTuple
from urllib.parse import urlsplit

from rdmtools import __version__
from rdmtools.errors import ParameterError, one_line

TIMEOUT_S = 10.0
BACK_OFF_S = (1.0, 2.0, 4.0, 8.0)
"""Waits between the tries to post an event."""

_TAIL_BYTES = 2000


class Outcome(NamedTuple):
    """What became of an action."""

    about: object
    """As it was handed over."""
    action: str
    fault: str | None
    """Why it failed, in one line."""


class Action:
    """Something that is done about each event, in a thread of its own."""

    def __init__(self, name: str, work: Callable[[bytes], None]) -> None:
        self.name = name
        self._work = work
        self._waiting: SimpleQueue[tuple[object, bytes] | None] = SimpleQueue()
        self._outcomes: SimpleQueue[Outcome] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"rdmtools-{name}", daemon=True)
        self._thread.start()

    def begin(self, about: object, event: bytes) -> None:
        """Do it about the event, a line of JSON, when its turn comes."""
        self._waiting.put((about, event))

    def outcomes(self) -> list[Outcome]:
        """What came to an end since the last call."""
        ended: list[Outcome] = []
        while True:
            try:
                ended.append(self._outcomes.get_nowait())
            except Empty:
                return ended

    def withdraw(self, patience_s: float = 5.0) -> list[object]:
        """Begin nothing more, and wait a while for what is being done: what was handed over and not begun."""
        left: list[object] = []
        with suppress(Empty):
            while (given := self._waiting.get_nowait()) is not None:
                left.append(given[0])
        self._waiting.put(None)
        self._thread.join(patience_s)
        return left

    def finish(self) -> None:
        """Wait until all that was begun has ended."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (given := self._waiting.get()) is not None:
            about, event = given
            try:
                self._work(event)
                fault = None
            except Exception as error:  # the system's, the network's: whatever it is, the next may do
                fault = one_line(error)
            self._outcomes.put(Outcome(about, self.name, fault))


def command(line: str) -> Action:
    """Run the line in a shell for each event, which it gets as JSON on its standard input."""

    def work(event: bytes) -> None:
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(
                line, shell=True, input=event, stdout=output, stderr=subprocess.STDOUT, check=False
            )
            if done.returncode:
                size = output.seek(0, 2)
                output.seek(max(0, size - _TAIL_BYTES))
                said = output.read().decode(errors="replace").strip().splitlines()
                raise OSError(f"exit code {done.returncode}{': ' + said[-1] if said else ''}")

    return Action("exec", work)


def webhook(
    address: str, *, timeout_s: float = TIMEOUT_S, back_off_s: Sequence[float] = BACK_OFF_S
) -> Action:
    """Post each event to the address as JSON, again after a while where that fails.

    Raises ParameterError where it is no http or https address.
    """
    if urlsplit(address).scheme not in ("http", "https") or not urlsplit(address).netloc:
        raise ParameterError(
            f'webhook is {address!r}; needed an address such as webhook="https://example.org/hook"'
        )

    def work(event: bytes) -> None:
        headers = {"Content-Type": "application/json", "User-Agent": f"rdmtools/{__version__}"}
        for wait in (*back_off_s, None):
            try:
                request = urllib.request.Request(address, event, headers, method="POST")
                with urllib.request.urlopen(request, timeout=timeout_s):
                    return
            except (OSError, ValueError) as error:
                refused = isinstance(error, urllib.error.HTTPError) and 400 <= error.code < 500
                if wait is None or (refused and getattr(error, "code", 0) not in (408, 429)):
                    raise
            time.sleep(wait)

    return Action("webhook", work)
