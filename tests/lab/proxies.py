"""A forward proxy with a login, for hosts that have no other way out."""

import base64
import select
import socket
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, build_opener

from tests.lab.mirrors import Served


class Visit(BaseHTTPRequestHandler):
    """One request to the proxy."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_GET(self) -> None:
        """Fetch what is asked for."""
        if not self._may_pass(self.path):
            return
        parts = urlsplit(self.path)
        url = parts._replace(netloc=self.server.names.get(parts.netloc, parts.netloc)).geturl()
        with suppress(OSError):
            with build_opener(ProxyHandler({})).open(url, timeout=20) as found:
                body = found.read()
            self._say(200, body)
            return
        self._say(502, b"")

    do_HEAD = do_GET

    def do_CONNECT(self) -> None:
        """Pass bytes on, both ways, to the server that is named."""
        if not self._may_pass(self.path):
            return
        host, _, port = self.server.names.get(self.path, self.path).partition(":")
        with socket.create_connection((host, int(port)), 20) as beyond:
            self.send_response(200)
            self.end_headers()
            with suppress(OSError):
                self._pump(self.connection, beyond)
        self.close_connection = True

    def _may_pass(self, what: str) -> bool:
        if self.headers.get("Proxy-Authorization") != self.server.login:
            self.send_response(407)
            self.send_header("Proxy-Authenticate", 'Basic realm="proxy"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return False
        self.server.passed.append(what)
        return True

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @staticmethod
    def _pump(one: socket.socket, other: socket.socket) -> None:
        ways = {one: other, other: one}
        while True:
            for ready in select.select(list(ways), [], [], 20)[0]:
                data = ready.recv(65536)
                if not data:
                    return
                ways[ready].sendall(data)

    def log_message(self, *_: object) -> None:
        """Keep the tests' output free of requests."""


class Server(ThreadingHTTPServer):
    """What requests share: the ``login`` wanted, the ``names`` known here alone, and what has ``passed``."""

    daemon_threads = True
    login: str
    names: dict[str, str]
    passed: list[str]


class Proxy(Served):
    """A proxy on ``address`` that wants ``login``, for as long as the context lasts."""

    def __init__(self, address: str, login: str, names: dict[str, str]) -> None:
        server = Server((address, 0), Visit)
        server.login = "Basic " + base64.b64encode(login.encode()).decode()
        server.names = names
        server.passed = self.passed = []
        self.place = f"{address}:{server.server_port}"
        super().__init__(server)
