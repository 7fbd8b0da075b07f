"""Misbehaviours of the real service, to be switched on by name.

``kinds`` is the table of them, ``effects`` what each does, ``fault`` one that was asked for and
when it strikes, ``mischief`` those of one connection. The pretend model asks it at six moments
(setup is complete, a message came, the user began, an answer is due, a reply is about to be sent, a
tool was called), and knows nothing of any fault; the server asks it when a handshake has no key.
"""

from pipeline_live.emulator.faults.fault import Fault
from pipeline_live.emulator.faults.kinds import KINDS, fault_table

__all__ = ["KINDS", "Fault", "fault_table"]
