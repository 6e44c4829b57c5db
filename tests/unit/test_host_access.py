"""Who gets into a host: keys, sshd's setting, passwords; files are real, and commands are played."""

import os
import stat
import subprocess

import pytest

from provision.host import access, main
from provision.host.access import authorized, guard, sshd
from provision.host.ground.errors import HostError
from provision.host.ground.machine import Machine, Ran
from provision.host.ground.secret import SecretText
from provision.host.runs import history, journal

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOaRGWrbM7oSUYdPiB9dGzJ provision-web1"
OTHER = b"ssh-rsa AAAAB3NzaC1yc2E= ann@desk\n"
SECRET = "s3cret-of-tests"
SHADOW = "root:$y$old:19000:0:99999:7:::\nops:!:19000::::::\n"
DEFAULTS = {
    "passwordauthentication": "yes",
    "kbdinteractiveauthentication": "no",
    "authorizedkeysfile": ".ssh/authorized_keys .ssh/authorized_keys2",
}


class Played(Machine):
    """A host below a temporary root; sshd's settings are read as sshd does, the first value first."""

    def __init__(self, root):
        super().__init__(str(root))
        self.calls = []
        self.given = {}
        self.fails = set()
        self.timers = []

    def run(self, argv, timeout_s=60, outlives=False, stdin=None):
        line = " ".join(argv)
        self.calls.append(line)
        self.given[argv[0]] = stdin
        if any(words in line for words in self.fails):
            return Ran(1, "", "Bad configuration option: Nonsense\nterminating, 1 bad option\n")
        return Ran(
            0, getattr(self, "_" + os.path.basename(argv[0]).replace("-", "_"), lambda _: "")(argv), ""
        )

    def _getent(self, argv):
        return f"{argv[2]}:x:{os.getuid()}:{os.getgid()}::/home/{argv[2]}:/bin/sh\n"

    def _sshd(self, argv):
        found = {}
        self._read(sshd.MAIN, found)
        return "".join(f"{name} {value}\n" for name, value in (DEFAULTS | found).items())

    def _read(self, path, found):
        for line in self.text(path).splitlines():
            name, _, value = line.strip().replace("=", " ").partition(" ")
            if name.lower() == "include":
                self._read(sshd.DROP_IN, found)
            elif name and name[0] != "#":
                found.setdefault(name.lower(), value)

    def _systemd_run(self, argv):
        unit = next(word for word in argv if word.startswith("--unit="))
        self.timers.append(unit.partition("=")[2] + ".timer")
        return ""

    def _systemctl(self, argv):
        if "stop" in argv:
            self.timers = [name for name in self.timers if name not in argv]
        return "".join(f"{name} loaded active waiting\n" for name in self.timers if "list-units" in argv)

    def _chpasswd(self, argv):
        put(self, "/etc/shadow", SHADOW.replace("$y$old", "$y$new"))
        return ""


@pytest.fixture
def machine(tmp_path):
    for folder in ("etc/ssh/sshd_config.d", "var/lib/provision", "run/systemd/system", "usr/sbin"):
        (tmp_path / folder).mkdir(parents=True)
    found = Played(tmp_path)
    put(found, sshd.MAIN, "Include /etc/ssh/sshd_config.d/*.conf\nUsePAM yes\n")
    put(found, "/etc/shadow", SHADOW)
    return found


def put(machine, path, text):
    os.makedirs(os.path.dirname(machine.path(path)), exist_ok=True)
    with open(machine.path(path), "w") as stream:
        stream.write(text)


def applied(changes):
    for change in changes:
        change.apply()
    return changes


FILE = "/home/root/.ssh/authorized_keys"


def test_a_key_goes_into_a_file_that_only_its_user_can_read(machine):
    (change,) = applied(authorized.plan(machine, "root", KEY, True))
    assert machine.text(FILE) == KEY + "\n"
    modes = [stat.S_IMODE(os.stat(machine.path(path)).st_mode) for path in (FILE, os.path.dirname(FILE))]
    assert modes == [0o600, 0o700]
    assert (change.name, change.after, change.records()) == ("key of root", "in " + FILE, [])
    assert authorized.plan(machine, "root", KEY, True) == []


