"""Virtual sound cards: a PulseAudio server of the project's own script, and what plays into it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "virtual-audio.sh"


class Cards:
    """The server: its environment, and ``pactl``."""

    def __init__(self, folder: Path) -> None:
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("GEMINI_", "GOOGLE_", "SSL_", "PULSE_"))
        }
        self.environment |= {"PULSE_SERVER": f"unix:{folder}/native", "HOME": str(folder)}
        self._folder = folder
        self._log = (folder / "log").open("w")
        self._server = subprocess.Popen(
            [str(SCRIPT), "serve", str(folder)], stderr=self._log, start_new_session=True
        )
        for _ in range(100):
            if self._ready():
                return
            time.sleep(0.1)
        self.stop()
        raise RuntimeError(f"PulseAudio does not start: {(folder / 'log').read_text()}")

    def _ready(self) -> bool:
        done = subprocess.run(["pactl", "info"], env=self.environment, capture_output=True)
        return done.returncode == 0 and b"Default Source: mic" in done.stdout

    def pactl(self, *arguments: str) -> str:
        return subprocess.run(
            ["pactl", *arguments], env=self.environment, check=True, capture_output=True, text=True
        ).stdout.strip()

    @contextmanager
    def loaded(self, *module: str) -> Iterator[str]:
        number = self.pactl("load-module", *module)
        try:
            yield number
        finally:
            if number in [line.split()[0] for line in self.list("modules")]:
                self.pactl("unload-module", number)

    def list(self, what: str) -> list[str]:
        return self.pactl("list", "short", what).splitlines()

    def clients(self) -> list[str]:
        """Programs that are connected, without pactl itself."""
        return [line for line in self.list("clients") if not line.endswith("pactl")]

    def echo(self) -> AbstractContextManager[str]:
        """Let the microphone hear the loudspeaker, 60 ms later."""
        return self.loaded(
            "module-loopback",
            "source=speaker.monitor",
            "sink=room",
            "latency_msec=60",
            "adjust_time=0",
        )

    def say(self, pcm: bytes) -> subprocess.Popen[bytes]:
        """Speak 16 kHz sound into the room; it does not wait for the end."""
        speaking = subprocess.Popen(
            ["pacat", "--device=room", "--rate=16000", "--channels=1", "--latency-msec=20"],
            env=self.environment,
            stdin=subprocess.PIPE,
        )
        assert speaking.stdin is not None
        speaking.stdin.write(pcm)
        speaking.stdin.close()
        return speaking

    def start(self, *command: str, **options: Any) -> subprocess.Popen[str]:
        """Start a program; ahead of the other tests, where that is allowed.

        PulseAudio goes ahead of them too. A card that stutters is no trial of an echo canceller.
        """
        ahead = ["nice", "-n", "-10"] if os.geteuid() == 0 else []
        return subprocess.Popen([*ahead, *command], text=True, **options)

    def stop(self) -> None:
        if self._server.poll() is None:
            self._server.send_signal(signal.SIGTERM)
            try:
                self._server.wait(5)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait(5)
        self._log.close()


@pytest.fixture(scope="session")
def cards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cards]:
    """One server for a test process, with the cards that scripts/virtual-audio.sh describes."""
    if shutil.which("pulseaudio") is None or shutil.which("pactl") is None:
        pytest.skip("no PulseAudio here: run scripts/virtual-audio.sh install as root")
    folder = tmp_path_factory.mktemp("pulse")
    running = Cards(folder)
    yield running
    running.stop()
