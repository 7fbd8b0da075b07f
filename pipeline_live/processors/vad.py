"""``SileroVAD``: the ears of a call as a step of a pipeline."""

from __future__ import annotations

from typing import Any

from pipecat.frames.frames import Frame, InputAudioRawFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor, FrameProcessorSetup

from pipeline_live.audio import mono
from pipeline_live.processors.tags import tag_speech
from pipeline_live.vad import SpeechDetector, warm_up


class SileroVAD(FrameProcessor):
    """Marks microphone frames with the speech probability of each 32 ms window.

    Passes through: every frame, at once and in order. Adds: no frame, only the mark that
    ``GeminiLiveService`` looks for, which then does not listen a second time. On interruption:
    nothing, it goes on listening.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._detector: SpeechDetector | None = None

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        """Load the weights before the first frame."""
        await super().setup(setup)
        warm_up()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Mark what is heard, and pass it on."""
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            if self._detector is None or self._detector.rate != frame.sample_rate:
                self._detector = SpeechDetector(frame.sample_rate)
            tag_speech(frame, self._detector.feed(mono(frame.audio, frame.num_channels)))
        await self.push_frame(frame, direction)
