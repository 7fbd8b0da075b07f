"""The explicit stop, by family and floor: what goes up, and that the next turn is answered."""

import asyncio
from typing import Any

import pytest
from fakes import COMPLETE, INTERRUPTED, Line, Reader, audio, run, said, session_on
from google.genai import types

from pipeline_live.session import Call, Certainty
from pipeline_live.session.capabilities import NOTES, STOPS, StopMessage, stop_message, takes_notes
from pipeline_live.turn.events import SpeechEnded, SpeechStarted
from pipeline_live.turn.policy import Floor, TurnPolicy

FAMILIES = (
    "models/gemini-3.8-live",
    "gemini-3.8-live-extended-thinking-preview",
    "gemini-3.1-flash-live-preview",
    "models/gemini-2.5-flash-native-audio-preview-12-2025",
    "google/gemini-live-2.5-flash-native-audio",
    "gemini-9-nobody-knows",
)


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def kinds(line: Line) -> list[str]:
    """What went up, by name."""
    found = []
    for message in line.sent:
        (top,) = message
        found.append(next(iter(message[top]), top) if top == "realtime_input" else top)
    return found


@pytest.mark.parametrize("model", FAMILIES)
@pytest.mark.parametrize("floor", list(Floor))
def test_by_default_only_what_production_uses_goes_up(model, floor):
    expected = StopMessage.ACTIVITY if floor is Floor.LOCAL else StopMessage.NOTHING
    assert stop_message(model, floor) is expected
    assert stop_message(model, floor, Certainty.CERTAIN) is StopMessage.NOTHING


@pytest.mark.parametrize("model", FAMILIES)
def test_activity_never_goes_up_under_automatic_vad(model):
    for least in Certainty:
        assert stop_message(model, Floor.SERVER, least) is not StopMessage.ACTIVITY


def test_what_nobody_measured_goes_up_only_when_asked_for():
    held = {m for m in FAMILIES if stop_message(m, Floor.SERVER, Certainty.CLAIMED) != "nothing"}
    assert held == set(FAMILIES[:2])


def test_every_row_says_where_it_comes_from_and_can_be_reached():
    assert all(row.source for row in STOPS)
    assert {row.floor for row in STOPS} == set(Floor)
    for row in STOPS:
        beginning = row.models[0]
        assert stop_message(f"models/{beginning}", row.floor, Certainty.CLAIMED) is row.message


@pytest.mark.parametrize("model", FAMILIES)
@pytest.mark.parametrize("floor", [Floor.SERVER, Floor.LOCAL])
@pytest.mark.parametrize("certainty", list(Certainty))
def test_after_a_stop_the_reply_is_swallowed_and_the_next_turn_answered(model, floor, certainty):
    async def scenario() -> None:
        line, call = Line(), Call(floor=floor)
        options: dict[str, Any] = {"model": model, "stop_certainty": certainty}
        async with session_on(line, call, **options) as session:
            reader = Reader(session)
            line.feed(audio(1))
            await reader.until(lambda r: r.heard == [1])
            await session.interrupt()
            await settle()
            sent = {
                StopMessage.NOTHING: [],
                StopMessage.ACTIVITY: ["activityStart"],
                StopMessage.HELD_CONTENT: ["client_content"],
            }[stop_message(model, floor, certainty)]
            assert kinds(line) == sent
            line.feed(audio(2), INTERRUPTED if sent else audio(3), COMPLETE)
            await reader.until(lambda r: r.turns == 1)
            if floor is Floor.LOCAL:
                now = call.now_ms()
                call.apply(SpeechStarted(now, now))
                data = types.Blob(data=bytes(640), mime_type="audio/pcm;rate=16000")
                await session.send_realtime_input(audio=data)
                call.apply(SpeechEnded(now))
            else:
                await session.send_realtime_input(text="And now?")
            line.feed(audio(4), COMPLETE)
            await reader.until(lambda r: r.turns == 2)
            assert reader.heard == [1, 4]
            if floor is Floor.LOCAL:
                assert kinds(line) == ["activityStart", "audio", "activityEnd"], "one activity"
            reader.task.cancel()

    run(scenario())


def test_text_after_a_stop_on_the_local_floor_closes_its_activity_first():
    async def scenario() -> None:
        line, call = Line(), Call(floor=Floor.LOCAL)
        async with session_on(line, call) as session:
            reader = Reader(session)
            line.feed(audio(1))
            await reader.until(lambda r: r.heard == [1])
            await session.interrupt()
            await session.send_realtime_input(text="And now?")
            await session.send_client_content(turns=[], turn_complete=True)
            await settle()
            assert kinds(line) == ["activityStart", "activityEnd", "text", "client_content"]
            reader.task.cancel()

    run(scenario())


def test_a_users_turn_goes_on_over_a_new_connection():
    async def scenario() -> None:
        call, first, second = Call(floor=Floor.LOCAL), Line(), Line()
        async with session_on(first, call):
            now = call.now_ms()
            call.apply(SpeechStarted(now, now))
            await settle()
        async with session_on(second, call) as session:
            data = types.Blob(data=bytes(640), mime_type="audio/pcm;rate=16000")
            await session.send_realtime_input(audio=data)
            call.apply(SpeechEnded(call.now_ms()))
            await settle()
        assert kinds(first) == ["activityStart"]
        assert kinds(second) == ["activityStart", "audio", "activityEnd"]

    run(scenario())


def test_a_stop_on_a_line_that_just_broke_is_still_a_stop():
    async def scenario() -> None:
        line, call = Line(), Call(floor=Floor.LOCAL)
        async with session_on(line, call) as session:
            reader = Reader(session)
            line.feed(audio(1))
            await reader.until(lambda r: r.heard == [1])
            line.end()
            data = types.Blob(data=bytes(640), mime_type="audio/pcm;rate=16000")
            session._uplink.post_sound(data)
            await settle()
            assert session._uplink.broken
            await session.interrupt()
            reader.task.cancel()

    run(scenario())


@pytest.mark.parametrize("model", FAMILIES)
@pytest.mark.parametrize("floor", [Floor.SERVER, Floor.LOCAL])
def test_what_was_heard_is_told_where_the_family_takes_it(model, floor):
    async def scenario() -> None:
        line = Line()
        call = Call(floor=floor, policy=TurnPolicy(tell_heard=True))
        async with session_on(line, call, model=model, stop_certainty=Certainty.CERTAIN) as session:
            reader = Reader(session)
            line.feed(said("Never heard. "), audio(1))
            await reader.until(lambda r: r.heard == [1])
            await session.interrupt()
            line.feed(INTERRUPTED, COMPLETE)
            await reader.until(lambda r: r.turns == 1)
            await settle()
            takes = floor is Floor.SERVER and "3.8" in model
            assert takes_notes(model, floor) is takes
            assert kinds(line) == (["client_content"] if takes else [])
            if takes:
                (sent,) = (message["client_content"] for message in line.sent)
                assert not sent.get("turn_complete", sent.get("turnComplete"))
                assert "heard nothing" in str(sent["turns"])
            reader.task.cancel()

    run(scenario())


def test_every_row_about_notes_says_where_it_comes_from():
    assert all(row.source for row in NOTES)
    assert {row.floor for row in NOTES} == set(Floor)
