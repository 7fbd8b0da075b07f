"""What to say about a name that nobody knows."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """One line: what it is not, and what was probably meant, or else what there is.

    Args:
        kind: What it should have been, for example "fault".
        name: As it was written.
        known: All names there are.
    """
    names = list(known)
    close = difflib.get_close_matches(name, names, 1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}"
    return f"no {kind} {name!r}; {hint}"
