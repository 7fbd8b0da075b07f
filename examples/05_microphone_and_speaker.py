"""A spoken conversation by microphone and loudspeaker with plain google-genai, without Pipecat.

Shows: a reply, held at the first sound of a user; it goes on if that was a cough and ends if it was
not. Echo is cancelled. Arguments: how many seconds, which microphone, which loudspeaker.
Needs: the extra `local`, a microphone, a loudspeaker; without them it is silent. Without
GEMINI_API_KEY it talks to the embedded emulator.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

from google import genai
from google.genai import types
from support import CONFIG, MODEL, content, gemini_or_emulator

from pipeline_live import LiveClient
from pipeline_live.devices import LocalAudio
from pipeline_live.session import LiveSession, Player
from pipeline_live.turn.events import Action, HoldPlayout, ReportInterruption, ResumePlayout


class Teller:
    """A hand of the call, as the player is."""

    def perform(self, action: Action, at_ms: int) -> None:
        """Tell some of what is to be done."""
        if isinstance(action, HoldPlayout | ResumePlayout | ReportInterruption):
            print(f"{at_ms / 1000:6.2f} s", action)


async def listen(audio: LocalAudio, session: LiveSession) -> None:
    async for pcm in audio.chunks():
        await session.send_realtime_input(audio=types.Blob(data=pcm, mime_type="audio/pcm"))


async def speak(player: Player, session: LiveSession) -> None:
    while True:
        async for message in session.receive():
            await player.play(message.data, session.current_reply)


async def main(seconds: str = "600", mic: str | None = None, out: str | None = None) -> None:
    async with LiveClient(genai.Client()).aio.live.connect(model=MODEL, config=CONFIG) as session:
        session.call.attach(Teller())
        player = Player(session.call, latency_ms=40)  # the device's buffer
        async with LocalAudio(player.pull, microphone=mic, loudspeaker=out, tell=print) as audio:
            await session.send_client_content(turns=content("Tell me a long story."))
            both = asyncio.gather(listen(audio, session), speak(player, session))
            await asyncio.wait_for(both, float(seconds))


with (
    gemini_or_emulator("Once upon a time there was a harbour and a ship. " * 5),
    suppress(TimeoutError),
):
    asyncio.run(main(*sys.argv[1:]))
