"""``Announcer``: tells the pipeline what the call decided, one frame after another.

The call decides in the middle of whatever brought the news, where no frame can be pushed; so the
frames wait here for a task of their own, which keeps their order.
"""

from __future__ import annotations

import asyncio
from typing import Any

from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    InterruptionFrame,
    SpeechControlParamsFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.services.google.gemini_live.llm import GeminiLiveLLMService

from pipeline_live.processors import compatibility, telemetry
from pipeline_live.processors.frames import (
    InterruptionReportFrame,
    InterruptionSparedFrame,
    PlayoutHeldFrame,
    PlayoutResumedFrame,
    SpeechDismissedFrame,
    SpeechSuspectedFrame,
)
from pipeline_live.processors.turns import UserTurnStartProposed, UserTurnStopProposed
from pipeline_live.session import Call, InterruptionReport
from pipeline_live.turn import Floor
from pipeline_live.turn.events import (
    Action,
    AnnounceDismissal,
    AnnounceSuspicion,
    EndUserTurn,
    FlushPlayout,
    HoldPlayout,
    ReportFalseAlarm,
    ReportInterruption,
    ReportSparing,
    StartUserTurn,
)
from pipeline_live.turn.tables import User

MAX_NEWS = 256
"""Frames that wait to be broadcast; more than that at once would be a bug."""

_News = tuple[type[Frame], dict[str, Any]]


class Announcer:
    """Broadcasts for one service.

    Args:
        service: From it the frames go up and down the pipeline.
        call: What it decides is told.
    """

    def __init__(self, service: GeminiLiveLLMService, call: Call) -> None:
        self._service = service
        self._call = call
        self._news: asyncio.Queue[_News] = asyncio.Queue(MAX_NEWS)
        self._bot_talks = False  # as the transport has it
        self._flushed_ms: int | None = None
        self._others_hear = False

    def see(self, frame: Frame) -> None:
        """Note what a frame from elsewhere says about the bot's voice and other VADs."""
        match frame:
            case BotStartedSpeakingFrame() | BotStoppedSpeakingFrame():
                self._bot_talks = isinstance(frame, BotStartedSpeakingFrame)
            case SpeechControlParamsFrame():
                self._others_hear = self._others_hear or frame.vad_params is not None
            case _:
                pass

    def repeat_stop(self) -> None:
        """Propose the end of a turn again: of a muted user the aggregator takes no proposal."""
        if self._call.machine.user is User.QUIET:
            self._tell(UserTurnStopProposed)

    def perform(self, action: Action, at_ms: int) -> None:
        """Queue the frames that tell of an action."""
        match action:
            case FlushPlayout():
                self._flushed_ms = at_ms
            case StartUserTurn(onset_ms=onset_ms):
                if self._talks_besides(at_ms):
                    self._tell(InterruptionFrame)
                self._tell_voice(VADUserStartedSpeakingFrame, start_secs=(at_ms - onset_ms) / 1000)
                self._tell(UserTurnStartProposed)
            case EndUserTurn(ended_ms=ended_ms):
                silent_for_ms = 0 if ended_ms is None else at_ms - ended_ms
                self._tell_voice(VADUserStoppedSpeakingFrame, stop_secs=silent_for_ms / 1000)
                self._tell(UserTurnStopProposed)
            case AnnounceSuspicion(onset_ms=onset_ms):
                self._tell(SpeechSuspectedFrame, onset_ms=onset_ms)
            case AnnounceDismissal():
                self._tell(SpeechDismissedFrame)
            case HoldPlayout():
                self._tell(PlayoutHeldFrame)
            case ReportFalseAlarm(onset_ms=onset_ms, held_for_ms=held_for_ms, expired=expired):
                fields = {"onset_ms": onset_ms, "held_for_ms": held_for_ms, "expired": expired}
                self._tell(PlayoutResumedFrame, **fields)
            case ReportSparing(protected=protected):
                self._tell(InterruptionSparedFrame, protected=protected)
            case ReportInterruption() if self._call.interruption is not None:
                self._tell(InterruptionReportFrame, report=self._call.interruption)
            case _:
                pass

    async def run(self) -> None:
        """Broadcast until cancelled."""
        while True:
            kind, fields = await self._news.get()
            if kind is InterruptionFrame:
                await self._service.broadcast_interruption()
                continue
            await self._service.broadcast_frame(kind, **fields)
            if kind is InterruptionReportFrame:
                await self._measure(fields["report"])

    async def _measure(self, report: InterruptionReport) -> None:
        if self._service.metrics_enabled:
            await self._service.push_frame(telemetry.metrics_frame(report, self._service.name))
        await compatibility.raise_event(self._service, "on_interruption", report)

    def _tell(self, kind: type[Frame], **fields: Any) -> None:
        self._news.put_nowait((kind, fields))

    def _tell_voice(self, kind: type[Frame], **fields: Any) -> None:
        """Tell what a VAD tells, which latency observers need, unless one is in the pipeline."""
        if not self._others_hear:
            self._tell(kind, **fields)

    def _talks_besides(self, at_ms: int) -> bool:
        """Whether the bot says something that is no reply, which a local turn of Pipecat's cuts."""
        ended_a_reply = self._flushed_ms == at_ms
        replies = ended_a_reply or self._call.ledger.waiting()
        return self._call.floor is Floor.LOCAL and self._bot_talks and not replies
