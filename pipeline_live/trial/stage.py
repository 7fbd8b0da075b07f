"""What a bot under test does, as seen from outside: replies, words heard, tools, silence."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pipecat.frames.frames import FunctionCallInProgressFrame, OutputAudioRawFrame
from pipecat.observers.base_observer import BaseObserver, FramePushed

from pipeline_live.audio import to_array
from pipeline_live.processors import FileSink, MicSource
from pipeline_live.session import Call
from pipeline_live.turn import Reply
from pipeline_live.turn.events import Action, ReportInterruption, StartReply

_AUDIBLE = 100
"""Loudest sample below which a piece of sound is silence: -50 dB."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model called a tool.

    Attributes:
        at_ms: When.
        name: Which.
        args: With what.
    """

    at_ms: int
    name: str
    args: dict[str, Any]


@dataclass(slots=True)
class Seen:
    """Everything that was seen, in order of time. Moments are call time in milliseconds.

    Attributes:
        replies: Replies that began, with when.
        interruptions: When replies were ended by the user or a Stop.
        tools: Tools that were called.
    """

    replies: list[tuple[int, Reply]] = field(default_factory=list)
    interruptions: list[int] = field(default_factory=list)
    tools: list[ToolCall] = field(default_factory=list)


class Loudspeaker(FileSink):
    """A ``FileSink`` that knows since when it is silent.

    Passes through, adds, and on interruption: as ``FileSink``.
    """

    last_sound_s = -1e9

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        """Note that it sounds."""
        sound = to_array(frame.audio)
        if np.any((sound >= _AUDIBLE) | (sound <= -_AUDIBLE)):
            self.last_sound_s = asyncio.get_running_loop().time() + len(sound) / frame.sample_rate
        return await super().write_audio_frame(frame)


class Room:
    """The transport of a test.

    Args:
        recording: Where the call is recorded as heard.
    """

    def __init__(self, recording: Path) -> None:
        self.microphone = MicSource()
        self.sink = Loudspeaker(recording)

    def input(self) -> MicSource:
        """The caller."""
        return self.microphone

    def output(self) -> Loudspeaker:
        """What the caller hears."""
        return self.sink


class Stage(BaseObserver):
    """Watches a call and its pipeline.

    Args:
        call: The call.
        room: Where it is held.
    """

    def __init__(self, room: Room) -> None:
        super().__init__()
        self.seen = Seen()
        self.failure: str | None = None
        self._room = room
        self._call: Call | None = None
        self._tool_ids: set[str] = set()

    @property
    def call(self) -> Call:
        """The call that is watched."""
        assert self._call is not None
        return self._call

    def watch(self, call: Call) -> None:
        """Watch this call."""
        self._call = call
        call.attach(self)

    def perform(self, action: Action, at_ms: int) -> None:
        """Follow the call's decisions."""
        match action:
            case StartReply(reply=reply):
                self.seen.replies.append((at_ms, reply))
            case ReportInterruption():
                self.seen.interruptions.append(at_ms)
            case _:
                pass

    async def on_push_frame(self, data: FramePushed) -> None:
        """Note each tool's call once."""
        frame = data.frame
        if not isinstance(frame, FunctionCallInProgressFrame):
            return
        if frame.tool_call_id not in self._tool_ids:
            self._tool_ids.add(frame.tool_call_id)
            called = ToolCall(self.call.now_ms(), frame.function_name, dict(frame.arguments))
            self.seen.tools.append(called)

    def silent_ms(self) -> int | None:
        """Since when the bot is silent, in call time; None while it sounds or has more to say."""
        now = asyncio.get_running_loop().time()
        if self._room.sink.last_sound_s > now or self.call.ledger.waiting():
            return None
        if self.call.machine.gate.value == "replying":
            return None
        ago_ms = (now - self._room.sink.last_sound_s) * 1000
        return max(0, int(self.call.now_ms() - ago_ms))

    def at_rest(self) -> bool:
        """Nothing sounds, nothing arrives, nothing waits to be played."""
        return self.silent_ms() is not None

    def heard(self) -> dict[int, str]:
        """The words heard of each reply so far, by its number."""
        self.call.ledger.settle(self.call.now_ms())
        return {reply.number: self.call.ledger.heard_text(reply) for _, reply in self.seen.replies}

    def first_heard_ms(self, reply: Reply) -> bool:
        """Whether anything of a reply was heard."""
        self.call.ledger.settle(self.call.now_ms())
        return self.call.ledger.heard_ms(reply) > 0
