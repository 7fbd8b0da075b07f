"""An ordinary Pipecat bot with barge-in: one import changed, Playback and server_turns() added.

Shows: an answer, a barge-in, a second answer; what was heard of the first one, and what Pipecat's
context holds in the end. Leaves 04_pipecat_bot.wav in the current folder: user left, bot right.
Needs: nothing; talks to Gemini when GEMINI_API_KEY is set, otherwise to the embedded emulator.
"""

from __future__ import annotations

import asyncio
import os

from pipecat.frames.frames import EndFrame, LLMRunFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.workers.runner import WorkerRunner
from support import gemini_or_emulator, until, voice

from pipeline_live import FileSink, GeminiLiveService, MicSource, Playback, server_turns

STORY = "Once upon a time there was a harbour, and in it lay an old ship that nobody owned. " * 3


async def main() -> None:
    words = voice("Sorry, please stop for a moment.")
    microphone = MicSource()
    service = GeminiLiveService(api_key=os.environ["GEMINI_API_KEY"])
    context = LLMContext([{"role": "user", "content": "Tell me a long story."}])
    pair = LLMContextAggregatorPair(context, user_params=server_turns())
    sink = FileSink("04_pipecat_bot.wav")
    steps = [microphone, pair.user(), service, Playback(), sink, pair.assistant()]
    worker = PipelineWorker(Pipeline(steps))
    ledger, machine = service.call.ledger, service.call.machine

    async def person() -> None:
        await worker.queue_frame(LLMRunFrame())
        await until(lambda: machine.reply is not None and ledger.heard_ms(machine.reply) > 2000)
        story = machine.reply
        await microphone.say(words)
        await until(lambda: machine.reply is not story and not ledger.waiting())
        if story is not None:
            print(f"interrupted: {story.dead}")
            print(f"samples received: {ledger.received_samples(story)}")
            print(f"samples heard: {ledger.heard_samples(story)}: {ledger.heard_text(story)!r}")
        await worker.queue_frame(EndFrame())

    runner = WorkerRunner()
    await runner.add_workers(worker)
    await asyncio.gather(runner.run(), person())
    for message in context.get_messages():
        print("context:", message)


with gemini_or_emulator(STORY, "Of course. What would you like to know?"):
    asyncio.run(main())
