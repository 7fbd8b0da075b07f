"""``pipeline-live demo``: arguments, files, and what is printed at the end."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
from pathlib import Path

from google import genai

from pipeline_live.audio import (
    INPUT_RATE,
    OUTPUT_RATE,
    bytes_of,
    ms_to_samples,
    read_wav,
    resample,
    samples_of,
    samples_to_ms,
    silence,
)
from pipeline_live.demo import lines
from pipeline_live.demo.conversation import Engine, Stage, UserSounds, emulated, hold
from pipeline_live.emulator import synthesize
from pipeline_live.errors import UsageError
from pipeline_live.report import write_report
from pipeline_live.session import LiveClient
from pipeline_live.session.connection import CONNECT_FAILURES, explain

LONGEST_USER_MS = 20_000
_DEFAULT_MODEL = "gemini-3.8-live"
_USER_VOICE = "low"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``pipeline-live demo`` to ``parser``."""
    parser.add_argument(
        "--out", type=Path, default=Path("demo-output"), help="folder for what it leaves"
    )
    parser.add_argument(
        "--engine",
        choices=["emulator", "gemini"],
        default="emulator",
        help="the embedded emulator (no key), or Gemini with GEMINI_API_KEY",
    )
    parser.add_argument(
        "--user-audio",
        type=Path,
        metavar="FILE.wav",
        help="a recording to speak with instead of the made voice (any rate, mono or stereo)",
    )
    parser.add_argument(
        "--model",
        default=_DEFAULT_MODEL,
        help="model id for --engine gemini (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Hold the conversation, write the report, print the table.

    Raises:
        PipelineLiveError: Bad input, or no connection; the text says what to do.
    """
    sounds = _user_sounds(args.user_audio)
    key = _key_for(args.engine)
    folder = _folder(args.out)
    with contextlib.ExitStack() as stack:
        if args.engine == "gemini":
            engine = Engine(key, args.model)
            sys.stdout.write(f"asking Gemini for a session with {args.model} ...\n")
            asyncio.run(_check(engine))
        else:
            sys.stdout.write("starting the emulator, preparing voices ...\n")
            engine = stack.enter_context(emulated())
        stage = asyncio.run(hold(engine, sounds, folder))
    report = write_report(folder, title=_title(args))
    sys.stdout.write(f"\n{report.table}\n\n{_left_behind(folder)}\n")
    _say_what_is_missing(stage)
    return 0


def _user_sounds(recording: Path | None) -> UserSounds:
    if recording is None:
        return UserSounds(
            _voice(lines.QUESTION), _voice(lines.BARGE_IN), _voice(lines.LAST_QUESTION)
        )
    pcm = read_wav(recording, INPUT_RATE)
    length_ms = samples_to_ms(samples_of(pcm), INPUT_RATE)
    if length_ms > LONGEST_USER_MS:
        sys.stdout.write(
            f"{recording} lasts {length_ms / 1000:.0f} s; "
            f"its first {LONGEST_USER_MS // 1000} s are used\n"
        )
        pcm = pcm[: bytes_of(ms_to_samples(LONGEST_USER_MS, INPUT_RATE))]
    return UserSounds(pcm, pcm, pcm)


def _voice(text: str) -> bytes:
    speech = synthesize(text, _USER_VOICE)
    return resample(speech.pcm, OUTPUT_RATE, INPUT_RATE) + silence(100, INPUT_RATE)


def _key_for(engine: str) -> str:
    key = os.environ.get("GEMINI_API_KEY", "").strip()
    if engine == "gemini" and not key:
        raise UsageError(
            "GEMINI_API_KEY is not set; get a key at aistudio.google.com/apikey and export it, or "
            "leave out --engine gemini to talk to the emulator"
        )
    return key


def _folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be made ({error.strerror or error}); choose another folder with --out"
        ) from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise UsageError(f"{path}: cannot be written; choose another folder with --out")
    return path


async def _check(engine: Engine) -> None:
    """Open and close a session, so that a bad key or model is told before anything starts."""
    client = LiveClient(genai.Client(api_key=engine.api_key, http_options=engine.http_options()))
    config = genai.types.LiveConnectConfig(response_modalities=[genai.types.Modality.AUDIO])
    try:
        async with asyncio.timeout(20), client.open(model=engine.model, config=config):
            pass
    except CONNECT_FAILURES as error:
        raise explain(error) from None


def _title(args: argparse.Namespace) -> str:
    who = "Gemini" if args.engine == "gemini" else "the emulator"
    return f"pipeline-live demo: a conversation with {who}"


def _left_behind(folder: Path) -> str:
    rows = [
        ("call.wav", "the sound as heard: user left, bot right"),
        ("picture.png", "who spoke when"),
        ("index.html", "the same with the sound; open it in a browser"),
        ("timeline.jsonl", "every fact and every action"),
        ("summary.json", "the table as data"),
    ]
    return "\n".join(f"{folder / name!s:<40} {what}" for name, what in rows)


def _say_what_is_missing(stage: Stage) -> None:
    if stage.interruptions < 2:
        sys.stdout.write(
            f"\nOnly {stage.interruptions} of 2 interruptions happened: was there speech in what "
            "the user said?\n"
        )
