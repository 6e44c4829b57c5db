"""The hosts: how each came to be lived in, and what provisioning it must do and say.

The shell of a scene runs on the host before anything of ours. `repository`, `engine` and `image` are in
TOOLS; /root/image.tar is the sample program, from which an image is made without any registry.
"""

from dataclasses import dataclass, field
from typing import Any

TOOLS = """\
set -e
repository() {
    printf '[%s]\\nname=%s\\nbaseurl=%s\\ngpgkey=%s\\ngpgcheck=1\\nenabled=1\\n' \\
        "$1" "$1" "$URL/linux/centos/10/x86_64/stable" "$URL/linux/centos/gpg" > "/etc/yum.repos.d/$1.repo"
}
packages() { dnf -y -q install "$@" > /dev/null 2>&1 || dnf -y install "$@"; }
image() { docker import --change 'ENTRYPOINT ["/sample"]' /root/image.tar theirs > /dev/null; }
start() { systemctl enable --now docker > /dev/null 2>&1; image; }
by_hand() { repository by-hand; packages docker-ce docker-ce-cli containerd.io; }
disk() { mkdir /srv/docker; mount -t tmpfs -o size=200m tmpfs /srv/docker; }
container() { docker run -d --name "$@" > /dev/null; }
"""
STAYS = "sleep 99999999"


@dataclass(frozen=True)
class Scene:
    """One lived-in host.

    ``asks``: the plan disrupts, so that without consent nothing is changed. ``says``: words of the plan or
    of the refusal. ``refused``: every run is refused, whatever is agreed to. ``waits``: only the run without
    consent is, since dnf is at work. ``renewed``: after a restart another container may have taken the
    place of one, as under Swarm; else every id stays, and what runs is the same start of it. ``engine``:
    how `docker info` begins, whatever we do. ``before``: shell that runs on the host before a stage.
    """

    name: str
    what: str
    prepare: str
    asks: bool = False
    says: tuple[str, ...] = ()
    refused: bool = False
    renewed: bool = False
    waits: bool = False
    before: dict[str, str] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    engine: str = ""


