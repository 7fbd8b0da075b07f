"""The faults of one connection: whether it is time, and what they make of a moment."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from pipeline_live.emulator.delivery import Delivery
from pipeline_live.emulator.faults import effects
from pipeline_live.emulator.faults.fault import Fault
from pipeline_live.emulator.faults.kinds import Moment
from pipeline_live.emulator.faults.situation import Cause, Event, Notice, Situation
from pipeline_live.emulator.messages import Message, ToolResponse
from pipeline_live.emulator.script import Reply

Planned = tuple[int, Event]


@dataclass(slots=True)
class _Armed:
    """One fault and what is left of it."""

    fault: Fault
    rng: random.Random
    left: int | None

    def strikes(self, subject: Any, situation: Situation, turn: int, at_ms: int) -> bool:
        """Whether it does so at this chance, which is used up then."""
        fault = self.fault
        if self.left == 0 or not fault.kind.applies(subject, situation, at_ms, fault.settings):
            return False
        if fault.turn is not None and (
            turn < fault.turn if fault.times is not None else turn != fault.turn
        ):
            return False
        if fault.from_ms is not None and at_ms - situation.opened_ms < fault.from_ms:
            return False
        if fault.probability < 1 and self.rng.random() >= fault.probability:
            return False
        if self.left is not None:
            self.left -= 1
        return True


class Mischief:
    """Faults at work.

    Args:
        faults: Those that were asked for.
        situation: What the connection has come to.
        seed: Decides chances where a fault has no seed of its own.
        connection: The connection's number, from 1.
    """

    def __init__(
        self,
        faults: Sequence[Fault] = (),
        situation: Situation | None = None,
        *,
        seed: int | str = 0,
        connection: int = 1,
    ) -> None:
        self.situation = situation or Situation()
        self._mute = False
        self._closes_next = False
        self._armed = [
            _Armed(
                fault,
                random.Random(
                    f"{seed if fault.seed is None else fault.seed}/{connection}/{n}/{fault.name}"
                ),
                fault.strikes,
            )
            for n, fault in enumerate(faults)
            if fault.connection in (None, connection)
        ]

    def turns_away(self) -> HTTPStatus | None:
        """The HTTP status for a client without the right key; None for a close after setup."""
        for armed in self._striking(Moment.HANDSHAKE, None, 0, 0):
            status: HTTPStatus = armed.fault.kind.effect(armed.fault.settings)
            return status
        return None

    def hears(self, message: Message, at_ms: int) -> bool:
        """Whether a message of the client is taken in at all.

        Raises:
            Refused: The connection is closed for it.
        """
        turn = self.situation.turn + (not isinstance(message, ToolResponse))
        return all(
            armed.fault.kind.effect(message, armed.fault.settings)
            for armed in self._striking(Moment.MESSAGE, message, turn, at_ms)
        )

    def notices(self, at_ms: int) -> Notice:
        """What the model makes of a user who begins to speak."""
        notice = Notice()
        for armed in self._striking(Moment.ONSET, None, self.situation.turn + 1, at_ms):
            notice = armed.fault.kind.effect(notice, armed.fault.settings)
        return notice

    def answer(self, reply: Reply, cause: Cause, at_ms: int) -> Reply | None:
        """What is said instead of ``reply``; None for nothing, ever."""
        if self._closes_next and cause is not Cause.RESULT:
            self._closes_next = False
            return Reply("", delay_ms=0)
        answer: Reply | None = reply
        for armed in self._striking(Moment.ANSWER, cause, self.situation.turn, at_ms):
            if answer is not None:
                answer = armed.fault.kind.effect(answer, self.situation, armed.fault.settings)
            self._closes_next = self._closes_next or armed.fault.kind.leaves_open
        return answer

    def deliver(self, delivery: Delivery, at_ms: int) -> tuple[Delivery, list[Planned]]:
        """How a reply is sent instead, and what happens meanwhile."""
        if self._mute:
            delivery = effects.empty(delivery, {})
        planned: list[Planned] = []
        for armed in self._striking(Moment.REPLY, delivery, self.situation.turn, at_ms):
            fault = armed.fault
            if fault.kind.is_event:
                planned.append(_planned(fault, at_ms))
                self._mute = self._mute or fault.settings.get("mute") == "yes"
            else:
                delivery = fault.kind.effect(delivery, fault.settings)
        return delivery, planned

    def called(self, at_ms: int) -> list[Planned]:
        """What happens after a tool was called."""
        return self._events(Moment.CALL, at_ms)

    def opened(self, at_ms: int) -> list[Planned]:
        """What happens by itself, now that setup is complete."""
        self.situation.opened_ms = at_ms
        return self._events(Moment.OPENED, at_ms)

    def _events(self, moment: Moment, at_ms: int) -> list[Planned]:
        striking = self._striking(moment, None, self.situation.turn, at_ms)
        return [_planned(armed.fault, at_ms) for armed in striking]

    def _striking(self, moment: Moment, subject: Any, turn: int, at_ms: int) -> Iterator[_Armed]:
        for armed in self._armed:
            if armed.fault.moment is moment and armed.strikes(subject, self.situation, turn, at_ms):
                yield armed


def _planned(fault: Fault, at_ms: int) -> Planned:
    return at_ms + fault.delay_ms, fault.kind.effect(fault.settings)
