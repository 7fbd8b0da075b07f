"""``FileTransport``: a call whose microphone and loudspeaker are files."""

from __future__ import annotations

from pathlib import Path

from pipeline_live.audio import INPUT_RATE
from pipeline_live.processors.mic import MicSource
from pipeline_live.processors.sink import DEVICE_BUFFER_MS, FileSink


class FileTransport:
    """Both ends of a pipeline over WAV files, in real time.

    Args:
        input: What the user says; silence without one.
        output: The recording of the call as heard: user left, bot right.
        device_buffer_ms: What the imagined sound card holds.
        sample_rate: Of the microphone, in Hz.

    Raises:
        AudioFormatError: The input cannot be used.
        UsageError: The output cannot be written.
    """

    def __init__(
        self,
        *,
        output: Path | str,
        input: Path | str | None = None,
        device_buffer_ms: int = DEVICE_BUFFER_MS,
        sample_rate: int = INPUT_RATE,
    ) -> None:
        self.microphone = MicSource(input, rate=sample_rate)
        self.sink = FileSink(output, device_buffer_ms=device_buffer_ms)

    def input(self) -> MicSource:
        """The microphone."""
        return self.microphone

    def output(self) -> FileSink:
        """The loudspeaker."""
        return self.sink
