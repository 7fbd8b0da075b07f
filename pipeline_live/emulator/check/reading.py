"""Recordings in three forms: our own, event lists, and the cassettes of pydantic-ai. Files in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline_live.audio import BYTES_PER_SAMPLE, INPUT_RATE, resample
from pipeline_live.emulator.check.events import (
    Event,
    Json,
    Kind,
    Take,
    field_of,
    fields_of,
    said_by_client,
    said_by_server,
)
from pipeline_live.emulator.messages import Refused
from pipeline_live.emulator.wire import decode_base64
from pipeline_live.errors import UsageError

_MANY = 50
_LONGEST_MS = 24 * 3_600_000
_MOST_BYTES, _MOST_CHUNKS = 2**31, 10**6
_FORMS = "a recording of pipeline-live record, an event list or a cassette"


def read_takes(path: Path) -> list[Take]:
    """The sessions of a file.

    Args:
        path: JSON lines as ``pipeline-live record`` writes them; JSON lines with ``t_ms`` and
            ``event``; or a YAML cassette with ``interactions``, which has no times.

    Raises:
        UsageError: The file cannot be read; the text says where and why.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        said = getattr(error, "strerror", None) or "it is not text"
        raise UsageError(f"{path}: cannot be read ({said}); give {_FORMS}") from None
    if path.suffix in (".yaml", ".yml"):
        return [_from_cassette(path, text)]
    numbered = list(_json_lines(path, text))
    lines = [line for _, line in numbered]
    if lines and "t_ms" in lines[0]:
        _check_numbers(path, numbered, ("t_ms",))
        return [_from_event_list(path, lines)]
    _check_numbers(path, numbered, ("session", "at_ms"))
    return _from_recording(path, lines)


def _check_numbers(
    path: Path, lines: Iterable[tuple[int, dict[str, Any]]], names: tuple[str, ...]
) -> None:
    for number, line in lines:
        for name in names:
            value = line.get(name)
            if not isinstance(value, int) or not 0 <= value < _LONGEST_MS:
                raise UsageError(f"{path}:{number}: {name} must be a number; give {_FORMS}")


