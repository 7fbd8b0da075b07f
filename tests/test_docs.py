"""What README.md, ARCHITECTURE.md and the examples say is so."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from documents import DOCUMENTS, PAGES, PROJECT, ROOT, commands, fences, is_known

from pipeline_live.turn.diagram import mermaid

LIMIT_S = 110
pytestmark = pytest.mark.timeout(LIMIT_S + 10)  # the first test pays for all runs
EXAMPLES = sorted(path.name for path in (ROOT / "examples").glob("[0-9]*.py"))
SERVED = ("06_existing_bot.py", "07_telephony.py")
"""Those that wait for callers: ``test_served_examples`` calls them."""
README = (ROOT / "README.md").read_text()
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text()


# --- what runs, all at once ---------------------------------------------------------------------

# What the README's Pipecat fence takes for granted, and a look at what it made.
PIPECAT_BEFORE = """
import os, sys, tempfile
from types import SimpleNamespace
from pathlib import Path
from pipecat.pipeline.pipeline import Pipeline
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipeline_live import FileSink, MicSource
context = LLMContext()
sink = FileSink(Path(tempfile.mkdtemp()) / "call.wav")
transport = SimpleNamespace(input=MicSource, output=lambda: sink)
"""
PIPECAT_AFTER = """
print("made", type(service).__name__, "of", len(pipeline.processors), "processors")
"""

# The README's google-genai fence with somebody in front of it who asks and then presses Stop.
GENAI_AFTER = """
import asyncio

class Player:
    def __init__(self):
        self.received = 0
        self.cleared = asyncio.Event()
        self.playing = asyncio.Event()
    def play(self, data):
        self.received += len(data)
        self.playing.set()
    def clear(self):
        self.cleared.set()

async def main():
    config = {"response_modalities": ["AUDIO"]}
    async with client.aio.live.connect(model="gemini-3.8-live", config=config) as session:
        player = Player()
        listening = asyncio.create_task(listen(session, player))
        await session.send_realtime_input(text="Tell me a story.")
        await asyncio.wait_for(player.playing.wait(), 30)
        await stop_button(session)
        before = player.received
        await asyncio.wait_for(player.cleared.wait(), 30)
        print("stale bytes after Stop:", player.received - before)
        listening.cancel()

