"""The causes of a failed dnf or yum by its output: one row each, and the first match counts."""

import re
from collections import namedtuple

from ..ground.errors import HostError, Refusal, disk_full
from ..runs import rpmlock

_DISK = re.compile(
    r"No space left on device|needs \d+\s?[KMG]B more space|Insufficient space|Curl error \(23\)")
_LOCK = re.compile(
    r"can't create transaction lock|Failed to obtain .*lock|is locked by another|already locked by"
    r"|Existing lock \S*yum\.pid|another copy is running as pid|holding the yum lock")
_CONFLICT = re.compile(
    r"(?:conflicts with|obsoletes) \S+ provided by|(?:conflicts with|obsoletes) (?:runc|podman|buildah)"
    r"|package (?:podman|buildah|cockpit-podman)\S* (?:conflicts with|.*none of the providers can be)"
    r"|^Error: \S+ conflicts with \S+$", re.MULTILINE)
CONFLICT = "package-conflict"
UNKNOWN = "packages"

Cause = namedtuple("Cause", "kind pattern message hint meaning")

# Messages of rpm, dnf, librepo, yum, libcurl and OpenSSL or GnuTLS; each is in a test with its source.
_CAUSES = (
    Cause(
        "package-signature",
        r"GPG check FAILED|is not signed|Public key for .* is not installed|not correct for this package"
        r"|(?:OpenPGP|signature) check.*failed",
        "a package is not signed by the key that is trusted here",
        "check the mirror and docker_engine_gpg_fingerprint; nothing of it was installed",
        "the mirror serves something that Docker did not sign"),
    Cause(
        "package-damaged",
        r"\.rpm: Downloading successful, but checksum doesn't match|\.rpm: Interrupted by header callback"
        r"|Package .* is damaged|\.rpm.*[Dd]igest.*BAD|Package does not match intended download",
        "a package does not have the checksum that the repository states",
        "clear the cache of the mirror or proxy, or set docker_engine_mirror to another; then: `again`",
        "the mirror, or a proxy on the way, is broken or half updated; nothing of it was installed"),
    Cause(
        "repository-broken",
        r"repomd\.xml parser error|Bad repomd file|repomd.*(?:not well-formed|parse|GPG signature)"
        r"|Downloading successful, but checksum doesn't match|checksum.*(?:mismatch|not match)"
        r"|primary.*(?:parse|parser|zchunk) error",
        "the repository's metadata is broken",
        "look at the address with curl; set docker_engine_mirror to another; then: `again`",
        "a login page of the network, a proxy, or a mirror in the middle of an update answers in its place"),
    Cause(
        "repository-slow",
        r"Operation too slow",
        "the repository answers too slowly",
        "set docker_engine_mirror to a nearer one; then: `again`",
        "dnf gives up a download that stays below 20 kB a second for 10 s"),
    Cause(
        "repository-tls",
        r"[Cc]url(?: error \(|#)(?:35|51|53|54|58|59|60|64|66|77|80|82|83|90|91)\b",
        "the repository cannot be verified over TLS",
        "check the mirror's certificate, and that no proxy on the way replaces it; a company's authority goes"
        " into docker_engine_ca_file; then: `again`",
        "the certificate is not valid for this address, at this time, or not signed by an authority"
        " that this host knows"),
    Cause(
        "repository-not-found",
        r"(?:Status code:|HTTP Error) (?:403|404|410)",
        "the repository has no packages at this address",
        "check docker_engine_mirror and docker_engine_channel; then: `again`",
        "a server answers, but does not have this path"),
    Cause(
        "repository-ended",
        r"No URLs in mirrorlist|mirrorlist\.centos\.org",
        "the system's own repositories have reached end of life",
        "accept it: docker_engine_accept_eol: true reads CentOS's archive in their place;"
        " or move this host to a system that gets updates; then: `again`",
        "CentOS has closed the mirror lists of releases that get no updates"),
    Cause(
        "repository-unreachable",
        r"Curl error \(\d+\)|curl#\d+|Status code: \d+|HTTP Error \d+|No more mirrors to try"
        r"|Failed to download metadata|Cannot download"
        r"|All mirrors were tried|Cannot prepare internal mirrorlist|repomd\.xml.*(?:error|failed)",
        "a package repository does not answer this host",
        "open egress to it, or set docker_engine_mirror or docker_engine_proxy; then: `again`",
        "this host cannot fetch packages; its login and its disk are fine"),
)
_LATE_CAUSES = (
    Cause(
        "dependency-missing",
        r"(?:nothing provides|Requires:)"
        r" (?:container-selinux|iptables|libcgroup|fuse-overlayfs|slirp4netns)\b",
        "a package that Docker needs is in no repository of this host",
        "enable the system's own repositories: AppStream and BaseOS (RHEL: subscription-manager register;"
        " Oracle Linux: dnf config-manager --enable ol9_appstream); then: `again`",
        "it comes with the system, not from Docker"),
    Cause(
        "package-excluded",
        r"filtered out by (?:exclude|modular) filtering|is excluded\b|updates? due to versionlock",
        "the settings of dnf on this host exclude this package",
        "look at exclude= in /etc/dnf/dnf.conf and the .repo files, and at dnf versionlock list;"
        " then: `again`",
        "somebody may hold this version on purpose"),
)
_MISSING = Cause(
    "version-not-found",
    r"No match for argument|Unable to find a match|No package .* available|No matching [Pp]ackages to list",
    "the repository does not have this version",
    "set docker_engine_version to one it has, or to latest", "")


def classify(text):
    """Return the HostError for the output of a failed dnf, with the line that shows the cause."""
    for pattern, make in ((_DISK, disk_full), (_LOCK, rpmlock.held)):
        if pattern.search(text):
            return make(_line(text, pattern))
    for cause in _CAUSES:
        line = _line(text, re.compile(cause.pattern, re.IGNORECASE))
        if line:
            return _error(cause, line)
    if _CONFLICT.search(text):
        return conflict(_line(text, _CONFLICT))
    for cause in _LATE_CAUSES + (_MISSING,):
        line = _line(text, re.compile(cause.pattern))
        if line:
            return _error(cause, line)
    return _unknown(text)


def conflict(line):
    """Return the error for packages that conflict with Docker's."""
    return Refusal(
        CONFLICT, "Docker's packages conflict with packages of this host",
        "remove them on the host (dnf remove podman buildah), or keep this host out of the run", line,
        "containerd.io brings its own runc, and docker-ce its own docker")


def _error(cause, line):
    return HostError(cause.kind, cause.message, cause.hint, line, cause.meaning)


def _unknown(text):
    # dnf prints "Error: " alone on its line, and each reason below it after a dash; yum may indent a reason.
    reasons = (r"^\s+- \S", r"^\s+file \S+ from install of", r"^\s*Problem\b.*: \S")
    for pattern in reasons + (r"^(?:Error|error|Failed|RuntimeError)[^:]*: *\S",):
        line = _line(text, re.compile(pattern))
        if line:
            break
    return HostError(
        UNKNOWN, "dnf could not complete the transaction", "see dnf's line; then: `again`",
        line or " ".join(text.split())[-300:])


def _line(text, pattern):
    found = next((line for line in text.splitlines() if pattern.search(line)), "")
    return " ".join(found.split()).lstrip("- ")[:300]
