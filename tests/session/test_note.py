"""Telling the model what was heard, over a real socket: nothing is cut, and it is remembered."""

from __future__ import annotations

import asyncio

from google import genai

from pipeline_live import LiveClient
from pipeline_live.emulator import Emulator, Script
from pipeline_live.turn import TurnPolicy

STORY = "Once there was a harbour, and an old ship. Nobody owned it."
ANSWER = "You are welcome. Good bye!"


def test_a_note_after_a_stop_is_in_the_model_s_memory_and_the_next_reply_is_whole():
    async def scenario():
        async with Emulator(Script([STORY, ANSWER])) as emulator:
            inner = genai.Client(api_key="any", http_options=emulator.http_options())
            client = LiveClient(inner, policy=TurnPolicy(tell_heard=True))
            config = {"response_modalities": ["AUDIO"], "output_audio_transcription": {}}
            connect = client.aio.live.connect(model="gemini-3.8-live", config=config)
            async with connect as session, asyncio.timeout(30):
                await session.send_realtime_input(text="Tell me a story.")
                stop = None
                async for message in session.receive():
                    if message.data and stop is None:
                        stop = asyncio.get_running_loop().call_later(1, session.interrupt)
                await session.send_realtime_input(text="Thank you.")
                said = [
                    message.server_content.output_transcription.text
                    async for message in session.receive()
                    if message.server_content and message.server_content.output_transcription
                ]
                heard = session.call.interruption.heard_text
            (model,) = emulator.sessions
            return heard, "".join(said), [(one.role, one.text, one.cut) for one in model.history]

    heard, said, history = asyncio.run(scenario())
    assert 2 <= len(heard.split()) <= 8
    assert said == ANSWER
    roles = [role for role, _, _ in history]
    assert roles == ["user", "model", "user", "user", "model"]
    assert heard in history[2][1]
    assert not any(cut for _, _, cut in history), "the model was told after its turn was over"
