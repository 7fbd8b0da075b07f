"""The command line towards people: bad input is one line that says what to do, and exit code 2."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline_live.audio import write_wav
from pipeline_live.cli import main

PROGRAM = [sys.executable, "-m", "pipeline_live.cli"]


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the program in this process, without a key unless given one."""

    def run(*arguments: str, **environment: str) -> tuple[int, str]:
        monkeypatch.delenv("GEMINI_API_KEY", raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        try:
            code = main(list(arguments))
        except SystemExit as end:
            code = int(end.code or 0)
        return code, capsys.readouterr().err

    return run


@pytest.fixture
def complaint(run):
    """Run the program on bad input; the one line that it says."""

    def complaint(*arguments: str, **environment: str) -> str:
        code, said = run(*arguments, **environment)
        assert code == 2, said
        (line,) = said.strip().splitlines()
        return line

    return complaint


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no such file"),
        (b"", "not a PCM WAV file"),
        (b"this is a sentence and no sound at all, not even a bit of it", "not a PCM WAV file"),
        ("silence", "holds no sound"),
    ],
    ids=["missing", "empty", "text", "no samples"],
)
def test_user_audio_that_cannot_be_used(complaint, tmp_path, content, says):
    path = tmp_path / "user.wav"
    if content == "silence":
        write_wav(path, b"", 16_000)
    elif content is not None:
        path.write_bytes(content)
    line = complaint("demo", "--out", str(tmp_path / "o"), "--user-audio", str(path))
    assert says in line
    assert str(path) in line


def test_a_folder_that_cannot_be_made(complaint, tmp_path):
    (tmp_path / "file").write_text("in the way")
    line = complaint("demo", "--out", str(tmp_path / "file" / "deeper"))
    assert "--out" in line


def test_a_missing_key(complaint, tmp_path):
    line = complaint("demo", "--engine", "gemini", "--out", str(tmp_path))
    assert "GEMINI_API_KEY is not set" in line
    assert "leave out --engine gemini" in line


@pytest.fixture(scope="module")
def emulator():
    """``pipeline-live emulate`` in its own process, which accepts one key only."""
    process = subprocess.Popen(
        [*PROGRAM, "emulate", "--port", "0", "--json", "--key", "right"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    yield told
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=20)
    assert "Traceback" not in errors
    assert not Path(told["ca_file"]).exists(), "nothing is left behind"


def towards(emulator: dict[str, str], key: str) -> dict[str, str]:
    return {
        "GEMINI_API_KEY": key,
        "GOOGLE_GEMINI_BASE_URL": emulator["base_url"],
        "SSL_CERT_FILE": emulator["ca_file"],
    }


def test_emulate_tells_where_it_listens(emulator):
    assert set(emulator) >= {"base_url", "ca_file", "port"}
    assert emulator["base_url"] == f"https://127.0.0.1:{emulator['port']}"


def test_a_wrong_key(complaint, tmp_path, emulator):
    line = complaint(
        *("demo", "--engine", "gemini", "--out", str(tmp_path)), **towards(emulator, "wrong")
    )
    assert "check GEMINI_API_KEY" in line
    assert "wrong" not in line, "keys are not echoed"


def test_an_unknown_model(complaint, tmp_path, emulator):
    line = complaint(
        *("demo", "--engine", "gemini", "--model", "gemini-nope", "--out", str(tmp_path)),
        **towards(emulator, "right"),
    )
    assert "gemini-nope" in line
    assert "choose a Live model" in line


def test_nobody_at_the_address(complaint, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    line = complaint(
        *("demo", "--engine", "gemini", "--out", str(tmp_path)),
        GEMINI_API_KEY="k",
        GOOGLE_GEMINI_BASE_URL=f"https://127.0.0.1:{port}",
    )
    assert "check the network" in line


def test_a_port_in_use(complaint):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        line = complaint("emulate", "--port", str(taken.getsockname()[1]))
    assert "port" in line


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        (),
        ("demo", "--engine", "x"),
        ("emulate", "--port", "many"),
        ("demo", "--bad"),
    ],
)
def test_bad_usage_is_exit_code_2(run, arguments):
    code, said = run(*arguments)
    assert code == 2
    assert "usage:" in said


def test_help_and_version_load_nothing_heavy():
    code = (
        "import sys\n"
        "from pipeline_live import cli\n"
        "try:\n    cli.main(['--version'])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "heavy = {'pipecat', 'google', 'numpy', 'onnxruntime'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True)


def test_a_reader_that_has_seen_enough_is_no_error():
    process = subprocess.Popen(
        [*PROGRAM, "list", "--format", "jsonschema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (141, b"")
