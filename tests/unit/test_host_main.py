"""The list as a whole: JSON in, JSON out; only commands and the engine's socket are played."""

import json
import os
import shutil
import signal
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from provision.host import main
from provision.host.engine import health
from provision.host.ground.errors import HostError
from provision.host.ground.machine import Machine, Ran
from provision.host.packages import solver, sources
from provision.host.runs import history, journal, lock

OS_RELEASE = 'NAME="CentOS Stream"\nID="centos"\nVERSION_ID="10"\nVARIANT_ID=stand-in\n'
FINGERPRINT = "6B3A7E6E668399FD49CE62D92323C536A1AEF1B5"
PACKAGES = "docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin"
TRANSACTION = "Installing:\n" + "".join(
    f" {name} x86_64 3:28.5.2-1.el10 docker 1 M\n" for name in PACKAGES.split()
)
COMMAND = "ExecStart={ argv[]=/usr/bin/dockerd -H fd:// ; }"


class PlayedHost(Machine):
    """A host below a temporary root: rpm, dnf and systemctl are played, files are real."""

    def __init__(self, root):
        super().__init__(str(root))
        self.installed = {}
        self.keys = set()
        self.active = False
        self.enabled = False
        self.calls = []
        self.fails = {}
        self.transaction = TRANSACTION

    def run(self, argv, timeout_s=60, outlives=False):
        self.calls.append(" ".join(argv))
        for words, ran in self.fails.items():
            if words in self.calls[-1]:
                return ran
        answer = getattr(self, "_" + argv[0], lambda argv: "")(argv)
        return Ran(0, answer, "")

    def ask(self, argv):
        return _AskingDnf(self, argv)

    def info(self):
        found = json.loads(self.text("/etc/docker/daemon.json") or "{}")
        return {"LiveRestoreEnabled": found.get("live-restore", False), "ServerVersion": "28.5.2"}

    def _rpm(self, argv):
        if "--import" in argv:
            self.keys.add(FINGERPRINT[-8:].lower())
        if "-e" in argv:
            self.keys.clear()
        keys = "".join(f"gpg-pubkey 0:{key}-1.(none)\n" for key in self.keys)
        if "gpg-pubkey" in argv and argv[-1].startswith("%{VERSION}"):
            return "".join(f"{key} gpg-pubkey-{key}-1\n" for key in self.keys)
        return "".join(f"{name} {evr}\n" for name, evr in self.installed.items()) + keys

    def _dnf(self, argv):
        if "--assumeno" in argv:
            return self.transaction
        names = [word for word in argv if word.startswith(("docker", "containerd"))]
        for name in PACKAGES.split():
            if any(word == name or word.startswith(f"{name}-3:") for word in names):
                if "remove" in argv:
                    self.installed.pop(name, None)
                else:
                    self.installed[name] = "3:28.5.2-1.el10.x86_64"
        return ""

    def _systemctl(self, argv):
        if "enable" in argv or "disable" in argv:
            self.enabled = "enable" in argv
        if {"start", "stop", "restart"} & set(argv):
            self.active = "stop" not in argv
        states = (self.installed, self.active, self.enabled)
        loaded, active, enabled = (words[not state] for words, state in zip(_WORDS, states, strict=True))
        said = f"LoadState={loaded}\nActiveState={active}\nUnitFileState={enabled}\n{COMMAND}\n"
        return "Id=docker.service\n" + said


class _AskingDnf:
    """dnf at its question; answered, it performs what it has shown."""

    def __init__(self, machine, argv):
        self.machine = machine
        self.argv = argv

    def until(self, question, timeout_s):
        ran = self.machine.run([*self.argv, "--assumeno"])
        self.shown = ran.out
        return ran if ran.rc else ran._replace(rc=None)

    def is_running(self):
        return True

    def answer(self, words, timeout_s):
        rows = solver.parse_transaction(self.shown)
        return self.machine.run(["dnf", "-y", "install", *(f"{row.name}-{row.evr}" for row in rows)])

    def end(self):
        pass


_WORDS = (("loaded", "not-found"), ("active", "inactive"), ("enabled", "disabled"))


def _container(name):
    state = {"StartedAt": "2026-01-01T00:00:00Z", "FinishedAt": "0001-01-01T00:00:00Z", "Running": True}
    return {"Id": name, "Name": f"/{name}", "State": state, "HostConfig": {"AutoRemove": False}}


ANSWERS = {
    "/containers/json": [],
    "/containers/web/json": _container("web"),
    "/containers/db/json": _container("db"),
    "/containers/web/exec": {"Id": "x"},
    "/containers/db/exec": {"Id": "x"},
    "/exec/x/json": {"Running": False},
}


