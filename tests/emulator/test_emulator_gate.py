"""Who may come in, and what happens to those who ask for too much."""

import asyncio
import contextlib
import json

import pytest
from cryptography import x509
from google import genai
from google.genai import errors
from websockets.asyncio.client import connect
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Request

from pipeline_live.emulator import Emulator, Limits, Reply, Script
from pipeline_live.emulator.certificate import write_certificate
from pipeline_live.emulator.gate import Place, check_key, is_loopback, place_of, reachable_name
from pipeline_live.emulator.messages import Refused
from pipeline_live.errors import UsageError
from pipeline_live.session.connection import explain

DEVELOPER = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
VERTEX = "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent"
SETUP = json.dumps({"setup": {"model": "models/gemini-3.8-live"}})


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (DEVELOPER, Place("v1beta", False)),
        ("/" + DEVELOPER + "?key=x", Place("v1beta", False)),
        (DEVELOPER.replace("v1beta", "v1alpha") + "Constrained", Place("v1alpha", False, True)),
        (DEVELOPER.replace("v1beta", "v1"), Place("v1", False)),
        (DEVELOPER.replace("v1beta", "v1") + "Constrained", None),
        (DEVELOPER.replace("v1beta", "v2"), None),
        ("/" + VERTEX, Place("v1beta1", True)),
        (VERTEX.replace("v1beta1", "v1"), Place("v1", True)),
        (VERTEX + "/more", None),
        ("/", None),
    ],
)
def test_what_lives_at_a_path(path, place):
    assert place_of(path) == place


