"""``pipeline-live record``: put a recorder between a client and the real service."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from pipeline_live.audio import INPUT_RATE, read_wav
from pipeline_live.emulator.recording import Recording, Scrubber
from pipeline_live.errors import ConnectionFailed, UsageError
from pipeline_live.record.proxy import SERVICE, Proxy
from pipeline_live.record.speaker import speak

_HELP = """\
Recording to {path}: point a client at {url}

  any client     export GOOGLE_GEMINI_BASE_URL={url} SSL_CERT_FILE={ca} GEMINI_API_KEY=any
  google-genai   genai.Client(api_key="any", http_options=HttpOptions(base_url="{url}"))

Ctrl-C stops it. Sound {media} ; words: {words}; keys are never written.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``pipeline-live record`` to ``parser``."""
    parser.add_argument(
        "--out", type=Path, default=Path("session.jsonl"), help="the file (default: %(default)s)"
    )
    parser.add_argument(
        "--say",
        type=Path,
        action="append",
        metavar="WAV",
        help="speak this file itself instead of waiting for a client; repeat for more turns",
    )
    parser.add_argument(
        "--model", default="gemini-3.8-live", help="whom --say talks to (default: %(default)s)"
    )
    parser.add_argument("--audio", action="store_true", help="keep the sound, not only its length")
    parser.add_argument(
        "--words", action="store_true", help="keep what was said, not only how much"
    )
    parser.add_argument("--port", type=int, default=0, help="TCP port (default: a free one)")
    parser.add_argument(
        "--upstream", default=SERVICE, metavar="URL", help="the service (default: %(default)s)"
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one line of JSON once it listens: base_url, ca_file, port",
    )


def run(args: argparse.Namespace) -> int:
    """Record as the arguments say, until SIGINT or SIGTERM, or until all was said.

    Raises:
        PipelineLiveError: No key, a file that cannot be used, or a service out of reach.
    """
    key = next(filter(None, map(os.environ.get, ("GEMINI_API_KEY", "GOOGLE_API_KEY"))), "").strip()
    if not key:
        raise UsageError(
            "GEMINI_API_KEY is not set, and the real service asks for a key; get one at "
            "aistudio.google.com/apikey and export it"
        )
    sounds = [read_wav(path, INPUT_RATE) for path in args.say or ()]
    with Recording(args.out, Scrubber([key], media=args.audio, words=args.words)) as recording:
        proxy = Proxy(recording, key, upstream=args.upstream, port=args.port)
        asyncio.run(_record(args, proxy, sounds))
    sys.stderr.write(f"{args.out}: {recording.sessions} session(s)\n")
    return 0


async def _record(args: argparse.Namespace, proxy: Proxy, sounds: list[bytes]) -> None:
    async with proxy:
        if not sounds:
            _announce(args, proxy)
            await _until_stopped()
            return
        answered = await speak(proxy.base_url, proxy.client_ssl_context(), sounds, model=args.model)
    if proxy.failures:
        raise ConnectionFailed(proxy.failures[0])
    if not answered:
        raise ConnectionFailed(
            "the service ended the session or did not answer",
            hint=f"the last lines of {args.out} say how",
        )


async def _until_stopped() -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    try:
        await stopped.wait()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _announce(args: argparse.Namespace, proxy: Proxy) -> None:
    if args.json:
        facts = {"base_url": proxy.base_url, "ca_file": proxy.ca_file, "port": proxy.port}
        sys.stdout.write(json.dumps(facts) + "\n")
    else:
        stays = {True: "stays in the file", False: "is left out"}
        sys.stdout.write(
            _HELP.format(
                path=args.out,
                url=proxy.base_url,
                ca=proxy.ca_file,
                media=stays[args.audio],
                words=stays[args.words],
            )
        )
    sys.stdout.flush()