class _Engine(socketserver.StreamRequestHandler):
    def handle(self):
        path = self.rfile.readline().split()[1].decode()
        if not self.server.host.active:
            return
        answer = ANSWERS.get(path) if path in ANSWERS else self.server.host.info()
        body = b"OK" if path == "/_ping" else json.dumps(answer).encode()
        status = 201 if path.endswith("/exec") else 200
        self.wfile.write(b"HTTP/1.0 %d OK\r\n\r\n" % status + body)


@pytest.fixture
def root():
    # The path of a unix socket may have some 100 characters: pytest's own folders are too deep.
    folder = tempfile.mkdtemp(prefix="h")
    yield Path(folder)
    shutil.rmtree(folder)


@pytest.fixture
def host(root):
    for place in (
        "etc/yum.repos.d",
        "run/systemd/system",
        "var/tmp",
        "var/run",
        "usr/bin",
        "etc/pki/rpm-gpg",
    ):
        (root / place).mkdir(parents=True)
    (root / "etc/os-release").write_text(OS_RELEASE)
    (root / "usr/bin/dnf").touch(mode=0o755)
    return PlayedHost(root)


@pytest.fixture
def engine(host):
    with socketserver.ThreadingUnixStreamServer(host.path("/var/run/docker.sock"), _Engine) as server:
        server.host = host
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield
        server.shutdown()


@pytest.fixture(autouse=True)
def known_key(monkeypatch):
    monkeypatch.setattr("provision.host.packages.openpgp.fingerprints", lambda data: [FINGERPRINT])
    monkeypatch.setattr("provision.host.packages.openpgp.expiry", lambda data: None)


def request(mode, run="r1", **wanted):
    desired = {
        "state": "present", "version": "latest", "upgrade": False, "accept_eol": False, "channel": "stable",
        "mirror": "http://mirror.example", "gpg_key": "the key", "gpg_fingerprint": FINGERPRINT,
        "daemon_options": {},
    } | wanted  # fmt: skip
    asked = {"run": run, "mode": mode, "diff": True, "who": "me@here", "lock_timeout_s": 0}
    return asked | {"now": time.time(), "desired": desired}


def files(root):
    return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def names(result):
    return [line["name"] for line in result["changes"]]


WHOLE_PLAN = [
    "repository docker-ce (centos/10)", *("package " + name for name in PACKAGES.split()),
    "file /etc/docker/daemon.json", "service docker",
]  # fmt: skip


def test_a_plan_on_a_bare_host_shows_all_and_leaves_nothing(host, root):
    before = files(root)
    result = main.respond(host, request("plan"))
    assert result["error"] is None
    assert result["system"].startswith("CentOS Stream 10 stand-in (")
    assert names(result) == WHOLE_PLAN
    assert result["changes"][1] | {"diff": ""} == {
        "name": "package docker-ce", "before": "", "after": "28.5.2", "disruptive": False, "diff": "",
        "sign": "+", "kind": "package", "subject": "docker-ce", "brief": "", "implied": [],
    }  # fmt: skip
    assert result["changed"] is True
    assert files(root) == before
    assert not any("import" in call or "-y" in call.split() for call in host.calls)


def test_the_result_is_plain_json_on_one_line(host, monkeypatch, capsys):
    monkeypatch.setattr(main, "Machine", lambda: host)
    main.main(json.dumps(request("plan")))
    *steps, line = capsys.readouterr().out.splitlines()
    assert json.loads(line)["changed"] is True
    assert [step for step in steps if not step.startswith(main.STEP)] == []


def test_a_step_is_ascii_whatever_a_command_line_holds(host, monkeypatch, capsys):
    monkeypatch.setattr(main, "Machine", lambda: host)
    monkeypatch.setattr(main, "answer", lambda machine, request: machine.tell("waits for bücher\n") or {})
    main.respond(host, request("plan"))
    assert capsys.readouterr().out == main.STEP + '"waits for b\\u00fccher\\n"\n'


def test_apply_does_what_plan_showed_and_a_second_run_nothing(host, engine):
    planned = main.respond(host, request("plan"))
    applied = main.answer(host, request("apply"))
    assert applied["error"] is None
    assert applied["changes"] == planned["changes"]
    again = main.answer(host, request("apply", "r2"))
    assert (again["changed"], again["changes"], again["error"]) == (False, [], None)
    assert main.respond(host, request("plan"))["changed"] is False


def test_a_run_without_changes_costs_two_commands(host, engine):
    main.answer(host, request("apply"))
    host.calls.clear()
    main.answer(host, request("apply", "r2"))
    assert [call.split()[0] for call in host.calls] == ["systemctl", "rpm"]


