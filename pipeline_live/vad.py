"""How likely a piece of sound is speech: Silero's weights, one ONNX session per process, no policy.

PCM goes in, a probability per 32 ms window comes out. What a probability means for a conversation
is decided elsewhere: by the turn machine on the client's side, by the emulator's own ears on the
other, each with its own thresholds.
"""

from __future__ import annotations

import functools
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from pipeline_live.audio import BYTES_PER_SAMPLE, INPUT_RATE, Resampler, bytes_of, to_array
from pipeline_live.errors import PipelineLiveError

WINDOW_SAMPLES = 512
WINDOW_MS = 32
_CONTEXT_SAMPLES = 64
# The model's memory drifts over long silence; forgetting is safe only in clear silence.
_RESET_AFTER_WINDOWS = 62
_RESET_NEEDS_QUIET_WINDOWS = 5
_RESET_QUIET_BELOW = 0.1
_RATE = np.array(INPUT_RATE, np.int64)
_SILENCE = bytes(bytes_of(WINDOW_SAMPLES))
# A muted microphone sends digital silence for minutes. What the model makes of the n-th window of
# it after a reset is always the same, so it is worked out once for all streams of the process.
_silent_steps: dict[int, tuple[float, npt.NDArray[np.float32]]] = {}


def weights_path() -> Path:
    """The Silero weights: of ``silero-vad`` when installed, otherwise pipecat-ai's identical file.

    Neither package is imported (``silero-vad`` would load torch).

    Raises:
        PipelineLiveError: Neither distribution holds the file.
    """
    for package, inside in (
        ("silero_vad", "data/silero_vad.onnx"),
        ("pipecat", "audio/vad/data/silero_vad.onnx"),
    ):
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            path = Path(folder) / inside
            if path.is_file():
                return path
    raise PipelineLiveError(
        "no Silero weights found; reinstall pipecat-ai, or: "
        "pip install 'pipecat-pipeline-live[silero]'"
    )


@functools.cache
def _model() -> Any:
    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = 1
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        str(weights_path()), sess_options=options, providers=["CPUExecutionProvider"]
    )


@dataclass(frozen=True, slots=True)
class Window:
    """One judged window of a stream.

    Attributes:
        end_sample: Position of the window's end, in samples of the stream's own rate.
        probability: 0 to 1, that a person speaks in it.
    """

    end_sample: int
    probability: float


class SpeechDetector:
    """Speech probability along one stream of mono s16le PCM.

    The result depends on the samples only, never on how they are cut into pieces. Each detector
    keeps its stream's memory (a few kB); the weights are shared by the process.

    Args:
        rate: Sample rate of the stream in Hz; anything but 16 kHz is resampled.
    """

    def __init__(self, rate: int = INPUT_RATE) -> None:
        self.rate = rate
        self._resampler = Resampler(rate, INPUT_RATE)
        self._pending = bytearray()
        self._windows = 0
        self._forget()

    def _forget(self) -> None:
        self._state = np.zeros((2, 1, 128), np.float32)
        self._context = np.zeros((1, _CONTEXT_SAMPLES), np.float32)
        self._since_reset = 0
        self._silent = 0  # windows of digital silence since then, if there was nothing else
        self._quiet = 0

    def feed(self, pcm: bytes) -> list[Window]:
        """Judge ``pcm`` and return the windows that it completed, oldest first."""
        self._pending += self._resampler.feed(pcm)
        size = WINDOW_SAMPLES * BYTES_PER_SAMPLE
        judged = []
        while len(self._pending) >= size:
            window = bytes(self._pending[:size])
            del self._pending[:size]
            self._windows += 1
            end = self._windows * WINDOW_SAMPLES * self.rate // INPUT_RATE
            judged.append(Window(end, self._judge(window)))
        return judged

    def _judge(self, window: bytes) -> float:
        silent = self._silent == self._since_reset and window == _SILENCE
        if silent and self._silent in _silent_steps:
            result, self._state = _silent_steps[self._silent]
        else:
            sound = to_array(window).astype(np.float32)[np.newaxis, :] / 32768.0
            heard = np.concatenate((self._context, sound), axis=1)
            probability, self._state = _model().run(
                None, {"input": heard, "state": self._state, "sr": _RATE}
            )
            self._context = heard[:, -_CONTEXT_SAMPLES:]
            result = float(probability[0, 0])
            if silent:
                _silent_steps[self._silent] = result, self._state
        self._silent += silent
        self._quiet = self._quiet + 1 if result < _RESET_QUIET_BELOW else 0
        self._since_reset += 1
        if self._since_reset >= _RESET_AFTER_WINDOWS and self._quiet >= _RESET_NEEDS_QUIET_WINDOWS:
            self._forget()
        return result


def warm_up() -> None:
    """Load the weights now (tens of ms), so that the first call does not pay for it."""
    SpeechDetector().feed(bytes(bytes_of(WINDOW_SAMPLES)))
