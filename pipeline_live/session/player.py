"""``Player``: keeps a reply for a loudspeaker that pulls; the hand of programs without Pipecat."""

from __future__ import annotations

import asyncio
from collections import deque

from pipeline_live.audio import FADE_MS, OUTPUT_RATE, samples_to_ms
from pipeline_live.playout_queue import PlayoutQueue
from pipeline_live.session.call import Call
from pipeline_live.turn.events import (
    Action,
    FlushPlayout,
    HoldPlayout,
    PlayoutAdvanced,
    ResumePlayout,
)
from pipeline_live.turn.playout import Reply

MAX_WAITING_MS = 600_000
"""Sound that may wait, 10 minutes; beyond it ``play`` waits, nothing is dropped."""


class Player:
    """What waits to be played of a call's replies, at 24 kHz.

    ``play`` puts in what ``receive()`` brings; a loudspeaker, or any other sink, calls ``pull`` for
    what it needs next. In between the call decides: suspected speech holds the reply and it goes on
    at the very sample, an interruption or a Stop throws it away, always within 5 ms and without a
    click. What was pulled is reported to the call, so it knows what was heard.

    Args:
        call: The session's call (``session.call``); one player for one call.
        latency_ms: How long after it was pulled a sample is heard: the buffer of the sink.
    """

    def __init__(self, call: Call, *, latency_ms: int = 0) -> None:
        self.call = call
        self._latency_ms = latency_ms
        self._queue: PlayoutQueue[Reply] = PlayoutQueue(OUTPUT_RATE)
        self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        self._room = asyncio.Event()
        self._given: tuple[Reply | None, int] = (None, 0)
        self._unheard: deque[tuple[int, int, int]] = deque()  # heard at, reply, samples
        call.ledger.attach_sink()
        call.attach(self)

    async def play(self, pcm: bytes | None, reply: Reply | None) -> None:
        """Append sound; returns at once unless ten minutes wait already, or nobody plays any more.

        Args:
            pcm: Mono s16le sound at 24 kHz (``message.data``); None is no sound.
            reply: What it belongs to (``session.current_reply``).
        """
        if not pcm or reply is None:
            return
        while self.waiting_ms >= MAX_WAITING_MS:
            self._room.clear()
            await self._room.wait()
        if self._loop is not None and not reply.dead:
            self._queue.put(pcm, reply)

    def pull(self, samples: int) -> bytes:
        """The next ``samples`` samples, for the sink; silence where there are none. Any thread."""
        pcm = self._queue.pull(samples)
        loop = self._loop
        if loop is not None and not loop.is_closed():  # a sound card's thread may outlive it
            loop.call_soon_threadsafe(self._pulled)
        return pcm

    @property
    def waiting_ms(self) -> int:
        """How much waits to be played."""
        return samples_to_ms(self._queue.waiting, OUTPUT_RATE)

    def close(self) -> None:
        """Leave the call; what is pulled from now on is silence. Close the sink first."""
        self._loop = None
        self.call.detach(self)
        self._queue.flush()
        self._room.set()

    def perform(self, action: Action, at_ms: int) -> None:
        """Be the call's hand: hold, resume and flush at once."""
        match action:
            case HoldPlayout():
                self._tell_silence()
                self._queue.hold()
            case ResumePlayout():
                self._queue.resume()
            case FlushPlayout():
                self._tell_silence()
                self._queue.flush(lambda reply: reply.dead)
                self._room.set()
            case _:
                pass

    def _tell_silence(self) -> None:
        """Tell the call when the last sample will be over; a hold before it has told already."""
        if self._queue.sounding:
            self.call.fall_silent(self.call.now_ms() + self._latency_ms + FADE_MS)

    def _pulled(self) -> None:
        """Tell the call what has been heard by now."""
        if self._loop is None:
            return
        now = self.call.now_ms()
        for reply, samples in self._queue.take_played():
            before = self._given[1] if self._given[0] is reply else 0
            self._given = (reply, before + samples)
            self._unheard.append((now + self._latency_ms, reply.number, before + samples))
        self._room.set()
        while self._unheard and self._unheard[0][0] <= now:
            _, number, samples = self._unheard.popleft()
            self.call.apply(PlayoutAdvanced(now, number, samples))
