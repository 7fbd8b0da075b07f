"""``pipeline-live run`` says whom it talks to, and a project that was created works at once."""

from __future__ import annotations

import gc
import socket
import sys
import wave
from pathlib import Path

import pytest

from pipeline_live.cli import main
from pipeline_live.emulator import Emulator, Script

BOT = """\
name: Desk
instruction: x
greeting: Greet the caller.
transport: {files: {output: call.wav, end_after_ms: 300}}
"""


@pytest.fixture
def bot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("GEMINI_API_KEY", "GOOGLE_GEMINI_BASE_URL", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "bot.yaml").write_text(BOT)
    return tmp_path / "bot.yaml"


def lead_to(emulator: Emulator, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", key)
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", emulator.base_url)
    monkeypatch.setenv("SSL_CERT_FILE", str(emulator.ca_file))


def was_recorded(bot: Path) -> bool:
    with wave.open(str(bot.with_name("call.wav"))) as recording:
        return recording.getnframes() > recording.getframerate() // 2


def test_without_a_key_run_talks_to_an_emulator(
    bot: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(bot)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Desk talks to the emulator; Ctrl-C ends it\n")
    assert was_recorded(bot)


def test_with_a_key_run_talks_to_gemini(
    bot: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Emulator(Script(["Hello."])) as emulator:
        lead_to(emulator, "any", monkeypatch)
        assert main(["run", str(bot)]) == 0
        assert emulator.sessions[-1].history[-1].text == "Hello."
    said = capsys.readouterr().out
    assert said.startswith("Desk talks to Gemini, gemini-3.8-live; Ctrl-C ends it\n")
    assert was_recorded(bot)


def test_a_bot_that_is_refused_says_so_in_a_line(
    bot: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Emulator(key="right") as emulator:
        lead_to(emulator, "wrong-one", monkeypatch)
        assert main(["run", str(bot)]) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("pipeline-live run: no Gemini Live connection (1007): API key not valid")
    assert "wrong-one" not in last


@pytest.mark.parametrize(
    ("host", "says"), [("127.0.0.1", "address already in use"), ("192.0.2.1", "")]
)
def test_a_port_that_cannot_be_served_is_said_in_a_line(
    bot: Path, host: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        bot.write_text(
            f"instruction: x\ntransport: {{telephony: {{host: {host}, port: {port}}}}}\n"
        )
        assert main(["run", str(bot)]) == 2
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert line.startswith(f"pipeline-live run: {host}:{port}: nobody can be served there (")
    assert says in line
    assert not out


VAD = "pipecat.audio.vad"
MODULE = """import os

KEY = os.environ["NOBODY_SETS_THIS"]


def __getattr__(name): ...

"""


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (
            f"class: {VAD}.silero:SileroVADAnalyzer\n      args: {{params: "
            f"{{python: {VAD}.vad_analyzer:VADParams, args: {{confidence: often}}}}}}",
            "1 validation error for VADParams confidence Input should be a valid number",
        ),
        (
            "class: run_needs_a_key:Step",
            "KeyError: 'NOBODY_SETS_THIS' (run_needs_a_key.py, line 3)",
        ),
    ],
    ids=["a value that a class refuses", "a module that ends while it loads"],
)
def test_a_bot_that_cannot_be_built_says_so_in_a_line(
    bot: Path, step: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (bot.parent / "run_needs_a_key.py").write_text(MODULE)
    bot.write_text(
        f"{BOT}pipeline:\n  - mic\n  - python:\n      {step}\n  - gemini_live\n  - speaker\n"
    )
    assert main(["run", str(bot)]) == 2
    gc.collect()  # a file left open would complain
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"pipeline-live run: {bot}: the bot cannot be built: {says}")


def test_a_created_project_lints_tests_and_holds_a_bot_for_the_runner(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    folder = tmp_path / "my-bot"
    assert main(["create", "--project", str(folder)]) == 0
    names = [Path(line).name for line in capsys.readouterr().out.splitlines()]
    assert sorted(names) == sorted(path.name for path in folder.iterdir())
    assert main(["lint", str(folder / "bot.yaml"), str(folder / "README.md")]) == 0
    assert main(["test", str(folder / "bot.yaml")]) == 0, capsys.readouterr().out
    assert "2 passed, 0 failed" in capsys.readouterr().out
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "bot", raising=False)
    import bot  # type: ignore[import-not-found]

    assert bot.bot.__name__ == "run_bot"
    assert main(["create", "--project", str(folder)]) == 2
    assert "holds files already" in capsys.readouterr().err
