"""Print what is on this host, as JSON: containers, volumes, files, units, packages, containerd namespaces.

It runs on the stand-in host, by itself: python3 theirs.py.
"""

import hashlib
import json
import os
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


def containers():
    """Return each container by its name, with what must not change and what tells a restart."""
    ids = said("docker", "ps", "--all", "--quiet", "--no-trunc").split()
    found = json.loads(said("docker", "inspect", *ids) or "[]") if ids else []
    return {row["Name"].lstrip("/"): container(row) for row in found}


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
    found = {}
    for name in said("docker", "volume", "ls", "--quiet").split():
        place = said("docker", "volume", "inspect", "--format", "{{.Mountpoint}}", name).strip()
        found[name] = {str(path): described(path) for path in below(Path(place))}
    return found


def below(place):
    return [path for path in sorted([place, *place.rglob("*")]) if os.path.lexists(path)]


def described(path):
    found = path.lstat()
    content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    return [oct(found.st_mode), found.st_uid, found.st_gid, content]


def units():
    """Return the state of each unit: its two states, and the mark of its present start."""
    return {
        name: [state(name, word) for word in ("UnitFileState", "ActiveState", "InvocationID")]
        for name in UNITS
    }


def state(unit, word):
    return said("systemctl", "show", unit, "--value", "--property", word).strip()


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
    services = said("docker", "service", "ls", "--format", "{{.Name}} {{.Replicas}}").splitlines()
    return {
        "containers": containers(),
        "volumes": volumes(),
        "images": sorted(said("docker", "images", "--quiet", "--no-trunc").split()),
        "services": services,
        "files": {str(path): described(path) for path in paths},
        "daemon": text("/etc/docker/daemon.json"),
        "units": units(),
        "packages": sorted(said("rpm", "-qa", "--qf", "%{NAME}-%{VERSION}-%{RELEASE}\n").split()),
        "tasks": tasks(),
        "podman": said("pgrep", "-x", "conmon").split(),
        "port": answered(),
        "engine": said(
            "docker", "info", "--format", "{{.DockerRootDir}} {{.LoggingDriver}} {{.ServerVersion}}"
        ).strip(),
    }


def text(place):
    try:
        return Path(place).read_text()
    except OSError:
        return None


if __name__ == "__main__":
    print(json.dumps(told()))
