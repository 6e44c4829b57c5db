# The least that looks at everything, and brings a daemon.json that differs into the engine.
set -e
rpm -q $packages "gpg-pubkey-$key_id" >/dev/null
key | cmp -s - /etc/pki/rpm-gpg/RPM-GPG-KEY-docker
repository | cmp -s - /etc/yum.repos.d/docker-ce.repo
systemctl is-enabled --quiet docker
daemon_json >/etc/docker/daemon.json.new
dockerd --validate --config-file /etc/docker/daemon.json.new >/dev/null
mv /etc/docker/daemon.json.new /etc/docker/daemon.json
systemctl restart docker
ping_engine
