"""Ephemeral tokens, from their bookkeeping to the SDK."""

import asyncio

import pytest
from google import genai
from google.genai import errors

from pipeline_live.emulator import Emulator, Reply, Script
from pipeline_live.emulator.messages import Refused
from pipeline_live.emulator.tokens import Tokens

MODEL = "gemini-3.8-live"
CONFIG = {"response_modalities": ["AUDIO"]}


def used(tokens, name, *, resumes=False):
    tokens.check(name)
    tokens.use(name, resumes=resumes)


def test_a_token_is_used_as_often_as_it_may_be():
    tokens = Tokens(open=False)
    once, twice, always = tokens.issue(), tokens.issue(2), tokens.issue(0)
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
        Tokens(open=False).check(name)
    assert (refusal.value.code, refusal.value.reason) == (1007, "Missing or malformed auth token.")


def test_where_any_key_is_welcome_any_token_is_once():
    tokens = Tokens(open=True)
    used(tokens, "auth_tokens/other")
    with pytest.raises(Refused):
        used(tokens, "auth_tokens/other")
    with pytest.raises(Refused):
        tokens.check("AIza")


def test_what_a_token_locks_replaces_what_the_client_says():
    tokens = Tokens(open=False)
    name = tokens.issue(locked={"systemInstruction": {"parts": [{"text": "Be kind."}]}})
    setup = {"model": "m", "system_instruction": {"parts": [{"text": "Be rude."}]}}
    assert tokens.locked(name, setup) == {
        "model": "m",
        "systemInstruction": {"parts": [{"text": "Be kind."}]},
    }


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