asyncio.run(main())
"""

TEST_AFTER = """
test_the_bot_answers()
print("the README's test passed")
"""

WITH_EMULATOR = """
import os
from pipeline_live.emulator import Emulator, Script
emulator = Emulator(Script(["Once upon a time there was a harbour. " * 3])).__enter__()
os.environ["GEMINI_API_KEY"] = "any"
os.environ["GOOGLE_GEMINI_BASE_URL"] = emulator.base_url
os.environ["SSL_CERT_FILE"] = emulator.ca_file
"""

AROUND = {
    "GeminiLiveService": (WITH_EMULATOR + PIPECAT_BEFORE, PIPECAT_AFTER),
    "LiveClient": (WITH_EMULATOR, GENAI_AFTER),
    "Emulator": ("", TEST_AFTER),
}
"""By a name that it imports: what stands before a fence of the README, and what after it."""

SAYS = {
    "GeminiLiveService": "made GeminiLiveService of",
    "LiveClient": "stale bytes after Stop: 0",
    "Emulator": "the README's test passed",
}


ARGUMENTS = {"05_microphone_and_speaker.py": ("6", "nothing", "nothing")}
"""For examples that would talk to somebody for as long as they like."""


@dataclass(frozen=True)
class Run:
    """What a program did."""

    code: int
    out: str
    err: str

    def number(self, pattern: str) -> float:
        """The number in the group of ``pattern``."""
        match = re.search(pattern, self.out)
        assert match, f"{pattern!r} is not in:\n{self.out}"
        return float(match[1])


def subject(fence: str) -> str:
    """Which of ``AROUND`` a fence is about."""
    names = [name for name in AROUND if re.search(rf"^from .* import .*\b{name}\b", fence, re.M)]
    assert len(names) == 1, f"add this fence to AROUND:\n{fence}"
    return names[0]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """All examples and all Python fences of the README, run side by side without a key."""
    folder = tmp_path_factory.mktemp("runs")
    programs = {
        name: [str(ROOT / "examples" / name), *ARGUMENTS.get(name, ())]
        for name in EXAMPLES
        if name not in SERVED
    }
    parts = []
    for fence in fences("README.md", "python"):
        before, after = AROUND[subject(fence)]
        parts.append(str(folder / f"{subject(fence)}.py"))
        Path(parts[-1]).write_text(before + fence + after)
    programs["README"] = ["-c", f"import runpy\nfor path in {parts}: runpy.run_path(path)"]
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GEMINI_", "GOOGLE_", "SSL_"))
    }
    started = {
        name: subprocess.Popen(
            [sys.executable, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=environment,
        )
        for name, arguments in programs.items()
    }
    done = {}
    try:
        for name, process in started.items():
            out, err = process.communicate(timeout=LIMIT_S)
            done[name] = Run(process.returncode, out, err)
    finally:
        for process in started.values():
            if process.poll() is None:
                process.kill()
                process.communicate()
    return done


@pytest.mark.parametrize("name", sorted(set(EXAMPLES) - set(SERVED)))
def test_each_example_ends_well_and_says_whom_it_talks_to(runs: dict[str, Run], name: str) -> None:
    run = runs[name]
    assert run.code == 0, run.err
    assert run.out.startswith("GEMINI_API_KEY is not set: talking to the embedded emulator")


def test_what_interrupts(runs: dict[str, Run]) -> None:
    run = runs["01_what_interrupts.py"]
    for way in ("speech", "text"):
        run.number(rf"(?m:^{way}: interrupted after (\d+) ms)")
        unheard = run.number(rf"(?m:^{way}: .*; (\d+\.\d) s of sound wait)")
        assert unheard > 0, "nothing waits: the server is not faster than real time"
    assert "activity_start: the server closed the connection: 1007" in run.out


def test_send_and_receive(runs: dict[str, Run]) -> None:
    run = runs["02_send_and_receive.py"]

    def learned(who: str) -> float:
        return run.number(rf"(?m:^{who}: learned of it (\d+\.\d+) s)")

    assert learned("google-genai, two tasks") < learned("google-genai, send then receive")
    assert run.number(r"(?m:^google-genai, send then receive: .* read (\d+\.\d) s)") > 0
    assert run.number(r"(?m:^LiveClient, send then receive: .* read (\d+\.\d) s)") == 0


def test_stop_without_audio(runs: dict[str, Run]) -> None:
    run = runs["03_stop_without_audio.py"]
    assert run.out.count("received: interrupted") == 1
    assert run.number(r"before interrupt\(\): (\d+)") > 0
    assert run.number(r"after it: (\d+)") == 0
    assert run.number(r"heard: (\d+) ms, 'Once upon a time") > 0
    assert run.number(r"samples of the next reply: (\d+)") > 0


def test_pipecat_bot(runs: dict[str, Run]) -> None:
    run = runs["04_pipecat_bot.py"]
    assert "interrupted: True" in run.out
    received = run.number(r"samples received: (\d+)")
    heard = run.number(r"samples heard: (\d+): 'Once upon a time")
    assert 0 < heard < received
    said = re.findall(r"(?m)^context: \{'role': '(\w+)', 'content': '(.*)'\}$", run.out)
    assert [role for role, _ in said] == ["user", "assistant", "user", "assistant"]
    assert said[1][1].startswith("Once upon a time")
    assert said[3][1] == "Of course. What would you like to know?"


@pytest.mark.parametrize("fence", fences("README.md", "python"), ids=subject)
def test_each_python_fence_of_the_readme_runs(runs: dict[str, Run], fence: str) -> None:
    assert SAYS[subject(fence)] in runs["README"].out, runs["README"].err
    assert runs["README"].code == 0, runs["README"].err


# --- what is only read --------------------------------------------------------------------------


def test_each_command_is_known() -> None:
    seen = set()
    for words in commands(*(set(DOCUMENTS) - set(PAGES))):
        assert is_known(words), f"unknown command in a sh fence: {words}"
        seen.add(words[0])
    assert seen >= {"make", "pip", "pipeline-live"}


def test_the_emulate_command_of_the_readme_serves() -> None:
    [words] = [
        words for words in commands("README.md") if words[:2] == ["pipeline-live", "emulate"]
    ]
    arguments = ["0" if word.isdigit() else word for word in words[1:]]
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline_live.cli", *arguments], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        said = ""
        while "Ctrl-C stops it." not in said:
            line = process.stdout.readline()
            assert line, f"it ended after saying:\n{said}"
            said += line
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    finally:
        process.kill()
    assert said.startswith("Gemini Live emulator on https://127.0.0.1:")
    assert "SSL_CERT_FILE=" in said
    assert process.returncode == 0


@pytest.mark.parametrize("document", DOCUMENTS)
def test_each_link_to_a_file_leads_to_one(document: str) -> None:
    path = ROOT / document
    for target, anchor in re.findall(r"\]\(([^)#]*)(?:#([\w-]+))?\)", path.read_text()):
        if target.startswith("https://"):
            continue
        there = path.parent / target if target else path
        assert there.exists(), f"{document} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", there.read_text(), re.M)
            anchors = {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}
            assert anchor in anchors, f"{document} links to {target}#{anchor}"


def test_each_example_is_in_the_table() -> None:
    table = (ROOT / "examples" / "README.md").read_text()
    listed = re.findall(r"^\| \[(\w+\.py)\]", table, re.MULTILINE)
    assert listed == [*EXAMPLES, "phone.py", "transports.py", "support.py"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_example_is_short_and_says_what_it_needs(name: str) -> None:
    text = (ROOT / "examples" / name).read_text()
    assert len(text.splitlines()) <= 60
    opening = text.split('"""')[1]
    assert "Shows: " in opening
    assert "Needs: " in opening


