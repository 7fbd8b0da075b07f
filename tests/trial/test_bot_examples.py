"""The bots in examples/yaml: their conversations go well, and only because of their settings."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline_live.cli import main

FOLDER = Path(__file__).parents[2] / "examples" / "yaml"
BOTS = sorted(FOLDER.glob("*.yaml"))


@pytest.fixture(autouse=True)
def emulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)


def test_there_are_the_three_bots() -> None:
    assert [path.stem for path in BOTS] == ["receptionist", "survey", "tutor"]


@pytest.mark.parametrize("path", BOTS, ids=[path.stem for path in BOTS])
def test_each_bot_passes_its_own_tests(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", str(path)]) == 0
    code = main(["test", str(path)])
    assert code == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    ("bot", "words", "setting", "instead", "says"),
    [
        ("tutor", "hesitation", "confirm_ms: 800", "confirm_ms: 288", "not an interruption"),
        ("receptionist", "cuts in", "voice: Kore", "interruption: off", "expected silence"),
    ],
)
def test_without_its_setting_a_bot_fails(
    bot: str,
    words: str,
    setting: str,
    instead: str,
    says: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True)
    path = tmp_path / f"{bot}.yaml"
    text = path.read_text()
    assert setting in text
    path.write_text(text.replace(setting, instead))
    assert main(["test", str(path), "-k", words]) == 1
    assert says in capsys.readouterr().out
