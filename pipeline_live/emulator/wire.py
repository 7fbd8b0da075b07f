"""Client JSON to typed messages: the emulator's own reading of BidiGenerateContent.

Field names follow https://ai.google.dev/api/live. As in proto3 JSON, every name may come in
lowerCamelCase or in snake_case; google-genai mixes both in one message. Sound may come in either
base64 alphabet. What the real service refuses is refused here, as ``Refused`` with its close code.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from pipeline_live.audio import INPUT_RATE
from pipeline_live.emulator.fields import MESSAGES, camel, check, snake, unknown
from pipeline_live.emulator.messages import (
    INVALID,
    ActivityEnd,
    ActivityStart,
    Audio,
    Compression,
    Content,
    ContextUpdate,
    Json,
    Message,
    Refused,
    Setup,
    StreamEnd,
    Text,
    ToolResponse,
    ToolResult,
    Video,
)

_MOST_PARTS = 20_000
# What can be resampled in reason; the service says "any".
_LOWEST_RATE, _HIGHEST_RATE = 1000, 384_000


def read_message(frame: str | bytes, *, vertex: bool = False) -> Message:
    """Read one client frame.

    Args:
        frame: A text or binary WebSocket message.
        vertex: Read as the Vertex service does, which still takes ``mediaChunks``.

    Raises:
        Refused: The service would close the connection for it.
    """
    if _is_too_involved(frame):
        raise Refused(INVALID, "Request contains an invalid argument.")
    try:
        message = json.loads(frame)
    except (ValueError, RecursionError):
        raise Refused(INVALID, "Invalid JSON payload received. Parse error.") from None
    if not isinstance(message, dict):
        raise Refused(INVALID, "Invalid JSON payload received. Expected an object.")
    for key in message:
        if camel(key) not in MESSAGES:
            raise unknown(key, "")
    if len(message) != 1:
        raise Refused(INVALID, "Request contains an invalid argument.")
    name = camel(next(iter(message)))
    body = _object(message, name)
    check(name, body, vertex=vertex)
    match name:
        case "setup":
            return _read_setup(body)
        case "clientContent":
            return _read_content(body)
        case "realtimeInput":
            return _read_realtime(body, vertex=vertex)
        case "toolResponse":
            return _read_tool_response(body, vertex=vertex)
        case _:
            return _read_context_update(body)


def _is_too_involved(frame: str | bytes) -> bool:
    """Whether a message has so many parts that reading it would keep other sessions waiting.

    Megabytes of base64 are one part and read in no time. The limit is ours.
    """
    if len(frame) <= _MOST_PARTS:
        return False
    parts = (
        frame.count("{") + frame.count("[") + frame.count(",")
        if isinstance(frame, str)
        else (frame.count(b"{") + frame.count(b"[") + frame.count(b","))
    )
    return parts > _MOST_PARTS


def _read_setup(setup: Json) -> Setup:
    generation = _object(setup, "generationConfig")
    realtime = _object(setup, "realtimeInputConfig")
    detection = _object(realtime, "automaticActivityDetection")
    speech = _object(_object(generation, "speechConfig"), "voiceConfig")
    thinking = _object(generation, "thinkingConfig")
    resumption = _object(setup, "sessionResumption")
    return Setup(
        model=_string(setup, "model"),
        voice=_string(_object(speech, "prebuiltVoiceConfig"), "voiceName"),
        modalities=tuple(str(m).upper() for m in _list(generation, "responseModalities")),
        instruction=_text_of(_object(setup, "systemInstruction")),
        manual=_flag(detection, "disabled"),
        start_low=_is_low(detection, "startOfSpeechSensitivity"),
        end_low=_is_low(detection, "endOfSpeechSensitivity"),
        prefix_ms=_number(detection, "prefixPaddingMs"),
        silence_ms=_number(detection, "silenceDurationMs"),
        interrupts=_string(realtime, "activityHandling").upper() != "NO_INTERRUPTION",
        coverage=_string(realtime, "turnCoverage").upper(),
        input_words=_get(setup, "inputAudioTranscription") is not None,
        output_words=_get(setup, "outputAudioTranscription") is not None,
        resumption=_get(setup, "sessionResumption") is not None,
        transparent=_flag(resumption, "transparent"),
        handle=_string(resumption, "handle"),
        compression=_read_compression(setup),
        thinking_level=_string(thinking, "thinkingLevel").upper(),
        thinking_budget=_get(thinking, "thinkingBudget"),
        proactive=_get(_object(setup, "proactivity"), "proactiveAudio"),
        affective=_get(generation, "enableAffectiveDialog"),
        vad_signals=_flag(setup, "explicitVadSignal"),
        blocking=_declared_tools(_list(setup, "tools")),
        raw=setup,
    )


def _is_low(detection: Json, name: str) -> bool | None:
    """Whether a sensitivity is LOW; None where the service's own choice holds."""
    value = _string(detection, name).upper()
    return None if not value or value.endswith("UNSPECIFIED") else value.endswith("LOW")


def _read_compression(setup: Json) -> Compression | None:
    if _get(setup, "contextWindowCompression") is None:
        return None
    compression = _object(setup, "contextWindowCompression")
    window = _object(compression, "slidingWindow")
    return Compression(_number(compression, "triggerTokens"), _number(window, "targetTokens"))