def test_the_readme_is_short() -> None:
    before, _, rest = README.partition("<!-- bench:begin -->")
    after = rest.partition("<!-- bench:end -->")[2]
    assert len((before + after).splitlines()) < 240


def test_the_readme_names_the_supported_pipecat() -> None:
    source = (ROOT / "pipeline_live" / "processors" / "compatibility.py").read_text()
    lowest, newest = (
        ".".join(re.search(rf"^{name} = \((\d+), (\d+)\)", source, re.M).groups())  # type: ignore[union-attr]
        for name in ("LOWEST", "NEWEST")
    )
    assert f"Pipecat {lowest} to {newest}" in README
    assert f"Pipecat {lowest} is the lowest" in ARCHITECTURE
    assert f"pipecat-ai[google]>={lowest},<2" in PROJECT["project"]["dependencies"]


def test_the_state_diagram_is_the_tables_own() -> None:
    assert fences("ARCHITECTURE.md", "mermaid") == [mermaid() + "\n"]


def test_the_layer_picture_is_the_import_contract() -> None:
    contract = PROJECT["tool"]["importlinter"]["contracts"][0]
    drawn = fences("ARCHITECTURE.md", "text")[0].splitlines()
    assert [re.split(r"\s{2,}", line)[0] for line in drawn] == contract["layers"]


def test_each_layer_says_what_it_may_touch() -> None:
    contract = PROJECT["tool"]["importlinter"]["contracts"][0]
    layers = {name for line in contract["layers"] for name in re.split(r"\s*\|\s*", line)}
    rows = set(re.findall(r"^\| `(\w+)` \| .* \| .* \|$", ARCHITECTURE, re.MULTILINE))
    assert rows == layers


def test_the_changelog_knows_this_version() -> None:
    from pipeline_live import __version__

    assert re.search(
        rf"^## {re.escape(__version__)}\b", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )
