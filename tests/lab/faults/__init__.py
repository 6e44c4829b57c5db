"""The fault harness: break provisioning in seeded ways, and see that every host comes through.

``python -m tests.lab.faults --runs 200 --seed 1``. What can happen is in plan.py, how it is done in
inject.py, what must hold after each fault in after.py.
"""