def _declared_tools(tools: list[Any]) -> dict[str, bool | None]:
    declared: dict[str, bool | None] = {}
    for tool in tools:
        for function in _list(_expect_object(tool), "functionDeclarations"):
            behavior = _string(_expect_object(function), "behavior").upper()
            unsaid = behavior in ("", "UNSPECIFIED")
            declared[_string(function, "name")] = None if unsaid else behavior == "BLOCKING"
    return declared


def _read_content(content: Json) -> Content:
    turns = []
    for turn in _list(content, "turns"):
        turn = _expect_object(turn)
        turns.append((_string(turn, "role") or "user", _text_of(turn)))
    return Content(tuple(turns), _flag(content, "turnComplete"))


def _read_realtime(body: Json, *, vertex: bool) -> Message:
    present = [name for name in MESSAGES["realtimeInput"] if _get(body, name) is not None]
    if len(present) != 1:
        raise Refused(INVALID, "Request contains an invalid argument.")
    value = _get(body, present[0])
    match present[0]:
        case "audio":
            return _read_blob(value)
        case "video":
            _expect_object(value)
            return Video()
        case "text":
            return Text(value if isinstance(value, str) else "")
        case "audioStreamEnd":
            return StreamEnd()
        case "activityStart":
            return ActivityStart()
        case "activityEnd":
            return ActivityEnd()
        case _ if vertex:
            return _read_chunks(_list(body, "mediaChunks"))
        case _:
            raise Refused(
                INVALID,
                "realtime_input.media_chunks is deprecated. Use audio, video, or text instead.",
            )


def _read_chunks(chunks: list[Any]) -> Message:
    blobs = [_read_blob(chunk) for chunk in chunks]
    sound = [blob for blob in blobs if isinstance(blob, Audio)]
    if not sound:
        return Video()
    return Audio(b"".join(blob.pcm for blob in sound), sound[0].rate)


def _read_blob(value: Any) -> Audio | Video:
    blob = _expect_object(value)
    kind, _, parameters = _string(blob, "mimeType").lower().replace(" ", "").partition(";")
    if not kind.startswith("audio/"):
        return Video()
    if kind not in ("audio/pcm", "audio/l16"):
        raise Refused(INVALID, f"Unsupported MIME type: {kind}; send audio/pcm.")
    declared = re.search(r"rate=(\d+)", parameters)
    rate = int(declared[1]) if declared and len(declared[1]) < 8 else INPUT_RATE
    if not _LOWEST_RATE <= rate <= _HIGHEST_RATE:
        raise Refused(INVALID, "Request contains an invalid argument.")
    return Audio(decode_base64(_string(blob, "data")), rate)


def decode_base64(data: str) -> bytes:
    """Bytes of ``data`` in the standard or the URL-safe alphabet, padded or not.

    Raises:
        Refused: It is neither.
    """
    data = data.translate(_TO_STANDARD).rstrip("=")
    try:
        return base64.b64decode(data + "=" * (-len(data) % 4), validate=True)
    except ValueError:
        raise Refused(INVALID, "Invalid JSON payload received. Base64 decoding failed.") from None


_TO_STANDARD = str.maketrans("-_", "+/")


def _read_tool_response(body: Json, *, vertex: bool) -> ToolResponse:
    results = []
    for item in _list(body, "functionResponses"):
        result = _expect_object(item)
        # The Developer API wants the id (google-genai raises ValueError without one).
        if not vertex and not _string(result, "id"):
            raise Refused(INVALID, "Request contains an invalid argument.")
        scheduling = _string(result, "scheduling").upper()
        results.append(
            ToolResult(
                _string(result, "id"),
                _string(result, "name"),
                _object(result, "response"),
                "" if scheduling == "SCHEDULING_UNSPECIFIED" else scheduling,
                _flag(result, "willContinue"),
            )
        )
    return ToolResponse(tuple(results))


def _read_context_update(body: Json) -> ContextUpdate:
    instruction = _get(body, "systemInstruction")
    tools = _get(body, "tools")
    return ContextUpdate(
        None if instruction is None else _text_of(_expect_object(instruction)),
        None if tools is None else _declared_tools(_list(_expect_object(tools), "tools")),
    )


# --- fields ----------------------------------------------------------------------------------


def _get(body: Json, name: str) -> Any:
    """Field ``name`` (given in lowerCamelCase) in either spelling; None when absent or null."""
    value = body.get(name)
    return body.get(snake(name)) if value is None else value


def _object(body: Json, name: str) -> Json:
    value = _get(body, name)
    return {} if value is None else _expect_object(value)


def _expect_object(value: Any) -> Json:
    if not isinstance(value, dict):
        raise Refused(INVALID, "Request contains an invalid argument.")
    return value


def _list(body: Json, name: str) -> list[Any]:
    value = _get(body, name)
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _string(body: Json, name: str) -> str:
    value = _get(body, name)
    return value if isinstance(value, str) else ""


def _flag(body: Json, name: str) -> bool:
    return _get(body, name) is True


def _number(body: Json, name: str) -> int | None:
    value = _get(body, name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise Refused(INVALID, f"Invalid value at '{snake(name)}': {value!r}")
    return value


def _text_of(content: Json) -> str:
    return "".join(_string(_expect_object(part), "text") for part in _list(content, "parts"))
