"""Which fields a client's message may have, level by level, and what enums may say.

Names follow https://ai.google.dev/api/live and the request types of google-genai 2.34, in
lowerCamelCase; as in proto3 JSON, snake_case is the same name. What is not in the tables is refused
with 1007 and a reason that names it, as the service does (pydantic-ai, livekit/agents and others
quote "Unknown name ... Cannot find field.").
"""

from __future__ import annotations

import re
from typing import Any

from pipeline_live.emulator.messages import INVALID, Json, Refused

ANYTHING = None
"""Whatever is inside is not looked at."""

Table = dict[str, Any]


def _enum(*names: str) -> frozenset[str]:
    return frozenset(names)


_MODALITY = _enum("MODALITY_UNSPECIFIED", "TEXT", "IMAGE", "AUDIO", "VIDEO")
_TRANSCRIPTION: Table = {
    "languageCodes": ANYTHING,
    "languageAuto": ANYTHING,
    "languageHints": ANYTHING,
    "customVocabulary": ANYTHING,
    "adaptationPhrases": ANYTHING,
    "wordTimestamp": ANYTHING,
    "diarization": ANYTHING,
    "mode": _enum("MODE_UNSPECIFIED", "VERBATIM", "SMART"),
}
_CONTENT: Table = {"role": ANYTHING, "parts": ANYTHING}
_TOOLS: Table = {
    "functionDeclarations": {
        "name": ANYTHING,
        "description": ANYTHING,
        "parameters": ANYTHING,
        "parametersJsonSchema": ANYTHING,
        "response": ANYTHING,
        "responseJsonSchema": ANYTHING,
        "behavior": _enum("UNSPECIFIED", "BLOCKING", "NON_BLOCKING"),
    },
    "googleSearch": ANYTHING,
    "googleSearchRetrieval": ANYTHING,
    "googleMaps": ANYTHING,
    "codeExecution": ANYTHING,
    "urlContext": ANYTHING,
    "computerUse": ANYTHING,
    "fileSearch": ANYTHING,
    "retrieval": ANYTHING,
    "enterpriseWebSearch": ANYTHING,
    "mcpServers": ANYTHING,
}
_GENERATION: Table = {
    "responseModalities": _MODALITY,
    "temperature": ANYTHING,
    "topP": ANYTHING,
    "topK": ANYTHING,
    "maxOutputTokens": ANYTHING,
    "mediaResolution": _enum(
        "MEDIA_RESOLUTION_UNSPECIFIED",
        "MEDIA_RESOLUTION_LOW",
        "MEDIA_RESOLUTION_MEDIUM",
        "MEDIA_RESOLUTION_HIGH",
    ),
    "seed": ANYTHING,
    "speechConfig": {
        "voiceConfig": {
            "prebuiltVoiceConfig": {"voiceName": ANYTHING},
            "replicatedVoiceConfig": ANYTHING,
        },
        "multiSpeakerVoiceConfig": ANYTHING,
        "languageCode": ANYTHING,
    },
    "thinkingConfig": {
        "thinkingBudget": ANYTHING,
        "thinkingLevel": _enum("THINKING_LEVEL_UNSPECIFIED", "MINIMAL", "LOW", "MEDIUM", "HIGH"),
        "includeThoughts": ANYTHING,
    },
    "enableAffectiveDialog": ANYTHING,
    "translationConfig": {"targetLanguageCode": ANYTHING, "echoTargetLanguage": ANYTHING},
    "candidateCount": ANYTHING,
    "stopSequences": ANYTHING,
    "presencePenalty": ANYTHING,
    "frequencyPenalty": ANYTHING,
    "responseLogprobs": ANYTHING,
    "logprobs": ANYTHING,
    "responseMimeType": ANYTHING,
    "responseSchema": ANYTHING,
    "responseJsonSchema": ANYTHING,
    "responseFormat": ANYTHING,
    "audioTimestamp": ANYTHING,
    "audioTranscriptionConfig": ANYTHING,
    "modelSelectionConfig": ANYTHING,
    "routingConfig": ANYTHING,
    "enableEnhancedCivicAnswers": ANYTHING,
    "imageConfig": ANYTHING,
}
_REALTIME_CONFIG: Table = {
    "automaticActivityDetection": {
        "disabled": ANYTHING,
        "startOfSpeechSensitivity": _enum(
            "START_SENSITIVITY_UNSPECIFIED", "START_SENSITIVITY_HIGH", "START_SENSITIVITY_LOW"
        ),
        "endOfSpeechSensitivity": _enum(
            "END_SENSITIVITY_UNSPECIFIED", "END_SENSITIVITY_HIGH", "END_SENSITIVITY_LOW"
        ),
        "prefixPaddingMs": ANYTHING,
        "silenceDurationMs": ANYTHING,
    },
    "activityHandling": _enum(
        "ACTIVITY_HANDLING_UNSPECIFIED", "START_OF_ACTIVITY_INTERRUPTS", "NO_INTERRUPTION"
    ),
    "turnCoverage": _enum(
        "TURN_COVERAGE_UNSPECIFIED",
        "TURN_INCLUDES_ONLY_ACTIVITY",
        "TURN_INCLUDES_ALL_INPUT",
        "TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO",
    ),
    "interimTranscriptTimestampEnabled": ANYTHING,
}
_BLOB: Table = {"data": ANYTHING, "mimeType": ANYTHING, "displayName": ANYTHING}

