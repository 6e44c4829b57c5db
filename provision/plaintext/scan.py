"""Find secrets in plain text, in inventories, notes and tables, by patterns.

A finding is a place and a kind, never the secret. A note that neither names a password nor is beside an
address is not found.
"""

import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from provision.errors import UsageError
from provision.inventory.host_values import PLAIN_PASSWORDS

TEXT_CAP_BYTES = 16 << 20
HEAD_BYTES = 8192
# The mark of a reviewed line, which other scanners know too.
ALLOWED = "pragma: allowlist secret"
VAULT = "$ANSIBLE_VAULT;"
NEAR_LINES = 3
MOST_COLUMNS = 12

_WORDS = r"passwords?|passwd|passphrase|passwort|(?<![a-z])(?:pass|pwd|pw)"
_CHINESE = "密码|密碼|口令"
_VALUE = r"(?P<value>\"[^\"]+\"|'[^']+'|[^\s\"']\S*)"
_VARIABLE = re.compile(rf"\b(?P<key>{'|'.join(PLAIN_PASSWORDS)})\b[\"']?\s*[:=]\s*(?:!unsafe\s+)?{_VALUE}")
_NOTE = re.compile(
    rf"(?:{_WORDS})[\"'*`]*(?:\s+(?:of|for)\s+[\w.@-]+)?\s*(?:[:=：](?![=>])|\bis\b)\s*{_VALUE}",
    re.IGNORECASE,
)
_CHINESE_NOTE = re.compile(rf"(?:{_CHINESE})[*`]*\s*[:：=是为為]?\s*(?P<value>[!-~]{{3,}})")
_SSHPASS = re.compile(rf"\bsshpass\s+-p\s*{_VALUE}")
_ROW = re.compile(
    r"(?<![\w/.-])(?:root|admin|administrator|centos|ubuntu|debian|ec2-user)[\s,;|/:，：、]+(?P<value>\S+)"
)
_PRIVATE_KEY = re.compile(r"-----BEGIN (?:[A-Z0-9]+ ){0,2}PRIVATE KEY(?: BLOCK)?-----")
_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_ADDRESS = re.compile(
    rf"(?<![\d.])(?!127\.|0\.0\.0\.0)(?:{_OCTET}\.){{3}}{_OCTET}(?![\d.]*\d)"
    r"|\b[0-9a-f]{1,4}:[0-9a-f:]*::?[0-9a-f]{1,4}\b"
    r"|(?<![\w.])[a-z_][\w-]{0,31}@[a-z0-9][\w-]*\.[\w.-]+",
    re.IGNORECASE,
)
_CELL = re.compile(r"\t|,|;|\||\s{2,}")
_HEADING = re.compile(rf"(?:\w+\s)?(?:{_WORDS}|{_CHINESE})", re.IGNORECASE)
# Placeholders, not secrets: templates, variables, vaults, calls, blanks to be filled in.
_STAND_IN = re.compile(
    r"\{\{|\{%|!vault|\$ANSIBLE_VAULT|[{\"' ]*secret[\"']?:|\$[{(A-Za-z_]|%\(|<|\[|[*xX.…_-]+$"
    r"|(?:null|none|~|true|false|yes|no|str|string|secret|required|optional|default)$",
    re.IGNORECASE,
)
_CODE = re.compile(r"[A-Za-z_][\w.]*[(\[]|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+$|[|&]|lambda\b")
_NO_PASSWORD = re.compile(r"ssh-|[/~=-]|\w+[=(]|\d{4}-\d\d-\d\d|\S+\.\w{2,4}$")
_PLACES = {"inventory", "inventories", "group_vars", "host_vars"}


@dataclass(frozen=True, slots=True)
class Finding:
    """A secret in plain text: the file, the line (0 for the whole file), and its kind in words."""

    file: Path
    line: int
    what: str


def scan(paths: Iterable[Path]) -> Iterator[Finding]:
    """Search files, and directories recursively; a file that cannot be read is also a finding."""
    for file in (each for path in paths for each in files(path)):
        try:
            text = read_text(file)
        except OSError as error:
            yield Finding(file, 0, f"cannot be read: {error.strerror}")
            continue
        in_inventory = bool(_PLACES & set(file.parts))
        yield from (Finding(file, line, what) for line, what in find(text, in_inventory))


def files(path: Path) -> Iterator[Path]:
    """Yield a file itself, or a directory's files, sorted, and last the directories that cannot be opened.

    Links to directories are not followed.
    """
    if not path.is_dir():
        yield path
        return
    closed: list[Path] = []
    for directory, inner, names in os.walk(path, onerror=lambda error: closed.append(Path(error.filename))):
        inner[:] = sorted(name for name in inner if name != ".git")
        found = (Path(directory, name) for name in sorted(names))
        yield from (file for file in found if _may_be_file(file))
    yield from closed


def _may_be_file(file: Path) -> bool:
    try:
        return file.is_file()
    except OSError:  # its directory may be listed and not entered; reading the file reports that
        return True


