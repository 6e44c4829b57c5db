"""Docker hosts with pyinfra: one operation for each thing, by the examples of https://docs.pyinfra.com/."""

from io import StringIO

from pyinfra import host
from pyinfra.operations import dnf, files, server, systemd

KEY = "/etc/pki/rpm-gpg/RPM-GPG-KEY-docker"

key = files.put(name="Put the signing key there", src=host.data.docker_key, dest=KEY, mode="644")
dnf.key(name="Believe the signing key", src=KEY, _if=key.did_change)
dnf.repo(
    name="Add the repository",
    src="docker-ce-stable",
    baseurl=host.data.docker_baseurl,
    description="Docker CE stable",
    gpgkey=f"file://{KEY}",
)
dnf.packages(
    name="Install the engine",
    packages=host.data.docker_packages.split(),
    extra_install_args="--setopt=install_weak_deps=False",
)
daemon = files.put(
    name="Configure the engine",
    src=StringIO(host.data.docker_daemon),
    dest="/etc/docker/daemon.json",
    mode="644",
)
systemd.service(name="Enable and start the engine", service="docker", running=True, enabled=True)
systemd.service(
    name="Restart the engine if it has to be", service="docker", restarted=True, _if=daemon.did_change
)
server.shell(name="Ask the engine", commands=["docker version >/dev/null"])
