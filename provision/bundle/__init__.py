"""A bundle: one file with all the packages that a host without a network needs, each under its checksum."""

from provision.bundle.archive import Bundle, expect_free, pieces, read, written
from provision.bundle.manifest import Manifest, Member, manifest_of

__all__ = ["Bundle", "Manifest", "Member", "expect_free", "manifest_of", "pieces", "read", "written"]
