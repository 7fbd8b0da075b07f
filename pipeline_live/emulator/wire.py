"""Client JSON to typed messages: the emulator's own reading of BidiGenerateContent.

Field names follow https://ai.google.dev/api/live. As in proto3 JSON, every name may come in
lowerCamelCase or in snake_case; google-genai mixes both in one message. Sound may come in either
base64 alphabet. What the real service refuses is refused here, as ``Refused`` with its close code.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any

from pipeline_live.audio import INPUT_RATE
from pipeline_live.emulator.messages import (
    INVALID,
    ActivityEnd,
    ActivityStart,
    Audio,
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

_SETUP_FIELDS = frozenset(
    {
        "model",
        "generationConfig",
        "systemInstruction",
        "tools",
        "realtimeInputConfig",
        "sessionResumption",
        "contextWindowCompression",
        "inputAudioTranscription",
        "outputAudioTranscription",
        "proactivity",
        "historyConfig",
        "avatarConfig",
        "safetySettings",
        "labels",
        "explicitVadSignal",
    }
)
_GENERATION_FIELDS = frozenset(
    {
        "responseModalities",
        "temperature",
        "topP",
        "topK",
        "maxOutputTokens",
        "mediaResolution",
        "seed",
        "speechConfig",
        "thinkingConfig",
        "enableAffectiveDialog",
        "translationConfig",
        "candidateCount",
        "stopSequences",
        "presencePenalty",
        "frequencyPenalty",
        "responseLogprobs",
        "logprobs",
        "responseMimeType",
        "responseSchema",
        "responseJsonSchema",
        "audioTimestamp",
        "modelSelectionConfig",
        "routingConfig",
        "enableEnhancedCivicAnswers",
        "imageConfig",
    }
)
_REALTIME_FIELDS = frozenset(
    {
        "automaticActivityDetection",
        "activityHandling",
        "turnCoverage",
        "interimTranscriptTimestampEnabled",
    }
)
_DETECTION_FIELDS = frozenset(
    {
        "disabled",
        "startOfSpeechSensitivity",
        "endOfSpeechSensitivity",
        "prefixPaddingMs",
        "silenceDurationMs",
    }
)


def read_message(frame: str | bytes, *, vertex: bool = False) -> Message:
    """Read one client frame.

    Args:
        frame: A text or binary WebSocket message.
        vertex: Read as the Vertex service does, which still takes ``mediaChunks``.

    Raises:
        Refused: The service would close the connection for it.
    """
    try:
        message = json.loads(frame)
    except (ValueError, RecursionError):
        raise Refused(INVALID, "Invalid JSON payload received. Parse error.") from None
    if not isinstance(message, dict):
        raise Refused(INVALID, "Invalid JSON payload received. Expected an object.")
    keys = [_camel(key) for key in message]
    known = [key for key in keys if key in _READERS]
    for key in keys:
        if key not in _READERS:
            raise _unknown(key, "")
    if len(known) != 1:
        raise Refused(INVALID, "Request contains an invalid argument.")
    body = _object(message, known[0])
    if known[0] == "realtimeInput":
        return _read_realtime(body, vertex=vertex)
    result: Message = _READERS[known[0]](body)
    return result


def _read_setup(setup: Json) -> Setup:
    _only(setup, _SETUP_FIELDS, "setup")
    generation = _object(setup, "generationConfig")
    _only(generation, _GENERATION_FIELDS, "setup.generation_config")
    realtime = _object(setup, "realtimeInputConfig")
    _only(realtime, _REALTIME_FIELDS, "setup.realtime_input_config")
    detection = _object(realtime, "automaticActivityDetection")
    _only(
        detection,
        _DETECTION_FIELDS,
        "setup.realtime_input_config.automatic_activity_detection",
    )
    speech = _object(_object(generation, "speechConfig"), "voiceConfig")
    return Setup(
        model=_string(setup, "model"),
        voice=_string(_object(speech, "prebuiltVoiceConfig"), "voiceName"),
        modalities=tuple(str(m).upper() for m in _list(generation, "responseModalities")),
        instruction=_text_of(_object(setup, "systemInstruction")),
        manual=_flag(detection, "disabled"),
        start_low=_string(detection, "startOfSpeechSensitivity").upper().endswith("LOW"),
        end_low=_string(detection, "endOfSpeechSensitivity").upper().endswith("LOW"),
        prefix_ms=_number(detection, "prefixPaddingMs"),
        silence_ms=_number(detection, "silenceDurationMs"),
        interrupts=_string(realtime, "activityHandling").upper() != "NO_INTERRUPTION",
        input_words=_get(setup, "inputAudioTranscription") is not None,
        output_words=_get(setup, "outputAudioTranscription") is not None,
        resumption=_get(setup, "sessionResumption") is not None,
        handle=_string(_object(setup, "sessionResumption"), "handle"),
        thinking_level=_string(_object(generation, "thinkingConfig"), "thinkingLevel").upper(),
        proactive=_get(_object(setup, "proactivity"), "proactiveAudio"),
        affective=_flag(generation, "enableAffectiveDialog"),
        blocking=_declared_tools(setup),
        raw=setup,
    )


def _declared_tools(setup: Json) -> dict[str, bool | None]:
    declared: dict[str, bool | None] = {}
    for tool in _list(setup, "tools"):
        for function in _list(_expect_object(tool), "functionDeclarations"):
            behavior = _string(_expect_object(function), "behavior").upper()
            declared[_string(function, "name")] = behavior == "BLOCKING" if behavior else None
    return declared


def _read_content(content: Json) -> Content:
    turns = []
    for turn in _list(content, "turns"):
        turn = _expect_object(turn)
        turns.append((_string(turn, "role") or "user", _text_of(turn)))
    return Content(tuple(turns), _flag(content, "turnComplete"))


def _read_realtime(body: Json, *, vertex: bool) -> Message:
    for key in body:
        if _camel(key) not in _REALTIME_READERS:
            raise _unknown(key, "realtime_input")
    present = [key for key in _REALTIME_READERS if _get(body, key) is not None]
    if len(present) != 1:
        raise Refused(INVALID, "Request contains an invalid argument.")
    if present[0] == "mediaChunks":
        if not vertex:
            raise Refused(
                INVALID,
                "realtime_input.media_chunks is deprecated. Use audio, video, or text instead.",
            )
        return _read_chunks(_list(body, "mediaChunks"))
    message: Message = _REALTIME_READERS[present[0]](_get(body, present[0]))
    return message


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
    rate = re.search(r"rate=(\d{4,6})", parameters)
    return Audio(decode_base64(_string(blob, "data")), int(rate[1]) if rate else INPUT_RATE)


def decode_base64(data: str) -> bytes:
    """Bytes of ``data`` in the standard or the URL-safe alphabet, padded or not.

    Raises:
        Refused: It is neither.
    """
    data = data.translate(_TO_STANDARD).rstrip("=")
    try:
        return base64.b64decode(data + "=" * (-len(data) % 4), validate=True)
    except binascii.Error:
        raise Refused(INVALID, "Invalid JSON payload received. Base64 decoding failed.") from None


_TO_STANDARD = str.maketrans("-_", "+/")


def _read_tool_response(body: Json) -> ToolResponse:
    results = []
    for item in _list(body, "functionResponses"):
        result = _expect_object(item)
        results.append(
            ToolResult(
                _string(result, "id"),
                _string(result, "name"),
                _object(result, "response"),
                _string(result, "scheduling").upper(),
            )
        )
    return ToolResponse(tuple(results))


def _read_context_update(body: Json) -> ContextUpdate:
    instruction = _get(body, "systemInstruction")
    return ContextUpdate(None if instruction is None else _text_of(_expect_object(instruction)))


_READERS: dict[str, Any] = {
    "setup": _read_setup,
    "clientContent": _read_content,
    "realtimeInput": _read_realtime,
    "toolResponse": _read_tool_response,
    "contextUpdate": _read_context_update,
}
_REALTIME_READERS: dict[str, Any] = {
    "audio": _read_blob,
    "video": lambda value: Video(),
    "text": lambda value: Text(value if isinstance(value, str) else ""),
    "audioStreamEnd": lambda value: StreamEnd(),
    "activityStart": lambda value: ActivityStart(),
    "activityEnd": lambda value: ActivityEnd(),
    "mediaChunks": None,
}

# --- fields ----------------------------------------------------------------------------------


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)


def _snake(name: str) -> str:
    return re.sub(r"([A-Z])", lambda m: "_" + m[1].lower(), name)


def _get(body: Json, name: str) -> Any:
    """Field ``name`` (given in lowerCamelCase) in either spelling; None when absent or null."""
    value = body.get(name)
    return body.get(_snake(name)) if value is None else value


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
        raise Refused(INVALID, f"Invalid value at '{_snake(name)}': {value!r}")
    return value


def _text_of(content: Json) -> str:
    return "".join(_string(_expect_object(part), "text") for part in _list(content, "parts"))


def _only(body: Json, fields: frozenset[str], where: str) -> None:
    for key in body:
        if _camel(key) not in fields:
            raise _unknown(key, where)


def _unknown(key: str, where: str) -> Refused:
    at = f" at '{where}'" if where else ""
    return Refused(
        INVALID, f'Invalid JSON payload received. Unknown name "{key}"{at}: Cannot find field.'
    )
