"""What the examples share: whom they talk to, a voice for the user, a microphone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Iterator

from google.genai import types
from google.genai.live import AsyncSession
from loguru import logger

from pipeline_live.audio import INPUT_RATE, OUTPUT_RATE, chunks, resample, silence
from pipeline_live.emulator import Emulator, Script, synthesize
from pipeline_live.session import LiveSession

MODEL = "gemini-3.8-live"
CONFIG = types.LiveConnectConfig(
    response_modalities=[types.Modality.AUDIO],
    output_audio_transcription=types.AudioTranscriptionConfig(),
)
Session = AsyncSession | LiveSession


@contextlib.contextmanager
def gemini_or_emulator(*replies: str) -> Iterator[None]:
    """Lead google-genai to Gemini when GEMINI_API_KEY is set, otherwise to an emulator."""
    logger.remove()
    logger.add(sys.stderr, level="WARNING")  # Pipecat tells much
    if os.environ.get("GEMINI_API_KEY"):
        print(f"talking to Gemini ({MODEL})", flush=True)
        yield
        return
    print("GEMINI_API_KEY is not set: talking to the embedded emulator", flush=True)
    with Emulator(Script(replies)) as emulator:
        os.environ["GEMINI_API_KEY"] = "any"
        os.environ["GOOGLE_GEMINI_BASE_URL"] = emulator.base_url
        os.environ["SSL_CERT_FILE"] = emulator.ca_file
        yield


def content(words: str) -> types.Content:
    """A user turn in writing."""
    return types.Content(role="user", parts=[types.Part(text=words)])


def voice(words: str) -> bytes:
    """What a user who says ``words`` sounds like: mono s16le at 16 kHz, a little silence after."""
    pcm = resample(synthesize(words, "low").pcm, OUTPUT_RATE, INPUT_RATE)
    return pcm + silence(300, INPUT_RATE)


async def talk(session: Session, pcm: bytes) -> None:
    """Send ``pcm`` as a microphone does: 20 ms of sound every 20 ms."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    for chunk in chunks(pcm, 640):
        await session.send_realtime_input(
            audio=types.Blob(data=chunk, mime_type=f"audio/pcm;rate={INPUT_RATE}")
        )
        due += 0.02
        await asyncio.sleep(due - loop.time())


async def until(condition: Callable[[], bool]) -> None:
    """Wait until ``condition`` holds, at most 30 s."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - an example may look again and again
            await asyncio.sleep(0.02)


def run_server() -> None:
    """Serve the calling script's ``bot()`` with Pipecat's runner; see ``--help``."""
    from pipecat.runner.run import main

    # Pipecat asks for them before it takes a call; with these, hanging up at Twilio fails.
    os.environ.setdefault("TWILIO_ACCOUNT_SID", "none")
    os.environ.setdefault("TWILIO_AUTH_TOKEN", "none")
    story = "Once upon a time there was a harbour, and in it lay an old ship that nobody owned. "
    with gemini_or_emulator("Hello, this is the harbour.", story * 3, "Of course. I am listening."):
        main()
