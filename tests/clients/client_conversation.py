"""The conversation that every client holds with the emulator, and what must have come of it.

One session and a resumed one: a text turn, a spoken turn that is interrupted, a tool call, and a
question after the connection was replaced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pipeline_live.audio import INPUT_RATE, OUTPUT_RATE, resample, silence
from pipeline_live.emulator import Reply, Script, Session, synthesize

MODEL = "gemini-3.8-live"
VERTEX_MODEL = "gemini-live-2.5-flash-native-audio"
TOOL = {
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}},
}
ARGS = {"city": "Oslo"}
RESULT = {"output": "foggy"}
HELLO, WEATHER, AGAIN = "Hello.", "What is the weather in Oslo?", "Where were we?"
GREETING, SORRY, FOGGY, BACK = (
    "Good morning.",
    "All right.",
    "It is foggy in Oslo.",
    "We spoke of the weather.",
)
LONG = "The old harbour is almost as old as the town. " * 4
SCRIPT = Script(
    [
        Reply(GREETING),
        Reply(LONG, heard="Tell me about the harbour."),
        Reply(SORRY, heard="Stop, please."),
        Reply(FOGGY, tool="get_weather", args=ARGS),
        Reply(BACK),
    ]
)
QUESTION = "Tell me about the harbour."
BARGE_IN = "Stop, please."


@dataclass(slots=True)
class Turn:
    """What a client received in one turn of the model.

    Attributes:
        words: Output transcription.
        audio: Bytes of sound.
        heard: Input transcription.
        interrupted: It was told so.
        calls: Name and arguments of each tool call.
    """

    words: str = ""
    audio: int = 0
    heard: str = ""
    interrupted: bool = False
    calls: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class Seen:
    """A whole conversation as the client saw it.

    Attributes:
        client: Its name.
        version: Its version.
        text: The answer to the text turn.
        spoken: The answer to the spoken turn, cut by the barge-in.
        after: The answer to the barge-in.
        tool: Tool call and the answer after it.
        resumed: The answer on the connection that took over.
    """

    client: str
    version: str
    text: Turn = field(default_factory=Turn)
    spoken: Turn = field(default_factory=Turn)
    after: Turn = field(default_factory=Turn)
    tool: Turn = field(default_factory=Turn)
    resumed: Turn = field(default_factory=Turn)


@cache
def sound_of(text: str) -> bytes:
    """What a user who says this sounds like, at 16 kHz, with the silence that ends a turn."""
    return resample(synthesize(text, "low").pcm, OUTPUT_RATE, INPUT_RATE) + silence(
        1600, INPUT_RATE
    )


def judge(seen: Seen, sessions: Sequence[Session]) -> dict[str, str]:
    """What works, by column of the table; "yes", or what went wrong."""
    first, second = (None, *sessions)[-2:]  # a client may have opened others before
    size = len(synthesize(GREETING, first.voice).pcm) if first else 0
    long = len(synthesize(LONG, first.voice).pcm) if first else 0
    history = [entry.text for entry in second.history] if second else []
    return {
        "connect": _verdict(first is not None and bool(first.family), "no session"),
        "text turn": _verdict(
            seen.text.words == GREETING and seen.text.audio == size,
            f"{seen.text.words!r}, {seen.text.audio} of {size} bytes",
        ),
        "spoken turn": _verdict(
            LONG.startswith(seen.spoken.words[:20]) and seen.spoken.words != "",
            f"{seen.spoken.words!r}",
        ),
        "barge-in": _verdict(
            seen.spoken.interrupted and seen.spoken.audio < long and seen.after.words == SORRY,
            f"interrupted: {seen.spoken.interrupted}, then {seen.after.words!r}",
        ),
        "tool call": _verdict(
            seen.tool.calls == [{"name": TOOL["name"], "args": ARGS}] and seen.tool.words == FOGGY,
            f"{seen.tool.calls}, then {seen.tool.words!r}",
        ),
        "resumption": _verdict(
            seen.resumed.words == BACK and HELLO in history and FOGGY in history,
            f"{len(sessions)} sessions, then {seen.resumed.words!r}",
        ),
    }


def _verdict(good: bool, otherwise: str) -> str:
    return "yes" if good else f"no: {otherwise}"
