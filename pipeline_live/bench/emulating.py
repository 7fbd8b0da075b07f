"""An emulator in a process of its own, so that it takes no time from what is measured."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass


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
    """Run ``pipeline-live emulate`` until the block ends.

    Args:
        *arguments: More of its arguments.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline_live.cli", "emulate", "--json", *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        yield Served(process.pid, told["base_url"], told["ca_file"])
    finally:
        process.terminate()
        process.communicate(timeout=20)