def tracked(path: Path) -> tuple[Path, ...]:
    """Return the files below ``path`` that git tracks; raises UsageError outside a git checkout."""
    argv = ["git", "-C", str(path), "ls-files", "-z", "--", "."]
    done = subprocess.run(argv, capture_output=True, check=False)
    if done.returncode:
        raise UsageError(
            f"git tracks nothing in {path}",
            f"without --tracked all files are read: `fab credentials.scan {path}`",
            evidence=done.stderr.decode(errors="replace").strip().partition("\n")[0],
        )
    found = (path / os.fsdecode(name) for name in done.stdout.split(b"\0") if name)
    return tuple(file for file in found if file.is_file())


def read_text(file: Path) -> str:
    """Return a file's text, empty for a binary file; raises OSError, also for more than 16 MB of text."""
    with file.open("rb") as source:
        head = source.read(HEAD_BYTES)
        wide = head.startswith((b"\xff\xfe", b"\xfe\xff"))
        if b"\0" in head and not wide:
            return ""
        data = head + source.read(TEXT_CAP_BYTES - len(head))
        if source.read(1):
            raise OSError(0, f"more than {TEXT_CAP_BYTES >> 20} MB of text")
    if wide:
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("gb18030", "replace")  # the usual encoding of Chinese editors beside UTF-8


def find(text: str, in_inventory: bool = False) -> Iterator[tuple[int, str]]:
    """Yield line and kind of each secret in ``text``; in an inventory, a password needs no address nearby."""
    lines = text.split("\n")
    addresses = {number for number, line in enumerate(lines) if _ADDRESS.search(line)}
    column: int | None = None
    for number, line in enumerate(lines):
        column = _password_column(line, column, number in addresses)
        if ALLOWED in line:
            continue
        around = range(number - NEAR_LINES, number + NEAR_LINES + 1)
        near = in_inventory or not addresses.isdisjoint(around)
        what = _in_line(line, near) or _in_row(line, number in addresses, column) or _below(lines, number)
        if what:
            yield number + 1, what


def _in_line(line: str, near: bool) -> str:
    for found in _VARIABLE.finditer(line):
        if _is_plain(found["value"]) or _looks_odd(found["value"]):
            return f"{found['key']} in plain text"
    if _PRIVATE_KEY.search(line):
        return "a private key"
    if any(_is_plain(found["value"]) for found in _CHINESE_NOTE.finditer(line)):
        return "a password in plain text"
    if any(_is_plain(found["value"]) for found in _SSHPASS.finditer(line)):
        return "a password on a command line"
    if near and any(_is_plain(v := found["value"]) and not _CODE.match(v) for found in _NOTE.finditer(line)):
        return "a password beside an address"
    return ""


def _in_row(line: str, has_address: bool, column: int | None) -> str:
    if not has_address:
        return ""
    cells = _cells(line)
    by_heading = column is not None and column < len(cells) and _is_plain(cells[column] or "-")
    by_user = any(_is_password(found["value"].rstrip(",;|，")) for found in _ROW.finditer(line))
    return "a password beside an address" if by_heading or by_user else ""


def _below(lines: list[str], number: int) -> str:
    """Return the kind of a secret whose value is a YAML block below the line."""
    found = re.search(rf"\b({'|'.join(PLAIN_PASSWORDS)})\b[\"']?\s*:\s*[|>][+-]?\s*$", lines[number])
    value = lines[number + 1].strip() if found and number + 1 < len(lines) else ""
    return f"{found[1]} in plain text" if found and _is_plain(value or "-") else ""


def _password_column(line: str, before: int | None, has_address: bool) -> int | None:
    """Return the column of passwords in a table; it lasts from its heading to the next empty line."""
    if not line.strip():
        return None
    cells = _cells(line)
    if has_address or not 2 <= len(cells) <= MOST_COLUMNS or line.lstrip().startswith("#"):
        return before
    named = [place for place, cell in enumerate(cells) if _HEADING.fullmatch(cell.strip(" *`"))]
    return named[0] if named else before


def _cells(line: str) -> list[str]:
    parts = [cell.strip() for cell in _CELL.split(line.strip(" |\t"))]
    return parts if len(parts) > 1 else line.split()


def _is_plain(value: str) -> bool:
    bare = value.strip("\"'`,;:|})")
    return bool(bare) and value[0] not in "|>" and not _STAND_IN.match(value) and not _STAND_IN.match(bare)


def _looks_odd(value: str) -> bool:
    """Return whether the value of a variable only begins like a placeholder."""
    bare = value.strip("\"'")
    begins = bare[:1] == "$" and not re.match(r"\$(?:ANSIBLE_VAULT|[A-Z_][A-Z0-9_]*$|[{(])", bare)
    opens = bare[:1] in ("<", "[") and bare[-1] not in ">]" and any(map(str.isdigit, bare))
    return begins or opens


def _is_password(value: str) -> bool:
    """Return whether a word after a user name looks like a password: six or more letters and digits."""
    mixed = re.search(r"[A-Za-z]", value) and re.search(r"\d", value)
    return bool(len(value) >= 6 and mixed and not _NO_PASSWORD.match(value) and not _ADDRESS.search(value))
