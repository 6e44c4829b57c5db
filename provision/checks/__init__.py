"""Proof: testinfra tests that ask a host afresh and import nothing of ``provision.host``.

A check is a test function; its docstring is one sentence for a person and its line in the
report. A failed check says ``want … is …``; a check that cannot apply is skipped with a reason.
"""
