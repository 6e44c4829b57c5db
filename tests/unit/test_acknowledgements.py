"""Acknowledgements go to hosts that are still reached, and name nothing but runs."""

from pathlib import Path

import pytest

from provision.errors import ConnectionLost
from provision.model import Host, Session
from provision.run import acknowledgements
from provision.ssh import remote


@pytest.fixture
def said(monkeypatch):
    """What each host was told to do; web2 is gone."""
    commands: dict[str, str] = {}

    def run(session, command, *, timeout_s):
        if session.host.name == "web2":
            raise ConnectionLost("gone", "")
        commands[session.host.name] = command

    monkeypatch.setattr(remote, "run", run)
    return commands


def session(name):
    return Session(Host(name, "192.0.2.1", 22, "root"), Path("/run"))


def test_who_is_gone_stops_nobody_and_who_told_nothing_is_not_asked(said):
    sessions = {name: session(name) for name in ("web1", "web2", "web3")}
    acknowledgements.send(sessions, {"web1": ("r1", "r2"), "web2": ("r1",), "web3": (), "web4": ("r1",)})
    assert list(said) == ["web1"]
    assert "for run in r1 r2;" in said["web1"]


def test_what_a_host_calls_a_run_is_no_command(said):
    acknowledgements.send({"web1": session("web1")}, {"web1": ("r1", "../x", "$(id)", "", "a b")})
    assert "for run in r1;" in said["web1"]
