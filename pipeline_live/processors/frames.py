"""Frames that say what the call heard and decided. They travel both ways and overtake speech.

Moments are call time: milliseconds since the call began.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pipecat.frames.frames import ControlFrame, SystemFrame

from pipeline_live.session import InterruptionReport


@dataclass
class SpeechSuspectedFrame(SystemFrame):
    """The user may have begun to speak.

    Parameters:
        onset_ms: When.
    """

    onset_ms: int


@dataclass
class SpeechDismissedFrame(SystemFrame):
    """What was suspected was no speech."""


@dataclass
class PlayoutHeldFrame(SystemFrame):
    """The bot was silenced for now; nothing of its reply is lost."""


@dataclass
class PlayoutResumedFrame(SystemFrame):
    """The bot goes on at the sample where it was held.

    Parameters:
        onset_ms: When the sound began that was no speech.
        held_for_ms: How long the bot was held.
        expired: True when nothing was decided within the limit of a hold.
    """

    onset_ms: int
    held_for_ms: int
    expired: bool


@dataclass
class InterruptionReportFrame(SystemFrame):
    """A reply was interrupted for good.

    Parameters:
        report: By whom, when each stage was reached, and what was heard of the reply.
    """

    report: InterruptionReport


@dataclass
class InterruptionSparedFrame(SystemFrame):
    """The server interrupted its reply; what was received of it is played all the same.

    Parameters:
        protected: True for a protected reply; False when nobody was heard to speak and the policy
            lets such a reply go on.
    """

    protected: bool


@dataclass
class ProtectReplyFrame(ControlFrame):
    """Queue it before what asks for a reply (or during the reply): that one is heard to its end.

    The same as ``service.call.protect_reply()``, in order with the frames around it.
    """

    interruptible: bool = field(default=False, init=False)
