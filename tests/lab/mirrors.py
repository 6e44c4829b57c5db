"""Package mirrors with something wrong: each serves the lab's repository, but for one fault."""

import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

# What a mirror does instead of serving a file; gives whether it has answered.
Fault = Callable[["Visit"], bool]


class Visit(SimpleHTTPRequestHandler):
    """One request to a mirror."""

    fault: Fault

    def do_GET(self) -> None:
        """Serve the file, unless the mirror's fault concerns it."""
        with suppress(OSError):
            if not type(self).fault(self):
                super().do_GET()

    def say(self, body: bytes, length: int | None = None) -> None:
        """Answer with ``body``, claiming ``length`` bytes."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def content(self) -> bytes:
        """Return the requested file."""
        return Path(self.translate_path(self.path)).read_bytes()

    def log_message(self, *_: object) -> None:
        """Keep the tests' output free of requests."""


class Served:
    """A web server that answers for as long as the context lasts."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(0.1,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Mirror(Served):
    """Serve ``directory`` on ``address`` with one fault for as long as the context lasts."""

    def __init__(
        self, address: str, directory: Path, fault: Fault, certificate: Path | None = None, port: int = 0
    ) -> None:
        handler = type("Visit", (Visit,), {"fault": staticmethod(fault)})
        server = ThreadingHTTPServer((address, port), lambda *args: handler(*args, directory=str(directory)))
        server.daemon_threads = True
        self.url = f"{'https' if certificate else 'http'}://{address}:{server.server_port}"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        super().__init__(server)


def nothing(_: Visit) -> bool:
    """Serve all files as they are."""
    return False


def late(_: Visit) -> bool:
    """Serve all files as they are, each after a while."""
    time.sleep(0.3)
    return False


def missing(visit: Visit) -> bool:
    """Answer that no file exists."""
    visit.send_error(404)
    return True


def portal(visit: Visit) -> bool:
    """Answer with a login page in place of the list of the repository, as a hotel does."""
    if not visit.path.endswith("repomd.xml"):
        return False
    visit.say(b"<html><body>Please log in</body></html>\n")
    return True


def stale(visit: Visit) -> bool:
    """Serve another list of packages than repomd.xml names."""
    if "primary" not in visit.path:
        return False
    visit.say(flipped(visit.content()))
    return True


def damaged(visit: Visit) -> bool:
    """Serve packages with one bit flipped."""
    if not visit.path.endswith(".rpm"):
        return False
    visit.say(flipped(visit.content()))
    return True


def flipped(data: bytes) -> bytes:
    """Return ``data`` with one bit flipped."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def dripping(visit: Visit) -> bool:
    """Send a few bytes a second, for ever."""
    visit.send_response(200)
    visit.send_header("Content-Length", "100000")
    visit.end_headers()
    for _ in range(600):
        visit.wfile.write(b"<?xml     ")
        visit.wfile.flush()
        time.sleep(0.5)
    return True


def certificate(directory: Path, address: str) -> Path:
    """Make a self-signed certificate for ``address``, good for a month; its key and it are in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, address)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=-1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = directory / "mirror.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file
