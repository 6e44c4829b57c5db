"""verify: processes, their pipe, and what becomes of a host whose process goes wrong."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision import verify
from provision.model import Check, Failure, Host, HostReport, Report, Session, Stage, Status, Verdict
from provision.report.exit_code import exit_code
from provision.report.files import write
from provision.report.past import failed_hosts
from provision.report.text import verify_text
from provision.verbs import VERBS
from provision.verify import process

NAMES = ("web1", "web2", "web3")


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program named ssh that the processes find first; a test writes into it what it does."""
    path = tmp_path / "bin" / "ssh"
    path.parent.mkdir()
    path.touch(mode=0o755)
    monkeypatch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")
    return path


def arrivals(run_dir: Path, *names: str) -> tuple[verify.Arrival, ...]:
    return tuple((Session(Host(name, "192.0.2.1"), run_dir), False) for name in names or NAMES)


def never() -> bool:
    return False


def failures(proofs: dict[str, verify.Proof]) -> dict[str, Failure]:
    return {name: proof for name, proof in proofs.items() if isinstance(proof, Failure)}


class Played(process.CheckProcess):
    """A process that never ends; only the number of its hosts counts."""

    is_alive = True

    def __init__(self, number: int, run_dir: Path) -> None:
        self.taken = 0

    @property
    def left(self) -> int:
        return self.taken

    def take(self, session: Session, may_restart: bool) -> None:
        self.taken += 1

    def read(self, on_proof: verify.OnProof) -> None:
        pass


