"""A run of speech: what belongs together without a seam, at the transport's own rate. Pure.

A transport resamples what it gets, in blocks: at 8 kHz nothing comes out for 120 ms, then 137 ms at
once. What is handed to it just in time would have a gap in each; so speech is resampled as it comes
in, long before it is due.
"""

from __future__ import annotations

from pipecat.frames.frames import TTSAudioRawFrame

from pipeline_live.audio import Rechunker, Resampler, samples_of
from pipeline_live.turn import Reply


class Run:
    """Resamples the sound of a reply, or of another voice, from piece to piece.

    Args:
        frame: The first piece; mono.
        reply: Whose sound it is, if a reply's.
        rate: The rate that is wanted, in Hz.

    Attributes:
        owed: Samples that went in and that nothing has come out for yet.
        begun: Whether anything has come out.
    """

    def __init__(self, frame: TTSAudioRawFrame, reply: Reply | None, rate: int) -> None:
        self.frame = frame
        self.reply = reply
        self.rate = rate
        self.owed = 0
        self.begun = False
        self._whole = Rechunker()
        self._resampler = Resampler(frame.sample_rate, rate)

    def continues_with(self, frame: TTSAudioRawFrame, reply: Reply | None) -> bool:
        """Whether ``frame`` goes on where this run is."""
        same = frame.sample_rate == self.frame.sample_rate and reply is self.reply
        return same and frame.interruptible == self.frame.interruptible

    def feed(self, pcm: bytes) -> tuple[bytes, int]:
        """The next piece; it may end in the middle of a sample.

        Returns:
            What comes out, and for how many samples of what went in that stands.
        """
        pcm = self._whole.feed(pcm)
        self.owed += samples_of(pcm)
        sound = self._resampler.feed(pcm)
        self.begun = self.begun or bool(sound)
        stands_for = min(self.owed, samples_of(sound) * self.frame.sample_rate // self.rate)
        self.owed -= stands_for
        return sound, stands_for

    def rest(self) -> tuple[bytes, int]:
        """What is still to come out at the end of the run, as from ``feed``."""
        stands_for, self.owed = self.owed, 0
        return self._resampler.rest(), stands_for
