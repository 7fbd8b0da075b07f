"""The lines of a timeline: parsed, checked, and each still knowing where it stood."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, TypeVar

from pipeline_live.errors import UsageError

KINDS = ("fact", "action", "note")
LONGEST_MS = 24 * 3_600_000
"""A call lasts a day at most; a moment further from its beginning is no moment of a call."""
LARGEST = LONGEST_MS * 24
"""No number of a timeline is larger than the samples of a day."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a timeline, with the place it was read from.

    Attributes:
        t_ms: Call time in milliseconds.
        kind: ``fact``, ``action`` or ``note``.
        name: What happened.
        fields: The whole JSON object.
        where: ``file:line``, for messages.
    """

    t_ms: int
    kind: str
    name: str
    fields: dict[str, Any]
    where: str

    def get(self, key: str, expected: type[T], default: T | None = None) -> T:
        """The field ``key``, checked to be of type ``expected``.

        Raises:
            UsageError: The field is missing (and there is no default) or of another type.
        """
        value = self.fields.get(key, default)
        # bool is an int to isinstance, but never a time or a number of a reply.
        if not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
            found = f"found {json.dumps(value)}" if key in self.fields else "it is missing"
            raise UsageError(
                f'{self.where}: {self.name} needs "{key}" of type {expected.__name__}, {found}; '
                "correct the line or record the call again"
            )
        if isinstance(value, int) and abs(value) > LARGEST:
            raise UsageError(
                f'{self.where}: {self.name} has {_short(value)} as "{key}", more than a day of '
                "sound; correct the line or record the call again"
            )
        return value

    def maybe(self, key: str, expected: type[T]) -> T | None:
        """The field ``key`` as `get` finds it; None when it is missing or null.

        Raises:
            UsageError: The field is of another type.
        """
        return None if self.fields.get(key) is None else self.get(key, expected)


def _short(value: int) -> str:
    text = str(value)
    return text if len(text) <= 20 else f"{text[:20]}…"


def parse_timeline(text: str, name: str = "timeline.jsonl") -> tuple[Line, ...]:
    """Parse JSON lines, in order of time; blank lines are left out.

    Args:
        text: The file's content.
        name: How messages call the file.

    Raises:
        UsageError: A line is no JSON object or lacks ``t_ms``, ``kind`` or ``name``.
    """
    numbered = enumerate(text.split("\n"), start=1)
    lines = [_parse_line(raw, f"{name}:{number}") for number, raw in numbered if raw.strip()]
    return tuple(sorted(lines, key=lambda line: line.t_ms))


def _parse_line(raw: str, where: str) -> Line:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{where}: not JSON ({error}); delete the line or record the call again"
        ) from None
    if not isinstance(value, dict):
        raise UsageError(
            f"{where}: a timeline line is a JSON object, found {type(value).__name__}; "
            "delete the line or record the call again"
        )
    bare = Line(0, "", "a timeline line", value, where)
    t_ms, kind = bare.get("t_ms", int), bare.get("kind", str)
    if abs(t_ms) > LONGEST_MS:
        raise UsageError(
            f"{where}: t_ms is {t_ms}, more than a day from the call's beginning; correct the line "
            "or record the call again"
        )
    if kind not in KINDS:
        raise UsageError(
            f"{where}: kind is {json.dumps(kind)}, not one of {', '.join(KINDS)}; is this a "
            "timeline of pipeline_live? delete the line or record the call again"
        )
    return Line(t_ms, kind, bare.get("name", str), value, where)
