"""The words of the turn machine: facts (past tense) come in, actions (imperative) go out.

Every fact carries ``at_ms``, the call's own time: integer milliseconds since the call began. One
server message can hold several facts; ``session.messages`` puts them in the right order.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from pipeline_live.turn.playout import Reply


class Source(enum.StrEnum):
    """Who ended a reply."""

    LOCAL_SPEECH = "local_speech"
    SERVER = "server"
    STOP = "stop"
    TEXT = "text"
    """The user, or the program, wrote something instead of saying it."""


# --- facts: what the server said ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened.

    Attributes:
        at_ms: Milliseconds since the call began.
    """

    at_ms: int


@dataclass(frozen=True, slots=True)
class ConnectionOpened(Fact):
    """A fresh connection: nothing of an earlier one can arrive any more."""


@dataclass(frozen=True, slots=True)
class ConnectionLost(Fact):
    """The connection ended; the reply on the wire will never be finished."""

    code: int


@dataclass(frozen=True, slots=True)
class AudioReceived(Fact):
    """Speech of the model.

    Attributes:
        samples: How much, in samples of the model's rate (24 kHz).
        levels: Loudness of each of its frames of 20 ms, the last one possibly shorter, in dB above
            -96 dBFS, one byte each; empty when nobody measured.
    """

    samples: int
    levels: bytes = b""


@dataclass(frozen=True, slots=True)
class TranscriptReceived(Fact):
    """Words of the model's speech (``outputTranscription``); they can run ahead of the audio."""

    text: str


@dataclass(frozen=True, slots=True)
class ContentReceived(Fact):
    """A part of the reply that is neither speech nor transcript: text, a thought, code."""


@dataclass(frozen=True, slots=True)
class Interrupted(Fact):
    """The server ended its reply because of new input (``serverContent.interrupted``)."""


@dataclass(frozen=True, slots=True)
class GenerationCompleted(Fact):
    """The whole reply was sent; the server now waits while it believes the client plays it."""


@dataclass(frozen=True, slots=True)
class TurnCompleted(Fact):
    """The model's turn is over and the server is idle."""


@dataclass(frozen=True, slots=True)
class ChunkCompleted(Fact):
    """``turnComplete`` while ``interactionStatus`` is IN_PROGRESS: more of the turn follows."""


@dataclass(frozen=True, slots=True)
class ActivityStarted(Fact):
    """The server's VAD heard the user start (``voiceActivity``, 3.8 only)."""


@dataclass(frozen=True, slots=True)
class ActivityEnded(Fact):
    """The server's VAD heard the user stop (``voiceActivity``, 3.8 only)."""


@dataclass(frozen=True, slots=True)
class InputTranscribed(Fact):
    """Words of the user, as the server understood them."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCalled(Fact):
    """The model asks for one or more functions to be run."""


# --- facts: what happened on our side ----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SpeechSuspected(Fact):
    """The local ears heard something that may be speech; started or dismissed will follow.

    Attributes:
        onset_ms: Call time at which it began.
    """

    onset_ms: int


@dataclass(frozen=True, slots=True)
class SpeechDismissed(Fact):
    """What was suspected did not last: a cough, a click, a breath."""


@dataclass(frozen=True, slots=True)
class SpeechStarted(Fact):
    """The local ears are sure that the user speaks; within a turn again after each pause.

    Attributes:
        onset_ms: Call time at which the speech began.
    """

    onset_ms: int


@dataclass(frozen=True, slots=True)
class SpeechEnded(Fact):
    """The local ears are sure that the user has stopped.

    Attributes:
        ended_ms: Call time of the last sound of it; None when nobody knows it better than now.
    """

    ended_ms: int | None = None


@dataclass(frozen=True, slots=True)
class StopRequested(Fact):
    """The program or a button asked for silence.

    Attributes:
        announce: False when everybody knows already (a frame that went through the pipeline).
        answer: An answer that is due, but has not begun, is meant as well. False for the
            InterruptionFrame with which others let a user turn begin.
    """

    announce: bool = True
    answer: bool = True


@dataclass(frozen=True, slots=True)
class TextSent(Fact):
    """Something is written to the model that it is to answer now, over whatever it says."""


@dataclass(frozen=True, slots=True)
class ProtectionRequested(Fact):
    """The reply that arrives, or else the next one, is to be heard to its end."""


@dataclass(frozen=True, slots=True)
class AnswerRequested(Fact):
    """We sent something that the model answers: text, a turn's end, a function's result."""


@dataclass(frozen=True, slots=True)
class PlayoutAdvanced(Fact):
    """The sink has played more of a reply.

    Attributes:
        reply: The reply's number.
        samples: Samples of it that were played in total.
    """

    reply: int
    samples: int


@dataclass(frozen=True, slots=True)
class TimeReached(Fact):
    """The machine's deadline has come."""


