"""The session over a line that the test holds: what comes out of receive(), and what goes up."""

import asyncio
import contextlib

import pytest
from fakes import (
    COMPLETE,
    GENERATED,
    INTERRUPTED,
    Line,
    Reader,
    audio,
    content,
    merged,
    run,
    said,
    sent_sound,
    session_on,
    sounds,
)
from google.genai import errors, live, types
from virtual_time import run_virtual

from pipeline_live.errors import SessionBusy, UsageError
from pipeline_live.session import Call, LiveSession
from pipeline_live.session.call import PLAYOUT_FIRST_MS
from pipeline_live.session.live_session import MAX_INBOX
from pipeline_live.turn.events import SpeechEnded, SpeechStarted
from pipeline_live.turn.policy import Floor


async def settle() -> None:
    """Let every ready task run."""
    for _ in range(20):
        await asyncio.sleep(0)


def play(*steps: object) -> list[int]:
    """Feed messages (dicts) and calls (callables on the session); return the audio heard."""

    async def scenario() -> list[int]:
        line = Line()
        async with session_on(line) as session:
            reader = Reader(session)
            for step in steps:
                if callable(step):
                    step(session)
                else:
                    line.feed(step)
                await settle()
            line.end()
            with contextlib.suppress(errors.APIError):
                await reader.task
            return reader.heard

    return run(scenario())


def stop(session):
    session.interrupt()


def speak(session):
    now = session.call.now_ms()
    session.call.apply(SpeechStarted(now, now))


def test_a_stalled_loop_does_not_open_the_gate_before_the_line_is_read():
    async def scenario():
        loop = asyncio.get_running_loop()
        line = Line()
        async with session_on(line) as session:
            reader = Reader(session)
            line.feed(audio(1), INTERRUPTED)
            await reader.until(lambda r: r.heard == [1])
            await settle()
            for _ in range(5):  # a chunk every 300 ms, and a loop that stands still meanwhile
                loop.now += 0.3
                line.feed(audio(2))
            await asyncio.sleep(0.1)
            line.feed(COMPLETE, audio(3), COMPLETE)
            await reader.until(lambda r: r.turns == 2)
            assert reader.heard == [1, 3]
            reader.task.cancel()

    run_virtual(scenario())


def test_the_gate_opens_when_nothing_more_comes():
    async def scenario():
        line = Line()
        async with session_on(line) as session:
            reader = Reader(session)
            line.feed(audio(1), INTERRUPTED)
            await reader.until(lambda r: r.heard == [1])
            await asyncio.sleep(0.48)  # virtual
            line.feed(audio(2))
            await reader.until(lambda r: r.heard == [1, 2])
            reader.task.cancel()

    run_virtual(scenario())


def test_sound_goes_up_after_the_playout_and_text_goes_on_at_once():
    async def scenario():
        loop = asyncio.get_running_loop()
        line = Line()
        async with session_on(line) as session:
            session.call.put_playout_first()
            begin_s = loop.time()
            await session.send_realtime_input(text="hello")
            assert loop.time() == begin_s
            blob = types.Blob(data=b"\x01\x00" * 320, mime_type="audio/pcm;rate=16000")
            await session.send_realtime_input(audio=blob)
            await session.send_client_content(turns=[], turn_complete=False)
            assert round((loop.time() - begin_s) * 1000) == PLAYOUT_FIRST_MS
            assert sent_sound(line) == blob.data

    run_virtual(scenario())


