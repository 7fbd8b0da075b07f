"""The recorder in front of a service, whose part the emulator plays."""

import asyncio
import base64
import json

import pytest
from google import genai
from google.genai import errors
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from pipeline_live.audio import INPUT_RATE, chunks, resample, silence, write_wav
from pipeline_live.cli import main
from pipeline_live.emulator import Emulator, Reply, Script, synthesize
from pipeline_live.emulator.check import check, read_takes
from pipeline_live.emulator.recording import Recording, Scrubber
from pipeline_live.errors import UsageError
from pipeline_live.record.marks import Mark, SpeechMarks
from pipeline_live.record.proxy import Proxy

KEY = "the-real-key"
VERTEX = "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent"
LIVE = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"


def question():
    """Speech at 16 kHz, and when in it, in ms, the first and the last word sound."""
    speech = synthesize("What is the weather like in the north?", "low")
    pcm = resample(speech.pcm, 24_000, INPUT_RATE)
    return pcm, speech.words[0].start_ms, speech.words[-1].end_ms


def audio(pcm, rate=INPUT_RATE, **spelling):
    blob = {"mimeType": f"audio/pcm;rate={rate}", "data": base64.b64encode(pcm).decode()}
    return json.dumps({"realtimeInput": {"audio": blob}})


@pytest.fixture(autouse=True)
def _no_key(monkeypatch):
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    monkeypatch.delenv("GOOGLE_API_KEY", raising=False)


def trusting(monkeypatch, emulator):
    monkeypatch.setenv("SSL_CERT_FILE", emulator.ca_file)


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


