"""On the wire and towards the receiver: text over a reply, a Stop before an answer, a shield."""

import asyncio
from typing import Any

import pytest
from fakes import (
    COMPLETE,
    GENERATED,
    INTERRUPTED,
    Line,
    Reader,
    audio,
    content,
    run,
    sent_sound,
    session_on,
)
from google.genai import types
from test_stop import FAMILIES, kinds, settle

from pipeline_live.errors import UsageError
from pipeline_live.session import Call, EarsPolicy
from pipeline_live.turn import Floor, Phantom, TurnPolicy
from pipeline_live.turn.events import SpeechEnded, SpeechStarted
from pipeline_live.turn.tables import Answer, User
from pipeline_live.vad import Window

SOUND = b"\x11\x11" * 320


async def write(session: Any, how: str) -> None:
    if how == "text":
        await session.send_realtime_input(text="And now?")
    elif how == "clientContent":
        turn = types.Content(role="user", parts=[types.Part(text="And now?")])
        await session.send_client_content(turns=turn)
    else:
        await session.send(input="And now?", end_of_turn=True)


@pytest.mark.parametrize("floor", list(Floor))
@pytest.mark.parametrize("how", ["text", "clientContent", "send"])
@pytest.mark.parametrize("confirmed", [True, False], ids=["interrupted", "goes on to its end"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_text_silences_the_reply_before_it_is_sent_and_is_answered_whole(floor, how, confirmed):
    async def scenario() -> None:
        line = Line()
        async with session_on(line, Call(floor=floor)) as session:
            reader = Reader(session)
            line.feed(audio(1))
            await reader.until(lambda r: r.heard == [1])
            line.block = asyncio.Event()  # the network is slow
            writing = asyncio.create_task(write(session, how))
            await settle()
            assert session.call.machine.reply.dead
            await reader.until(lambda r: r.messages[-1].server_content.interrupted)
            line.block.set()
            await writing
            line.feed(audio(2), audio(3), INTERRUPTED if confirmed else GENERATED, COMPLETE)
            await reader.until(lambda r: r.turns == 1)
            line.feed(audio(4), audio(5), GENERATED, COMPLETE)
            await reader.until(lambda r: r.turns == 2)
            assert reader.heard == [1, 4, 5]
            reader.task.cancel()

    run(scenario())


@pytest.mark.parametrize("harmless", ["blank", "history", "a turn that goes on", "a tool's result"])
def test_what_is_no_question_lets_the_reply_go_on(harmless):
    async def scenario() -> None:
        line = Line()
        async with session_on(line) as session:
            reader = Reader(session)
            line.feed(audio(1))
            await reader.until(lambda r: r.heard == [1])
            if harmless == "blank":
                await session.send_realtime_input(text=" ")
            elif harmless == "history":
                await session.send_client_content(turns=[], interrupts=False)
            elif harmless == "a turn that goes on":
                await session.send_client_content(turns=[], turn_complete=False)
            else:
                result = types.FunctionResponse(id="1", name="f", response={})
                await session.send_tool_response(function_responses=result)
            line.feed(audio(2), GENERATED, COMPLETE)
            await reader.until(lambda r: r.turns == 1)
            assert reader.heard == [1, 2]
            reader.task.cancel()

    run(scenario())


async def ask(session: Any, call: Call, how: str) -> None:
    if how == "text":
        await session.send_realtime_input(text="Well?")
        return
    now = call.now_ms()
    call.apply(SpeechStarted(now, now))
    await session.send_realtime_input(audio=types.Blob(data=SOUND, mime_type="audio/pcm"))
    call.apply(SpeechEnded(call.now_ms()))
    await settle()


@pytest.mark.parametrize("model", FAMILIES)
@pytest.mark.parametrize("floor", [Floor.SERVER, Floor.LOCAL])
@pytest.mark.parametrize("how", ["text", "speech"])
def test_a_stop_before_the_answer_drops_that_answer_and_no_other(model, floor, how):
    async def scenario() -> None:
        line, call = Line(), Call(floor=floor)
        async with session_on(line, call, model=model) as session:
            reader = Reader(session)
            await ask(session, call, how)
            await session.interrupt()
            line.feed(audio(1), audio(2), GENERATED, COMPLETE)
            await reader.until(lambda r: r.turns == 1)
            await ask(session, call, how)
            line.feed(audio(3), GENERATED, COMPLETE)
            await reader.until(lambda r: r.turns == 2)
            assert reader.heard == [3]
            starts = [kind for kind in kinds(line) if kind == "activityStart"]
            ends = [kind for kind in kinds(line) if kind == "activityEnd"]
            assert len(starts) == len(ends), "no activity is left open"
            assert starts or floor is Floor.SERVER
            reader.task.cancel()

    run(scenario())


@pytest.mark.parametrize("how", ["text", "speech"])
def test_a_question_after_the_stop_is_answered_though_the_first_never_was(how):
    async def scenario() -> None:
        line, call = Line(), Call()
        async with session_on(line, call) as session:
            reader = Reader(session)
            await ask(session, call, "text")
            await session.interrupt()
            await ask(session, call, how)
            line.feed(audio(3), GENERATED, COMPLETE)
            await reader.until(lambda r: r.turns == 1)
            assert reader.heard == [3]
            reader.task.cancel()

    run(scenario())


def say(call: Call, *, silent_windows: int) -> None:
    """Speech of nine windows of 32 ms, then silence, as other ears judged them."""
    for number in range(1, 10 + silent_windows):
        window = Window(number * 512, 0.9 if number < 10 else 0.0)
        call.hear_windows([window], bytes(1024), 16_000)
    assert call.machine.user is User.SPEAKING


@pytest.mark.parametrize("stop", [True, False], ids=["a Stop", "no Stop"])
def test_an_answer_that_comes_sooner_than_the_ears_are_sure_ends_the_turn(stop):
    """Goes red when the turn goes on under its answer, or a Stop before it cuts it too late."""

    async def scenario() -> None:
        line, call = Line(), Call(ears=EarsPolicy())
        async with session_on(line, call) as session:
            reader = Reader(session)
            say(call, silent_windows=7)
            if stop:
                await session.interrupt()
            line.feed(audio(1), GENERATED, COMPLETE)
            await reader.until(lambda r: r.turns == 1)
            assert reader.heard == ([] if stop else [1])
            assert call.machine.user is User.QUIET
            assert call.machine.answer is Answer.NONE

    run(scenario())


@pytest.mark.parametrize("floor", list(Floor))
def test_a_reply_ends_no_turn_of_somebody_who_speaks_on_or_decides_themselves(floor):
    async def scenario() -> None:
        line, call = Line(), Call(floor=floor, ears=EarsPolicy())
        async with session_on(line, call) as session:
            reader = Reader(session)
            say(call, silent_windows=4 if floor is Floor.SERVER else 7)
            line.feed(audio(1))
            await reader.until(lambda r: r.heard == [1])
            assert call.machine.user is User.SPEAKING

    run(scenario())


def test_the_next_reply_is_whole_though_its_predecessor_never_ended():
    """`interrupted`, no `turnComplete`, and the answer follows the end of the question at once."""

    async def scenario() -> None:
        line = Line()
        async with session_on(line) as session:
            reader = Reader(session)
            line.feed(audio(1), INTERRUPTED, audio(2))
            line.feed(content(inputTranscription={"text": "Who?"}), audio(3))
            line.feed({"voiceActivity": {"type": "ACTIVITY_END", "audioOffset": "5s"}})
            line.feed(audio(4), audio(5), GENERATED, COMPLETE)
            await reader.until(lambda r: r.turns == 2)
            assert reader.heard[-2:] == [4, 5]
            assert not {2, 3} & set(reader.heard)
            reader.task.cancel()

    run(scenario())


# --- a protected reply --------------------------------------------------------------------------


def test_while_a_protected_reply_is_made_the_server_gets_silence_and_the_ears_hear_none():
    async def scenario() -> None:
        line, call = Line(), Call(ears=EarsPolicy())
        blob = types.Blob(data=SOUND, mime_type="audio/pcm;rate=16000")
        async with session_on(line, call) as session:
            reader = Reader(session)
            call.protect_reply()
            await session.send_realtime_input(audio=blob)
            line.feed(audio(1))
            await reader.until(lambda r: r.heard == [1])
            await session.send_realtime_input(audio=blob)
            await session.interrupt()
            line.feed(audio(2), GENERATED)
            await reader.until(lambda r: r.heard == [1, 2])
            await session.send_realtime_input(audio=blob)
            while len(sent_sound(line)) < 3 * len(SOUND):
                await asyncio.sleep(0)
            assert sent_sound(line) == SOUND + bytes(len(SOUND)) + SOUND
            assert call.ears is not None
            assert call.ears._position == 3 * len(SOUND) // 2, "time goes on"
            reader.task.cancel()

    run(scenario())


def test_a_phantom_cannot_be_told_without_ears():
    with pytest.raises(UsageError, match="needs the local ears"):
        Call(policy=TurnPolicy(phantom=Phantom.PLAY_ON))
