"""The leak gate: no secret comes to light, whatever is typed and however it ends."""

import pytest

from tests.leak.conftest import DECOY, Findings
from tests.leak.steps import MAY_HOLD, MUST_HOLD, SECRETS

# What `planted` does, and words of the place where it must be seen.
PLANTED = {
    "a log line": "planted.log",
    "base64 after a name": "planted.b64",
    "shared memory": "/dev/shm/decoy-",
    "arguments": "cmdline of sh",
    "an environment": "environ of sh",
    "arguments on a host": "cmdline of python3",
    "an environment on a host": "environ of python3",
    "a log of a host": "upper/var/log/decoy.log",
    "base64 on a host": "upper/root/decoy.json",
    "shared memory of a host": "root/dev/shm/decoy",
    "a long line of a host's journal": "the journal of el1",
}


@pytest.mark.parametrize("leak", PLANTED)
def test_the_gate_sees_what_is_planted(findings: Findings, leak: str) -> None:
    assert [place for place in findings.of(DECOY) if PLANTED[leak] in place]


def test_no_secret_that_a_command_made_comes_to_light(findings: Findings) -> None:
    """The new passwords of a rotation, and the private keys."""
    assert findings.of_others(DECOY, *SECRETS) == []


@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_comes_to_light(findings: Findings, secret: str) -> None:
    """Each place that must hold it is among those where it was found, which proves that it was searched."""
    places, must = findings.of(secret), MUST_HOLD.get(secret, ())
    assert [place for place in places if not place.endswith((*must, *MAY_HOLD.get(secret, ())))] == []
    assert [end for end in must if not any(place.endswith(end) for place in places)] == []
