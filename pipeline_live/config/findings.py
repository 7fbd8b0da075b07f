"""What is wrong with a file: every finding with its place, all of them at once."""

from __future__ import annotations

from collections import namedtuple

from pipeline_live.errors import ConfigError

TYPE_CHECKING = False  # lint starts faster without the module typing
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NamedTuple

    class Place(NamedTuple):
        """Where something stands, both counted from 1."""

        line: int
        column: int

    class _Finding(NamedTuple):
        file: str
        place: Place
        text: str

else:
    Place = namedtuple("Place", "line column")
    _Finding = namedtuple("_Finding", "file place text")


class Finding(_Finding):
    """One thing that is wrong.

    Attributes:
        file: The file as the user named it.
        place: Line and column.
        text: What is wrong, and what to do.
    """

    __slots__ = ()

    def __str__(self) -> str:
        """Like a compiler: ``bot.yaml:7:5: text``."""
        return f"{self.file}:{self.place.line}:{self.place.column}: {self.text}"


class Report:
    """Collects the findings of one file.

    Args:
        file: The file as the user named it.
        first_line: Line of the file on which the YAML text begins, for fences in Markdown.
        indent: Columns that stand before each line of the text.
    """

    def __init__(self, file: str, first_line: int = 1, indent: int = 0) -> None:
        self.file = file
        self._down, self._right = first_line - 1, indent
        self._found: set[Finding] = set()

    def add(self, place: Place, text: str) -> None:
        """Note a finding, on one line whatever it quotes; the same one twice counts once."""
        there = Place(place.line + self._down, place.column + self._right)
        self._found.add(Finding(self.file, there, " ".join(text.split())))

    @property
    def findings(self) -> list[Finding]:
        """All findings, in the order of the file."""
        return sorted(self._found)

    def raise_if_any(self) -> None:
        """End here when something was found.

        Raises:
            ConfigError: With all findings.
        """
        if self._found:
            raise ConfigError([str(finding) for finding in self.findings])


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """What to say after an unknown word: the nearest known one, or all of them when few."""
    import difflib  # only for people who mistype

    names = list(known)
    near = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    if near:
        return f' (did you mean "{near[0]}"?)'
    if 0 < len(names) <= 12:
        return f" (known: {', '.join(names)})"
    return ""
