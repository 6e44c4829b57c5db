"""Collect what a closed host needs: the engine's packages with all that they need, from an empty root on."""

import glob
import os
import re
import sys

from ..ground import channels, scratch
from ..ground.errors import HostError
from . import archive, bundle, dnf_errors, every, metadata, repository, signing_key

# It is in the bundle beside the packages.
KEY = "key"
_RELEASEVER = re.compile(r"^system-release\(releasever\) = (\S+)$", re.MULTILINE)
_PIECE_BYTES = 1 << 16


def collect(machine, facts, desired, solver):
    """Fetch the packages into a temporary directory, announce them, and print them when it is asked for.

    Nothing of the host is changed; ``solver`` is its package manager.
    """
    channels.refuse_bundle(desired)
    if archive.ended(facts) and not desired["accept_eol"]:
        archive.refuse_ended(facts)
    desired = repository.settle(machine, facts, desired, solver, True)
    folder = scratch.Folder(machine)
    try:
        key = os.path.join(folder.path, KEY)
        with open(key, "wb") as stream:
            stream.write(signing_key.key(machine, desired, signing_key.plain(desired["gpg_fingerprint"])))
        text = repository.repo_text(facts, desired).replace(signing_key.KEY_FILE, key)
        solver.take(text, desired.get("ca"))
        headers = _fetched(machine, facts, solver, folder.path, every(solver, desired))
        names = [KEY] + metadata.write(folder.path, headers)
        names += ["%s/%s" % (metadata.PACKAGES, header.file) for header in headers]
        found = [(name, os.path.join(folder.path, name)) for name in names]
        machine.tell({"collected": {
            "system": facts.system, "platform": bundle.platform(facts), "channel": desired["channel"],
            "version": next(
                each.tags["VERSION"] for each in headers if each.tags["NAME"] == channels.DOCKER.packages[0]),
            "signers": sorted({header.signer for header in headers}),
            "members": [[name, os.path.getsize(path), metadata.digest(path)] for name, path in found]}})
        if os.read(machine.source, 1):
            sys.stdout.flush()
            for _, path in found:
                _print(path)
    finally:
        solver.close()
        folder.close()


def _fetched(machine, facts, solver, folder, specs):
    """Return the Headers of the packages, which are in ``folder`` afterwards, each by its own name."""
    packages, root = (os.path.join(folder, name) for name in (metadata.PACKAGES, "root"))
    for path in (packages, root):
        os.mkdir(path)
    options = [
        "--installroot=" + root, "--releasever=" + _releasever(machine), "--downloadonly",
        "--downloaddir=" + packages, "--setopt=varsdir=/etc/dnf/vars,/etc/yum/vars"]
    # An empty root does not say which modules are its own.
    platform = facts.release.get("PLATFORM_ID")
    options += ["--setopt=module_platform_id=" + platform] if platform else []
    ran = solver.download(specs, options)
    paths = sorted(glob.glob(os.path.join(packages, "*.rpm")))
    if not paths:
        raise dnf_errors.classify(ran.out + ran.err)
    headers = metadata.read(machine, paths)
    for path, header in zip(paths, headers):
        os.rename(path, os.path.join(packages, header.file))
    return headers


def _releasever(machine):
    ran = machine.run(["rpm", "-q", "--provides", "--whatprovides", "system-release(releasever)"])
    found = _RELEASEVER.search(ran.out)
    if found:
        return found.group(1)
    ran = machine.run(["rpm", "-q", "--qf", "%{VERSION}\n", "--whatprovides", "system-release"])
    if ran.rc:
        raise HostError(
            "no-release", "no package of this host says which release it is",
            "collect on another host of this system", ran.out.strip()[-300:])
    return ran.out.splitlines()[0]


def _print(path):
    with open(path, "rb") as stream:
        for piece in iter(lambda: stream.read(_PIECE_BYTES), b""):
            while piece:
                piece = piece[os.write(1, piece):]
