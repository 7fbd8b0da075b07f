"""End of turn by Pipecat's bundled smart-turn model: one model for all calls of a process."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable

from pipecat.audio.turn.base_turn_analyzer import EndOfTurnState
from pipecat.audio.turn.smart_turn.local_smart_turn_v3 import LocalSmartTurnAnalyzerV3


class SmartTurn:
    """Judges whether a user's turn sounds complete, by words and melody, in a thread.

    A call's judgements come one after the other; all calls share the model, which takes 43 MB.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def judge(self, pcm: bytes, rate: int, tell: Callable[[bool], None]) -> None:
        """Judge the last seconds of mono s16le sound at ``rate`` Hz; tell the verdict later."""
        task = asyncio.get_running_loop().create_task(_judge(pcm, rate, tell))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Forget what is not judged yet."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class _Model:
    """The analyzer keeps sound of its own, so it serves one question at a time."""

    def __init__(self) -> None:
        self.analyzer = LocalSmartTurnAnalyzerV3()
        self._locks: dict[asyncio.AbstractEventLoop, asyncio.Lock] = {}

    def lock(self) -> asyncio.Lock:
        """This event loop's lock."""
        return self._locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())


@functools.cache
def _model() -> _Model:
    return _Model()


def warm_up() -> None:
    """Load the model now rather than at the first pause."""
    _model()


async def _judge(pcm: bytes, rate: int, tell: Callable[[bool], None]) -> None:
    model = _model()
    async with model.lock():
        analyzer = model.analyzer
        analyzer.clear()
        analyzer.set_sample_rate(rate)
        analyzer.append_audio(pcm, True)
        state, _ = await analyzer.analyze_end_of_turn()
        analyzer.clear()
    tell(state is EndOfTurnState.COMPLETE)
