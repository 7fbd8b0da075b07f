"""The tables of the turn machine: everything that moves it, as data.

A fact without a row in a region's table leaves that region alone.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline_live.turn.events import (
    ActivityEnded,
    ActivityStarted,
    AnswerRefused,
    AnswerRequested,
    AudioReceived,
    BoundaryAssumed,
    ConnectionLost,
    ConnectionOpened,
    ContentReceived,
    Fact,
    GenerationCompleted,
    HoldExpired,
    Interrupted,
    InterruptionSpared,
    ProtectionRequested,
    SpeechDismissed,
    SpeechEnded,
    SpeechStarted,
    SpeechSuspected,
    StopRequested,
    TextSent,
    TranscriptReceived,
    TurnCompleted,
)


class Gate(enum.StrEnum):
    """States of the gate."""

    IDLE = "idle"
    REPLYING = "replying"
    SWALLOWING = "swallowing"
    CLOSING = "closing"


class User(enum.StrEnum):
    """States of the floor region."""

    QUIET = "quiet"
    SPEAKING = "speaking"


class Playout(enum.StrEnum):
    """States of the hold region."""

    PLAYING = "playing"
    HELD = "held"


class Answer(enum.StrEnum):
    """States of the answer region."""

    NONE = "none"
    DUE = "due"
    UNWANTED = "unwanted"


State = Gate | User | Playout | Answer


class Do(enum.StrEnum):
    """What a row does; each is a method of the machine."""

    START_REPLY = "start reply"
    DELIVER = "deliver"
    DROP = "drop"
    KILL_BY_SERVER = "kill reply (server)"
    KILL_BY_SPEECH = "kill reply (local speech)"
    KILL_BY_STOP = "kill reply (stop)"
    KILL_BY_TEXT = "kill reply (text)"
    SPARE = "spare reply"
    REFUSE = "start a reply that is dead already"
    STOP_SERVER = "stop server"
    SUPPRESS = "suppress interrupted"
    COMPLETE = "generation complete"
    END_TURN = "end turn"
    SYNTHESIZE_END = "synthesize end of turn"
    END_STRAY = "end turn if one is open"
    ABANDON = "abandon reply"
    START_USER_TURN = "start user turn"
    END_USER_TURN = "end user turn"
    TELL_SUSPICION = "tell suspicion"
    TELL_DISMISSAL = "tell dismissal"
    HOLD = "hold playout"
    RESUME = "resume playout"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table: where to go, and what to do on the way."""

    to: State
    do: tuple[Do, ...] = ()


GateTable = Mapping[tuple[Gate, type[Fact]], Row]
UserTable = Mapping[tuple[User, type[Fact]], Row]
HoldTable = Mapping[tuple[Playout, type[Fact]], Row]
AnswerTable = Mapping[tuple[Answer, type[Fact]], Row]

_I, _R, _S, _C = Gate.IDLE, Gate.REPLYING, Gate.SWALLOWING, Gate.CLOSING

GATE: GateTable = {
    (_I, AudioReceived): Row(_R, (Do.START_REPLY, Do.DELIVER)),
    (_I, TranscriptReceived): Row(_R, (Do.START_REPLY, Do.DELIVER)),
    (_I, ContentReceived): Row(_R, (Do.START_REPLY, Do.DELIVER)),
    (_I, Interrupted): Row(_C, (Do.KILL_BY_SERVER,)),
    (_I, TurnCompleted): Row(_I, (Do.END_STRAY,)),
    (_I, SpeechStarted): Row(_I, (Do.KILL_BY_SPEECH,)),
    (_I, StopRequested): Row(_I, (Do.KILL_BY_STOP,)),
    (_I, TextSent): Row(_I, (Do.KILL_BY_TEXT,)),
    (_I, InterruptionSpared): Row(_C, (Do.SPARE,)),
    (_I, AnswerRefused): Row(_S, (Do.REFUSE,)),
    (_R, AudioReceived): Row(_R, (Do.DELIVER,)),
    (_R, TranscriptReceived): Row(_R, (Do.DELIVER,)),
    (_R, ContentReceived): Row(_R, (Do.DELIVER,)),
    (_R, GenerationCompleted): Row(_R, (Do.COMPLETE,)),
    (_R, TurnCompleted): Row(_I, (Do.COMPLETE, Do.END_TURN)),
    (_R, Interrupted): Row(_C, (Do.KILL_BY_SERVER,)),
    (_R, SpeechStarted): Row(_S, (Do.KILL_BY_SPEECH,)),
    (_R, StopRequested): Row(_S, (Do.KILL_BY_STOP,)),
    (_R, TextSent): Row(_S, (Do.KILL_BY_TEXT,)),
    (_R, InterruptionSpared): Row(_C, (Do.SPARE,)),
    (_R, ConnectionLost): Row(_I, (Do.ABANDON, Do.SYNTHESIZE_END)),
    (_R, ConnectionOpened): Row(_I, (Do.ABANDON, Do.SYNTHESIZE_END)),
    (_S, AudioReceived): Row(_S, (Do.DROP,)),
    (_S, TranscriptReceived): Row(_S, (Do.DROP,)),
    (_S, ContentReceived): Row(_S, (Do.DROP,)),
    (_S, GenerationCompleted): Row(_S, (Do.COMPLETE,)),
    (_S, Interrupted): Row(_C, (Do.SUPPRESS,)),
    (_S, TurnCompleted): Row(_I, (Do.END_TURN,)),
    (_S, BoundaryAssumed): Row(_I, (Do.SYNTHESIZE_END,)),
    (_S, ConnectionLost): Row(_I, (Do.SYNTHESIZE_END,)),
    (_S, ConnectionOpened): Row(_I, (Do.SYNTHESIZE_END,)),
    (_C, AudioReceived): Row(_C, (Do.DROP,)),
    (_C, TranscriptReceived): Row(_C, (Do.DROP,)),
    (_C, ContentReceived): Row(_C, (Do.DROP,)),
    (_C, Interrupted): Row(_C, (Do.SUPPRESS,)),
    (_C, SpeechStarted): Row(_C, (Do.KILL_BY_SPEECH,)),
    (_C, StopRequested): Row(_C, (Do.KILL_BY_STOP,)),
    (_C, TextSent): Row(_C, (Do.KILL_BY_TEXT,)),
    (_C, TurnCompleted): Row(_I, (Do.END_TURN,)),
    (_C, BoundaryAssumed): Row(_I, (Do.SYNTHESIZE_END,)),
    (_C, ConnectionLost): Row(_I, (Do.SYNTHESIZE_END,)),
    (_C, ConnectionOpened): Row(_I, (Do.SYNTHESIZE_END,)),
}
"""The gate: (state, fact) → row."""

