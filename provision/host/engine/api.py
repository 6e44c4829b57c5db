"""A client of the engine's API, over its socket: `docker info` without a process for it.

The paths are those of the Engine API, https://docs.docker.com/reference/api/engine/.
"""

import json
import socket

SOCKET = "/var/run/docker.sock"
ANSWER_TIMEOUT_S = 10
# A container that is started may have to wait for its network and volumes.
START_TIMEOUT_S = 60


def info(machine):
    """Return the engine's own description (the API's /info), or None when it does not answer."""
    return get(machine, "/info")


def version(machine):
    """Return the running version, which may not be the installed one; None when it does not answer."""
    return (info(machine) or {}).get("ServerVersion")


def running(machine):
    """Return the ids of the running containers; None when the engine does not answer."""
    found = get(machine, "/containers/json")
    return None if found is None else [container["Id"] for container in found]


def inspect(machine, container):
    """Return the engine's description of a container; None when there is none with this id."""
    return get(machine, "/containers/%s/json" % container)


def is_gone(machine, container):
    """Return whether the engine reports no container with this id; False when it does not answer."""
    return request(machine, "GET", "/containers/%s/json" % container)[0] == 404


def start(machine, container):
    """Start a container; return the engine's message when it does not start, else an empty text."""
    status, body = request(machine, "POST", "/containers/%s/start" % container, timeout_s=START_TIMEOUT_S)
    if status in (204, 304):
        return ""
    found = _json(body)
    said = found.get("message", "") if isinstance(found, dict) else ""
    return " ".join(("%s" % said).split())[:300] or "the engine gave no answer"


def answers(machine):
    """Return whether the engine answers at all."""
    return request(machine, "GET", "/_ping") == (200, b"OK")


def get(machine, path):
    """Return the parsed JSON of the answer to a GET; None when its status is not 200."""
    status, body = request(machine, "GET", path)
    return _json(body) if status == 200 else None


def post(machine, path, wanted):
    """Send ``wanted`` as JSON; return the answer's status and parsed JSON."""
    status, body = request(machine, "POST", path, json.dumps(wanted).encode("utf-8"))
    return status, _json(body)


def request(machine, method, path, body=b"", timeout_s=ANSWER_TIMEOUT_S):
    """Return status and body of the engine's answer; (0, b"") when there is none."""
    if machine.engine_sleeps:
        return 0, b""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(timeout_s)
    # HTTP/1.0 avoids chunks: the body ends with the connection.
    head = "%s %s HTTP/1.0\r\nHost: docker\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    try:
        client.connect(machine.path(SOCKET))
        client.sendall((head % (method, path, len(body))).encode("ascii") + body)
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    except (socket.error, socket.timeout):
        return 0, b""
    finally:
        client.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(None, 2)
    return (int(words[1]), body) if len(words) > 1 and words[1].isdigit() else (0, b"")


def _json(body):
    try:
        return json.loads(body.decode("utf-8", "replace")) if body else None
    except ValueError:
        return None
