"""The pytest fixture, in a test suite of somebody else's."""

pytest_plugins = ["pytester"]

SUITE = """
import asyncio
import pytest
from google import genai
from pipeline_live.emulator import Reply, Script

async def ask():
    config = {"response_modalities": ["AUDIO"], "output_audio_transcription": {}}
    client = genai.Client()
    async with client.aio.live.connect(model="gemini-3.8-live", config=config) as session:
        await session.send_realtime_input(text="Hi.")
        said = [m.server_content.output_transcription.text async for m in session.receive()
                if m.server_content and m.server_content.output_transcription]
    return "".join(said)

@pytest.mark.gemini_live("It is sunny.", model_speed=40, key="mine")
def test_replies(gemini_live):
    assert asyncio.run(ask()) == "It is sunny."
    assert gemini_live.sessions[0].history[-1].text == "It is sunny."

@pytest.mark.gemini_live(Script([Reply("Yes.", delay_ms=0)]))
def test_a_script(gemini_live):
    assert gemini_live.script.replies == [Reply("Yes.", delay_ms=0)]

def test_made_up(gemini_live):
    assert gemini_live.base_url.startswith("https://127.0.0.1:")
    assert gemini_live.script.replies == ()
"""


def test_a_suite_that_uses_the_fixture(pytester, monkeypatch):
    monkeypatch.setenv("GOOGLE_API_KEY", "the developer's own")
    monkeypatch.setenv("GOOGLE_VERTEX_BASE_URL", "https://127.0.0.1:9")
    pytester.makeconftest('pytest_plugins = ["pipeline_live.emulator.fixtures"]')
    pytester.makepyfile(SUITE)
    done = pytester.runpytest_inprocess("--strict-markers", "-p", "no:cacheprovider")
    done.assert_outcomes(passed=3)
