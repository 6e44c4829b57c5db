"""Run on a stand-in host: the real host code, in steps and with the kills that a test asks for.

`python3 driver.py ACTION < JSON` prints JSON. It knows the product only from outside: what it replaces is
the writing of an event, and there it kills itself.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from urllib.request import urlopen

sys.path.insert(0, "/root/code")

from provision_host import main
from provision_host.engine import kernel
from provision_host.ground import files
from provision_host.ground.machine import Asking, Machine
from provision_host.runs import journal, run

WATCHED = (
    "/etc/docker",
    "/etc/yum.repos.d",
    "/etc/pki/rpm-gpg",
    "/etc/systemd/system/multi-user.target.wants",
)
OWN_FILES = ("/var/lib/provision/before.json", "/var/lib/provision/daemon-keys.json")
LEFT = ("/var/tmp/provision-*", "/run/provision-*", "/etc/*/.provision-*", "/var/lib/provision/.provision-*",
        "/var/lib/provision/*/.provision-*", "/usr/bin/*;*")  # fmt: skip


def snapshot():
    """Return the state of the host: files with mode and owner, packages, units; and what should be gone."""
    places = [Path(place) for place in WATCHED]
    paths = [path for place in places for path in (place, *place.rglob("*"))] + [Path(p) for p in OWN_FILES]
    return {
        "files": {str(path): described(path) for path in sorted(paths) if os.path.lexists(path)},
        "packages": sorted(said("rpm", "-qa", "--qf", "%{NAME}-%{VERSION}-%{RELEASE}\n").split()),
        "units": [
            said("systemctl", word, unit).strip()
            for unit in ("docker.service", "containerd.service")
            for word in ("is-enabled", "is-active")
        ],
        "left": sorted(str(p) for pattern in LEFT for p in Path("/").glob(pattern.lstrip("/"))),
    }


def described(path):
    found = path.lstat()
    content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    return [oct(found.st_mode), found.st_uid, found.st_gid, content]


def said(*argv):
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout


def killed_at(moment, name):
    """Kill this process before, between (applied, not noted) or after the Change ``name``.

    "write": when the file ``name`` is written and not yet in its place; "half": in a transaction, with the
    package ``name`` there in a second version and its file damaged; "orphan": ``name`` seconds after dnf
    began, which goes on; "term": told to end, before the Change.
    """
    if moment in OTHERS:
        return OTHERS[moment](name)
    note = journal.Journal.note

    def noting(self, event, **details):
        here = details.get("name") == name
        if here and (moment, event) == ("between", "done"):
            os.kill(os.getpid(), signal.SIGKILL)
        note(self, event, **details)
        if here and (moment, event) == ("term", "begin"):
            os.kill(os.getpid(), signal.SIGTERM)
        if here and (moment, event) in (("before", "begin"), ("after", "done")):
            os.kill(os.getpid(), signal.SIGKILL)

    journal.Journal.note = noting


def killed_in_a_write(path):
    rename = os.rename

    def renaming(source, target):
        if target == path:
            os.kill(os.getpid(), signal.SIGKILL)
        rename(source, target)

    files.os.rename = renaming


def killed_in_half_a_transaction(package):
    def half():
        place = next(Path("/var/tmp").glob("provision-*/reposdir/docker-ce.repo")).read_text()
        base = place.partition("baseurl=")[2].split()[0]
        url = f"{base}/Packages/{package}-1.el10.x86_64.rpm"
        Path("/root/half.rpm").write_bytes(urlopen(url).read())
        subprocess.run(["rpm", "-i", "--force", "--nodeps", "--noscripts", "/root/half.rpm"], check=True)
        os.truncate("/usr/bin/docker", 1000)
        os.kill(os.getpid(), signal.SIGKILL)

    in_transactions(half)


def killed_while_dnf_goes_on(seconds):
    def later():
        threading.Timer(float(seconds), os.kill, (os.getpid(), signal.SIGKILL)).start()

    in_transactions(later)


def in_transactions(act):
    """Act before dnf performs a transaction: one of its own, or the one that it has shown."""
    run_it, answer_it = Machine.run, Asking.answer

    def running(self, argv, *words, **named):
        if "-y" in argv:
            act()
        return run_it(self, argv, *words, **named)

    def answering(self, *words):
        act()
        return answer_it(self, *words)

    Machine.run, Asking.answer = running, answering


OTHERS = {
    "write": killed_in_a_write,
    "half": killed_in_half_a_transaction,
    "orphan": killed_while_dnf_goes_on,
}


def answer(asked):
    if "kill" in asked:
        killed_at(*asked["kill"])
    if "kernel" in asked:
        # The kernel of stand-in hosts has all matches built in, and another name.
        kernel.release = lambda: asked["kernel"]
        kernel.MATCHES = "/nowhere"
    main.main(json.dumps(asked["request"]))


def battery(asked):
    """Apply each Change twice, then undo each twice; return the host after every round."""
    seen = [{part: what for part, what in snapshot().items() if part != "left"}]

    def rounds(changes, record):
        for step, order in (("apply", changes), ("apply", changes), ("undo", changes[::-1]),
                            ("undo", changes[::-1])):  # fmt: skip
            for change in order:
                getattr(change, step)()
            for change in order if step == "undo" else ():
                change.settle()
            # The run's own directory is there while it lasts.
            seen.append({part: what for part, what in snapshot().items() if part != "left"})

    run.apply = rounds
    result = main.answer(Machine(), asked["request"])
    return {"seen": seen, "error": result["error"], "names": [line["name"] for line in result["changes"]]}


ACTIONS = {"snapshot": lambda asked: snapshot(), "answer": answer, "battery": battery}
if __name__ == "__main__":
    found = ACTIONS[sys.argv[1]](json.load(sys.stdin))
    if found is not None:
        print(json.dumps(found))
