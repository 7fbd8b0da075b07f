"""``FileSink``: a loudspeaker that is a file, in real time."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from pipecat.frames.frames import Frame, InputAudioRawFrame, OutputAudioRawFrame, StartFrame
from pipecat.processors.frame_processor import FrameDirection
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams

from pipeline_live.audio import OUTPUT_RATE, mono, ms_to_samples, resample, samples_of
from pipeline_live.processors.tags import call_of, captured_s
from pipeline_live.session.recording import StereoTrack

CHUNK_MS = 20
"""What the transport writes at once."""
DEVICE_BUFFER_MS = 40
"""What the imagined sound card holds; it cannot be taken back."""


class FileSink(BaseOutputTransport):
    """Plays into a stereo WAV file as a sound card would: user left, bot right, as heard.

    A Pipecat output transport with a device buffer of 40 ms: it takes 20 ms of sound every 20 ms,
    plays silence when it gets nothing, and what it has taken is heard. Passes through: what a
    Pipecat output transport passes, microphone frames included. Adds: bot speaking frames, as the
    base does. On interruption: drops what it has not written yet, as the base does.

    Args:
        path: The file; it is complete once the pipeline has ended.
        device_buffer_ms: How far ahead of its playing time a sample is taken.
        params: Pipecat's transport parameters; by default 24 kHz in chunks of 20 ms.

    Raises:
        UsageError: The file cannot be written.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        device_buffer_ms: int = DEVICE_BUFFER_MS,
        params: TransportParams | None = None,
        **kwargs: Any,
    ) -> None:
        params = params or TransportParams(
            audio_out_enabled=True,
            audio_out_sample_rate=OUTPUT_RATE,
            audio_out_10ms_chunks=CHUNK_MS // 10,
        )
        super().__init__(params, **kwargs)
        self._buffer_ms = device_buffer_ms
        self._track = StereoTrack(Path(path), params.audio_out_sample_rate or OUTPUT_RATE)
        self._begun: float | None = None
        self._free_at = 0  # sample at which the card runs dry

    async def start(self, frame: StartFrame) -> None:
        """Begin the recording."""
        await super().start(frame)
        self._begun = asyncio.get_running_loop().time()
        call = call_of(frame)
        if call is not None:
            now = call.now_ms()
            if call.timeline.recording is None:
                call.timeline.note("SoundStarted", now)
            call.timeline.note(
                "PlayoutConfigured", now, chunk_ms=CHUNK_MS, device_buffer_ms=self._buffer_ms
            )
        await self.set_transport_ready(frame)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Record the microphone that passes; the rest is the base's."""
        if isinstance(frame, InputAudioRawFrame) and self._begun is not None:
            sound = mono(frame.audio, frame.num_channels)
            taken_s = captured_s(frame)
            if taken_s is None:  # as if it had come straight from the device
                taken_s = asyncio.get_running_loop().time() - samples_of(sound) / frame.sample_rate
            self._track.hear(sound, frame.sample_rate, self._sample_at(taken_s))
        await super().process_frame(frame, direction)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        """Take a chunk for playing; return when the card has room for the next."""
        pcm = resample(mono(frame.audio, frame.num_channels), frame.sample_rate, self._track.rate)
        begin = max(self._free_at, self._now())
        self._track.play(pcm, begin)
        self._free_at = begin + samples_of(pcm)
        ahead = self._free_at - self._now() - ms_to_samples(self._buffer_ms, self._track.rate)
        if ahead > 0:
            await asyncio.sleep(ahead / self._track.rate)
        return True

    async def cleanup(self) -> None:
        """Finish the file."""
        await super().cleanup()
        if self._begun is not None:
            self._track.close(max(self._now(), self._free_at))
        else:
            self._track.close(0)

    def _now(self) -> int:
        return self._sample_at(asyncio.get_running_loop().time())

    def _sample_at(self, at_s: float) -> int:
        assert self._begun is not None
        return int((at_s - self._begun) * self._track.rate)
