"""The containers that run on the host: what they are, and whether they can be used."""

import os
import socket
import threading
import time
from collections import namedtuple

from ..ground.errors import HostError
from . import api

# The engine's own shims; with live-restore they outlive it.
_SHIM = "containerd-shim"
_DOCKERS_SHIM = "docker-containerd-shim"
_MOBY = "moby"
_STEP = "docker build (a step of BuildKit)"
# The engine runs its plugins in a namespace of their own.
_ENGINES = (_MOBY, "plugins.moby")
PORT_TIMEOUT_S = 2
# A service that waits for its client stays silent this long; docker-proxy closes sooner.
SILENCE_S = 0.1
EXEC_TIMEOUT_S = 10
STOP_TIMEOUT_S = 300
POLL_S = 0.2
AT_ONCE = 16

# ``ports`` are the published TCP ports that answered, as (address, port). ``started`` is the engine's text.
# ``loops``: the container restarts over and over, so nothing can be compared. ``service``: its Swarm service,
# if any; another container may replace it.
Container = namedtuple("Container", "id name started policy rm ports loops service")
# The start of a container that the engine does not describe.
UNKNOWN = ""
_SERVICE = "com.docker.swarm.service.name"
# Where a port that is published on every address can be reached.
_LOOPBACK = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (it is read, not bound)


def observe(machine, ids):
    """Return the Containers with these ids, in the order in which they were started.

    One that the engine does not describe is included with its id alone; one that no longer exists is not.
    """
    found = at_once(lambda each: _observed(machine, each), ids)
    return sorted([each for each in found if each], key=lambda each: each.started)


def _observed(machine, container):
    found = api.inspect(machine, container)
    if found:
        return _container(found)
    return None if api.is_gone(machine, container) else Container(
        container, container[:12], UNKNOWN, "", False, [], False, "")


def completed(machine, container):
    """Return the Container with the engine's description, if it was missing before."""
    found = api.inspect(machine, container.id) if container.started == UNKNOWN else None
    return _container(found)._replace(started=UNKNOWN, ports=[]) if found else container


