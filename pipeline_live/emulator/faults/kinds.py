"""The table of faults: what there is, when each has its chance, and where it was seen.

Numbers are those of the list that the project works from; each line names the reports. Missing
from the list are faults of SDKs and frameworks (F19, F24, F27, F29), which no server can show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from pipeline_live.emulator.faults import effects
from pipeline_live.emulator.faults.situation import Cause, Situation
from pipeline_live.emulator.messages import (
    INTERNAL,
    INVALID,
    POLICY,
    ActivityEnd,
    ActivityStart,
    Content,
    Text,
    ToolResponse,
)


class Moment(Enum):
    """When a fault has its chance."""

    HANDSHAKE = "a client without the right key knocks"
    MESSAGE = "a message of the client comes"
    ONSET = "the user begins to speak"
    ANSWER = "an answer is due"
    REPLY = "a reply is about to be sent"
    CALL = "a tool was called"
    OPENED = "setup is complete"


Applies = Callable[[Any, Situation, int, effects.Values], bool]


def _always(subject: Any, situation: Situation, at_ms: int, values: effects.Values) -> bool:
    return True


def _about(*kinds: type) -> Applies:
    return lambda subject, situation, at_ms, values: isinstance(subject, kinds)


def _because(*causes: Cause) -> Applies:
    return lambda subject, situation, at_ms, values: subject in causes


def _within(past_ms: int | None, at_ms: int, values: effects.Values) -> bool:
    return past_ms is not None and at_ms - past_ms <= int(values["within_ms"])


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to misbehave.

    Attributes:
        name: As given to ``--fault``.
        number: Its number, which is a name as well; empty without one.
        summary: What the client sees.
        seen: On which models, and who reported it.
        moment: When it has its chance.
        effect: What it does, in the shape that ``effects`` describes for the moment.
        applies: Whether this chance is one, given what it is about, the situation and the time.
        values: Its own settings with their defaults; a tuple lists what may be chosen, the first
            one being the default.
        is_event: It happens by itself, ``after_ms`` after its moment.
        leaves_open: The turn that it left unanswered is closed by the next one, without sound.
    """

    name: str
    number: str
    summary: str
    seen: str
    moment: Moment
    effect: Callable[..., Any]
    applies: Applies = _always
    values: Mapping[str, int | float | str | tuple[str, ...]] = field(default_factory=dict)
    is_event: bool = False
    leaves_open: bool = False


def _reasons(usual: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((usual, *effects.CLOSINGS)))


_CLOSES: Mapping[str, int | tuple[str, ...]] = {"code": INTERNAL, "reason": _reasons("internal")}