def test_mirrors_are_asked_once_a_run_and_only_for_packages(host, engine, monkeypatch):
    asked, both = [], ["http://a.example", "http://b.example"]

    def answers(machine, facts, desired, mirrors):
        asked.append(mirrors)
        return [sources.Answer("http://b.example", 0.1, ""), sources.Answer("http://a.example", 0.5, "")]

    monkeypatch.setattr(sources, "_answers", answers)
    kill_at(host, "rpm --import", desired=request("apply", mirror=both)["desired"])
    assert asked == [both]
    finished = main.answer(host, request("apply", "r2", mirror=both))
    assert finished["mirrors"] == ["http://b.example: 0.10 s, used", "http://a.example: 0.50 s"]
    assert asked == [both] * 2
    for asks in (request("apply", "r3", mirror=both), request("plan", "r4", mirror=both, state="absent")):
        result = main.answer(host, asks)
        assert (result["error"], result["mirrors"]) == (None, [])
    host.calls.clear()
    main.answer(host, request("apply", "r5", mirror=both))
    assert [call.split()[0] for call in host.calls] == ["systemctl", "rpm"]
    main.answer(host, request("plan", "r6", mirror=both) | {"verb": "undo"})
    assert asked == [both] * 3


def test_a_run_loads_only_what_it_needs():
    # As it would on each host: what a bundle or the web needs is loaded where there is one.
    loaded = "import sys, provision.host.main; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert not {"ssl", "email", "http.client", "xml", "gzip"} & set(done.stdout.split())


def test_without_diff_there_is_none(host):
    result = main.respond(host, request("plan") | {"diff": False})
    assert all(line["diff"] == "" for line in result["changes"])


def test_an_undo_that_fetches_nothing_needs_no_mirror(host, engine):
    dead = ["http://127.0.0.1:1", "http://127.0.0.1:2"]
    main.answer(host, request("apply"))
    changed = main.answer(host, request("apply", "r2", daemon_options={"init": True}))
    result = main.answer(host, request("apply", "r3", mirror=dead) | {"verb": "undo"})
    assert (result["error"], names(result)) == (None, names(changed))


@pytest.mark.parametrize(
    "at", ["rpm --import", "-y install", "dnf --setopt", "systemctl --no-block start docker.service"]
)
def test_a_failure_anywhere_is_undone_and_nothing_stays(host, root, engine, monkeypatch, at):
    monkeypatch.setattr(health, "HEALTH_TIMEOUT_S", 0)
    before = files(root)
    host.fails = {at: Ran(1, "", "Error: no luck")}
    result = main.answer(host, request("apply"))
    assert result["error"] is not None
    assert result["changed"] is False
    after = {path: data for path, data in files(root).items() if "/var/lib/provision/" not in path}
    assert {path: data for path, data in after.items() if "provision.lock" not in path} == before
    assert (host.installed, host.keys, host.active, host.enabled) == ({}, set(), False, False)


def test_an_undo_that_fails_is_said(host, engine):
    host.fails = {
        "systemctl --no-block start docker.service": Ran(1, "", ""),
        "--noautoremove remove": Ran(1, "", "Error: rpm database is broken"),
    }
    result = main.answer(host, request("apply"))
    assert result["error"]["kind"] == "engine-not-healthy"
    assert result["error"]["state"].startswith("not undone: packages (")
    assert result["changed"] is True


def test_the_engines_own_last_words_are_the_evidence(host):
    lines = "Starting\nfailed to start daemon: driver not supported\nUnit entered failed state.\n"
    host.fails = {
        "systemctl --no-block start docker.service": Ran(1, "", "Job failed"),
        "journalctl": Ran(0, lines, ""),
    }
    result = main.answer(host, request("apply"))
    assert result["error"]["evidence"] == "failed to start daemon: driver not supported"


def test_a_restart_tells_how_many_containers_run_and_what_becomes_of_them(host, engine, monkeypatch):
    main.answer(host, request("apply"))
    monkeypatch.setitem(ANSWERS, "/containers/json", [{"Id": "web"}, {"Id": "db"}])
    result = main.respond(host, request("plan", daemon_options={"init": True}))
    restart = result["changes"][-1]
    assert restart["name"] == "restart docker"
    assert restart["after"] == "2 containers run; live-restore keeps them"
    assert restart["disruptive"] is True


def test_an_active_engine_is_enabled_and_restarted_and_an_undo_disables_it(host, engine):
    main.answer(host, request("apply"))
    host.enabled = False
    result = main.answer(host, request("apply", "r2", daemon_options={"init": True}))
    assert names(result) == ["file /etc/docker/daemon.json", "service docker", "restart docker"]
    assert host.enabled
    assert names(undo(host, "u1")) == ["file /etc/docker/daemon.json", "service docker", "restart docker"]
    assert not host.enabled


