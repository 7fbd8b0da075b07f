"""The timeline of a call: every fact, every action and some notes, one JSON object a line.

``{"t_ms": 1234, "kind": "fact", "name": "AudioReceived", "samples": 2400}``: ``t_ms`` counts from
the beginning of the call; ``kind`` is ``fact``, ``action`` or ``note``. Sound is only counted,
never kept. Words are kept only when asked for, otherwise their length stands in their place.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from pathlib import Path
from typing import IO, Any

from pipeline_live.errors import UsageError
from pipeline_live.turn.events import Action, Fact
from pipeline_live.turn.playout import Reply

_WORDS = frozenset({"text", "heard_text"})


class Timeline:
    """Writes what happened, line by line, so that a crash loses nothing.

    Args:
        path: The file; nothing is written without one, but names are counted all the same.
        words: Keep transcripts. Off by default: they are what people said.

    Raises:
        UsageError: The file cannot be written.
    """

    def __init__(self, path: Path | str | None = None, *, words: bool = False) -> None:
        self._words = words
        self._file: IO[str] | None = None
        self.counts: Counter[str] = Counter()
        if path is not None:
            try:
                self._file = open(path, "w", encoding="utf-8", buffering=1)  # noqa: SIM115
            except OSError as error:
                raise UsageError(
                    f"{path}: cannot be written ({error.strerror or error}); choose another place"
                ) from None

    def fact(self, fact: Fact) -> None:
        """Write down a fact at its own time."""
        self._write(fact.at_ms, "fact", type(fact).__name__, self._fields(fact))

    def action(self, action: Action, at_ms: int) -> None:
        """Write down an action."""
        self._write(at_ms, "action", type(action).__name__, self._fields(action))

    def note(self, name: str, at_ms: int, **fields: str | int | float | bool | None) -> None:
        """Write down anything else that helps to understand the call."""
        self._write(at_ms, "note", name, fields)

    def close(self) -> None:
        """Close the file; later lines are only counted."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _fields(self, event: Fact | Action) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for field in dataclasses.fields(event):
            value = getattr(event, field.name)
            if field.name == "at_ms":
                continue
            if isinstance(value, Reply):
                value = value.number
            elif isinstance(value, tuple):
                value = [v.number if isinstance(v, Reply) else v for v in value]
            elif field.name in _WORDS and not self._words:
                fields[f"{field.name}_chars"] = len(value)
                continue
            fields[field.name] = value
        return fields

    def _write(self, at_ms: int, kind: str, name: str, fields: dict[str, Any]) -> None:
        self.counts[name] += 1
        if self._file is not None:
            line = {"t_ms": at_ms, "kind": kind, "name": name, **fields}
            self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