@pytest.mark.parametrize("last", [b"", b"# a word", b"# " + KEY.encode()])
def test_the_lines_of_others_stay_as_they_are(machine, last):
    put(machine, FILE, (OTHER + last).decode())
    applied(authorized.plan(machine, "root", KEY, True))
    kept = OTHER + last + (b"\n" if last else b"")
    assert machine.read(FILE) == kept + KEY.encode() + b"\n"
    applied(authorized.plan(machine, "root", KEY, False))
    assert machine.read(FILE) == kept
    assert authorized.plan(machine, "root", KEY, False) == []


def test_a_key_that_failed_to_be_added_is_taken_back_with_its_folder(machine):
    (change,) = applied(authorized.plan(machine, "root", KEY, True))
    change.undo()
    assert not os.path.exists(machine.path("/home/root/.ssh"))


@pytest.mark.parametrize("link", [FILE, os.path.dirname(FILE)])
def test_root_does_not_follow_a_linked_authorized_keys(machine, link):
    put(machine, "/etc/secretfile/authorized_keys", "secret\n")
    aim = "/etc/secretfile/authorized_keys" if link == FILE else "/etc/secretfile"
    os.makedirs(os.path.dirname(machine.path(link)))
    os.symlink(machine.path(aim), machine.path(link))
    with pytest.raises(HostError) as caught:
        authorized.plan(machine, "root", KEY, True)
    assert caught.value.kind == "linked-key-file"
    assert machine.text("/etc/secretfile/authorized_keys") == "secret\n"


def test_a_file_that_is_there_keeps_its_owner(machine):
    put(machine, FILE, "")
    os.chown(machine.path(FILE), 0, 12)
    applied(authorized.plan(machine, "root", KEY, True))
    assert (os.stat(machine.path(FILE)).st_uid, os.stat(machine.path(FILE)).st_gid) == (0, 12)


def test_the_last_key_stays_where_no_password_lets_in(machine):
    put(machine, FILE, KEY + "\n")
    applied(sshd.plan(machine, "root", "run-1"))
    with pytest.raises(HostError) as caught:
        access.plan(machine, {"access": {"user": "root", "absent_key": KEY}, "run": "run-2"})
    assert caught.value.kind == "only-way-in"


def test_sshd_is_told_all_that_its_settings_may_ask_of_a_login(machine):
    sshd.effective(machine, "ops")
    assert "user=ops,host=localhost,addr=127.0.0.1,laddr=127.0.0.1,lport=22" in machine.calls[-1]


def test_the_file_is_the_one_that_sshd_reads(machine):
    put(machine, sshd.MAIN, "AuthorizedKeysFile /etc/ssh/keys/%u\n")
    (change,) = authorized.plan(machine, "ops", KEY, True)
    assert change.path == "/etc/ssh/keys/ops"
    put(machine, sshd.MAIN, "AuthorizedKeysFile none\n")
    with pytest.raises(HostError) as caught:
        authorized.plan(machine, "ops", KEY, True)
    assert caught.value.kind == "no-key-file"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("Include /etc/ssh/sshd_config.d/*.conf\nPasswordAuthentication yes\n", sshd.DROP_IN),
        ("# a word\n  include sshd_config.d/*.conf\n", sshd.DROP_IN),
        ("PasswordAuthentication yes\nInclude /etc/ssh/sshd_config.d/*.conf\n", sshd.MAIN),
        ("Match User ann\nInclude /etc/ssh/sshd_config.d/*.conf\n", sshd.MAIN),
        ("Include /etc/ssh/other/*.conf\n", sshd.MAIN),
        ("PasswordAuthentication=yes\n", sshd.MAIN),
    ],
)
def test_the_setting_goes_to_where_it_is_the_first_that_sshd_reads(machine, text, path):
    put(machine, sshd.MAIN, text)
    _, setting, _ = sshd.plan(machine, "root", "run-1")
    assert setting.path == path
    setting.apply()
    assert machine.text(sshd.MAIN).endswith(text)
    assert machine.text(path).startswith(sshd.SETTING.decode())


