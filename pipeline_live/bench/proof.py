"""Proof that the bench measures right, before it measures anything.

A perfect bot speaks just in time and stops at a known time after the user's onset, in a real
pipeline with the sink of the bench. Its recording must read that time, for the silence and for the
decision, and no stale sound. Then a whisper of stale sound is written into that recording, shortly
after the last that is allowed, and must be found. And a bot whose reply is no longer than what it
said must not be taken for one that was silenced. It all runs through the same files and the same
judgement as the calls that follow.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    StartFrame,
    TTSAudioRawFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from pipeline_live.audio import INPUT_RATE, OUTPUT_RATE, Samples, ms_to_samples, to_pcm
from pipeline_live.bench.bots import Bot, CallTag, Loudspeaker, running
from pipeline_live.bench.clips import Clip
from pipeline_live.bench.judge import ALLOWED_TAIL_MS, USER_ACTED, Outcome, judge
from pipeline_live.bench.scenarios import Scenario, Side
from pipeline_live.bench.schedule import Trial
from pipeline_live.errors import PipelineLiveError
from pipeline_live.processors import MicSource
from pipeline_live.processors.tags import captured_s
from pipeline_live.report import SOUND_NAME, TIMELINE_NAME
from pipeline_live.report.lines import Line, parse_timeline
from pipeline_live.report.reading import DEFAULT_CHUNK_MS, Sound, parse_sound
from pipeline_live.session import Timeline

STOP_MS = 300
"""The perfect bot falls silent so long after the onset."""
LEAK_MS = 120
"""How much stale sound is planted."""
_LEAK_AFTER_MS = 100
_LEAK_PEAK = 100  # -50 dBFS
_WATCHED_MS = 1000  # room for the leak; the judge looks at the last 700
_TONE_MS = 20_000
_CHUNK_S = DEFAULT_CHUNK_MS / 1000
_LEAD_IN_S = 0.2
_TRIAL = Trial(Scenario("proof", "a bot that stops at a known time"), 0, None, 0)


def tone(ms: int, peak: int = 8000) -> Samples:
    """A sound that is audible in every millisecond."""
    time_s = np.arange(ms_to_samples(ms, OUTPUT_RATE)) / OUTPUT_RATE
    return np.asarray(peak * np.sin(2 * np.pi * 1000 * time_s + 0.5), np.int16)


class PerfectBot(FrameProcessor):
    """Speaks a tone in real time, until a known time after the user's onset.

    Passes through: every frame, at once and in order. Adds: chunks of the tone, each when it is
    due, and one InterruptionFrame at the end of the last. On interruption: nothing.
    """

    def __init__(self, clip: Clip) -> None:
        super().__init__(enable_direct_mode=True)
        self.bench_clip = clip
        self.bench_stop_s: float | None = None
        self.bench_pump: asyncio.Task[None] | None = None
        self._chunks_before = _silent_chunks(clip)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Begin with the pipeline, and look for the clip in the microphone."""
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame) and self.bench_stop_s is None:
            taken_s = captured_s(frame)
            if any(frame.audio) and taken_s is not None:
                begun_s = taken_s - self._chunks_before * _CHUNK_S
                self.bench_stop_s = begun_s + (self.bench_clip.onset_ms + STOP_MS) / 1000
        await self.push_frame(frame, direction)
        if isinstance(frame, StartFrame):
            self.bench_pump = self.create_task(self._speak())

    async def cleanup(self) -> None:
        """Stop, however the pipeline ended."""
        await super().cleanup()
        if self.bench_pump is not None:
            await self.cancel_task(self.bench_pump)
            self.bench_pump = None

    async def _speak(self) -> None:
        loop = asyncio.get_running_loop()
        chunk = to_pcm(tone(DEFAULT_CHUNK_MS))
        due = loop.time()
        while True:
            stop_s = self.bench_stop_s
            left_s = _CHUNK_S if stop_s is None else max(0.0, stop_s - due)
            piece = chunk[: 2 * round(left_s * OUTPUT_RATE)]
            # The transport writes whole chunks, so the last one is filled up with silence.
            await self.push_frame(TTSAudioRawFrame(piece.ljust(len(chunk), b"\0"), OUTPUT_RATE, 1))
            due += _CHUNK_S
            await asyncio.sleep(max(0.0, due - loop.time()))
            if stop_s is not None and stop_s <= due:
                await self.push_frame(InterruptionFrame())
                return


def _silent_chunks(clip: Clip) -> int:
    """Whole microphone chunks of digital silence before the clip's first sample."""
    first = next(index for index, value in enumerate(clip.pcm) if value) // 2
    return first // ms_to_samples(DEFAULT_CHUNK_MS, INPUT_RATE)


