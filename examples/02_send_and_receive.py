"""Why sending and receiving must run at the same time.

Shows: the user interrupts a reply; when the program learns of it if it sends first and receives
afterwards, and if two tasks do that; and what a LiveSession, which reads all the time, leaves to
be read late.
Needs: nothing; talks to Gemini when GEMINI_API_KEY is set, otherwise to the embedded emulator.
"""

from __future__ import annotations

import asyncio

from google import genai
from support import CONFIG, MODEL, Session, content, gemini_or_emulator, talk, voice

from pipeline_live import LiveClient

STORY = "Once upon a time there was a harbour, and in it lay an old ship that nobody owned. " * 3


async def first_sound(session: Session) -> None:
    await session.send_client_content(turns=content("Tell me a long story."))
    async for message in session.receive():
        if message.data:
            return  # leaving the loop stops neither the server nor loses a message


async def until_interrupted(session: Session) -> float:
    """Receive until the server's `interrupted`; return the seconds of sound read on the way."""
    read = 0.0
    async for message in session.receive():
        read += len(message.data or b"") / 48_000
        if message.server_content and message.server_content.interrupted:
            break
    return read


async def attempt(what: str, client: genai.Client | LiveClient, *, together: bool) -> None:
    now, words = asyncio.get_running_loop().time, voice("Sorry, please stop for a moment.")
    async with client.aio.live.connect(model=MODEL, config=CONFIG) as session:
        await first_sound(session)
        begun = now()
        talking = asyncio.create_task(talk(session, words))
        if not together:
            await talking
        read = await until_interrupted(session)
        print(f"{what}: learned of it {now() - begun:.2f} s after the user's first word,", end=" ")
        print(f"having read {read:.1f} s of the interrupted reply's sound")
        await talking


async def main() -> None:
    await attempt("google-genai, send then receive", genai.Client(), together=False)
    await attempt("google-genai, two tasks", genai.Client(), together=True)
    await attempt("LiveClient, send then receive", LiveClient(genai.Client()), together=False)


with gemini_or_emulator(STORY):
    asyncio.run(main())
