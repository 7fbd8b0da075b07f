"""What the emulated model can do wrong in a test, by the emulator's own names.

The emulator lies beside this layer, so its table is repeated here as data; a test compares both.
"""

from __future__ import annotations

from pipeline_live.config.components import Component, Field, OneOf
from pipeline_live.config.kinds import Choice, Kind, Number, Text, whole

TYPE_CHECKING = False  # lint starts faster without the module typing
if TYPE_CHECKING:
    from typing import Any

_LONGEST_MS = 3_600_000

TRIGGERS = (
    Field("at_ms", whole(0, _LONGEST_MS), "Not before this time after setup.", example=2000),
    Field("turn", whole(1, 1000), "At the user's n-th turn, from 1.", example=2),
    Field("probability", Number(0, 1), "At this share of the chances.", default=1.0),
    Field("times", whole(1, 1000), "At most so often.", example=1),
    Field("connection", whole(1, 1000), "On the n-th connection only, from 1.", example=1),
    Field("seed", whole(0, 2**31 - 1), "Decides which chances; the test's seed when left out."),
)

_REASONS = ("internal", "invalid", "unsupported", "not-found", "unavailable", "deadline")
LATE_INTERRUPT = "late-interrupt"
TABLE: tuple[tuple[str, str, dict[str, Any]], ...] = (
    (
        "phantom-interrupt",
        "`interrupted` though nobody spoke; with mute=yes every later turn is without sound.",
        {"after_ms": 800, "mute": ("no", "yes")},
    ),
    ("silent-after-cut", "After `interrupted` the model never answers; the socket stays open.", {}),
    (
        "stall",
        "Sound stops in mid-turn: no serverContent any more, no close; for_ms: it goes on then.",
        {"after_ms": 800, "for_ms": 0},
    ),
    (
        "cut-short",
        "turnComplete too early: keep_ms of the delivery, or no sound at all.",
        {"keep_ms": 0},
    ),
    (
        "rejected",
        "turnComplete with a turnCompleteReason and no sound.",
        {"reason": ("RESPONSE_REJECTED", "NEED_MORE_INPUT", "MALFORMED_FUNCTION_CALL")},
    ),
    ("faint", "Sound of full length at next to no amplitude.", {"gain": 0.001}),
    (
        "unanswered",
        "A turn is transcribed and never answered; the next one only closes it, with 0 tokens.",
        {},
    ),
    (
        "late-complete",
        "turnComplete comes hold_ms late, after the same inputTranscription once more.",
        {"hold_ms": 50000},
    ),
    (
        "deaf-after-reply",
        "What the user begins to say within_ms after turnComplete is not heard.",
        {"within_ms": 1000},
    ),
    ("hasty-end", "A pause of silence_ms in mid-sentence ends the turn.", {"silence_ms": 900}),
    ("missed-interrupt", "The user speaks and the model talks on.", {}),
    ("interrupts-anyway", "NO_INTERRUPTION is ignored.", {}),
    (
        "content-race",
        "1007 for clientContent that comes within_ms after sound.",
        {"within_ms": 1000, "code": 1007, "reason": ("invalid",)},
    ),
    (
        "reseed-refused",
        "1007 for clientContent on a resumed session.",
        {"code": 1007, "reason": ("invalid",)},
    ),
    ("activity-refused", "1007 for activityStart or activityEnd, as with automatic detection.", {}),
    (
        "tool-call-fails",
        "The connection is closed at a tool call, or after_ms into its execution (then 1011).",
        {
            "after_ms": 0,
            "code": 1008,
            "reason": (
                "unsupported",
                "invalid",
                "not-found",
                "internal",
                "unavailable",
                "deadline",
            ),
        },
    ),
    (
        "tool-result-fails",
        "The connection is closed for a tool's result.",
        {
            "code": 1008,
            "reason": (
                "not-found",
                "invalid",
                "unsupported",
                "internal",
                "unavailable",
                "deadline",
            ),
        },
    ),
    (
        "server-error",
        "1011 out of nothing; with resumable=no its handles are refused with 1011 too.",
        {"after_ms": 0, "code": 1011, "reason": _REASONS, "resumable": ("no", "yes")},
    ),
    (
        "video-resume",
        "1011 after_ms after resuming a session that has seen video.",
        {"after_ms": 500, "code": 1011, "reason": _REASONS},
    ),
    (
        "late-pongs",
        "Pongs come by_ms late, and the client's own keepalive may end the connection.",
        {"after_ms": 0, "by_ms": 8000},
    ),
    (
        "blocked-writes",
        "Nothing is read for for_ms, so that the client's writes come to a stop.",
        {"after_ms": 23000, "for_ms": 2300},
    ),
    (
        "tool-reissued",
        "A blocking call that was cut is made again under a new id, after_ms after the turn.",
        {"after_ms": 200},
    ),
    ("silent-after-tool", "The model never speaks after a tool's result.", {}),
    (
        "unknown-message",
        "A message whose only key no SDK knows; google-genai raises TypeError.",
        {"after_ms": 0, "key": "interactionStatus", "value": "IDLE"},
    ),
    ("text-lost", "realtimeInput.text is ignored.", {}),
    (
        "note-flips",
        "A clientContent note cuts the reply, and the model says the rest of it as a new one.",
        {},
    ),
    (
        "go-away",
        "goAway ahead of its time, and the end of the connection when left_ms are over.",
        {"after_ms": 0, "left_ms": 50000},
    ),
)
"""Name, what the client sees, and its own settings with what they usually are."""


def _kind(name: str, usual: Any) -> Kind:
    if isinstance(usual, tuple):
        return Choice(usual)
    if isinstance(usual, str):
        return Text()
    if isinstance(usual, float):
        return Number(0, 1)
    return whole(1000, 4999) if name == "code" else whole(0, _LONGEST_MS)


def _fault(name: str, about: str, settings: dict[str, Any]) -> Component:
    own = [
        Field(
            key,
            _kind(key, usual),
            "Setting of this fault.",
            default=usual[0] if isinstance(usual, tuple) else usual,
        )
        for key, usual in settings.items()
    ]
    return Component(name, about, (*TRIGGERS, *own))


FAULT = OneOf(
    "fault",
    (
        Component(
            LATE_INTERRUPT,
            "The model notices a user's voice late.",
            (Field("delay_ms", whole(1, 10_000), "How late.", default=1500),),
        ),
        *(_fault(*row) for row in TABLE),
    ),
)
