"""Ask the engine itself, over its socket: what `docker info` shows, without a process for it."""

import json
import socket

SOCKET = "/var/run/docker.sock"
ANSWER_TIMEOUT_S = 10


def info(machine):
    """Give the engine's own description (the API's /info), or None when it does not answer."""
    return _ask(machine, "/info")


def version(machine):
    """Give the version that runs, which need not be the installed one; None when it does not answer."""
    return (info(machine) or {}).get("ServerVersion")


def containers(machine):
    """Give how many containers run; 0 when the engine does not answer."""
    return len(_ask(machine, "/containers/json") or [])


def answers(machine):
    """Does the engine answer at all?"""
    return _get(machine, "/_ping") == b"OK"


def _ask(machine, path):
    body = _get(machine, path)
    try:
        return json.loads(body.decode("utf-8", "replace")) if body else None
    except ValueError:
        return None


def _get(machine, path):
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(ANSWER_TIMEOUT_S)
    try:
        client.connect(machine.path(SOCKET))
        # HTTP/1.0 spares chunks: the body ends where the connection does.
        client.sendall(("GET %s HTTP/1.0\r\nHost: docker\r\n\r\n" % path).encode("ascii"))
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    except (socket.error, socket.timeout):
        return None
    finally:
        client.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return body if b" 200 " in head.split(b"\r\n")[0] else None
