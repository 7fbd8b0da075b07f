"""Which Pipecat this package works with, and the only place that touches Pipecat's private names.

``tests/pipecat`` pins each of them on the lowest and the newest supported version, by name.
"""

from __future__ import annotations

import warnings
from importlib.metadata import version
from typing import Any

from pipecat.frames.frames import InterruptionFrame
from pipecat.services.google.gemini_live.llm import GeminiLiveLLMService
from pipecat.utils.base_object import BaseObject

try:  # moved here in 1.14
    from pipecat.adapters.llm.schemas.direct_function import tool_options
    from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
    from pipecat.adapters.llm.schemas.tools_schema import AdapterType, ToolsSchema
except ModuleNotFoundError:
    from pipecat.adapters.schemas.direct_function import tool_options
    from pipecat.adapters.schemas.function_schema import FunctionSchema
    from pipecat.adapters.schemas.tools_schema import AdapterType, ToolsSchema

__all__ = ["AdapterType", "FunctionSchema", "ToolsSchema", "tool_options"]

LOWEST = (1, 12)
NEWEST = (1, 14)


def check(installed: str | None = None) -> None:
    """Refuse a Pipecat that cannot work; warn about one that was not tested.

    Args:
        installed: A version; the installed one when not given.

    Raises:
        ImportError: The version is not supported.
    """
    installed = installed or version("pipecat-ai")
    parts = tuple(int(part) for part in installed.split(".")[:2] if part.isdigit())
    supported = f"{'.'.join(map(str, LOWEST))} to {'.'.join(map(str, NEWEST))}"
    if parts < LOWEST or parts[:1] != LOWEST[:1]:
        raise ImportError(
            f"pipeline_live works with pipecat-ai {supported}, found {installed}; "
            f"pip install 'pipecat-ai[google]>={'.'.join(map(str, LOWEST))},<2'"
        )
    if parts > NEWEST:
        warnings.warn(
            f"pipeline_live was tested with pipecat-ai {supported}, found {installed}",
            stacklevel=3,
        )


def forget_bot_audio(service: GeminiLiveLLMService) -> None:
    """Empty a copy of the bot's audio that the base service keeps and never reads (48 kB/s)."""
    service._bot_audio_buffer.clear()


async def finish_interruption(service: GeminiLiveLLMService) -> None:
    """Do for an interruption by the server what the base does for one from the pipeline.

    The base broadcasts the first past its own ``process_frame``, so tools that are to be cancelled
    by an interruption would run on, and the bot would stay "responding".
    """
    await service._handle_interruptions(InterruptionFrame())
    await service._handle_interruption()


async def finish_question(service: GeminiLiveLLMService) -> bool:
    """Send on at once what the user said last, whose end the base waits for up to 0.5 s.

    Returns:
        Whether there was anything.
    """
    words, service._user_transcription_buffer = service._user_transcription_buffer, ""
    base: Any = service  # which declares this attribute as None only
    waiting, base._transcription_timeout_task = base._transcription_timeout_task, None
    if waiting is not None:
        await service.cancel_task(waiting)
    if words:
        await service._push_user_transcription(words)
    return bool(words)


async def seed_again(service: GeminiLiveLLMService) -> None:
    """Give a fresh session, which remembers nothing, the conversation so far."""
    if service._context is not None:
        await service._create_initial_response(for_reconnect=True)


async def answer(service: GeminiLiveLLMService, messages: list[Any], *, as_text: bool) -> None:
    """Send messages to the model for it to answer.

    Args:
        service: Whose model.
        messages: In the context's format.
        as_text: Only the words, as realtime input, for a model that takes no turns any more.
    """
    if as_text:
        await service._send_user_text("\n".join(filter(None, map(_words, messages))))
    else:
        await service._create_single_response(messages)


def _words(message: Any) -> str:
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, str):
        return content
    parts = [part for part in content or [] if isinstance(part, dict)]
    return " ".join(part["text"] for part in parts if part.get("type") == "text")


def has_event(thing: BaseObject, name: str) -> bool:
    """Whether handlers for an event can be added; Pipecat only warns about unknown ones."""
    return name in thing._event_handlers


def add_event(service: GeminiLiveLLMService, name: str) -> None:
    """Let people put handlers on an event of ours; Pipecat has this for subclasses only."""
    service._register_event_handler(name)


async def raise_event(service: GeminiLiveLLMService, name: str, *given: object) -> None:
    """Call the handlers of an event of ours."""
    await service._call_event_handler(name, *given)
