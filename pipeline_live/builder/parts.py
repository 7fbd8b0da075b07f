"""What a built bot is made of beyond Pipecat and our processors: tools, and who is not heard.

Ejected bots import these names too.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import docstring_parser
from pipecat.audio.filters.base_audio_filter import BaseAudioFilter
from pipecat.audio.vad.vad_analyzer import VADAnalyzer
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
)
from pipecat.processors.audio.vad_processor import VADProcessor
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.llm_service import FunctionCallParams
from pipecat.turns.user_mute import BaseUserMuteStrategy

from pipeline_live.errors import UsageError
from pipeline_live.processors import AudioFilter
from pipeline_live.processors.compatibility import (
    AdapterType,
    FunctionSchema,
    ToolsSchema,
    tool_options,
)

TIMEOUT_MS = 10_000
LONGEST_ANSWER = 64 * 1024
"""Bytes of a web service's answer that the model is told."""


def beside(file: str, path: str) -> str:
    """A path that counts from the folder of ``file``."""
    return str(Path(file).resolve().parent / path)


def say(line: str) -> None:
    """Tell the person at the terminal, a microphone that is missing for example."""
    sys.stderr.write(f"{line}\n")


def as_step(thing: Any) -> FrameProcessor:
    """A VAD analyzer or an audio filter as a processor; processors as they are.

    Raises:
        UsageError: It is none of them.
    """
    if isinstance(thing, FrameProcessor):
        return thing
    if isinstance(thing, VADAnalyzer):
        return VADProcessor(vad_analyzer=thing)
    if isinstance(thing, BaseAudioFilter):
        return AudioFilter(thing)
    raise UsageError(
        f"{type(thing).__module__}:{type(thing).__name__} is no step: it must be a Pipecat "
        "processor, VAD analyzer or audio filter"
    )


# --- tools ------------------------------------------------------------------------------------


def tools_schema(
    standard_tools: Sequence[FunctionSchema], *, google_search: bool = False
) -> ToolsSchema:
    """The bot's tools for Pipecat.

    Args:
        standard_tools: Functions and web services.
        google_search: Also the model's own search.
    """
    custom: Any = {AdapterType.GEMINI: [{"google_search": {}}]} if google_search else None
    return ToolsSchema(standard_tools=list(standard_tools), custom_tools=custom)


def function_tool(
    function: Callable[..., Any],
    *,
    timeout_ms: int = TIMEOUT_MS,
    cancel_on_interruption: bool = True,
) -> FunctionSchema:
    """A Python function as a tool: its type hints and docstring tell the model how to call it.

    Args:
        function: Plain or async; an argument of type ``FunctionCallParams`` is filled by Pipecat. A
            plain function runs in a thread.
        timeout_ms: Give up after so long.
        cancel_on_interruption: An interruption of the bot ends the call.

    Raises:
        UsageError: A parameter has a type that the model cannot give.
    """
    described = docstring_parser.parse(inspect.getdoc(function) or "")
    about = {parameter.arg_name: parameter.description or "" for parameter in described.params}
    hints = typing.get_type_hints(function, include_extras=True)
    properties: dict[str, Any] = {}
    required: list[str] = []
    given_params = ""
    for name, parameter in inspect.signature(function).parameters.items():
        if hints.get(name) is FunctionCallParams:
            given_params = name
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue  # the model only gives what has a name
        properties[name] = _schema_of(hints.get(name, str), f"{function.__name__}({name})")
        if about.get(name):
            properties[name]["description"] = about[name]
        if parameter.default is inspect.Parameter.empty:
            required.append(name)

    async def call(params: FunctionCallParams) -> None:
        arguments = dict(params.arguments)
        if given_params:
            arguments[given_params] = params
        if inspect.iscoroutinefunction(function):
            result = await function(**arguments)
        else:
            result = await asyncio.to_thread(function, **arguments)
        if not given_params or result is not None:
            await params.result_callback(result)

    return FunctionSchema(
        name=function.__name__,
        description=_description(described),
        properties=properties,
        required=required,
        handler=_guarded(call, timeout_ms, cancel_on_interruption),
    )


def http_tool(
    *,
    name: str,
    description: str,
    url: str,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    parameters: Mapping[str, Any] | None = None,
    timeout_ms: int = TIMEOUT_MS,
    cancel_on_interruption: bool = True,
) -> FunctionSchema:
    """A web service as a tool.

    Args:
        name: What the model calls it.
        description: What it does, for the model.
        url: Where; ``{name}`` in it is filled from the arguments.
        method: With GET and DELETE the other arguments go into the query, else into a JSON body.
        headers: Sent along.
        parameters: JSON Schema of the arguments, of type object.
        timeout_ms: Give up after so long.
        cancel_on_interruption: An interruption of the bot ends the call.
    """
    parameters = parameters or {"type": "object", "properties": {}}

    async def call(params: FunctionCallParams) -> None:
        arguments = dict(params.arguments)
        await params.result_callback(await _ask(url, method, headers or {}, arguments))

    return FunctionSchema(
        name=name,
        description=description,
        properties=dict(parameters["properties"]),
        required=list(parameters.get("required", ())),
        handler=_guarded(call, timeout_ms, cancel_on_interruption),
    )


