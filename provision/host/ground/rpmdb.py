"""What rpm says is installed."""

FORMAT = "%{NAME} %{EPOCHNUM}:%{VERSION}-%{RELEASE}.%{ARCH}\n"


def pairs(text):
    """Return the rows of FORMAT as (name, version) pairs; rpm's messages among them have more words."""
    rows = [tuple(line.split()) for line in text.splitlines()]
    return [row for row in rows if len(row) == 2]


def everything(machine):
    """Return all installed packages; an interrupted transaction may leave one in two versions."""
    ran = machine.run(["rpm", "-qa", "--qf", FORMAT])
    return {row for row in pairs(ran.out) if row[0] != "gpg-pubkey"}


def installed(machine, name):
    """Return the version of one package; empty when it is not installed."""
    return dict(pairs(machine.run(["rpm", "-q", "--qf", FORMAT, name]).out)).get(name, "")


def versions(found, names):
    """Return the installed versions of each name."""
    return {name: sorted(version for each, version in found if each == name) for name in names}


def short(evr):
    """Return '28.5.2' for '3:28.5.2-1.el10.x86_64'."""
    return evr.split(":")[-1].split("-")[0]


def erase(machine, name, version):
    """Remove one of two versions of a package, regardless of dependencies: the other one stays."""
    label = "%s-%s" % (name, version.split(":")[-1])  # old versions of rpm accept no epoch here
    return machine.run(["rpm", "-e", "--nodeps", label])
