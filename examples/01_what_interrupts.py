"""What interrupts a reply under automatic VAD: new input, and nothing else.

Shows: three attempts, each on a reply in progress, with plain google-genai: the user speaks, the
program sends text, the program sends activityStart; and how much sound then waits to be played.
Needs: nothing; talks to Gemini when GEMINI_API_KEY is set, otherwise to the embedded emulator.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial

from google import genai
from google.genai import errors, types
from support import CONFIG, MODEL, Session, content, gemini_or_emulator, talk, voice

STORY = "Once upon a time there was a harbour, and in it lay an old ship that nobody owned. " * 3


async def text(session: Session) -> None:
    await session.send_realtime_input(text="Stop, please.")


async def activity_start(session: Session) -> None:
    await session.send_realtime_input(activity_start=types.ActivityStart())


async def attempt(what: str, disturb: Callable[[Session], Coroutine[None, None, None]]) -> None:
    now = asyncio.get_running_loop().time
    received = begun = disturbed = 0.0
    connection = genai.Client().aio.live.connect(model=MODEL, config=CONFIG)
    async with connection as session, asyncio.TaskGroup() as tasks:
        await session.send_client_content(turns=content("Tell me a long story."))
        try:
            async for message in session.receive():
                received += len(message.data or b"") / 48_000
                begun = begun or (now() if received else 0.0)
                if begun and not disturbed and now() - begun > 1.5:
                    disturbed = now()
                    tasks.create_task(disturb(session))
                if message.server_content and message.server_content.interrupted:
                    after_ms, unheard = 1000 * (now() - disturbed), received - (now() - begun)
                    print(f"{what}: interrupted after {after_ms:.0f} ms;", end=" ")
                    print(f"{unheard:.1f} s of sound wait in the program: throw them away")
        except errors.APIError as error:
            print(f"{what}: the server closed the connection: {error.code} {error.details}")


async def main() -> None:
    await attempt("speech", partial(talk, pcm=voice("Sorry, stop for a moment.")))
    await attempt("text", text)
    await attempt("activity_start", activity_start)


with gemini_or_emulator(STORY):
    asyncio.run(main())