#: What each message of a client may hold.
MESSAGES: Table = {
    "setup": {
        "model": ANYTHING,
        "generationConfig": _GENERATION,
        "systemInstruction": _CONTENT,
        "tools": _TOOLS,
        "realtimeInputConfig": _REALTIME_CONFIG,
        "sessionResumption": {"handle": ANYTHING, "transparent": ANYTHING},
        "contextWindowCompression": {
            "triggerTokens": ANYTHING,
            "slidingWindow": {"targetTokens": ANYTHING},
        },
        "inputAudioTranscription": _TRANSCRIPTION,
        "outputAudioTranscription": _TRANSCRIPTION,
        "proactivity": {"proactiveAudio": ANYTHING},
        "historyConfig": {"initialHistoryInClientContent": ANYTHING},
        "avatarConfig": ANYTHING,
        "safetySettings": ANYTHING,
        "labels": ANYTHING,
        "explicitVadSignal": ANYTHING,
    },
    "clientContent": {"turns": _CONTENT, "turnComplete": ANYTHING},
    "realtimeInput": {
        "audio": _BLOB,
        "video": _BLOB,
        "text": ANYTHING,
        "audioStreamEnd": ANYTHING,
        "activityStart": {},
        "activityEnd": {},
        "mediaChunks": _BLOB,
    },
    "toolResponse": {
        "functionResponses": {
            "id": ANYTHING,
            "name": ANYTHING,
            "response": ANYTHING,
            "scheduling": _enum("SCHEDULING_UNSPECIFIED", "SILENT", "WHEN_IDLE", "INTERRUPT"),
            "willContinue": ANYTHING,
            "parts": ANYTHING,
        }
    },
    "contextUpdate": {"systemInstruction": _CONTENT, "tools": {"tools": _TOOLS}},
}

#: Fields that only Vertex has; the SDK refuses to send them to the Developer API.
_VERTEX_ONLY = frozenset({"setup.explicit_vad_signal", "setup.session_resumption.transparent"})


def check(name: str, body: Json, *, vertex: bool) -> None:
    """Look for what does not belong into a client's message.

    Args:
        name: Its kind, a key of ``MESSAGES``.
        body: What it holds.
        vertex: Which service is asked.

    Raises:
        Refused: It has a field or an enum value that the service does not know.
    """
    _check_object(body, MESSAGES[name], snake(name), vertex)


def _check_object(body: Json, table: Table, where: str, vertex: bool) -> None:
    for key, value in body.items():
        name = camel(key)
        at = f"{where}.{snake(name)}"
        if name not in table or (at in _VERTEX_ONLY and not vertex):
            raise unknown(key, where)
        _check_value(value, table[name], at, vertex)


def _check_value(value: Any, expected: Any, at: str, vertex: bool) -> None:
    if expected is ANYTHING or value is None:
        return
    if isinstance(value, list):
        for n, item in enumerate(value):
            _check_value(item, expected, f"{at}[{n}]", vertex)
    elif isinstance(expected, frozenset):
        if not isinstance(value, str) or value.upper() not in expected:
            raise Refused(INVALID, f"Invalid value at '{at}': {str(value)[:40]!r}")
    elif isinstance(value, dict):
        _check_object(value, expected, at, vertex)
    else:
        raise Refused(INVALID, "Request contains an invalid argument.")


def unknown(key: str, where: str) -> Refused:
    """The refusal of a field that nobody knows.

    Args:
        key: As the client wrote it.
        where: Path of the object it stands in; empty for the message itself.
    """
    at = f" at '{where}'" if where else ""
    return Refused(
        INVALID, f'Invalid JSON payload received. Unknown name "{key}"{at}: Cannot find field.'
    )


def camel(name: str) -> str:
    """A name in lowerCamelCase."""
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)


def snake(name: str) -> str:
    """A name in snake_case."""
    return re.sub(r"([A-Z])", lambda m: "_" + m[1].lower(), name)
