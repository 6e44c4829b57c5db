"""The demo as a person types it, in a directory of its own, and nothing left of it."""

import shutil
import subprocess
from pathlib import Path

from tests.lab.conftest import BIN, CHECKOUT, Done


def fab(place: Path, *args: str) -> Done:
    argv = [str(BIN / "fab"), *args]
    done = subprocess.run(argv, cwd=place, capture_output=True, text=True, check=False, timeout=240)
    return Done(done.returncode, done.stdout, done.stderr)


def state_of_the_machine() -> dict[str, str]:
    looks = {
        "links": "ip -o link show | sed -E 's/^[0-9]+: //; s/@.*//; s/:.*//' | sort",
        "mounts": "findmnt -rno TARGET | sort",
        "containers": "pgrep -c systemd-nspawn || true",
        "rules": "nft list ruleset",
        "sysctl": "sysctl -n fs.inotify.max_user_instances net.ipv4.ip_forward",
        "cgroups": "find /sys/fs/cgroup -maxdepth 3 -name '*el[0-9]*' | sort",
    }
    return {
        name: subprocess.run(["sh", "-c", look], capture_output=True, text=True, check=False).stdout
        for name, look in looks.items()
    }


def test_the_demo_provisions_two_stand_in_hosts_and_leaves_nothing(tmp_path: Path) -> None:
    shutil.copy(CHECKOUT / "fabfile.py", tmp_path)
    before = state_of_the_machine()
    up = fab(tmp_path, "lab.up")
    try:
        up.expect(0, "stand-in")
        provisioned = fab(tmp_path, "provision")
        provisioned.expect(0, "CHANGED        2   el1 el2")
        plan = fab(tmp_path, "plan", "--limit", "el1")
        plan.expect(0, "1 up to date")
        fab(tmp_path, "lab.status").expect(0)
    finally:
        down = fab(tmp_path, "lab.down")
    down.expect(0)
    assert state_of_the_machine() == before
    fab(tmp_path, "lab.status").expect(1)
    left = {str(path.relative_to(tmp_path)) for path in (tmp_path / ".provision").rglob("*")}
    assert not [path for path in left if path.startswith("lab")]
