"""Reading the documents: which there are, their fences, and the commands in them."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline_live import cli

ROOT = Path(__file__).resolve().parents[1]
PAGES = tuple(sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/*.md")))
DOCUMENTS = ("README.md", "ARCHITECTURE.md", "CHANGELOG.md", "examples/README.md", *PAGES)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
NEEDS = "# needs: "
"""How a fence begins that cannot run without something that the tests do not have."""


@dataclass(frozen=True)
class Fence:
    """A fenced block.

    Attributes:
        document: Where it stands, from the project's root.
        line: Line number of its first line of text, from 1.
        language: The word behind the opening fence, empty without one.
        text: What is in it.
    """

    document: str
    line: int
    language: str
    text: str

    @property
    def first(self) -> str:
        """Its first line."""
        return self.text.partition("\n")[0]

    @property
    def can_run(self) -> bool:
        """False when it says that it needs what the tests do not have."""
        return not self.first.startswith(NEEDS)

    @property
    def file_name(self) -> str | None:
        """The file that it is to be saved as: a first line like ``# bot.py``."""
        named = re.fullmatch(r"# (\w[\w.-]*\.\w+)", self.first)
        return named[1] if named else None

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def fences_of(document: str) -> list[Fence]:
    """All fenced blocks of a document, in order."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return [
        Fence(document, text.count("\n", 0, found.start(2)) + 1, found[1], found[2])
        for found in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ]


def fences(document: str, language: str) -> list[str]:
    """What is in the fenced blocks of a document in ``language``."""
    return [fence.text for fence in fences_of(document) if fence.language == language]


def commands(*documents: str) -> Iterator[list[str]]:
    """Every command in the sh fences of ``documents``, as words."""
    for document in documents:
        for text in fences(document, "sh"):
            for line in whole_lines(text):
                if words := words_of(line):
                    yield words


def whole_lines(text: str) -> list[str]:
    """The lines of a shell fence, those that end in a backslash joined to the next."""
    return text.replace("\\\n", " ").splitlines()


def words_of(line: str) -> list[str]:
    """The words of a command, without comments and assignments before it."""
    words = shlex.split(line, comments=True)
    while words and re.match(r"\w+=", words[0]):
        del words[0]
    return words


def is_known(words: list[str]) -> bool:
    """Whether a command is one of ours and its arguments are; for those that tests cannot run."""
    match words:
        case ["make", target, *variables]:
            return _make_knows(target, variables)
        case ["pipeline-live", name, *_] if name in cli._COMMANDS:
            parse(words)
            return True
        case ["pip", "install", distribution]:
            name, _, extra = distribution.rstrip("]").partition("[")
            extras = {*PROJECT["project"]["optional-dependencies"], ""}
            return name in (PROJECT["project"]["name"], ".") and set(extra.split(",")) <= extras
        case ["python", script]:
            return (ROOT / script).is_file()
        case _:
            return False


def _make_knows(target: str, variables: list[str]) -> bool:
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(rf"^{re.escape(target)}:", makefile, re.M), target
    for name, _, value in (variable.partition("=") for variable in variables):
        assert f"$({name})" in makefile, variables
        if name == "ARGS":
            parse(["pipeline-live", target, *shlex.split(value)])
    return True


def parse(words: list[str]) -> None:
    """Let the command's own parser read its arguments."""
    module, _ = cli._COMMANDS[words[1]]
    parser = argparse.ArgumentParser(exit_on_error=False)
    importlib.import_module(module).add_arguments(parser)
    parser.parse_args(words[2:])
