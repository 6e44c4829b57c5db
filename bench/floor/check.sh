# The least that looks at everything that `fab provision` wants. Before it: the functions that bench/place.py writes.
set -e
rpm -q $packages "gpg-pubkey-$key_id" >/dev/null
key | cmp -s - /etc/pki/rpm-gpg/RPM-GPG-KEY-docker
repository | cmp -s - /etc/yum.repos.d/docker-ce.repo
daemon_json | cmp -s - /etc/docker/daemon.json
systemctl is-enabled --quiet docker
systemctl is-active --quiet docker
ping_engine
