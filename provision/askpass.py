"""The helper that ssh calls when it wants a secret: it redeems a token and prints the answer.

It is copied into the run directory with its own first line, and started once per login with
`python -IS`, so it imports little. The prompt only tells kinds apart; anything that is not a
password or a passphrase (an expired password, a one-time code) is refused with a word on stderr.
"""

import os
import re
import socket
import sys

REFUSED = "provision: prompt refused: "


def kind(prompt: str) -> str:
    """Give 'password', 'passphrase', or '' for a prompt that is not ours to answer."""
    prompt = re.sub(r"^\(\S+@\S+\) |^\S+@\S+'s ", "", prompt)  # a host may be called new-db
    if re.search(r"passphrase for", prompt, re.IGNORECASE):
        return "passphrase"
    if re.search(r"\b(new|current|old|retype|expired|otp|one-time)\b", prompt, re.IGNORECASE):
        return ""
    return "password" if re.search(r"password(:| for .*:)\s*$", prompt, re.IGNORECASE) else ""


def main() -> int:
    """Answer the prompt in argv[1] on stdout; exit code 1 when there is no answer."""
    prompt = sys.argv[1] if len(sys.argv) > 1 else ""
    token = os.environ.get("PROVISION_TOKEN_" + kind(prompt).upper(), "")
    if not token:
        sys.stderr.write(REFUSED + re.sub(r"[^ -~]", "?", prompt)[:80] + "\n")
        return 1
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(5)
        client.connect(os.environ["PROVISION_BROKER"])
        client.sendall(token.encode() + b"\n")
        answer = b"".join(iter(lambda: client.recv(4096), b""))
    sys.stdout.buffer.write(answer + b"\n")
    return 0 if answer else 1


if __name__ == "__main__":
    sys.exit(main())
