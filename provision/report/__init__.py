"""The last stage: everything about a run becomes text, files and an exit code.

Modules are loaded one by one, so that a command pays only for the form it shows.
"""
