"""What `vagrant up` leaves for `fab`: the real Vagrantfile and vagrant, with stand-in hosts as its guests."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import yaml

from provision import lab as labs
from provision.lab import Lab
from tests.lab.conftest import CHECKOUT, Project

USER = "deploy"  # sudo without a password, as Vagrant's own user has it
AUTHORIZE = f"""set -e
mkdir -p -m 700 /home/{USER}/.ssh
cat > /home/{USER}/.ssh/authorized_keys
chown -R {USER}: /home/{USER}/.ssh
"""


def vagrant(project: Project, *args: str, **environment: str) -> str:
    own = {"VAGRANT_VAGRANTFILE": "standin.rb", "VAGRANT_DEFAULT_PROVIDER": "standin",
           "VAGRANT_CHECKPOINT_DISABLE": "1", "VAGRANT_NO_COLOR": "1"}  # fmt: skip
    done = subprocess.run(
        ["vagrant", *args], cwd=project.path, env=project.environment(**own, **environment), text=True,
        stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=120,
    )  # fmt: skip
    return done.stdout + done.stderr


def guests(lab: Lab, key: Path) -> str:
    """Return Vagrant's guests as JSON for the stand-in provider."""
    way = {"port": 22, "username": USER, "private_key_path": [str(key)]}
    ours = {"rocky9-1": lab.host("el4"), "rocky9-2": lab.host("el5")}
    return json.dumps({guest: way | {"host": host.address} for guest, host in ours.items()})


def test_fab_takes_vagrants_guests_as_they_are_until_they_go(lab: Lab, tmp_path: Path) -> None:
    for file in ("fabfile.py", "Vagrantfile", "tests/lab/standin.rb"):
        shutil.copy(CHECKOUT / file, tmp_path)
    key = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-N", "", "-m", "PEM", "-f", key], check=True)
    for name in ("el4", "el5"):
        labs.execute(lab.host(name), "sh", "-c", AUTHORIZE, stdin=key.with_suffix(".pub").read_bytes())
    project = Project(tmp_path, lab, {})
    world = {"PROVISION_BOXES": "rocky9", "PROVISION_COUNT": "2", "STANDINS": guests(lab, key)}
    place = tmp_path / ".provision/lab"
    said = vagrant(project, "up", **world)
    assert (place / "inventory.yml").exists(), said
    (place / "group_vars").mkdir()
    shared = {"docker_engine_mirror": lab.repo_url, "docker_engine_gpg_key": str(lab.gpg_key),
              "docker_engine_gpg_fingerprint": lab.gpg_fingerprint}  # fmt: skip
    (place / "group_vars/all.yml").write_text(yaml.safe_dump(shared))
    planned = project.fab("plan")
    planned.expect(0)
    assert "2 hosts · .provision/lab/inventory.yml" in planned.out
    assert not (tmp_path / "inventory").exists()
    vagrant(project, "destroy", "-f", "rocky9-2", **world)
    assert [line.split()[0] for line in (place / "known_hosts").open()] == ["rocky9-1"]
    vagrant(project, "destroy", "-f", **world)
    assert not {"inventory.yml", "known_hosts"} & set(os.listdir(place))
