"""The examples that wait for callers are called: by a phone, and by a WebSocket client."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from documents import ROOT
from pipecat.frames.frames import (
    InputAudioRawFrame,
    InputTransportMessageFrame,
    OutputAudioRawFrame,
    OutputTransportMessageUrgentFrame,
)
from pipecat.serializers.protobuf import ProtobufFrameSerializer
from websockets.asyncio.client import connect

EXAMPLES = ("06_existing_bot.py", "07_telephony.py")
LIMIT_S = 90
pytestmark = pytest.mark.timeout(LIMIT_S + 20)  # the first test pays for both servers


@dataclass
class Served:
    """A server, and what a phone that called it printed."""

    port: int
    said: Path
    phone: str = ""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(port: int, process: subprocess.Popen[Any]) -> None:
    """Until somebody listens."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("the example does not serve")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Served]]:
    """Both examples, side by side, each called once."""
    folder = tmp_path_factory.mktemp("served")
    keys = ("GEMINI_", "GOOGLE_", "SSL_", "TWILIO_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(keys)}
    servers: dict[str, tuple[Served, subprocess.Popen[Any]]] = {}
    try:
        for name in EXAMPLES:
            one = Served(free_port(), folder / f"{name}.out")
            command = [sys.executable, str(ROOT / "examples" / name)]
            with one.said.open("w") as out:
                process = subprocess.Popen(
                    [*command, "--host", "127.0.0.1", "--port", str(one.port)],
                    stdout=out,
                    stderr=subprocess.DEVNULL,
                    cwd=folder,
                    env=environment,
                )
            servers[name] = one, process
        phones = {}
        for name, (one, process) in servers.items():
            wait_for(one.port, process)
            (folder / name).mkdir()
            phones[name] = subprocess.Popen(
                [sys.executable, str(ROOT / "examples/phone.py"), f"ws://127.0.0.1:{one.port}/ws"],
                stdout=subprocess.PIPE,
                text=True,
                cwd=folder / name,
            )
        for name, phone in phones.items():
            servers[name][0].phone = phone.communicate(timeout=LIMIT_S)[0]
            assert (folder / name / "phone.wav").stat().st_size > 100_000
        yield {name: one for name, (one, _) in servers.items()}
    finally:
        for _, process in servers.values():
            process.send_signal(signal.SIGINT)
        for _, process in servers.values():
            try:
                process.wait(20)
            finally:
                process.kill()


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_caller_is_greeted_interrupts_and_is_answered(
    served: dict[str, Served], name: str
) -> None:
    said = served[name].phone
    assert "greeted after" in said
    assert "answered, hanging up" in said
    found = re.search(r"silent (\d+) ms after the caller began, 1 clear", said)
    assert found, said
    assert int(found[1]) < 1500, "the story went on"
    first = served[name].said.read_text()
    assert "GEMINI_API_KEY is not set: talking to the embedded emulator" in first


def test_a_websocket_client_is_told_and_hears(served: dict[str, Served]) -> None:
    """Pipecat's own protocol, as its client libraries speak it: protobuf frames with RTVI."""
    url = f"ws://127.0.0.1:{served['06_existing_bot.py'].port}/ws-client"
    serializer = ProtobufFrameSerializer()
    ready = {"label": "rtvi-ai", "type": "client-ready", "id": "1", "data": {"version": "1.0.0"}}

    async def talk() -> tuple[list[str], int]:
        kinds, sound = [], 0
        async with asyncio.timeout(LIMIT_S), connect(url) as client:
            said = await serializer.serialize(OutputTransportMessageUrgentFrame(message=ready))
            assert said is not None
            await client.send(said)
            quiet = await serializer.serialize(OutputAudioRawFrame(bytes(640), 16_000, 1))
            assert quiet is not None
            async for raw in client:
                await client.send(quiet)
                frame = await serializer.deserialize(raw)
                if isinstance(frame, InputTransportMessageFrame):
                    kinds.append(frame.message["type"])
                elif isinstance(frame, InputAudioRawFrame):
                    sound += frame.num_frames * any(frame.audio)
                if "bot-stopped-speaking" in kinds:
                    break
        return kinds, sound

    kinds, sound = asyncio.run(talk())
    assert {"bot-ready", "bot-started-speaking", "bot-tts-text"} <= set(kinds)
    assert sound > 8000


def test_the_runner_of_pipecats_examples_says_what_it_misses(tmp_path: Path) -> None:
    script = str(ROOT / "scripts" / "run_pipecat_examples.py")
    run = subprocess.run([sys.executable, script, str(tmp_path)], capture_output=True, text=True)
    assert run.returncode == 2
    assert "give a checkout of the pipecat repository" in run.stdout
