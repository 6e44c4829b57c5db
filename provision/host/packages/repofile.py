"""What .repo files say: ours, one of others that does the same, and Docker's repositories elsewhere."""

import re
from collections import namedtuple

from ..ground import secret

# ``id`` is the word in brackets, ``options`` its values by name, ``text`` its lines with the head.
Section = namedtuple("Section", "id options text")

_HEAD = re.compile(r"^\[([^\]\n]+)\][^\n]*$", re.MULTILINE)
_OPTION = re.compile(r"^([A-Za-z_]+)[ \t]*[=:][ \t]*(.*)$", re.MULTILINE)
# A value may go on in the next line.
_MORE = re.compile(r"\n[ \t]+(?=\S)")
_SECRETS = re.compile(
    r"^((proxy|(?:proxy_)?(?:username|password))[ \t]*[=:][ \t]*)(\S.*)$", re.MULTILINE)
_LOGIN = re.compile(r"//[^/\s@]+@")
_OFF = ("0", "no", "false", "off")
# Options that do not decide where packages come from, and who is trusted.
_HARMLESS = ("name", "metadata_expire", "repo_gpgcheck", "skip_if_unavailable", "type", "retries", "timeout")
# Unless they are set; gpgcheck has to be.
_SWITCHES = {"enabled": "1", "gpgcheck": "0", "sslverify": "1"}
_DOCKERS = re.compile(r"//download\.docker\.com/|/docker-ce(?:/|$)")


def sections(text):
    """Return the Sections of a .repo file."""
    heads = list(_HEAD.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    found = []
    for head, end in zip(heads, ends):
        body = text[head.start():end]
        options = {name.lower(): value.strip() for name, value in _OPTION.findall(_MORE.sub(" ", body))}
        found.append(Section(head.group(1).strip(), options, body))
    return found


def is_enabled(section):
    """Return whether dnf uses the repository."""
    return section.options.get("enabled", "1").lower() not in _OFF


def option(text, name):
    """Return the first value of an option in a .repo file, empty without one."""
    return next((each.options[name] for each in sections(text) if each.options.get(name)), "")


def described(text):
    """Return what a .repo file was, for a person: its address, and what is wrong with it."""
    found = sections(text)
    if text.strip() and not found:
        return "not a .repo file"
    where = _LOGIN.sub("//", option(text, "baseurl"))
    return where if not found or any(is_enabled(each) for each in found) else (where + " (disabled)").strip()


def is_equivalent(held, wanted):
    """Return whether ``held`` makes dnf do exactly what ``wanted`` does, in other words.

    Its key must be the same local file: dnf imports what an address gives it without looking at it.
    """
    enabled = [each for each in sections(held) if is_enabled(each)]
    return len(enabled) == 1 and _decided(enabled[0]) == _decided(sections(wanted)[0])


def is_dockers(section):
    """Return whether the repository looks like Docker's, or a mirror of it."""
    return section.id.startswith("docker-ce-") or bool(_DOCKERS.search(section.options.get("baseurl", "")))


def dockers(text):
    """Return which repositories of a file ``is_dockers`` is about, in words."""
    found = [each for each in sections(text) if is_dockers(each)]
    on = [each for each in found if is_enabled(each)]
    named = ["[%s] %s" % (each.id, each.options.get("baseurl", "")) for each in on or found[:1]]
    return _LOGIN.sub("//", ", ".join(named)) + ("" if on else " (disabled)")


def without_dockers(text):
    """Return the file without Docker's repositories."""
    for section in sections(text):
        if is_dockers(section):
            text = text.replace(section.text, "", 1)
    return text


def masked(old, new, is_secret):
    """Return two texts (None for no file) to show: logins are masked, and with ``is_secret`` any proxy."""
    values = [_SECRETS.findall(side or "") for side in (old, new)]
    is_other = all(values) and values[0] != values[1]
    words = (secret.SHOWN, secret.CHANGED if is_other else secret.SHOWN)

    def hidden(word):
        return lambda found: found.group(0) if _is_plain(found) and not is_secret else found.group(1) + word

    return [
        side if side is None else _LOGIN.sub("//", _SECRETS.sub(hidden(word), side))
        for side, word in zip((old, new), words)]


def _is_plain(found):
    return found.group(2) == "proxy" and "@" not in found.group(3)


def _decided(section):
    decided = dict(_SWITCHES, **section.options)
    for name in _SWITCHES:
        decided[name] = decided[name].lower() not in _OFF
    decided["baseurl"] = decided.get("baseurl", "").rstrip("/")
    names = [name for name in decided if name not in _HARMLESS and decided[name] != ""]
    return section.id, {name: decided[name] for name in names}
