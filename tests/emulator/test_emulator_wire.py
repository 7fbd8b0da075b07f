import base64
import json

import pytest

from pipeline_live.emulator.families import FAMILIES, admit, family_of
from pipeline_live.emulator.messages import (
    ActivityEnd,
    ActivityStart,
    Audio,
    Content,
    ContextUpdate,
    Refused,
    Setup,
    StreamEnd,
    Text,
    ToolResponse,
    ToolResult,
    Video,
)
from pipeline_live.emulator.wire import decode_base64, read_message

PCM = bytes(range(256)) * 2
STANDARD = base64.b64encode(PCM).decode()
URL_SAFE = base64.urlsafe_b64encode(PCM).decode()


def read(message, **options):
    return read_message(json.dumps(message), **options)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"realtimeInput": {"audioStreamEnd": True}}, StreamEnd()),
        ({"realtime_input": {"audio_stream_end": True}}, StreamEnd()),
        ({"realtime_input": {"activityStart": {}}}, ActivityStart()),
        ({"realtimeInput": {"activity_end": {}}}, ActivityEnd()),
        ({"realtimeInput": {"text": "Hi"}}, Text("Hi")),
        ({"realtimeInput": {"video": {"mimeType": "image/jpeg", "data": ""}}}, Video()),
        (
            {"client_content": {"turns": [{"parts": [{"text": "a"}]}], "turnComplete": True}},
            Content((("user", "a"),), True),
        ),
        (
            {
                "clientContent": {
                    "turns": [{"role": "model", "parts": [{"text": "a"}, {"text": "b"}]}]
                }
            },
            Content((("model", "ab"),), False),
        ),
        ({"clientContent": {"turn_complete": True}}, Content((), True)),
        (
            {
                "tool_response": {
                    "functionResponses": [
                        {"id": "1", "name": "f", "response": {"a_b": 1}, "scheduling": "when_idle"}
                    ]
                }
            },
            ToolResponse((ToolResult("1", "f", {"a_b": 1}, "WHEN_IDLE"),)),
        ),
        (
            {"contextUpdate": {"systemInstruction": {"parts": [{"text": "Be brief."}]}}},
            ContextUpdate("Be brief."),
        ),
        ({"contextUpdate": {"tools": {"tools": []}}}, ContextUpdate(None)),
    ],
)
def test_messages(message, expected):
    assert read(message) == expected


@pytest.mark.parametrize("data", [STANDARD, URL_SAFE, URL_SAFE.rstrip("=")])
@pytest.mark.parametrize("mime", ["mimeType", "mime_type"])
def test_sound_in_either_alphabet(data, mime):
    message = {"realtime_input": {"audio": {"data": data, mime: "audio/pcm;rate=16000"}}}
    assert read(message) == Audio(PCM, 16_000)


@pytest.mark.parametrize(
    ("mime", "rate"),
    [
        ("audio/pcm", 16_000),
        ("audio/pcm;rate=8000", 8000),
        ("audio/pcm; rate=48000", 48_000),
        ("AUDIO/PCM;RATE=24000", 24_000),
        ("audio/pcm;channels=1;rate=44100", 44_100),
    ],
)
def test_the_mime_type_declares_the_rate(mime, rate):
    assert read({"realtimeInput": {"audio": {"data": "", "mimeType": mime}}}).rate == rate


def test_bad_base64_is_refused():
    with pytest.raises(Refused):
        decode_base64("a*b=")


CAMEL = {
    "model": "models/gemini-3.8-live",
    "generationConfig": {
        "responseModalities": ["audio"],
        "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Puck"}}},
        "thinkingConfig": {"thinkingLevel": "low"},
        "enableAffectiveDialog": True,
    },
    "systemInstruction": {"role": "user", "parts": [{"text": "Be "}, {"text": "kind."}]},
    "realtimeInputConfig": {
        "automaticActivityDetection": {
            "disabled": True,
            "startOfSpeechSensitivity": "START_SENSITIVITY_LOW",
            "endOfSpeechSensitivity": "END_SENSITIVITY_LOW",
            "prefixPaddingMs": 20,
            "silenceDurationMs": 0,
        },
        "activityHandling": "NO_INTERRUPTION",
    },
    "sessionResumption": {"handle": "h"},
    "inputAudioTranscription": {},
    "outputAudioTranscription": {},
    "proactivity": {"proactiveAudio": False},
    "tools": [
        {"functionDeclarations": [{"name": "a_b", "behavior": "BLOCKING"}, {"name": "c"}]},
        {"googleSearch": {}},
    ],
}


