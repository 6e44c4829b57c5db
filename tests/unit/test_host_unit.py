"""What systemd says of docker.service: whether it can be enabled, and which units go down with it."""

import pytest

from provision.host.engine import service
from provision.host.engine.unit import Unit
from provision.host.ground.machine import Machine, Ran


class Systemd(Machine):
    """A host whose units require each other as ``bound`` says: a unit, and those that require it."""

    def __init__(self, state="enabled", bound=None, active=None):
        Machine.__init__(self, "/nowhere")
        self.state = state
        self.bound = bound or {}
        self.active = {"docker.service", *self.bound} if active is None else active
        self.calls = []

    def run(self, argv, timeout_s=60):
        self.calls.append(argv)
        names = [word for word in argv if word.endswith((".service", ".socket"))]
        return Ran(0, "\n\n".join(self._told(name) for name in names), "")

    def _told(self, name):
        active = "active" if name in self.active else "inactive"
        lines = ["LoadState=loaded", f"ActiveState={active}", f"UnitFileState={self.state}"]
        lines += [f"RequiredBy={' '.join(self.bound.get(name, ()))}", "BoundBy="]
        return "\n".join([f"Id={name}", *lines])


@pytest.mark.parametrize(
    ("state", "enables"),
    [("enabled", False), ("static", False), ("indirect", False), ("alias", False), ("generated", False),
     ("transient", False), ("masked", False), ("masked-runtime", False),
     ("disabled", True), ("enabled-runtime", True), ("linked", True), ("linked-runtime", True)],
)  # fmt: skip
def test_only_what_enabling_changes_is_enabled(monkeypatch, state, enables):
    monkeypatch.setattr(service.api, "answers", lambda machine: True)
    machine = Systemd(state)
    planned = service.plan(machine, Unit(machine), "none")
    assert [type(change) for change in planned] == [service.Enabled] * enables


def test_units_that_require_one_that_requires_the_engine_are_disturbed_too():
    bound = {"docker.service": ["b.service"], "b.service": ["a.service"], "a.service": ["b.service"]}
    machine = Systemd(bound=bound)
    assert Unit(machine).disturbed() == ["a.service", "b.service"]
    assert len(machine.calls) == 3


def test_nothing_goes_down_by_a_unit_that_does_not_run():
    bound = {"docker.service": ["b.service"], "b.service": ["a.service"]}
    assert Unit(Systemd(bound=bound, active={"docker.service", "a.service"})).disturbed() == []


def test_an_engine_that_no_unit_requires_disturbs_none_and_asks_no_more():
    machine = Systemd()
    assert Unit(machine).disturbed() == []
    assert len(machine.calls) == 1
