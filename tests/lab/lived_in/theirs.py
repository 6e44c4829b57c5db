"""Print what is on this host, as JSON: containers, volumes, files, units, packages, containerd namespaces.

It runs on the stand-in host, by itself: python3 theirs.py.
"""

import hashlib
import http.client
import json
import os
import socket
import subprocess
import urllib.request
from pathlib import Path

FILES = (
    "/etc/docker",
    "/etc/containerd",
    "/etc/sysconfig",
    "/etc/yum.repos.d",
    "/etc/systemd/system/docker.service.d",
    "/etc/systemd/system/bound-app.service",
    "/usr/bin/podman",
)
UNITS = ("docker.service", "containerd.service", "bound-app.service")
PORT = 8081


def said(*argv):
    """Return what a command prints; nothing where there is no such command."""
    try:
        return subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


class _Engine(http.client.HTTPConnection):
    """A connection to the engine; each of its own commands would take longer to start than to ask."""

    def __init__(self):
        super().__init__("localhost", timeout=20)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect("/run/docker.sock")


def asked(path):
    """Return what the engine answers; None where it does not, or has nothing of this kind."""
    link = _Engine()
    try:
        link.request("GET", path)
        answer = link.getresponse()
        found = json.load(answer)
        return found if answer.status == 200 else None
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        link.close()


def containers():
    """Return each container by its name, with what must not change and what tells a restart."""
    ids = [row["Id"] for row in asked("/containers/json?all=1") or ()]
    found = [asked(f"/containers/{each}/json") for each in ids]
    return {row["Name"].lstrip("/"): container(row) for row in found if row}


def container(row):
    return {
        "id": row["Id"],
        "running": row["State"]["Running"],
        "started": row["State"]["StartedAt"],
        "policy": row["HostConfig"]["RestartPolicy"]["Name"],
        "pid": row["State"]["Pid"],
    }


def volumes():
    """Return what each volume holds."""
    rows = (asked("/volumes") or {}).get("Volumes") or ()
    return {
        row["Name"]: {str(path): described(path) for path in below(Path(row["Mountpoint"]))} for row in rows
    }


def services():
    """Return each service of Swarm, with how many of its tasks run and should run."""
    rows = asked("/services?status=true") or ()
    return sorted(
        "{} {RunningTasks}/{DesiredTasks}".format(row["Spec"]["Name"], **row["ServiceStatus"]) for row in rows
    )


def engine():
    """Return where the engine keeps its data, its log driver and its version."""
    info = asked("/info") or {}
    words = ("DockerRootDir", "LoggingDriver", "ServerVersion")
    return " ".join(info[word] for word in words if word in info)


def below(place):
    return [path for path in sorted([place, *place.rglob("*")]) if os.path.lexists(path)]


def described(path):
    found = path.lstat()
    content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    return [oct(found.st_mode), found.st_uid, found.st_gid, content]


def units():
    """Return the state of each unit: its two states, and the mark of its present start."""
    return {name: states(name) for name in UNITS}


def states(unit):
    words = ("UnitFileState", "ActiveState", "InvocationID")
    lines = said("systemctl", "show", unit, "--property", ",".join(words)).splitlines()
    found = dict(line.split("=", 1) for line in lines)
    return [found.get(word, "") for word in words]


def tasks():
    """Return what runs in each namespace of containerd, and its snapshots."""
    found = {}
    for name in said("ctr", "namespaces", "list", "--quiet").split():
        if name != "moby":
            rows = [
                line.split() for line in said("ctr", "--namespace", name, "tasks", "list").splitlines()[1:]
            ]
            snapshots = said("ctr", "--namespace", name, "snapshots", "list").splitlines()[1:]
            found[name] = {"tasks": rows, "snapshots": sorted(line.split()[0] for line in snapshots)}
    return found


def answered():
    """Return what the published port answers; nothing where none is published."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/", timeout=5) as stream:
            return stream.read().decode().split()[-1]
    except OSError:
        return ""


def told():
    """Return the whole."""
    paths = [path for place in FILES for path in below(Path(place))]
    return {
        "containers": containers(),
        "volumes": volumes(),
        "images": sorted(row["Id"] for row in asked("/images/json") or ()),
        "services": services(),
        "files": {str(path): described(path) for path in paths},
        "daemon": text("/etc/docker/daemon.json"),
        "units": units(),
        "packages": sorted(said("rpm", "-qa", "--qf", "%{NAME}-%{VERSION}-%{RELEASE}\n").split()),
        "tasks": tasks(),
        "podman": said("pgrep", "-x", "conmon").split(),
        "port": answered(),
        "engine": engine(),
    }


def text(place):
    try:
        return Path(place).read_text()
    except OSError:
        return None


if __name__ == "__main__":
    print(json.dumps(told()))
