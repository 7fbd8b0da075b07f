"""Stop and text on every family and both floors, over real sockets to the emulator, all at once."""

import asyncio

from fakes import run
from google import genai

from pipeline_live import LiveClient
from pipeline_live.emulator import Emulator, Reply, Script

FAMILIES = (
    "gemini-3.8-live",
    "gemini-3.1-flash-live-preview",
    "gemini-2.5-flash-native-audio-preview-12-2025",
)
SCRIPT = Script(
    [
        Reply("One.", delay_ms=400),
        Reply("Two, and a great deal more than that, which nobody will ever hear.", delay_ms=200),
        Reply("Three is the last.", delay_ms=200),
    ]
)
CONFIG = {"response_modalities": ["AUDIO"], "output_audio_transcription": {}}


async def talk(model: str, floor: str) -> str:
    """Ask and stop before the answer, ask and write over the answer; return the words received."""
    async with Emulator(SCRIPT, model_speed=20) as emulator:
        options = emulator.http_options()
        client = LiveClient(genai.Client(api_key="any", http_options=options), floor=floor)
        words: list[str] = []
        news = asyncio.Event()
        async with client.aio.live.connect(model=model, config=CONFIG) as session:

            async def receive() -> None:
                while True:
                    async for message in session.receive():
                        content = message.server_content
                        if content and content.output_transcription:
                            words.append(content.output_transcription.text or "")
                            news.set()

            async def until(word: str) -> None:
                while word not in "".join(words):
                    news.clear()
                    await news.wait()

            receiving = asyncio.create_task(receive())
            await session.send_realtime_input(text="First?")
            await session.interrupt()
            await asyncio.sleep(1)  # long enough for an answer that nobody wants
            await session.send_realtime_input(text="Second?")
            await until("Two")
            await session.send_realtime_input(text="Third?")
            await until("last.")
            receiving.cancel()
        assert [entry.text for entry in emulator.sessions[0].history if entry.role == "user"] == [
            "First?",
            "Second?",
            "Third?",
        ]
        return " ".join("".join(words).split())


def test_the_stopped_answer_is_silent_the_next_begins_and_what_was_written_is_answered_whole():
    calls = [(model, floor) for model in FAMILIES for floor in ("server", "local")]

    async def scenario() -> list[str]:
        return await asyncio.gather(*(talk(model, floor) for model, floor in calls))

    for call, words in zip(calls, run(scenario()), strict=True):
        assert "One" not in words, call
        assert words.startswith("Two"), call
        assert words.endswith("Three is the last."), call


def test_a_family_of_its_own_is_tried_for_each_row_of_the_table():
    from pipeline_live.session.capabilities import STOPS

    named = {beginning for row in STOPS for beginning in row.models if beginning}
    assert all(any(name in model for model in FAMILIES) for name in named - {"gemini-live-2.5"})
