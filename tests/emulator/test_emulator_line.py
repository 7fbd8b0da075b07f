"""Faults of the line and of the connection, over real sockets."""

import argparse
import asyncio
import json
import time

import pytest
from google import genai
from google.genai import errors, types
from websockets.asyncio.client import connect

from pipeline_live.emulator import Emulator, Reply, Script
from pipeline_live.emulator.command import add_arguments, run
from pipeline_live.errors import UsageError

MODEL = "gemini-3.8-live"
DEVELOPER = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent?key=x"
SETUP = json.dumps({"setup": {"model": f"models/{MODEL}"}})
CONFIG = types.LiveConnectConfig(response_modalities=["AUDIO"])


async def joined(emulator, **options):
    url = emulator.base_url.replace("https", "wss") + DEVELOPER
    websocket = await connect(url, ssl=emulator.client_ssl_context(), **options)
    await websocket.send(SETUP)
    while "setupComplete" not in json.loads(await websocket.recv()):
        pass
    return websocket


def client_of(emulator):
    return genai.Client(api_key="any", http_options=emulator.http_options()).aio.live


def test_f17_the_sdk_sees_the_code_and_resuming_does_not_help():
    async def call():
        async with Emulator(faults=["server-error@at_ms=200,reason=unavailable"]) as emulator:
            live = client_of(emulator)
            async with live.connect(model=MODEL, config=CONFIG) as session:
                messages = session.receive()
                handle = (await anext(messages)).session_resumption_update.new_handle
                with pytest.raises(errors.APIError) as down:
                    await anext(messages)
            again = {"response_modalities": ["AUDIO"], "session_resumption": {"handle": handle}}
            with pytest.raises(errors.APIError) as still_down:
                async with live.connect(model=MODEL, config=again):
                    pass
            return [(e.value.code, e.value.details) for e in (down, still_down)]

    assert asyncio.run(call()) == [
        (1011, "The service is currently unavailable."),
        (1011, "Internal error encountered."),
    ]


def test_f25_the_sdk_stumbles_over_a_key_it_does_not_know():
    async def call():
        async with Emulator(faults=["unknown-message@after_ms=200"]) as emulator:
            live = client_of(emulator)
            async with live.connect(model=MODEL, config=CONFIG) as session:
                with pytest.raises(TypeError):
                    async for _ in session.receive():
                        pass

    asyncio.run(call())


def test_f20_a_late_pong_ends_an_impatient_client_and_no_other():
    async def call():
        async with Emulator(faults=["late-pongs@by_ms=400,connection=1"]) as emulator:
            late, prompt = await joined(emulator), await joined(emulator)
            began = time.monotonic()
            await (await prompt.ping())
            quick_s = time.monotonic() - began
            await (await late.ping())
            late_s = time.monotonic() - began - quick_s
            impatient = await joined(emulator, ping_interval=0.05, ping_timeout=5)
            await asyncio.gather(late.close(), prompt.close(), impatient.close())
            return quick_s, late_s

    quick_s, late_s = asyncio.run(call())
    assert late_s >= 0.4
    assert quick_s < late_s


def test_f20_keepalive_fails_locally():
    async def call():
        async with Emulator(faults=["late-pongs@by_ms=60000"]) as emulator:
            websocket = await joined(emulator, ping_interval=0.05, ping_timeout=0.1)
            await websocket.wait_closed()
            return websocket.protocol.close_sent

    sent = asyncio.run(call())
    assert (sent.code, sent.reason) == (1011, "keepalive ping timeout")


def test_f21_writes_come_to_a_stop_and_nothing_is_lost():
    picture = {"realtimeInput": {"video": {"mimeType": "image/jpeg", "data": "A" * 100_000}}}
    count = 150  # 15 MB, far more than sockets hold

    async def call():
        async with Emulator(faults=["blocked-writes@after_ms=0,for_ms=1000"]) as emulator:
            websocket = await joined(emulator, compression=None)
            slowest_s = 0.0
            for _ in range(count):
                began = time.monotonic()
                await websocket.send(json.dumps(picture))
                slowest_s = max(slowest_s, time.monotonic() - began)
            async with asyncio.timeout(20):
                while emulator.sessions[0].pictures < count:
                    await asyncio.sleep(0.01)
            await websocket.close()
            return slowest_s

    assert asyncio.run(call()) > 0.5


def test_the_stock_keepalive_survives_what_the_fault_list_calls_usual():
    """A turn goes on around faults that strike elsewhere."""

    async def call():
        script = Script([Reply("Yes.", delay_ms=0)])
        faults = ["stall@turn=9", "late-pongs@by_ms=50", "text-lost@connection=2"]
        async with Emulator(script, model_speed=40, faults=faults) as emulator:
            live = client_of(emulator)
            async with live.connect(model=MODEL, config=CONFIG) as session:
                await session.send_realtime_input(text="Are you there?")
                return sum([len(message.data or b"") async for message in session.receive()])

    assert asyncio.run(call()) > 10_000


def test_a_close_of_the_client_is_answered_late():
    """A client that does not wait for the answer has closed all the same."""

    async def call():
        async with Emulator() as emulator:
            patient, hasty = await joined(emulator), await joined(emulator)
            began = time.monotonic()
            await patient.close(1000, "Bye.")
            took_s = time.monotonic() - began
            hasty.protocol.send_close(1000)
            hasty.send_data()
            hasty.transport.close()
            async with asyncio.timeout(20):
                while any(session.open for session in emulator.sessions):
                    await asyncio.sleep(0.01)
            return took_s, (patient.close_code, patient.close_reason), emulator.sessions

    took_s, answer, sessions = asyncio.run(call())
    assert took_s >= 0.22
    assert answer == (1000, "Bye.")
    assert [session.close_code for session in sessions] == [1000, 1000]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--fault", "stal"], "did you mean stall"),
        (["--family", "3.8-liv"], "no model family '3.8-liv'; did you mean 3.8-live"),
        (["--family", "9"], "no model family '9'; there are 3.8-live, "),
        (["--hearing", "fone"], "did you mean phone"),
        (["--profile", "cut=1"], "did you mean cut_ms"),
    ],
)
def test_the_command_refuses_unknown_names(arguments, words):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    with pytest.raises(UsageError, match=words):
        run(parser.parse_args(arguments))
