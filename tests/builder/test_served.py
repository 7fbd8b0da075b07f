"""A bot for Pipecat's runner: the file brings the bot, the runner the session."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from bots import bot_of
from pipecat.runner.types import WebSocketRunnerArguments
from starlette.websockets import WebSocket

from pipeline_live.builder import bot_from, emulated
from pipeline_live.builder.eject import python_of
from pipeline_live.builder.running import as_main_bot, begin, run_session
from pipeline_live.emulator import Emulator, Script
from pipeline_live.errors import ConfigError, UsageError
from pipeline_live.trial import clock

GREETING = "Hello, you have reached the harbour."
STARTS = {
    "twilio": [
        {"event": "connected", "protocol": "Call", "version": "1.0.0"},
        {"event": "start", "streamSid": "MZ1", "start": {"streamSid": "MZ1", "callSid": "CA1"}},
    ],
    "plivo": [{"event": "start", "start": {"streamId": "S1", "callId": "C1"}}, {"event": "x"}],
    "telnyx": [
        {"event": "connected"},
        {
            "event": "start",
            "stream_id": "S1",
            "start": {"call_control_id": "C1", "media_format": {"encoding": "PCMU"}},
        },
    ],
    "exotel": [
        {"event": "connected"},
        {
            "event": "start",
            "start": {"stream_sid": "S1", "call_sid": "C1", "account_sid": "A1"},
        },
    ],
}
SILENCE = {
    "twilio": lambda pcm: {"event": "media", "streamSid": "MZ1", "media": {"payload": pcm}},
    "plivo": lambda pcm: {"event": "media", "media": {"payload": pcm}},
    "telnyx": lambda pcm: {"event": "media", "media": {"payload": pcm}},
    "exotel": lambda pcm: {"event": "media", "media": {"payload": pcm}},
}


class Phone:
    """A provider's side of the WebSocket, at the level of ASGI."""

    def __init__(self, provider: str) -> None:
        self.provider = provider
        self.heard = bytearray()
        self._to_bot: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._to_bot.put_nowait({"type": "websocket.connect"})
        for message in STARTS[provider]:
            self.say(message)
        scope = {"type": "websocket", "path": "/ws", "headers": [], "subprotocols": []}
        self.websocket = WebSocket(scope, self._to_bot.get, self._take)  # type: ignore[arg-type]

    def say(self, message: dict[str, Any]) -> None:
        self._to_bot.put_nowait({"type": "websocket.receive", "text": json.dumps(message)})

    def hang_up(self) -> None:
        self._to_bot.put_nowait({"type": "websocket.disconnect", "code": 1000})

    async def hold_the_line(self, seconds: float) -> None:
        """Be silent for a while, 20 ms at a time."""
        quiet = b"\xff" * 160 if self.provider != "exotel" else bytes(320)
        for _ in range(int(seconds * 50)):
            self.say(SILENCE[self.provider](base64.b64encode(quiet).decode()))
            await asyncio.sleep(0.02)

    async def _take(self, message: Any) -> None:
        if message["type"] != "websocket.send" or "text" not in message:
            return
        said = json.loads(message["text"])
        payload = said.get("media", {}).get("payload")
        if payload:
            self.heard += base64.b64decode(payload)

    def heard_sound(self) -> bool:
        quiet = {0xFF, 0x7F, 0xFE, 0x7E} if self.provider != "exotel" else {0}
        return sum(byte not in quiet for byte in self.heard) > 4000


Call = tuple[Phone, WebSocketRunnerArguments]


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Call]:
    """A call of each provider, all at once: Pipecat paces this transport by the real clock."""
    bot = bot_of(
        "greeting: Greet the caller.\ntransport: telephony\n", tmp_path_factory.mktemp("phones")
    )

    async def talk(emulator: Emulator, provider: str) -> Call:
        phone = Phone(provider)
        await phone.websocket.accept()
        session = WebSocketRunnerArguments(websocket=phone.websocket)
        running = asyncio.create_task(run_session(bot, emulated(emulator), session))
        for _ in range(30):
            await phone.hold_the_line(0.5)
            if phone.heard_sound():
                break
        phone.hang_up()
        await running
        return phone, session

    async def all_at_once() -> list[Call]:
        async with Emulator(Script(default=[GREETING])) as emulator:
            return await asyncio.gather(*(talk(emulator, provider) for provider in STARTS))

    return dict(zip(STARTS, asyncio.run(all_at_once()), strict=True))


@pytest.mark.parametrize("provider", STARTS)
def test_a_phone_call_is_greeted_without_the_providers_credentials(
    provider: str, calls: dict[str, Call]
) -> None:
    phone, session = calls[provider]
    assert phone.heard_sound()
    assert session.transport_type == provider
    assert session.call_data is not None


