"""A store on this machine that accepts every connection and is bad at answering, each time in one way."""

import re
import socket
import threading
from contextlib import contextmanager, suppress

_ABOUT = b'ETag: "a"\r\nLast-Modified: Wed, 12 Oct 2022 17:50:00 GMT\r\nAccept-Ranges: bytes\r\n'
_NOTHING = b"<ListBucketResult><Name>bucket</Name><KeyCount>0</KeyCount></ListBucketResult>"
_PIECE_S = 0.1


class BadStore:
    """Answers requests for the object `content` in the way `how`; `requests` are their first lines.

    "silent"      takes the request, and that is all
    "whispers"    a header now and then, and never the end of them
    "trickles"    what the object is like at once, of its bytes a few now and then
    "truncates"   a part of the bytes that its header promises, then the end of the connection
    "short"       fewer bytes than were asked for, as if these were all
    "overloaded"  the status 503
    "good"        as a store should
    """

    def __init__(self, how, content):
        self.how, self.content = how, content
        self.requests = []
        self.over = threading.Event()

    def answer(self, connection):
        with suppress(OSError), connection:
            while head := self.head(connection):
                line = head.partition(b"\r\n")[0].decode()
                self.requests.append(line)
                self.respond(connection, line.split()[:2], head)
                if self.over.is_set() or (self.how == "truncates" and line.startswith("GET")):
                    return

    def head(self, connection):
        head = b""
        while b"\r\n\r\n" not in head:
            if not (more := connection.recv(4096)):
                return b""
            head += more
        return head

    def respond(self, connection, asked, head):
        method, path = asked
        if self.how == "silent":
            self.over.wait()
        elif self.how == "overloaded":
            connection.sendall(b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n")
        elif self.how == "whispers":
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            self.drop(connection, b"X-More: yes\r\n")
        elif not path.endswith("run.parquet"):
            body = b"" if method == "HEAD" or "?" not in path else _NOTHING
            status = b"200 OK" if body else b"404 Not Found"
            connection.sendall(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))
        elif method == "HEAD":
            size = len(self.content)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n" % (size, _ABOUT))
        else:
            found = re.search(rb"range: bytes=(\d+)-(\d+)", head, re.I)
            first, last = map(int, found.groups()) if found else (0, len(self.content) - 1)
            self.send(connection, first, self.content[first : last + 1])

    def send(self, connection, first, body):
        if self.how == "short":
            body = body[: len(body) // 2]
        end = first + len(body) - 1
        connection.sendall(
            b"HTTP/1.1 206 Partial Content\r\nContent-Length: %d\r\nContent-Range: bytes %d-%d/%d\r\n%s\r\n"
            % (len(body), first, end, len(self.content), _ABOUT)
        )
        if self.how == "truncates":
            connection.sendall(body[: len(body) // 2])
        elif self.how == "trickles":
            self.drop(connection, body[:2])
        else:
            connection.sendall(body)

    def drop(self, connection, piece):
        """The piece again and again, until the test is over."""
        while not self.over.wait(_PIECE_S):
            connection.sendall(piece)


@contextmanager
def bad_store(how, content=b""):
    """Such a store, at the address `endpoint`."""
    store = BadStore(how, content)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        store.endpoint = f"http://127.0.0.1:{listening.getsockname()[1]}"
        threads = []

        def accept():
            with suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    threads.append(threading.Thread(target=store.answer, args=(connection,), daemon=True))
                    threads[-1].start()

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield store
        finally:
            store.over.set()
            listening.shutdown(socket.SHUT_RDWR)
            accepting.join()
