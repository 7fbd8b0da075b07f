"""What `session/connection.py` relies on in google-genai's Live session.

The session is the SDK's own, over a WebSocket that lives in memory: `recv`, `send`, `close`.
A red test names what `connection.py` (or the emulator's wire format) has to change.
"""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest
from google import genai
from google.genai import errors, types
from google.genai.live import AsyncSession
from stock_pipecat import genai_since
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK
from websockets.frames import Close

# From 2.23 a turn_complete that says IN_PROGRESS does not end `receive()`, IDLE does.
READS_INTERACTION_STATUS = genai_since("2.23")


class Wire:
    """A WebSocket with a script: bytes are received, exceptions are raised."""

    def __init__(self, *script: bytes | str | dict[str, Any] | BaseException) -> None:
        self.script = list(script)
        self.sent: list[str] = []
        self.closed = False

    async def recv(self, decode: bool | None = None) -> bytes | str:
        assert decode is False, "the SDK asks for bytes"
        if not self.script:
            raise ConnectionClosedOK(Close(1000, ""), None)
        item = self.script.pop(0)
        if isinstance(item, BaseException):
            self.script.insert(0, item)  # a closed socket stays closed
            raise item
        return json.dumps(item).encode() if isinstance(item, dict) else item

    async def send(self, data: str) -> None:
        self.sent.append(data)

    async def close(self) -> None:
        self.closed = True


def session_over(*script: bytes | str | dict[str, Any] | BaseException) -> AsyncSession:
    client = genai.Client(api_key="x")
    return AsyncSession(api_client=client._api_client, websocket=Wire(*script))  # type: ignore[arg-type]


def wire_of(session: AsyncSession) -> Wire:
    assert isinstance(session._ws, Wire)
    return session._ws


async def one_receive(session: AsyncSession) -> list[types.LiveServerMessage]:
    return [message async for message in session.receive()]


def received(*script: bytes | str | dict[str, Any] | BaseException) -> int:
    """How many messages one `receive()` yields before it ends by itself."""
    return len(asyncio.run(one_receive(session_over(*script))))


def content(**fields: Any) -> dict[str, Any]:
    return {"serverContent": fields}


AUDIO = content(modelTurn={"parts": [{"inlineData": {"mimeType": "audio/pcm", "data": "AAA="}}]})


def test_receive_ends_after_turn_complete() -> None:
    """So our loop enters `receive()` again and again, and the facade must not (fact 3)."""
    assert received(AUDIO, content(turnComplete=True), AUDIO) == 2


def test_receive_does_not_end_at_interrupted_or_generation_complete() -> None:
    script = content(interrupted=True), content(generationComplete=True), AUDIO
    assert received(*script, content(turnComplete=True), AUDIO) == 4


def test_receive_in_progress_does_not_end_at_turn_complete_but_idle_does() -> None:
    """Before 2.23 the SDK does not look at the status: every turn_complete ends it.

    Our loop is indifferent, since it enters `receive()` again; nothing may count turns by it.
    """
    script = (
        content(turnComplete=True, interactionStatus="IN_PROGRESS"),
        AUDIO,
        content(interactionStatus="IDLE"),
        content(turnComplete=True),
    )
    assert received(*script) == (3 if READS_INTERACTION_STATUS else 1)


def test_interaction_status_is_read_on_every_supported_version() -> None:
    """The field and its values IN_PROGRESS and IDLE: why 2.19 is the lowest version."""

    async def scenario() -> list[str]:
        session = session_over(
            content(interactionStatus="IN_PROGRESS"),
            content(turnComplete=True, interactionStatus="IDLE"),
        )
        messages = await one_receive(session)
        return [m.server_content.interaction_status.value for m in messages]  # type: ignore[union-attr]

    assert asyncio.run(scenario()) == ["IN_PROGRESS", "IDLE"]


def test_breaking_out_of_receive_loses_nothing() -> None:
    """We leave the generator at will; the next one goes on with the next message."""

    async def scenario() -> list[bool]:
        session = session_over(AUDIO, content(interrupted=True), content(turnComplete=True))
        generator = session.receive()
        first = await anext(generator)
        await generator.aclose()  # type: ignore[attr-defined]
        rest = await one_receive(session)
        return [m.server_content.interrupted or False for m in [first, *rest]]  # type: ignore[union-attr]

    assert asyncio.run(scenario()) == [False, True, False]


@pytest.mark.parametrize("alone", [{"interactionStatus": "IDLE"}, {"error": {"code": 400}}])
def test_an_unknown_key_alone_raises_type_error_and_the_session_goes_on(
    alone: dict[str, Any],
) -> None:
    """A message with only unknown keys counts as an error without a code: TypeError.

    The socket is fine, so `connection.py` catches it, notes the message and receives on. Red:
    it would now be another exception, or a message.
    """

    async def scenario() -> int:
        session = session_over(alone, AUDIO, content(turnComplete=True))
        with pytest.raises(TypeError):
            await one_receive(session)
        return len(await one_receive(session))

    assert asyncio.run(scenario()) == 2


def test_an_unknown_key_beside_a_known_one_is_dropped() -> None:
    known = {"toolCall": {"functionCalls": []}, "interactionStatus": "IN_PROGRESS", "novelty": 1}
    assert received(known, content(turnComplete=True, novelty={"a": 1})) == 2


@pytest.mark.parametrize("raw", [b"{}", b"[]", b"null", b""])
def test_an_empty_frame_is_an_empty_message(raw: bytes) -> None:
    """gemini-3.8-live sends `{}` before most audio messages: the session has to shrug."""

    async def scenario() -> types.LiveServerMessage:
        return (await one_receive(session_over(raw, content(turnComplete=True))))[0]

    message = asyncio.run(scenario())
    assert message.server_content is None
    assert message.tool_call is None