@pytest.mark.parametrize(
    ("host", "own"),
    [("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("localhost", True),
     ("0.0.0.0", False), ("::", False), ("10.0.0.5", False), ("example.com", False)],
)  # fmt: skip
def test_beyond_loopback_a_key_is_needed(host, own):
    assert is_loopback(host) is own
    Emulator(host=host, key="secret")
    if own:
        Emulator(host=host)
    else:
        with pytest.raises(UsageError, match="without a key"):
            Emulator(host=host)


def test_the_certificate_is_good_for_the_host(tmp_path):
    def names_of(host):
        certificate, _ = write_certificate(tmp_path, host)
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return {str(name.value) for name in names}

    usual = {"127.0.0.1", "::1", "localhost"}
    assert names_of("127.0.0.1") == usual
    assert names_of("10.0.0.5") == usual | {"10.0.0.5"}
    assert names_of("example.com") == usual | {"example.com"}
    assert reachable_name("0.0.0.0") not in ("0.0.0.0", "")


@pytest.mark.parametrize(
    ("headers", "query", "vertex", "code"),
    [
        ({"x-goog-api-key": "right"}, "", False, None),
        ({}, "?key=right", False, None),
        ({}, "?access_token=right", False, None),
        ({"Authorization": "Token right"}, "", False, None),
        ({"Authorization": "Bearer right"}, "", True, None),
        ({"x-goog-api-key": "wrong"}, "", False, 1007),
        ({"x-goog-api-key": "\xfc"}, "", False, 1007),
        ({"Authorization": "Bearer wrong"}, "", True, 1007),
        ({}, "", False, 1008),
        ({}, "", True, 1008),
    ],
)
def test_the_right_key(headers, query, vertex, code):
    request = Request((VERTEX if vertex else DEVELOPER) + query, Headers(headers))
    if code is None:
        check_key(request, "right", vertex=vertex)
        return
    with pytest.raises(Refused) as raised:
        check_key(request, "right", vertex=vertex)
    assert raised.value.code == code
    assert "right" not in raised.value.reason


def test_any_key_will_do_where_none_was_chosen():
    check_key(Request(DEVELOPER + "?key=any", Headers()), None, vertex=False)
    check_key(Request(VERTEX, Headers()), None, vertex=True)
    with pytest.raises(Refused):
        check_key(Request(DEVELOPER, Headers()), None, vertex=False)


def test_a_bad_key_can_fail_the_handshake_itself():
    """The first handshake does; the second is let in to be told by a close, as usual."""

    async def call():
        faults = ["handshake-refused@connection=1"]
        async with Emulator(key="right", faults=faults) as emulator:

            def live(key):
                client = genai.Client(api_key=key, http_options=emulator.http_options())
                return client.aio.live.connect(model="gemini-3.8-live")

            with pytest.raises(InvalidStatus) as early:
                async with live("wrong"):
                    pass
            with pytest.raises(errors.APIError) as late:
                async with live("wrong"):
                    pass
            async with live("right"):
                pass
            return early.value, late.value

    early, late = asyncio.run(call())
    assert early.response.status_code == 401
    assert b"API key not valid" in early.response.body
    for error, code in ((early, 401), (late, 1007)):
        said = explain(error)
        assert (said.code, said.terminal) == (code, True)


def test_the_right_key_and_no_wrong_one_passes_where_handshakes_are_refused():
    async def call():
        async with Emulator(key="right", faults=["handshake-refused"]) as emulator:
            context = emulator.client_ssl_context()
            url = url_of(emulator)
            async with connect(url.replace("any", "right"), ssl=context) as socket:
                await socket.send(SETUP)
                assert json.loads(await socket.recv()) == {"setupComplete": {}}
            for other in (url, url.partition("?")[0]):
                with pytest.raises(InvalidStatus, match="401"):
                    await connect(other, ssl=context)

    asyncio.run(call())


@pytest.mark.parametrize("field", ["message_bytes", "sessions", "setup_ms"])
def test_limits_that_let_nothing_through(field):
    with pytest.raises(UsageError, match=field):
        Limits(**{field: 0})


def url_of(emulator):
    return emulator.base_url.replace("https", "wss") + DEVELOPER + "?key=any"


async def closed(socket):
    with contextlib.suppress(ConnectionClosed):
        while True:
            await socket.recv()
    return socket.close_code, socket.close_reason


def test_one_session_too_many_is_out_of_quota_and_only_that_one():
    async def call():
        async with Emulator(limits=Limits(sessions=1)) as emulator:
            client = genai.Client(api_key="any", http_options=emulator.http_options())

            def live():
                return client.aio.live.connect(model="gemini-3.8-live")

            async with live():
                with pytest.raises(errors.APIError, match="exhausted") as raised:
                    async with live():
                        pass
                assert raised.value.code == 1011
            while emulator.sessions[0].open:
                await asyncio.sleep(0.01)
            async with live():
                pass

    asyncio.run(call())


def test_who_says_nothing_is_hung_up_on():
    async def call():
        async with Emulator(limits=Limits(setup_ms=50)) as emulator:
            context = emulator.client_ssl_context()
            async with connect(url_of(emulator), ssl=context) as socket:
                return await closed(socket)

    assert asyncio.run(call()) == (1011, "Deadline expired before operation could complete.")


def test_a_giant_message_ends_its_own_connection_only():
    script = Script([Reply("Still here.", delay_ms=0)])

    async def call():
        limits = Limits(message_bytes=10_000)
        async with Emulator(script, limits=limits, model_speed=40) as emulator:
            client = genai.Client(api_key="any", http_options=emulator.http_options())
            config = {"response_modalities": ["AUDIO"], "output_audio_transcription": {}}
            live = client.aio.live.connect(model="gemini-3.8-live", config=config)
            context = emulator.client_ssl_context()
            async with live as session, connect(url_of(emulator), ssl=context) as socket:
                await socket.send(SETUP)
                await socket.send(json.dumps({"realtimeInput": {"text": "x" * 20_000}}))
                code, _ = await closed(socket)
                await session.send_realtime_input(text="Are you there?")
                said = [
                    m.server_content.output_transcription.text
                    async for m in session.receive()
                    if m.server_content and m.server_content.output_transcription
                ]
            return code, "".join(said)

    assert asyncio.run(call()) == (1009, "Still here.")
