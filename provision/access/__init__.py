"""Access to a host: what each verb changes there, and the new logins that prove it.

A flow runs before and after the Changes that converge makes: ``begin`` returns what is wanted, and refuses
what would lock somebody out; ``finish`` checks from outside, by logins that do not use the open connection.
"""

from provision.access.case import Flow
from provision.access.harden import Harden
from provision.access.keys import Install, Remove
from provision.access.rotate import Rotate
from provision.access.run import Access, Begun, settled

__all__ = ["Access", "Begun", "Flow", "Harden", "Install", "Remove", "Rotate", "settled"]
