"""Turn bare EL servers into proven Docker hosts."""

__version__ = "0.1.0"
