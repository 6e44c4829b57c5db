"""The work of the commands in ``tasks``: ask, check, start a run, and show its result."""
