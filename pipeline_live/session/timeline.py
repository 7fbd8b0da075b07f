"""The timeline of a call: every fact, every action and some notes, one JSON object a line.

``{"t_ms": 1234, "kind": "fact", "name": "AudioReceived", "samples": 2400}``: ``t_ms`` counts from
the beginning of the call; ``kind`` is ``fact``, ``action`` or ``note``. Words and sound are kept
only when asked for; otherwise their lengths stand in their place.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import itertools
import json
import os
from collections import Counter
from pathlib import Path
from typing import IO, Any, Self

from loguru import logger

from pipeline_live.errors import UsageError
from pipeline_live.session.recording import Recording
from pipeline_live.turn.events import Action, Fact
from pipeline_live.turn.playout import Reply

TIMELINE_NAME = "timeline.jsonl"
SOUND_NAME = "call.wav"
FOLDER_VARIABLE = "PIPELINE_LIVE_TIMELINE"
"""Environment: a folder in which each call that was given no timeline leaves a folder."""
KEEP_VARIABLE = "PIPELINE_LIVE_TIMELINE_KEEP"
"""Environment: what else to leave there, of ``words`` and ``sound``, with a comma between them."""
_WORDS = frozenset({"text", "heard_text"})


class Timeline:
    """Writes what happened, line by line, so that a crash loses nothing.

    Args:
        path: The file; nothing is written without one, but names are counted all the same.
        words: Keep transcripts. Off by default: they are what people said.
        sound: A WAV file for the sound, as ``Recording`` knows it. None by default, as above.

    Raises:
        UsageError: A file cannot be written.
    """

    def __init__(
        self,
        path: Path | str | None = None,
        *,
        words: bool = False,
        sound: Path | str | None = None,
    ) -> None:
        self._words = words
        self._file: IO[str] | None = None
        self.counts: Counter[str] = Counter()
        self.recording = Recording(Path(sound)) if sound is not None else None
        """Records the call's sound, when that was asked for."""
        if path is not None:
            try:
                self._file = open(path, "w", encoding="utf-8", buffering=1)  # noqa: SIM115
            except OSError as error:
                raise UsageError(
                    f"{path}: cannot be written ({error.strerror or error}); choose another place"
                ) from None

    @classmethod
    def in_folder(cls, folder: Path | str, *, words: bool = False, sound: bool = False) -> Self:
        """A timeline in a folder of its own, as ``pipeline-live show`` takes it.

        Args:
            folder: Made when it is not there.
            words: Keep transcripts.
            sound: Keep the sound.

        Raises:
            UsageError: The folder cannot be made or written.
        """
        folder = Path(folder)
        _make(folder)
        return cls(
            folder / TIMELINE_NAME, words=words, sound=folder / SOUND_NAME if sound else None
        )

    @classmethod
    def from_environment(cls) -> Self:
        """What ``PIPELINE_LIVE_TIMELINE`` asks for; without it a timeline that writes nothing.

        Raises:
            UsageError: The folder cannot be written, or ``PIPELINE_LIVE_TIMELINE_KEEP`` asks for
                something unknown.
        """
        parent = os.environ.get(FOLDER_VARIABLE, "").strip()
        if not parent:
            return cls()
        keep = {word.strip() for word in os.environ.get(KEEP_VARIABLE, "").split(",")} - {""}
        if keep - {"words", "sound"}:
            raise UsageError(
                f"{KEEP_VARIABLE}={os.environ[KEEP_VARIABLE]}: can hold words and sound, with a "
                "comma between them"
            )
        folder = _folder_of_its_own(Path(parent))
        return cls.in_folder(folder, words="words" in keep, sound="sound" in keep)

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
        """Close the files; later lines are only counted."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if self.recording is not None:
            self.recording.close()

    def _fields(self, event: Fact | Action) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for field in dataclasses.fields(event):
            value = getattr(event, field.name)
            if field.name == "at_ms" or isinstance(value, bytes):
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
            try:
                self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
            except OSError as error:  # a full disk ends the timeline, never the call
                logger.error(f"{self._file.name}: ends here ({error.strerror or error})")
                with contextlib.suppress(OSError):
                    self._file.close()
                self._file = None


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{folder}: cannot be made ({error.strerror or error}); choose another folder"
        ) from None


def _folder_of_its_own(parent: Path) -> Path:
    """Make a folder that no other call has: named after the second in which the call began."""
    _make(parent)
    begun = datetime.datetime.now().strftime("%Y-%m-%dT%H-%M-%S")
    for number in itertools.count(1):
        folder = parent / (begun if number == 1 else f"{begun}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            raise UsageError(
                f"{folder}: cannot be made ({error.strerror or error}); set {FOLDER_VARIABLE} to "
                "a folder that you may write to"
            ) from None
        return folder
    raise AssertionError("numbers do not end")
