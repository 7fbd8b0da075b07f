"""``Volume`` and ``AudioFilter``: change sound on its way, one the bot's, the other the user's."""

from __future__ import annotations

from typing import Any

import numpy as np
from pipecat.audio.filters.base_audio_filter import BaseAudioFilter
from pipecat.frames.frames import (
    FilterControlFrame,
    Frame,
    InputAudioRawFrame,
    OutputAudioRawFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from pipeline_live.audio import to_array


class Volume(FrameProcessor):
    """Makes the bot louder or softer; put it right before ``transport.output()``.

    Passes through: every frame, at once and in order; sound changed in place, cut off where it
    would be too loud. Adds: nothing. On interruption: nothing, it holds nothing back.

    Args:
        gain: Factor for each sample; 1 leaves the sound as it is.
    """

    def __init__(self, gain: float, **kwargs: Any) -> None:
        super().__init__(enable_direct_mode=True, **kwargs)
        self._gain = gain

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Scale the sound of the bot."""
        await super().process_frame(frame, direction)
        if isinstance(frame, OutputAudioRawFrame) and frame.audio:
            scaled = np.rint(to_array(frame.audio) * np.float32(self._gain))
            frame.audio = np.clip(scaled, -32768, 32767).astype("<i2").tobytes()
        await self.push_frame(frame, direction)


class AudioFilter(FrameProcessor):
    """A Pipecat audio filter as a step, for microphones whose transport is not ours to configure.

    Passes through: every frame, in order; the user's sound filtered, and without what the filter
    keeps back. Adds: nothing. On interruption: nothing, people go on talking.

    Args:
        audio_filter: The filter.
    """

    def __init__(self, audio_filter: BaseAudioFilter, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._audio_filter = audio_filter
        self._filter_runs = False

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Filter the sound of the user."""
        await super().process_frame(frame, direction)
        if isinstance(frame, FilterControlFrame):
            await self._audio_filter.process_frame(frame)
        elif isinstance(frame, InputAudioRawFrame):
            if not self._filter_runs:
                self._filter_runs = True
                await self._audio_filter.start(frame.sample_rate)
            frame.audio = await self._audio_filter.filter(frame.audio)
            frame.num_frames = len(frame.audio) // (2 * frame.num_channels)
            if not frame.audio:
                return
        await self.push_frame(frame, direction)

    async def cleanup(self) -> None:
        """Stop the filter, however the pipeline ended."""
        await super().cleanup()
        if self._filter_runs:
            self._filter_runs = False
            await self._audio_filter.stop()
