"""An existing bot for Pipecat's runner and Pipecat Cloud, with one import changed.

Shows: `bot(runner_args)` for a browser, Daily, a phone line, a WebSocket and `pipecat eval`; a
tool; `Playback` and `server_turns()`, which go with the changed import.
Needs: pip install 'pipecat-pipeline-live[web]'; then run it and open http://localhost:7860, or
call it with `python phone.py`. Talks to the embedded emulator without GEMINI_API_KEY.
"""

from __future__ import annotations

import os
from typing import Any

from pipecat.frames.frames import LLMRunFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.runner.utils import create_transport
from pipecat.workers.runner import WorkerRunner
from transports import TRANSPORTS

from pipeline_live import GeminiLiveService, Playback, server_turns  # was: GeminiLiveLLMService


async def opening_hours(params: Any, day: str) -> None:
    """When the harbour office is open on a day of the week."""
    await params.result_callback({"day": day, "open": "nine to five"})


async def bot(runner_args: Any) -> None:
    """Hold one conversation; the runner and Pipecat Cloud call this."""
    transport = await create_transport(runner_args, TRANSPORTS)
    service = GeminiLiveService(api_key=os.environ["GEMINI_API_KEY"], tools=[opening_hours])
    context = LLMContext([{"role": "user", "content": "Greet me in one sentence."}])
    pair = LLMContextAggregatorPair(context, user_params=server_turns())
    steps = [transport.input(), pair.user(), service, Playback(), transport.output()]
    params = PipelineParams(enable_metrics=True, enable_usage_metrics=True)
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
