"""Tool calls that wait for their results."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline_live.emulator.families import Family, Tools
from pipeline_live.emulator.messages import ToolResult
from pipeline_live.emulator.script import Reply

_MOST_CALLS = 32

Wanted = tuple[str, str, dict[str, object]]
"""Id, name and arguments of a call."""


@dataclass(slots=True, eq=False)
class Round:
    """The calls of one toolCall message.

    Attributes:
        reply: What is said when the last result has come.
        blocks: The calls hold it back.
        waiting: Ids and names of the calls without a result.
    """

    reply: Reply
    blocks: bool
    waiting: dict[str, str] = field(default_factory=dict)


class OpenCalls:
    """All calls that wait; the oldest are forgotten beyond 32.

    Args:
        family: Whether calls block, and how their ids look.
        rng: Makes ids.

    Attributes:
        blocking: Declared tools and whether they block; None where that is not said.
    """

    def __init__(
        self, family: Family, blocking: Mapping[str, bool | None], rng: random.Random
    ) -> None:
        self.blocking = blocking
        self._family = family
        self._rng = rng
        self._rounds: dict[str, Round] = {}

    def __bool__(self) -> bool:
        """Whether any call waits."""
        return bool(self._rounds)

    def begin(self, reply: Reply) -> tuple[Round, list[Wanted]]:
        """Make the calls of a reply."""
        calls = Round(reply, any(self._blocks(tool.name) for tool in reply.calls))
        wanted: list[Wanted] = []
        for tool in reply.calls:
            call_id = self._new_id()
            calls.waiting[call_id] = tool.name
            self._rounds[call_id] = calls
            wanted.append((call_id, tool.name, dict(tool.args)))
        while len(self._rounds) > _MOST_CALLS:
            del self._rounds[next(iter(self._rounds))]
        return calls, wanted

    def find(self, result: ToolResult) -> Round | None:
        """Whose result this is, or None. Without an id, which Vertex allows, the name says it."""
        return self._rounds.get(self._id_of(result))

    def settle(self, result: ToolResult) -> bool:
        """Take a result that was found; whether it was the last one of its round."""
        call_id = self._id_of(result)
        calls = self._rounds.pop(call_id)
        del calls.waiting[call_id]
        return not calls.waiting

    def drop(self, calls: Round) -> list[str]:
        """Wait no longer for the calls of a round; their ids."""
        ids = [call_id for call_id in calls.waiting if self._rounds.pop(call_id, None)]
        calls.waiting.clear()
        return ids

    def _id_of(self, result: ToolResult) -> str:
        if result.id:
            return result.id
        return next(
            (
                call_id
                for call_id, calls in self._rounds.items()
                if calls.waiting[call_id] == result.name
            ),
            "",
        )

    def _blocks(self, name: str) -> bool:
        declared = self.blocking.get(name)
        match self._family.tools:
            case Tools.ONLY_BLOCKING:
                return True
            case Tools.ONLY_NON_BLOCKING:
                return False
            case Tools.BLOCKING:
                return declared is not False
            case _:
                return declared is True

    def _new_id(self) -> str:
        if not self._family.call_id:
            return uuid_of(self._rng.getrandbits(128))
        return self._family.call_id.replace("{}", str(self._rng.randrange(10**6, 10**7)))


def uuid_of(bits: int) -> str:
    """128 bits, written as a UUID."""
    text = f"{bits:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
