"""The controller's own request to a published port of a host."""

import http.client
import ipaddress
from contextlib import closing
from dataclasses import dataclass

from provision.model import Host

REACH_TIMEOUT_S = 3.0
_ANSWER_CAP_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Reach:
    """The ``answer`` or the ``error``; ``apart`` says why nothing can be concluded.

    ``is_lost``: packets were sent and nothing came back.
    """

    answer: str = ""
    error: str = ""
    apart: str = ""
    is_lost: bool = False


def reach(host: Host, address: str, port: str, timeout_s: float = REACH_TIMEOUT_S) -> Reach:
    """Request the page of ``host`` on ``port``, published on ``address``, from here; never raise."""
    if apart := why_apart(host, address):
        return Reach(apart=apart)
    if not port.isdigit():
        return Reach(error="no published port")
    try:
        with closing(http.client.HTTPConnection(host.address, int(port), timeout=timeout_s)) as connection:
            connection.request("GET", "/")
            answer = connection.getresponse().read(_ANSWER_CAP_BYTES)
        return Reach(answer=answer.decode("utf-8", "replace"))
    except (ConnectionRefusedError, ConnectionResetError) as error:
        return Reach(error=f"{host.address}:{port} {error.strerror}")
    except (OSError, http.client.HTTPException) as error:
        return Reach(error=f"{host.address}:{port} {error or type(error).__name__}", is_lost=True)


def why_apart(host: Host, address: str) -> str:
    """Return why the controller cannot expect to reach a port of ``host``; empty when it can."""
    if host.jump:
        return f"the host is reached through {host.jump}"
    if _is_loopback(host.address):
        return f"the host is reached through a forwarded port of {host.address}"
    if _is_loopback(address):
        return f"the engine publishes ports on {address} only"
    return ""


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