@dataclass(frozen=True, slots=True)
class BoundaryAssumed(Fact):
    """Raised by the machine itself: the end of a dead reply is taken for granted."""


@dataclass(frozen=True, slots=True)
class AnswerRefused(Fact):
    """Raised by the machine itself: an answer begins that a Stop came before."""


@dataclass(frozen=True, slots=True)
class InterruptionSpared(Fact):
    """Raised by the machine itself: ``interrupted``, but what was received is to be heard."""


@dataclass(frozen=True, slots=True)
class HoldExpired(Fact):
    """Raised by the machine itself: playout was held as long as it may be."""


CONTENT = (AudioReceived, TranscriptReceived, ContentReceived)


# --- actions -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Action:
    """Something that the shell must do, or tell."""


@dataclass(frozen=True, slots=True)
class StartReply(Action):
    """A new reply begins; what follows belongs to it."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Deliver(Action):
    """Hand the content on, as part of ``reply``."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Drop(Action):
    """Throw the content away: it belongs to a reply that is over."""


@dataclass(frozen=True, slots=True)
class FlushPlayout(Action):
    """Silence now: throw away what waits to be played of these replies."""

    replies: tuple[Reply, ...]


@dataclass(frozen=True, slots=True)
class AnnounceSuspicion(Action):
    """Tell that the user may have begun to speak, at call time ``onset_ms``."""

    onset_ms: int


@dataclass(frozen=True, slots=True)
class AnnounceDismissal(Action):
    """Tell that it was nothing."""


@dataclass(frozen=True, slots=True)
class HoldPlayout(Action):
    """Silence for now: keep what waits to be played, and what still comes."""


@dataclass(frozen=True, slots=True)
class ResumePlayout(Action):
    """Go on at the very sample where playout was held."""


@dataclass(frozen=True, slots=True)
class AnnounceInterruption(Action):
    """Tell the receiver that its reply was interrupted (the server has not said so yet)."""


@dataclass(frozen=True, slots=True)
class StopServer(Action):
    """A Stop ended a reply that the server may still make: tell it, where that is safe."""


@dataclass(frozen=True, slots=True)
class SuppressInterrupted(Action):
    """Keep the server's ``interrupted`` from the receiver: it was told already."""


@dataclass(frozen=True, slots=True)
class EndTurn(Action):
    """The model's turn is over.

    Attributes:
        synthesized: True when the server never said so and the receiver must still be told.
        reply: What it consisted of; None when nothing came.
    """

    synthesized: bool
    reply: Reply | None = None


@dataclass(frozen=True, slots=True)
class IgnoreTurnComplete(Action):
    """A ``turnComplete`` that ends nothing.

    Attributes:
        late: True when it belongs to an older reply while a newer one arrives.
    """

    late: bool


@dataclass(frozen=True, slots=True)
class StartUserTurn(Action):
    """The user has the floor; on the local floor: activityStart, the pre-roll, live audio."""

    onset_ms: int


@dataclass(frozen=True, slots=True)
class EndUserTurn(Action):
    """The user gave the floor back; on the local floor: activityEnd.

    Attributes:
        ended_ms: Call time of the last sound of it; None when nobody knows it better than now.
    """

    ended_ms: int | None = None


@dataclass(frozen=True, slots=True)
class ReportInterruption(Action):
    """A reply was interrupted.

    Attributes:
        reply: The reply's number.
        source: Who ended it.
        onset_ms: Call time at which the user's speech began; None when no speech ended it.
        held_ms: Call time at which playout was held before it was decided; None when it was not.
        heard_ms: How much of it the user heard.
        heard_text: The words of it that the user heard, as far as the transcript tells.
    """

    reply: int
    source: Source
    onset_ms: int | None
    held_ms: int | None
    heard_ms: int
    heard_text: str


@dataclass(frozen=True, slots=True)
class ReportSparing(Action):
    """The server interrupted, and what was received of its reply is played on all the same.

    Attributes:
        protected: True when the reply may not be interrupted; False when nobody was heard to speak
            and the policy says to go on.
    """

    protected: bool


@dataclass(frozen=True, slots=True)
class TellHeard(Action):
    """Now a note cuts no reply: the model may learn what was heard of the one interrupted last.

    Attributes:
        heard_text: The words of it that were heard; empty for none.
    """

    heard_text: str


@dataclass(frozen=True, slots=True)
class ReportFalseAlarm(Action):
    """Playout was held for nothing and goes on.

    Attributes:
        onset_ms: Call time at which the sound began that was no speech.
        held_for_ms: How long playout was held.
        expired: True when nothing was decided and the hold reached its limit.
    """

    onset_ms: int
    held_for_ms: int
    expired: bool


@dataclass(frozen=True, slots=True)
class ReportAnomaly(Action):
    """The server did something unexpected; the call goes on."""

    what: str