_KINDS = (
    Kind(
        "phantom-interrupt",
        "F1",
        "`interrupted` though nobody spoke; with mute=yes every later turn is without sound",
        "2.5, 3.8 (python-genai#2333; ANC)",
        Moment.REPLY,
        effects.cut,
        values={"after_ms": 800, "mute": ("no", "yes")},
        is_event=True,
    ),
    Kind(
        "silent-after-cut",
        "F2",
        "after `interrupted` the model never answers; the socket stays open",
        "3.1, Vertex 2.5 (live-api-examples#52, python-genai#1987, livekit#4484)",
        Moment.ANSWER,
        effects.say_nothing,
        lambda cause, now, at_ms, values: now.was_cut,
    ),
    Kind(
        "stall",
        "F3",
        "sound stops in mid-turn: no serverContent any more, no close; with for_ms it goes on then",
        "3.1 (live-api-examples#54, cookbook#1255)",
        Moment.REPLY,
        effects.stall,
        values={"after_ms": 800, "for_ms": 0},
    ),
    Kind(
        "cut-short",
        "F4",
        "turnComplete too early: keep_ms of the delivery, or no sound at all",
        "2.5, 3.1 (python-genai#2117)",
        Moment.REPLY,
        effects.cut_short,
        values={"keep_ms": 0},
    ),
    Kind(
        "rejected",
        "F5",
        "turnComplete with a turnCompleteReason and no sound",
        "Vertex 2.5 (live-api-examples#40)",
        Moment.REPLY,
        effects.reject,
        values={"reason": ("RESPONSE_REJECTED", "NEED_MORE_INPUT", "MALFORMED_FUNCTION_CALL")},
    ),
    Kind(
        "faint",
        "F6",
        "sound of full length at next to no amplitude",
        "Vertex 2.5, 5.9 % of calls (live-api-examples#40)",
        Moment.REPLY,
        effects.fade,
        values={"gain": 0.001},
    ),
    Kind(
        "unanswered",
        "F7",
        "a turn is transcribed and never answered; the next one only closes it, with 0 tokens",
        "3.1, 9-42 %; 3.8 (live-api-examples#38; VOSStudio)",
        Moment.ANSWER,
        effects.say_nothing,
        _because(Cause.SPEECH),
        leaves_open=True,
    ),
    Kind(
        "late-complete",
        "F8",
        "turnComplete comes hold_ms late, after the same inputTranscription once more",
        "3.1 (live-api-examples#48)",
        Moment.REPLY,
        effects.complete_late,
        values={"hold_ms": 50_000},
    ),
    Kind(
        "deaf-after-reply",
        "F9",
        "what the user begins to say within_ms after turnComplete is not heard",
        "3.1 (python-genai#2903)",
        Moment.ONSET,
        effects.overhear,
        lambda subject, now, at_ms, values: _within(now.completed_ms, at_ms, values),
        {"within_ms": 1000},
    ),
    Kind(
        "hasty-end",
        "F10",
        "a pause of silence_ms in mid-sentence ends the turn",
        "3.1 (live-api-examples#37)",
        Moment.ONSET,
        effects.end_hastily,
        values={"silence_ms": 900},
    ),
    Kind(
        "missed-interrupt",
        "F11",
        "the user speaks and the model talks on",
        "3.8 (ANC)",
        Moment.ONSET,
        effects.overhear,
        lambda subject, now, at_ms, values: now.is_busy,
    ),
    Kind(
        "interrupts-anyway",
        "F12",
        "NO_INTERRUPTION is ignored",
        "2.5 preview (cookbook#796)",
        Moment.ONSET,
        effects.cut_anyway,
    ),
    Kind(
        "content-race",
        "F13",
        "1007 for clientContent that comes within_ms after sound",
        "2.5 (pipecat#4403)",
        Moment.MESSAGE,
        effects.refuse,
        lambda message, now, at_ms, values: (
            isinstance(message, Content) and _within(now.audio_ms, at_ms, values)
        ),
        {"within_ms": 1000, "code": INVALID, "reason": ("invalid",)},
    ),
    Kind(
        "reseed-refused",
        "F14",
        "1007 for clientContent on a resumed session",
        "3.1 (livekit/agents#5985)",
        Moment.MESSAGE,
        effects.refuse,
        lambda message, now, at_ms, values: isinstance(message, Content) and now.is_resumed,
        {"code": INVALID, "reason": ("invalid",)},
    ),
    Kind(
        "activity-refused",
        "F15",
        "1007 for activityStart or activityEnd, as with automatic detection",
        "all (python-genai#1720)",
        Moment.MESSAGE,
        effects.refuse_activity,
        _about(ActivityStart, ActivityEnd),
    ),
    Kind(
        "tool-call-fails",
        "F16",
        "the connection is closed at a tool call, or after_ms into its execution (then 1011)",
        "2.5 (js-genai#1236, livekit#4545, adk-python#3918)",
        Moment.CALL,
        effects.close,
        values={"after_ms": 0, "code": POLICY, "reason": _reasons("unsupported")},
        is_event=True,
    ),
    Kind(
        "tool-result-fails",
        "F16",
        "the connection is closed for a tool's result",
        "2.5 (deprecated-generative-ai-js#487)",
        Moment.MESSAGE,
        effects.refuse,
        _about(ToolResponse),
        {"code": POLICY, "reason": _reasons("not-found")},
    ),
    Kind(
        "server-error",
        "F17",
        "1011 out of nothing; with resumable=no its handles are refused with 1011 too",
        "2.5 (python-genai#985, livekit/agents#2274, adk-streaming-guide#11)",
        Moment.OPENED,
        effects.close,
        values={"after_ms": 0, **_CLOSES, "resumable": ("no", "yes")},
        is_event=True,
    ),
    Kind(
        "video-resume",
        "F18",
        "1011 after_ms after resuming a session that has seen video",
        "3.1 (python-genai#2290)",
        Moment.OPENED,
        effects.close,
        lambda subject, now, at_ms, values: now.is_resumed and now.saw_video,
        {"after_ms": 500, **_CLOSES},
        is_event=True,
    ),
    Kind(
        "late-pongs",
        "F20",
        "pongs come by_ms late, and the client's own keepalive may end the connection",
        "a network path, 8-30 s (sip-to-ai PR#14)",
        Moment.OPENED,
        effects.delay_pongs,
        values={"after_ms": 0, "by_ms": 8000},
        is_event=True,
    ),
    Kind(
        "blocked-writes",
        "F21",
        "nothing is read for for_ms, so that the client's writes come to a stop",
        "23-52 s into a session, 2.3-5.0 s (ANC)",
        Moment.OPENED,
        effects.block,
        values={"after_ms": 23_000, "for_ms": 2300},
        is_event=True,
    ),
    Kind(
        "tool-reissued",
        "F22",
        "a blocking call that was cut is made again under a new id, after_ms after the turn",
        "3.8 (GUARD, STOP, ANC)",
        Moment.ANSWER,
        effects.call_again,
        lambda cause, now, at_ms, values: now.dropped is not None,
        {"after_ms": 200},
    ),
    Kind(
        "silent-after-tool",
        "F23",
        "the model never speaks after a tool's result",
        "3.8 (ANC)",
        Moment.ANSWER,
        effects.say_nothing,
        _because(Cause.RESULT),
    ),
    Kind(
        "unknown-message",
        "F25",
        "a message whose only key no SDK knows; google-genai raises TypeError",
        "any future one",
        Moment.OPENED,
        effects.tell_unknown,
        values={"after_ms": 0, "key": "interactionStatus", "value": "IDLE"},
        is_event=True,
    ),
    Kind(
        "text-lost",
        "F26",
        "realtimeInput.text is ignored",
        "3.1, about 5 % (live-api-examples#55)",
        Moment.MESSAGE,
        effects.lose,
        lambda message, now, at_ms, values: (
            isinstance(message, Text) and bool(message.text.strip())
        ),
    ),
    Kind(
        "note-flips",
        "F28",
        "a clientContent note cuts the reply, and the model says the rest of it as a new one",
        "3.8 (GUARD)",
        Moment.ANSWER,
        effects.say_the_rest,
        lambda cause, now, at_ms, values: cause is Cause.CONTENT and bool(now.unsaid),
    ),
    Kind(
        "go-away",
        "",
        "goAway ahead of its time, and the end of the connection when left_ms are over",
        "all, at the end of a connection",
        Moment.OPENED,
        effects.tell_to_go,
        values={"after_ms": 0, "left_ms": 50_000},
        is_event=True,
    ),
    Kind(
        "handshake-refused",
        "",
        "HTTP 401 for a wrong key or none, before there is a WebSocket (so no at_ms, no turn)",
        "some refusals of keys (a comment in pydantic-ai's google.py)",
        Moment.HANDSHAKE,
        effects.turn_away,
    ),
)

KINDS = {kind.name: kind for kind in _KINDS}
"""All faults by name."""

NUMBERS = {kind.number: kind.name for kind in reversed(_KINDS) if kind.number}
"""Names by number; of two with the same one, the first."""


def fault_table() -> str:
    """All faults for people: number, name, what the client sees, and settings with their usual."""
    lines = []
    for kind in _KINDS:
        lines.append(f"{kind.number or '-':4} {kind.name:18} {kind.summary}")
        settings = [
            f"{key}={'|'.join(value) if isinstance(value, tuple) else value}"
            for key, value in kind.values.items()
        ]
        if settings:
            lines.append(f"{'':24}{', '.join(settings)}")
    return "\n".join([*lines, "", _TRIGGERS_FOR_PEOPLE, ""])


_TRIGGERS_FOR_PEOPLE = """\
Every fault takes at_ms (from that time after setupComplete), turn (the user's n-th), probability
(0 to 1), seed, times (at most so often) and connection (the emulator's n-th); those given must all
hold. Without any it strikes at every chance."""
