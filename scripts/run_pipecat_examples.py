"""Run Pipecat's own Gemini Live examples, unchanged, over the emulator: stock and with ours.

    python scripts/run_pipecat_examples.py CHECKOUT [PATTERN]

CHECKOUT is a clone of the pipecat repository at the tag of the installed version; PATTERN chooses
file names (``realtime-gemini-live*.py``). Each example serves with Pipecat's runner, and the phone
of ``examples/phone.py`` calls it twice: once as it is, once with ``GeminiLiveLLMService`` replaced
by ours before it is loaded. Needs the extra ``telephony``, and ``pipecat-ai[daily]``, which every
example imports. Examples that take no phone calls are listed and not run.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "examples"), str(HERE.parent / "tests/processors")]

from google_http import GoogleHttp, google_http  # noqa: E402
from phone import Phone, call  # noqa: E402

from pipeline_live.emulator import Emulator, Script  # noqa: E402
from pipeline_live.errors import PipelineLiveError  # noqa: E402

START_S = 40
STORY = "Once upon a time there was a harbour, and in it lay an old ship that nobody owned. " * 3
SCRIPT = Script(["Hello, this is the harbour.", STORY, "Of course. I am listening."])
LAUNCH = """
import runpy, sys
path, service = sys.argv[1:3]
sys.argv[:] = [path, *sys.argv[3:]]
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.services.google.gemini_live import llm
from pipecat.services.google.gemini_live.vertex import llm as vertex
async def nothing(self): pass
TwilioFrameSerializer._hang_up_call = nothing  # it would go out to Twilio
if service == "ours":
    from pipeline_live.processors import GeminiLiveService, GeminiLiveVertexService
    llm.GeminiLiveLLMService = GeminiLiveService
    vertex.GeminiLiveVertexLLMService = GeminiLiveVertexService
runpy.run_path(path, run_name="__main__")
"""


async def person(phone: Phone) -> None:
    """Be greeted, ask, interrupt the answer."""
    await phone.until(lambda: phone.has_spoken(500) and phone.is_quiet())
    asked = await phone.say("Please tell me a long story.")
    await phone.until(lambda: phone.has_spoken(1500, asked))
    onset = await phone.say("Sorry, please stop for a moment.")
    await phone.until(lambda: phone.now_ms() > onset + 6000)
    loud = phone.loud_ms(onset)
    pauses = [one for one, later in zip(loud, [*loud[1:], 10**9], strict=True) if later - one > 700]
    silent = pauses[0] + 20 - onset if loud else 0
    print(f"silent {silent} ms after the caller began", end="; ", flush=True)
    print("answered" if loud and loud[-1] > pauses[0] else "no answer", flush=True)


def environment(emulator: Emulator, google: GoogleHttp) -> dict[str, str]:
    """Keys that lead every example to the emulator."""
    assert emulator.ca_file is not None
    return {
        **os.environ,
        **dict.fromkeys(("GOOGLE_API_KEY", "GEMINI_API_KEY", "TWILIO_AUTH_TOKEN"), "any"),
        "TWILIO_ACCOUNT_SID": "any",
        "GOOGLE_GEMINI_BASE_URL": emulator.base_url,
        "GOOGLE_VERTEX_BASE_URL": emulator.base_url,
        "SSL_CERT_FILE": emulator.ca_file,
        "GOOGLE_VERTEX_TEST_CREDENTIALS": google.service_account(),
        "GOOGLE_CLOUD_PROJECT_ID": "p",
        "GOOGLE_CLOUD_LOCATION": "us-east4",
    }


def run(example: Path, service: str, google: GoogleHttp) -> bool:
    """Serve the example and call it; whether the call came to its end."""
    print(f"{example.name}, {service}: ", end="", flush=True)
    with Emulator(SCRIPT) as emulator, tempfile.TemporaryFile("w+") as log:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        served = ["--host", "127.0.0.1", "--port", str(port)]
        server = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, str(example), service, *served],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd=example.parent,
            env=environment(emulator, google),
        )
        try:
            assert server.stdin is not None
            server.stdin.write(b"\n")  # one of them asks for a file
            server.stdin.flush()
            wait_for(port, server)
            asyncio.run(call(f"ws://127.0.0.1:{port}/ws", person))
        except (PipelineLiveError, OSError, TimeoutError) as error:
            log.seek(0)
            lines = [line.strip() for line in log if line.strip()]
            print(f"failed: {error or type(error).__name__}; its last line: {lines[-1:]}")
            return False
        else:
            return True
        finally:
            server.send_signal(signal.SIGINT)
            try:
                server.wait(15)
            except subprocess.TimeoutExpired:
                server.kill()


def wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    """Until the example listens."""
    deadline = time.monotonic() + START_S
    while server.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise OSError("it does not serve")


def main() -> None:
    """Run what was asked for; exit code 1 when anything failed, 2 when there is nothing to run."""
    folder = Path(sys.argv[1]) / "examples" if len(sys.argv) > 1 else Path()
    pattern = sys.argv[2] if len(sys.argv) > 2 else "realtime-gemini-live*.py"
    examples = sorted(folder.rglob(pattern)) if folder.is_dir() and len(sys.argv) > 1 else []
    if not examples:
        print(f"no {pattern} below {folder}; give a checkout of the pipecat repository")
        sys.exit(2)
    results = []
    with google_http() as google:
        for example in examples:
            if '"twilio"' not in example.read_text():
                print(f"{example.name}: not run, it takes no phone calls")
                continue
            results += [run(example, service, google) for service in ("stock", "ours")]
    print(f"{sum(results)} of {len(results)} calls came to their end")
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