def test_a_top_level_code_raises_client_error() -> None:
    """A body like an HTTP error becomes `ClientError`, a kind of `APIError`."""

    async def scenario() -> errors.APIError:
        with pytest.raises(errors.ClientError) as caught:
            await one_receive(session_over({"code": 400, "message": "bad"}))
        return caught.value

    assert asyncio.run(scenario()).code == 400


def test_broken_json_raises_value_error() -> None:
    async def scenario() -> None:
        with pytest.raises(ValueError, match="Failed to parse"):
            await one_receive(session_over(b"{"))

    asyncio.run(scenario())


CLOSES = [
    (ConnectionClosedError(Close(1011, "Internal error"), None), 1011, "Internal error"),
    (ConnectionClosedError(Close(1007, "invalid argument"), None), 1007, "invalid argument"),
    (ConnectionClosedOK(Close(1000, "bye"), None), 1000, "bye"),
    (ConnectionClosedError(None, None), 1006, None),
]


@pytest.mark.parametrize(("closed", "code", "reason"), CLOSES)
def test_a_close_becomes_an_api_error_with_code_and_reason(
    closed: Exception, code: int, reason: str | None
) -> None:
    """Also the polite one. `connection.py` reads `.code` and `.details`; never the classes.

    And it stays that way: a second `receive()` raises the same again.
    """

    async def scenario() -> None:
        session = session_over(AUDIO, closed)
        for _ in range(2):
            with pytest.raises(errors.APIError) as caught:
                await one_receive(session)
            assert caught.value.code == code
            assert not isinstance(caught.value, (errors.ClientError, errors.ServerError))
            if reason is not None:
                assert caught.value.details == reason

    asyncio.run(scenario())


def test_sending_on_a_closed_socket_raises_the_websockets_error() -> None:
    """Not an APIError: `connection.py` maps both to one error of ours."""

    async def scenario() -> None:
        session = session_over()

        async def refuse(data: str) -> None:
            raise ConnectionClosedError(Close(1011, "gone"), None)

        wire_of(session).send = refuse  # type: ignore[method-assign]
        with pytest.raises(ConnectionClosedError):
            await session.send_realtime_input(text="hi")

    asyncio.run(scenario())


def sent_by(send: str, **kwargs: Any) -> dict[str, Any]:
    async def scenario() -> dict[str, Any]:
        session = session_over()
        await getattr(session, send)(**kwargs)
        (data,) = wire_of(session).sent
        return json.loads(data)

    return asyncio.run(scenario())


@pytest.mark.parametrize(
    "kwargs",
    [{}, {"text": "a", "activity_end": types.ActivityEnd()}],
)
def test_realtime_input_takes_exactly_one_argument(kwargs: dict[str, Any]) -> None:
    """activityStart and the pre-roll are two sends, in this order."""
    with pytest.raises(ValueError, match="one argument"):
        sent_by("send_realtime_input", **kwargs)


def test_audio_is_sent_in_the_url_safe_alphabet() -> None:
    """The emulator must accept `-` and `_`, which plain `b64decode` drops in silence."""
    pcm = bytes([0xFB, 0xEF, 0xBE, 0xFF, 0xFF, 0xFF])
    blob = types.Blob(data=pcm, mime_type="audio/pcm;rate=16000")
    audio = sent_by("send_realtime_input", audio=blob)["realtime_input"]["audio"]
    assert audio["data"] == "----____"
    assert base64.urlsafe_b64decode(audio["data"]) == pcm
    assert base64.b64decode(audio["data"]) == b"", "the trap"


def test_audio_received_is_in_the_standard_alphabet() -> None:
    async def scenario() -> types.LiveServerMessage:
        data = base64.b64encode(bytes([0xFB, 0xFF])).decode()
        part = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": data}}
        turn = content(modelTurn={"parts": [part]}, turnComplete=True)
        return (await one_receive(session_over(turn)))[0]

    message = asyncio.run(scenario())
    assert message.server_content is not None
    assert message.server_content.model_turn is not None
    assert message.server_content.model_turn.parts is not None
    blob = message.server_content.model_turn.parts[0].inline_data
    assert blob is not None
    assert blob.data == bytes([0xFB, 0xFF])


def test_the_keys_on_the_wire_mix_two_spellings() -> None:
    """The emulator reads both, at every level."""
    assert sent_by("send_realtime_input", activity_start=types.ActivityStart()) == {
        "realtime_input": {"activityStart": {}}
    }
    assert sent_by("send_realtime_input", audio_stream_end=True) == {
        "realtime_input": {"audioStreamEnd": True}
    }
    assert sent_by("send_client_content", turns=[], turn_complete=False) == {
        "client_content": {"turns": [], "turnComplete": False}
    }
    response = types.FunctionResponse(id="c1", name="look", response={"ok": True})
    answer = sent_by("send_tool_response", function_responses=response)
    assert list(answer) == ["tool_response"]
    assert list(answer["tool_response"]) == ["functionResponses"]


def test_a_tool_response_needs_the_id_of_its_call() -> None:
    with pytest.raises(ValueError, match="id"):
        sent_by(
            "send_tool_response",
            function_responses=types.FunctionResponse(name="look", response={}),
        )


def test_local_close_closes_the_socket() -> None:
    async def scenario() -> bool:
        session = session_over()
        await session.close()
        return wire_of(session).closed

    assert asyncio.run(scenario())
