"""Pipecat's user turns, following the call instead of deciding for themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from loguru import logger
from pipecat.frames.frames import (
    ControlFrame,
    Frame,
    LLMMessagesAppendFrame,
    LLMServiceMetadataFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    SystemFrame,
)
from pipecat.processors.aggregators.llm_response_universal import LLMUserAggregatorParams
from pipecat.turns.types import ProcessFrameResult
from pipecat.turns.user_start import ExternalUserTurnStartStrategy
from pipecat.turns.user_stop import ExternalUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies

from pipeline_live.turn import Floor


@dataclass
class LiveServiceMetadataFrame(LLMServiceMetadataFrame):
    """Announces a Gemini Live service of ours at pipeline start.

    Parameters:
        floor: Who decides user turns in its call.
        proposes: Whether the call proposes turns; otherwise it follows those of the pipeline.
        tell_followed: Called by turn strategies that follow the call's proposals, so that the
            service knows their turns for its own, however late they are announced.
    """

    floor: Floor = field(default=Floor.SERVER, kw_only=True)
    proposes: bool = field(default=True, kw_only=True)
    tell_followed: Callable[[], None] = field(default=lambda: None, kw_only=True)


@dataclass
class UserTurnStartProposed(ProposedUserStartedSpeakingFrame):
    """The call says that the user took the floor."""


@dataclass
class UserTurnStopProposed(ProposedUserStoppedSpeakingFrame, SystemFrame):
    """The call says that the user gave the floor back.

    A system frame: as a control frame it would wait as long as there is sound for the aggregator
    to judge, which on a busy machine is longer than the answer takes, and an interruption would
    drop it, so that the turn would never end and every later proposal be ignored.
    """


@dataclass
class MessagesToAnswer(ControlFrame):
    """Messages that were appended to the context in order to be answered.

    Parameters:
        messages: They themselves, as the context holds them.
    """

    messages: list[Any]
    interruptible: bool = field(default=False, init=False)


class CallUserTurnStart(ExternalUserTurnStartStrategy):
    """Starts a user turn when the call proposes it, and passes on what is written.

    It broadcasts no interruption: the service does that, for it alone knows whether a reply dies.
    The aggregator keeps an ``LLMMessagesAppendFrame`` to itself; a strategy sees it, so that the
    service, whose server has a context of its own, learns what is to be answered.

    Args:
        floor: The floor that the bot's author chose; a service that disagrees is reported.
    """

    def __init__(self, *, floor: Floor | None = None, **kwargs: Any) -> None:
        super().__init__(enable_interruptions=False, **kwargs)
        self._floor = floor

    async def process_frame(self, frame: Frame) -> ProcessFrameResult:
        """Look at the service's announcement and at messages; leave the rest to the base."""
        if isinstance(frame, LiveServiceMetadataFrame):
            frame.tell_followed()
        if isinstance(frame, LLMServiceMetadataFrame):
            self._check(frame)
        if isinstance(frame, LLMMessagesAppendFrame) and frame.run_llm:
            await self.push_frame(MessagesToAnswer(frame.messages))
        return await super().process_frame(frame)

    def _check(self, frame: LLMServiceMetadataFrame) -> None:
        if self._floor is None:
            return
        helper = f"{'local' if self._floor is Floor.LOCAL else 'server'}_turns()"
        if not isinstance(frame, LiveServiceMetadataFrame) or not frame.proposes:
            logger.error(
                f"{helper} is used with {frame.service_name}, which proposes no turns: no user "
                "turn will ever start; use GeminiLiveService from pipeline_live, without "
                "local_speech=False on the local floor"
            )
        elif frame.floor is not self._floor:
            logger.error(
                f"{helper} contradicts {frame.service_name}, whose floor is {frame.floor.value!r}; "
                f"use {'local' if frame.floor is Floor.LOCAL else 'server'}_turns(), or set "
                f"floor={self._floor.value!r} on the service"
            )


def strategies(floor: Floor | None = None) -> UserTurnStrategies:
    """Turn strategies that follow the call's proposals."""
    return UserTurnStrategies(
        start=[CallUserTurnStart(floor=floor)],
        stop=[ExternalUserTurnStopStrategy(wait_for_transcript=False)],
    )


def local_turns(**params: Any) -> LLMUserAggregatorParams:
    """Aggregator parameters for the local floor: our ears decide user turns.

    Set ``floor="local"`` on the service as well; it announces a disagreement at start.

    Args:
        **params: Other fields of Pipecat's ``LLMUserAggregatorParams``.
    """
    return LLMUserAggregatorParams(user_turn_strategies=strategies(Floor.LOCAL), **params)


def server_turns(**params: Any) -> LLMUserAggregatorParams:
    """Aggregator parameters for the server floor: Gemini's automatic VAD decides answers.

    Args:
        **params: Other fields of Pipecat's ``LLMUserAggregatorParams``.
    """
    return LLMUserAggregatorParams(user_turn_strategies=strategies(Floor.SERVER), **params)
