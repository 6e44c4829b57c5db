# The least that makes a bare host what `fab provision` makes of it. Before it: the functions that bench/place.py writes.
set -e
mkdir -p /etc/pki/rpm-gpg /etc/docker
key >/etc/pki/rpm-gpg/RPM-GPG-KEY-docker
rpm --import /etc/pki/rpm-gpg/RPM-GPG-KEY-docker
repository >/etc/yum.repos.d/docker-ce.repo
dnf -y -q --setopt=install_weak_deps=False install $packages
daemon_json >/etc/docker/daemon.json
systemctl enable --quiet --now docker
ping_engine
