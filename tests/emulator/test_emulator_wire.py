import base64
import json

import pytest

from pipeline_live.emulator.messages import (
    ActivityEnd,
    ActivityStart,
    Audio,
    Compression,
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
        (
            {
                "contextUpdate": {
                    "tools": {"tools": [{"functionDeclarations": [{"name": "f"}, {"name": "g"}]}]}
                }
            },
            ContextUpdate(None, {"f": None, "g": None}),
        ),
        (
            {"toolResponse": {"functionResponses": [{"id": "1", "willContinue": True}]}},
            ToolResponse((ToolResult("1", "", {}, "", True),)),
        ),
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
        "thinkingConfig": {"thinkingLevel": "low", "thinkingBudget": 0},
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
        "turnCoverage": "TURN_INCLUDES_ALL_INPUT",
    },
    "sessionResumption": {"handle": "h"},
    "contextWindowCompression": {"triggerTokens": 9, "slidingWindow": {"targetTokens": 4}},
    "historyConfig": {"initialHistoryInClientContent": True},
    "labels": {"team_a": "b"},
    "inputAudioTranscription": {"languageCodes": ["en"], "mode": "VERBATIM"},
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
        coverage="TURN_INCLUDES_ALL_INPUT",
        input_words=True,
        output_words=True,
        resumption=True,
        handle="h",
        compression=Compression(9, 4),
        thinking_level="LOW",
        thinking_budget=0,
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
    ('{"clientContent": {"turn": []}}', "\"turn\" at 'client_content'"),
    ('{"setup": {"sessionResumption": {"id": "x"}}}', "\"id\" at 'setup.session_resumption'"),
    ('{"setup": {"sessionResumption": {"transparent": true}}}', '"transparent"'),
    ('{"setup": {"explicitVadSignal": true}}', '"explicitVadSignal"'),
    (
        '{"setup": {"tools": [{}, {"functionDeclarations": [{"nmae": "f"}]}]}}',
        "\"nmae\" at 'setup.tools[1].function_declarations[0]'",
    ),
    (
        '{"setup": {"realtimeInputConfig": {"activityHandling": "SOMETIMES"}}}',
        "Invalid value at 'setup.realtime_input_config.activity_handling': 'SOMETIMES'",
    ),
    (
        '{"setup": {"realtimeInputConfig": '
        '{"automaticActivityDetection": {"startOfSpeechSensitivity": "HIGH"}}}}',
        "start_of_speech_sensitivity",
    ),
    ('{"setup": {"outputAudioTranscription": {"mode": "LOUD"}}}', "'LOUD'"),
    ('{"setup": {"inputAudioTranscription": true}}', "invalid argument"),
    ('{"toolResponse": {"functionResponses": [{"name": "f"}]}}', "invalid argument"),
    ('{"realtimeInput": {"activityStart": {"now": 1}}}', '"now" at \'realtime_input.'),
    ('{"setup": {"\\ud800": 1}}', "Unknown name \"?\" at 'setup'"),
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


def test_what_only_vertex_knows():
    setup = {"explicitVadSignal": True, "session_resumption": {"transparent": True}}
    known = read({"setup": setup}, vertex=True)
    assert (known.vad_signals, known.transparent) == (True, True)
    response = {"functionResponses": [{"name": "f"}]}
    assert read({"toolResponse": response}, vertex=True).results[0].id == ""


def test_a_reason_is_cut_at_123_bytes_between_characters():
    reason = Refused(1007, "é" * 100).reason
    assert len(reason.encode()) == 122
    assert set(reason) == {"é"}
