"""Run a built bot: here over its own transport, or for a session that a runner brings."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from loguru import logger
from pipecat.frames.frames import EndFrame, ErrorFrame, LLMRunFrame
from pipecat.pipeline.worker import PipelineWorker
from pipecat.runner.types import RunnerArguments, WebSocketRunnerArguments
from pipecat.runner.utils import create_transport
from pipecat.transports.base_transport import BaseTransport, TransportParams
from pipecat.workers.runner import WorkerRunner

from pipeline_live.builder.building import Built, build
from pipeline_live.builder.engine import Engine, emulated, engine_for, key_of
from pipeline_live.builder.telephony import plain_telephony
from pipeline_live.config import Bot, load
from pipeline_live.emulator import Emulator
from pipeline_live.errors import PipelineLiveError
from pipeline_live.processors import FileTransport, GeminiLiveService, compatibility

CHUNKS_10MS = 2
"""What a transport writes at once, as short as Pipecat's own bots never do: a stop is felt."""
_LOOK_MS = 50
_FIRST_WORD_WITHIN_MS = 20_000


async def run_here(built: Built, end_after_ms: int | None = None) -> None:
    """Run a bot over its own transport until it ends or is stopped.

    Args:
        built: The bot.
        end_after_ms: Over files: end when both sides have been silent for so long.

    Raises:
        PipelineLiveError: The pipeline reported an error.
    """
    failures: list[str] = []

    async def on_error(_: object, frame: ErrorFrame) -> None:
        failures.append(frame.error)
        await built.worker.cancel()

    built.worker.add_event_handler("on_pipeline_error", on_error)
    await begin(built.worker, built.transport)
    ending: asyncio.Task[None] | None = None
    if end_after_ms is not None:
        ending = asyncio.create_task(
            end_when_silent(built.worker, built.service, built.transport, end_after_ms)
        )
    runner = WorkerRunner()
    await runner.add_workers(built.worker)
    try:
        await runner.run()
    finally:
        if ending is not None:
            ending.cancel()
            await asyncio.gather(ending, return_exceptions=True)
    if failures:
        raise PipelineLiveError(failures[0])


async def begin(worker: PipelineWorker, transport: Any) -> None:
    """Open the conversation: at once, or when somebody connects, where a transport tells that.

    Args:
        worker: The pipeline.
        transport: Where its ends are.
    """

    async def on_connected(*_: Any) -> None:
        await worker.queue_frame(LLMRunFrame())

    async def on_disconnected(*_: Any) -> None:
        await worker.cancel()

    connects = "on_client_connected"
    if isinstance(transport, BaseTransport) and compatibility.has_event(transport, connects):
        transport.add_event_handler(connects, on_connected)
        transport.add_event_handler("on_client_disconnected", on_disconnected)
    else:
        await on_connected()


async def end_when_silent(
    worker: PipelineWorker, service: GeminiLiveService, transport: FileTransport, after_ms: int
) -> None:
    """End a call over files when all was said and both sides have been silent.

    It does not end before the bot has said anything, unless nothing comes for 20 s.

    Args:
        worker: The pipeline.
        service: Its model.
        transport: Its files.
        after_ms: For how long.
    """
    call, quiet_ms = service.call, 0
    while quiet_ms < (after_ms if call.machine.reply is not None else _FIRST_WORD_WITHIN_MS):
        await asyncio.sleep(_LOOK_MS / 1000)
        busy = (
            transport.microphone.speaks
            or call.machine.gate.value == "replying"
            or bool(call.ledger.waiting())
        )
        quiet_ms = 0 if busy else quiet_ms + _LOOK_MS
    await worker.queue_frame(EndFrame())


# --- for Pipecat's runner -----------------------------------------------------------------------