def test_an_engine_that_does_not_answer_is_restarted(host, root, engine):
    main.answer(host, request("apply"))
    (root / "var/run/docker.sock").unlink()
    result = main.respond(host, request("plan"))
    assert [(line["name"], line["before"]) for line in result["changes"]] == [
        ("restart docker", "does not answer")
    ]


def test_a_stopped_service_is_started_and_nothing_else(host, engine):
    main.answer(host, request("apply"))
    host.active = False
    result = main.respond(host, request("plan"))
    assert [(line["name"], line["before"]) for line in result["changes"]] == [
        ("service docker", "enabled and stopped"),
    ]  # fmt: skip


def test_absent_takes_everything_away_and_is_then_content(host, engine):
    main.answer(host, request("apply"))
    host.transaction = TRANSACTION.replace("Installing:", "Removing:")
    result = main.answer(host, request("apply", "r2", state="absent"))
    assert result["error"] is None
    assert [line["after"] for line in result["changes"][1:]] == ["removed"] * 7
    assert (host.installed, host.keys, host.active) == ({}, set(), False)
    assert main.answer(host, request("apply", "r3", state="absent"))["changed"] is False


LOST = "Removing dependent packages:\n podman x86_64 4.9-1.el10 @appstream 9 M\n"


def test_a_package_of_others_does_not_go_unasked(host):
    host.transaction = TRANSACTION + LOST
    host.fails = {"--whatrequires podman": Ran(0, "cockpit-podman\n", "")}
    error = main.respond(host, request("plan"))["error"]
    assert error["kind"] == "would-remove-packages"
    assert error["evidence"] == "podman 4.9 (needed by cockpit-podman)"
    assert "docker_engine_may_remove: [podman]" in error["hint"]


def test_a_package_that_may_go_is_named_in_the_plan_and_goes(host, engine):
    host.transaction = TRANSACTION + LOST
    refused = main.answer(host, request("apply", may_remove=["podman"]))
    assert refused["error"]["kind"] == "disruption-refused"
    agreed = {word: refused["consent"][word] for word in ("digest", "ids")}
    result = main.answer(host, request("apply", "r2", may_remove=["podman"]) | {"consent": agreed})
    assert result["error"] is None
    line = next(line for line in result["changes"] if line["name"] == "package podman")
    assert (line["sign"], line["before"], line["after"]) == ("-", "4.9", "removed")
    assert any("-y install docker-ce-3:28.5.2" in call for call in host.calls)


def test_an_uninstall_says_which_packages_of_others_stay_removed(host, engine):
    host.transaction = TRANSACTION + LOST
    allowed = {"disruption": "allow"}
    main.answer(host, request("apply", may_remove=["podman"]) | allowed)
    host.transaction = TRANSACTION.replace("Installing:", "Removing:")
    absent = request("plan", state="absent")
    (line,) = [line for line in main.answer(host, absent)["changes"] if line["name"] == "package podman"]
    assert (line["before"], line["sign"]) == ("removed for Docker", "~")
    assert line["after"] == "stays removed; on the host: dnf install podman"
    host.installed["podman"] = "0:4.9-1.el10.x86_64"
    assert "package podman" not in names(main.answer(host, absent))
    del host.installed["podman"]
    assert main.answer(host, request("apply", "r2", state="absent") | allowed)["error"] is None
    assert main.answer(host, request("apply", "r3", state="absent"))["changes"] == []


def tell(host, run):
    history.acknowledge([past for past in history.runs(host) if past.run == run])


def test_an_unacknowledged_undo_is_reported_and_not_undone_by_a_second_one(host, engine):
    main.answer(host, request("apply"))
    undo(host, "u1")
    for mode in ("plan", "apply"):
        again = undo(host, "u2", mode)
        assert (again["changes"], again["error"]) == ([], None)
        assert (again["earlier"][-1]["run"], again["earlier"][-1]["how"]) == ("u1", "finished")
    tell(host, "u1")
    host.transaction = TRANSACTION
    assert main.answer(host, request("apply", "u3") | {"verb": "undo"})["changes"]


def test_a_mixture_that_a_killed_transaction_left_is_no_latest(host, engine):
    main.answer(host, request("apply"))
    host.transaction = TRANSACTION.replace("Installing", "Downgrading").replace("28.5.2", "26.1.5")
    kill_at(host, "-y install", desired=request("apply", version="26.1.5")["desired"])
    host.transaction = TRANSACTION.replace("Installing", "Upgrading")
    assert "package docker-ce" in names(main.answer(host, request("apply", "r2")))


