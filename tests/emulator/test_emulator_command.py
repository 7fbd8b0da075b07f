"""``pipeline-live emulate`` as a process, and what it prints."""

import argparse
import json
import signal
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline_live.emulator import Emulator
from pipeline_live.emulator.command import add_arguments, run
from pipeline_live.errors import UsageError

PROGRAM = """
import argparse, sys
from pipeline_live.emulator.command import add_arguments, run
parser = argparse.ArgumentParser()
add_arguments(parser)
sys.exit(run(parser.parse_args()))
"""


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_line_tells_where_and_a_signal_ends_it(number):
    with start("--json", "--reply", "Hello.", "--speed", "10") as process:
        facts = json.loads(process.stdout.readline())
        assert facts["base_url"] == f"https://127.0.0.1:{facts['port']}"
        ca_file = Path(facts["ca_file"])
        ssl.create_default_context(cafile=ca_file)
        process.send_signal(number)
        assert process.wait(10) == 0
        assert process.stdout.read() == ""
    assert not ca_file.parent.exists()


def test_people_are_told_how_to_point_a_client_at_it():
    with start("--key", "secret") as process:
        lines = []
        while not lines or not lines[-1].startswith("Ctrl-C"):
            lines.append(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    text = "".join(lines)
    assert "base_url=" in text
    assert "SSL_CERT_FILE=" in text
    assert "'secret'" in text


def test_a_taken_port_is_a_usage_error():
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    with Emulator() as emulator:
        args = parser.parse_args(["--port", str(emulator.port)])
        with pytest.raises(UsageError, match=str(emulator.port)):
            run(args)
