"""``pipeline-live talk`` as a program: in a terminal, in a pipe, stopped once and twice."""

from __future__ import annotations

import asyncio
import io
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from google import genai
from google.genai.types import HttpOptions
from virtual_cards import Cards

from pipeline_live.cli import main
from pipeline_live.emulator import Emulator, Script
from pipeline_live.errors import PipelineLiveError
from pipeline_live.talk.conversation import Cards as Choice
from pipeline_live.talk.conversation import Conversation
from pipeline_live.talk.screen import Screen

TALK = (sys.executable, "-m", "pipeline_live.cli", "talk")
NO_CARDS = ("--microphone", "nothing", "--loudspeaker", "nothing")


class Terminal:
    """A program in a terminal of its own."""

    def __init__(self, cards: Cards, *command: str) -> None:
        self.master, slave = pty.openpty()
        ends = {"stdin": slave, "stdout": slave, "stderr": slave}
        self.process = cards.start("setsid", "-c", *command, env=cards.environment, **ends)
        os.close(slave)
        self.seen = ""

    def until(self, pattern: str, limit_s: float = 20) -> None:
        end = time.monotonic() + limit_s
        while not re.search(pattern, self.seen):
            assert time.monotonic() < end, f"{pattern!r} does not come in:\n{self.seen}"
            if select.select([self.master], [], [], 0.1)[0]:
                self.seen += os.read(self.master, 65536).decode()

    def press_ctrl_c(self) -> None:
        os.write(self.master, b"\x03")

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(5)
        os.close(self.master)


@pytest.mark.skipif(shutil.which("setsid") is None, reason="needs setsid (util-linux)")
def test_in_a_terminal_a_call_is_shown_and_ends_by_ctrl_c_in_mid_reply(cards: Cards) -> None:
    terminal = Terminal(cards, *TALK)
    try:
        terminal.until("talking to the emulator: GEMINI_API_KEY is not set")
        terminal.until("microphone: default; loudspeaker: default; echo cancellation: on")
        terminal.until(r"s  bot  answers \(reply 1\)")
        terminal.until(r"you \[\.+\]  bot \[#{5,}\.*\]  bot speaks")
        assert cards.list("sink-inputs"), "no loudspeaker is open"
        assert cards.clients()
        terminal.press_ctrl_c()
        terminal.until("the call is over: 1 reply, 0 interruptions, 0 false alarms")
        assert terminal.process.wait(5) == 0
    finally:
        terminal.end()
    assert "stopping; Ctrl-C again does not wait" in terminal.seen
    assert "Traceback" not in terminal.seen
    assert cards.clients() == []


def test_in_a_pipe_there_are_lines_only_and_sigint_ends_it(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*TALK, *NO_CARDS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=without_key()
    )
    try:
        assert process.stdout is not None
        lines = []
        while not lines or "answers" not in lines[-1]:
            lines.append(process.stdout.readline().decode())
            assert lines[-1], lines
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0
    assert err == b""
    assert b"\r" not in out + "".join(lines).encode()
    assert out.splitlines()[-1].startswith(b"the call is over: 1 reply")


STUCK = """
import asyncio, sys
from pipeline_live.talk.command import _until_stopped
from pipeline_live.talk.screen import Screen
class Stuck:
    async def hold(self):
        print("held", flush=True)
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                print("will not end", flush=True)
asyncio.run(_until_stopped(Stuck(), Screen(sys.stdout)))
"""


def test_a_second_ctrl_c_does_not_wait() -> None:
    process = subprocess.Popen([sys.executable, "-c", STUCK], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "stopping; Ctrl-C again does not wait\n"
        assert process.stdout.readline() == "will not end\n"
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=10)
    finally:
        process.kill()
    assert said == "forced\n"
    assert process.returncode == 130


def conversation_with(emulator: Emulator) -> tuple[Conversation, io.StringIO]:
    out = io.StringIO()
    options = HttpOptions(**emulator.http_options())
    client = genai.Client(api_key="any", http_options=options)
    choice = Choice("nothing", "nothing", True)
    return Conversation(client, "gemini-3.8-live", choice, Screen(out)), out


def test_a_connection_that_ends_is_replaced_and_nothing_is_left_running() -> None:
    async def talk() -> str:
        fault = "server-error@at_ms=500,connection=1"
        async with Emulator(Script(["Hello there. " * 5]), faults=[fault]) as emulator:
            conversation, out = conversation_with(emulator)
            before = asyncio.all_tasks()
            talking = asyncio.create_task(conversation.hold())
            while "connected again" not in out.getvalue():
                assert not talking.done(), talking.exception()
                await asyncio.sleep(0.02)
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)
            left = {task.get_name() for task in asyncio.all_tasks() - before}
            assert not {name for name in left if "pipeline_live" in name}
            return out.getvalue()

    said = asyncio.run(asyncio.wait_for(talk(), 30))
    assert re.search(r"call .*\(1011\).*; connecting again", said), said


def test_a_first_connection_that_fails_ends_it_with_the_reason() -> None:
    async def talk() -> None:
        async with Emulator(key="another") as emulator:
            await conversation_with(emulator)[0].hold()

    with pytest.raises(PipelineLiveError, match="check GEMINI_API_KEY"):
        asyncio.run(asyncio.wait_for(talk(), 30))


def complaint(capsys: Any, *arguments: str) -> str:
    assert main(["talk", *arguments]) == 2
    return str(capsys.readouterr().err).strip()


def test_bad_input_is_one_line(cards: Cards, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    for name in ("PULSE_SERVER", "HOME"):
        monkeypatch.setenv(name, cards.environment[name])
    assert complaint(capsys, "--engine", "gemini").startswith(
        "pipeline-live talk: GEMINI_API_KEY is not set; get a key"
    )
    assert "no loudspeaker 'hdmi': it is none of these" in complaint(
        capsys, "--loudspeaker", "hdmi"
    )
    assert main(["talk", "--devices"]) == 0
    assert capsys.readouterr().out == (
        "microphones:\n  1  Monitor of Speaker\n  2  Monitor of Room\n  3  Mic\n"
        "loudspeakers:\n  1  Speaker\n  2  Room\n"
    )


def without_key() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GEMINI_", "GOOGLE_", "SSL_"))
    }