async def prove(clip: Clip, folder: Path) -> str:
    """Prove the bench on ``clip``; about two seconds in real time.

    Args:
        clip: Speech with a known onset.
        folder: Where the recording goes.

    Returns:
        What was read, for people.

    Raises:
        PipelineLiveError: The bench is not to be trusted here; the text says why.
    """
    os.makedirs(folder, exist_ok=True)
    await _record(clip, folder)
    sound = parse_sound((folder / SOUND_NAME).read_bytes(), str(folder / SOUND_NAME))
    lines = parse_timeline((folder / TIMELINE_NAME).read_text(), str(folder / TIMELINE_NAME))
    return verdict(clip, sound, lines)


def verdict(clip: Clip, sound: Sound, lines: tuple[Line, ...]) -> str:
    """Judge the perfect bot's recording, without and with a planted leak.

    Raises:
        PipelineLiveError: Something else was read than what is there.
    """
    clean = _judged(clip, sound, lines)
    read_ms = clean.to_silence_ms
    if read_ms is None or abs(read_ms - STOP_MS) > DEFAULT_CHUNK_MS:
        raise PipelineLiveError(
            f"the bench reads {read_ms} ms of a bot that falls silent {STOP_MS} ms after the "
            f"onset, more than a chunk of {DEFAULT_CHUNK_MS} ms away; close other programs and "
            "run it again"
        )
    if clean.stale_ms != 0:
        raise PipelineLiveError(
            f"the bench reads {clean.stale_ms} ms of stale sound where there is none; "
            "close other programs and run it again"
        )
    # It is interrupted at the end of its last chunk, and the way to the sink takes a moment.
    decided_ms = clean.decision_ms
    if decided_ms is None or abs(decided_ms - STOP_MS - DEFAULT_CHUNK_MS) > 2 * DEFAULT_CHUNK_MS:
        raise PipelineLiveError(
            f"the bench reads {decided_ms} ms to the decision of a bot that decides "
            f"{STOP_MS} ms after the onset; close other programs and run it again"
        )
    if not clean.silenced or _judged(clip, sound, lines, sound.bot).silenced:
        raise PipelineLiveError(
            "the bench cannot tell a bot that was silenced from one that said all of its reply"
        )
    leaked_ms = _found(clip, sound, lines, read_ms)
    return (
        f"a bot that stops at {STOP_MS} ms reads {read_ms} ms; "
        f"of {LEAK_MS} ms of planted stale sound {leaked_ms} ms were found"
    )


def _found(clip: Clip, sound: Sound, lines: tuple[Line, ...], read_ms: int) -> int:
    """Plant a leak into the recording of a bot that fell silent at ``read_ms``, and find it."""
    leaked = _judged(clip, with_leak(sound), lines)
    if leaked.stale_ms is None or abs(leaked.stale_ms - LEAK_MS) > 1:
        raise PipelineLiveError(
            f"the bench reads {leaked.stale_ms} ms of stale sound where {LEAK_MS} ms were planted"
        )
    later_ms = ALLOWED_TAIL_MS + _LEAK_AFTER_MS + LEAK_MS
    if leaked.to_silence_ms is None or abs(leaked.to_silence_ms - read_ms - later_ms) > 1:
        raise PipelineLiveError(
            f"the bench reads {leaked.to_silence_ms} ms to silence of a bot that leaks until "
            f"{read_ms + later_ms} ms after the onset"
        )
    return leaked.stale_ms


def with_leak(sound: Sound) -> Sound:
    """The recording with a whisper of stale sound some time after its last."""
    bot = sound.bot.copy()
    last = int(np.flatnonzero(bot)[-1])
    start = last + ms_to_samples(ALLOWED_TAIL_MS + _LEAK_AFTER_MS, OUTPUT_RATE)
    leak = tone(LEAK_MS, _LEAK_PEAK)
    if start + len(leak) > len(bot):
        raise PipelineLiveError("the recording of the proof is too short")
    bot[start : start + len(leak)] = leak
    return Sound(sound.user, bot)


def _judged(
    clip: Clip, sound: Sound, lines: tuple[Line, ...], reply: Samples | None = None
) -> Outcome:
    reply = tone(_TONE_MS) if reply is None else reply
    return judge(replace(_TRIAL, clip=clip), Side.STOCK, sound, lines, reply)


async def _record(clip: Clip, folder: Path) -> None:
    microphone, sink = MicSource(), Loudspeaker(folder / SOUND_NAME)
    tag = CallTag(Timeline(folder / TIMELINE_NAME))
    async with running([tag, microphone, PerfectBot(clip), sink], microphone, sink) as bot:
        await bot.begins()
        await asyncio.sleep(_LEAD_IN_S)
        await _say(bot, clip)


async def _say(bot: Bot, clip: Clip) -> None:
    bot.note(USER_ACTED)
    await bot.microphone.say(clip.pcm)
    spoken_s = clip.duration_ms / 1000
    needed_s = (clip.onset_ms + STOP_MS + _WATCHED_MS) / 1000
    await asyncio.sleep(max(0.0, needed_s - spoken_s))
