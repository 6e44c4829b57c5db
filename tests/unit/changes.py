"""Changes as a host's answer brings them to the controller."""

from typing import Any

from provision.host.ground import change as host
from provision.model import ChangeLine, Harm


def seen(
    kind: str, subject: str = "", before: str = "", after: str = "", disruptive: bool = False, **more: Any
) -> ChangeLine:
    """Return the ChangeLine of one line that the host code writes."""
    mark = more.pop("sign", "") or host.sign(before, after)
    line = host.line(kind, subject, before, after, mark) | more
    return ChangeLine(**line | {"disruptive": disruptive, "implied": tuple(line["implied"])})


def harm(said: host.Harm, names: tuple[str, ...], count: int) -> Harm:
    """Return the Harm of what the host code says."""
    return Harm(said.many, names, count, said.one)
