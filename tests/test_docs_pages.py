"""Each page of docs/ does what it says: its Python and shell fences run as they stand.

docs/README.md says by which rules. Everything happens in a folder of the page's own, towards the
emulator, beside what ``make demo`` leaves.
"""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from documents import PAGES, ROOT, Fence, fences_of, is_known, whole_lines, words_of
from report.calls import example

from pipeline_live.emulator import Emulator, Script

LIMIT_S = 110
pytestmark = pytest.mark.timeout(LIMIT_S + 10)  # the first test pays for all runs
FENCES = [fence for page in PAGES for fence in fences_of(page)]
PROGRAMS = sorted({f.document for f in FENCES if f.language == "python"})
SHELLS = sorted({f.document for f in FENCES if f.language == "sh"})
KNOWN_ONLY = {"make", "pip"}
KNOWN_ONLY_COMMANDS = {"bench", "demo", "emulate", "record", "talk"}
"""Commands that take minutes, serve for ever or change the machine: only their words are tried."""


@dataclass(frozen=True)
class Place:
    """Where the pages run: a folder for each, and the way to the emulator."""

    folder: Path
    environment: dict[str, str]

    def of(self, page: str) -> Path:
        return self.folder / Path(page).stem


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("pages")
    for page in PAGES:
        demo = folder / Path(page).stem / "demo-output"
        demo.mkdir(parents=True)
        for name in ("docs", "examples"):
            (demo.parent / name).symlink_to(ROOT / name)
        (demo / "call.wav").write_bytes(example().wav())
        (demo / "timeline.jsonl").write_text(example().timeline())
    for fence in FENCES:
        if fence.file_name is not None:
            (folder / Path(fence.document).stem / fence.file_name).write_text(fence.text)
    with Emulator(Script(["Once upon a time there was a harbour. " * 3])) as emulator:
        environment = {
            **os.environ,
            "GEMINI_API_KEY": "any",
            "GOOGLE_GEMINI_BASE_URL": emulator.base_url,
            "SSL_CERT_FILE": str(emulator.ca_file),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        }
        yield Place(folder, environment)


@dataclass(frozen=True)
class Ran:
    """What a program did."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def runs(place: Place) -> dict[str, Ran]:
    """What ran, all side by side: the shell fences of each page, and all Python fences at once."""
    program = str(ROOT / "tests" / "page_program.py")
    python = [sys.executable, program, str(place.folder), *PROGRAMS]
    shells = {page: ["sh", "-x", "-c", script_of(page)] for page in SHELLS}
    started = {
        name: subprocess.Popen(
            words,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=place.of(name) if name else place.folder,
            env=place.environment,
            start_new_session=True,  # so that a shell goes together with what it runs
        )
        for name, words in {"": python, **shells}.items()
    }
    done = {}
    try:
        for name, process in started.items():
            out, err = process.communicate(timeout=LIMIT_S)
            done[name] = Ran(process.returncode, out, err)
    finally:
        for process in started.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
    return done


@pytest.mark.parametrize("page", PROGRAMS)
def test_the_python_of_each_page_runs(runs: dict[str, Ran], page: str) -> None:
    assert runs[""].code == 0, runs[""].err
    wrong = json.loads(runs[""].out)[page]
    assert not wrong, wrong


@pytest.mark.parametrize("page", SHELLS)
def test_the_commands_of_each_page_run(runs: dict[str, Ran], page: str) -> None:
    assert runs[page].code == 0, runs[page].out + runs[page].err


def script_of(page: str) -> str:
    """What is run of a page's shell fences."""
    lines = ["set -e"]
    for fence in fences_of(page):
        if fence.language == "sh" and fence.can_run:
            lines += [line for line in whole_lines(fence.text) if not only_known(line)]
    return "\n".join(lines)


def only_known(line: str) -> bool:
    """Whether a command is not to be run; then it must be known."""
    words = words_of(line)
    ours = words[:1] == ["pipeline-live"] and words[1] in KNOWN_ONLY_COMMANDS
    if not ours and (not words or words[0] not in KNOWN_ONLY):
        return False
    assert is_known(words), line
    return True


@pytest.mark.parametrize("fence", FENCES, ids=str)
def test_each_fence_can_be_read(fence: Fence) -> None:
    match fence.language:
        case "python":
            ast.parse(fence.text)
        case "sh":
            for line in whole_lines(fence.text):
                words_of(line)
        case "json":
            json.loads(fence.text)
        case "yaml" | "text":
            pass
        case _:
            pytest.fail(f"say in the test of {fence} how a {fence.language!r} fence is tried")


@pytest.mark.parametrize("fence", [f for f in FENCES if f.file_name], ids=str)
def test_each_file_of_a_page_is_used_by_a_command(fence: Fence) -> None:
    commands = " ".join(f.text for f in fences_of(fence.document) if f.language == "sh")
    assert re.search(rf"(?<!\S){re.escape(str(fence.file_name))}(?!\S)", commands)


def test_the_index_lists_every_page() -> None:
    listed = re.findall(
        r"^\| \[\w[\w ,-]*\]\((\w[\w-]*\.md)\)", (ROOT / PAGES[0]).read_text(), re.M
    )
    assert sorted(f"docs/{name}" for name in listed) == sorted(set(PAGES) - {PAGES[0]})