def test_a_page_in_the_browser_is_greeted_and_may_leave(tmp_path: Path) -> None:
    """A page's side of WebRTC, without the page; needs the extra ``web``: see ``make browser``."""
    aiortc = pytest.importorskip("aiortc", reason="the extra web is not installed")
    from pipecat.runner.types import SmallWebRTCRunnerArguments
    from pipecat.transports.smallwebrtc.connection import SmallWebRTCConnection

    bot = bot_of("greeting: Greet the caller.\ntransport: browser\n", tmp_path)

    async def listen(track: Any) -> None:
        while abs((await track.recv()).to_ndarray()).max() < 1000:
            pass

    async def visit() -> None:
        page, connection = aiortc.RTCPeerConnection(), SmallWebRTCConnection()
        page.addTrack(aiortc.AudioStreamTrack())
        page.createDataChannel("chat")
        tracks: list[Any] = []
        page.on("track", tracks.append)
        await page.setLocalDescription(await page.createOffer())
        offer = page.localDescription
        await connection.initialize(offer.sdp, offer.type)
        answer = connection.get_answer()
        await page.setRemoteDescription(aiortc.RTCSessionDescription(answer["sdp"], answer["type"]))
        async with Emulator(Script(default=[GREETING])) as emulator:
            session = SmallWebRTCRunnerArguments(webrtc_connection=connection)
            running = asyncio.create_task(run_session(bot, emulated(emulator), session))
            [audio] = [track for track in tracks if track.kind == "audio"]
            await asyncio.wait_for(listen(audio), 20)
            await page.close()
            await asyncio.wait_for(running, 20)

    asyncio.run(visit())


def test_something_else_than_a_phone_call(tmp_path: Path) -> None:
    async def talk() -> None:
        phone = Phone("twilio")
        phone._to_bot = asyncio.Queue()
        scope = {"type": "websocket", "path": "/ws", "headers": [], "subprotocols": []}
        websocket = WebSocket(scope, phone._to_bot.get, phone._take)  # type: ignore[arg-type]
        phone._to_bot.put_nowait({"type": "websocket.connect"})
        phone.say({"hello": 1})
        phone.say({"hello": 2})
        await websocket.accept()
        session = WebSocketRunnerArguments(websocket=websocket)
        async with Emulator() as emulator:
            await run_session(bot_of("", tmp_path), emulated(emulator), session)

    with pytest.raises(UsageError, match="not a phone call of twilio, telnyx, plivo, exotel"):
        clock.run(talk())


def test_the_runner_finds_the_bot_in_the_main_module(tmp_path: Path) -> None:
    from pipecat.runner import run as runner

    with Emulator() as emulator, as_main_bot(bot_of("", tmp_path), emulated(emulator)):
        found = runner._get_bot_module()
        assert asyncio.iscoroutinefunction(found.bot)
    assert not hasattr(sys.modules["__main__"], "bot")


def test_bot_from_checks_the_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "bot.yaml"
    path.write_text("instruction: x\n")
    assert asyncio.iscoroutinefunction(bot_from(path))
    path.write_text("instruction: x\nvoise: y\n")
    with pytest.raises(ConfigError, match="voise"):
        bot_from(path)


def test_over_a_server_of_its_own_a_bot_begins_when_somebody_connects(tmp_path: Path) -> None:
    """The private name behind it is Pipecat's ``BaseObject._event_handlers``."""
    from pipecat.transports.websocket.server import WebsocketServerParams, WebsocketServerTransport

    class Worker:
        def __init__(self) -> None:
            self.frames: list[Any] = []

        async def queue_frame(self, frame: Any) -> None:
            self.frames.append(type(frame).__name__)

    async def talk() -> tuple[list[Any], list[Any]]:
        worker, transport = Worker(), WebsocketServerTransport(WebsocketServerParams())
        assert "on_client_connected" in transport._event_handlers
        await begin(worker, transport)  # type: ignore[arg-type]
        before = list(worker.frames)
        (handler,) = transport._event_handlers["on_client_connected"].handlers
        await handler(transport, None)
        return before, worker.frames

    assert asyncio.run(talk()) == ([], ["LLMRunFrame"])
    bot = bot_of(
        "transport:\n  python:\n"
        "    class: pipecat.transports.websocket.server:WebsocketServerTransport\n"
        "    args:\n      params:\n"
        "        python: pipecat.transports.websocket.server:WebsocketServerParams\n",
        tmp_path,
    )
    assert "await begin(worker, transport)" in python_of(bot)
