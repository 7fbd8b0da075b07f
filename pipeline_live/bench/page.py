"""A Markdown page with a place for what a bench measured, between two marks."""

from __future__ import annotations

from pathlib import Path

from pipeline_live.errors import UsageError


class Page:
    """A page that is there and has its marks, so that nothing is measured in vain.

    Args:
        path: The file.
        mark: Name of the marks.

    Raises:
        UsageError: The file cannot be read, or the marks are not there, once each and in order.
    """

    def __init__(self, path: Path, mark: str) -> None:
        self._path = path
        self._mark = mark
        self._with("")

    def write(self, section: str) -> None:
        """Replace what stands between the marks.

        Args:
            section: Markdown.

        Raises:
            UsageError: The file cannot be written, or has lost its marks.
        """
        text = self._with(section)
        try:
            self._path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{self._path}: {error.strerror or error}") from None

    def _with(self, section: str) -> str:
        try:
            text = self._path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                f"{self._path}: cannot be read ({error}); give a Markdown file"
            ) from None
        return with_section(text, section, str(self._path), self._mark)


def page(path: Path | None, mark: str) -> Page | None:
    """The page at ``path``, or None without one."""
    return None if path is None else Page(path, mark)


def with_section(text: str, section: str, name: str, mark: str) -> str:
    """``text`` with what stands between the two marks replaced by ``section``.

    Args:
        text: A file's content.
        section: Markdown.
        name: How messages call the file.
        mark: Name of the marks.

    Raises:
        UsageError: The marks are not there, once each and in order.
    """
    first, last = f"<!-- {mark}:begin -->", f"<!-- {mark}:end -->"
    head, begin, rest = text.partition(first)
    _, end, tail = rest.partition(last)
    if not begin or not end or first in rest or last in head + tail:
        raise UsageError(
            f"{name}: must hold {first} and after it {last}, once each; add both lines"
        )
    return f"{head}{first}\n{section}\n{last}{tail}"
