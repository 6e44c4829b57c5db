"""What a changed key of daemon.json requires of a running engine: nothing, a reload or a restart.

Sources: "Configuration reload behavior" of https://docs.docker.com/reference/cli/dockerd/, and moby's
daemon/reload.go and daemon/reload_unix.go, read for 18.09 to 25. What only one of the two names is not
listed.
"""

# A new value is applied on SIGHUP. `authorization-plugins` is left out: a plugin that does not answer ends
# the engine on a reload (reloadConfig in moby's daemon.go). So is `features`: containerd-snapshotter is read
# at the start only.
RELOADABLE = frozenset((
    "allow-nondistributable-artifacts",
    "debug",
    "default-runtime",
    "insecure-registries",
    "labels",
    "live-restore",
    "max-concurrent-downloads",
    "max-concurrent-uploads",
    "max-download-attempts",
    "registry-mirrors",
    "runtimes",
    "shutdown-timeout",
))
# A reload resets these to the default when they are removed. For all others it asks IsValueSet first, so the
# engine keeps the old value.
RESET = frozenset(("max-concurrent-downloads", "max-concurrent-uploads", "max-download-attempts"))

# "The live restore option only works to restore containers if the daemon options, such as bridge IP addresses
# and graph driver, didn't change": https://docs.docker.com/engine/daemon/live-restore/. These are the network
# options of BridgeConfig and NetworkConfig, the storage options, and where the engine finds its running
# containers again (moby, daemon/config/).
BREAKS_LIVE_RESTORE = frozenset((
    "allow-direct-routing", "bip", "bip6", "bridge", "bridge-accept-fwmark", "default-address-pools",
    "default-gateway", "default-gateway-v6", "default-network-opts", "firewall-backend", "fixed-cidr",
    "fixed-cidr-v6", "icc", "ip", "ip-forward", "ip-forward-no-drop", "ip-masq", "ip6tables", "iptables",
    "ipv6", "mtu", "userland-proxy", "userland-proxy-path",
    "data-root", "graph", "storage-driver", "storage-opts", "userns-remap",
    "cgroup-parent", "containerd", "containerd-namespace", "exec-opts", "exec-root",
))
_SNAPSHOTTER = "containerd-snapshotter"


def effect(found, whole):
    """Return what a running engine needs to apply ``whole`` after ``found``: "none", "reload" or "restart".

    Both are the mapping in the file; None is a file that is not a mapping.
    """
    if found == whole:
        return "none"
    if found is None or whole is None:
        return "restart"
    # A null counts as set, to the zero value: a reload may not apply it.
    can_reload = all(
        key in RELOADABLE and (whole.get(key) is not None or (key not in whole and key in RESET))
        for key in changed(found, whole))
    return "reload" if can_reload else "restart"


def keeps(found, whole):
    """Return whether live-restore can keep containers across a restart from ``found`` to ``whole``."""
    if found is None or whole is None:
        return found == whole
    if _snapshotter(found) != _snapshotter(whole):
        return False
    return not BREAKS_LIVE_RESTORE.intersection(changed(found, whole))


def changed(found, whole):
    """Return the keys that differ, sorted; a null differs from a missing key."""
    return sorted(
        key for key in set(found) | set(whole)
        if (key in found, found.get(key)) != (key in whole, whole.get(key)))


def _snapshotter(config):
    features = config.get("features")
    return features.get(_SNAPSHOTTER) if isinstance(features, dict) else None