def test_password_login_is_switched_off_behind_a_timer_and_only_once(machine):
    names = [change.name for change in applied(sshd.plan(machine, "root", "run-1"))]
    assert names == ["timer provision-sshd-restore", "file " + sshd.DROP_IN, "reload sshd"]
    order = [
        call for call in machine.calls if call.startswith(("systemd-run", "systemctl reload", sshd.PROGRAM))
    ]
    assert [call.split()[0].rpartition("/")[2] for call in order[1:]] == [
        "systemd-run", "sshd", "sshd", "systemctl",
    ]  # fmt: skip
    assert "--on-active=120" in order[1]
    os.unlink(machine.path(guard.SCRIPT))  # as the witness does
    assert sshd.plan(machine, "root", "run-2") == []


def test_a_setting_that_nobody_has_proven_gets_its_time_anew(machine):
    applied(sshd.plan(machine, "root", "run-1"))
    script = machine.text(guard.SCRIPT)
    changes = sshd.plan(machine, "root", "run-2")
    assert [change.name for change in applied(changes)] == ["timer provision-sshd-restore", "reload sshd"]
    assert machine.text(guard.SCRIPT) == script
    assert machine.timers == ["provision-sshd-restore-run-2.timer"]
    begun = [call.split()[:2] for call in machine.calls if "provision-sshd-restore-" in call]
    assert begun[-2:] == [["systemd-run", "--on-active=120"], ["systemctl", "stop"]], "never without a timer"
    for change in changes:
        change.settle()
    assert guard.is_set(machine), "the way back of the earlier run is still needed"


@pytest.mark.parametrize("main_text", ["Include sshd_config.d/*.conf\n", "PasswordAuthentication yes\n"])
def test_the_timers_script_puts_back_what_was_there(machine, tmp_path, main_text):
    put(machine, sshd.MAIN, main_text)
    changes = sshd.plan(machine, "root", "run-1")
    journal.Journal(machine, "run-1").open({"who": "ann"}, changes)
    applied(changes)
    assert sshd.takes_no_password(sshd.effective(machine, "root"))
    script = machine.text(guard.SCRIPT).replace("/var/lib", f"{tmp_path}/var/lib")
    script = script.replace("systemctl", "true").replace(guard.SCRIPT, machine.path(guard.SCRIPT))
    subprocess.run(["sh", "-c", script], check=True)
    assert machine.text(sshd.MAIN) == main_text
    assert not os.path.exists(machine.path(sshd.DROP_IN))
    assert not guard.is_set(machine)


def test_where_it_cannot_be_put_back_the_script_stays_and_says_so(machine, tmp_path):
    put(machine, sshd.MAIN, "PasswordAuthentication yes\n")
    applied(sshd.plan(machine, "root", "run-1"))  # without a journal there is no copy to put back
    script = machine.text(guard.SCRIPT).replace("/var/lib", f"{tmp_path}/var/lib")
    script = script.replace("systemctl", "true").replace(guard.SCRIPT, machine.path(guard.SCRIPT))
    assert subprocess.run(["sh", "-c", script], check=False, capture_output=True).returncode != 0
    assert guard.is_set(machine)
    assert sshd.takes_no_password(sshd.effective(machine, "root"))


def test_a_setting_that_another_line_overrules_is_told_with_what_sshd_says(machine):
    class Matched(Played):
        def _sshd(self, argv):
            return "passwordauthentication yes\n"

    changes = sshd.plan(Matched(machine.root), "root", "run-1")
    with pytest.raises(HostError) as caught:
        applied(changes)
    assert caught.value.kind == "password-login-stays"
    assert "passwordauthentication yes" in caught.value.evidence


def test_a_match_that_lets_some_in_by_a_password_is_named_and_stays(machine):
    text = "Match User ann\n  PasswordAuthentication no\nMatch User bob\n  X11Forwarding no\n"
    put(machine, sshd.MAIN, text + "  PasswordAuthentication=yes\n")
    drop_in = "/etc/ssh/sshd_config.d/50-ops.conf"
    put(machine, drop_in, "Match Address 10.0.0.0/8\nKbdInteractiveAuthentication yes\n")
    assert sshd.exceptions(machine) == [
        f"a password is taken under Match User bob ({sshd.MAIN})",
        f"a password is taken under Match Address 10.0.0.0/8 ({drop_in})",
    ]
    told = sshd.SshdReload(machine, "root", "sshd.service").after
    assert told.startswith("open connections stay; a password is taken under")


