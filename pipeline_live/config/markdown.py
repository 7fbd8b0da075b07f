"""The YAML fences of a Markdown file."""

from __future__ import annotations

import re

TYPE_CHECKING = False  # lint starts faster without the module typing
if TYPE_CHECKING:
    from collections.abc import Iterator
_ANYBODYS = ("name", "model", "voice", "language", "greeting", "tools", "tests")
_OPENING = re.compile(r"^( *)(`{3,}|~{3,}) *(ya?ml)\b([^\n]*)$", re.IGNORECASE)


class Fence:
    """A fenced block.

    Attributes:
        text: What is in it, its indentation taken off.
        first_line: Line of the file on which the text begins.
        indent: Columns that were taken off.
    """

    def __init__(self, text: str, first_line: int, indent: int) -> None:
        self.text = text
        self.first_line = first_line
        self.indent = indent


def may_be_a_bot(text: str, fields: list[str]) -> bool:
    """Whether a fence looks like a bot: it has a field that other YAML is unlikely to have."""
    words = "|".join(name for name in fields if name not in _ANYBODYS)
    return re.search(rf"^(?:{words})\s*:", text, re.MULTILINE) is not None


def fences(markdown: str) -> Iterator[Fence]:
    """All YAML fences, except those whose opening line says ``no-lint`` behind the language."""
    lines = markdown.split("\n")
    number = 0
    while number < len(lines):
        opening = _OPENING.match(lines[number].rstrip("\r"))
        number += 1
        if opening is None:
            continue
        indent, marks, rest = len(opening[1]), opening[2], opening[4]
        first = number
        closing = re.compile(rf" {{0,{indent + 3}}}{re.escape(marks)}{marks[0]}*\s*$")
        while number < len(lines) and not closing.match(lines[number]):
            number += 1
        if "no-lint" not in rest:
            body = [
                line[indent:] if not line[:indent].strip() else line for line in lines[first:number]
            ]
            yield Fence("\n".join(body) + "\n", first + 1, indent)
        number += 1
