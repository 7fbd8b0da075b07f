"""What a call is told before it begins: who has the floor, what speech may do, how long to wait."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Floor(enum.StrEnum):
    """Who decides when a user turn starts and ends."""

    SERVER = "server"
    """Gemini's automatic VAD."""
    LOCAL = "local"
    """We do: automatic VAD is off and we send activityStart and activityEnd."""
    PROGRAM = "program"
    """The program around us does: automatic VAD is off and it sends the activities itself."""


class BargeIn(enum.StrEnum):
    """What the user's speech, as heard here, does to a reply."""

    HOLD = "hold"
    """Suspected speech holds it, confirmed speech ends it."""
    CUT = "cut"
    """Confirmed speech ends it; nothing is held."""
    OFF = "off"
    """Nothing; only the server and the program end a reply."""


class Phantom(enum.StrEnum):
    """What the server's ``interrupted`` does to a reply while nobody is heard to speak here."""

    END = "end"
    """It ends the reply, as everywhere: whom the ears missed must not be talked over."""
    PLAY_ON = "play on"
    """What was received plays on, unless speech is heard after all. Needs the local ears."""


@dataclass(frozen=True, slots=True)
class TurnPolicy:
    """What local speech may do, and the waits, in milliseconds.

    Attributes:
        barge_in: What the user's speech, as heard here, does to a reply.
        hold_limit_ms: How long playout is held without a decision. Pipecat counts the bot as silent
            after 3 s without sound, and would start a new turn.
        closing_quiet_ms: After ``interrupted``, silence on the wire that stands for the missing
            ``turnComplete``. Measured on 3.8: 4 to 36 ms, nothing after it in 14 of 14 (recordings
            of frontier-on-cloud/gemini-live-stop-test; rasonyang/ai-native-callcenter); a new reply
            comes 503 ms after it at the earliest (live-commit-guard).
        swallow_quiet_ms: After our own decision, silence on the wire after which a reply that was
            still being generated counts as abandoned. A healthy reply pauses 22 to 185 ms.
        complete_slack_ms: How much later than the end of simulated playback the ``turnComplete`` of
            a fully generated reply may come. Measured: up to 250 ms.
        proof_quiet_ms: Silence on the wire after which content is a new reply, without a boundary,
            if the server has taken in a new question since the interruption.
        closing_proof_quiet_ms: The same once the server itself has said ``interrupted``: after it
            nothing of the old reply came in 14 of 14 recordings, and a healthy stream pauses for
            185 ms at most.
        unwanted_ms: How long after a Stop (or after the end of the question, when that is known
            later) the answer may begin that the Stop was meant for. Answers by way of a function
            were seen to take 4.3 s.
        tail_ms: Text leaves so much of a reply alone whose turn is over: no answer comes sooner.
            The server was seen to say ``turnComplete`` 244 ms before playback should end.
        phantom: What an ``interrupted`` does that no speech heard here explains. In 18 phone calls
            4 came while the caller was silent, and 3 callers were not noticed
            (rasonyang/ai-native-callcenter).
        tell_heard: Tell the model, when nobody speaks and no answer is due, how much of an
            interrupted reply was heard, where its family takes that
            (``pipeline_live.session.capabilities``). Off: nobody has measured it. Such a note cut a
            reply in progress in the middle when it was sent too early (live-commit-guard), and 3.8
            did not heed 3 of 3 instructions that came as a turn of their own
            (rasonyang/ai-native-callcenter).
    """

    barge_in: BargeIn = BargeIn.HOLD
    hold_limit_ms: int = 1500
    closing_quiet_ms: int = 400
    swallow_quiet_ms: int = 4000
    complete_slack_ms: int = 2000
    proof_quiet_ms: int = 1000
    closing_proof_quiet_ms: int = 200
    unwanted_ms: int = 6000
    tail_ms: int = 300
    phantom: Phantom = Phantom.END
    tell_heard: bool = False
