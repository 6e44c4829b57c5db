"""The engines that distributions bring themselves: what is asked for, and how their units start dockerd.

A command line is written as systemd describes a unit (see engine/dockerd_flags.py). It is that of the
package; an /etc/sysconfig/docker that the host has already overrides its options.
"""

from collections import namedtuple

# The channel of these engines, beside Docker's own.
DISTRO = "distro"
CONTAINERD = "containerd"

# ``packages``: the engine first; what it needs comes with it. containerd is named where Docker's
# containerd.io could take its place.
Engine = namedtuple("Engine", "packages command")
NONE = Engine((), None)


def _unit(command, options="", files=("docker",)):
    environment = ['Environment="OPTIONS=%s"' % options] if options else []
    return "\n".join(
        ["{ argv[]=%s ; }" % command] + environment
        + ["EnvironmentFiles=/etc/sysconfig/%s (ignore_errors=yes)" % name for name in files])


# docker-1.13.1-209.git7d71120.el7.centos: `systemctl status docker` and /etc/sysconfig/docker, as users have
# published them, and docker.service.centos in the repository rdo-common/docker. Alibaba Cloud Linux 2 has a
# rebuild of it (1.13.1-209.git7d71120.1.al7).
EXTRAS = Engine(("docker",), _unit(
    "/usr/bin/dockerd-current --add-runtime docker-runc=/usr/libexec/docker/docker-runc-current"
    " --default-runtime=docker-runc --exec-opt native.cgroupdriver=systemd"
    " --userland-proxy-path=/usr/libexec/docker/docker-proxy-current"
    " --init-path=/usr/libexec/docker/docker-init-current --seccomp-profile=/etc/docker/seccomp.json"
    " $OPTIONS $DOCKER_STORAGE_OPTIONS $DOCKER_NETWORK_OPTIONS $ADD_REGISTRY $BLOCK_REGISTRY"
    " $INSECURE_REGISTRY $REGISTRIES",
    "--selinux-enabled --log-driver=journald --signature-verification=false",
    ("docker", "docker-storage", "docker-network")))
# docker-25.0.13-1.amzn2023: `systemctl status docker`.
AMAZON = Engine(("docker", CONTAINERD), _unit(
    "/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock"
    " $OPTIONS $DOCKER_STORAGE_OPTIONS",
    "--default-ulimit nofile=32768:65536", ("docker", "docker-storage")))
# openeuler-mirror/docker: docker-engine-openeuler.spec; containerd and runc are in the one package. The flags
# are assumed: its sources are an archive.
OPENEULER = Engine(("docker-engine",), _unit(
    "/usr/bin/dockerd $OPTIONS $DOCKER_STORAGE_OPTIONS $DOCKER_NETWORK_OPTIONS $INSECURE_REGISTRY",
    "--live-restore", ("docker", "docker-storage", "docker-network")))
# docs.oracle.com, "Configuring the Docker Engine Service" of Oracle Linux 7; that it has no flags is assumed.
ORACLE = Engine(("docker-engine",), _unit(
    "/usr/bin/dockerd $OPTIONS $DOCKER_STORAGE_OPTIONS $DOCKER_NETWORK_OPTIONS", "",
    ("docker", "docker-storage", "docker-network")))
# openeuler-mirror/moby: moby.spec, docker.service and docker.sysconfig; assumed for openEuler's relatives.
MOBY = Engine(("moby", CONTAINERD), _unit(
    "/usr/bin/dockerd -H fd:// $OPTIONS",
    "--log-driver=journald --live-restore --default-ulimit nofile=1024:1024"))
ENGINES = (EXTRAS, AMAZON, OPENEULER, ORACLE, MOBY)
