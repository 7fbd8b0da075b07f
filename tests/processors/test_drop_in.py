"""An ordinary Pipecat bot with one import changed, over the emulator and real sockets."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from fakes import run
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    InputTextRawFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMRunFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.services.google.gemini_live.llm import GeminiLiveLLMService
from pipecat.services.google.gemini_live.vertex.llm import GeminiLiveVertexLLMService
from pipelines import Tap, running

from pipeline_live.emulator import Emulator, Script
from pipeline_live.processors import FileSink, GeminiLiveService, GeminiLiveVertexService, Playback

KINDS = (
    TTSStartedFrame,
    LLMFullResponseStartFrame,
    TTSAudioRawFrame,
    TTSTextFrame,
    TTSStoppedFrame,
    LLMFullResponseEndFrame,
)
MODEL = "models/gemini-3.8-live"
SCRIPT = Script(["Hi there.", "It is."])


async def an_ordinary_bot(llm: Any, tmp_path: Any, *extra: Any) -> tuple[Tap, list[Any]]:
    """Greets, is asked something, answers; the same code whatever the service."""
    context = LLMContext([{"role": "user", "content": "Say hello."}])
    pair = LLMContextAggregatorPair(context)
    tap, after = Tap(), Tap()
    sink = FileSink(tmp_path / "call.wav")
    async with running(pair.user(), llm, tap, *extra, sink, after, pair.assistant()) as worker:
        await worker.queue_frame(LLMRunFrame())
        await after.until(lambda: len(after.of(LLMFullResponseEndFrame)) == 1)
        await worker.queue_frame(InputTextRawFrame("Is it late?"))
        await after.until(lambda: len(after.of(LLMFullResponseEndFrame)) == 2)
        assert after.of(BotStartedSpeakingFrame)
    return tap, context.messages


def kinds(tap: Tap) -> list[str]:
    """The kinds of frames in order, each run of one kind once."""
    names = [type(f).__name__ for f in tap.of(*KINDS)]
    return [name for i, name in enumerate(names) if i == 0 or names[i - 1] != name]


def said(messages: list[Any]) -> list[tuple[str, str]]:
    return [(m["role"], m["content"]) for m in messages]


@pytest.mark.parametrize("playback", [False, True], ids=["import only", "with Playback"])
def test_one_changed_import_gives_the_same_frames_and_the_same_context(tmp_path, playback):
    seen = {}
    for service in (GeminiLiveLLMService, GeminiLiveService):
        with Emulator(SCRIPT, model_speed=20) as emulator:
            options = emulator.http_options()
            llm = service(
                api_key="any", http_options=options, settings=service.Settings(model=MODEL)
            )
            extra = [Playback()] if playback and service is GeminiLiveService else []
            tap, messages = run(an_ordinary_bot(llm, tmp_path, *extra))
            seen[service] = (len(b"".join(tap.sounds)), set(kinds(tap)), said(messages))
    assert seen[GeminiLiveService] == seen[GeminiLiveLLMService]
    assert ("assistant", "Hi there.") in seen[GeminiLiveService][2]


class _Token(BaseHTTPRequestHandler):
    """Google's token endpoint, as far as a service account needs it."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps({"access_token": "t", "expires_in": 3600, "token_type": "Bearer"})
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def service_account() -> Iterator[str]:
    """Credentials whose tokens come from loopback."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    server = HTTPServer(("127.0.0.1", 0), _Token)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield json.dumps(
            {
                "type": "service_account",
                "project_id": "p",
                "private_key": pem,
                "private_key_id": "k",
                "client_email": "bot@p.example",
                "token_uri": f"http://127.0.0.1:{server.server_port}/token",
            }
        )
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_contract_12_the_vertex_twin_connects_and_answers(tmp_path):
    with service_account() as credentials, Emulator(SCRIPT, model_speed=20) as emulator:
        seen = []
        for service in (GeminiLiveVertexLLMService, GeminiLiveVertexService):
            llm = service(
                credentials=credentials,
                project_id="p",
                location="us-east4",
                http_options=emulator.http_options(),
                settings=service.Settings(model="google/gemini-3.8-live"),
            )
            _, messages = run(an_ordinary_bot(llm, tmp_path))
            seen.append(said(messages))
    assert seen[0] == seen[1]
    assert ("assistant", "Hi there.") in seen[1]


def test_the_bot_ends_while_the_server_is_deaf_to_everything(tmp_path):
    """A connection that never becomes a session must not keep a pipeline from ending."""

    async def scenario():
        async def swallow(reader: Any, writer: Any) -> None:
            await reader.read()
            writer.close()

        server = await asyncio.start_server(swallow, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        llm = GeminiLiveService(api_key="k", http_options={"base_url": f"https://127.0.0.1:{port}"})
        tap = Tap()
        async with running(llm, tap):
            await tap.until(lambda: tap.down)
        server.close()

    run(scenario())
