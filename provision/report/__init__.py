"""report: turn the result of a run into text, files and an exit code.

Modules are imported one by one, so that a command loads only the format that it shows.
"""
