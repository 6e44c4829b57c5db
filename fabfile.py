"""The door: `fab` finds its commands here."""

from provision.tasks import namespace  # noqa: F401 - fab looks for this name
