"""Where the user's speech begins and ends in the sound that a client sent. Pure.

A recording holds no sound, yet without these marks nobody could tell what the server reacted to.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pipeline_live.audio import INPUT_RATE, samples_of
from pipeline_live.emulator.messages import Refused
from pipeline_live.emulator.wire import decode_base64
from pipeline_live.vad import WINDOW_MS, SpeechDetector

_ENTER = 0.5
_LEAVE = 0.35
_WINDOWS_TO_START = 2
_SILENCE_MS = 300


@dataclass(frozen=True, slots=True)
class Mark:
    """One end of a stretch of speech.

    Attributes:
        state: "start" or "end".
        at_ms: When the first, or the last, of it was sent.
    """

    state: str
    at_ms: int


class SpeechMarks:
    """Marks speech in the client's messages.

    A stretch begins with the first of two windows of 32 ms that sound like speech, and ends with
    the last such window before 300 ms without.
    """

    def __init__(self) -> None:
        self._detector: SpeechDetector | None = None
        self._sent: list[tuple[int, int]] = []  # (samples so far, time at which they were sent)
        self._samples = 0
        self._run: list[int] = []
        self._speaking = False
        self._last_sample = 0

    def hear(self, frame: str | bytes, at_ms: int) -> list[Mark]:
        """Look at a message of the client.

        Args:
            frame: As sent.
            at_ms: When.
        """
        return [mark for pcm, rate in _sound_in(frame) for mark in self._listen(pcm, rate, at_ms)]

    def finish(self) -> list[Mark]:
        """The end of speech that was still going on."""
        if not self._speaking:
            return []
        self._speaking = False
        return [Mark("end", self._time_of(self._last_sample))]

    def _listen(self, pcm: bytes, rate: int, at_ms: int) -> Iterator[Mark]:
        if self._detector is None or self._detector.rate != rate:
            yield from self.finish()
            self._detector = SpeechDetector(rate)
            self._sent, self._samples, self._run = [], 0, []
        self._samples += samples_of(pcm)
        self._sent.append((self._samples, at_ms))
        for window in self._detector.feed(pcm):
            yield from self._judge(window.probability, window.end_sample, rate)
        # Windows wait for at most one chunk, and an end for 300 ms.
        while self._sent and self._sent[0][0] < self._samples - rate:
            self._sent.pop(0)

    def _judge(self, probability: float, end_sample: int, rate: int) -> Iterator[Mark]:
        if probability >= (_LEAVE if self._speaking else _ENTER):
            self._last_sample = end_sample
            self._run.append(end_sample)
            if not self._speaking and len(self._run) >= _WINDOWS_TO_START:
                self._speaking = True
                yield Mark("start", self._time_of(self._run[0] - WINDOW_MS * rate // 1000))
        else:
            self._run = []
            if self._speaking and end_sample - self._last_sample >= _SILENCE_MS * rate // 1000:
                yield from self.finish()
        del self._run[:-_WINDOWS_TO_START]

    def _time_of(self, sample: int) -> int:
        return next((at_ms for end, at_ms in self._sent if end >= sample), self._sent[-1][1])


def _sound_in(frame: str | bytes) -> Iterator[tuple[bytes, int]]:
    """The PCM in a client's message, with its rate; nothing for what cannot be read."""
    try:
        message = json.loads(frame)
    except (ValueError, RecursionError):
        return
    body = _field(message, "realtimeInput", "realtime_input")
    chunks = _field(body, "mediaChunks", "media_chunks")
    for blob in (_field(body, "audio"), *(chunks if isinstance(chunks, list) else ())):
        kind, data = str(_field(blob, "mimeType", "mime_type")), _field(blob, "data")
        if not kind.startswith("audio/") or not isinstance(data, str):
            continue
        rate = re.search(r"rate=([1-9]\d{3,5})", kind)
        try:
            pcm = decode_base64(data)
        except Refused:
            continue
        yield pcm, int(rate[1]) if rate else INPUT_RATE


def _field(value: Any, *names: str) -> Any:
    if not isinstance(value, dict):
        return None
    return next((value[name] for name in names if name in value), None)
