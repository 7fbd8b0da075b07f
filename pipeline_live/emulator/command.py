"""``pipeline-live emulate``: serve until stopped."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline_live.emulator import transcription, voice
from pipeline_live.emulator.check import check, read_takes
from pipeline_live.emulator.families import FAMILIES, parse_profile
from pipeline_live.emulator.faults import fault_table
from pipeline_live.emulator.gate import Limits
from pipeline_live.emulator.hearing import CLEAN, HEARINGS
from pipeline_live.emulator.pointers import pointers
from pipeline_live.emulator.script import Script
from pipeline_live.emulator.script_file import read_script
from pipeline_live.emulator.server import Emulator
from pipeline_live.errors import UsageError
from pipeline_live.vad import warm_up

# Who only looks at the address, and stops, need not wait for it.
_BEFORE_LOADING_S = 0.3
KEY_VARIABLE = "PIPELINE_LIVE_EMULATOR_KEY"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``pipeline-live emulate`` to ``parser``."""
    parser.add_argument("--port", type=int, default=0, help="TCP port (default: a free one)")
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one line of JSON once it listens: base_url, ca_file, port",
    )
    parser.add_argument(
        "--speed",
        type=float,
        help="speech is sent this many times faster than real time (default: the model's own, 4.3)",
    )
    parser.add_argument(
        "--reply",
        action="append",
        metavar="TEXT",
        help="what the model says to the next user turn; repeat for more",
    )
    parser.add_argument("--script", type=Path, metavar="FILE", help="what the model says, in YAML")
    parser.add_argument(
        "--fault",
        action="append",
        metavar="NAME[@SETTING=VALUE,...]",
        help="a misbehaviour of the real service, for example stall@turn=2,after_ms=800; repeat "
        "for more, and see --faults",
    )
    parser.add_argument(
        "--faults", action="store_true", help="list the faults with their settings, and stop"
    )
    parser.add_argument(
        "--family",
        metavar="NAME",
        help="serve whatever model is asked for as this family: "
        f"{', '.join(family.name for family in FAMILIES)} (default: by the model's name)",
    )
    parser.add_argument(
        "--hearing",
        default=CLEAN.name,
        metavar="NAME",
        help=f"how well it notices users: {' or '.join(HEARINGS)} (default: %(default)s)",
    )
    parser.add_argument(
        "--profile",
        action="append",
        metavar="FACT=VALUE",
        help="change a fact of the model's family, for example cancels_calls=true or cut_ms=4..36",
    )
    parser.add_argument(
        "--transcribe",
        action="store_true",
        help="understand what users say (English) instead of taking it from the script; needs "
        "the extra transcribe",
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to serve on; beyond loopback a key must be given (default: %(default)s)",
    )
    parser.add_argument(
        "--key", help=f"accept this API key only (default: that of {KEY_VARIABLE}, or any)"
    )
    parser.add_argument(
        "--max-sessions",
        type=int,
        default=Limits().sessions,
        metavar="N",
        help="connections at once; one more is out of quota (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="decides the intervals that vary (default: 0)"
    )
    parser.add_argument(
        "--log",
        type=Path,
        metavar="FILE",
        help="write every message with its time as JSON lines; sound elided, secrets masked",
    )
    parser.add_argument(
        "--check",
        type=Path,
        action="append",
        metavar="FILE",
        help="serve nothing, say where the emulator differs from this recording of the real "
        "service (exit code 1 if it does); repeat for more",
    )


def run(args: argparse.Namespace) -> int:
    """Serve as the arguments say, until SIGINT or SIGTERM; or check recordings.

    Raises:
        UsageError: The port is taken, or an argument or a file makes no sense.
    """
    if args.faults:
        sys.stdout.write(fault_table())
        return 0
    if args.check:
        return _check(args.check)
    asyncio.run(serve_forever(args))
    return 0


def _check(paths: Sequence[Path]) -> int:
    takes = [take for path in paths for take in read_takes(path)]
    reports = [check(take) for take in takes]
    sys.stdout.write("\n\n".join(map(str, reports)) + "\n")
    return 0 if all(report.same for report in reports) else 1


def _script(args: argparse.Namespace) -> Script:
    if args.script is None:
        return Script(args.reply or ())
    if args.reply:
        raise UsageError("--reply and --script both say what the model says; give one of them")
    return read_script(args.script)


async def serve_forever(args: argparse.Namespace) -> None:
    """What ``run`` does, on the running loop."""
    key = args.key or os.environ.get(KEY_VARIABLE) or None
    emulator = Emulator(
        _script(args),
        model_speed=args.speed,
        seed=args.seed,
        key=key,
        host=args.host,
        limits=Limits(sessions=args.max_sessions),
        faults=args.fault or (),
        family=args.family,
        hearing=args.hearing,
        profile=dict(map(parse_profile, args.profile or ())),
        port=args.port,
        log=args.log,
        transcribe=args.transcribe,
    )
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    try:
        # Loading the weights would make the first session's replies late.
        warm_up()
        async with emulator:
            _announce(emulator, args)
            preparing = asyncio.create_task(_prepare(args))
            await stopped.wait()
            preparing.cancel()
            await asyncio.gather(preparing, return_exceptions=True)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def _prepare(args: argparse.Namespace) -> None:
    """Load what speaks and what understands, so that the first reply is not late."""
    await asyncio.sleep(_BEFORE_LOADING_S)
    await asyncio.to_thread(voice.warm_up)
    if args.transcribe:
        await asyncio.to_thread(transcription.warm_up)


def _announce(emulator: Emulator, args: argparse.Namespace) -> None:
    if args.json:
        facts = {
            "base_url": emulator.base_url,
            "ca_file": emulator.ca_file,
            "port": emulator.port,
        }
        sys.stdout.write(json.dumps(facts) + "\n")
    else:
        # A key of the environment is a secret; one of the command line has been seen.
        hidden = "YOUR_KEY" if os.environ.get(KEY_VARIABLE) else "any"
        sys.stdout.write(pointers(emulator.base_url, emulator.ca_file, args.key or hidden))
    sys.stdout.flush()
