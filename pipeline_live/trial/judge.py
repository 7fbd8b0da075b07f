"""Whether what was seen is what was expected. Pure: a moment's look in, a verdict out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SILENT_FOR_MS = 300
"""How long the bot has to be silent for it to count."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is to be seen at one moment, for the expectations of one line.

    Attributes:
        now_ms: The moment, in call time.
        begun_ms: When the line began.
        ended_ms: When it ended; None while it lasts.
        answered: A reply that began after the line did is heard.
        heard: Words heard since the line began.
        tools: Tools called since then, with their arguments.
        interrupted: A reply was ended since then.
        silent_ms: Since when the bot is silent; None while it is not.
    """

    now_ms: int
    begun_ms: int
    ended_ms: int | None
    answered: bool = False
    heard: str = ""
    tools: Sequence[tuple[str, Mapping[str, Any]]] = field(default_factory=tuple)
    interrupted: bool = False
    silent_ms: int | None = None


def happened(expected: Mapping[str, Any], look: Look) -> bool:
    """Whether what is expected has happened."""
    if expected["answered"]:
        return look.answered
    if expected["heard"] is not None:
        return _words(expected["heard"]) in _words(look.heard)
    if expected["tool_called"] is not None:
        return any(
            name == expected["tool_called"] and _holds(expected["with"] or {}, args)
            for name, args in look.tools
        )
    if expected["interrupted"]:
        return look.interrupted
    return look.silent_ms is not None and look.now_ms - look.silent_ms >= SILENT_FOR_MS


def deadline_ms(expected: Mapping[str, Any], look: Look) -> int | None:
    """Until when it may happen; None while the line that it counts from still lasts."""
    within_ms: int = expected["within_ms"]
    if expected["interrupted"]:
        return look.begun_ms + within_ms
    if expected["silent"]:
        return look.begun_ms + within_ms + SILENT_FOR_MS
    return None if look.ended_ms is None else look.ended_ms + within_ms


def wish(expected: Mapping[str, Any]) -> str:
    """An expectation in words."""
    if expected["answered"]:
        what = "an answer"
    elif expected["heard"] is not None:
        what = f'to hear "{expected["heard"]}"'
    elif expected["tool_called"] is not None:
        args = f" with {dict(expected['with'])}" if expected["with"] else ""
        what = f"a call of {expected['tool_called']}{args}"
    else:
        what = "an interruption" if expected["interrupted"] else "silence"
    return f"{'not ' if expected['absent'] else ''}{what} within {expected['within_ms']} ms"


def instead(expected: Mapping[str, Any], look: Look) -> str:
    """What was seen where something else was expected."""
    if expected["heard"] is not None:
        return f'heard: "{look.heard.strip()}"' if look.heard.strip() else "nothing was heard"
    if expected["tool_called"] is not None:
        calls = ", ".join(f"{name}({_arguments(args)})" for name, args in look.tools)
        return f"tools called: {calls}" if calls else "no tool was called"
    if expected["answered"]:
        return "it answered" if look.answered else "nothing was heard"
    if expected["interrupted"]:
        return "a reply was interrupted" if look.interrupted else "no reply was interrupted"
    return "it was silent" if look.silent_ms is not None else "it went on speaking"


def _arguments(args: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in args.items())


def _words(text: str) -> str:
    """Words alone, with a blank on both sides of each, so that only whole words match."""
    words = re.findall(r"[^\W_]+", text.casefold())
    return f" {' '.join(words)} "


def _holds(wanted: Mapping[str, Any], args: Mapping[str, Any]) -> bool:
    return all(name in args and args[name] == value for name, value in wanted.items())