@pytest.mark.parametrize(
    ("hosts", "cores", "taken"), [(1, 2, [1]), (8, 2, [4, 4]), (51, 2, [26, 25]), (3, 16, [1, 1, 1])]
)
def test_hosts_are_dealt_out_evenly_to_one_process_a_core(
    hosts: int, cores: int, taken: list[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(verify, "CheckProcess", Played)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    crew = verify.Crew(tmp_path, lambda host, proof: None)
    for session, may_restart in arrivals(tmp_path, *(f"h{number}" for number in range(hosts))):
        crew.take(session, may_restart)
    assert [each.taken for each in crew._processes] == taken  # type: ignore[attr-defined]


def test_no_session_needs_no_process(tmp_path: Path) -> None:
    assert verify.verify((), tmp_path, never) == {}


def test_a_host_without_an_engine_fails_the_root_causes_and_skips_the_rest(tmp_path: Path, ssh: Path) -> None:
    ssh.write_text("#!/bin/sh\nexit 0\n")
    seen: dict[str, verify.Proof] = {}
    proofs = verify.verify(arrivals(tmp_path), tmp_path, never, seen.__setitem__)
    assert seen == proofs
    assert list(proofs) == list(NAMES)
    for checks in proofs.values():
        assert not isinstance(checks, Failure), checks
        by_name = {check.name: check for check in checks}
        answers = by_name["The engine answers `docker info`."]
        assert (answers.passed, answers.detail) == (False, "want an answer, is no answer")
        built = by_name["The engine builds the sample image FROM scratch without any network."]
        assert (built.passed, built.detail) == (None, "the engine does not answer")


def test_there_are_at_least_twenty_checks_and_each_is_one_sentence(tmp_path: Path, ssh: Path) -> None:
    ssh.write_text("#!/bin/sh\nexit 0\n")
    checks = verify.verify(arrivals(tmp_path, "web1"), tmp_path, never)["web1"]
    assert not isinstance(checks, Failure)
    names = [check.name for check in checks]
    assert len(names) >= 20
    assert len(set(names)) == len(names)
    assert [name for name in names if not name.endswith(".") or "{" in name] == []


def test_a_lost_connection_is_a_failure_of_its_host_alone(tmp_path: Path, ssh: Path) -> None:
    ssh.write_text('#!/bin/sh\ncase "$*" in *web2*) exit 255;; esac\n')
    proofs = verify.verify(arrivals(tmp_path), tmp_path, never)
    lost = failures(proofs)
    assert list(lost) == ["web2"]
    assert (lost["web2"].kind, lost["web2"].status) == ("connection-lost", Status.UNREACHABLE)
    assert lost["web2"].stage is Stage.VERIFY


def test_a_process_that_dies_leaves_its_hosts_not_proven(tmp_path: Path, ssh: Path) -> None:
    ssh.write_text('#!/bin/sh\ncase "$*" in *web3*) kill -9 $PPID;; esac\n')
    lost = failures(verify.verify(arrivals(tmp_path), tmp_path, never))
    assert {"web3": ("not-proven", Status.UNKNOWN)}.items() <= {
        name: (failure.kind, failure.status) for name, failure in lost.items()
    }.items()
    assert "fab verify --limit web3" in lost["web3"].hint


def test_a_host_is_proven_while_another_is_still_on_its_way(tmp_path: Path, ssh: Path) -> None:
    ssh.write_text("#!/bin/sh\nexit 0\n")
    first_is_proven = threading.Event()

    def given() -> Iterator[verify.Arrival]:
        yield from arrivals(tmp_path, "web1")
        assert first_is_proven.wait(20)
        yield from arrivals(tmp_path, "web2", "web3")

    proofs = verify.verify(given(), tmp_path, never, lambda host, proof: first_is_proven.set())
    assert list(proofs) == list(NAMES)
    assert not failures(proofs)


def test_after_the_death_of_a_process_another_takes_the_next_host(
    tmp_path: Path, ssh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh.write_text('#!/bin/sh\ncase "$*" in *web1*) kill -9 $PPID; touch "$0.killed";; esac\n')
    monkeypatch.setattr(os, "cpu_count", lambda: 1)

    def given() -> Iterator[verify.Arrival]:
        yield from arrivals(tmp_path, "web1")
        limit = time.monotonic() + 20
        while not Path(f"{ssh}.killed").exists():
            assert time.monotonic() < limit
            time.sleep(0.05)
        time.sleep(0.2)
        yield from arrivals(tmp_path, "web2")

    proofs = verify.verify(given(), tmp_path, never)
    assert list(failures(proofs)) == ["web1"]


def test_a_line_that_is_no_host_ends_the_process_and_not_the_run(tmp_path: Path, ssh: Path) -> None:
    ssh.write_text("#!/bin/sh\nexit 0\n")
    checking = process.CheckProcess(0, tmp_path)
    ((session, may_restart),) = arrivals(tmp_path, "web1")
    checking._hosts.write("no json\n")
    checking.take(session, may_restart)
    checking.close()
    checking.read(lambda host, proof: None)
    proof = checking.proof("web1")
    assert isinstance(proof, Failure)
    assert proof.kind == "not-proven"


def test_checks_that_cannot_be_imported_prove_nothing(
    tmp_path: Path, ssh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh.write_text("#!/bin/sh\nexit 0\n")
    broken = tmp_path / "test_broken.py"
    broken.write_text("import provision.nowhere\n")
    command = process.command()
    monkeypatch.setattr(process, "command", lambda: [*command, str(broken)])
    lost = failures(verify.verify(arrivals(tmp_path, "web1"), tmp_path, never))
    assert lost["web1"].kind == "not-proven"


def test_a_process_that_gives_no_end_is_ended(
    tmp_path: Path, ssh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh.write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(process, "HOST_TIMEOUT_S", 2.0)
    start = time.monotonic()
    lost = failures(verify.verify(arrivals(tmp_path, "web1"), tmp_path, never))
    assert lost["web1"].evidence == "no end after 2 s"
    assert time.monotonic() - start < 20


class AdvisingProcess(process.CheckProcess):
    """A process whose hosts all have one good check and one advice."""

    is_alive = True

    def __init__(self, number: int, run_dir: Path) -> None:
        self._tallies, self._why = {}, ""

    def take(self, session: Session, may_restart: bool) -> None:
        self._tallies[session.host.name] = process.Tally([])

    def close(self) -> None:
        pass

    def read(self, on_proof: verify.OnProof) -> None:
        checks = (Check("It runs.", Verdict.PASSED), Check("It lives on.", Verdict.ADVICE, "it is off"))
        while not self._tallies:
            time.sleep(0.01)
        for host in self._tallies:
            on_proof(host, checks)

    def interrupt(self) -> None:
        pass

    def end(self) -> None:
        pass


@pytest.mark.parametrize(("strict", "code", "named", "last"), [
    (False, 0, "VERIFIED       1", "Next     fab plan"),
    (True, 2, "NOT VERIFIED   1", "Again    fab verify --strict --limit @last.failed"),
])  # fmt: skip
def test_strict_makes_advice_a_failure_everywhere_and_nothing_else_does(
    strict: bool, code: int, named: str, last: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(verify, "CheckProcess", AdvisingProcess)
    seen: dict[str, verify.Proof] = {}
    proofs = verify.verify(arrivals(tmp_path, "web1"), tmp_path, never, seen.__setitem__, strict=strict)
    assert seen == proofs
    checks = proofs["web1"]
    assert not isinstance(checks, Failure)
    host = HostReport("web1", Status.OK, checks=checks)
    typed = "fab verify --strict" if strict else "fab verify"
    words = VERBS["verify"].words
    run = Report("r", typed, "i.yml", "2026-11-24T02:18:00Z", 1.0, exit_code([host]), (host,), words=words)
    write(run, tmp_path, {})
    said = verify_text(run)
    assert (run.exit_code, failed_hosts(tmp_path)) == (code, ("web1",) if strict else ())
    assert named in said
    assert last in said
    assert ("it is off; advice counts as a failure (--strict)" in said) is strict


def is_running(pid: str) -> bool:
    """A process that nobody reaps any more has no command line."""
    path = Path(f"/proc/{pid}/cmdline")
    return path.exists() and bool(path.read_bytes())


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT as at a terminal: a shell that starts the tests in the background has them ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_the_processes(tmp_path: Path, ssh: Path) -> None:
    ssh.write_text(f"#!/bin/sh\necho $$ >>{tmp_path}/pids\nexec sleep 60\n")
    pids = tmp_path / "pids"

    def interrupt() -> None:
        while not pids.exists():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        verify.verify(arrivals(tmp_path, "web1"), tmp_path, never)
    limit = time.monotonic() + 5
    while any(map(is_running, pids.read_text().split())):
        assert time.monotonic() < limit
        time.sleep(0.05)


def test_a_cancelled_run_ends_in_time_and_names_each_unfinished_host(
    tmp_path: Path, ssh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "CLEANING_S", 0.2)
    ssh.write_text('#!/bin/sh\ncase "$*" in *web2*) exit 0;; esac\nexec sleep 60\n')
    last_seen: dict[str, float] = {}
    proofs = verify.verify(
        arrivals(tmp_path),
        tmp_path,
        lambda: "web2" in last_seen and time.monotonic() - last_seen["web2"] > 2,
        lambda host, proof: last_seen.update({host: time.monotonic()}),
    )
    assert {name: failure.kind for name, failure in failures(proofs).items()} == {
        "web1": "interrupted",
        "web3": "interrupted",
    }


def test_an_error_in_the_callers_function_ends_the_processes(tmp_path: Path, ssh: Path) -> None:
    ssh.write_text("#!/bin/sh\nexit 0\n")

    def refuse(host: str, proof: verify.Proof) -> None:
        raise RuntimeError(host)

    with pytest.raises(RuntimeError):
        verify.verify(arrivals(tmp_path), tmp_path, never, refuse)


def test_a_process_sees_nothing_of_the_persons_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "--pdb")
    monkeypatch.setenv("PROVISION_MASTER", "hunter2")
    environment = process.environment(tmp_path, (7, 8))
    assert environment["PROVISION_CHECK_PIPES"] == "7,8"
    assert not {"PYTEST_ADDOPTS", "PROVISION_MASTER"} & set(environment)


def line(**row: object) -> str:
    return json.dumps(row) + "\n"


def read(lines: list[str], *hosts: str) -> dict[str, process.Tally]:
    tallies = {host: process.Tally([]) for host in hosts}
    process.read_lines(lines, tallies, lambda host, proof: None)
    return tallies


def test_a_line_that_was_cut_off_is_dropped() -> None:
    check = {"name": "It runs.", "verdict": "passed", "detail": "", "seconds": 0.1}
    lines = [line(host="web1", check=check), '{"host": "web1", "do']
    tally = read(lines, "web1")["web1"]
    assert tally.checks == [Check(**check)]  # type: ignore[arg-type]
    assert isinstance(tally.proof("web1", "pytest ended with -9"), Failure)


def test_a_host_that_was_done_before_its_process_died_keeps_its_checks() -> None:
    check = {"name": "It runs.", "verdict": "passed", "detail": "", "seconds": 0.1}
    lines = [line(host="web1", check=check), line(host="web1", done=True), line(host="web2", check=check)]
    tallies = read(lines, "web1", "web2")
    assert tallies["web1"].proof("web1", "pytest ended with -9") == (Check(**check),)  # type: ignore[arg-type]
    left = tallies["web2"].proof("web2", "pytest ended with -9")
    assert isinstance(left, Failure)
    assert left.evidence == "pytest ended with -9"


def test_no_check_at_all_is_no_proof() -> None:
    tally = read([line(host="web1", done=True)], "web1")["web1"]
    assert isinstance(tally.proof("web1", ""), Failure)
