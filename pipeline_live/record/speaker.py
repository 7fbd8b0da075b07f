"""A client that speaks WAV files to a server, one turn each, as a microphone would."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import ssl
from collections.abc import Sequence
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from pipeline_live.audio import INPUT_RATE, bytes_of, chunks, ms_to_samples, silence
from pipeline_live.emulator.pointers import PATH

CHUNK_MS = 20
_CHUNK = bytes_of(ms_to_samples(CHUNK_MS, INPUT_RATE))
_MESSAGE_BYTES = 16 * 2**20


async def speak(
    base_url: str,
    context: ssl.SSLContext,
    sounds: Sequence[bytes],
    *,
    model: str,
    patience_ms: int = 30_000,
) -> bool:
    """Hold a conversation: speak each sound, and wait for the answer before the next.

    The microphone stays open all the time; between the sounds it sends silence.

    Args:
        base_url: ``https`` URL of the server.
        context: TLS settings.
        sounds: Mono s16le at 16 kHz.
        model: Model id.
        patience_ms: How long to wait for the end of each answer.

    Returns:
        Whether every sound was answered.
    """
    url = base_url.replace("https", "wss", 1) + PATH
    async with connect(url, ssl=context, max_size=_MESSAGE_BYTES, ping_interval=None) as socket:
        await socket.send(json.dumps({"setup": _setup(model)}))
        answers: asyncio.Queue[None] = asyncio.Queue(len(sounds) + 1)
        reader = asyncio.create_task(_read(socket, answers))
        try:
            for sound in sounds:
                if not await _turn(socket, sound, answers, reader, patience_ms):
                    return False
            return True
        except ConnectionClosed:
            return False
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)


def _setup(model: str) -> dict[str, Any]:
    return {
        "model": f"models/{model}",
        "generationConfig": {"responseModalities": ["AUDIO"]},
        "realtimeInputConfig": {"automaticActivityDetection": {"disabled": False}},
        "inputAudioTranscription": {},
        "outputAudioTranscription": {},
    }


async def _turn(
    socket: ClientConnection,
    sound: bytes,
    answers: asyncio.Queue[None],
    reader: asyncio.Task[None],
    patience_ms: int,
) -> bool:
    """Speak one sound in real time, then silence until it was answered."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    quiet = silence(CHUNK_MS, INPUT_RATE)
    for chunk in [*chunks(sound, _CHUNK), *(quiet for _ in range(patience_ms // CHUNK_MS))]:
        blob = {
            "mimeType": f"audio/pcm;rate={INPUT_RATE}",
            "data": base64.b64encode(chunk).decode(),
        }
        await socket.send(json.dumps({"realtimeInput": {"audio": blob}}))
        due += CHUNK_MS / 1000
        await asyncio.sleep(due - loop.time())
        if reader.done():
            return False
        if not answers.empty():
            answers.get_nowait()
            return True
    return False


async def _read(socket: ClientConnection, answers: asyncio.Queue[None]) -> None:
    """Note each turnComplete that came with sound before it."""
    heard = False
    with contextlib.suppress(ConnectionClosed):
        async for frame in socket:
            content = json.loads(frame).get("serverContent") or {}
            heard = heard or "modelTurn" in content
            if content.get("turnComplete") and heard:
                heard = False
                with contextlib.suppress(asyncio.QueueFull):
                    answers.put_nowait(None)