def test_finishing_a_transaction_that_stops_containers_needs_consent(host, engine, monkeypatch):
    main.answer(host, request("apply"))
    host.transaction = TRANSACTION.replace("Installing", "Downgrading").replace("28.5.2", "26.1.5")
    kill_at(host, "-y install", desired=request("apply", version="26.1.5")["desired"])
    monkeypatch.setitem(ANSWERS, "/containers/json", [{"Id": "web"}, {"Id": "db"}])
    # What runs is no patch release away from what the transaction brings.
    monkeypatch.setattr(host, "info", lambda: {"LiveRestoreEnabled": True, "ServerVersion": "27.5.1"})
    host.calls.clear()
    result = main.answer(host, request("apply", "r2"))
    assert result["error"]["kind"] == "disruption-refused"
    assert result["consent"]["harms"][0]["names"] == ["db", "web"]
    assert not [call for call in host.calls if "reinstall" in call or "-y install" in call]
    agreed = {"consent": {"digest": result["consent"]["digest"], "ids": result["consent"]["ids"]}}
    error = main.answer(host, request("apply", "r3") | agreed)["error"]
    assert [call for call in host.calls if "reinstall" in call]
    # What comes after it is another plan.
    assert (error["kind"], error["state"].endswith("nothing else was changed")) == ("plan-changed", True)
    assert main.answer(host, request("apply", "r4") | {"disruption": "allow"})["error"] is None


def test_a_stopped_engine_is_not_woken_by_a_look_at_its_socket(host, engine, monkeypatch):
    main.answer(host, request("apply"))
    host.active = False

    def woken(*_):
        raise AssertionError

    monkeypatch.setattr("provision.host.engine.api.socket.socket", woken)
    assert main.answer(host, request("plan", daemon_options={"init": True}))["error"] is None


def test_a_half_installed_plugin_is_no_reason_to_upgrade_the_engine(host, engine):
    main.answer(host, request("apply"))
    del host.installed["docker-compose-plugin"]
    host.transaction = "Installing:\n docker-compose-plugin x86_64 3:28.5.2-1.el10 docker 1 M\n"
    kill_at(host, "-y install")
    host.installed["docker-compose-plugin"] = host.installed["docker-ce"]
    host.transaction = TRANSACTION.replace("Installing", "Upgrading").replace("28.5.2", "29.0.0")
    result = main.answer(host, request("apply", "r2"))
    assert (result["error"], [name for name in names(result) if name.startswith("package")]) == (None, [])


def undo(host, run, mode="apply"):
    host.transaction = TRANSACTION.replace("Installing:", "Removing:")
    return main.answer(host, request(mode, run) | {"verb": "undo"})


def test_an_undo_is_planned_made_and_undone_itself(host, root, engine):
    before = files(root)
    main.answer(host, request("apply"))
    whole = files(root)
    planned = undo(host, "u0", "plan")
    undone = undo(host, "u1")
    tell(host, "u1")
    assert undone["error"] is None
    assert undone["changes"] == planned["changes"]
    assert [line["after"] for line in undone["changes"] if line["name"].startswith("package")] == [
        "removed"
    ] * 5
    assert outside_the_journal(root) == before
    assert (host.installed, host.keys, host.active, host.enabled) == ({}, set(), False, False)
    host.transaction = TRANSACTION
    main.answer(host, request("apply", "u2") | {"verb": "undo"})
    assert outside_the_journal(root) == {path: data for path, data in whole.items() if is_outside(path)}
    assert host.active


def is_outside(path):
    return "/var/lib/provision/r" not in path and "/var/lib/provision/u" not in path and ".lock" not in path


def outside_the_journal(root):
    return {path: data for path, data in files(root).items() if is_outside(path)}


def test_without_an_earlier_run_there_is_nothing_to_undo(host, engine):
    result = undo(host, "u1")
    assert (result["changes"], result["changed"], result["error"]) == ([], False, None)


def test_a_run_that_was_undone_at_its_failure_is_not_undone_again(host, engine):
    main.answer(host, request("apply"))
    host.fails = {"-y install": Ran(1, "", "Error: no luck")}
    host.transaction = TRANSACTION.replace("Installing", "Upgrading").replace("28.5.2", "29.0.0")
    assert main.answer(host, request("apply", "r2", version="29.0.0"))["error"]["kind"] == "packages"
    host.fails = {}
    assert undo(host, "u1", "plan")["changes"][0]["name"] == "service docker"


def test_an_undo_that_stuck_can_be_tried_again(host, engine):
    main.answer(host, request("apply"))
    host.fails = {"systemctl --no-block restart": Ran(1, "", "no luck")}
    result = main.answer(host, request("apply", "r2", daemon_options={"init": True}))
    assert result["error"]["state"].startswith("not undone: restart docker")
    host.fails = {}
    assert names(undo(host, "u1")) == ["restart docker"]


