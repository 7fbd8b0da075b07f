"""What happened in a session, in one form for every source: recordings and the emulator. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pipeline_live.audio import BYTES_PER_SAMPLE, OUTPUT_RATE
from pipeline_live.emulator.fields import camel

Json = Mapping[str, Any]


class Kind(StrEnum):
    """What one event is; the value is how people read it."""

    SETUP = "setup"
    CONTENT = "clientContent"
    TEXT = "realtimeInput.text"
    SPEECH_START = "speech start"
    SPEECH_END = "speech end"
    ACTIVITY_START = "activityStart"
    ACTIVITY_END = "activityEnd"
    RESULTS = "toolResponse"
    OTHER_INPUT = "other input"

    READY = "setupComplete"
    RESUMPTION = "sessionResumptionUpdate"
    STARTED = "ACTIVITY_START"
    ENDED = "ACTIVITY_END"
    HEARD = "inputTranscription"
    THOUGHT = "thought"
    AUDIO = "audio"
    WORDS = "outputTranscription"
    WORDS_OPEN = "outputTranscription {}"
    WORDS_DONE = "outputTranscription finished"
    CALL = "toolCall"
    CANCELLATION = "toolCallCancellation"
    INTERRUPTED = "interrupted"
    GENERATED = "generationComplete"
    COMPLETE = "turnComplete"
    LEAVING = "goAway"
    EMPTY = "{}"
    EMPTY_CONTENT = "serverContent {}"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that a message says; a message can say several.

    Attributes:
        kind: What.
        at_ms: When, or None where the recording has no times.
        text: Words, where the kind has some; elided ones are replaced by as many others.
        audio_ms: Length of sound, where it is known.
        body: The client's message, to send it again; for a tool call, the call.
        message: Number of the message that it came in; what came in one message shares it.
    """

    kind: Kind
    at_ms: int | None = None
    text: str = ""
    audio_ms: int | None = None
    body: Json = field(default_factory=dict)
    message: int = 0


@dataclass(frozen=True, slots=True)
class Take:
    """One recorded session.

    Attributes:
        name: For people.
        setup: The client's setup object.
        vertex: Spoken in the Vertex dialect.
        events: In order.
        timed: Events have times.
        framed: The messages themselves are known, not only what they said.
        chunk_ms: Length of the microphone's messages.
        every_ms: Mean time between them; None when it is their length. A busy client sends more
            slowly than it records, and all that follows from silence comes later.
        fields: Paths of all fields that the server sent.
        sounds: What the user's speech sounded like, where the recording holds it, in order;
            mono s16le at 16 kHz.
    """

    name: str
    setup: Json
    vertex: bool
    events: tuple[Event, ...]
    timed: bool
    framed: bool = True
    chunk_ms: int = 20
    every_ms: float | None = None
    fields: frozenset[str] = frozenset()
    sounds: tuple[bytes, ...] = ()


# --- messages ------------------------------------------------------------------------------------


def said_by_server(message: Json, at_ms: int | None, number: int) -> Iterator[Event]:
    """The events of a server message, in the order in which a client should take them."""

    def event(kind: Kind, **more: Any) -> Event:
        return Event(kind, at_ms, message=number, **more)

    if not message:
        yield event(Kind.EMPTY)
    if message.get("serverContent") == {} and len(message) == 1:
        yield event(Kind.EMPTY_CONTENT)
    content = message.get("serverContent") or {}
    if "setupComplete" in message:
        yield event(Kind.READY)
    if "sessionResumptionUpdate" in message:
        yield event(Kind.RESUMPTION)
    if "goAway" in message:
        yield event(Kind.LEAVING)
    if "inputTranscription" in content:
        yield event(Kind.HEARD, text=words_of(content["inputTranscription"].get("text", "")))
    activity = (message.get("voiceActivity") or {}).get("type", "")
    if activity:
        yield event(Kind.STARTED if activity == Kind.STARTED else Kind.ENDED)
    yield from _spoken(content, event)
    for call in (message.get("toolCall") or {}).get("functionCalls", ()):
        yield event(Kind.CALL, body=call)
    if "toolCallCancellation" in message:
        yield event(Kind.CANCELLATION)
    for name in (Kind.INTERRUPTED, Kind.GENERATED, Kind.COMPLETE):
        if content.get(name):
            yield event(name)


def _spoken(content: Json, event: Any) -> Iterator[Event]:
    for part in (content.get("modelTurn") or {}).get("parts", ()):
        if part.get("thought"):
            yield event(Kind.THOUGHT)
        elif "inlineData" in part:
            yield event(Kind.AUDIO, audio_ms=_length_ms(part["inlineData"].get("data")))
    if "outputTranscription" in content:
        words = content["outputTranscription"]
        if words.get("text"):
            yield event(Kind.WORDS, text=words_of(words["text"]))
        if words.get("finished"):
            yield event(Kind.WORDS_DONE)
        if not words:
            yield event(Kind.WORDS_OPEN)


def said_by_client(message: Json, at_ms: int | None, number: int) -> Iterator[Event]:
    """The event of a client message; nothing for sound, whose speech is marked by itself."""
    name = camel(next(iter(message), ""))
    kinds = {"setup": Kind.SETUP, "clientContent": Kind.CONTENT, "toolResponse": Kind.RESULTS}
    kind = kinds.get(name, Kind.OTHER_INPUT)
    if name == "realtimeInput":
        body = field_of(message, name) or {}
        if field_of(body, "audio") is not None or field_of(body, "mediaChunks") is not None:
            return
        inner = {
            "text": Kind.TEXT,
            "activityStart": Kind.ACTIVITY_START,
            "activityEnd": Kind.ACTIVITY_END,
        }
        kind = next(
            (inner[key] for key in inner if field_of(body, key) is not None), Kind.OTHER_INPUT
        )
    yield Event(kind, at_ms, body=restored(message), message=number)


def field_of(body: Any, name: str) -> Any:
    """Field ``name`` (given in lowerCamelCase) of an object in either spelling, or None."""
    if not isinstance(body, dict):
        return None
    return next((value for key, value in body.items() if camel(key) == name), None)


def _length_ms(data: Any) -> int | None:
    """How long base64 sound lasts, or sound that was replaced by its length."""
    if isinstance(data, dict):
        size = int(data.get("bytes", 0))
    elif isinstance(data, str):
        size = len(data.rstrip("=")) * 3 // 4
    else:
        return None
    return size * 1000 // (OUTPUT_RATE * BYTES_PER_SAMPLE)


def words_of(text: Any) -> str:
    """A text, or as many words as were elided."""
    if isinstance(text, dict):
        return " ".join(["word"] * int(text.get("words", 0)))
    return str(text)


def restored(value: Any) -> Any:
    """A message with something in the place of what was elided, so that it can be sent again."""
    if isinstance(value, dict):
        if value.keys() == {"chars", "words"}:
            return words_of(value)
        if value.keys() == {"bytes"}:
            return "AAAA" * (int(value["bytes"]) // 3)
        return {key: restored(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [restored(inner) for inner in value]
    return value


def fields_of(value: Any, path: str = "") -> Iterator[str]:
    """Paths of all fields in a message, arguments and results of tools left out."""
    if isinstance(value, dict):
        for key, inner in value.items():
            own = f"{path}.{key}" if path else key
            yield own
            if key not in ("args", "data"):
                yield from fields_of(inner, own)
    elif isinstance(value, list):
        for inner in value:
            yield from fields_of(inner, path)