def to_snake(value):
    if isinstance(value, list):
        return [to_snake(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        "".join("_" + c.lower() if c.isupper() else c for c in key): to_snake(item)
        for key, item in value.items()
    }


@pytest.mark.parametrize("setup", [CAMEL, to_snake(CAMEL)], ids=["camel", "snake"])
def test_setup(setup):
    assert read({"setup": setup}) == Setup(
        model="models/gemini-3.8-live",
        voice="Puck",
        modalities=("AUDIO",),
        instruction="Be kind.",
        manual=True,
        start_low=True,
        end_low=True,
        prefix_ms=20,
        silence_ms=0,
        interrupts=False,
        input_words=True,
        output_words=True,
        resumption=True,
        handle="h",
        thinking_level="LOW",
        proactive=False,
        affective=True,
        blocking={"a_b": True, "c": None},
        raw=setup,
    )


def test_setup_defaults():
    setup = {"model": "m"}
    assert read({"setup": setup}) == Setup(model="m", raw=setup)


REFUSED = [
    ("{", "Invalid JSON"),
    ("[]", "Expected an object"),
    ("nul", "Invalid JSON"),
    (b"\xff", "Invalid JSON"),
    ("{}", "invalid argument"),
    ('{"hello": {}}', '"hello"'),
    ('{"setup": {}, "clientContent": {}}', "invalid argument"),
    ('{"setup": []}', "invalid argument"),
    ('{"setup": {"modle": "x"}}', "Unknown name \"modle\" at 'setup'"),
    ('{"setup": {"generationConfig": {"voice": 1}}}', "\"voice\" at 'setup.generation_config'"),
    ('{"setup": {"realtimeInputConfig": {"vad": {}}}}', '"vad"'),
    (
        '{"setup": {"realtimeInputConfig": {"automaticActivityDetection": {"silenceMs": 1}}}}',
        '"silenceMs"',
    ),
    (
        '{"setup": {"realtimeInputConfig": '
        '{"automaticActivityDetection": {"silenceDurationMs": -1}}}}',
        "silence_duration_ms",
    ),
    ('{"realtimeInput": {}}', "invalid argument"),
    ('{"realtimeInput": {"text": "a", "audioStreamEnd": true}}', "invalid argument"),
    ('{"realtimeInput": {"noise": 1}}', '"noise"'),
    ('{"realtimeInput": {"audio": {"mimeType": "audio/opus", "data": ""}}}', "audio/opus"),
    (
        '{"realtimeInput": {"mediaChunks": [{"mimeType": "audio/pcm", "data": ""}]}}',
        "realtime_input.media_chunks is deprecated. Use audio, video, or text instead.",
    ),
    ('{"clientContent": {"turns": ["hello"]}}', "invalid argument"),
]


@pytest.mark.parametrize(("frame", "words"), REFUSED)
def test_refusals(frame, words):
    with pytest.raises(Refused) as refusal:
        read_message(frame)
    assert refusal.value.code == 1007
    assert words in refusal.value.reason


def test_vertex_still_takes_media_chunks():
    chunk = {"mimeType": "audio/pcm;rate=8000", "data": STANDARD}
    message = {"realtimeInput": {"mediaChunks": [chunk, chunk]}}
    assert read(message, vertex=True) == Audio(PCM + PCM, 8000)


def test_a_reason_is_cut_at_123_bytes_between_characters():
    reason = Refused(1007, "é" * 100).reason
    assert len(reason.encode()) == 122
    assert set(reason) == {"é"}


# --- families --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("models/gemini-3.8-live", "3.8-live"),
        ("gemini-3.8-live", "3.8-live"),
        ("projects/p/locations/l/publishers/google/models/gemini-3.8-live", "3.8-live"),
        ("models/gemini-3.8-live-extended-thinking", "3.8-live-extended-thinking"),
        ("models/gemini-3.1-flash-live-preview", "3.1-flash-live"),
        ("models/gemini-2.5-flash-native-audio-preview-12-2025", "2.5-native-audio"),
        ("publishers/google/models/gemini-live-2.5-flash", "2.5-native-audio"),
        ("models/gemini-live-2.5-flash-native-audio", "2.5-native-audio"),
        ("models/gemini-2.5-flash", None),
        ("models/gemini-3.8-live-next", None),
        ("", None),
    ],
)
def test_which_family(model, family):
    found = family_of(model)
    assert (found and found.name) == family


def test_family_names_are_unique():
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        (
            {"model": "models/gemini-9-live"},
            1008,
            "models/gemini-9-live is not found for API version v1beta, or is not supported for "
            "bidiGenerateContent.",
        ),
        ({"modalities": ("TEXT",)}, 1007, "Cannot extract voices from a non-audio request."),
        ({"modalities": ("AUDIO", "TEXT")}, 1007, "combination of response modalities"),
        ({"thinking_level": "LOW"}, 1007, "Thinking level"),
        ({"proactive": False}, 1007, "invalid argument"),
        ({"affective": True}, 1007, "invalid argument"),
        ({"model": "models/gemini-3.8-live-extended-thinking"}, 1007, "Thinking level"),
        (
            {
                "model": "models/gemini-3.8-live-extended-thinking",
                "thinking_level": "HIGH",
                "blocking": {"f": True},
            },
            1007,
            "BLOCKING",
        ),
    ],
)
def test_setups_that_are_not_admitted(fields, code, words):
    with pytest.raises(Refused) as refusal:
        admit(Setup(**{"model": "models/gemini-3.8-live", **fields}))
    assert refusal.value.code == code
    assert words in refusal.value.reason


def test_a_usual_setup_is_admitted():
    setup = Setup(model="models/gemini-3.8-live", modalities=("AUDIO",), blocking={"f": True})
    assert admit(setup).name == "3.8-live"
