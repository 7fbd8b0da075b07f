"""``MicSource``: a microphone made of files, in real time."""

from __future__ import annotations

import asyncio
from collections import deque
from pathlib import Path
from typing import Any

from pipecat.frames.frames import CancelFrame, EndFrame, Frame, InputAudioRawFrame, StartFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from pipeline_live.audio import INPUT_RATE, bytes_of, ms_to_samples, read_wav, silence
from pipeline_live.processors.tags import tag_captured


class MicSource(FrameProcessor):
    """Emits microphone frames in real time: what it is told to say, silence otherwise.

    Passes through: every frame, at once and in order. Adds: ``InputAudioRawFrame`` (mono s16le),
    one every ``chunk_ms``, from the StartFrame on. On interruption: nothing, people go on talking.

    Args:
        file: A WAV file (any rate, mono or stereo) to say first.
        rate: Sample rate of the frames in Hz.
        chunk_ms: Length of a frame.

    Raises:
        AudioFormatError: The file cannot be used.
    """

    def __init__(
        self,
        file: Path | str | None = None,
        *,
        rate: int = INPUT_RATE,
        chunk_ms: int = 20,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._rate = rate
        self._chunk_ms = chunk_ms
        self._clips: deque[tuple[bytearray, asyncio.Future[None] | None]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._ended = False
        if file is not None:
            self._clips.append((bytearray(read_wav(file, rate)), None))

    async def say(self, clip: bytes | Path | str) -> None:
        """Say something, after what is being said; return when its last frame went out.

        Args:
            clip: Mono s16le sound at this microphone's rate, or the path of a WAV file.

        Raises:
            AudioFormatError: The file cannot be used.
            CancelledError: The pipeline has ended, or ends meanwhile.
        """
        pcm = clip if isinstance(clip, bytes) else read_wav(clip, self._rate)
        said = asyncio.get_running_loop().create_future()
        if self._ended:
            said.cancel()
        self._clips.append((bytearray(pcm), said))
        await said

    @property
    def speaks(self) -> bool:
        """Whether something is being said, or waits to be said."""
        return bool(self._clips)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Start with the pipeline, stop with it, and let everything through."""
        await super().process_frame(frame, direction)
        if isinstance(frame, (EndFrame, CancelFrame)):
            await self._stop()
        await self.push_frame(frame, direction)
        if isinstance(frame, StartFrame) and self._task is None:
            self._task = self.create_task(self._run())

    async def cleanup(self) -> None:
        """Stop, however the pipeline ended."""
        await super().cleanup()
        await self._stop()

    async def _stop(self) -> None:
        self._ended = True
        if self._task is not None:
            await self.cancel_task(self._task)
            self._task = None
        for _, said in self._clips:
            if said is not None:
                said.cancel()
        self._clips.clear()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            frame = InputAudioRawFrame(self._next_chunk(), self._rate, 1)
            tag_captured(frame, due - self._chunk_ms / 1000)
            await self.push_frame(frame)
            due += self._chunk_ms / 1000
            await asyncio.sleep(max(0.0, due - loop.time()))

    def _next_chunk(self) -> bytes:
        size = bytes_of(ms_to_samples(self._chunk_ms, self._rate))
        if not self._clips:
            return silence(self._chunk_ms, self._rate)
        pcm, said = self._clips[0]
        chunk = bytes(pcm[:size])
        del pcm[:size]
        if not pcm:
            self._clips.popleft()
            if said is not None and not said.done():
                said.set_result(None)
        return chunk + bytes(size - len(chunk))
