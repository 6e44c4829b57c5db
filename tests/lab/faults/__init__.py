"""The fault harness: break provisioning in seeded ways, and check that every host recovers.

``python -m tests.lab.faults --runs 200 --seed 1``. What can happen is in plan.py, how it is done in
inject.py, what must hold after each fault in after.py.
"""