@pytest.mark.parametrize(
    ("steps", "heard"),
    [
        pytest.param([audio(1), audio(2), GENERATED, COMPLETE], [1, 2], id="a quiet reply"),
        pytest.param([audio(1, 2, 3), COMPLETE], [1, 2, 3], id="every part"),
        pytest.param([audio(1), INTERRUPTED, audio(2), COMPLETE], [1], id="late after interrupted"),
        pytest.param([audio(1), merged(INTERRUPTED, audio(2)), COMPLETE], [1], id="bundled"),
        pytest.param(
            [audio(1), merged(INTERRUPTED, audio(2, 3, 4)), audio(5, 6), COMPLETE],
            [1],
            id="bundled and late, several parts",
        ),
        pytest.param([audio(1), stop, audio(2), audio(3), COMPLETE], [1], id="stop"),
        pytest.param([audio(1), speak, audio(2), audio(3), COMPLETE], [1], id="local speech"),
        pytest.param(
            [audio(1), stop, audio(2), INTERRUPTED, audio(3), COMPLETE, audio(4), COMPLETE],
            [1, 4],
            id="stop, then the server's own interruption",
        ),
        pytest.param(
            [audio(1), stop, audio(2), GENERATED, COMPLETE, audio(3), audio(4), COMPLETE],
            [1, 3, 4],
            id="the next reply comes through from its first sample",
        ),
        pytest.param(
            [audio(1), INTERRUPTED, COMPLETE, audio(2), COMPLETE, audio(3), COMPLETE],
            [1, 2, 3],
            id="two replies after an interruption",
        ),
        pytest.param(
            [audio(1), GENERATED, COMPLETE, stop, audio(2), COMPLETE],
            [1, 2],
            id="a stop after the turn only ends what is still being played",
        ),
        pytest.param([audio(1), stop, stop, audio(2), COMPLETE, audio(3)], [1, 3], id="two stops"),
        pytest.param([stop, audio(1), COMPLETE], [1], id="a stop with nothing to stop"),
        pytest.param(
            [audio(1), stop, merged(audio(2), COMPLETE), merged(audio(3), COMPLETE)],
            [1, 3],
            id="the boundary bundled with dead audio",
        ),
        pytest.param(
            [
                audio(1),
                stop,
                audio(2),
                content(turnComplete=True, interactionStatus="IN_PROGRESS"),
                audio(3),
                content(turnComplete=True, interactionStatus="IDLE"),
                audio(4),
            ],
            [1, 4],
            id="an extended-thinking turn ends when the server is idle",
        ),
    ],
)
def test_what_is_heard(steps, heard):
    assert play(*steps) == heard


def test_queued_audio_of_an_interrupted_reply_never_reaches_a_slow_receiver():
    async def scenario():
        line = Line()
        async with session_on(line) as session:
            line.feed(audio(1), audio(2), audio(3))
            await settle()
            first = await anext(aiter(session.receive()))
            session.interrupt()
            line.feed(audio(4), COMPLETE, audio(5), COMPLETE)
            await settle()
            turns = [[m async for m in session.receive()] for _ in range(2)]
            assert sounds(first) == [1]
            flat = [[(sounds(m), bool(m.server_content.interrupted)) for m in t] for t in turns]
            assert flat == [[([], True), ([], False)], [([5], False), ([], False)]]

    run(scenario())


def test_an_interrupted_reply_says_so_once_and_ends_once():
    async def scenario():
        line = Line()
        async with session_on(line) as session:
            reader = Reader(session)
            line.feed(audio(1))
            await reader.until(lambda r: r.heard == [1])
            await session.interrupt()
            line.feed(audio(2), INTERRUPTED, said("late"), COMPLETE, audio(3), GENERATED, COMPLETE)
            await reader.until(lambda r: r.turns == 2)
            contents = [m.server_content for m in reader.messages]
            assert sum(bool(c.interrupted) for c in contents) == 1
            assert sum(bool(c.turn_complete) for c in contents) == 2
            assert not any(c.output_transcription for c in contents)
            assert [m.usage_metadata.total_token_count for m in reader.messages if m.usage_metadata]
            reader.task.cancel()

    run(scenario())


def test_receive_ends_with_the_turn_as_in_google_genai():
    async def scenario():
        line = Line()
        async with session_on(line) as session:
            line.feed(audio(1), COMPLETE, audio(2), COMPLETE)
            turns = [[v async for m in session.receive() for v in sounds(m)] for _ in range(2)]
            assert turns == [[1], [2]]

    run(scenario())