USER: UserTable = {
    (User.QUIET, SpeechSuspected): Row(User.QUIET, (Do.TELL_SUSPICION,)),
    (User.QUIET, SpeechDismissed): Row(User.QUIET, (Do.TELL_DISMISSAL,)),
    (User.QUIET, SpeechStarted): Row(User.SPEAKING, (Do.START_USER_TURN,)),
    (User.SPEAKING, SpeechSuspected): Row(User.SPEAKING, (Do.TELL_SUSPICION,)),
    (User.SPEAKING, SpeechDismissed): Row(User.SPEAKING, (Do.TELL_DISMISSAL,)),
    (User.SPEAKING, SpeechEnded): Row(User.QUIET, (Do.END_USER_TURN,)),
}
"""The floor: (state, fact) → row."""

HOLD: HoldTable = {
    (Playout.PLAYING, SpeechSuspected): Row(Playout.HELD, (Do.HOLD,)),
    (Playout.PLAYING, AudioReceived): Row(Playout.HELD, (Do.HOLD,)),
    (Playout.HELD, SpeechDismissed): Row(Playout.PLAYING, (Do.RESUME,)),
    (Playout.HELD, HoldExpired): Row(Playout.PLAYING, (Do.RESUME,)),
    (Playout.HELD, SpeechStarted): Row(Playout.PLAYING),
    (Playout.HELD, Interrupted): Row(Playout.PLAYING),
    (Playout.HELD, StopRequested): Row(Playout.PLAYING),
    (Playout.HELD, TextSent): Row(Playout.PLAYING),
    (Playout.HELD, ProtectionRequested): Row(Playout.PLAYING, (Do.RESUME,)),
}
"""The hold: (state, fact) → row. Where a row does nothing, the gate ends what is held.

Sound holds only as the first of a reply that begins under suspicion.
"""

ANSWER: AnswerTable = {
    (Answer.NONE, AnswerRequested): Row(Answer.DUE),
    (Answer.NONE, TextSent): Row(Answer.DUE),
    (Answer.NONE, SpeechEnded): Row(Answer.DUE),
    (Answer.NONE, ActivityEnded): Row(Answer.DUE),
    (Answer.DUE, SpeechStarted): Row(Answer.NONE),
    (Answer.DUE, ActivityStarted): Row(Answer.NONE),
    (Answer.DUE, Interrupted): Row(Answer.NONE),
    (Answer.DUE, TurnCompleted): Row(Answer.NONE),
    (Answer.DUE, ConnectionOpened): Row(Answer.NONE),
    (Answer.DUE, StopRequested): Row(Answer.UNWANTED, (Do.STOP_SERVER,)),
    (Answer.UNWANTED, TextSent): Row(Answer.DUE),
    (Answer.UNWANTED, SpeechStarted): Row(Answer.NONE),
    (Answer.UNWANTED, ActivityStarted): Row(Answer.NONE),
    (Answer.UNWANTED, Interrupted): Row(Answer.NONE),
    (Answer.UNWANTED, TurnCompleted): Row(Answer.NONE),
    (Answer.UNWANTED, ConnectionOpened): Row(Answer.NONE),
    (Answer.UNWANTED, AnswerRefused): Row(Answer.NONE),
}
"""The answer: (state, fact) → row. Whatever reply begins makes it ``NONE``."""
