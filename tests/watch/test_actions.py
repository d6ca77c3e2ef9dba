"""A command gets the event on its input, an address gets it posted; what fails is told in one line."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from rdmtools.errors import ParameterError
from rdmtools.watch.actions import Action, command, webhook


def ended(action):
    action.finish()
    return action.outcomes()


def test_a_command_gets_each_event_in_order_and_once(tmp_path):
    action = command(f"cat >> {tmp_path / 'seen'}")
    lines = [json.dumps({"step": step}).encode() + b"\n" for step in range(5)]
    for step, line in enumerate(lines):
        action.begin(step, line)
    assert [(each.about, each.fault) for each in ended(action)] == [(step, None) for step in range(5)]
    assert (tmp_path / "seen").read_bytes() == b"".join(lines)


def test_no_word_of_an_event_is_part_of_the_command(tmp_path):
    evil = json.dumps({"run": f"$(touch {tmp_path}/a) `touch {tmp_path}/a`; touch {tmp_path}/a"}).encode()
    action = command(f"cat > {tmp_path / 'seen'}")
    action.begin(0, evil)
    ended(action)
    assert (tmp_path / "seen").read_bytes() == evil
    assert not (tmp_path / "a").exists()


def test_a_command_that_fails_says_how_and_the_next_event_comes(tmp_path):
    action = command("read line; echo working; echo no space >&2; exit $(echo $line | wc -c)")
    for line in (b"12\n", b"1\n"):
        action.begin(line, line)
    assert [each.fault for each in ended(action)] == ["exit code 3: no space", "exit code 2: no space"]


def test_a_command_that_does_not_read_its_input_is_fine():
    action = command("true")
    action.begin(0, b"x" * 1_000_000)
    assert ended(action)[0].fault is None


def test_what_is_not_begun_can_be_withdrawn():
    begun, go_on, done = threading.Event(), threading.Event(), []

    def slow(event):
        begun.set()
        go_on.wait(30)
        done.append(event)

    action = Action("any", slow)
    for about in range(3):
        action.begin(about, str(about).encode())
    begun.wait(30)
    assert action.withdraw(patience_s=0.01) == [1, 2]
    go_on.set()
    assert [each.about for each in ended(action)] == [0]
    assert done == [b"0"]


def test_whatever_work_raises_is_an_outcome():
    def fails(event):
        raise ValueError("a\nb")

    action = Action("any", fails)
    action.begin("it", b"")
    assert [tuple(each) for each in ended(action)] == [("it", "any", "a b")]


@pytest.fixture
def server():
    """An address, what was posted there, and the answers that it gives first, one a request."""
    posted, answers = [], []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posted.append((self.headers["Content-Type"], body))
            self.send_response(answers.pop(0) if answers else 200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}/hook", posted, answers
        served.shutdown()
        thread.join()


def test_an_event_is_posted(server):
    address, posted, _ = server
    action = webhook(address)
    action.begin(0, b'{"step": 3}\n')
    assert [each.fault for each in ended(action)] == [None]
    assert posted == [("application/json", b'{"step": 3}\n')]


def test_it_is_tried_again_where_the_server_cannot(server):
    address, posted, answers = server
    answers += [503, 429, 500]
    action = webhook(address, back_off_s=[0.0, 0.0, 0.0, 0.0])
    action.begin(0, b"{}")
    assert [each.fault for each in ended(action)] == [None]
    assert len(posted) == 4


def test_it_is_given_up_after_some_tries_or_where_the_server_does_not_want_it(server):
    address, posted, answers = server
    answers += [500] * 3 + [404]
    action = webhook(address, back_off_s=[0.0, 0.0])
    for event in (b"1", b"2"):
        action.begin(event, event)
    first, second = ended(action)
    assert "500" in first.fault
    assert "404" in second.fault
    assert [body for _, body in posted] == [b"1", b"1", b"1", b"2"]


def test_an_address_where_nobody_answers_is_told():
    action = webhook("http://127.0.0.1:9/hook", back_off_s=[0.0])
    action.begin(0, b"{}")
    [outcome] = ended(action)
    assert "refused" in outcome.fault
    assert "\n" not in outcome.fault


@pytest.mark.parametrize("address", ["file:///etc/passwd", "example.org", "ftp://example.org/x", "http://"])
def test_only_addresses_of_the_web_are_taken(address):
    with pytest.raises(ParameterError, match="needed an address such as webhook="):
        webhook(address)
