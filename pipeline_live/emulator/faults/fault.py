"""A fault that was asked for: which, when it strikes, and with what settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Self

from pipeline_live.emulator.faults.effects import Values
from pipeline_live.emulator.faults.kinds import KINDS, NUMBERS, Kind, Moment
from pipeline_live.emulator.names import unknown_name
from pipeline_live.errors import UsageError

_TRIGGERS = ("at_ms", "turn", "probability", "seed", "times", "connection")
_LATER = ("at_ms", "turn")
_CODES = range(1000, 5000)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault to switch on.

    Without any trigger it strikes at every chance; triggers that are given must all hold. In words
    for a command line: ``stall@turn=2,after_ms=800`` or ``text-lost@probability=0.05,seed=7``.

    Attributes:
        name: One of ``KINDS``, or its number.
        at_ms: From this time after setupComplete on, at the first chance; faults that happen by
            themselves do so at this time.
        turn: At the user's n-th turn, counted from 1; with ``times``, from that turn on.
        probability: At this share of the chances.
        seed: Decides which; None for the emulator's.
        times: At most so often on one connection; None for once when a time or a turn is given, and
            for as often as there is a chance otherwise.
        connection: On the emulator's n-th connection only, counted from 1.
        values: Its own settings where they are not the usual ones, for example ``after_ms``.

    Raises:
        UsageError: There is no such fault or setting, or a value makes no sense.
    """

    name: str
    at_ms: int | None = None
    turn: int | None = None
    probability: float = 1.0
    seed: int | None = None
    times: int | None = None
    connection: int | None = None
    values: Mapping[str, int | float | str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        name = NUMBERS.get(self.name.upper(), self.name)
        if name not in KINDS:
            raise UsageError(unknown_name("fault", self.name, KINDS))
        object.__setattr__(self, "name", name)
        checked = {key: self._checked(key, value) for key, value in self.values.items()}
        object.__setattr__(self, "values", MappingProxyType(checked))
        self._check_triggers()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a fault as it is written on a command line.

        Args:
            text: ``NAME`` or ``NAME@SETTING=VALUE,...``.

        Raises:
            UsageError: It says what is wrong.
        """
        name, _, written = text.partition("@")
        triggers: dict[str, Any] = {}
        values: dict[str, int | float | str] = {}
        for setting in filter(None, written.split(",")):
            key, equals, value = setting.partition("=")
            if not equals:
                raise UsageError(f"fault {text!r}: write {setting} as {setting}=VALUE")
            (triggers if key in _TRIGGERS else values)[key] = _number_or_word(value)
        return cls(name.strip(), **triggers, values=values)

    @property
    def kind(self) -> Kind:
        """Its line of the table."""
        return KINDS[self.name]

    @property
    def settings(self) -> Values:
        """Its own settings, all of them."""
        usual = {
            key: value[0] if isinstance(value, tuple) else value
            for key, value in self.kind.values.items()
        }
        return {**usual, **self.values}

    @property
    def moment(self) -> Moment:
        """When it has its chance, given its triggers."""
        kind = self.kind
        if not kind.is_event or kind.moment is Moment.CALL:
            return kind.moment
        if self.turn is not None:
            return Moment.REPLY
        if self.at_ms is not None:
            return Moment.OPENED
        return Moment.REPLY if self.probability < 1 else kind.moment

    @property
    def delay_ms(self) -> int:
        """From that moment to what happens then by itself."""
        if self.moment is Moment.OPENED and self.at_ms is not None:
            return self.at_ms
        return int(self.settings.get("after_ms", 0))

    @property
    def from_ms(self) -> int | None:
        """Since when its chances count, after setup was complete; None for from the start."""
        return None if self.moment is Moment.OPENED else self.at_ms

    @property
    def strikes(self) -> int | None:
        """How often it strikes on one connection at most; None for any number."""
        if self.times is None and (self.at_ms is not None or self.turn is not None):
            return 1
        return self.times

    def _checked(self, key: str, value: int | float | str) -> int | float | str:
        usual = KINDS[self.name].values
        if key not in usual:
            there_is = (*_TRIGGERS, *usual)
            raise UsageError(unknown_name(f"setting of the fault {self.name}", key, there_is))
        expected = usual[key]
        match expected:
            case tuple() if value in expected:
                return value
            case tuple():
                raise self._wrong(key, value, " or ".join(expected))
            case str():
                return str(value)
            case _ if isinstance(value, str) or value < 0:
                raise self._wrong(key, value, f"a number, usually {expected}")
            case int() if not isinstance(value, int):
                raise self._wrong(key, value, f"a whole number, usually {expected}")
            case _ if key == "code" and value not in _CODES:
                raise self._wrong(key, value, "a WebSocket close code, 1000 to 4999")
        return value

    def _check_triggers(self) -> None:
        for key, least in (("at_ms", 0), ("turn", 1), ("times", 1), ("connection", 1), ("seed", 0)):
            value = getattr(self, key)
            if value is not None and (not isinstance(value, int) or value < least):
                raise self._wrong(key, value, f"a whole number from {least}")
            if value is not None and key in _LATER and self.kind.moment is Moment.HANDSHAKE:
                raise self._wrong(key, value, "none, for a handshake comes before any")
        probability = self.probability
        if not isinstance(probability, int | float) or not 0 <= probability <= 1:
            raise self._wrong("probability", probability, "a number from 0 to 1")

    def _wrong(self, key: str, value: object, expected: str) -> UsageError:
        return UsageError(f"fault {self.name}: {key} is {value!r}; give {expected}")


def _number_or_word(text: str) -> int | float | str:
    if re.fullmatch(r"\d+", text):
        return int(text)
    return float(text) if re.fullmatch(r"\d*\.\d+", text) else text
