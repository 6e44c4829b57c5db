"""The command line with which systemd starts dockerd, and the keys of daemon.json that it sets.

Rules: systemd.service(5) "Command lines", systemd.exec(5) EnvironmentFile=, and for the flags moby's
cmd/dockerd.
"""

import glob
import re
from collections import namedtuple

from ..ground.facts import unquoted

# A word of the command line, and where it was defined.
Word = namedtuple("Word", "text origin")
# A key of daemon.json set by ``flag`` to ``value``; ``origin`` is where the flag was defined.
Flag = namedtuple("Flag", "key flag value origin")

EXEC_START = "ExecStart="
_SHORT = {
    "D": "debug", "G": "group", "H": "host", "b": "bridge", "g": "graph", "h": "help", "l": "log-level",
    "p": "pidfile", "r": "restart", "s": "storage-driver", "v": "version"}
_BOOLEAN = frozenset((
    "allow-direct-routing", "cri-containerd", "debug", "disable-legacy-registry", "experimental", "help",
    "icc", "init", "ip-forward", "ip-forward-no-drop", "ip-masq", "ip6tables", "iptables", "ipv6",
    "live-restore", "no-new-privileges", "raw-logs", "restart", "rootless", "selinux-enabled", "tls",
    "tlsverify", "userland-proxy", "validate", "version"))
# Flags whose key has another name; they may be repeated.
_LISTS = {
    "authorization-plugin": "authorization-plugins", "cdi-spec-dir": "cdi-spec-dirs",
    "default-address-pool": "default-address-pools", "dns-opt": "dns-opts", "exec-opt": "exec-opts",
    "host": "hosts", "host-gateway-ip": "host-gateway-ips", "insecure-registry": "insecure-registries",
    "label": "labels", "node-generic-resource": "node-generic-resources",
    "registry-mirror": "registry-mirrors", "storage-opt": "storage-opts", "dns": "dns",
    "dns-search": "dns-search", "allow-nondistributable-artifacts": "allow-nondistributable-artifacts"}
_MAPS = {
    "cluster-store-opt": "cluster-store-opts", "default-network-opt": "default-network-opts",
    "default-ulimit": "default-ulimits", "feature": "features", "log-opt": "log-opts"}
_OTHER = {"graph": "data-root"}
# dockerd merges runtimes from flag and file (skipDuplicates in moby's daemon/config).
_BOTH_SIDES = ("add-runtime",)
_TRUE = ("1", "t", "true")
_VARIABLE = re.compile(r"\$\$|\$\{(\w+)\}|\$(\w+)$")
_ARGV = re.compile(r"argv\[\]=(.*?)(?:\s;\s|\s;?\s*\}?$|$)")
_FILES = re.compile(r"^EnvironmentFiles?=(.*) \(ignore_errors=\w+\)$")


class CommandLine(object):
    """The command line of dockerd, from systemd's ``text``; empty for None.

    ``text`` is the value of ExecStart, and below it the lines of Environment and EnvironmentFiles.
    """

    def __init__(self, machine, text):
        lines = (text or "").splitlines()
        first = lines[0] if lines else ""
        found = _ARGV.search(first)
        values = _environment(machine, lines[1:])
        words = [word for raw in split(found.group(1) if found else first) for word in expand(raw, values)]
        self.words = _after_dockerd(words)
        self.flags = flags(self.words)

    def get(self, key):
        """Return the Flag that sets ``key``, or None."""
        return self.flags.get(key)

    def validating(self, config_file):
        """Return the arguments for dockerd to validate ``config_file`` with its real flags."""
        kept, words = [], iter([word.text for word in self.words])
        for text in words:
            if text == "--config-file":
                next(words, None)
            elif not text.startswith("--config-file="):
                kept.append(text)
        return ["--validate", "--config-file", config_file] + kept


def described(found, text):
    """Return the text for a CommandLine from the unit's properties ``found`` and the printed ``text``."""
    return "\n".join([found.get("ExecStart", "")] + [
        line for line in text.splitlines() if line.startswith("Environment")])


def split(text):
    """Return the words of ``text`` as systemd splits it: at blanks, without quotes and backslashes."""
    words, word, quote, escaped = [], None, "", False
    for char in text:
        if escaped:
            word, escaped = (word or "") + char, False
        elif char == "\\" and quote != "'":
            word, escaped = word or "", True
        elif quote and char == quote:
            quote = ""
        elif quote:
            word += char
        elif char in "\"'":
            word, quote = word or "", char
        elif char.isspace():
            words += [] if word is None else [word]
            word = None
        else:
            word = (word or "") + char
    return words + ([] if word is None else [word])