def bot_from(path: Path | str) -> Callable[[RunnerArguments], Awaitable[None]]:
    """A bot for Pipecat's runner and Pipecat Cloud, out of a file.

    The runner brings the transport; the file's own is for ``pipeline-live run``. Each session reads
    nothing anew: the file is checked once, here.

    Args:
        path: The bot's file.

    Raises:
        ConfigError: The file has findings.
        UsageError: It cannot be read.
    """
    bot = load(path)
    engine = functools.cache(functools.partial(_lasting_engine, bot))

    async def run_bot(runner_args: RunnerArguments) -> None:
        await run_session(bot, engine(), runner_args)

    return run_bot


async def run_session(bot: Bot, engine: Engine, runner_args: RunnerArguments) -> None:
    """Run one session that a runner brings, until the person has gone.

    Args:
        bot: The checked file.
        engine: Whom it talks to.
        runner_args: What the runner knows of the session.
    """
    transport = await session_transport(runner_args, hang_up=hangs_up(bot))
    built = build(bot, engine, transport, idle_timeout_secs=runner_args.pipeline_idle_timeout_secs)

    await begin(built.worker, transport)
    runner = WorkerRunner(
        handle_sigint=runner_args.handle_sigint, handle_sigterm=runner_args.handle_sigterm
    )
    await runner.add_workers(built.worker)
    await runner.run()


async def session_transport(runner_args: RunnerArguments, *, hang_up: bool = False) -> Any:
    """The transport of a session that a runner brings.

    Args:
        runner_args: The session.
        hang_up: A phone call ends at the provider when the bot ends, which takes its credentials.
    """
    match runner_args:
        case WebSocketRunnerArguments(transport_type="websocket"):
            pass
        case WebSocketRunnerArguments() if not hang_up:
            return await plain_telephony(runner_args, CHUNKS_10MS)
        case _:
            pass
    return await create_transport(runner_args, transport_params())


def hangs_up(bot: Bot) -> bool:
    """Whether the bot ends phone calls at the provider."""
    transport = bot["transport"]
    return transport.name == "telephony" and bool(transport.options["hang_up"])


def _lasting_engine(bot: Bot) -> Engine:
    """An engine for as long as the process lives."""
    if not key_of(bot) and bot.model_step.name == "gemini_live":
        logger.warning("GEMINI_API_KEY is not set: the bot talks to an emulator")
        return emulated(Emulator().__enter__())
    with engine_for(bot) as engine:
        return engine


def transport_params() -> dict[str, Callable[[], TransportParams]]:
    """Parameters for whatever transport a session has; each is made only when it is used."""
    names = ("twilio", "telnyx", "plivo", "exotel")
    return {
        "webrtc": functools.partial(_params, "pipecat.transports.base_transport:TransportParams"),
        "livekit": functools.partial(_params, "pipecat.transports.livekit.transport:LiveKitParams"),
        "daily": functools.partial(_params, "pipecat.transports.daily.transport:DailyParams"),
        "websocket": _websocket,
        "eval": functools.partial(_params, "pipecat.evals.transport:EvalTransportParams"),
        **{
            name: functools.partial(
                _params, "pipecat.transports.websocket.fastapi:FastAPIWebsocketParams"
            )
            for name in names
        },
    }


def _params(path: str, **more: Any) -> TransportParams:
    from pipeline_live.builder.expressions import Name, evaluate

    params: TransportParams = evaluate(Name(path), {})(
        audio_in_enabled=True,
        audio_out_enabled=True,
        audio_out_10ms_chunks=CHUNKS_10MS,
        **more,
    )
    return params


def _websocket() -> TransportParams:
    from pipecat.serializers.protobuf import ProtobufFrameSerializer

    path = "pipecat.transports.websocket.fastapi:FastAPIWebsocketParams"
    return _params(path, serializer=ProtobufFrameSerializer())


@contextlib.contextmanager
def as_main_bot(bot: Bot, engine: Engine) -> Any:
    """Be the ``bot`` of the main module, where Pipecat's runner looks for it."""
    import sys

    async def run_bot(runner_args: RunnerArguments) -> None:
        await run_session(bot, engine, runner_args)

    main = sys.modules["__main__"]
    main.bot = run_bot  # type: ignore[attr-defined]
    try:
        yield
    finally:
        del main.bot
