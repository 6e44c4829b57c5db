"""The helper that ssh calls for a secret: it redeems a token and prints the answer.

It is copied into the run directory and started once per login with `python -IS`, by the shell script of
`askhelper.py`, which kills the asking ssh when the exit code is not 0. It does not import `re` and `socket`,
which would double its run time. The prompt only shows which kind of secret is wanted; anything but a password
or a passphrase (an expired password, a one-time code) is refused with a message on stderr.
"""

import _socket
import ctypes
import os
import sys

REFUSED = "provision: prompt refused: "
# The broker answers the token of a login only once.
ASKED_AGAIN = "provision: asked again: "
FAILED = "provision: askpass failed: "
# The answer to the probe whether the helper can run.
PROBED = "provision askpass"
PR_SET_DUMPABLE = 4
# Words in the prompts of an expired password and of a one-time code.
FOREIGN = {"new", "current", "old", "retype", "expired", "otp"}


def kind(prompt: str) -> str:
    """Return 'password', 'passphrase', or '' for any other prompt."""
    # A host may be called new-db: `root@new-db's password: `, `(root@new-db) Password: `.
    first, _, rest = prompt.partition(" ")
    is_host = "@" in first and (first.endswith("'s") or (first[0] == "(" and first[-1] == ")"))
    text = (rest if is_host else prompt).lower().rstrip()
    if "passphrase for" in text:
        return "passphrase"
    words = "".join(letter if letter.isalnum() or letter == "_" else " " for letter in text).split()
    if FOREIGN.intersection(words) or "one-time" in text:
        return ""
    parts = text.split("password")
    ends = ["password".join(parts[i:]) for i in range(1, len(parts))]
    asks = any(end == ":" or (end.startswith(" for ") and end.endswith(":")) for end in ends)
    return "password" if asks else ""


def forbid_dump() -> None:
    """Forbid core dumps by the flag: a kernel that pipes them to a program ignores the limit."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl:
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def main() -> int:
    """Print the answer to the prompt in argv[1]; return the exit code, 1 without an answer."""
    prompt = sys.argv[1] if len(sys.argv) > 1 else ""
    if "PROVISION_BROKER" not in os.environ:
        sys.stdout.write(PROBED + "\n")
        return 0
    token = os.environ.get("PROVISION_TOKEN_" + kind(prompt).upper(), "")
    if not token:
        return _no_answer(REFUSED, prompt)
    forbid_dump()
    try:
        answer = _redeemed(token)
    except OSError as error:
        return _no_answer(FAILED, str(error))
    if not answer:
        return _no_answer(ASKED_AGAIN, prompt)
    sys.stdout.buffer.write(answer + b"\n")
    return 0


def _redeemed(token: str) -> bytes:
    client = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    client.connect(os.environ["PROVISION_BROKER"])  # waits its turn; with a time limit it would not
    client.settimeout(5)
    client.sendall(token.encode() + b"\n")
    return b"".join(iter(lambda: client.recv(4096), b""))


def _no_answer(why: str, text: str) -> int:
    shown = "".join(letter if " " <= letter <= "~" else "?" for letter in text)
    sys.stderr.write(why + shown[:80] + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