def canned_tool(tool: FunctionSchema, result: Any) -> FunctionSchema:
    """The same tool, except that it does nothing and answers ``result``."""

    async def call(params: FunctionCallParams) -> None:
        await params.result_callback(result)

    return FunctionSchema(
        name=tool.name,
        description=tool.description,
        properties=tool.properties,
        required=tool.required,
        handler=call,
    )


async def _ask(
    url: str, method: str, headers: Mapping[str, str], arguments: dict[str, Any]
) -> dict[str, Any]:
    """Ask a web service; what went wrong becomes something that the model can tell."""
    in_path = [name for name in arguments if f"{{{name}}}" in url]
    for name in in_path:
        url = url.replace(f"{{{name}}}", quote(str(arguments.pop(name)), safe=""))
    options: dict[str, Any] = {"json": arguments}
    if method in ("GET", "DELETE"):
        options = {"params": {name: _as_word(value) for name, value in arguments.items()}}
    try:
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, url, **options) as response,
        ):
            text = (await response.content.read(LONGEST_ANSWER)).decode("utf-8", "replace")
            if response.status >= 400:
                return {"error": f"the service answered {response.status}"}
    except aiohttp.ClientError:
        return {"error": "the service cannot be reached"}
    try:
        return {"result": json.loads(text)}
    except ValueError:
        return {"result": text}


def _as_word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _guarded(call: Callable[..., Any], timeout_ms: int, cancel_on_interruption: bool) -> Any:
    """Answer the model even when a tool fails: it would wait for ever, and the caller with it."""

    async def guarded(params: FunctionCallParams) -> None:
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                await call(params)
        except TimeoutError:
            await params.result_callback({"error": f"no answer within {timeout_ms} ms"})
        except Exception as error:  # a tool is the author's code: whatever it raises is an answer
            await params.result_callback({"error": f"{type(error).__name__}: {error}"})

    # Pipecat's own limit only as a second net, for its answer to the model is worse than ours.
    options = tool_options(
        cancel_on_interruption=cancel_on_interruption, timeout_secs=timeout_ms / 1000 + 1
    )
    return options(guarded)


def _description(described: docstring_parser.Docstring) -> str:
    return "\n".join(filter(None, (described.short_description, described.long_description)))


_JSON_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean", dict: "object"}


def _schema_of(hint: Any, where: str) -> dict[str, Any]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in _JSON_TYPES:
        return {"type": _JSON_TYPES[hint]}
    if origin is typing.Annotated:
        notes = [note for note in arguments[1:] if isinstance(note, str)]
        return _schema_of(arguments[0], where) | ({"description": notes[0]} if notes else {})
    if origin is typing.Literal:
        return {"type": _JSON_TYPES[type(arguments[0])], "enum": list(arguments)}
    if hint is list or origin is list:
        return {"type": "array", "items": _schema_of(arguments[0] if arguments else str, where)}
    if origin is dict:
        return {"type": "object"}
    rest = [argument for argument in arguments if argument is not type(None)]
    if len(rest) == 1 and len(rest) < len(arguments):  # optional
        return _schema_of(rest[0], where)
    raise UsageError(
        f"{where} is a {hint}; the model can give str, int, float, bool, list, dict and Literal"
    )


# --- who is not heard ---------------------------------------------------------------------------


UNSPOKEN_MS = 8000
"""Silence after a tool's result that says that no answer comes; the slowest one seen took 4.3 s."""


class MuteAfterTool(BaseUserMuteStrategy):
    """Mutes the user from a tool's call until the bot has spoken the answer.

    A call that was cancelled gets no answer, and models were seen to say nothing after a result:
    then the user is heard again, who could not get out of it by speaking.

    Args:
        tools: Names of the tools.
    """

    def __init__(self, tools: Sequence[str]) -> None:
        super().__init__()
        self._tools = frozenset(tools)
        self._waiting = False
        self._answered = False
        self._speaking = False  # the answer, as far as one can tell
        self._bot_speaks = False
        self._silent_since = 0.0

    async def process_frame(self, frame: Frame) -> bool:
        """Whether the user is muted after this frame."""
        await super().process_frame(frame)
        now = asyncio.get_running_loop().time()
        match frame:
            case FunctionCallsStartedFrame():
                if any(call.function_name in self._tools for call in frame.function_calls):
                    self._waiting, self._answered, self._speaking = True, False, False
            case FunctionCallResultFrame() if frame.function_name in self._tools:
                self._answered, self._silent_since = True, now
            case FunctionCallCancelFrame() if frame.function_name in self._tools:
                self._waiting = False
            case BotStartedSpeakingFrame():
                self._bot_speaks, self._speaking = True, self._answered
            case BotStoppedSpeakingFrame():
                self._bot_speaks, self._silent_since = False, now
                self._waiting = self._waiting and not self._speaking
            case _ if self._answered and not self._bot_speaks:
                self._waiting &= now - self._silent_since < UNSPOKEN_MS / 1000
            case _:
                pass
        return self._waiting
