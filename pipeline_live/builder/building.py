"""A plan made real: the pipeline's worker, ready to run."""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.genai.types import HttpOptions
from pipecat.frames.frames import LLMRunFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameProcessor

from pipeline_live.builder.engine import Engine
from pipeline_live.builder.expressions import evaluate
from pipeline_live.builder.plan import Plan, needs_early_access, plan_of
from pipeline_live.config import Bot
from pipeline_live.errors import PipelineLiveError, UsageError
from pipeline_live.processors import GeminiLiveService


@dataclass(frozen=True, slots=True)
class Built:
    """A bot that can run.

    Attributes:
        worker: Its pipeline.
        service: The model's service.
        context: The conversation.
        transport: Where sound comes in and goes out.
        steps: The processors, in order.
    """

    worker: PipelineWorker
    service: GeminiLiveService
    context: LLMContext
    transport: Any
    steps: list[FrameProcessor]

    async def open(self) -> None:
        """Open the conversation: without this no sound of the user ever reaches the model."""
        await self.worker.queue_frame(LLMRunFrame())


def build(
    bot: Bot,
    engine: Engine,
    transport: Any = None,
    *,
    canned: Mapping[str, Any] | None = None,
    **worker: Any,
) -> Built:
    """Make a bot.

    Args:
        bot: The checked file.
        engine: Whom it talks to.
        transport: A transport in place of the file's own, with ``input()`` and ``output()``.
        canned: Results of tools, by name, in place of what the tools would do.
        **worker: Further arguments of Pipecat's ``PipelineWorker``.

    Raises:
        UsageError: A class, function or file that the bot names cannot be used after all.
    """
    plan = plan_of(bot, canned)
    _prefer_modules_of(bot.folder)
    return _make(bot, plan, engine, transport, worker)


def _make(
    bot: Bot, plan: Plan, engine: Engine, transport: Any, worker_options: dict[str, Any]
) -> Built:
    local: dict[str, Any] = {
        "__file__": str(bot.path),
        "api_key": engine.api_key,
        "http_options": _http_options(bot, engine),
        "transport": transport,
    }
    with _explained(bot):
        for name, expression in plan.shared.items():
            local[name] = evaluate(expression, local)
        if transport is None and plan.transport is not None:
            local["transport"] = evaluate(plan.transport, local)
        local["service"] = evaluate(plan.service, local)
        local["context"] = evaluate(plan.context, local)
        local["pair"] = evaluate(plan.pair, local)
        steps = evaluate(plan.steps, local)
        params = evaluate(plan.params, local)
    worker = PipelineWorker(Pipeline(steps), params=params, **worker_options)
    return Built(worker, local["service"], local["context"], local["transport"], steps)


def _http_options(bot: Bot, engine: Engine) -> HttpOptions | None:
    options = engine.http_options()
    if needs_early_access(bot):
        options = options or HttpOptions()
        options.api_version = "v1alpha"
    return options


def _prefer_modules_of(folder: Path) -> None:
    """Let the bot's own modules be found first, as for a script in its folder.

    Another bot in this process may have had modules of the same names.
    """
    sys.path[:] = [str(folder), *(entry for entry in sys.path if entry != str(folder))]
    own = {path.stem: path for path in folder.glob("*.py")}
    own |= {path.parent.name: path for path in folder.glob("*/__init__.py")}
    for name in own.keys() - {*sys.stdlib_module_names, "pipeline_live"}:
        known = getattr(sys.modules.get(name), "__file__", None)
        another = known is not None and Path(known).resolve() != own[name]
        if another and Path(str(known)).name == own[name].name:
            for loaded in [one for one in sys.modules if f"{one}.".startswith(f"{name}.")]:
                del sys.modules[loaded]


@contextlib.contextmanager
def _explained(bot: Bot) -> Iterator[None]:
    """What a look at the source could not see, said in a line.

    Everything that is made here is made as the file says, by classes and modules that it names.
    """
    try:
        yield
    except PipelineLiveError:
        raise
    except Exception as error:  # the file's classes and modules raise what they like
        said = " ".join(str(error).split())
        if not isinstance(error, ImportError | AttributeError | TypeError | ValueError):
            said = f"{type(error).__name__}: {said}"
        raise UsageError(
            f"{bot.path}: the bot cannot be built: {said}{_line_in(bot.folder, error)}"
        ) from error


def _line_in(folder: Path, error: Exception) -> str:
    """Where in the bot's own modules an error came from, if it did."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).parent == folder]
    return f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
