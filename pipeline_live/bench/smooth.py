"""Whether bots speak without gaps: many calls in one process, on an event loop that stalls.

``pipeline-live bench --smooth 10`` lets so many bots say a long reply at once in this process, ours
and Pipecat's own in turn, with the emulator in another one, while the event loop is blocked for
50 ms about once a second. Each bot hears a quiet room, because digital silence is cheaper to listen
to, and speaks into a device with a buffer of 40 ms that notes when it ran dry. Then one bot of each
side says a reply of three minutes on an undisturbed loop, and the device's clock is held against
the reply's length.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import math
import os
import platform
import random
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from pipecat.frames.frames import LLMRunFrame, OutputAudioRawFrame, StartFrame
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams

from pipeline_live.audio import INPUT_RATE, OUTPUT_RATE, to_pcm
from pipeline_live.bench.bots import Bot, running, steps_of
from pipeline_live.bench.emulating import Served, emulating
from pipeline_live.bench.page import page
from pipeline_live.bench.scenarios import REPLY, SCENARIOS, Side
from pipeline_live.bench.statistics import ratio
from pipeline_live.errors import PipelineLiveError, UsageError
from pipeline_live.processors import MicSource
from pipeline_live.processors.sink import CHUNK_MS, DEVICE_BUFFER_MS
from pipeline_live.session import Call, Timeline
from pipeline_live.session.connection import options_for

GAP_MS = 20
"""A device that was dry for so long is heard."""
STALL_MS = 50
_STALL_EVERY_S = (0.5, 1.5)
_SENTENCE_S = 13
_WATCHED_S = 20
_ROUNDS = 3
_LONG_S = 180
_MOST_CALLS = 50
_START_GAP_S = 0.107
"""No multiple of a frame: people do not speak in step."""
_ROOM = 0.001
"""Standard deviation of a quiet room's noise, of full scale: -60 dBFS."""
_SETTLE_S = 1.0
_WARM_S = 4.0
_MARK = "smooth"


class Device(BaseOutputTransport):
    """A sound card with a buffer of 40 ms that records nothing but when it ran dry.

    Passes through: what a Pipecat output transport passes. Adds: bot speaking frames, as the base
    does. On interruption: drops what it has not written yet, as the base does.
    """

    def __init__(self) -> None:
        super().__init__(
            TransportParams(
                audio_out_enabled=True,
                audio_out_sample_rate=OUTPUT_RATE,
                audio_out_10ms_chunks=CHUNK_MS // 10,
            )
        )
        self.bench_call: Call | None = None
        self.first_sound_s: float | None = None
        self.last_sound_s = 0.0
        self.bench_free_s = 0.0
        self.bench_played_s = 0.0
        self.bench_dry_ms: list[float] = []

    async def start(self, frame: StartFrame) -> None:
        """Be ready."""
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        """Take a chunk; return when there is room for the next."""
        now = asyncio.get_running_loop().time()
        if self.first_sound_s is None:
            self.first_sound_s = self.bench_free_s = now
        if now > self.bench_free_s:
            self.bench_dry_ms.append((now - self.bench_free_s) * 1000)
        seconds = frame.num_frames / frame.sample_rate
        self.bench_free_s = max(self.bench_free_s, now) + seconds
        self.bench_played_s += seconds
        self.last_sound_s = now
        await asyncio.sleep(max(0.0, self.bench_free_s - DEVICE_BUFFER_MS / 1000 - now))
        return True

    def lag_ms(self) -> float:
        """How much later than in one go from its first sample the sound ends."""
        assert self.first_sound_s is not None
        return (self.bench_free_s - self.first_sound_s - self.bench_played_s) * 1000


@dataclass(frozen=True, slots=True)
class Smoothness:
    """What one round of calls was like.

    Attributes:
        side: Whose bots.
        gaps: How often a device was dry for 20 ms or more, in all calls.
        call_s: Seconds of call that were watched.
        cpu_ms: CPU time of this process for each second of a call, in ms.
    """

    side: Side
    gaps: int
    call_s: float
    cpu_ms: float


def run(calls: int, document: Path | None) -> int:
    """Measure and say what was found.

    Args:
        calls: How many at once.
        document: Markdown file between whose smooth marks the table is written, or None.

    Raises:
        UsageError: The number or the file cannot be used.
    """
    if not 1 <= calls <= _MOST_CALLS:
        raise UsageError(f"--smooth {calls}: must be 1 to {_MOST_CALLS}")
    leaf = page(document, _MARK)
    rounds = asyncio.run(_all_rounds(calls))
    lags = asyncio.run(_long_replies())
    rows = table(calls, rounds, lags)
    width = max(len(row[0]) for row in rows)
    for name, *values in rows:
        sys.stdout.write(f"{name:<{width}}" + "".join(f"{value:>10}" for value in values) + "\n")
    if leaf is not None:
        leaf.write(markdown(rows))
    return 0


