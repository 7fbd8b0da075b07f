"""Where the Silero weights come from, and what may be remembered of silence."""

import sys

import numpy as np
import pytest

from pipeline_live import vad
from pipeline_live.audio import to_pcm
from pipeline_live.errors import PipelineLiveError


def test_by_default_the_weights_are_pipecats():
    assert vad.weights_path().as_posix().endswith("pipecat/audio/vad/data/silero_vad.onnx")
    assert "torch" not in sys.modules


def test_an_installed_silero_vad_comes_first_and_is_not_imported(tmp_path, monkeypatch):
    data = tmp_path / "silero_vad" / "data"
    data.mkdir(parents=True)
    (tmp_path / "silero_vad" / "__init__.py").write_text("raise ImportError('must not be loaded')")
    (data / "silero_vad.onnx").write_bytes(b"weights")
    monkeypatch.syspath_prepend(tmp_path)
    assert vad.weights_path() == data / "silero_vad.onnx"
    assert "silero_vad" not in sys.modules


def test_without_weights_it_says_what_to_do(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(PipelineLiveError, match="pip install"):
        vad.weights_path()


def test_what_is_remembered_of_digital_silence_changes_no_probability(monkeypatch):
    """Silence, sound and silence again, in mid-stream and across the model's resets."""
    sound = np.random.default_rng(1).normal(0, 0.1, 16_000)
    pcm = bytes(32_000 * 3) + to_pcm(sound) + bytes(32_000 * 4) + to_pcm(sound) + bytes(32_000)
    remembered = vad.SpeechDetector().feed(pcm)
    assert vad.SpeechDetector().feed(pcm) == remembered, "the second stream has it from the first"
    monkeypatch.setattr(vad, "_SILENCE", b"no window is this")
    assert vad.SpeechDetector().feed(pcm) == remembered
    assert len(vad._silent_steps) <= vad._RESET_AFTER_WINDOWS
