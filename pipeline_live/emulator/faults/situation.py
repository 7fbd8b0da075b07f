"""What faults may look at, and what they may bring about."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pipeline_live.emulator.frames import Frame
from pipeline_live.emulator.script import Reply


class Cause(Enum):
    """Why an answer is due."""

    SPEECH = "the user has spoken"
    TEXT = "realtimeInput.text came"
    CONTENT = "clientContent came"
    RESULT = "the results of a tool came"


@dataclass(slots=True)
class Situation:
    """What a connection has come to; its model keeps it up to date.

    Attributes:
        opened_ms: When setup was complete.
        turn: Turns that the user has taken, earlier connections of a resumed session included.
        is_resumed: It goes on with an earlier session.
        saw_video: It, or that session, got pictures.
        is_busy: A reply is thought about, sent, or, as far as the server knows, being heard.
        has_spoken: The model has had a turn.
        was_cut: The last reply was interrupted, and none came since.
        unsaid: What of that reply was not sent.
        dropped: A reply whose blocking tool call was cut, and none came since.
        completed_ms: When the last reply was over; None before the first.
        audio_ms: When the last sound came from the client; None before the first.
    """

    opened_ms: int = 0
    turn: int = 0
    is_resumed: bool = False
    saw_video: bool = False
    is_busy: bool = False
    has_spoken: bool = False
    was_cut: bool = False
    unsaid: str = ""
    dropped: Reply | None = None
    completed_ms: int | None = None
    audio_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """What the model makes of a user who begins to speak.

    Attributes:
        heard: It notices.
        cuts: It interrupts the reply that runs; None for what the client's settings say.
        silence_ms: So much silence ends this turn; None for what the settings say.
    """

    heard: bool = True
    cuts: bool | None = None
    silence_ms: int | None = None


# --- what happens by itself --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cut:
    """The model is interrupted though nobody spoke."""


@dataclass(frozen=True, slots=True)
class Close:
    """The connection is closed.

    Attributes:
        code: WebSocket close code.
        reason: Its words.
        resumable: Handles of the session stay valid.
    """

    code: int
    reason: str
    resumable: bool = True


@dataclass(frozen=True, slots=True)
class Tell:
    """A message comes.

    Attributes:
        frame: Which.
    """

    frame: Frame


@dataclass(frozen=True, slots=True)
class Leave:
    """goAway comes, and when its time is up the connection is closed.

    Attributes:
        left_ms: That time.
    """

    left_ms: int


@dataclass(frozen=True, slots=True)
class BlockReading:
    """What the client sends is not read for a while, so that its writes come to a stop.

    Attributes:
        for_ms: How long.
    """

    for_ms: int


@dataclass(frozen=True, slots=True)
class DelayPongs:
    """From now on every pong is late.

    Attributes:
        by_ms: How late.
    """

    by_ms: int


Event = Cut | Close | Tell | Leave | BlockReading | DelayPongs
