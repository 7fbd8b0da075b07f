"""The sound of a call as a file: user left, bot right, on one time axis.

``StereoTrack`` takes both sides with the sample at which each piece belongs; ``Recording`` knows
those places for a call without a sink of ours, from what the ledger says was played.
"""

from __future__ import annotations

import contextlib
import wave
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from loguru import logger

from pipeline_live.audio import (
    OUTPUT_RATE,
    Resampler,
    bytes_of,
    decay,
    ms_to_samples,
    samples_of,
    to_array,
)
from pipeline_live.errors import UsageError
from pipeline_live.turn.playout import Reply

MOST_WAITING_BYTES = 28_800_000
"""Received sound that waits to be played, 10 minutes; what comes beyond it is not recorded."""
_MOST_REPLIES = 8  # of which sound waits; the ledger knows more
_SETTLE_MS = 2000
_MIC_WAS_OFF_MS = 1000
_MIC_JITTER_MS = 20
_PLAYOUT_JITTER_MS = 30


class StereoTrack:
    """Two channels over one time axis, written to disk as soon as nothing can change them.

    Args:
        path: The WAV file, s16le.
        rate: Its rate in Hz; positions are samples at this rate.

    Raises:
        UsageError: The file cannot be written.
    """

    def __init__(self, path: Path, rate: int = OUTPUT_RATE) -> None:
        self.rate = rate
        try:
            path.open("wb").close()
        except OSError as error:
            raise UsageError(
                f"{path}: cannot be written ({error.strerror or error}); choose another place"
            ) from None
        self._path = path.absolute()
        self._wav: wave.Wave_write | None = None  # open from the first sample on
        self._written = 0
        self._left, self._right = bytearray(), bytearray()
        self._mic: Resampler | None = None
        self._mic_at = 0  # where the resampler's next sample belongs
        self._mic_due = 0  # where the microphone's next sample belongs

    def hear(self, sound: bytes, rate: int, at: int) -> None:
        """The microphone's next piece, whose first sample was taken no later than ``at``.

        Its clock is its own, so pieces join without a seam; the piece that came with the least
        delay says where that clock stands.
        """
        late = at - self._mic_due
        if (
            self._mic is None
            or self._mic.rate != rate
            or late > ms_to_samples(_MIC_WAS_OFF_MS, self.rate)
        ):
            self._mic, self._mic_at, self._mic_due = Resampler(rate, self.rate), at, at
        elif late < -ms_to_samples(_MIC_JITTER_MS, self.rate):  # what came before was late as well
            del self._left[: -late * 2]
            self._mic_at += late
            self._mic_due = at
        self._mic_due += samples_of(sound) * self.rate // rate
        pcm = self._mic.feed(sound)
        self._lay(self._left, pcm, self._mic_at)
        self._mic_at += samples_of(pcm)
        self._flush(self._mic_at - ms_to_samples(_SETTLE_MS, self.rate))

    def play(self, pcm: bytes, at: int) -> None:
        """Sound of the bot that is heard from sample ``at`` on.

        It ends without a click: the decay at its end stands until more follows.
        """
        self._lay(self._right, pcm + decay(pcm, self.rate), at)
        self._flush(at - ms_to_samples(_SETTLE_MS, self.rate))

    def close(self, end: int) -> None:
        """Write what is left up to sample ``end``."""
        self._flush(max(end, self._written + max(len(self._left), len(self._right)) // 2))
        self._opened().close()

    def _opened(self) -> wave.Wave_write:
        if self._wav is None:
            self._wav = wave.open(str(self._path), "wb")  # noqa: SIM115
            self._wav.setnchannels(2)
            self._wav.setsampwidth(2)
            self._wav.setframerate(self.rate)
        return self._wav

    def _lay(self, channel: bytearray, pcm: bytes, at: int) -> None:
        start = (at - self._written) * 2
        if start < 0:  # written already
            pcm, start = pcm[-start:], 0
        channel += bytes(max(0, start - len(channel)))
        channel[start : start + len(pcm)] = pcm

    def _flush(self, until: int) -> None:
        count = until - self._written
        if count <= 0:
            return
        both = np.zeros((count, 2), np.int16)
        for side, channel in enumerate((self._left, self._right)):
            sound = to_array(bytes(channel[: count * 2]))
            both[: len(sound), side] = sound
            del channel[: count * 2]
        self._opened().writeframes(both.astype("<i2").tobytes())
        self._written = until


@dataclass(slots=True)
class _Kept:
    """Received sound of one reply that was not played yet."""

    reply: Reply
    came_at: int  # sample of the file at which its first sound came
    sound: bytearray = field(default_factory=bytearray)
    played: int = 0  # samples of the reply before ``sound``
    begin: int | None = None  # sample of the file at which it is assumed to begin


class Recording:
    """Records a call by what the ledger says was played, wherever it is played.

    The microphone's side is exact; the bot's is the sound received, at the time at which it was
    played according to the sink's reports, or to the assumption in their place. What a device does
    with it afterwards is not in it, nor is what was under way to it at an interruption (up to a
    chunk and the lead of ``Playback``, 60 ms).

    Args:
        path: The WAV file: 24 kHz s16le, user left, bot right.

    Raises:
        UsageError: The file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._track: StereoTrack | None = StereoTrack(path)
        self._kept: list[_Kept] = []
        self._kept_bytes = 0
        self._begun_ms: int | None = None
        self._latest_ms = 0
        self._free_at = 0  # sample at which the bot's last piece ends
        self._last: Reply | None = None

    def begin(self, now_ms: int) -> bool:
        """Let the file begin at call time ``now_ms``; False when it has begun already."""
        if self._begun_ms is not None:
            return False
        self._begun_ms = self._latest_ms = now_ms
        return True

    def hear(self, pcm: bytes, rate: int, now_ms: int) -> None:
        """The microphone's next piece, mono s16le at ``rate`` Hz, just taken.

        Args:
            pcm: The sound.
            rate: Its rate in Hz.
            now_ms: Call time, here and below.
        """
        if self._track is not None:
            taken = self._sample(now_ms) - samples_of(pcm) * OUTPUT_RATE // rate
            try:
                self._track.hear(pcm, rate, max(0, taken))
            except OSError as error:
                self._give_up(error)

    def receive(self, reply: Reply, pcm: bytes, now_ms: int) -> None:
        """Sound of ``reply`` was received; it is played later, or never."""
        if self._track is None or self._kept_bytes + len(pcm) > MOST_WAITING_BYTES:
            return
        if not self._kept or self._kept[-1].reply is not reply:
            waiting = [kept for kept in self._kept if kept.sound]
            self._keep([*waiting[-_MOST_REPLIES + 1 :], _Kept(reply, self._sample(now_ms))])
        self._kept[-1].sound += pcm
        self._kept_bytes += len(pcm)

    def waiting(self) -> list[Reply]:
        """Replies of which sound waits, oldest first."""
        return [kept.reply for kept in self._kept]

    def played(self, number: int, samples: int, now_ms: int) -> None:
        """The sink says that by now ``samples`` of reply ``number`` were played in total."""
        kept = next((kept for kept in self._kept if kept.reply.number == number), None)
        if kept is None:
            return
        at = max(0, self._sample(now_ms) - (samples - kept.played))
        # Reports come a little late, each by its own delay; sound that goes on has no seam.
        late = abs(at - self._free_at)
        if kept.reply is self._last and late < ms_to_samples(_PLAYOUT_JITTER_MS, OUTPUT_RATE):
            at = self._free_at
        self._play(kept, samples, at)

    def assume(self, reply: Reply, samples: int) -> None:
        """Without a sink that says so: ``samples`` of ``reply`` were played in total by now.

        In real time from its first sound on, or from the end of the reply before it.
        """
        for kept in self._kept:
            if kept.reply is reply and samples:
                if kept.begin is None:
                    kept.begin = max(kept.came_at, self._free_at)
                self._play(kept, samples, kept.begin + kept.played)

    def _play(self, kept: _Kept, samples: int, at: int) -> None:
        size = min(bytes_of(samples - kept.played), len(kept.sound))
        if size <= 0 or self._track is None:
            return
        pcm = bytes(kept.sound[:size])
        del kept.sound[:size]
        self._kept_bytes -= size
        kept.played += samples_of(pcm)
        self._last, self._free_at = kept.reply, at + samples_of(pcm)
        try:
            self._track.play(pcm, at)
        except OSError as error:
            self._give_up(error)

    def flush(self, replies: tuple[Reply, ...]) -> None:
        """What waits of these replies will never be played."""
        self._keep([kept for kept in self._kept if kept.reply not in replies])

    def close(self) -> None:
        """Finish the file."""
        if self._track is not None:
            try:
                self._track.close(max(self._sample(self._latest_ms), self._free_at))
            except OSError as error:
                self._give_up(error)
        self._track = None

    def _give_up(self, error: OSError) -> None:
        """A full disk ends the recording, never the call."""
        logger.error(f"{self._path}: the recording ends here ({error.strerror or error})")
        track, self._track = self._track, None
        self._keep([])
        if track is not None:
            with contextlib.suppress(OSError):
                track.close(0)

    def _keep(self, kept: list[_Kept]) -> None:
        self._kept = kept
        self._kept_bytes = sum(len(one.sound) for one in kept)

    def _sample(self, now_ms: int) -> int:
        """Where the moment ``now_ms`` stands in the file."""
        self._latest_ms = now_ms
        return ms_to_samples(now_ms - (self._begun_ms or 0), OUTPUT_RATE)
