"""Which names of a client the installed Pipecat calls, and which names of Pipecat we use.

The probe reads the source of the installed Gemini Live module, so a call that a release of
Pipecat adds fails here with its name, before it fails in a call as an AttributeError of ours.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from pathlib import Path
from typing import Any

import pytest
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.google import gemini_live
from pipecat.services.google.gemini_live.llm import GeminiLiveLLMService
from stock_pipecat import StockService, calling
from virtual_time import run_virtual as run

# What the facade answers: each call and every keyword that Pipecat passes to it somewhere.
FACADE: dict[str, set[str]] = {
    "client.aio.live.connect": {"model", "config"},
    "session.receive": set(),
    "session.send_realtime_input": {"audio", "video", "text", "activity_start", "activity_end"},
    "session.send_client_content": {"turns", "turn_complete"},
    "session.send_tool_response": {"function_responses"},
    "session.close": set(),
}

# The private attributes of the service that we touch, all in one file of ours, with the value
# each has after the constructor.
PRIVATE_ATTRIBUTES: dict[str, object] = {
    "_bot_audio_buffer": bytearray(),
    "_user_transcription_buffer": "",
    "_transcription_timeout_task": None,
    "_bot_is_responding": False,
    "_vad_disabled": False,
    "_session_resumption_handle": None,
}
# As above, but the value is none of our business.
PRIVATE_ATTRIBUTES_OF_ANY_VALUE = {"_http_options", "_client"}

REQUIRED = inspect.Parameter.empty

# The private methods we call or override: their parameters, with defaults.
PRIVATE_METHODS: dict[str, dict[str, Any]] = {
    "_create_initial_response": {"for_reconnect": False},
    "_create_single_response": {"messages_list": REQUIRED},
    "_handle_interruption": {},
    "_push_user_transcription": {"text": REQUIRED, "result": None},
    "_send_user_text": {"text": REQUIRED},
}

# As above, of every Pipecat object: its way of letting a subclass add an event.
EVENT_METHODS: dict[str, str] = {
    "_register_event_handler": "(self, event_name: str, sync: bool = False)",
    "_call_event_handler": "(self, event_name: str, *args, **kwargs)",
}

# The public methods we override.
OVERRIDDEN: dict[str, dict[str, Any]] = {
    "create_client": {},
    "setup": {"setup": REQUIRED},
    "process_frame": {"frame": REQUIRED, "direction": REQUIRED},
    "push_frame": {"frame": REQUIRED, "direction": FrameDirection.DOWNSTREAM},
    "service_metadata_frame": {},
}

# Where Pipecat may let go of a session: the places that keep or hand on the object itself.
HANDED_TO = {"self._handle_session_ready"}
KEPT_AS = {"self._session"}

FOLDER = Path(gemini_live.__file__).parent
# stt.py, where it exists, is another service with another client.
SOURCES = sorted(path for path in FOLDER.rglob("llm.py"))


def _dotted(node: ast.expr) -> str | None:
    """`a.b.c` of an expression, or None if it is anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = _dotted(node.value)
        return None if base is None else f"{base}.{node.attr}"
    return None


def _seen_from_the_facade(name: str | None) -> str | None:
    """The name as the facade sees it, for an expression that starts at a client or a session."""
    for start, seen in (
        ("self._client", "client"),
        ("self._session", "session"),
        ("session", "session"),
    ):
        if name == start or (name or "").startswith(start + "."):
            return seen + (name or "")[len(start) :]
    return None


class _Probe(ast.NodeVisitor):
    """Collects calls on a client or session, names that are only read, and where it goes."""

    def __init__(self) -> None:
        self.calls: dict[str, set[str]] = {}
        self.positional: set[str] = set()
        self.read: set[str] = set()
        self.handed_to: set[str] = set()
        self.kept_as: set[str] = set()

    def visit_Call(self, node: ast.Call) -> None:
        name = _seen_from_the_facade(_dotted(node.func))
        if name is not None:
            keywords = {keyword.arg or "**" for keyword in node.keywords}
            self.calls.setdefault(name, set()).update(keywords)
            if node.args:
                self.positional.add(name)
        else:
            self.visit(node.func)
        for argument in [*node.args, *(keyword.value for keyword in node.keywords)]:
            if _seen_from_the_facade(_dotted(argument)) in {"client", "session"}:
                self.handed_to.add(_dotted(node.func) or ast.dump(node.func))
            else:
                self.visit(argument)

    def visit_Assign(self, node: ast.Assign) -> None:
        if _seen_from_the_facade(_dotted(node.value)) in {"client", "session"}:
            self.kept_as.update(_dotted(target) or ast.dump(target) for target in node.targets)
        else:
            self.visit(node.value)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        name = _seen_from_the_facade(_dotted(node))
        if name is None:
            self.generic_visit(node)
        elif name not in {"client", "session"}:
            self.read.add(name)