def table(
    calls: int, rounds: Sequence[Smoothness], lags: dict[Side, float]
) -> list[tuple[str, str, str, str]]:
    """Rows of name, ours, stock and their ratio; the first is the header."""

    def of(side: Side) -> tuple[float, float]:
        mine = [one for one in rounds if one.side is side]
        minutes = sum(one.call_s for one in mine) / 60
        gaps = sum(one.gaps for one in mine) / minutes
        return gaps, sum(one.cpu_ms for one in mine) / len(mine)

    (gaps, cpu), (stock_gaps, stock_cpu) = of(Side.OURS), of(Side.STOCK)
    shares = (ratio(gaps, stock_gaps), ratio(cpu, stock_cpu))
    gap_share, cpu_share = ("-" if share is None else f"{share:.2f}" for share in shares)
    stalls = f"{calls} calls, loop stalled {STALL_MS} ms about once a second"
    return [
        ("", "ours", "stock", "ours/stock"),
        (f"gaps of {GAP_MS} ms and more, per minute of call ({stalls})",)
        + (f"{gaps:.1f}", f"{stock_gaps:.1f}", gap_share),
        ("CPU, ms per second of call (the same calls)",)
        + (f"{cpu:.1f}", f"{stock_cpu:.1f}", cpu_share),
        (f"drift over a reply of {_LONG_S} s, ms (one call)",)
        + (f"{lags[Side.OURS]:.0f}", f"{lags[Side.STOCK]:.0f}", "-"),
    ]


def markdown(rows: Sequence[tuple[str, str, str, str]]) -> str:
    """The rows as a table for people, with when and where."""
    header, *body = ("| " + " | ".join(row) + " |" for row in rows)
    about = (
        f"Run on {datetime.date.today().isoformat()}, {os.cpu_count()} shared cores, Python "
        f"{platform.python_version()}, Pipecat {version('pipecat-ai')}."
    )
    return "\n".join([about, "", header, "|---|---:|---:|---:|", *body])


# --- the calls -----------------------------------------------------------------------------------


def reply_of(seconds: float) -> str:
    """A reply that lasts at least so long."""
    return " ".join([REPLY] * math.ceil(seconds / _SENTENCE_S))


@contextlib.asynccontextmanager
async def _speaking(side: Side, calls: int, served: Served) -> AsyncIterator[list[Device]]:
    """So many bots of one side, all of them in the middle of their reply."""
    options = options_for(served.base_url, served.ca_file)
    async with contextlib.AsyncExitStack() as stack:
        bots: list[Bot] = []
        devices: list[Device] = []
        for _ in range(calls):
            microphone, device = MicSource(), Device()
            steps = steps_of(side, SCENARIOS[0], options, microphone, device, Timeline())
            bots.append(await stack.enter_async_context(running(steps, microphone, device)))
            devices.append(device)
            await asyncio.sleep(_START_GAP_S)
        for bot in bots:
            await bot.worker.queue_frame(LLMRunFrame())
        for bot in bots:
            await bot.begins()
        rooms = [asyncio.create_task(_hear_the_room(bot.microphone)) for bot in bots]
        try:
            yield devices
        finally:
            for room in rooms:
                room.cancel()
            await asyncio.gather(*rooms, return_exceptions=True)
        for bot in bots:
            bot.check()


async def _hear_the_room(microphone: MicSource) -> None:
    second = np.random.default_rng(1).normal(0, _ROOM, INPUT_RATE)
    while True:
        await microphone.say(to_pcm(second))


async def _all_rounds(calls: int) -> list[Smoothness]:
    rounds = []
    for _ in range(_ROUNDS):
        for side in Side:
            rounds.append(await _round(side, calls))
            last = rounds[-1]
            sys.stdout.write(f"{side}: {last.gaps} gaps, {last.cpu_ms:.1f} ms of CPU a second\n")
            sys.stdout.flush()
    return rounds


async def _round(side: Side, calls: int) -> Smoothness:
    with emulating("--reply", reply_of(_WATCHED_S + 15), "--reply", "") as served:
        async with _speaking(side, calls, served) as devices:
            await asyncio.sleep(_SETTLE_S)
            for device in devices:
                device.bench_dry_ms.clear()
            began_s, cpu_s = time.monotonic(), time.process_time()
            stalls = asyncio.create_task(_stall())
            await asyncio.sleep(_WATCHED_S)
            stalls.cancel()
            cpu_s, watched_s = time.process_time() - cpu_s, time.monotonic() - began_s
            gaps = sum(ms >= GAP_MS for device in devices for ms in device.bench_dry_ms)
    return Smoothness(side, gaps, calls * watched_s, cpu_s * 1000 / watched_s / calls)


async def _stall() -> None:
    chance = random.Random(1)
    while True:
        await asyncio.sleep(chance.uniform(*_STALL_EVERY_S))
        time.sleep(STALL_MS / 1000)  # noqa: ASYNC251 - to block the loop is the point


async def _long_replies() -> dict[Side, float]:
    """One bot of each side says a reply of three minutes; how late each ends."""
    lags: dict[Side, float] = {}
    with emulating("--reply", reply_of(_LONG_S + 2 * _WARM_S), "--reply", "") as served:
        async with contextlib.AsyncExitStack() as stack:
            devices = {
                side: (await stack.enter_async_context(_speaking(side, 1, served)))[0]
                for side in Side
            }
            await asyncio.sleep(_WARM_S)  # starting one bot has stalled the other
            before_ms = {side: device.lag_ms() for side, device in devices.items()}
            await asyncio.sleep(_LONG_S + _SENTENCE_S)
            for side, device in devices.items():
                if device.bench_played_s < _LONG_S:
                    raise PipelineLiveError(
                        f"{side} said {device.bench_played_s:.0f} s of a reply of {_LONG_S} s"
                    )
                lags[side] = device.lag_ms() - before_ms[side]
    return lags