FIVE = f"""\
by_hand; start
docker volume create five-data > /dev/null
echo precious > "$(docker volume inspect -f '{{{{.Mountpoint}}}}' five-data)/notes"
container five-no theirs {STAYS}
container five-always --restart always -p 8081:80 -v five-data:/data theirs serve 80 five
container five-unless --restart unless-stopped theirs {STAYS}
container five-failure --restart on-failure theirs {STAYS}
container five-rm --rm theirs {STAYS}
"""
PLAIN_ROLE = f"""\
repository docker-ce
packages docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin; start
container plain-no theirs {STAYS}
container plain-web --restart unless-stopped -p 8081:80 theirs serve 80 plain
"""
CUSTOM = f"""\
by_hand
mkdir -p /etc/docker; disk
cat > /etc/docker/daemon.json <<'END'
{{
    "data-root": "/srv/docker",
    "log-driver": "json-file", "log-opts": {{"labels": "rack", "max-size": "1m"}},
    "registry-mirrors": ["http://mirror.example:5000"], "insecure-registries": ["registry.example:5000"],
    "no-new-privileges": false
}}
END
chmod 640 /etc/docker/daemon.json; chgrp daemon /etc/docker/daemon.json
start
container custom-app --restart always -v custom-data:/data theirs {STAYS}
echo precious > /srv/docker/volumes/custom-data/_data/notes
"""
SWARM = f"""\
by_hand; start
docker swarm init --advertise-addr "$ADDRESS" > /dev/null
docker service create --detach --no-resolve-image --name swarm-web theirs {STAYS} > /dev/null
for _ in $(seq 60); do docker service ls | grep -q 1/1 && break; sleep 0.5; done
docker service ls | grep 1/1
"""
FLAGS = f"""\
by_hand
mkdir -p /etc/systemd/system/docker.service.d /etc/sysconfig
echo 'DOCKER_OPTS="--log-driver=journald --label=rack=7"' > /etc/sysconfig/docker
cat > /etc/systemd/system/docker.service.d/10-flags.conf <<'END'
[Service]
EnvironmentFile=/etc/sysconfig/docker
ExecStart=
ExecStart=/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock $DOCKER_OPTS
END
systemctl daemon-reload; start
container flags-app theirs {STAYS}
"""
BOUND = f"""\
by_hand; start
cat > /etc/systemd/system/bound-app.service <<'END'
[Unit]
Requires=docker.service
After=docker.service
[Service]
ExecStart=/usr/bin/docker run --rm --name bound-app theirs {STAYS}
ExecStop=/usr/bin/docker stop bound-app
[Install]
WantedBy=multi-user.target
END
systemctl daemon-reload; systemctl enable --now bound-app > /dev/null 2>&1
for _ in $(seq 40); do docker ps | grep -q bound-app && break; sleep 0.25; done
docker ps | grep bound-app
"""
BROKEN = f"""\
by_hand
mkdir -p /etc/docker; disk
printf '{{"data-root": "/srv/docker"}}\\n' > /etc/docker/daemon.json; start
container broken-app --restart always theirs {STAYS}
printf '{{\\n  "data-root": "/srv/docker",\\n  "log-driver": "json-file",\\n}}\\n' > /etc/docker/daemon.json
"""
CONTAINERD = f"""\
repository by-hand; packages containerd.io; systemctl enable --now containerd > /dev/null 2>&1
mkdir /srv/pod; tar -x -C /srv/pod -f /root/image.tar
ctr --namespace k8s.io run --detach --rootfs /srv/pod cri-pod /sample {STAYS}
ctr --namespace k8s.io snapshots prepare cri-layer ""
"""
# As on EL: podman needs an oci-runtime, which its runc is, and which containerd.io replaces.
PODMAN = """\
rpm -i --nosignature /root/rpms/runc-*.rpm /root/rpms/podman-*.rpm
setsid podman run > /dev/null 2>&1 < /dev/null &
sleep 0.5; pgrep -x conmon
"""
OLD = f"""\
repository by-hand
packages --setopt=install_weak_deps=False docker-ce-20.10.24 docker-ce-cli-20.10.24 containerd.io-1.6.20
start
container old-web --restart unless-stopped -p 8081:80 theirs serve 80 old
container old-no theirs {STAYS}
"""
DISABLED = f"""\
by_hand; start; systemctl disable docker > /dev/null 2>&1
container manual-app theirs {STAYS}
"""
# It is at work for as long before it is ready, as one with a thousand containers is.
SLOW = f"""\
by_hand
cat > /usr/local/sbin/slow-dockerd <<'END'
#!/bin/bash
until=$((SECONDS + 5)); while [ $SECONDS -lt $until ]; do :; done
exec /usr/bin/dockerd "$@"
END
chmod 755 /usr/local/sbin/slow-dockerd
mkdir -p /etc/systemd/system/docker.service.d
cat > /etc/systemd/system/docker.service.d/slow.conf <<'END'
[Service]
ExecStart=
ExecStart=/usr/local/sbin/slow-dockerd -H fd:// --containerd=/run/containerd/containerd.sock
END
systemctl daemon-reload; start
container slow-app --restart always theirs {STAYS}
"""
# A transaction of dnf's own, which holds its locks for as long as its package says.
BUSY = """\
setsid dnf -y -q --disablerepo='*' --nogpgcheck install /root/rpms/busy{0}-1*.rpm \
    > /dev/null 2>&1 < /dev/null &
for _ in $(seq 100); do [ -e /run/busy ] && break; sleep 0.1; done
[ -e /run/busy ]
"""
# One is over within --lock-timeout, the other is not.
BUSY_S = {"short": 6, "long": 60}
LOCK_TIMEOUT_S = 20
UNTIL_IDLE = "while [ -e /run/busy ]; do sleep 0.2; done; while pgrep -x dnf > /dev/null; do sleep 0.2; done"

SCENES = (
    Scene("five", "an engine installed by hand with five containers", FIVE),
    Scene("plain-role", "set up by a plain role, without daemon.json", PLAIN_ROLE),
    Scene(
        "custom", "its own data-root, log driver and registries", CUSTOM, engine="/srv/docker json-file"
    ),
    Scene(
        "swarm", "a Swarm manager with a service", SWARM, asks=True, says=("swarm-web",), renewed=True
    ),
    Scene(
        "flags", "a unit with flags, a drop-in and an EnvironmentFile", FLAGS,
        engine="/var/lib/docker journald",
    ),
    Scene(
        "bound", "a unit with Requires=docker.service", BOUND, asks=True, says=("bound-app",), renewed=True
    ),
    Scene(
        "broken", "a broken daemon.json under a running engine", BROKEN, refused=True,
        says=("line 3, column ",), engine="/srv/docker",
    ),
    Scene("containerd", "containerd with a container of another namespace", CONTAINERD),
    Scene(
        "podman", "podman with a running container", PODMAN, refused=True, says=("podman",),
        variables={"docker_engine_may_remove": ["podman", "runc"]},
    ),
    Scene("old-engine", "engine 20.10 without a plugin", OLD, engine="/var/lib/docker"),
    Scene("not-enabled", "an active engine that is not enabled", DISABLED),
    Scene("dnf-busy", "dnf at work for a moment at boot", "", before={"unasked": BUSY.format("short")}),
    Scene(
        "dnf-busy-long", "dnf at work for longer than --lock-timeout", "", waits=True,
        before={"unasked": BUSY.format("long"), "agreed": UNTIL_IDLE},
    ),
    Scene("slow", "an engine that takes longer to start than any fixed limit", SLOW),
)  # fmt: skip
BY_NAME = {scene.name: scene for scene in SCENES}
