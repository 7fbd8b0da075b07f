"""An emulator in a process of its own, so that it takes no time from what is measured."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

from pipeline_live.errors import PipelineLiveError

_STOP_S = 20


@dataclass(frozen=True, slots=True)
class Served:
    """A running emulator.

    Attributes:
        pid: Its process.
        base_url: Where it listens.
        ca_file: Its certificate.
    """

    pid: int
    base_url: str
    ca_file: str


@contextlib.contextmanager
def emulating(*arguments: str) -> Iterator[Served]:
    """Run ``pipeline-live emulate`` until the block ends, by SIGTERM too.

    In the main thread only.

    Args:
        *arguments: More of its arguments.

    Raises:
        PipelineLiveError: It did not start.
    """
    before = signal.signal(signal.SIGTERM, _stop)
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline_live.cli", "emulate", "--json", *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise PipelineLiveError("the emulator did not start; it says why above")
        told = json.loads(line)
        yield Served(process.pid, told["base_url"], told["ca_file"])
    finally:
        process.terminate()
        try:
            process.communicate(timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        signal.signal(signal.SIGTERM, before)


def _stop(number: int, _: FrameType | None) -> None:
    """End as by Ctrl-C; the emulator would outlive a process that just ends."""
    signal.raise_signal(signal.SIGINT)
