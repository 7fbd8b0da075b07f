"""Each page of docs/ does what it says: its Python and shell fences run as they stand.

docs/README.md says by which rules. Everything happens in a folder of the page's own, towards the
emulator, beside what ``make demo`` leaves.
"""

from __future__ import annotations

import ast
import json
import os
import re
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
pytestmark = pytest.mark.timeout(LIMIT_S + 10)  # the first test pays for all Python fences
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


@pytest.fixture(scope="module")
def wrong(place: Place) -> dict[str, str]:
    """What went wrong in the Python fences of each page; one process runs all."""
    ran = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "page_program.py"), str(place.folder), *PROGRAMS],
        capture_output=True,
        text=True,
        env=place.environment,
        timeout=LIMIT_S,
    )
    assert ran.returncode == 0, ran.stderr
    return dict(json.loads(ran.stdout))


@pytest.mark.parametrize("page", PROGRAMS)
def test_the_python_of_each_page_runs(wrong: dict[str, str], page: str) -> None:
    assert not wrong[page], wrong[page]


@pytest.mark.parametrize("page", SHELLS)
def test_the_commands_of_each_page_run(place: Place, page: str) -> None:
    lines = ["set -e"]
    for fence in fences_of(page):
        if fence.language == "sh" and fence.can_run:
            lines += [line for line in whole_lines(fence.text) if not only_known(line)]
    ran = subprocess.run(
        ["sh", "-x", "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        cwd=place.of(page),
        env=place.environment,
        timeout=LIMIT_S,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


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
