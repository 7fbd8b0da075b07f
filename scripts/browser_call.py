"""Call examples/06_existing_bot.py from a real browser, over WebRTC, without a network.

    python scripts/browser_call.py [FOLDER]

A person made of a file asks, and interrupts the answer; the page shows what an RTVI client is told
and measures what is heard. Leaves browser.png in FOLDER. Needs the extra ``web``, playwright, and
Chromium (``CHROMIUM``, by default ``chromium`` on the path); see ``make browser``.
"""

from __future__ import annotations

import itertools
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parent / "examples"
sys.path.insert(0, str(EXAMPLES))

from support import voice  # noqa: E402

from pipeline_live.audio import INPUT_RATE, silence  # noqa: E402

FLAGS = (
    "--no-sandbox",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--allow-loopback-in-peer-connection",
    "--disable-dev-shm-usage",
)
LOUD = 0.02
LIMIT_S = 60
PAUSE_MS = 700


def person(path: Path) -> None:
    """A microphone's file: listens, asks, listens, interrupts."""
    question, stop = voice("Please tell me a long story."), voice("Sorry, please stop.")
    rest = silence(6000, INPUT_RATE)
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(INPUT_RATE)
        wav.writeframes(rest + question + rest + stop + rest * 10)


def serve(folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """The example on a free port of loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    script = str(EXAMPLES / "06_existing_bot.py")
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, script, "-t", "webrtc", "--host", "127.0.0.1", "--port", str(port)],
            stdout=log,
            stderr=log,
        )
    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return server, port
        time.sleep(0.1)
    server.kill()
    raise SystemExit(f"the example does not serve; see {folder / 'server.log'}")


def converse(page: Any, port: int) -> tuple[list[Any], list[Any]]:
    """Connect, and wait until the third answer has begun."""
    page.goto(f"http://127.0.0.1:{port}/status")
    page.set_content((HERE / "browser_page.html").read_text())
    page.click("#connect")
    thrice = "events.filter(([, type]) => type === 'bot-started-speaking').length >= 3"
    page.wait_for_function(thrice, timeout=LIMIT_S * 1000)
    page.wait_for_timeout(1000)
    return page.evaluate("events"), page.evaluate("levels")


def main() -> None:
    """Call, and print what the page was told and heard."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    with tempfile.TemporaryDirectory() as scratch:
        microphone = Path(scratch) / "person.wav"
        person(microphone)
        server, port = serve(folder)
        try:
            with sync_playwright() as play:
                browser = play.chromium.launch(
                    executable_path=os.environ.get("CHROMIUM") or shutil.which("chromium"),
                    args=[*FLAGS, f"--use-file-for-fake-audio-capture={microphone}"],
                )
                page = browser.new_page()
                events, levels = converse(page, port)
                page.screenshot(path=str(folder / "browser.png"), full_page=True)
                page.click("#hang-up")
                page.wait_for_timeout(1000)
                browser.close()
        finally:
            server.send_signal(signal.SIGINT)
            try:
                server.wait(20)
            finally:
                server.kill()
    for at_ms, kind, text in events:
        print(f"{at_ms:6} ms  {kind}  {text}")
    told = [at_ms for at_ms, kind, _ in events if kind == "user-started-speaking"][-1]
    loud = [at_ms for at_ms, level in levels if level > LOUD and at_ms > told - 1000]
    pairs = itertools.pairwise([*loud, math.inf])
    last = next(one for one, later in pairs if later - one > PAUSE_MS)
    print(f"the bot was heard until {last - told} ms after the page knew that the user speaks")
    assert last - told < PAUSE_MS, "the story went on"


if __name__ == "__main__":
    main()
