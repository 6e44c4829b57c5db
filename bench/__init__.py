"""The bench: what this program costs, beside the least that could do the same and a plain Ansible role.

``python -m bench --hosts 10`` boots its own lab of stand-in hosts; ``docs/benchmarks.md`` says what the
figures mean.
"""
