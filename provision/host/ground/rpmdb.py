"""What rpm says is installed."""

FORMAT = "%{NAME} %{EPOCHNUM}:%{VERSION}-%{RELEASE}.%{ARCH}\n"


def pairs(text):
    """Give the rows of FORMAT as (name, version) pairs; rpm's complaints among them have more words."""
    rows = [tuple(line.split()) for line in text.splitlines()]
    return [row for row in rows if len(row) == 2]


def everything(machine):
    """Give all installed packages; one that a half transaction left in two versions is there twice."""
    ran = machine.run(["rpm", "-qa", "--qf", FORMAT])
    return {row for row in pairs(ran.out) if row[0] != "gpg-pubkey"}


def installed(machine, name):
    """Return the version of one package; empty when it is not installed."""
    return dict(pairs(machine.run(["rpm", "-q", "--qf", FORMAT, name]).out)).get(name, "")


def versions(found, names):
    """Give for each name the versions that are there."""
    return {name: sorted(version for each, version in found if each == name) for name in names}


def short(evr):
    """Give '28.5.2' for '3:28.5.2-1.el10.x86_64'."""
    return evr.split(":")[-1].split("-")[0]


def erase(machine, name, version):
    """Take one version of a package out of the database, whatever needs it: another one is there."""
    label = "%s-%s" % (name, version.split(":")[-1])  # old rpm knows no epoch here
    return machine.run(["rpm", "-e", "--nodeps", label])