def test_a_run_whose_undo_stuck_is_made_whole_by_the_next(host, engine):
    main.answer(host, request("apply"))
    host.transaction = TRANSACTION.replace("Installing", "Downgrading").replace("28.5.2", "26.1.5")
    full = Ran(1, "", "no space left on device")
    host.fails = {"-y install": Ran(-9, "", ""), "reinstall": full, "rpm -V": full}
    stuck = main.answer(host, request("apply", "r2", version="26.1.5"))
    assert stuck["error"]["state"].startswith("not undone: packages")
    host.fails = {}
    mended = main.answer(host, request("apply", "r3"))
    assert names(mended)[0] == "run r2"
    assert "restart docker" in names(mended)
    assert [(told["run"], told["how"]) for told in mended["earlier"]] == [
        ("r1", "finished"),
        ("r2", "completed"),
    ]
    assert names(main.answer(host, request("apply", "r4"))) == []


def test_a_killed_undo_is_finished_by_the_next(host, root, engine):
    before = files(root)
    main.answer(host, request("apply"))
    host.transaction = TRANSACTION.replace("Installing:", "Removing:")
    kill_at(host, "rpm -e", verb="undo")
    result = undo(host, "u2")
    assert [told["how"] for told in result["earlier"][-1:]] == ["completed"]
    assert outside_the_journal(root) | dead_files(root) == before | dead_files(root)


def dead_files(root):
    return {path: data for path, data in files(root).items() if "/var/lib/provision/dead" in path}


def test_a_journal_that_lost_a_backup_is_not_undone_by_half(host, root, engine):
    (root / "etc/docker").mkdir()
    (root / "etc/docker/daemon.json").write_text("{}")
    main.answer(host, request("apply"))
    (root / "var/lib/provision/r1/etc%docker%daemon.json").unlink()
    assert undo(host, "u1")["error"]["kind"] == "journal-damaged"
    assert host.active


def test_what_is_not_acknowledged_is_told_again(host, engine, monkeypatch, capsys):
    monkeypatch.setattr(main, "Machine", lambda: host)
    monkeypatch.setattr(main.detach, "run", lambda work, told: work(told))
    main.answer(host, request("apply"))
    for acknowledges, count in ((True, 1), (False, 1), (False, 0)):
        main.main(json.dumps(request("apply", "r2") | {"acknowledges": acknowledges}))
        earlier = json.loads(capsys.readouterr().out)["earlier"]
        assert [(told["run"], told["how"]) for told in earlier] == [("r1", "finished")] * count


def test_a_failed_run_that_nobody_heard_is_told_with_its_error(host, engine):
    host.fails = {"systemctl --no-block start docker.service": Ran(1, "", "no luck")}
    main.answer(host, request("apply"))
    host.fails = {}
    (told,) = main.answer(host, request("apply", "r2"))["earlier"]
    assert (told["how"], told["error"]["kind"]) == ("undone", "engine-not-healthy")
    assert told["at"] >= int(time.time()) - 60


def test_a_plan_while_another_run_is_at_work_takes_it_for_no_killed_one(host, engine):
    kill_at(host, "systemctl --no-block start")
    assert main.answer(host, request("plan"))["changes"][0]["name"] == "run dead"
    with lock.held(host, request("apply", "r7")):
        assert main.answer(host, request("plan"))["changes"][0]["name"] == "service docker"


def test_an_engine_that_was_there_before_us_stays_at_absent_as_it_was(host, root, engine):
    host.installed = dict.fromkeys(PACKAGES.split(), "3:28.5.2-1.el10.x86_64")
    before = files(root)
    main.answer(host, request("apply"))
    assert (host.active, host.enabled) == (True, True)
    result = main.answer(host, request("apply", "r2", state="absent"))
    assert result["error"] is None
    assert len(host.installed) == 5
    assert (host.active, host.enabled) == (False, False)
    assert outside_the_journal(root) == before


def test_absent_does_nothing_on_a_host_that_we_never_changed(host):
    host.installed = dict.fromkeys(PACKAGES.split(), "3:28.5.2-1.el10.x86_64")
    host.active = host.enabled = True
    assert main.answer(host, request("apply", state="absent"))["changes"] == []


def test_the_data_of_an_engine_that_is_not_ours_is_not_purged(host):
    host.installed = dict.fromkeys(PACKAGES.split(), "3:28.5.2-1.el10.x86_64")
    asked = request("apply", state="absent") | {"purge_data": True}
    assert main.answer(host, asked)["error"]["kind"] == "purge-refused"


