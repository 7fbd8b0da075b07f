"""Calls with planted truths, for the tests of the report."""

from __future__ import annotations

import io
import json
import wave
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline_live.report.lines import parse_timeline
from pipeline_live.report.reading import CallRecord, Sound, make_record

RATE = 24_000
PER_MS = RATE // 1000


def tone(ms: int, peak: int = 8000) -> np.ndarray:
    """A voice-like 200 Hz tone whose first and last samples are audible."""
    return (peak * np.cos(2 * np.pi * 200 * np.arange(ms * PER_MS) / RATE)).astype(np.int16)


@dataclass
class Call:
    """A call in the making; all times are call time in milliseconds."""

    duration_ms: int = 10_000
    start_ms: int = 0
    lines: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._both = np.zeros((self.duration_ms * PER_MS, 2), np.int16)
        self.note("SoundStarted", self.start_ms)

    def user(self, start_ms: int, end_ms: int, peak: int = 8000) -> Call:
        return self._plant(0, start_ms, end_ms, peak)

    def bot(self, start_ms: int, end_ms: int, peak: int = 8000) -> Call:
        return self._plant(1, start_ms, end_ms, peak)

    def _plant(self, channel: int, start_ms: int, end_ms: int, peak: int) -> Call:
        a = (start_ms - self.start_ms) * PER_MS
        self._both[a : a + (end_ms - start_ms) * PER_MS, channel] = tone(end_ms - start_ms, peak)
        return self

    def note(self, name: str, t_ms: int, **fields: Any) -> Call:
        return self._line("note", name, t_ms, fields)

    def fact(self, name: str, t_ms: int, **fields: Any) -> Call:
        return self._line("fact", name, t_ms, fields)

    def reply(self, t_ms: int, number: int) -> Call:
        return self._line("action", "StartReply", t_ms, {"reply": number})

    def clip(self, t_ms: int, onset_ms: int, label: str = "") -> Call:
        return self.note("UserClip", t_ms, onset_ms=onset_ms, label=label)

    def speech(self, t_ms: int, onset_ms: int) -> Call:
        return self.fact("SpeechStarted", t_ms, onset_ms=onset_ms)

    def interrupted(
        self, t_ms: int, reply: int = 1, source: str = "local_speech", text: str = "Sure. The"
    ) -> Call:
        fields = {"reply": reply, "source": source, "heard_ms": 1500, "heard_text": text}
        return self._line("action", "ReportInterruption", t_ms, fields)

    def action(self, name: str, t_ms: int, **fields: Any) -> Call:
        return self._line("action", name, t_ms, fields)

    def arrives(self, t_ms: int, reply: int | None, ms: int) -> Call:
        """Sound of the model; of no reply when it is dropped."""
        self.fact("AudioReceived", t_ms, samples=ms * PER_MS)
        return (
            self.action("Drop", t_ms)
            if reply is None
            else self.action("Deliver", t_ms, reply=reply)
        )

    def plays(self, start_ms: int, reply: int, ms: int) -> Call:
        """The sink reports, every 20 ms, that it plays the beginning of a reply."""
        for played in range(20, ms + 1, 20):
            self.fact("PlayoutAdvanced", start_ms + played, reply=reply, samples=played * PER_MS)
        return self

    def flush(self, t_ms: int, *replies: int) -> Call:
        return self.action("FlushPlayout", t_ms, replies=list(replies))

    def holds(self, t_ms: int, end_ms: int, *, resumes: bool) -> Call:
        self.action("HoldPlayout", t_ms)
        if not resumes:
            return self
        self.action("ResumePlayout", end_ms)
        fields = {"onset_ms": t_ms - 80, "held_for_ms": end_ms - t_ms, "expired": False}
        return self.action("ReportFalseAlarm", end_ms, **fields)

    def turn(self, onset_ms: int, end_ms: int) -> Call:
        """The local ears hear a turn, each end as late as they are sure."""
        self.action("StartUserTurn", onset_ms + 288, onset_ms=onset_ms)
        return self.action("EndUserTurn", end_ms + 800)

    def _line(self, kind: str, name: str, t_ms: int, fields: dict[str, Any]) -> Call:
        self.lines.append({"t_ms": t_ms, "kind": kind, "name": name, **fields})
        return self

    def timeline(self) -> str:
        return "".join(json.dumps(line) + "\n" for line in self.lines)

    def wav(self) -> bytes:
        return wav_bytes(self._both.tobytes())

    def silent_record(self) -> CallRecord:
        """The call as its timeline alone tells it."""
        return make_record(parse_timeline(self.timeline()), None)

    def record(self) -> CallRecord:
        left, right = (np.ascontiguousarray(self._both[:, channel]) for channel in (0, 1))
        return make_record(parse_timeline(self.timeline()), Sound(left, right))


def wav_bytes(pcm: bytes, rate: int = RATE, channels: int = 2, width: int = 2) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as wav:
        wav.setframerate(rate)
        wav.setnchannels(channels)
        wav.setsampwidth(width)
        wav.writeframes(pcm)
    return out.getvalue()


def example() -> Call:
    """A clean interruption, a leaking one and a Stop; the last reply plays to its end."""
    return (
        Call(duration_ms=12_000)
        .reply(500, 1)
        .bot(500, 2230)
        .user(2000, 3000)
        .clip(1700, 2000, "wait")
        .speech(2120, 2030)
        .interrupted(2180)
        .reply(4000, 2)
        .bot(4000, 5090)
        .user(4800, 5600)
        .speech(4950, 4830)
        .interrupted(5050, 2, "server", "Of course")
        .bot(5500, 5640)
        .reply(7000, 3)
        .bot(7000, 8050)
        .fact("StopRequested", 8000)
        .interrupted(8010, 3, "stop")
        .reply(9000, 4)
        .bot(9000, 11_000)
    )


def eventful() -> Call:
    """What an interruption is not: an answer, a hold for nothing, dropped sound, faults, news."""
    return (
        Call(duration_ms=12_000)
        .fact("ConnectionOpened", 10)
        .user(500, 1500)
        .turn(500, 1500)
        .reply(2000, 1)
        .arrives(2000, 1, 8000)
        .plays(2000, 1, 2980)
        .bot(2000, 4980)
        .holds(3000, 3240, resumes=True)
        .flush(5000, 1)
        .interrupted(5000, 1, "stop")
        .arrives(5100, None, 400)
        .action("ReportAnomaly", 6000, what="uplink full")
        .fact("ToolCalled", 6500)
        .fact("Martian", 6600, reply="?")
    )
