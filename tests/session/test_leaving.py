"""A session that is left, or whose message cannot be sent: whoever waits is told, nothing hangs."""

import asyncio

import pytest
from fakes import Line, audio, run, sent_sound, session_on
from google.genai import types

from pipeline_live.errors import SessionClosed
from pipeline_live.turn.events import StartReply

SOUND = types.Blob(data=b"\x01\x00" * 320, mime_type="audio/pcm;rate=16000")
WAYS = {
    "receive": lambda session: anext(aiter(session.receive())),
    "text": lambda session: session.send_realtime_input(text="hello"),
    "turns": lambda session: session.send_client_content(turns=[], turn_complete=False),
    "sound": lambda session: session.send_realtime_input(audio=SOUND),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_session_that_was_left_says_so(way):
    async def scenario() -> None:
        async with session_on(Line()) as session:
            pass
        with pytest.raises(SessionClosed, match=r"open another one with connect\(\)"):
            await way(session)

    run(scenario())


def test_who_waits_when_the_session_is_left_is_told():
    async def scenario() -> None:
        line = Line()
        line.block = asyncio.Event()  # the network takes nothing
        async with session_on(line) as session:
            ways = ("receive", "text", "turns")
            waiting = [asyncio.ensure_future(WAYS[way](session)) for way in ways]
            await asyncio.sleep(0.01)
            assert not any(task.done() for task in waiting)
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(result) for result in results] == [SessionClosed] * 3

    run(scenario())


@pytest.mark.parametrize("kind", [RuntimeError, ValueError, TypeError])
def test_a_bug_in_a_hand_ends_the_session_for_everybody(kind):
    class Failing:
        def perform(self, action, at_ms):
            if isinstance(action, StartReply):
                raise kind("a bug")

    async def scenario() -> None:
        line = Line()
        async with session_on(line) as session:
            session.call.attach(Failing())
            waiting = asyncio.ensure_future(WAYS["receive"](session))
            line.feed(audio(1))
            for way in (waiting, *(WAYS[way](session) for way in ("text", "sound"))):
                with pytest.raises(kind, match="a bug"):
                    await way

    run(scenario())


BAD = {
    "no picture": {"video": "no such thing"},
    "sound as a picture": {"video": SOUND},
    "a picture as sound": {"audio": {"data": b"\x00", "mime_type": "image/png"}},
    "bytes as sound": {"audio": b"\x00\x00"},
}


@pytest.mark.parametrize("given", BAD.values(), ids=BAD)
def test_what_cannot_be_sent_is_told_to_its_sender_and_the_session_goes_on(given):
    async def scenario() -> None:
        line = Line()
        async with session_on(line) as session:
            with pytest.raises((ValueError, TypeError)):
                await session.send_realtime_input(**given)
            assert line.sent == []
            await session.send_realtime_input(text="hello")
            line.feed(audio(1))
            assert (await anext(aiter(session.receive()))).data

    run(scenario())


def test_sound_given_as_media_is_sound():
    async def scenario() -> bytes:
        line = Line()
        async with session_on(line) as session:
            await session.send_realtime_input(media=SOUND)
            await session.send_realtime_input(media={"data": b"\x02\x00", "mimeType": "audio/pcm"})
            await session.send_client_content(turns=[], turn_complete=False)
        return sent_sound(line)

    assert run(scenario()) == SOUND.data + b"\x02\x00"
