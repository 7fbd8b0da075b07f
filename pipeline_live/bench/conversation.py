"""One call on both sides: the person who disturbs the reply, and the watch over the event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from pipecat.frames.frames import InterruptionFrame

from pipeline_live.bench.bots import Bot, answering
from pipeline_live.bench.judge import USER_ACTED
from pipeline_live.bench.scenarios import BOT_VOICE, REPLY, Act, Side, script
from pipeline_live.bench.schedule import QUIET_MS, Trial
from pipeline_live.emulator import Emulator, synthesize

LONGEST_MS = 25_000
"""No call is watched longer, from the user's act on."""
UNANSWERED_MS = 8000
"""A question whose answer has not begun so long after the clip was not answered."""
_PROBE_MS = 5


class LoopProbe:
    """Measures how late the event loop is: what any task may add to another one's numbers.

    Attributes:
        worst_ms: The longest delay so far.
    """

    def __init__(self) -> None:
        self.worst_ms = 0

    async def run(self) -> None:
        """Measure until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _PROBE_MS / 1000
            await asyncio.sleep(_PROBE_MS / 1000)
            self.worst_ms = max(self.worst_ms, round((loop.time() - due) * 1000))


@contextlib.asynccontextmanager
async def probing() -> AsyncIterator[LoopProbe]:
    """Watch the running loop during the block."""
    probe = LoopProbe()
    task = asyncio.create_task(probe.run())
    try:
        yield probe
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def hold(trial: Trial, sides: Sequence[Side], folder: Path, reply: str = REPLY) -> int:
    """Hold a trial's call with each of ``sides`` at the same time.

    All bots run before the first is disturbed, and none ends before the last was watched to its
    end, for loading and closing block the loop that they share.

    Args:
        trial: What happens.
        sides: Whose bots.
        folder: Gets a folder for each side, with its recording and its timeline.
        reply: What the bot says.

    Returns:
        How late the loop was at worst, in ms, from the first disturbance on.

    Raises:
        PipelineLiveError: A pipeline failed, or a bot said nothing.
    """
    await asyncio.to_thread(synthesize, reply, BOT_VOICE)
    scenario = trial.scenario
    async with contextlib.AsyncExitStack() as stack:
        bots = []
        for side in sides:
            emulator = Emulator(
                script(reply, scenario.act),
                seed=trial.number,
                interrupt_delay_ms=scenario.interrupt_delay_ms,
                deaf=scenario.deaf,
            )
            await stack.enter_async_context(emulator)
            own = folder / side
            own.mkdir(parents=True, exist_ok=True)
            bots.append(await stack.enter_async_context(answering(side, scenario, emulator, own)))
        begun = await asyncio.gather(*(bot.begins() for bot in bots))
        async with probing() as probe, asyncio.TaskGroup() as people:
            for bot, begun_s in zip(bots, begun, strict=True):
                people.create_task(_disturb(bot, trial, begun_s + trial.offset_ms / 1000))
        for bot in bots:
            bot.check()
        return probe.worst_ms


async def _disturb(bot: Bot, trial: Trial, at_s: float) -> None:
    """Act once, then watch until the bot has been silent for long enough."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(max(0.0, at_s - loop.time()))
    bot.note(USER_ACTED)
    said: asyncio.Future[None] | None = None
    if trial.clip is None:
        await bot.worker.queue_frame(InterruptionFrame())
    else:
        said = asyncio.ensure_future(bot.microphone.say(trial.clip.pcm))
    await asyncio.sleep(trial.watch_ms / 1000)
    deadline_s = at_s + LONGEST_MS / 1000
    if trial.scenario.act is Act.ASK:
        await _answered(bot, at_s)
    while trial.scenario.act in (Act.SPEAK, Act.STOP) and loop.time() < deadline_s:
        quiet_s = loop.time() - bot.sink.last_sound_s
        if quiet_s * 1000 >= QUIET_MS:
            break
        await asyncio.sleep(QUIET_MS / 1000 - quiet_s)
    if said is not None:
        await said


async def _answered(bot: Bot, since_s: float) -> None:
    """Wait until the bot sounds again, or will not any more; whoever holds the call checks why."""
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + UNANSWERED_MS / 1000
    while bot.sink.last_sound_s < since_s and loop.time() < deadline_s:
        if bot.failure is not None:
            return
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.1)
