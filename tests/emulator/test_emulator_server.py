"""The emulator over real loopback sockets, mostly against an unpatched google-genai client."""

import asyncio
import json
import stat
import uuid
from pathlib import Path

import pytest
from google import genai
from google.genai import errors, types
from virtual_time import run_virtual
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from pipeline_live.audio import INPUT_RATE, chunks, resample, silence
from pipeline_live.emulator import Emulator, Reply, Script, synthesize
from pipeline_live.errors import UsageError

MODEL = "gemini-3.8-live"
FAST = 40.0


def at_once(text):
    return Reply(text, delay_ms=0)


LONG = "This is a long answer that goes on and on. " * 4
DEVELOPER = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
VERTEX = "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent"


def config(**fields):
    usual = {
        "response_modalities": ["AUDIO"],
        "input_audio_transcription": {},
        "output_audio_transcription": {},
    }
    return types.LiveConnectConfig(**{**usual, **fields})


def client_of(emulator, key="any"):
    return genai.Client(api_key=key, http_options=emulator.http_options())


async def say(session, text, rate=INPUT_RATE):
    """Send speech and the silence after it, as fast as it goes."""
    pcm = resample(synthesize(text, "low").pcm + silence(1500, 24_000), 24_000, rate)
    for piece in chunks(pcm, rate // 50 * 2):
        blob = types.Blob(data=piece, mime_type=f"audio/pcm;rate={rate}")
        await session.send_realtime_input(audio=blob)


async def turn_of(session):
    """Everything until turnComplete."""
    return [message async for message in session.receive()]


def audio_in(messages):
    return b"".join(message.data or b"" for message in messages)


def words_in(messages):
    return "".join(
        m.server_content.output_transcription.text
        for m in messages
        if m.server_content and m.server_content.output_transcription
    )


def position(messages, said):
    return next(n for n, m in enumerate(messages) if said(m))


def is_interrupted(message):
    return bool(message.server_content and message.server_content.interrupted)


def is_complete(message):
    return bool(message.server_content and message.server_content.turn_complete)


# --- conversations ---------------------------------------------------------------------------


def test_a_spoken_turn_through_the_sdk():
    async def call():
        script = Script([Reply("Sure.", heard="Please do it.", delay_ms=0)])
        async with Emulator(script, model_speed=FAST) as emulator:
            live = client_of(emulator).aio.live
            async with live.connect(model=MODEL, config=config()) as session:
                await say(session, "Please do it for me.", 48_000)
                messages = await turn_of(session)
            (record,) = emulator.sessions
            return messages, record

    messages, record = asyncio.run(call())
    assert audio_in(messages) == synthesize("Sure.").pcm
    assert words_in(messages) == "Sure."
    heard = position(messages, lambda m: m.server_content and m.server_content.input_transcription)
    assert messages[heard].server_content.input_transcription.text == "Please do it."
    activities = [m.voice_activity.voice_activity_type.value for m in messages if m.voice_activity]
    assert activities == ["ACTIVITY_START", "ACTIVITY_END"]
    assert messages[-1].usage_metadata.total_token_count > 0
    assert [(e.role, e.text) for e in record.history] == [
        ("user", "Please do it."),
        ("model", "Sure."),
    ]
    assert (record.family, record.voice, record.interruptions) == ("3.8-live", "heart", 0)
    assert (record.open, record.close_code) == (False, 1000)


def test_a_barge_in_through_the_sdk():
    async def call():
        async with Emulator(Script([at_once(LONG), at_once("Okay.")]), model_speed=2) as emulator:
            live = client_of(emulator).aio.live
            async with live.connect(model=MODEL, config=config()) as session:
                await session.send_client_content(turns={"parts": [{"text": "Talk."}]})
                messages, talking = [], None
                async for message in session.receive():
                    messages.append(message)
                    if message.data and talking is None:
                        talking = asyncio.create_task(say(session, "Stop, please stop."))
                await talking
                answer = await turn_of(session)
            (record,) = emulator.sessions
            return messages, answer, record

    messages, answer, record = asyncio.run(call())
    cut = position(messages, is_interrupted)
    assert messages[cut - 1].voice_activity.voice_activity_type.value == "ACTIVITY_START"
    assert [is_complete(m) for m in messages[cut + 1 :]] == [True]
    assert not any(m.server_content and m.server_content.generation_complete for m in messages)
    assert words_in(answer) == "Okay."
    assert record.interruptions == 1
    (partly,) = (entry for entry in record.history if entry.cut)
    assert partly.text == words_in(messages)
    assert len(partly.text) < len(LONG)


def test_marked_activities_through_the_sdk():
    detection = {"automatic_activity_detection": {"disabled": True}}

    async def call():
        async with Emulator(Script([at_once("Yes.")]), model_speed=FAST) as emulator:
            live = client_of(emulator).aio.live
            settings = config(realtime_input_config=detection)
            async with live.connect(model=MODEL, config=settings) as session:
                await session.send_realtime_input(activity_start=types.ActivityStart())
                await say(session, "Are you there?")
                await session.send_realtime_input(activity_end=types.ActivityEnd())
                return await turn_of(session)

    assert words_in(asyncio.run(call())) == "Yes."


def test_a_tool_through_the_sdk():
    async def call():
        script = Script([Reply("Booked.", tool="book", args={"slot": "3 pm"}, delay_ms=0)])
        async with Emulator(script, model_speed=FAST) as emulator:
            live = client_of(emulator).aio.live
            tools = [{"function_declarations": [{"name": "book"}]}]
            async with live.connect(model=MODEL, config=config(tools=tools)) as session:
                await session.send_client_content(turns={"parts": [{"text": "Book it."}]})
                asked = await turn_of(session)
                wanted = next(m.tool_call for m in asked if m.tool_call).function_calls[0]
                await session.send_tool_response(
                    function_responses=types.FunctionResponse(
                        id=wanted.id, name=wanted.name, response={"ok": True}
                    )
                )
                return wanted, await turn_of(session)

    wanted, answer = asyncio.run(call())
    assert (wanted.name, wanted.args) == ("book", {"slot": "3 pm"})
    assert words_in(answer) == "Booked."


def test_the_sdk_waits_until_extended_thinking_is_idle():
    async def call():
        script = Script([Reply("It is old.", interim="Let me think.", delay_ms=0)])
        async with Emulator(script, model_speed=FAST) as emulator:
            live = client_of(emulator).aio.live
            thinking = {"thinking_level": "low"}
            settings = config(thinking_config=thinking)
            model = "gemini-3.8-live-extended-thinking"
            async with live.connect(model=model, config=settings) as session:
                await session.send_realtime_input(text="How old is it?")
                return await turn_of(session)

    messages = asyncio.run(call())
    assert words_in(messages) == "Let me think.It is old."
    assert [bool(is_complete(m)) for m in messages].count(True) == 2


def test_a_thread_of_its_own_serves_programs_without_a_loop():
    with Emulator(Script([at_once("Hello.")]), model_speed=FAST) as emulator:

        async def call():
            live = client_of(emulator).aio.live
            async with live.connect(model=MODEL, config=config()) as session:
                await session.send_client_content(turns={"parts": [{"text": "Hi."}]})
                return await turn_of(session)

        assert words_in(asyncio.run(call())) == "Hello."
        ca_file = Path(emulator.ca_file)
        assert ca_file.is_file()
    assert not ca_file.parent.exists()
    assert emulator.sessions[0].history[-1].text == "Hello."


def test_two_calls_at_once_do_not_mix():
    async def one(live, text):
        async with live.connect(model=MODEL, config=config()) as session:
            await session.send_client_content(turns={"parts": [{"text": text}]})
            return audio_in(await turn_of(session))

    async def call():
        async with Emulator(Script([at_once("Hello.")]), model_speed=FAST) as emulator:
            live = client_of(emulator).aio.live
            return await asyncio.gather(one(live, "a"), one(live, "b")), emulator.sessions

    sounds, records = asyncio.run(call())
    assert set(sounds) == {synthesize("Hello.").pcm}
    assert sorted(record.history[0].text for record in records) == ["a", "b"]


# --- the wire --------------------------------------------------------------------------------


async def first_frames(emulator, path, setup, count, headers=None):
    url = emulator.base_url.replace("https", "wss") + path
    context = emulator.client_ssl_context()
    async with connect(url, ssl=context, additional_headers=headers) as websocket:
        await websocket.send(json.dumps({"setup": setup}))
        return [await websocket.recv() for _ in range(count)]


@pytest.mark.parametrize(
    "path", ["/" + DEVELOPER + "?key=x", DEVELOPER.replace("beta", "alpha") + "?key=x"]
)
def test_frames_are_binary_json_in_camel_case(path):
    async def call():
        async with Emulator() as emulator:
            return await first_frames(emulator, path, {"model": f"models/{MODEL}"}, 2)

    frames = asyncio.run(call())
    assert all(isinstance(frame, bytes) for frame in frames)
    complete, update = map(json.loads, frames)
    assert complete == {"setupComplete": {}}
    assert update["sessionResumptionUpdate"]["resumable"] is True
    assert update["sessionResumptionUpdate"]["newHandle"]


def test_vertex_has_its_own_path_and_names_its_sessions():
    async def call():
        async with Emulator() as emulator:
            model = "projects/p/locations/l/publishers/google/models/gemini-live-2.5-flash"
            frames = await first_frames(emulator, VERTEX, {"model": model}, 1)
            return frames, emulator.sessions

    (frame,), (record,) = asyncio.run(call())
    assert json.loads(frame) == {"setupComplete": {"sessionId": record.id}}
    assert str(uuid.UUID(record.id)) == record.id
    assert record.family == "vertex-2.5"


@pytest.mark.parametrize("name", ["3.1-flash-live", "gemini-3.1-flash-live-preview"])
def test_one_family_can_serve_whatever_model_is_asked_for(name):
    async def call():
        async with Emulator(family=name) as emulator:
            for path in (DEVELOPER + "?key=x", VERTEX):
                await first_frames(emulator, path, {"model": "models/next-year"}, 1)
            return [record.family for record in emulator.sessions]

    assert asyncio.run(call()) == ["3.1-flash-live"] * 2


def test_some_frames_have_line_breaks():
    async def call(share):
        async with Emulator(profile={"pretty_share": share}) as emulator:
            return await first_frames(
                emulator, DEVELOPER + "?key=x", {"model": f"models/{MODEL}"}, 2
            )

    assert all(b"\n" in frame for frame in asyncio.run(call(1.0)))
    assert not any(b"\n" in frame for frame in asyncio.run(call(0.0)))


def test_another_path_is_not_found():
    async def call():
        async with Emulator() as emulator:
            await first_frames(emulator, "/ws/nothing", {}, 1)

    with pytest.raises(InvalidStatus) as refusal:
        asyncio.run(call())
    assert refusal.value.response.status_code == 404


def closing(path, first, *, key=None):
    """How the emulator closes on a client whose first message is ``first``."""

    async def call():
        async with Emulator(key=key) as emulator:
            url = emulator.base_url.replace("https", "wss") + path
            async with connect(url, ssl=emulator.client_ssl_context()) as websocket:
                await websocket.send(first)
                with pytest.raises(ConnectionClosed) as closed:
                    await websocket.recv()
                return closed.value.rcvd.code, closed.value.rcvd.reason

    return asyncio.run(call())


SETUP = json.dumps({"setup": {"model": f"models/{MODEL}"}})


@pytest.mark.parametrize(
    ("path", "first", "key", "code", "words"),
    [
        (DEVELOPER, SETUP, None, 1008, "Method doesn't allow unregistered callers"),
        (DEVELOPER + "?key=no", SETUP, "yes", 1007, "API key not valid."),
        (DEVELOPER + "?key=x", "{", None, 1007, "Invalid JSON"),
        (DEVELOPER + "?key=x", '{"realtimeInput": {"text": "a"}}', None, 1007, "setup must be"),
        (DEVELOPER + "?key=x", '{"setup": {"modle": 1}}', None, 1007, '"modle"'),
        (DEVELOPER + "?key=x", '{"setup": {"model": "models/gpt"}}', None, 1008, "models/gpt is"),
        (
            DEVELOPER + "?key=x",
            '{"setup": {"model": "models/gemini-3.8-live", "sessionResumption": {"handle": "?"}}}',
            None,
            1008,
            "BidiGenerateContent session not found",
        ),
        (VERTEX, SETUP.replace("live", "dead"), None, 1008, "models/gemini-3.8-dead is"),
        (VERTEX, SETUP.replace("3.8-live", "3.1-flash-live-preview"), None, 1008, "is not found"),
    ],
)
def test_what_is_refused_and_how(path, first, key, code, words):
    got, reason = closing(path, first, key=key)
    assert got == code
    assert words in reason


def test_the_sdk_sees_a_bad_key_as_an_api_error():
    async def call():
        async with Emulator(key="right") as emulator:
            async with client_of(emulator, "right").aio.live.connect(model=MODEL, config=config()):
                pass
            async with client_of(emulator, "wrong").aio.live.connect(model=MODEL, config=config()):
                raise AssertionError("a wrong key was let in")

    with pytest.raises(errors.APIError) as refusal:
        asyncio.run(call())
    assert refusal.value.code == 1007
    assert "API key not valid" in str(refusal.value)


def test_a_broken_rule_closes_an_open_session():
    async def call():
        async with Emulator() as emulator:
            live = client_of(emulator).aio.live
            async with live.connect(model=MODEL, config=config()) as session:
                await session.send_realtime_input(activity_start=types.ActivityStart())
                with pytest.raises(errors.APIError) as refusal:
                    await turn_of(session)
            return refusal.value, emulator.sessions[0]

    error, record = asyncio.run(call())
    assert error.code == record.close_code == 1007
    assert record.close_reason.startswith("Explicit activity control is not supported")


def handles_in(messages):
    updates = [m.session_resumption_update for m in messages if m.session_resumption_update]
    return [update.new_handle for update in updates if update.resumable]


async def first_handle(session):
    async for message in session.receive():
        if message.session_resumption_update:
            return message.session_resumption_update.new_handle
    raise AssertionError("no handle")


async def ask(session, text):
    await session.send_client_content(turns={"parts": [{"text": text}]})
    return await turn_of(session)


def test_a_handle_restores_the_conversation_as_it_was_when_it_was_issued():
    script = Script([at_once("One."), at_once("Two."), at_once("Six.")])
    resumable = config(session_resumption={})

    async def call():
        async with Emulator(script, model_speed=FAST) as emulator:
            live = client_of(emulator).aio.live
            async with live.connect(model=MODEL, config=resumable) as session:
                start = await first_handle(session)
                (after_one,) = handles_in(await ask(session, "First."))
                (after_two,) = handles_in(await ask(session, "Second."))
                with pytest.raises(errors.APIError) as busy:
                    async with live.connect(
                        model=MODEL, config=config(session_resumption={"handle": after_one})
                    ):
                        pass
            told = []
            for handle in (after_one, after_two, start):
                again = config(session_resumption={"handle": handle})
                async with live.connect(model=MODEL, config=again) as session:
                    await ask(session, "Again.")
                told.append([entry.text for entry in emulator.sessions[-1].history])
            return busy.value, told

    busy, told = asyncio.run(call())
    assert (busy.code, busy.details) == (1011, "Internal error encountered.")
    assert told == [
        ["First.", "One.", "Again.", "Two."],
        ["First.", "One.", "Second.", "Two.", "Again.", "Six."],
        ["Again.", "One."],
    ]


def test_a_session_cannot_be_resumed_while_the_model_generates():
    async def call():
        async with Emulator(Script([at_once("One.")]), model_speed=FAST) as emulator:
            live = client_of(emulator).aio.live
            wanted = config(session_resumption={})
            async with live.connect(model=MODEL, config=wanted) as session:
                await first_handle(session)
                return await ask(session, "Talk.")

    messages = asyncio.run(call())
    updates = [n for n, m in enumerate(messages) if m.session_resumption_update]
    first_audio = position(messages, lambda m: m.data)
    generated = position(
        messages, lambda m: m.server_content and m.server_content.generation_complete
    )
    told = [messages[n].session_resumption_update.new_handle for n in updates]
    assert [bool(handle) for handle in told] == [False, True]
    assert updates[0] < first_audio
    assert generated < updates[1] < len(messages) - 1


def test_a_session_is_resumed_by_its_own_model_only():
    other = "gemini-3.1-flash-live-preview"

    async def call():
        async with Emulator(Script([at_once("One.")]), model_speed=FAST) as emulator:
            live = client_of(emulator).aio.live
            async with live.connect(model=MODEL, config=config()) as session:
                handle = await first_handle(session)
            with pytest.raises(errors.APIError) as refusal:
                async with live.connect(
                    model=other, config=config(session_resumption={"handle": handle})
                ):
                    pass
            return refusal.value.code

    assert asyncio.run(call()) == 1007


def test_a_handle_dies_of_age():
    async def call():
        profile = {"handle_ms": 0}
        async with Emulator(Script([at_once("One.")]), profile=profile) as emulator:
            live = client_of(emulator).aio.live
            async with live.connect(model=MODEL, config=config()) as session:
                handle = await first_handle(session)
            await asyncio.sleep(0.01)
            with pytest.raises(errors.APIError) as refusal:
                async with live.connect(
                    model=MODEL, config=config(session_resumption={"handle": handle})
                ):
                    pass
            return refusal.value

    refusal = asyncio.run(call())
    assert (refusal.code, refusal.details) == (1008, "BidiGenerateContent session not found")


def test_a_connection_is_told_to_go_away_and_then_cut():
    profile = {"connection_ms": 400, "go_away_ms": 150}

    async def call():
        async with Emulator(profile=profile) as emulator:
            live = client_of(emulator).aio.live
            async with live.connect(model=MODEL, config=config()) as session:
                messages = session.receive()
                warnings = [(await anext(messages)).go_away for _ in range(2)]
                with pytest.raises(errors.APIError) as end:
                    await anext(messages)
            return warnings, end.value, emulator.sessions[0]

    (update, warning), end, record = asyncio.run(call())
    assert update is None
    assert warning.time_left == "0.150s"
    assert end.code == record.close_code == 1008
    assert record.close_reason.startswith("Connection aborted because the client failed to close")
    assert len(record.close_reason) <= 123


# --- life ------------------------------------------------------------------------------------


def test_a_taken_port_is_said_in_one_line():
    with Emulator() as first:
        second = Emulator(port=first.port)
        with pytest.raises(UsageError) as refusal, second:
            pass
    text = str(refusal.value)
    assert str(first.port) in text
    assert "choose another" in text
    assert "\n" not in text


@pytest.mark.parametrize(
    "arguments",
    [
        {"host": "0.0.0.0"},
        {"host": "", "key": "x"},
        {"host": "m\u00fcnchen", "key": "x"},
        {"model_speed": 0},
        {"model_speed": float("nan")},
        {"model_speed": float("inf")},
        {"port": 70_000},
    ],
)
def test_arguments_that_make_no_sense(arguments):
    with pytest.raises(UsageError):
        Emulator(**arguments)


def test_the_key_of_the_certificate_is_private_and_both_are_removed():
    async def call():
        async with Emulator() as emulator:
            folder = Path(emulator.ca_file).parent
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
            return folder, modes

    folder, modes = asyncio.run(call())
    assert modes["emulator-key.pem"] == 0o600
    assert not folder.exists()


def test_closing_hangs_up():
    async def call():
        emulator = Emulator()
        await emulator.start()
        url = emulator.base_url.replace("https", "wss") + DEVELOPER + "?key=x"
        async with connect(url, ssl=emulator.client_ssl_context()) as websocket:
            await websocket.send(SETUP)
            await websocket.recv()
            waiter = asyncio.create_task(emulator.wait_closed())
            await emulator.close()
            await waiter
            await websocket.wait_closed()
            return websocket.close_code

    assert asyncio.run(call()) == 1001


def test_closing_does_not_wait_until_reading_goes_on():
    async def call():
        async with Emulator(faults=["blocked-writes@at_ms=0,for_ms=900000"]) as emulator:
            url = emulator.base_url.replace("https", "wss") + DEVELOPER + "?key=x"
            websocket = await connect(url, ssl=emulator.client_ssl_context())
            await websocket.send(SETUP)
            await websocket.recv()
            await websocket.send(json.dumps({"realtimeInput": {"text": "Hello?"}}))
            await asyncio.sleep(1)
            began_s = asyncio.get_running_loop().time()
        return asyncio.get_running_loop().time() - began_s

    assert run_virtual(call()) < 15
