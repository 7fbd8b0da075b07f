"""Ephemeral tokens, from their bookkeeping to the SDK."""

import asyncio

import pytest
from google import genai
from google.genai import errors

from pipeline_live.emulator import Emulator, Reply, Script
from pipeline_live.emulator.messages import Refused
from pipeline_live.emulator.tokens import Tokens
from pipeline_live.errors import UsageError

MODEL = "gemini-3.8-live"
CONFIG = {"response_modalities": ["AUDIO"]}


def used(tokens, name, at_ms=0, *, resumes=False):
    tokens.check(name, at_ms)
    return tokens.use(name, at_ms, resumes=resumes)


def test_a_token_is_used_as_often_as_it_may_be():
    tokens = Tokens(open=False)
    once, twice, always = tokens.issue(0), tokens.issue(0, 2), tokens.issue(0, 0)
    used(tokens, once)
    for name in (twice, twice, *[always] * 9):
        used(tokens, name)
    for name in (once, twice):
        with pytest.raises(Refused) as refusal:
            used(tokens, name)
        assert (refusal.value.code, refusal.value.reason) == (
            1011,
            "Token has been used too many times",
        )
        used(tokens, name, resumes=True)


@pytest.mark.parametrize("name", ["", "auth_tokens/", "AIza", "auth_tokens/other"])
def test_what_is_no_token(name):
    with pytest.raises(Refused) as refusal:
        Tokens(open=False).check(name, 0)
    assert (refusal.value.code, refusal.value.reason) == (1007, "Missing or malformed auth token.")


def test_where_any_key_is_welcome_any_token_is_once():
    tokens = Tokens(open=True)
    used(tokens, "auth_tokens/other")
    with pytest.raises(Refused):
        used(tokens, "auth_tokens/other")
    with pytest.raises(Refused):
        tokens.check("AIza", 0)


def test_a_token_opens_sessions_for_a_minute_and_resumes_them_for_half_an_hour():
    tokens = Tokens(open=False)
    usual, short = tokens.issue(1000, 0), tokens.issue(1000, new_session_ms=50, expire_ms=90)
    for name, last_new_ms, last_ms in ((usual, 60_999, 1_800_999), (short, 1049, 1089)):
        assert used(tokens, name, last_new_ms) == last_ms + 1
        with pytest.raises(Refused) as refusal:
            used(tokens, name, last_new_ms + 1)
        assert refusal.value.reason == "Auth token has expired for new sessions."
        assert used(tokens, name, last_ms, resumes=True) == last_ms + 1
        for resumes in (False, True):
            with pytest.raises(Refused) as refusal:
                used(tokens, name, last_ms + 1, resumes=resumes)
            assert (refusal.value.code, refusal.value.reason) == (1011, "Auth token has expired.")


def test_a_token_that_was_not_issued_here_begins_when_it_is_seen():
    tokens = Tokens(open=True)
    assert used(tokens, "auth_tokens/other", 90_000) == 90_000 + 1_800_000


@pytest.mark.parametrize("field", ["systemInstruction", "system_instruction"])
def test_what_a_token_locks_replaces_what_the_client_says(field):
    tokens = Tokens(open=False)
    name = tokens.issue(0, locked={field: {"parts": [{"text": "Be kind."}]}})
    setup = {"model": "m", "system_instruction": {"parts": [{"text": "Be rude."}]}}
    assert tokens.locked(name, setup) == {
        "model": "m",
        "systemInstruction": {"parts": [{"text": "Be kind."}]},
    }


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"uses": -1}, "a token of -1 uses"),
        ({"locked": {"sytemInstruction": {}}}, 'Unknown name "sytemInstruction"'),
    ],
)
def test_a_token_that_could_open_nothing_is_not_made(arguments, says):
    with pytest.raises(UsageError, match=says):
        Tokens(open=False).issue(0, **arguments)


@pytest.mark.filterwarnings("ignore:The SDK's ephemeral token support")
def test_the_sdk_comes_in_with_a_token_once():
    """google-genai sends it as ``Authorization: Token`` to the Constrained method."""

    async def call():
        script = Script([Reply("Yes.", delay_ms=0)])
        async with Emulator(script, key="secret") as emulator:
            token = emulator.issue_token(setup={"outputAudioTranscription": {}})
            options = {**emulator.http_options(), "api_version": "v1alpha"}
            live = genai.Client(api_key=token, http_options=options).aio.live
            async with live.connect(model=MODEL, config=CONFIG) as session:
                await session.send_realtime_input(text="Are you there?")
                words = ""
                async for message in session.receive():
                    content = message.server_content
                    if content and content.output_transcription:
                        words += content.output_transcription.text
            with pytest.raises(errors.APIError) as refusal:
                async with live.connect(model=MODEL, config=CONFIG):
                    pass
            return words, refusal.value.code, refusal.value.details

    assert asyncio.run(call()) == ("Yes.", 1011, "Token has been used too many times")


def pass_time(ms):
    """The clock of the running loop, which is the emulator's, jumps."""
    loop = asyncio.get_running_loop()
    now = loop.time
    loop.time = lambda: now() + ms / 1000


def constrained(emulator, token):
    options = {**emulator.http_options(), "api_version": "v1alpha"}
    live = genai.Client(api_key=token, http_options=options).aio.live
    return live.connect(model=MODEL, config=CONFIG)


@pytest.mark.filterwarnings("ignore:The SDK's ephemeral token support")
def test_the_sdk_is_too_late_for_a_new_session_after_a_minute():
    async def call():
        emulator = Emulator(key="secret")
        tokens = [emulator.issue_token(0)]
        async with emulator:
            tokens.append(emulator.issue_token(0))
            for token in tokens:
                async with constrained(emulator, token):
                    pass
            pass_time(60_000)
            codes = []
            for token in tokens:
                with pytest.raises(errors.APIError) as refusal:
                    async with constrained(emulator, token):
                        pass
                codes.append((refusal.value.code, refusal.value.details))
            return codes

    assert asyncio.run(call()) == [(1011, "Auth token has expired for new sessions.")] * 2


@pytest.mark.filterwarnings("ignore:The SDK's ephemeral token support")
def test_a_session_ends_when_its_token_expires():
    """By then its connection would be over, were it not told to live for longer."""

    async def call():
        hours = dict.fromkeys(("connection_ms", "session_ms"), 7_200_000)
        async with Emulator(key="secret", profile=hours) as emulator:
            async with constrained(emulator, emulator.issue_token()) as session:
                messages = session.receive()
                assert (await anext(messages)).session_resumption_update
                pass_time(30 * 60_000)
                with pytest.raises(errors.APIError) as end:
                    await anext(messages)
            return end.value.code, end.value.details

    assert asyncio.run(call()) == (1011, "Auth token has expired.")
