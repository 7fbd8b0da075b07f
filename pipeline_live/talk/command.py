"""``pipeline-live talk``: arguments, whom to talk to, and how it stops."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterator

from google import genai
from google.genai.types import HttpOptions

from pipeline_live.devices import Kind, devices
from pipeline_live.emulator import Emulator
from pipeline_live.errors import UsageError
from pipeline_live.talk.conversation import Cards, Conversation
from pipeline_live.talk.lines import SCRIPT
from pipeline_live.talk.screen import Screen

_DEFAULT_MODEL = "gemini-3.8-live"
_FORCED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``pipeline-live talk`` to ``parser``."""
    parser.add_argument(
        "--engine",
        choices=["auto", "emulator", "gemini"],
        default="auto",
        help="whom to talk to; auto: Gemini when GEMINI_API_KEY is set, otherwise the emulator",
    )
    parser.add_argument(
        "--model", default=_DEFAULT_MODEL, help="model id for Gemini (default: %(default)s)"
    )
    which = "number or part of the name of the {}, see --devices; nothing for none"
    parser.add_argument("--microphone", metavar="WHICH", help=which.format("microphone"))
    parser.add_argument("--loudspeaker", metavar="WHICH", help=which.format("loudspeaker"))
    parser.add_argument(
        "--no-echo-cancellation",
        action="store_true",
        help="for headsets, or where the system cancels echo already",
    )
    parser.add_argument(
        "--devices", action="store_true", help="list microphones and loudspeakers, and end"
    )


def run(args: argparse.Namespace) -> int:
    """Talk until Ctrl-C; a second Ctrl-C does not wait for anything.

    Raises:
        PipelineLiveError: Bad input, no sound packages, or no connection.
    """
    if args.devices:
        sys.stdout.write(_listed())
        return 0
    cards = Cards(args.microphone, args.loudspeaker, not args.no_echo_cancellation)
    screen = Screen(sys.stdout)
    with _engine(args.engine, args.model, screen) as client:
        conversation = Conversation(client, args.model, cards, screen)
        asyncio.run(_until_stopped(conversation, screen))
    screen.line(f"the call is over: {conversation.summary()}")
    return 0


@contextlib.contextmanager
def _engine(wanted: str, model: str, screen: Screen) -> Iterator[genai.Client]:
    key = os.environ.get("GEMINI_API_KEY", "").strip()
    if wanted == "gemini" and not key:
        raise UsageError(
            "GEMINI_API_KEY is not set; get a key at aistudio.google.com/apikey and export it, or "
            "leave out --engine gemini to talk to the emulator"
        )
    if key and wanted != "emulator":
        screen.line(f"talking to Gemini ({model}); the key's owner pays")
        yield genai.Client(api_key=key)
        return
    why = "as asked" if wanted == "emulator" else "GEMINI_API_KEY is not set"
    screen.line(f"talking to the emulator: {why}")
    with Emulator(SCRIPT) as emulator:
        yield genai.Client(api_key="emulator", http_options=HttpOptions(**emulator.http_options()))


async def _until_stopped(conversation: Conversation, screen: Screen) -> None:
    """Hold the conversation; the first signal ends it, the second one ends the process."""
    stopped = asyncio.Event()

    def stop() -> None:
        if stopped.is_set():
            screen.line("forced")
            os._exit(_FORCED)
        screen.line("stopping; Ctrl-C again does not wait")
        stopped.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: KeyboardInterrupt does it
            loop.add_signal_handler(number, stop)
    talking = asyncio.ensure_future(conversation.hold())
    stopping = asyncio.ensure_future(stopped.wait())
    try:
        await asyncio.wait([talking, stopping], return_when=asyncio.FIRST_COMPLETED)
        if talking.done():
            talking.result()
    finally:
        for task in (talking, stopping):
            task.cancel()
        await asyncio.gather(talking, stopping, return_exceptions=True)


def _listed() -> str:
    lines = []
    for kind in Kind:
        lines.append(f"{kind}s:")
        listed = devices(kind)
        lines += [f"  {number}  {each.name}" for number, each in enumerate(listed, 1)]
        if not listed:
            lines.append("  none")
    return "\n".join(lines) + "\n"