def test_a_purge_is_the_last_change_and_says_that_it_cannot_be_undone(host, root, engine):
    main.answer(host, request("apply"))
    host.fails = {"pgrep": Ran(1, "", "")}
    (root / "var/lib/docker/volumes").mkdir(parents=True)
    (root / "var/lib/docker/volumes/theirs").write_text("data")
    host.transaction = TRANSACTION.replace("Installing:", "Removing:")
    asked = request("apply", "r2", state="absent")
    main.answer(host, asked)
    assert (root / "var/lib/docker/volumes/theirs").exists()
    result = main.answer(host, request("apply", "r3", state="absent") | {"purge_data": True})
    assert [(line["name"], line["disruptive"]) for line in result["changes"]] == [
        ("data /var/lib/docker", True)
    ]
    assert "cannot be undone" in result["changes"][0]["after"]
    assert not (root / "var/lib/docker").exists()
    back = undo(host, "u1", "plan")["changes"][0]
    assert (back["name"], back["after"]) == ("data /var/lib/docker", "stays removed: this cannot be undone")


def test_data_that_came_by_us_stays_ours_after_an_undo_of_the_first_run(host, root, engine):
    main.answer(host, request("apply"))
    (root / "var/lib/docker/volumes").mkdir(parents=True)
    undo(host, "u1")
    host.transaction = TRANSACTION
    main.answer(host, request("apply", "r2"))
    host.transaction = TRANSACTION.replace("Installing:", "Removing:")
    main.answer(host, request("apply", "r3", state="absent"))
    result = main.answer(host, request("apply", "r4", state="absent") | {"purge_data": True})
    assert [line["name"] for line in result["changes"]] == ["data /var/lib/docker"]


@pytest.mark.parametrize("mode", ["plan", "apply"])
def test_a_foreign_system_is_refused(host, root, mode):
    (root / "etc/os-release").write_text('NAME="Debian GNU/Linux"\nID=debian\nVERSION_ID="12"\n')
    result = main.answer(host, request(mode))
    assert result["error"]["kind"] == "unsupported-os"
    assert result["system"].startswith("Debian GNU/Linux 12")


ENDED = 'NAME="CentOS Stream"\nID="centos"\nVERSION_ID="8"\n'
MIRRORED = """\
[baseos]
mirrorlist=http://mirrorlist.centos.org/?release=$stream&repo=BaseOS
#baseurl=http://mirror.centos.org/$contentdir/$stream/BaseOS/$basearch/os/
"""


def test_a_system_past_its_end_is_refused_until_somebody_accepts_it(host, root, engine):
    (root / "etc/os-release").write_text(ENDED)
    theirs = root / "etc/yum.repos.d/CentOS-Stream-BaseOS.repo"
    theirs.write_text(MIRRORED)
    result = main.answer(host, request("apply"))
    assert (result["error"]["kind"], result["error"]["refused"]) == ("system-ended", True)
    assert ", no updates since 2024-05-31" in result["system"]
    assert result["changes"] == []
    result = main.answer(host, request("apply", "r2", accept_eol=True))
    assert result["error"] is None
    assert result["system"].endswith(", no updates since 2024-05-31, packages from vault.centos.org")
    assert theirs.read_text() == MIRRORED
    # Where nothing is to be installed, nothing need be accepted.
    result = main.answer(host, request("apply", "r3"))
    assert (result["error"], result["changes"]) == (None, [])


def test_a_host_without_dnf_is_refused(host, root):
    (root / "usr/bin/dnf").unlink()
    assert main.respond(host, request("plan"))["error"]["kind"] == "unsupported-os"


def test_what_nobody_thought_of_is_one_line_and_no_traceback(host, monkeypatch):
    monkeypatch.setattr("provision.host.ground.facts.gather", lambda machine: {}["no such\nthing"])
    error = main.respond(host, request("plan"))["error"]
    assert error["kind"] == "unexpected"
    assert error["evidence"].startswith("KeyError: ")
    assert "\n" not in error["evidence"]


def test_a_full_disk_and_a_read_only_one_are_told_apart(host, monkeypatch):
    for number, kind in ((28, "disk-full"), (30, "read-only")):

        def refuse(*words, number=number, **named):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr("provision.host.runs.journal.Journal.open", refuse)
        assert main.answer(host, request("apply"))["error"]["kind"] == kind


def test_a_disk_that_fills_up_at_the_very_end_does_not_hide_what_was_done(host, engine, monkeypatch):
    def refuse(*_):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("provision.host.runs.journal.Journal.close", refuse)
    result = main.answer(host, request("apply"))
    assert (result["error"]["kind"], result["changed"]) == ("disk-full", True)
    assert names(result) == WHOLE_PLAN
    assert result["error"]["state"].startswith("the changes were made")


def test_a_wrong_clock_is_named_when_it_can_be_the_cause(host):
    host.fails = {"dnf": Ran(1, "", "Curl error (60): SSL peer certificate was not OK for https://mirror")}
    asked = request("plan") | {"now": time.time() - 365 * 86400}
    assert main.answer(host, asked)["error"]["kind"] == "clock-off"
    assert main.answer(host, request("plan"))["error"]["kind"] == "repository-tls"


