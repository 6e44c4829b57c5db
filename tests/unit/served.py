"""A web server, and a forward proxy, on loopback, for tests of what a host fetches."""

import base64
import threading
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def serving(answer):
    """Yield the address of a server; ``answer`` takes path and headers, and returns a status and a body."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, body = answer(self.path, self.headers)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@contextmanager
def proxying(login, asked):
    """Yield the address of a forward proxy that wants this ``login``; ``asked`` collects what passes."""
    wanted = "Basic " + base64.b64encode(login.encode()).decode()

    def answer(url, headers):
        if headers.get("Proxy-Authorization") != wanted:
            return 407, b""
        asked.append(url)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(url, timeout=5) as found:
                return found.status, found.read()
        except urllib.error.HTTPError as error:
            return error.code, b""

    with serving(answer) as address:
        yield address
