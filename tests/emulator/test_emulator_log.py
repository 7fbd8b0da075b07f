"""What recordings hold and, more important, what they do not."""

import asyncio
import json

import pytest
from google import genai
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st

from pipeline_live.emulator import Emulator, Reply, Script
from pipeline_live.emulator.recording import MASK, Recording, Scrubber
from pipeline_live.errors import UsageError

KEY = "AIzaSyA-not-a-real-key-0123456789_abcde"
BLOB = {"mime_type": "audio/pcm;rate=16000", "data": "AAAA" * 160}


@pytest.mark.parametrize(
    ("message", "cleaned"),
    [
        ({"setupComplete": {}}, {"setupComplete": {}}),
        (
            {"realtime_input": {"audio": BLOB}},
            {"realtime_input": {"audio": {**BLOB, "data": {"bytes": 480}}}},
        ),
        (
            {"serverContent": {"modelTurn": {"parts": [{"inlineData": {"data": "AA=="}}]}}},
            {"serverContent": {"modelTurn": {"parts": [{"inlineData": {"data": {"bytes": 1}}}]}}},
        ),
        (
            {"serverContent": {"inputTranscription": {"text": "my PIN"}}},
            {"serverContent": {"inputTranscription": {"text": {"chars": 6, "words": 2}}}},
        ),
        (
            {"toolCall": {"functionCalls": [{"name": "f", "args": {"to": ["Ann", 3]}}]}},
            {
                "toolCall": {
                    "functionCalls": [
                        {"name": "f", "args": {"to": [{"chars": 3, "words": 1}, 3]}},
                    ]
                }
            },
        ),
        (
            {"setup": {"model": "m", "sessionResumption": {"handle": "s3cret"}}},
            {"setup": {"model": "m", "sessionResumption": {"handle": "handle-1"}}},
        ),
        (
            {"setup": {"labels": {"key": f"my {KEY}", "own": "the-secret"}}},
            {"setup": {"labels": {"key": f"my {MASK}", "own": MASK}}},
        ),
    ],
)
def test_what_a_file_may_hold(message, cleaned):
    assert Scrubber(["the-secret"]).clean(message) == cleaned


def test_words_and_media_stay_when_asked_for_but_never_keys():
    message = {
        "clientContent": {"turns": [{"parts": [{"text": f"use {KEY}"}]}]},
        "realtimeInput": {"audio": BLOB},
    }
    cleaned = Scrubber(media=True, words=True).clean(message)
    assert cleaned["realtimeInput"] == message["realtimeInput"]
    assert cleaned["clientContent"]["turns"][0]["parts"][0]["text"] == f"use {MASK}"


def test_one_handle_keeps_one_name():
    scrubber = Scrubber()
    issued = [
        scrubber.clean({"sessionResumptionUpdate": {"newHandle": handle}})
        for handle in ("a", "b", "a")
    ]
    names = [update["sessionResumptionUpdate"]["newHandle"] for update in issued]
    assert names == ["handle-1", "handle-2", "handle-1"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just(KEY) | st.just("zqx"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["text", "data", "audio", "args", KEY, "x"]), inner)
    ),
    max_leaves=12,
)


@given(JSON)
def test_no_message_carries_a_secret_into_a_file(message):
    assert "zqx" not in json.dumps(Scrubber(["zqx"], media=True, words=True).clean(message))
    assert KEY not in json.dumps(Scrubber(words=True).clean(message))


def test_a_file_that_cannot_be_written(tmp_path):
    with pytest.raises(UsageError, match="choose another file"):
        Recording(tmp_path / "no" / "such.jsonl", Scrubber())


def test_what_is_not_json_is_counted_only(tmp_path):
    recording = Recording(tmp_path / "r.jsonl", Scrubber())
    session = recording.session(lambda: 0, "/ws/x?key=zqx")
    for frame in ("{nonsense zqx", b"\xff\xfe", "[" * 100_000, '{"a":' * 600 + "1" + "}" * 600):
        session.client(frame)
    session.client('{"a": "\\ud800"}')
    recording.close()
    session.client("{}")  # after the end: nothing happens
    text = (tmp_path / "r.jsonl").read_text()
    assert "zqx" not in text
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line.get("unreadable_bytes") for line in lines[1:5]] == [13, 2, 100_000, 3601]


def test_the_emulators_log_of_a_conversation(tmp_path):
    path = tmp_path / "session.jsonl"

    async def call():
        script = Script([Reply("Sure thing.", delay_ms=0)])
        async with Emulator(script, model_speed=40, key=KEY, log=path) as emulator:
            client = genai.Client(api_key=KEY, http_options=emulator.http_options())
            config = {"response_modalities": ["AUDIO"], "output_audio_transcription": {}}
            async with client.aio.live.connect(model="gemini-3.8-live", config=config) as session:
                sound = types.Blob(data=bytes(640), mime_type="audio/pcm;rate=16000")
                await session.send_realtime_input(audio=sound)
                await session.send_realtime_input(text="Please do it.")
                async for _ in session.receive():
                    pass

    asyncio.run(call())
    text = path.read_text()
    assert KEY not in text
    lines = [json.loads(line) for line in text.splitlines()]
    assert lines[0]["event"] == "open"
    assert lines[0]["path"].endswith(".v1beta.GenerativeService.BidiGenerateContent")
    assert lines[0]["agent"].startswith("google-genai-sdk/")
    assert lines[-1]["event"] == "close"
    assert lines[-1]["code"] == 1000
    assert [line["at_ms"] for line in lines] == sorted(line["at_ms"] for line in lines)
    sent = [line["message"] for line in lines if line.get("from") == "client"]
    assert [next(iter(message)) for message in sent] == [
        "setup",
        "realtime_input",
        "realtime_input",
    ]
    assert sent[1]["realtime_input"]["audio"]["data"] == {"bytes": 640}
    assert sent[2]["realtime_input"]["text"] == "Please do it."
    got = [line["message"] for line in lines if line.get("from") == "server"]
    assert got[0] == {"setupComplete": {}}
    assert any("turnComplete" in message.get("serverContent", {}) for message in got)
    assert '"data": "' not in text
    handles = [m["sessionResumptionUpdate"] for m in got if "sessionResumptionUpdate" in m]
    assert handles[0]["newHandle"] == "handle-1"
