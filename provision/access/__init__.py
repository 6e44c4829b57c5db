"""Who gets into a host: what each verb wants there, and the new logins that prove it.

A flow stands on both sides of the Changes that converge makes: ``begin`` says what is wanted, and refuses
what would lock somebody out; ``finish`` looks from outside, by logins that share nothing with the open one.
"""

from provision.access.case import Flow
from provision.access.harden import Harden
from provision.access.keys import Install, Remove
from provision.access.rotate import Rotate
from provision.access.run import Access, Begun, settled

__all__ = ["Access", "Begun", "Flow", "Harden", "Install", "Remove", "Rotate", "settled"]
