"""hosts.trust behind jump hosts: where it has to log in on the way."""

from provision.inventory import Selection
from provision.model import Host
from provision.workflows.pins import _jumps

EDGE, INNER = Host("edge", "192.0.2.1"), Host("inner", "192.0.2.2", jump="edge")
DEEP, FREE = Host("deep", "192.0.2.3", jump="inner"), Host("free", "192.0.2.4")


def names(*hosts: Host, jumps: tuple[Host, ...] = ()) -> set[str]:
    return {host.name for host in _jumps(Selection(hosts, jumps))}


def test_each_jump_host_on_the_way_is_entered() -> None:
    assert names(DEEP, FREE, jumps=(EDGE, INNER)) == {"edge", "inner"}


def test_a_jump_host_that_is_selected_itself_is_found() -> None:
    assert names(EDGE, INNER, DEEP) == {"edge", "inner"}


def test_nobody_is_entered_where_no_host_lies_behind_another() -> None:
    assert names(FREE, EDGE) == set()
