"""Bad days: each has its own words, its next step, its exit code, and the other hosts finish."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from provision import lab as labs
from provision.lab import Lab
from tests.lab.conftest import Begun, Done, NewProject, Project, project_in
from tests.lab.test_connect import lines_of_sshd
from tests.lab.test_road import in_host


def error_of(project: Project, name: str) -> dict[str, str]:
    found: dict[str, str] = project.host_report(name)["error"]
    return found


def expect_other_host_fine(project: Project, name: str = "el6") -> None:
    assert project.host_report(name)["status"] in ("ok", "changed")


@pytest.fixture(scope="module", autouse=True)
def unreachable(
    lab: Lab, keyring_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Project, Begun]]:
    """A ping of el9, whose packets are dropped, of el10, which is silent, and of el6.

    It goes on during other tests, as the attempts take half a minute.
    """
    project = project_in(tmp_path_factory.mktemp("unreachable"), lab, keyring_file)
    for name in ("el6", "el9", "el10"):
        project.add(name, lab.host(name))
    labs.cut(lab.host("el9"))
    labs.pause(lab.host("el10"))
    begun = project.begin("hosts.ping", "all")
    yield project, begun
    begun.process.kill()
    labs.mend(lab.host("el9"))
    labs.resume(lab.host("el10"))
    begun.end(0)


def test_a_missing_credential_names_the_command_that_adds_it(new_project: NewProject) -> None:
    project = new_project("el4", "el6")
    project.fab("credentials.forget", "el4").expect(0)
    done = project.fab("plan")
    done.expect(8)
    assert error_of(project, "el4")["kind"] == "missing-credential"
    assert "fab credentials.set el4" in done.out
    expect_other_host_fine(project)


def test_a_wrong_password_is_tried_once(lab: Lab, new_project: NewProject) -> None:
    project = new_project("el4", "el6")
    project.store("el4", "not the password")
    before = len(lines_of_sshd(lab, "el4"))
    done = project.fab("plan")
    done.expect(2)
    assert "el4 refused the login of root" in done.out
    assert "\n".join(lines_of_sshd(lab, "el4")[before:]).count("Failed password for root") == 1
    expect_other_host_fine(project)


def test_an_unknown_key_is_refused_before_any_login(lab: Lab, new_project: NewProject) -> None:
    project = new_project("el4", "el6")
    pins = project.path / "inventory/known_hosts"
    pins.write_text("".join(line for line in pins.open() if not line.startswith("el4 ")))
    before = len(lines_of_sshd(lab, "el4"))
    done = project.fab("plan")
    done.expect(8)
    assert error_of(project, "el4")["kind"] == "unknown-host-key"
    assert "fab hosts.trust el4" in done.out
    assert lines_of_sshd(lab, "el4")[before:] == []
    expect_other_host_fine(project)


def test_two_swapped_pins_refuse_both_hosts_before_any_login(lab: Lab, new_project: NewProject) -> None:
    project = new_project("el4", "el5", "el6")
    project.pin("el4", lab.host("el5"))
    project.pin("el5", lab.host("el4"))
    before = len(lines_of_sshd(lab, "el4"))
    done = project.fab("plan")
    done.expect(8)
    for name in ("el4", "el5"):
        error = error_of(project, name)
        assert error["kind"] == "changed-host-key"
        assert f"fab hosts.trust {name} --replace SHA256:" in error["hint"]
    words = " ".join(done.out.split())
    assert words.count("pinned SHA256:") == words.count("offered SHA256:") == 2
    assert "password" not in "\n".join(lines_of_sshd(lab, "el4")[before:]).lower()
    expect_other_host_fine(project)


def test_a_fingerprint_in_the_inventory_pins_or_refuses_a_host(lab: Lab, new_project: NewProject) -> None:
    project = new_project("el4", "el6")
    pins = project.path / "inventory/known_hosts"
    old = pins.read_text()
    good = project.fab("hosts.trust", "el4").out.split()[2].rstrip(",")
    pins.write_text("".join(line for line in old.splitlines(True) if not line.startswith("el4 ")))
    project.hosts["el4"]["host_key"] = "SHA256:" + "A" * 43
    project.write()
    project.fab("hosts.ping", "all").expect(8)
    assert error_of(project, "el4")["kind"] == "changed-host-key"
    project.hosts["el4"]["host_key"] = good
    project.write()
    project.fab("hosts.ping", "all").expect(0)


def test_trust_without_a_terminal_wants_the_fingerprint(lab: Lab, new_project: NewProject) -> None:
    project = new_project("el4")
    (project.path / "inventory/known_hosts").unlink()
    refused = project.fab("hosts.trust", "el4")
    refused.expect(8)
    assert "--fingerprint SHA256:" in refused.err
    shown = refused.err[refused.err.index("SHA256:") :].split()[0]
    project.fab("hosts.trust", "el4", "--fingerprint", "SHA256:" + "B" * 43).expect(8)
    project.fab("hosts.trust", "el4", "--fingerprint", shown).expect(0)
    project.fab("hosts.ping", "el4").expect(0)


def test_a_changed_key_is_replaced_only_by_naming_the_old_one(lab: Lab, new_project: NewProject) -> None:
    project = new_project("el4")
    project.pin("el4", lab.host("el5"))
    refused = project.fab("hosts.trust", "el4")
    refused.expect(8)
    words = " ".join(refused.err.split())
    old = words[words.index("--replace SHA256:") + 10 :].split()[0]
    new = words[words.index("offered SHA256:") + 8 :].split()[0]
    project.fab("hosts.trust", "el4", "--replace", old, "--fingerprint", new).expect(0)
    project.fab("hosts.ping", "el4").expect(0)


def test_a_host_that_is_off_or_refuses_or_has_no_name_is_told_apart(
    lab: Lab, new_project: NewProject
) -> None:
    project = new_project("el6")
    project.hosts |= {
        "gone": {"ansible_host": f"198.18.{lab.subnet}.250"},
        "shut": {"ansible_host": lab.host("el4").address, "ansible_port": 2222},
        "named": {"ansible_host": "no-such-name.invalid"},
    }
    project.write()
    for name in ("gone", "shut", "named"):
        project.store(name, "x")
        project.pin(name, lab.host("el4"))
    done = project.fab("hosts.ping", "all")
    done.expect(4)
    kinds = {name: error_of(project, name)["kind"] for name in ("gone", "shut", "named")}
    assert kinds.pop("gone") in ("no-route", "no-answer")
    assert kinds == {"shut": "connection-refused", "named": "name-not-found"}
    expect_other_host_fine(project)
    project.fab("hosts.ping", "all", "--via", "private").expect(1)
    tolerated = project.fab("plan", "--tolerate", "unreachable")
    tolerated.expect(0)
    assert "3 unreachable" in tolerated.out


def test_a_host_silent_for_a_minute_holds_nobody(lab: Lab, new_project: NewProject) -> None:
    project = new_project("el5", "el6")
    alone = plan_line_seconds(project, "el6")
    host = lab.host("el5")
    labs.pause(host)
    waker = threading.Timer(60, labs.resume, [host])
    waker.start()
    try:
        together = plan_line_seconds(project, "all")
    finally:
        waker.cancel()
        labs.resume(host)
    # each goes on as soon as it is connected, however long the silent one takes
    assert together < alone + 5


def plan_line_seconds(project: Project, limit: str) -> float:
    """Return how long `plan` takes until it reports el6, by its progress line."""
    started = time.monotonic()
    process = project.start("plan", "--limit", limit)
    assert process.stderr
    for line in process.stderr:
        if line.startswith("el6  "):
            break
    seconds = time.monotonic() - started
    process.terminate()  # the rest is waiting
    process.communicate(timeout=120)
    return seconds


def test_a_host_that_is_no_el_is_refused(one_host_lab: Callable[[str], Lab], new_project: NewProject) -> None:
    project = new_project("el6")
    host = one_host_lab("alien").hosts[0]
    assert host.password
    project.add("odd", host)
    project.store("odd", host.password.reveal())
    done = project.fab("plan")
    done.expect(8)
    assert error_of(project, "odd")["kind"] == "unsupported-os"
    assert "Debian GNU/Linux 13" in done.out
    expect_other_host_fine(project)


def test_an_unreachable_repository_is_named_and_leaves_the_host_as_it_was(
    lab: Lab, new_project: NewProject
) -> None:
    project = new_project("el6", "el7")
    project.hosts["el7"]["docker_engine_mirror"] = f"http://{lab.gateway}:1"
    project.write()
    done = project.fab("provision")
    done.expect(2)
    assert error_of(project, "el7")["kind"] == "repository-unreachable"
    assert f"{lab.gateway}:1" in done.out or "port 1" in done.out
    assert in_host(lab, "el7", "ls /etc/yum.repos.d /etc/docker 2>/dev/null | grep -i docker") == ""
    expect_other_host_fine(project)


@pytest.mark.parametrize(("file", "words"), [("wrong.gpg", "fingerprint"), ("two.gpg", "2 keys")])
def test_a_key_file_that_is_not_exactly_the_right_key_is_refused(
    lab: Lab, new_project: NewProject, file: str, words: str
) -> None:
    project = new_project("el7", docker_engine_gpg_key=str(lab.gpg_key.with_name(file)))
    done = project.fab("provision")
    done.expect(8)
    assert error_of(project, "el7")["kind"] == "wrong-key"
    assert words in done.out
    assert in_host(lab, "el7", "rpm -qa gpg-pubkey; ls /etc/yum.repos.d | grep docker") == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("--limit", "nobody"), "hosts: el4"), (("--limit", "@last.failed"), "there is no run"),
     (("--via", "pigeon"), "public, private"), (("--inventory", "none.yml"), "there is no inventory"),
     (("--tolerate", "everything"), "--tolerate everything is not known")],
)  # fmt: skip
def test_a_command_that_cannot_start_says_why_and_touches_nothing(
    new_project: NewProject, arguments: tuple[str, ...], words: str
) -> None:
    project = new_project("el4")
    done: Done = project.fab("plan", *arguments)
    done.expect(1)
    assert words in done.err
    assert "Next" in done.err
    assert not (project.path / ".provision").exists()


def test_a_locked_keyring_is_one_clear_error(new_project: NewProject) -> None:
    done = new_project("el4").fab("plan", PROVISION_MASTER="wrong")
    done.expect(1)
    assert "Next" in done.err


@pytest.mark.parametrize(
    ("name", "number", "code"), [("el7", signal.SIGINT, 130), ("el4", signal.SIGTERM, 143)]
)
def test_an_interrupted_run_ends_cleanly_and_the_next_converges(
    lab: Lab, new_project: NewProject, name: str, number: signal.Signals, code: int
) -> None:
    project = new_project(name)
    in_host(lab, name, "rm -rf /var/lib/provision")
    process = project.start("provision")
    wait_until(lambda: in_host(lab, name, "ls /var/lib/provision 2>/dev/null") != "")
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=120)
    project.expect_clean(out + err)
    assert process.returncode == code, out + err
    assert project.report()["exit_code"] == code
    assert project.host_report(name)["error"]["kind"] == "interrupted"
    again = project.fab("provision")
    again.expect(0)


def test_dropped_packets_are_told_from_a_silent_host(unreachable: tuple[Project, Begun]) -> None:
    project, begun = unreachable
    begun.end().expect(4)
    assert error_of(project, "el9")["kind"] == "no-answer"
    assert error_of(project, "el10")["kind"] == "silent"
    expect_other_host_fine(project)


def wait_until(
    is_true: Callable[[], object], seconds: float = 60, work: subprocess.Popen[str] | None = None
) -> None:
    """Wait until a condition holds; fail when it does not, with the output of ``work`` if that has ended."""
    end = time.monotonic() + seconds
    while not is_true():
        assert work is None or work.poll() is None, work.communicate()
        assert time.monotonic() < end
        time.sleep(0.2)
