"""A browser that a test drives: Chromium's own protocol over two pipes, and nothing else is needed."""

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager

BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))),
    None,
)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
_PATIENCE_S = 20
# The browser reads what it is told from 3, and answers on 4.
LAUNCH = """
import os, sys
ends = [os.dup(os.dup(os.dup(int(end)))) for end in sys.argv[1:3]]
for place, end in zip((3, 4), ends):
    os.dup2(end, place)
os.execvp(sys.argv[3], sys.argv[3:])
"""


class Tab:
    """One page; `events` has all that the browser told meanwhile."""

    def __init__(self, send, receive):
        self._send, self._receive = send, receive
        self._number, self._buffer = 0, b""
        self.session, self.events = None, []

    def call(self, method, **params):
        """The answer of the browser to one command."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self._send, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + _PATIENCE_S
        while time.monotonic() < until:
            answer = self._message(until)
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            self.events.append(answer)
        raise TimeoutError(method)

    def _message(self, until):
        while b"\0" not in self._buffer:
            if not select.select([self._receive], [], [], max(until - time.monotonic(), 0))[0]:
                raise TimeoutError("the browser said nothing")
            self._buffer += os.read(self._receive, 1 << 20)
        text, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(text)

    def open(self, path, width=1280, height=800):
        """Load a file at that size."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.call("Page.navigate", url=path.as_uri())
        self.until("document.readyState === 'complete'")

    def eval(self, expression):
        """The value of an expression in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def until(self, expression):
        """Wait for an expression to be true."""
        until = time.monotonic() + _PATIENCE_S
        while not self.eval(expression):
            assert time.monotonic() < until, expression
            time.sleep(0.02)

    def mouse(self, kind, x, y, **more):
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def drag(self, x, y, across):
        """Press at a place, move to the right, let go; with 0 a click."""
        held = {"button": "left", "clickCount": 1}
        self.mouse("mouseMoved", x, y)
        self.mouse("mousePressed", x, y, **held)
        for part in (1, 2, 3) if across else ():
            self.mouse("mouseMoved", x + across * part / 3, y, button="left", buttons=1)
        self.mouse("mouseReleased", x + across, y, **held)

    def middle(self, selector):
        """Where the middle of an element is, scrolled into view."""
        return self.eval(
            f"(() => {{ const one = document.querySelector({json.dumps(selector)});"
            "one.scrollIntoView({block: 'center'}); const box = one.getBoundingClientRect();"
            "return [box.left + box.width / 2, box.top + box.height / 2]; })()"
        )

    def picture(self):
        """What is seen, as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def told(self, *methods):
        return [event for event in self.events if event.get("method") in methods]


@contextmanager
def browser(profile):
    """A tab of a fresh browser, which is closed at the end."""
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    words = [BROWSER, *FLAGS, "--remote-debugging-pipe", f"--user-data-dir={profile}"]
    process = subprocess.Popen(
        [sys.executable, "-c", LAUNCH, str(theirs_in), str(theirs_out), *words],
        pass_fds=(theirs_in, theirs_out),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs_in)
    os.close(theirs_out)
    tab = Tab(ours_out, ours_in)
    try:
        target = tab.call("Target.createTarget", url="about:blank")["targetId"]
        tab.session = tab.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            tab.call(f"{domain}.enable")
        yield tab
    finally:
        tab.session = None
        try:
            tab.call("Browser.close")
        except (OSError, TimeoutError, ValueError):
            process.kill()
        process.wait(timeout=30)
        os.close(ours_out)
        os.close(ours_in)