def _json_lines(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            column = getattr(error, "colno", 1)
            raise UsageError(
                f"{path}:{number}:{column}: not a JSON object; give {_FORMS}"
            ) from None
        if not isinstance(value, dict):
            raise UsageError(f"{path}:{number}: not a JSON object; give {_FORMS}")
        yield number, value


# --- our own -------------------------------------------------------------------------------------


def _from_recording(path: Path, lines: list[dict[str, Any]]) -> list[Take]:
    sessions: dict[Any, list[dict[str, Any]]] = {}
    for line in lines:
        sessions.setdefault(line.get("session"), []).append(line)
    takes = []
    for number, own in sessions.items():
        # A mark is written once its speech is over, with the time at which that began.
        own.sort(key=lambda line: int(line.get("at_ms", 0)))
        name = path.name if len(sessions) == 1 else f"{path.name}, session {number}"
        takes.append(_take(name, path, [_own_line(line) for line in own], timed=True, lines=own))
    if not takes:
        raise UsageError(f"{path}: holds no session; give {_FORMS}")
    return takes


def _own_line(line: dict[str, Any]) -> tuple[str, int | None, Json]:
    at_ms = line.get("at_ms")
    if line.get("event") == "speech":
        return "speech", at_ms, {"state": line.get("state")}
    message = line.get("message")
    return str(line.get("from", "")), at_ms, message if isinstance(message, dict) else {}


def _take(
    name: str,
    path: Path,
    steps: Iterable[tuple[str, int | None, Json]],
    *,
    timed: bool,
    lines: list[dict[str, Any]] | None = None,
    audio_known: bool = True,
) -> Take:
    events: list[Event] = []
    fields: set[str] = set()
    setup: Json = {}
    for number, (side, at_ms, message) in enumerate(steps):
        try:
            said = _said(side, message, at_ms, number)
        except (AttributeError, TypeError, ValueError):
            where = f"step {number + 1} of {name}" + ("" if at_ms is None else f", at {at_ms} ms")
            raise UsageError(f"{path}: {where} is no Live message; give {_FORMS}") from None
        if side == "client":
            setup = field_of(message, "setup") or setup
        if side == "server":
            fields.update(fields_of(message))
            said = said if audio_known else [_without_length(event) for event in said]
        events += said
    if not isinstance(setup, dict) or not setup:
        raise UsageError(f"{path}: {name} has no setup message; give {_FORMS}")
    vertex = "publishers/" in str(setup.get("model", ""))
    microphone = _microphone(lines or [])
    return Take(
        name,
        setup,
        vertex,
        tuple(events),
        timed,
        chunk_ms=microphone.chunk_ms,
        every_ms=microphone.every_ms,
        fields=frozenset(fields),
        sounds=microphone.sounds,
    )


def _said(side: str, message: Json, at_ms: int | None, number: int) -> list[Event]:
    match side:
        case "client":
            return list(said_by_client(message, at_ms, number))
        case "server":
            return list(said_by_server(message, at_ms, number))
        case "speech":
            start = message["state"] == "start"
            return [Event(Kind.SPEECH_START if start else Kind.SPEECH_END, at_ms)]
        case _:
            return []


def _without_length(event: Event) -> Event:
    return Event(event.kind, event.at_ms, event.text, None, event.body, event.message)


@dataclass(frozen=True, slots=True)
class _Microphone:
    """How the client sent sound, and the sound of each marked stretch where it was kept."""

    chunk_ms: int
    every_ms: float | None
    sounds: tuple[bytes, ...]


def _microphone(lines: list[dict[str, Any]]) -> _Microphone:
    chunks: list[tuple[int, bytes]] = []
    lengths: list[int] = []
    sent_ms: list[int] = []
    stretches: list[tuple[int, int]] = []
    start_ms = 0
    for line in lines:
        at_ms = int(line.get("at_ms", 0))
        if line.get("event") == "speech":
            if line.get("state") == "start":
                start_ms = at_ms
            else:
                stretches.append((start_ms, at_ms))
            continue
        blob = _audio_blob(line.get("message"))
        if blob is None or line.get("from") != "client":
            continue
        data, rate = field_of(blob, "data"), _rate(blob)
        sent_ms.append(at_ms)
        if isinstance(data, dict):
            size = data.get("bytes")
            lengths.append(size * 1000 // (rate * BYTES_PER_SAMPLE) if type(size) is int else 0)
        elif isinstance(data, str):
            pcm = _decoded(data)
            lengths.append(len(pcm) * 1000 // (rate * BYTES_PER_SAMPLE))
            chunks.append((at_ms, resample(pcm, rate, INPUT_RATE)))
    sounds = tuple(
        b"".join(pcm for at_ms, pcm in chunks if first_ms <= at_ms <= last_ms)
        for first_ms, last_ms in stretches
    )
    usual = sorted(lengths)[len(lengths) // 2] if lengths else 20
    every_ms = None
    if len(sent_ms) >= _MANY:
        every_ms = (sent_ms[-1] - sent_ms[0]) / (len(sent_ms) - 1)
    return _Microphone(max(usual, 1), every_ms, sounds if chunks else ())


def _audio_blob(message: Any) -> Json | None:
    blob = field_of(field_of(message, "realtimeInput"), "audio")
    return blob if isinstance(blob, dict) else None


def _rate(blob: Json) -> int:
    match = re.search(r"rate=(\d{4,6})", str(field_of(blob, "mimeType")))
    return max(int(match[1]), 1000) if match else INPUT_RATE


def _decoded(data: str) -> bytes:
    try:
        return decode_base64(data)
    except Refused:
        return b""


# --- cassettes -----------------------------------------------------------------------------------


def _from_cassette(path: Path, text: str) -> Take:
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "not YAML"
        raise UsageError(f"{path}{where}: {problem}; give {_FORMS}") from None
    steps = data.get("interactions") if isinstance(data, dict) else None
    if not isinstance(steps, list):
        raise UsageError(f"{path}: has no list of interactions; give {_FORMS}")
    sides = {"sent": "client", "received": "server"}
    own = []
    for step in steps:
        if isinstance(step, dict) and isinstance(step.get("data"), dict):
            own.append((sides.get(str(step.get("direction")), ""), None, step["data"]))
    # Their sound is cut to its first bytes.
    return _take(path.name, path, own, timed=False, audio_known=False)


# --- event lists ---------------------------------------------------------------------------------

_SIMPLE = {
    "setup_complete": Kind.READY,
    "session_resumption_update": Kind.RESUMPTION,
    "user_audio_start": Kind.SPEECH_START,
    "user_audio_end": Kind.SPEECH_END,
    "generation_complete": Kind.GENERATED,
    "interrupted": Kind.INTERRUPTED,
    "turn_complete": Kind.COMPLETE,
    "go_away": Kind.LEAVING,
}


def _from_event_list(path: Path, lines: list[dict[str, Any]]) -> Take:
    first = lines[0]
    model, microphone = str(first.get("model", "")), str(first.get("mic", ""))
    if not model:
        raise UsageError(f"{path}:1: the first event names no model; give {_FORMS}")
    setup: dict[str, Any] = {
        "model": f"models/{model}",
        "generationConfig": {"responseModalities": ["AUDIO"]},
        "inputAudioTranscription": {},
        "outputAudioTranscription": {},
    }
    names = {str(line.get("name")) for line in lines if line.get("event") == "tool_call"}
    if names:
        setup["tools"] = [{"functionDeclarations": [{"name": name} for name in sorted(names)]}]
    events: list[Event] = []
    for number, line in enumerate(lines):
        try:
            events += _listed(line, number)
        except (TypeError, ValueError):
            raise UsageError(f"{path}: event {number + 1} is broken; give {_FORMS}") from None
    length = re.search(r"(\d+) ms chunks", microphone)
    return Take(
        path.name,
        setup,
        False,
        tuple(events),
        timed=True,
        framed=False,
        chunk_ms=int(length[1]) if length else 20,
    )


def _listed(line: dict[str, Any], number: int) -> Iterator[Event]:
    name, at_ms = str(line.get("event", "")), int(line["t_ms"])
    match name:
        case "voice_activity":
            started = line.get("type") == Kind.STARTED
            yield Event(Kind.STARTED if started else Kind.ENDED, at_ms, message=number)
        case "input_transcription":
            yield Event(Kind.HEARD, at_ms, str(line.get("text", "")), message=number)
        case "output_transcription":
            yield Event(Kind.WORDS, at_ms, str(line.get("text", "")), message=number)
        case "tool_call":
            call = {key: line.get(key) for key in ("id", "name", "args")}
            yield Event(Kind.CALL, at_ms, body=call, message=number)
        case "tool_response_sent":
            result = {"id": line.get("id"), "name": line.get("name", ""), "response": {}}
            body = {"toolResponse": {"functionResponses": [result]}}
            yield Event(Kind.RESULTS, at_ms, body=body, message=number)
        case "model_audio_first":
            yield Event(Kind.AUDIO, at_ms, message=number)
        case "model_audio_last":
            size, chunks = int(line.get("bytes", 0)), max(int(line.get("chunks", 2)) - 1, 1)
            if not 0 <= size < _MOST_BYTES or chunks > _MOST_CHUNKS:
                raise ValueError
            # The first message was listed by itself; its sound is counted here.
            for _ in range(chunks):
                yield Event(Kind.AUDIO, at_ms, audio_ms=size // 48 // chunks, message=number)
        case _ if name in _SIMPLE:
            yield Event(_SIMPLE[name], at_ms, message=number)
        case _:
            pass