def test_another_package_manager_is_waited_for_before_anything_is_changed(host, monkeypatch):
    def refuse(*_):
        raise HostError("package-lock-held", "held")

    monkeypatch.setattr("provision.host.runs.rpmlock.wait", refuse)
    assert main.answer(host, request("apply"))["error"]["kind"] == "package-lock-held"
    assert not os.path.exists(host.path(journal.FOLDER))


def test_a_second_controller_is_told_who_holds_the_host(host):
    with lock.held(host, request("apply", "r7") | {"who": "anna@laptop", "what": "uninstall"}):
        error = main.answer(host, request("apply"))["error"]
    assert error["kind"] == "lock-held"
    assert error["evidence"].startswith("anna@laptop, run r7, since 2")
    assert error["evidence"].endswith(": uninstall")


def test_the_lock_is_free_after_a_failure(host):
    with pytest.raises(RuntimeError), lock.held(host, request("apply", "r1")):
        raise RuntimeError
    with lock.held(host, request("apply", "r2")):
        pass


def kill_at(host, word, **other):
    """Imitate a power cut: the run ends where ``word`` is called, and nothing is undone or written."""

    class PowerCut(BaseException):
        pass

    def cut(argv, timeout_s=60, outlives=False):
        if word in " ".join(argv):
            raise PowerCut
        return PlayedHost.run(host, argv, timeout_s)

    host.run = cut
    with pytest.raises(PowerCut):
        main.answer(host, request("apply", "dead") | other)
    del host.run


def test_a_killed_run_is_seen_and_finished_by_the_next(host, engine):
    kill_at(host, "systemctl --no-block start")
    (dead,) = history.unended(host)
    assert (dead.run, dead.left()) == ("dead", ["service docker"])
    result = main.answer(host, request("apply", "next"))
    assert history.unended(host) == []
    assert names(result) == ["run dead", "service docker"]
    (told,) = result["earlier"]
    assert (told["run"], told["how"], told["who"], told["error"]) == ("dead", "completed", "me@here", None)
    assert [line["name"] for line in told["changes"]] == WHOLE_PLAN


def test_a_run_killed_during_its_undo_left_half_of_what_it_took_back(host, engine):
    host.fails = {"systemctl --no-block start docker.service": Ran(1, "", "no luck")}
    kill_at(host, "--noautoremove remove")
    (dead,) = history.unended(host)
    assert [change["name"] for change, half in dead.touched if half] == [
        "packages", "file /etc/docker/daemon.json", "service docker",
    ]  # fmt: skip


def test_after_a_killed_run_an_engine_with_old_settings_is_restarted(host, engine):
    main.answer(host, request("apply"))
    wanted = {"daemon_options": {"init": True}}

    def cut(argv, timeout_s=60, outlives=False):
        if "restart" in argv:
            raise KeyboardInterrupt
        return PlayedHost.run(host, argv, timeout_s)

    host.run = cut
    with pytest.raises(KeyboardInterrupt):
        main.answer(host, request("apply", "dead", **wanted))
    del host.run
    assert names(main.answer(host, request("apply", "next", **wanted))) == ["run dead", "restart docker"]


def test_old_runs_are_forgotten_and_the_newest_kept(host):
    for number in range(history.KEPT_RUNS + 3):
        record = journal.Journal(host, f"r{number:02}")
        record.open({"who": "me"}, [])
        os.utime(os.path.join(record.folder, "journal"), (number, number))
    history.forget_old(host)
    left = sorted(os.listdir(host.path(journal.FOLDER)))
    assert left[0] == "r03"
    assert len(left) == history.KEPT_RUNS


def test_a_command_that_outlives_us_writes_to_no_pipe(host):
    ran = Machine.run(host, ["sh", "-c", "readlink /proc/$$/fd/1; echo bad >&2; exit 3"], outlives=True)
    assert (ran.rc, ran.err) == (3, "bad\n")
    assert ran.out.startswith(host.path("/run"))


def test_a_command_is_ended_with_the_work_that_waits_for_it(root):
    begun = time.time()
    signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(HostError("timed-out", "late")))
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    with pytest.raises(HostError):
        Machine(str(root)).run(["sleep", "60"])
    assert time.time() - begun < 10
    assert not subprocess.run(
        ["pgrep", "-P", str(os.getpid()), "sleep"], check=False, capture_output=True
    ).stdout


def test_a_command_that_does_not_end_is_ended(root):
    with pytest.raises(HostError) as caught:
        Machine(str(root)).run(["sleep", "60"], timeout_s=0.1)
    assert caught.value.kind == "timed-out"
