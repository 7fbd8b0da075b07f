"""What waits of the microphone's sound: nothing old, and no more than two seconds."""

from __future__ import annotations

import asyncio

from pipeline_live.devices import LocalAudio
from pipeline_live.devices.local_audio import MAX_HEARD_CHUNKS


def silent(said: list[str]) -> LocalAudio:
    return LocalAudio(lambda samples: bytes(2 * samples), echo=False, tell=said.append)


def test_a_listener_gets_what_is_heard_from_then_on() -> None:
    async def listen() -> list[bytes]:
        audio, heard = silent([]), []
        for round_ in (b"1", b"2"):
            audio._heard(b"old")
            chunks = audio.chunks()
            first = asyncio.ensure_future(anext(chunks))
            await asyncio.sleep(0)
            audio._heard(round_)
            heard.append(await first)
            audio._heard(b"not asked for any more")
            await chunks.aclose()
        return heard

    assert asyncio.run(listen()) == [b"1", b"2"]


def test_a_slow_program_loses_the_oldest_and_is_told() -> None:
    said: list[str] = []

    async def listen() -> bytes:
        audio = silent(said)
        chunks = audio.chunks()
        first = asyncio.ensure_future(anext(chunks))
        await asyncio.sleep(0)
        for number in range(MAX_HEARD_CHUNKS + 3):
            audio._heard(b"%d" % number)
        oldest = await first
        await chunks.aclose()
        return oldest

    assert asyncio.run(listen()) == b"3"
    assert said == [
        "the program is too slow: 1 pieces of sound are lost",
        "the program is too slow: 2 pieces of sound are lost",
    ]