def expand(raw, values):
    """Return the Words of one raw word: $NAME alone may become several, ${NAME} stays within its word.

    ``values`` maps a name to (value, where it comes from).
    """
    alone = re.match(r"\$(\w+)$", raw)
    if alone:
        value, origin = values.get(alone.group(1), ("", ""))
        return [Word(text, _named(alone.group(1), origin)) for text in split(value)]
    origins = []

    def insert(match):
        name = match.group(1)
        if name is None:
            return "$" if match.group(0) == "$$" else match.group(0)
        value, origin = values.get(name, ("", ""))
        origins.append(_named(name, origin))
        return value

    text = _VARIABLE.sub(insert, raw)
    return [Word(text, ", ".join(origins) or EXEC_START)]


def flags(words):
    """Return the Flags by key; the last of repeated ones counts, lists and mappings grow."""
    given, words = {}, iter(words)
    for word in words:
        if word.text == "--":
            break
        for name, value in _named_values(word.text):
            if value is None:
                value = "true" if name in _BOOLEAN else next(words, Word("", "")).text
            if name not in _BOTH_SIDES:
                _add(given, name, value, word.origin)
    return given


def same(flag, wanted):
    """Return whether the Flag has the same effect as ``wanted``, a value of daemon.json."""
    if isinstance(flag.value, list):
        return isinstance(wanted, list) and flag.value == [_text(each) for each in wanted]
    if isinstance(flag.value, dict):
        return isinstance(wanted, dict) and flag.value == {key: _text(value) for key, value in wanted.items()}
    return flag.value == wanted if isinstance(flag.value, bool) else flag.value == _text(wanted)


def _named_values(text):
    """Return the (name, value) pairs of one word; value is None for a boolean, or if it is the next word."""
    if text.startswith("--"):
        name, equals, value = text[2:].partition("=")
        return [(name, value if equals else None)]
    pairs, rest = [], text[1:] if text.startswith("-") else ""
    while rest:
        name, rest = _SHORT.get(rest[0], rest[0]), rest[1:]
        if rest[:1] == "=" or (rest and name not in _BOOLEAN):
            pairs.append((name, rest[1:] if rest[:1] == "=" else rest))
            break
        pairs.append((name, None))
    return pairs


def _add(given, name, value, origin):
    key = _LISTS.get(name) or _MAPS.get(name) or _OTHER.get(name, name)
    before = given[key].value if key in given else None
    if name in _LISTS:
        value = (before or []) + [value]
    elif name in _MAPS:
        value = dict(before or {}, **dict([value.partition("=")[::2]]))
    elif name in _BOOLEAN:
        value = value.lower() in _TRUE
    given[key] = Flag(key, "--" + name, value, origin)


def _text(value):
    return ("%s" % value).lower() if isinstance(value, bool) else "%s" % value


def _named(name, origin):
    return "%s of %s" % (name, origin) if origin else name


def _after_dockerd(words):
    """Return what follows the word dockerd, also inside a shell's command."""
    if words and not _is_dockerd(words[0].text):
        words = [Word(text, word.origin) for word in words for text in split(word.text)]
    names = [number for number, word in enumerate(words) if _is_dockerd(word.text)]
    if names:
        return words[names[0] + 1:]
    # The operator's own program that starts dockerd; its name is not a flag.
    return words[1:] if words and words[0].text.startswith("/") else words


def _is_dockerd(text):
    return text.rsplit("/", 1)[-1] == "dockerd"


def _environment(machine, lines):
    """Return name -> (value, where it comes from); a file overrides Environment=."""
    values = {}
    for line in lines:
        if line.startswith("Environment="):
            for text in split(line.partition("=")[2]):
                name, _, value = text.partition("=")
                values[name] = (value, "Environment=")
    for line in lines:
        found = _FILES.match(line)
        for path in sorted(glob.glob(machine.path(found.group(1)))) if found else []:
            shown = "/" + path[len(machine.path("/")):].lstrip("/")
            values.update((name, (value, shown)) for name, value in assignments(machine.text(shown)))
    return values


def assignments(text):
    """Return the (name, value) pairs of an environment file."""
    lines = [line.strip() for line in text.replace("\\\n", "").splitlines()]
    pairs = [line.partition("=")[::2] for line in lines if "=" in line and line[:1] not in "#;"]
    return [(name.strip(), unquoted(value.strip())) for name, value in pairs]