@pytest.fixture(scope="module")
def probe() -> _Probe:
    found = _Probe()
    for path in SOURCES:
        found.visit(ast.parse(path.read_text(encoding="utf-8")))
    return found


def test_the_probe_reads_the_module_that_runs() -> None:
    assert Path(inspect.getfile(GeminiLiveLLMService)) in SOURCES


def test_pipecat_calls_exactly_the_six_names_of_the_facade(probe: _Probe) -> None:
    """Red: give the facade the new call (or keyword), then add it to the table."""
    assert probe.calls == FACADE


def test_pipecat_passes_keywords_only(probe: _Probe) -> None:
    """The facade's methods are keyword-only, like the SDK's."""
    assert probe.positional == set()


def test_pipecat_reads_no_other_attribute_of_a_client_or_session(probe: _Probe) -> None:
    """Red: the facade needs the attribute as well."""
    assert probe.read == set()


def test_pipecat_keeps_the_session_in_one_place_and_hands_it_on_once(probe: _Probe) -> None:
    """Red: the probe can no longer see all uses; follow the object to its new place."""
    assert probe.handed_to == HANDED_TO
    assert probe.kept_as == KEPT_AS


def test_the_probe_sees_what_it_looks_for() -> None:
    """The probe itself: a call, a keyword, a read name, a hand-over and an alias are found."""
    source = """
async def f(self, session):
    await self._session.send_context_update(tools=[], **more)
    await session.receive(1)
    print(self._session.session_id, session)
    alias = self._session
"""
    found = _Probe()
    found.visit(ast.parse(source))
    assert found.calls == {"session.send_context_update": {"tools", "**"}, "session.receive": set()}
    assert found.positional == {"session.receive"}
    assert found.read == {"session.session_id"}
    assert found.handed_to == {"print"}
    assert found.kept_as == {"alias"}


def _assigned_in_constructor() -> set[str]:
    body = ast.parse(textwrap.dedent(inspect.getsource(GeminiLiveLLMService.__init__)))
    return {
        _dotted(node) or ""
        for node in ast.walk(body)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }


@pytest.mark.parametrize("name", sorted(PRIVATE_ATTRIBUTES))
def test_private_attribute_starts_as_expected(name: str) -> None:
    """Red: the file of ours that touches private names has to follow."""

    async def started() -> object:
        service = StockService()
        async with calling(service):
            return getattr(service, name)

    assert f"self.{name}" in _assigned_in_constructor()
    value, wanted = run(started()), PRIVATE_ATTRIBUTES[name]
    assert value == wanted
    assert type(value) is type(wanted)


@pytest.mark.parametrize("name", sorted(PRIVATE_ATTRIBUTES_OF_ANY_VALUE))
def test_private_attribute_exists(name: str) -> None:
    source = inspect.getsource(GeminiLiveLLMService)
    assert f"self.{name} = " in source
    if name == "_http_options":  # our service reads it in create_client(), so it is set before
        body = inspect.getsource(GeminiLiveLLMService.__init__)
        assert body.index("self._http_options = ") < body.index("self.create_client()")


def _parameters(name: str) -> dict[str, Any]:
    signature = inspect.signature(getattr(GeminiLiveLLMService, name))
    return {
        parameter.name: parameter.default
        for parameter in signature.parameters.values()
        if parameter.name != "self"
    }


@pytest.mark.parametrize("name", sorted(PRIVATE_METHODS))
def test_private_method_has_the_expected_signature(name: str) -> None:
    """Red: the file of ours that touches private names has to follow."""
    assert _parameters(name) == PRIVATE_METHODS[name]
    assert inspect.iscoroutinefunction(getattr(GeminiLiveLLMService, name))


@pytest.mark.parametrize("name", sorted(EVENT_METHODS))
def test_event_method_has_the_expected_signature(name: str) -> None:
    """Red: the file of ours that touches private names has to follow."""
    assert str(inspect.signature(getattr(GeminiLiveLLMService, name))) == EVENT_METHODS[name]


@pytest.mark.parametrize("name", sorted(OVERRIDDEN))
def test_overridden_method_has_the_expected_signature(name: str) -> None:
    """Red: our override has another signature than its base; mypy says where."""
    assert _parameters(name) == OVERRIDDEN[name]
    plain = name in {"create_client", "service_metadata_frame"}
    assert inspect.iscoroutinefunction(getattr(GeminiLiveLLMService, name)) is not plain
