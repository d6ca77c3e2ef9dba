"""An S3 server on this machine, as moto makes one, that notes what it was asked for."""

import os
import threading
from contextlib import contextmanager
from typing import NamedTuple

import pyarrow.fs as fs
import pytest


class Request(NamedTuple):
    method: str
    key: str
    bytes: int


class Server:
    """The server at `endpoint`; `requests` are those since `forget`, `denied` the keys that it refuses."""

    def __init__(self, app):
        self.app = app
        self.requests = []
        self.denied = lambda method, key: False

    def forget(self):
        self.requests.clear()

    def fetched(self, name=""):
        """Bytes of what the names of the objects that were read end in."""
        return sum(each.bytes for each in self.requests if each.method == "GET" and each.key.endswith(name))

    def __call__(self, environ, start_response):
        method, key = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if self.denied(method, key):
            start_response("403 Forbidden", [("Content-Length", "0")])
            return []
        body = b"".join(self.app(environ, start_response))
        self.requests.append(Request(method, key, len(body)))
        return [body]

    def put(self, key, content):
        with self.filesystem.open_output_stream(f"bucket/{key}") as file:
            file.write(content)

    def upload(self, folder, prefix=""):
        """All files below `folder`, as `aws s3 cp --recursive` does it."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.put(prefix + path.relative_to(folder).as_posix(), path.read_bytes())

    def remove_all(self):
        self.denied = lambda method, key: False
        self.filesystem.delete_dir_contents("bucket")
        self.forget()


@contextmanager
def serving():
    """A server with an empty bucket, "bucket"."""
    moto = pytest.importorskip("moto.server", reason="an S3 server for tests: pip install 'rdmtools[test]'")
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_request(self, *about):
            pass

    server = Server(moto.DomainDispatcherApplication(moto.create_backend_app))
    listening = make_server("127.0.0.1", 0, server, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    server.endpoint = f"http://127.0.0.1:{listening.server_port}"
    server.filesystem = fs.S3FileSystem(
        access_key="test",
        secret_key="test",
        endpoint_override=server.endpoint,
        region="us-east-1",
        allow_bucket_creation=True,
    )
    server.filesystem.create_dir("bucket")
    try:
        yield server
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()


def environment(server):
    """What a user of a store of their own sets."""
    return {
        "AWS_ENDPOINT_URL": server.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "PATH": os.environ["PATH"],
    }