def at_once(work, items):
    """Return ``work`` of each item, done in several threads: most of it is waiting."""
    results, failed = [None] * len(items), []

    def take(numbers):
        try:
            for number in numbers:
                results[number] = work(items[number])
        except Exception as error:
            failed.append(error)

    shares = [range(first, len(items), AT_ONCE) for first in range(min(AT_ONCE, len(items)))]
    threads = [threading.Thread(target=take, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return results


def _container(found):
    state, host = found["State"], found["HostConfig"]
    return Container(
        found["Id"], found["Name"].lstrip("/"), state["StartedAt"],
        (host.get("RestartPolicy") or {}).get("Name") or "no", bool(host.get("AutoRemove")),
        [list(each) for each in published(found) if port_answers(*each)], bool(state.get("Restarting")),
        service_of(found))


def service_of(found):
    """Return the Swarm service of an inspected container; empty where it has none."""
    return ((found.get("Config") or {}).get("Labels") or {}).get(_SERVICE, "")


def published(found):
    """Return the published TCP ports of an inspected container, as sorted (address, port) pairs."""
    ports = (found.get("NetworkSettings") or {}).get("Ports") or {}
    pairs = {
        (each.get("HostIp", ""), int(each["HostPort"]))
        for inner, outer in ports.items() if inner.endswith("/tcp") for each in outer or ()}
    return sorted({(_LOOPBACK.get(address, address), port) for address, port in pairs})


def runs(found):
    """Return whether an inspected container is running; False where there is none."""
    return bool(((found or {}).get("State") or {}).get("Running"))


def port_answers(address, port):
    """Return whether a connection to the port is accepted and not closed at once.

    docker-proxy also accepts for a container that does not listen, and then closes the connection.
    """
    try:
        connection = socket.create_connection((address, port), PORT_TIMEOUT_S)
    except (socket.error, socket.timeout):
        return False
    try:
        connection.settimeout(SILENCE_S)
        return connection.recv(1) != b""
    except socket.timeout:
        return True
    except socket.error:
        return False
    finally:
        connection.close()


def can_exec(machine, container):
    """Return whether a program can be started in the container; it need not contain that program."""
    status, made = api.post(
        machine, "/containers/%s/exec" % container, {"Cmd": ["true"], "AttachStdout": True})
    if status != 201:
        return False
    status, said = api.post(machine, "/exec/%s/start" % made["Id"], {"Detach": True})
    if status != 200:
        # runc did start: the image has no such program.
        return any(words in "%s" % said for words in ("executable file not found", "no such file"))
    deadline = time.time() + EXEC_TIMEOUT_S
    while time.time() < deadline:
        if not (api.get(machine, "/exec/%s/json" % made["Id"]) or {"Running": True})["Running"]:
            return True
        time.sleep(POLL_S)
    return False


def running(machine):
    """Return the ids of the engine's containers, also while the engine itself does not answer."""
    found = api.running(machine)
    return orphans(machine) if found is None else found


def orphans(machine):
    """Return the ids of the engine's containers by their processes alone."""
    return [each for namespace, each in shims(machine) if namespace == _MOBY]


def of_others(machine):
    """Return "namespace/id" of each container that containerd runs for somebody else."""
    return ["%s/%s" % pair for pair in shims(machine) if pair[0] not in _ENGINES]


def stop(machine, ids):
    """Stop them; raise with those that still run."""
    ran = machine.run(["docker", "stop"] + ids, STOP_TIMEOUT_S)
    # docker stop fails for a container that ends by itself in the meantime; that is no failure here.
    running = left(machine, ids)
    if running:
        raise HostError(
            "containers", "docker could not stop every container",
            "see docker ps on the host; then run it again",
            " ".join([", ".join(each[:12] for each in running)] + ran.err.split())[:300])


def left(machine, ids):
    """Return those of which the engine does not say that they have stopped or are gone.

    Each is asked about by itself: engine 26 still lists what has just stopped.
    """
    return [each for each in ids if not _has_stopped(machine, each)]


def _has_stopped(machine, container):
    found = api.inspect(machine, container)
    return not runs(found) if found else api.is_gone(machine, container)


def namespaces_of_others(machine):
    """Return the namespaces in which containerd keeps something for somebody else, running or not.

    None when containerd cannot be asked: it does not run, or there is no `ctr`.
    """
    found = machine.run(["ctr", "namespaces", "list", "-q"]) if machine.has("ctr") else None
    if found is None or found.rc:
        return None
    kept = []
    for namespace in [name for name in found.out.split() if name not in _ENGINES]:
        ran = [machine.run(["ctr", "-n", namespace] + words) for words in (
            ["containers", "list", "-q"], ["images", "list", "-q"], ["snapshots", "list"])]
        # Snapshots are listed below a heading.
        listed = (ran[0].out + ran[1].out).split() or ran[2].out.splitlines()[1:]
        if listed or any(each.rc for each in ran):
            kept.append(namespace)
    return kept


def shims(machine):
    """Return (namespace, container id) of each container that containerd runs, whoever started it."""
    found = {_of_shim(words) for _, words in machine.commands() if _SHIM in words[0]}
    return sorted(pair for pair in found if pair)


def _of_shim(words):
    """Return the pair of one shim; None for one that does not name its container."""
    options = dict(zip(words, words[1:]))
    if "-namespace" in options:
        # The shim of containerd before 1.3 has the id at the end of its directory.
        container = options.get("-id") or os.path.basename(options.get("-workdir", ""))
        return (options["-namespace"], container) if container else None
    # That of Docker before 17.12, which knew no namespaces, has it first.
    return (_MOBY, words[1]) if _DOCKERS_SHIM in words[0] and len(words) > 1 else None


def builds(machine):
    """Return the running `docker build` commands: clients on this host, and BuildKit's steps."""
    found = set()
    for _, words in machine.commands():
        program = os.path.basename(words[0])
        if program in ("docker", "docker-buildx", "docker-compose") and {"build", "bake"} & set(words[1:4]):
            found.add(" ".join(words[:3]))
        elif program == "runc" and any("/buildkit/executor" in word for word in words):
            found.add(_STEP)  # Its short steps count as one.
    return sorted(found)