# --- marks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk_ms", [20, 100])
def test_speech_is_marked_where_it_was_sent(chunk_ms):
    pcm, first_ms, last_ms = question()
    sound = silence(500, INPUT_RATE) + pcm + silence(600, INPUT_RATE)
    marks, found = SpeechMarks(), []
    for n, chunk in enumerate(chunks(sound, INPUT_RATE * 2 * chunk_ms // 1000)):
        found += marks.hear(audio(chunk), 1000 + n * chunk_ms)
    assert [mark.state for mark in found] == ["start", "end"]
    # Silero needs a moment, and a chunk is sent as a whole.
    assert abs(found[0].at_ms - (1500 + first_ms)) <= 64 + chunk_ms
    assert abs(found[1].at_ms - (1500 + last_ms)) <= 160 + chunk_ms


def test_speech_that_is_cut_off_has_an_end():
    pcm, _, _ = question()
    marks = SpeechMarks()
    assert [mark.state for mark in marks.hear(audio(pcm[: INPUT_RATE * 2]), 5)] == ["start"]
    assert marks.finish() == [Mark("end", 5)]
    assert marks.finish() == []


@pytest.mark.parametrize(
    "frame",
    ["{", "[]", "7", '{"setup": {}}', '{"realtimeInput": {"audio": {"mimeType": "image/png"}}}',
     '{"realtime_input": {"audio": {"mime_type": "audio/pcm", "data": "%%%"}}}', b"\xff",
     '{"realtimeInput": {"audio": {"mimeType": "audio/pcm", "data": "\u00e9"}}}',
     '{"realtimeInput": {"audio": {"mimeType": "audio/pcm;rate=0000", "data": "AAAA"}}}',
     '{"realtimeInput": {"mediaChunks": 5}}'],
)  # fmt: skip
def test_what_is_no_sound_has_no_marks(frame):
    assert SpeechMarks().hear(frame, 0) == []


# --- the proxy ----------------------------------------------------------------------------------


def test_a_client_of_anybodys_making_is_recorded(monkeypatch, tmp_path):
    """google-genai through the recorder; the service gets the recorder's key."""

    async def call():
        script = Script([Reply("It rains.", delay_ms=0)])
        async with Emulator(script, model_speed=40, key=KEY) as service:
            trusting(monkeypatch, service)
            recording = Recording(tmp_path / "r.jsonl", Scrubber([KEY]))
            async with Proxy(recording, KEY, upstream=service.base_url) as proxy:
                client = genai.Client(
                    api_key="any",
                    http_options={
                        "base_url": proxy.base_url,
                        "async_client_args": {"ssl": proxy.client_ssl_context()},
                    },
                )
                config = {"response_modalities": ["AUDIO"], "output_audio_transcription": {}}
                live = client.aio.live.connect(model="gemini-3.8-live", config=config)
                async with live as session:
                    await session.send_realtime_input(text="And the weather?")
                    heard = b"".join([m.data or b"" async for m in session.receive()])
            recording.close()
            return heard, service.sessions[0]

    heard, session = asyncio.run(call())
    assert heard == synthesize("It rains.").pcm
    assert session.close_code == 1000
    lines = lines_of(tmp_path / "r.jsonl")
    assert (lines[0]["event"], lines[-1]["event"], lines[-1]["code"]) == ("open", "close", 1000)
    assert [line["at_ms"] for line in lines] == sorted(line["at_ms"] for line in lines)
    sides = [line["from"] for line in lines if "from" in line]
    assert sides[:2] == ["client", "server"]
    text = (tmp_path / "r.jsonl").read_text()
    for secret in (KEY, "weather", "rains", '"data": "'):
        assert secret not in text
    sound = sum(
        part["inlineData"]["data"]["bytes"]
        for line in lines
        for part in line.get("message", {})
        .get("serverContent", {})
        .get("modelTurn", {})
        .get("parts", ())
    )
    assert sound == len(heard)


def test_the_services_refusal_reaches_the_client_word_for_word(monkeypatch, tmp_path):
    async def call():
        async with Emulator() as service:
            trusting(monkeypatch, service)
            recording = Recording(tmp_path / "r.jsonl", Scrubber())
            async with Proxy(recording, KEY, upstream=service.base_url) as proxy:
                url = proxy.base_url.replace("https", "wss") + LIVE + "?key=mine"
                async with connect(url, ssl=proxy.client_ssl_context()) as socket:
                    await socket.send(json.dumps({"setup": {"model": "models/none"}}))
                    with pytest.raises(ConnectionClosed):
                        await socket.recv()
                    closed = socket.close_code, socket.close_reason
            recording.close()
            return closed, service.sessions

    (code, reason), _ = asyncio.run(call())
    assert code == 1008
    assert "models/none is not found" in reason
    last = lines_of(tmp_path / "r.jsonl")[-1]
    assert (last["code"], last["reason"]) == (code, reason)
    assert "mine" not in (tmp_path / "r.jsonl").read_text()


@pytest.mark.parametrize("token", [None, "token"])
def test_on_vertex_a_clients_token_is_passed_on(monkeypatch, tmp_path, token):
    async def call():
        async with Emulator(key=token or KEY) as service:
            trusting(monkeypatch, service)
            with Recording(tmp_path / "r.jsonl", Scrubber()) as recording:
                async with Proxy(recording, KEY, upstream=service.base_url) as proxy:
                    headers = {"Authorization": f"Bearer {token}"} if token else {}
                    url = proxy.base_url.replace("https", "wss") + VERTEX
                    trust = proxy.client_ssl_context()
                    async with connect(url, ssl=trust, additional_headers=headers) as socket:
                        setup = {"model": "publishers/google/models/gemini-live-2.5-flash"}
                        await socket.send(json.dumps({"setup": setup}))
                        return json.loads(await socket.recv())

    assert "sessionId" in asyncio.run(call())["setupComplete"]


def test_a_service_out_of_reach_is_said_to_the_client(tmp_path):
    async def call():
        recording = Recording(tmp_path / "r.jsonl", Scrubber())
        async with Proxy(recording, KEY, upstream="https://127.0.0.1:9") as proxy:
            recording.close()
            http = {
                "base_url": proxy.base_url,
                "async_client_args": {"ssl": proxy.client_ssl_context()},
            }
            client = genai.Client(api_key="any", http_options=http)
            with pytest.raises(errors.APIError, match="cannot be reached") as raised:
                async with client.aio.live.connect(model="gemini-3.8-live"):
                    pass
            assert raised.value.code == 1011
            return proxy.failures

    assert len(asyncio.run(call())) == 1


def test_an_upstream_that_is_no_address(tmp_path):
    recording = Recording(tmp_path / "r", Scrubber())
    recording.close()
    with pytest.raises(UsageError, match="must be an https URL"):
        Proxy(recording, KEY, upstream="http://somewhere")


# --- the command --------------------------------------------------------------------------------


def complaint(capsys, *arguments):
    assert main(["record", *arguments]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


def test_no_key_is_one_clear_line(capsys, tmp_path):
    line = complaint(capsys, "--out", str(tmp_path / "r.jsonl"))
    assert "GEMINI_API_KEY is not set" in line
    assert not (tmp_path / "r.jsonl").exists()


def test_bad_input_is_one_clear_line(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    out = ("--out", str(tmp_path / "r.jsonl"))
    assert "no such file" in complaint(capsys, *out, "--say", str(tmp_path / "no.wav"))
    assert "choose another file" in complaint(capsys, "--out", str(tmp_path / "a" / "b"))
    assert "https" in complaint(capsys, *out, "--upstream", "ftp://x")


def test_it_speaks_a_file_itself_and_keeps_what_is_asked_for(monkeypatch, tmp_path):
    pcm, _, _ = question()
    write_wav(tmp_path / "q.wav", pcm, INPUT_RATE)
    script = Script([Reply("Fine.", heard="the weather")])
    with Emulator(script, key=KEY) as service:
        trusting(monkeypatch, service)
        monkeypatch.setenv("GEMINI_API_KEY", KEY)
        out = tmp_path / "r.jsonl"
        arguments = ["record", "--say", str(tmp_path / "q.wav"), "--out", str(out)]
        arguments += ["--upstream", service.base_url, "--words", "--audio"]
        assert main(arguments) == 0
        assert service.sessions[0].user_turns == 1
    text = out.read_text()
    assert "the weather" in text
    assert '"data": "' in text
    assert KEY not in text
    lines = lines_of(out)
    assert [line["state"] for line in lines if line.get("event") == "speech"] == ["start", "end"]
    (take,) = read_takes(out)
    assert len(take.sounds) == 1
    assert check(take, runs=2).order == ()
    assert any("voiceActivity" in line.get("message", {}) for line in lines)
    assert any("turnComplete" in line.get("message", {}).get("serverContent", {}) for line in lines)


def test_a_key_that_the_service_refuses(capsys, monkeypatch, tmp_path):
    write_wav(tmp_path / "q.wav", bytes(3200), INPUT_RATE)
    with Emulator(key=KEY) as service:
        trusting(monkeypatch, service)
        monkeypatch.setenv("GEMINI_API_KEY", "wrong-key")
        line = complaint(
            capsys, "--say", str(tmp_path / "q.wav"), "--out", str(tmp_path / "r.jsonl"),
            "--upstream", service.base_url,
        )  # fmt: skip
    assert "did not answer" in line
    assert "wrong-key" not in line + (tmp_path / "r.jsonl").read_text()
    assert "API key not valid" in (tmp_path / "r.jsonl").read_text()
