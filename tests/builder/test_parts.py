"""Tools, and who is not heard."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Annotated, Any, Literal

import pytest
from aiohttp import web
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    FunctionCallCancelFrame,
    FunctionCallFromLLM,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    InputAudioRawFrame,
)
from pipecat.services.llm_service import FunctionCallParams

from pipeline_live.builder.parts import (
    MuteAfterTool,
    as_step,
    canned_tool,
    function_tool,
    http_tool,
    tools_schema,
)
from pipeline_live.errors import UsageError
from pipeline_live.trial import clock


def called(tool: Any, **arguments: Any) -> Any:
    """What the model is told when it calls a tool."""
    told: list[Any] = []

    async def callback(result: Any) -> None:
        told.append(result)

    params = SimpleNamespace(arguments=arguments, result_callback=callback)
    asyncio.run(tool.handler(params))
    (result,) = told
    return result


def book(
    people: int,
    day: str,
    area: Literal["inside", "outside"] = "inside",
    notes: Annotated[str, "Wishes."] = "",
    names: list[str] | None = None,
    price: float = 0.0,
    sure: bool = True,
    more: dict | None = None,
    *others: str,
    **rest: str,
) -> str:
    """Book a table.

    Only for today and tomorrow.

    Args:
        people: How many come.
        day: Which day.
    """
    return f"{people} on {day}, {area}"


def test_a_functions_hints_and_docstring_are_its_schema() -> None:
    tool = function_tool(book)
    assert tool.name == "book"
    assert tool.description == "Book a table.\nOnly for today and tomorrow."
    assert tool.required == ["people", "day"]
    assert tool.properties == {
        "people": {"type": "integer", "description": "How many come."},
        "day": {"type": "string", "description": "Which day."},
        "area": {"type": "string", "enum": ["inside", "outside"]},
        "notes": {"type": "string", "description": "Wishes."},
        "names": {"type": "array", "items": {"type": "string"}},
        "price": {"type": "number"},
        "sure": {"type": "boolean"},
        "more": {"type": "object"},
    }


def test_plain_and_async_functions_are_called_with_their_arguments() -> None:
    async def later(day: str) -> str:
        """Later."""
        return f"later than {day}"

    assert called(function_tool(book), people=2, day="today") == "2 on today, inside"
    assert called(function_tool(later), day="today") == "later than today"


def test_a_function_may_ask_for_pipecats_parameters() -> None:
    async def direct(params: FunctionCallParams, day: str) -> None:
        """Direct."""
        await params.result_callback({"day": day})

    tool = function_tool(direct)
    assert list(tool.properties) == ["day"]
    assert called(tool, day="today") == {"day": "today"}


def test_a_tool_that_fails_is_an_answer_too() -> None:
    def broken() -> None:
        """Broken."""
        raise KeyError("table 7")

    async def slow() -> None:
        """Slow."""
        await asyncio.sleep(30)

    assert called(function_tool(broken)) == {"error": "KeyError: 'table 7'"}
    assert called(function_tool(slow, timeout_ms=10)) == {"error": "no answer within 10 ms"}


def test_a_type_that_the_model_cannot_give() -> None:
    def strange(when: complex) -> None:
        """Strange."""

    with pytest.raises(UsageError, match=r"strange\(when\) is a <class 'complex'>"):
        function_tool(strange)


def test_a_canned_tool_looks_the_same_and_does_nothing() -> None:
    tool = canned_tool(function_tool(book), {"ok": True})
    assert tool.properties == function_tool(book).properties
    assert called(tool, people=2, day="today") == {"ok": True}


def test_google_search_is_the_models_own() -> None:
    assert tools_schema([]).custom_tools is None
    custom = tools_schema([function_tool(book)], google_search=True).custom_tools
    assert list(custom.values()) == [[{"google_search": {}}]]


# --- web services -------------------------------------------------------------------------------


def asked(method: str, path: str, **arguments: Any) -> tuple[Any, dict[str, Any]]:
    """What a web service was asked, and what the model was told."""
    seen: dict[str, Any] = {}

    async def answer(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        seen.update(
            method=request.method,
            path=request.raw_path,
            body=json.loads(body) if body else None,
            key=request.headers.get("X-Key"),
        )
        if request.path.endswith("plain"):
            return web.Response(text="until six")
        if request.path.endswith("broken"):
            return web.Response(status=500)
        return web.json_response({"open": True})

    async def ask() -> Any:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        tool = http_tool(
            name="hours",
            description="d",
            url=f"http://127.0.0.1:{port}/{path}",
            method=method,
            headers={"X-Key": "k"},
            parameters={"type": "object", "properties": {"day": {"type": "string"}}},
        )
        told: list[Any] = []

        async def callback(result: Any) -> None:
            told.append(result)

        await tool.handler(SimpleNamespace(arguments=arguments, result_callback=callback))
        await runner.cleanup()
        return told[0]

    return asyncio.run(ask()), seen


def test_get_puts_arguments_into_the_query_and_the_path() -> None:
    told, seen = asked("GET", "hours/{day}", day="a/b", n=2, all=True)
    assert told == {"result": {"open": True}}
    assert seen == {"method": "GET", "path": "/hours/a%2Fb?n=2&all=true", "body": None, "key": "k"}


def test_post_puts_them_into_a_body() -> None:
    told, seen = asked("POST", "hours", day="monday")
    assert told == {"result": {"open": True}}
    assert seen["body"] == {"day": "monday"}


def test_text_and_errors_are_told_to_the_model() -> None:
    assert asked("GET", "plain")[0] == {"result": "until six"}
    assert asked("GET", "broken")[0] == {"error": "the service answered 500"}
    nobody = http_tool(name="a", description="b", url="http://127.0.0.1:1/")
    assert called(nobody) == {"error": "the service cannot be reached"}


# --- who is not heard ---------------------------------------------------------------------------


def call(name: str) -> FunctionCallsStartedFrame:
    function = FunctionCallFromLLM(function_name=name, tool_call_id="1", arguments={}, context=None)
    return FunctionCallsStartedFrame([function])


def result(name: str) -> FunctionCallResultFrame:
    return FunctionCallResultFrame(function_name=name, tool_call_id="1", arguments={}, result="x")


SOUND = InputAudioRawFrame(bytes(640), 16_000, 1)


@pytest.mark.parametrize(
    "frames",
    [
        [(call("notice"), True), (FunctionCallCancelFrame("notice", "1"), False)],
        [(call("notice"), True), (FunctionCallCancelFrame("other", "1"), True)],
        [(call("notice"), True), 60, (SOUND, True)],
        [(call("notice"), True), (result("notice"), True), 7, (SOUND, True), 2, (SOUND, False)],
        [
            (call("notice"), True),
            (BotStartedSpeakingFrame(), True),  # one moment, please
            (result("notice"), True),
            60,
            (SOUND, True),
            (BotStoppedSpeakingFrame(), True),  # of that, or of the answer right behind it
            5,
            (SOUND, True),
            5,
            (SOUND, False),
        ],
    ],
    ids=["cancelled", "another is cancelled", "it takes long", "no answer", "in one breath"],
)
def test_nobody_is_muted_for_an_answer_that_does_not_come(frames: list[Any]) -> None:
    async def play() -> None:
        strategy = MuteAfterTool(["notice"])
        for step in frames:
            if isinstance(step, int):
                await asyncio.sleep(step)
            else:
                assert await strategy.process_frame(step[0]) == step[1]

    clock.run(play())


def test_the_user_is_muted_from_the_tools_call_until_its_answer_was_spoken() -> None:
    frames = [
        (BotStartedSpeakingFrame(), False),
        (call("other"), False),
        (call("notice"), True),
        (BotStoppedSpeakingFrame(), True),  # of what it said before
        (result("notice"), True),
        (BotStartedSpeakingFrame(), True),
        (BotStoppedSpeakingFrame(), False),
        (BotStartedSpeakingFrame(), False),
    ]

    async def play() -> list[bool]:
        strategy = MuteAfterTool(["notice"])
        return [await strategy.process_frame(frame) for frame, _ in frames]

    assert asyncio.run(play()) == [muted for _, muted in frames]


def test_what_is_no_step() -> None:
    with pytest.raises(UsageError, match="builtins:dict is no step"):
        as_step({})
