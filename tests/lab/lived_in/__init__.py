"""Hosts that already run something: how each is made, what is theirs on it, and what every stage left.

The scenes are in scenes.py, what is looked at in theirs.py (which runs on the host), the stages in stages.py.
"""
