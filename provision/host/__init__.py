"""What runs on a host: standard library only, Python 2.7 and 3.6 or newer, sent there in memory.

``main`` is the list; ``change`` is the idea that carries it; each other module gives the
Changes, or the observations, of one concern.
"""
