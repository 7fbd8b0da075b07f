"""How to stop a reply without new audio: no message does it, interrupt() does.

Shows: interrupt() in the middle of a reply; what is received of it afterwards (nothing), what was
heard of it, and that the next reply comes through whole.
Needs: nothing; talks to Gemini when GEMINI_API_KEY is set, otherwise to the embedded emulator.
"""

from __future__ import annotations

import asyncio

from google import genai
from support import CONFIG, MODEL, content, gemini_or_emulator, until

from pipeline_live import LiveClient
from pipeline_live.session import LiveSession

STORY = "Once upon a time there was a harbour, and in it lay an old ship that nobody owned. " * 6


async def listen(session: LiveSession, sound: list[int]) -> None:
    """Receive for ever; ``sound`` gets the samples of every turn, the last one still growing."""
    while True:
        sound.append(0)
        async for message in session.receive():
            sound[-1] += len(message.data or b"") // 2
            if message.server_content and message.server_content.interrupted:
                print("received: interrupted")


async def main() -> None:
    sound: list[int] = []
    client = LiveClient(genai.Client())
    async with client.aio.live.connect(model=MODEL, config=CONFIG) as session:
        listening = asyncio.create_task(listen(session, sound))
        await session.send_client_content(turns=content("Tell me a long story."))
        await until(lambda: sum(sound) > 0)
        await asyncio.sleep(2)  # the user listens
        before = sound[0]
        await session.interrupt()
        await asyncio.sleep(2)  # the server was told nothing, so it goes on sending
        print(f"samples received before interrupt(): {before}, after it: {sound[0] - before}")
        if reply := session.call.machine.reply:
            ledger = session.call.ledger
            print(f"heard: {ledger.heard_ms(reply)} ms, {ledger.heard_text(reply)!r}")
        await session.send_realtime_input(text="Thank you.")
        await until(lambda: len(sound) == 3)
        print(f"samples of the next reply: {sound[1]}")
        listening.cancel()


with gemini_or_emulator(STORY, "You are welcome. Good bye!"):
    asyncio.run(main())