@pytest.mark.parametrize(
    "stray",
    [
        {"interactionStatus": "IDLE"},
        {"error": {"code": 500}},
        {"neverHeardOf": {"x": 1}},
        {"code": 400, "message": "bad"},
        "{broken",
        {},
        "null",
        "[]",
        COMPLETE,
        content(turnComplete=True),
    ],
    ids=str,
)
def test_a_stray_message_never_ends_receive(stray):
    async def scenario():
        line = Line()
        async with session_on(line) as session:
            line.feed(stray, audio(1), stray, audio(2), GENERATED, COMPLETE)
            if isinstance(stray, dict) and "serverContent" in stray:
                line.feed(audio(3), COMPLETE)  # here the stray one ended the reply early
            heard = [v async for m in session.receive() for v in sounds(m)]
            assert heard[:1] == [1]

    run(scenario())


def test_an_interruption_is_seen_while_the_program_is_busy():
    async def scenario():
        line = Line()
        async with session_on(line) as session:
            line.feed(*[audio(1)] * 50, INTERRUPTED, COMPLETE)
            while session.call.timeline.counts["TurnCompleted"] == 0:
                await asyncio.sleep(0)
            heard = [v async for m in session.receive() for v in sounds(m)]
            assert heard == []

    run(scenario())


def test_a_receiver_that_waits_gets_what_came_before_the_interruption_even_in_a_burst():
    async def scenario():
        line = Line()
        async with session_on(line) as session:
            reader = Reader(session)
            await settle()
            line.feed(audio(1), audio(2), INTERRUPTED, audio(3), COMPLETE, audio(4), COMPLETE)
            await reader.until(lambda r: r.turns == 2)
            assert reader.heard == [1, 2, 4]
            reader.task.cancel()

    run(scenario())


def test_the_inbox_is_bounded_by_not_reading_on():
    async def scenario():
        line = Line()
        async with session_on(line) as session:
            line.feed(*[audio(1, samples=1)] * (MAX_INBOX + 50), COMPLETE)
            while len(session._inbox) < MAX_INBOX:
                await asyncio.sleep(0)
            await settle()
            assert len(session._inbox) == MAX_INBOX
            heard = [v async for m in session.receive() for v in sounds(m)]
            assert len(heard) == MAX_INBOX + 50

    run(scenario())


def test_breaking_out_of_receive_loses_nothing():
    async def scenario():
        line = Line()
        async with session_on(line) as session:
            line.feed(audio(1), audio(2), COMPLETE)
            async for message in session.receive():
                assert sounds(message) == [1]
                break
            assert [v async for m in session.receive() for v in sounds(m)] == [2]

    run(scenario())


def test_two_receivers_are_told_off():
    async def scenario():
        async with session_on(Line()) as session:
            first = asyncio.create_task(anext(aiter(session.receive())))
            await settle()
            with pytest.raises(SessionBusy):
                await anext(aiter(session.receive()))
            first.cancel()

    run(scenario())


def test_the_end_of_the_line_is_an_api_error_every_time():
    async def scenario():
        line = Line()
        async with session_on(line) as session:
            line.feed(audio(1))
            line.end(1011, "Internal error encountered.")
            assert sounds(await anext(aiter(session.receive()))) == [1]
            await anext(aiter(session.receive()))  # the cut reply is ended
            for _ in range(2):
                with pytest.raises(errors.APIError) as caught:
                    await anext(aiter(session.receive()))
                assert caught.value.code == 1011

    run(scenario())


def test_sound_is_sent_without_waiting_for_the_network():
    async def scenario():
        line = Line()
        line.block = asyncio.Event()
        async with session_on(line) as session:
            blob = types.Blob(data=bytes(640), mime_type="audio/pcm;rate=16000")
            for _ in range(1100):
                await session.send_realtime_input(audio=blob)
            await settle()
            assert line.sent == []
            assert session.call.timeline.counts["ReportAnomaly"] > 0
            line.block.set()
            while len(sent_sound(line)) < 1000 * len(blob.data):
                await asyncio.sleep(0)

    run(scenario())


