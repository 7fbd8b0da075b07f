"""What a Stop may put on the wire, by model family and floor: a table, with how sure we are.

No message of the protocol says "stop". Whatever stands here, playout is silent at once and the rest
of the reply is swallowed; a message to the server only spares the tokens of words that nobody will
hear, and lets the server's own memory end nearer to what was heard.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from pipeline_live.turn.policy import Floor


class Certainty(enum.IntEnum):
    """How sure we are that a message stops the server and harms nothing."""

    CLAIMED = 1
    """Documented or shipped by somebody, measured by nobody."""
    DOCUMENTED = 2
    """Documented by Google and used in production."""
    CERTAIN = 3
    """Measured, or independent of the server."""


class StopMessage(enum.StrEnum):
    """What is sent."""

    NOTHING = "nothing"
    ACTIVITY = "activityStart"
    """Opens the user's next turn, which stays open until they speak or write."""
    HELD_CONTENT = "clientContent without turnComplete"
    """Interrupts; the server then waits for the turn to be completed."""


@dataclass(frozen=True, slots=True)
class StopCapability:
    """One row.

    Attributes:
        models: Beginnings of model ids, without ``models/``; "" is any.
        floor: Who decides turns.
        message: What stops the server.
        certainty: How sure we are.
        source: Where that comes from.
    """

    models: tuple[str, ...]
    floor: Floor
    message: StopMessage
    certainty: Certainty
    source: str


_FATAL = "activityStart under automatic VAD closes the connection (1007); seen in many repositories"

STOPS = (
    StopCapability(
        ("",),
        Floor.LOCAL,
        StopMessage.ACTIVITY,
        Certainty.DOCUMENTED,
        "API reference, ActivityHandling: the start of activity interrupts; how LiveKit's plugin "
        "interrupts",
    ),
    StopCapability(
        ("gemini-3.8-live",),
        Floor.SERVER,
        StopMessage.HELD_CONTENT,
        Certainty.CLAIMED,
        "API reference, LiveClientContent: a message interrupts the current generation; "
        "AidenAI-IO/aiden-firmware pull request 644",
    ),
    StopCapability(
        ("gemini-3.1-flash-live",),
        Floor.SERVER,
        StopMessage.NOTHING,
        Certainty.CERTAIN,
        f"{_FATAL}; clientContent after the first turn may close it too (livekit/agents 5985)",
    ),
    StopCapability(
        ("gemini-2.5", "gemini-live-2.5"),
        Floor.SERVER,
        StopMessage.NOTHING,
        Certainty.CERTAIN,
        f"{_FATAL}; a bare clientContent after an interruption was reported to close it too",
    ),
    StopCapability(("",), Floor.SERVER, StopMessage.NOTHING, Certainty.CERTAIN, _FATAL),
    StopCapability(
        ("",),
        Floor.PROGRAM,
        StopMessage.NOTHING,
        Certainty.CERTAIN,
        "the program sends the activities; a second hand would send them twice",
    ),
)
"""The first row that fits counts."""


def takes_turns(model: str) -> bool:
    """Whether ``clientContent`` may be sent in the middle of a session.

    Not to 3.1: it was seen to close the connection for that after the model's first turn (1007,
    livekit/agents 5985), though Google's page on the model says otherwise since September 2026.
    """
    return not model.rpartition("/")[2].startswith("gemini-3.1")


def stop_message(model: str, floor: Floor, least: Certainty = Certainty.DOCUMENTED) -> StopMessage:
    """What a Stop sends.

    Args:
        model: Model id, with or without what stands before its last slash.
        floor: Who decides turns.
        least: Send nothing of which we are less sure.
    """
    row = _row(STOPS, model, floor)
    return row.message if row.certainty >= least else StopMessage.NOTHING


NOTES = (
    StopCapability(
        ("gemini-3.8-live",),
        Floor.SERVER,
        StopMessage.HELD_CONTENT,
        Certainty.CLAIMED,
        "model page of 3.8: clientContent at any time; live-commit-guard: sent while nothing is "
        "generated it cuts nothing (measured with turnComplete)",
    ),
    StopCapability(
        ("gemini-3.1-flash-live",),
        Floor.SERVER,
        StopMessage.NOTHING,
        Certainty.DOCUMENTED,
        "clientContent after the first turn closed the connection (livekit/agents 5985)",
    ),
    StopCapability(
        ("gemini-2.5", "gemini-live-2.5"),
        Floor.SERVER,
        StopMessage.NOTHING,
        Certainty.DOCUMENTED,
        "clientContent beside live sound closed the connection (pipecat-ai/pipecat 4403)",
    ),
    StopCapability(("",), Floor.SERVER, StopMessage.NOTHING, Certainty.CLAIMED, "nothing is known"),
    StopCapability(
        ("",),
        Floor.LOCAL,
        StopMessage.NOTHING,
        Certainty.CLAIMED,
        "nobody has tried content between the activities of a session",
    ),
    StopCapability(
        ("",), Floor.PROGRAM, StopMessage.NOTHING, Certainty.CLAIMED, "as on the local floor"
    ),
)
"""How the model may be told what was heard, once nothing can be cut; the first row that fits."""


def takes_notes(model: str, floor: Floor) -> bool:
    """Whether a model of this family may be told, between turns, what was heard.

    Args:
        model: Model id, with or without what stands before its last slash.
        floor: Who decides turns.
    """
    return _row(NOTES, model, floor).message is StopMessage.HELD_CONTENT


def _row(table: tuple[StopCapability, ...], model: str, floor: Floor) -> StopCapability:
    name = model.rpartition("/")[2]
    return next(row for row in table if row.floor is floor and name.startswith(row.models))
