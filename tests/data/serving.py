"""A web server of the tests' own, for everything that downloads."""

import contextlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    """Serves `files`, by their whole path or the last part of it, and notes what is asked for."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []  # method and path
        self.announced: int | None = None  # a length that is not the content's
        self.delay = 0.0  # seconds before the content
        self.address = f"http://127.0.0.1:{self.server_port}"

    def sent(self, name: str) -> int:
        """How many times the content of this file has been asked for."""
        return sum(method == "GET" and path.endswith(name) for method, path in self.asked)


class _Handler(BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        self.server.asked.append((self.command, self.path))
        files = self.server.files
        content = files.get(self.path, files.get(self.path.rpartition("/")[2]))
        if content is None:
            return self.send_error(404, "Not Found")
        self.send_response(200)
        self.send_header("Content-Length", str(self.server.announced or len(content)))
        self.end_headers()
        if self.command == "GET":
            time.sleep(self.server.delay)
            self.wfile.write(content)
        return None

    def log_message(self, *args):
        """Say nothing."""


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """A running server on this machine."""
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