def test_what_goes_up_keeps_its_order():
    async def scenario():
        line = Line()
        async with session_on(line) as session:
            blob = {"data": bytes(640), "mime_type": "audio/pcm;rate=16000"}
            await session.send_realtime_input(audio=blob)
            await session.send_client_content(turns={"parts": [{"text": "hi"}], "role": "user"})
            await session.send_realtime_input(text="there")
            await session.send_tool_response(
                function_responses={"id": "1", "name": "f", "response": {}}
            )
            assert [next(iter(m)) for m in line.sent] == [
                "realtime_input",
                "client_content",
                "realtime_input",
                "tool_response",
            ]

    run(scenario())


def test_activities_under_automatic_vad_are_refused_here_instead_of_closing_the_line():
    async def scenario():
        line = Line()
        async with session_on(line) as session:
            with pytest.raises(UsageError, match="automatic activity detection"):
                await session.send_realtime_input(activity_start={})
            with pytest.raises(ValueError, match="exactly one"):
                await session.send_realtime_input(text="a", audio_stream_end=True)
            assert line.sent == []

    run(scenario())


def test_local_floor_sends_activity_pre_roll_and_live_sound_in_order():
    async def scenario():
        line = Line()
        call = Call(floor=Floor.LOCAL)
        async with session_on(line, call) as session:

            async def sound(value: int) -> None:
                data = value.to_bytes(2, "little") * 320  # 20 ms
                blob = types.Blob(data=data, mime_type="audio/pcm;rate=16000")
                await session.send_realtime_input(audio=blob)

            for value in range(50):  # one second before the turn
                await sound(value)
            assert line.sent == []
            now = call.now_ms()
            call.apply(SpeechStarted(now, now - 100))
            await sound(50)
            call.apply(SpeechEnded(call.now_ms()))
            await sound(51)
            await settle()
            kinds = [next(iter(m["realtime_input"])) for m in line.sent]
            assert kinds == ["activityStart", *["audio"] * (len(kinds) - 2), "activityEnd"]
            # 100 ms of speech and 500 ms before it, then what follows.
            spoken = [value.to_bytes(2, "little") * 320 for value in range(20, 51)]
            assert sent_sound(line) == b"".join(spoken)

    run(scenario())


def test_program_floor_hands_activities_on_and_interrupts():
    async def scenario():
        line = Line()
        async with session_on(line, Call(floor=Floor.PROGRAM)) as session:
            reader = Reader(session)
            line.feed(audio(1))
            await reader.until(lambda r: r.heard == [1])
            await session.send_realtime_input(activity_start=types.ActivityStart())
            line.feed(audio(2), INTERRUPTED, COMPLETE)
            await session.send_realtime_input(activity_end=types.ActivityEnd())
            line.feed(audio(3), COMPLETE)
            await reader.until(lambda r: r.turns == 2)
            assert reader.heard == [1, 3]
            assert [next(iter(m["realtime_input"])) for m in line.sent] == [
                "activityStart",
                "activityEnd",
            ]
            reader.task.cancel()

    run(scenario())


def test_every_public_name_of_the_sdks_session_is_here():
    theirs = {name for name in dir(live.AsyncSession) if not name.startswith("_")}
    assert theirs <= set(dir(LiveSession))


def test_start_stream_sends_and_yields_until_the_stream_ends():
    async def scenario():
        line = Line()
        go_on = asyncio.Event()

        async def stream():
            yield bytes(640)
            await go_on.wait()
            yield bytes(640)

        async with session_on(line) as session:
            line.feed(audio(1), COMPLETE, audio(2))
            heard = []
            async for message in session.start_stream(
                stream=stream(), mime_type="audio/pcm;rate=16000"
            ):
                heard += sounds(message)
                if heard == [1, 2]:
                    go_on.set()
            assert heard == [1, 2]
            await settle()
            assert len(line.sent) == 2

    run(scenario())
