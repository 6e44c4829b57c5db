"""Throw-away OpenPGP keys that sign the lab's packages."""

from pathlib import Path

from provision.errors import LabError
from provision.lab.command import run


def make(home: Path, name: str) -> str:
    """Create a signing key without passphrase in the GnuPG directory ``home``; return its fingerprint."""
    home.mkdir(mode=0o700, exist_ok=True)
    gpg = ("gpg", "--batch", "--homedir", str(home))
    run(*gpg, "--passphrase", "", "--quick-gen-key", name, "rsa3072", "sign", "never")
    listing = run(*gpg, "--with-colons", "--list-keys", f"={name}")
    return next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:"))


def export(home: Path, file: Path, *fingerprints: str) -> None:
    """Write the public keys of these fingerprints to ``file``, in one armored block."""
    text = run("gpg", "--batch", "--homedir", home, "--armor", "--export", *fingerprints)
    file.write_text(text)


def stop_agent(home: Path) -> None:
    """Stop the agent that gpg leaves running for ``home``."""
    run("gpgconf", "--homedir", home, "--kill", "all")


def sign(home: Path, fingerprint: str, packages: list[Path]) -> None:
    """Sign RPM files in place; raises LabError when rpm finds one of them unsigned afterwards."""
    run("rpmsign", f"--define=_gpg_path {home}", "--define=__gpg /usr/bin/gpg",
        f"--define=_gpg_name {fingerprint}", "--addsign", *packages)  # fmt: skip
    for package in packages:
        if run("rpm", "-qp", "--nosignature", "--qf=%{RSAHEADER:pgpsig}", package).startswith("(none"):
            raise LabError(f"rpmsign left {package.name} unsigned", "`fab lab.down`, then `fab lab.up`")