def test_settings_that_sshd_refuses_stop_the_run_before_any_change(machine):
    machine.fails = {"sshd -T"}
    with pytest.raises(HostError) as caught:
        sshd.plan(machine, "root", "run-1")
    assert (caught.value.kind, caught.value.evidence) == ("sshd-config", "Bad configuration option: Nonsense")


def request(**more):
    asked = {"run": "run-2", "mode": "apply", "verb": "access", "what": "hosts.harden", "who": "ann"}
    asked |= {"now": 0, "diff": True, "lock_timeout_s": 1}
    return asked | {"access": {"user": "root", "password_login": False}} | more


def test_when_sshd_refuses_the_new_file_all_is_undone_and_no_timer_stays(machine):
    machine.fails = {"sshd -t"}
    result = main.answer(machine, request())
    assert (result["error"]["kind"], result["changed"]) == ("sshd-config", False)
    assert result["error"]["state"] == "undone: the host is as it was"
    assert not os.path.exists(machine.path(sshd.DROP_IN))
    assert not guard.is_set(machine)
    assert "systemctl stop provision-sshd-restore-run-2.timer" in machine.calls[-3:]


def test_a_password_travels_by_stdin_and_is_in_no_argument_line_or_journal(machine, tmp_path):
    wanted = {"user": "root", "password": SecretText(SECRET)}
    result = main.answer(machine, request(access=wanted, what="credentials.rotate"))
    assert machine.given["chpasswd"] == f"root:{SECRET}\n".encode()
    told = [str(result), *machine.calls, *(path.read_text() for path in tmp_path.rglob("run-2/*"))]
    assert not [text for text in told if SECRET in text or "$y$old" in text]
    assert [change["name"] for change in result["changes"]] == ["password of root"]


def test_a_password_that_was_not_taken_is_taken_back(machine):
    put(machine, "/usr/sbin/unix_chkpwd", "")
    os.chmod(machine.path("/usr/sbin/unix_chkpwd"), 0o755)
    machine.fails = {"unix_chkpwd"}
    wanted = {"user": "root", "password": SecretText(SECRET)}
    result = main.answer(machine, request(access=wanted))
    assert result["error"]["kind"] == "password-not-set"
    assert SECRET not in str(result)
    assert (machine.calls[-1], machine.given["chpasswd"]) == ("chpasswd -e", b"root:$y$old\n")


def test_a_locked_account_counts_as_one_without_a_password(machine):
    change = access.Password(machine, "ops", SecretText(SECRET))
    assert change.before == ""


def test_what_is_not_named_stays(machine):
    assert access.plan(machine, request(access={"user": "root"})) == []


def cut_short(machine, verb, what):
    record = journal.Journal(machine, "run-1")
    changes = sshd.plan(machine, "root", "run-1")
    record.open(request(verb=verb, what=what), changes)
    record.note("begin", number=0, name="timer")


def test_a_run_that_was_cut_short_is_finished_by_the_same_verb_only(machine):
    cut_short(machine, "access", "hosts.harden")
    other = main.answer(machine, request(run="run-3", what="keys.install", access={"user": "root"}))
    assert other["error"] is None
    assert [past.run for past in history.unended(machine)] == ["run-1"]
    assert main.Converge(machine, request(verb="converge", what="provision")).find_unended() == []
    main.answer(machine, request())
    assert history.unended(machine) == []


def test_an_undo_skips_what_has_no_way_back_and_reloads_sshd(machine):
    main.answer(machine, request())
    wanted = {"user": "root", "password": SecretText(SECRET)}
    main.answer(machine, request(run="run-4", access=wanted, what="credentials.rotate"))
    (past,) = history.to_undo(machine, [])
    assert past.run == "run-2"
    assert [change.name for change in sshd.plan_back(machine, [past_file(machine)])] == ["reload sshd"]
    assert sshd.plan_back(machine, []) == []


def past_file(machine):
    return sshd.FileChange(machine, sshd.DROP_IN, None)
