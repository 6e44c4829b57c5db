"""Checks: testinfra tests that question a host anew and import nothing from ``provision.host``.

A check is a test function. Its docstring is one sentence for a person, its line in the report. A failed
check says ``want … is …``. A check that does not apply is skipped with a reason.
"""
