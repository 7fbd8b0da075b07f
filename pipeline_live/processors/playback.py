"""``Playback``: keeps a reply and releases it just in time.

Gemini sends a reply several times faster than it can be played. Whatever was handed to a transport
can only be taken back by interrupting it, and nobody knows how much of it was heard; so what is not
due yet stays here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeGuard

from loguru import logger
from pipecat.frames.frames import (
    CancelFrame,
    ControlFrame,
    EndFrame,
    Frame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    OutputAudioRawFrame,
    StartFrame,
    StopFrame,
    SystemFrame,
    TTSAudioRawFrame,
    TTSTextFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor, FrameProcessorSetup
from pipecat.transports.base_output import BaseOutputTransport

from pipeline_live.audio import (
    FADE_MS,
    bytes_of,
    faded_in,
    faded_out,
    ms_to_samples,
    samples_of,
)
from pipeline_live.processors import tags
from pipeline_live.processors.heard import HeardTextFrame, Words
from pipeline_live.processors.neighbours import after, before
from pipeline_live.processors.pacing import Pacer, Played
from pipeline_live.processors.resampling import Run
from pipeline_live.session import Call
from pipeline_live.turn import Reply
from pipeline_live.turn.events import (
    Action,
    FlushPlayout,
    HoldPlayout,
    PlayoutAdvanced,
    ResumePlayout,
)

MAX_WAITING_BYTES = 28_800_000
"""Sound that may wait here, 10 minutes; beyond it the service is held back, nothing is dropped."""


@dataclass(slots=True)
class _Waiting:
    frame: Frame
    reply: Reply | None = None
    sound: bytearray | None = None
    run: Run | None = None
    samples: int = 0  # of the reply, that the sound stands for

    @property
    def rate(self) -> int:
        return self.run.rate if self.run else 0

    @property
    def size(self) -> int:
        return len(self.sound) if self.sound else 0

    @property
    def firm(self) -> bool:
        """Whether no interruption and no hold concerns it."""
        return _is_firm(self.frame, self.reply)


class Playback(FrameProcessor):
    """Paces the bot's speech; put it right before ``transport.output()``.

    Passes through: system frames and everything upstream at once; other frames in their order with
    the sound. The words of a reply leave when they were heard, as ``HeardTextFrame`` in place of
    the service's ``TTSTextFrame``; speech at the rate of the transport. Adds: nothing. Order: kept.
    While the call holds it: nothing that is interruptible is released, nothing is lost, and the
    sound fades out and in over 5 ms; it goes on at the sample where it stopped.
    On interruption: what waits is thrown away at once, but not frames that are uninterruptible; the
    sound of a dead reply is dropped at release by its tag, however late it comes.

    Args:
        chunk_ms: Sound is released in pieces of this length; best the transport's own.
        lead_ms: How long before its playing time a piece is released; more while the event loop is
            late again and again.
    """

    def __init__(self, *, chunk_ms: int = 20, lead_ms: int = 35, **kwargs: Any) -> None:
        # Its queue is its own: another one in front of it would cost a hop for each frame, and an
        # InterruptionFrame would overtake what stands in that one.
        super().__init__(enable_direct_mode=True, **kwargs)
        self._chunk_ms = chunk_ms
        self._pacer = Pacer(lead_ms)
        self._call: Call | None = None
        self._words: Words | None = None
        self._rate = 0  # the transport's, or else the pipeline's
        self._current: Run | None = None  # of the speech that is coming in
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None
        self._releasing: Reply | None = None
        self._released = 0  # samples of that reply that were released
        self._on_the_way = tags.OnTheWay()
        self._held = False
        self._fade_out = False  # the sound that was held is still to be faded out
        self._fade_in = False  # the next sound goes on where a fade began

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        """Learn at what rate the pipeline plays."""
        await super().setup(setup)
        self._rate = setup.audio_out_sample_rate

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Let pass what is not speech, queue what is; never wait for time to pass."""
        await super().process_frame(frame, direction)
        if isinstance(frame, StartFrame):
            await self._start(frame)
            await self.push_frame(frame, direction)
        elif isinstance(frame, InterruptionFrame):
            self._flush_all()
            await self._tell_last_words(direction)
            await self.push_frame(frame, direction)
        elif isinstance(frame, CancelFrame):
            await self._stop()
            await self.push_frame(frame, direction)
        elif direction is FrameDirection.UPSTREAM or _passes(frame):
            await self.push_frame(frame, direction)
        else:
            await self._queue(frame)

    async def cleanup(self) -> None:
        """Stop, however the pipeline ended."""
        await super().cleanup()
        await self._stop()

    def perform(self, action: Action, at_ms: int) -> None:
        """Be the call's hand: hold, resume and flush at once, without waiting for a frame.

        The InterruptionFrame that follows would take the rest as well; taken together, nothing
        that stood behind the sound (the reply's end, for one) gets out before that frame.
        """
        match action:
            case HoldPlayout():
                self._hold()
            case ResumePlayout():
                self._resume()
            case FlushPlayout():
                if not self._held:
                    self._tell_silence(0)
                self._flush_all()
                self._on_the_way.empty_the_dead()
            case _:
                pass

    # --- start and stop ------------------------------------------------------------------------

    async def _start(self, frame: StartFrame) -> None:
        self._call = tags.call_of(frame)
        transport = next(filter(_is_transport, before(self)), None)
        if transport is not None:
            await self._refuse(
                f"stands after {transport}, so it can hold nothing back; put Playback() right "
                "before transport.output()"
            )
        elif self._call is None:
            await self._refuse(
                "found no GeminiLiveService of pipeline_live before it; put it after that service "
                "(Pipecat's own GeminiLiveLLMService does not mark its replies)"
            )
        else:
            self._call.ledger.attach_sink()
            self._call.attach(self)
            self._words = Words(self._call)
            self._follow_the_transport()
        if self._pump is None:
            self._pump = self.create_task(self._run())

    async def _stop(self) -> None:
        if self._pump is not None:
            await self.cancel_task(self._pump)
            self._pump = None
        if self._call is not None:
            self._call.detach(self)

    def _follow_the_transport(self) -> None:
        transport = next(filter(_is_transport, after(self)), None)
        if transport is not None:
            self._rate = transport.sample_rate or self._rate
            transport.add_event_handler("on_before_push_frame", self._written)

    async def _refuse(self, why: str) -> None:
        logger.error(f"{self} {why}")
        await self.push_error(f"{self} {why}", force_treat_as_permanent=True)

    # --- the queue -----------------------------------------------------------------------------

    async def _queue(self, frame: Frame) -> None:
        if isinstance(frame, EndFrame | StopFrame):
            self._resume()  # it stands behind the sound, which is played to its end
        reply = tags.reply_of(frame)
        if reply is not None and reply.dead and frame.interruptible:
            return
        if isinstance(frame, TTSTextFrame) and self._words and self._words.replaces(frame):
            return
        if isinstance(frame, TTSAudioRawFrame) and frame.num_channels == 1:
            while self._waiting_bytes > MAX_WAITING_BYTES:
                self._room.clear()
                await self._room.wait()
            self._queue_speech(frame, reply)
            return
        if isinstance(frame, ControlFrame | OutputAudioRawFrame):
            self._end_run()
        self._waiting.append(_Waiting(frame, reply))
        self._news.set()

    def _queue_speech(self, frame: TTSAudioRawFrame, reply: Reply | None) -> None:
        if self._current is None or not self._current.continues_with(frame, reply):
            self._end_run()
            self._current = Run(frame, reply, self._rate)
        self._queue_sound(self._current, *self._current.feed(frame.audio))

    def _end_run(self) -> None:
        run, self._current = self._current, None
        if run is not None and run.owed:
            self._queue_sound(run, *run.rest())

    def _queue_sound(self, run: Run, sound: bytes, samples: int) -> None:
        """Join sound to the sound before it, so that pieces stay whole across messages."""
        if not sound and not samples:
            return
        last = self._waiting[-1] if self._waiting else None
        if last is None or last.run is not run:
            last = _Waiting(run.frame, run.reply, bytearray(), run)
            self._waiting.append(last)
        assert last.sound is not None
        last.sound += sound
        last.samples += samples
        self._waiting_bytes += len(sound)
        self._news.set()

    def _flush_all(self) -> None:
        self._drop(lambda waiting: not waiting.firm)

    def _drop(self, doomed: Callable[[_Waiting], bool]) -> None:
        kept = deque(waiting for waiting in self._waiting if not doomed(waiting))
        if len(kept) < len(self._waiting):
            self._pacer.forget()
        self._waiting = kept
        if self._current is not None and not _is_firm(self._current.frame, self._current.reply):
            self._current = None
        self._waiting_bytes = sum(waiting.size for waiting in kept)
        self._held = self._fade_out = self._fade_in = False
        self._room.set()
        self._news.set()

    # --- holding -------------------------------------------------------------------------------

    def _hold(self) -> None:
        self._held = True
        fades = self._call is None or not self._call.sink_holds
        self._fade_out = fades and self._pacer.free_s > asyncio.get_running_loop().time()
        self._tell_silence(FADE_MS if self._fade_out else 0)
        self._news.set()

    def _resume(self) -> None:
        self._held = self._fade_out = False
        self._news.set()

    def _tell_silence(self, fade_ms: int) -> None:
        """Tell the call when the last sample that was released will have been played."""
        if self._call is not None:
            left = max(0.0, self._pacer.free_s - asyncio.get_running_loop().time())
            self._call.fall_silent(self._call.now_ms() + int(left * 1000) + fade_ms)

    async def _release_fade(self) -> None:
        """Push 5 ms of the sound that comes next, falling to nothing, in a chunk of its own.

        It counts as not played: the same samples come again, rising, when playout goes on.
        """
        self._fade_out = False
        waiting = next((waiting for waiting in self._waiting if waiting.sound), None)
        if waiting is None or not waiting.sound or waiting.firm:
            return
        if waiting.reply is not self._releasing:
            return
        size = bytes_of(ms_to_samples(self._chunk_ms, waiting.rate))
        fade = faded_out(bytes(waiting.sound[:size]), waiting.rate)
        self._fade_in = True
        self._pacer.release(self._chunk_ms / 1000, asyncio.get_running_loop().time())
        await self._push_piece(waiting, fade.ljust(size, b"\0"))

    def _is_held_back(self) -> bool:
        return self._held and not self._waiting[0].firm

    # --- the pump ------------------------------------------------------------------------------

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            # One moment for both: what was played by then is told, so only a release is due then.
            now = loop.time()
            self._report(now)
            if self._words is not None:
                await self._push_words(self._words.heard(self._releasing))
            if self._fade_out:
                await self._release_fade()
                continue
            due = self._due()
            if due is None or due > now:
                await self._sleep_until(due)
                continue
            await self._release()

    def _due(self) -> float | None:
        """Loop time at which something is to be done; None when nothing is."""
        if self._waiting and not self._is_held_back():
            return self._pacer.due_s
        played = self._pacer.next_played_s
        run = self._current
        if self._waiting or self._held or run is None or not (run.owed and run.begun):
            return played
        dry = self._pacer.free_s - self._chunk_ms / 1000
        return dry if played is None else min(dry, played)

    async def _sleep_until(self, due: float | None) -> None:
        """Sleep until ``due`` or until there is news."""
        loop = asyncio.get_running_loop()
        self._news.clear()
        alarm = None if due is None else loop.call_at(due, self._woken, due)
        try:
            await self._news.wait()
        finally:
            if alarm is not None:
                alarm.cancel()

    def _woken(self, due: float) -> None:
        """Note how late the loop is, before any task runs on it again."""
        now = asyncio.get_running_loop().time()
        if self._pacer.woke(round((now - due) * 1000), now) and self._call is not None:
            self._call.put_playout_first()
        self._news.set()

    async def _release(self) -> None:
        """Push the next frame, or the next piece of sound, downstream."""
        if not self._waiting:
            self._end_run()  # nothing more came in time
            return
        waiting = self._waiting[0]
        if waiting.sound is None:
            self._waiting.popleft()
            if isinstance(waiting.frame, LLMFullResponseEndFrame) and waiting.reply and self._words:
                await self._push_words(self._words.rest(waiting.reply))
            self._on_the_way.add(waiting.frame)
            await self.push_frame(waiting.frame)
            if isinstance(waiting.frame, OutputAudioRawFrame):
                seconds = waiting.frame.num_frames / waiting.frame.sample_rate
                self._pacer.release(seconds, asyncio.get_running_loop().time())
            return
        loop = asyncio.get_running_loop()
        chunks = self._pacer.chunks_due(self._chunk_ms, loop.time())
        size = bytes_of(chunks * ms_to_samples(self._chunk_ms, waiting.rate))
        piece = bytes(waiting.sound[:size])
        samples = waiting.samples * len(piece) // max(1, len(waiting.sound))
        del waiting.sound[:size]
        self._waiting_bytes -= len(piece)
        if not waiting.sound:
            self._waiting.popleft()
            samples = waiting.samples
        waiting.samples -= samples
        self._room.set()
        if waiting.reply is not None and waiting.reply.dead:
            return
        played = None
        if waiting.reply is not None:
            if waiting.reply is not self._releasing:
                self._releasing, self._released = waiting.reply, 0
            self._released += samples
            played = Played(waiting.reply.number, self._released)
        self._pacer.release(samples_of(piece) / waiting.rate, loop.time(), played)
        if self._fade_in:
            self._fade_in = False
            piece = faded_in(piece, waiting.rate)
        await self._push_piece(waiting, piece)

    async def _push_piece(self, waiting: _Waiting, piece: bytes) -> None:
        cut = _piece_of(waiting.frame, piece, waiting.rate)
        cut.interruptible = not waiting.firm
        self._on_the_way.add(cut)
        await self.push_frame(cut)

    def _report(self, now: float) -> None:
        """Tell the call what has been played by ``now``."""
        for played in self._pacer.played(now):
            if self._call is not None:
                now_ms = self._call.now_ms()
                self._call.apply(PlayoutAdvanced(now_ms, played.reply, played.samples))

    async def _push_words(self, frame: HeardTextFrame | None) -> None:
        if frame is not None:
            await self.push_frame(frame)

    async def _tell_last_words(self, direction: FrameDirection) -> None:
        """An interruption closes the assistant's message; from behind, it has done so already."""
        if self._words is None:
            return
        if direction is FrameDirection.DOWNSTREAM:
            await self._push_words(self._words.heard(self._releasing))
        else:
            self._words.take_back()

    def _written(self, _: FrameProcessor, frame: Frame) -> None:
        """The transport passes sound on once its device has taken it.

        Its mixer fills every pause, without end: a plan that ran behind that would never be due.
        """
        if not isinstance(frame, OutputAudioRawFrame) or frame.transport_destination:
            return
        if isinstance(frame, TTSAudioRawFrame) or not self._pacer.is_written:
            seconds = frame.num_frames / frame.sample_rate
            self._pacer.written(seconds, asyncio.get_running_loop().time())


def _is_transport(processor: FrameProcessor) -> TypeGuard[BaseOutputTransport]:
    return isinstance(processor, BaseOutputTransport)


def _passes(frame: Frame) -> bool:
    """Whether ``frame`` has nothing to do with the order of speech on the default destination."""
    if isinstance(frame, SystemFrame):
        return True
    return isinstance(frame, OutputAudioRawFrame) and bool(frame.transport_destination)


def _is_firm(frame: Frame, reply: Reply | None) -> bool:
    return (reply is not None and reply.protected) or not frame.interruptible


def _piece_of(frame: Frame, piece: bytes, rate: int) -> TTSAudioRawFrame:
    assert isinstance(frame, TTSAudioRawFrame)
    cut = TTSAudioRawFrame(
        audio=piece,
        sample_rate=rate,
        num_channels=1,
        context_id=frame.context_id,
    )
    cut.metadata.update(frame.metadata)
    return cut
