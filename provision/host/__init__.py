"""What runs on a host: standard library only, Python 2.7 and 3.6 or newer, sent there in memory.

``main`` takes a request, and ``plans`` lists the Changes that answer it. The rooms, each of which imports
only those after it: ``access`` and ``packages``, ``runs``, ``engine``, ``ground``.
"""
