"""A bot on a phone line: local turns at 8 kHz, and it hangs up when the caller says goodbye.

Shows: `floor="local"` over Twilio's media streams; the caller's number; a tool that ends the call
after the turn in which the model calls it.
Needs: pip install 'pipecat-pipeline-live[telephony]'; then run it and call it with `python
phone.py`, or point a Twilio number to it (`-t twilio -x your.host`, TWILIO_ACCOUNT_SID and
TWILIO_AUTH_TOKEN). Talks to the embedded emulator without GEMINI_API_KEY.
"""

from __future__ import annotations

import os
from typing import Any

from pipecat.frames.frames import EndWorkerFrame, LLMRunFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.runner.utils import create_transport
from pipecat.workers.runner import WorkerRunner
from transports import TRANSPORTS

from pipeline_live import GeminiLiveService, Playback, local_turns


async def hang_up(params: Any) -> None:
    """End the call; say goodbye first."""
    await params.result_callback({"done": True})
    await params.llm.push_frame(EndWorkerFrame())


async def bot(runner_args: Any) -> None:
    """Take one call."""
    transport = await create_transport(runner_args, TRANSPORTS)
    key, number = os.environ["GEMINI_API_KEY"], runner_args.call_data.from_number
    service = GeminiLiveService(api_key=key, floor="local", tools=[hang_up])
    context = LLMContext([{"role": "user", "content": f"Greet the caller from {number}."}])
    pair = LLMContextAggregatorPair(context, user_params=local_turns())
    steps = [transport.input(), pair.user(), service, Playback(), transport.output()]
    params = PipelineParams(audio_in_sample_rate=8000, audio_out_sample_rate=8000)
    worker = PipelineWorker(Pipeline([*steps, pair.assistant()]), params=params)

    async def begin(*_: Any) -> None:
        await worker.queue_frame(LLMRunFrame())

    async def end(*_: Any) -> None:
        await worker.cancel()

    transport.add_event_handler("on_client_connected", begin)
    transport.add_event_handler("on_client_disconnected", end)
    runner = WorkerRunner(handle_sigint=runner_args.handle_sigint)
    await runner.add_workers(worker)
    await runner.run()


if __name__ == "__main__":
    from support import run_server

    run_server()
