"""``${NAME}`` and ``${NAME:-default}`` in values. What they stand for is never shown to anybody."""

from __future__ import annotations

import re

TYPE_CHECKING = False  # lint starts faster without the module typing
if TYPE_CHECKING:
    from collections.abc import Mapping

_VARIABLE = re.compile(r"\$(\$)?\{([^}]*)(\})?")
_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)


class Text(str):
    """Text that came, in whole or in part, out of the environment.

    Attributes:
        template: What stands in the file, for everybody who has to show the value.
    """

    template: str


class Whole(int):
    """A whole number that came out of the environment."""

    template: str


class Real(float):
    """A number that came out of the environment."""

    template: str


class Unset(Exception):
    """A variable has no value, or what stands there is none."""


def expand(text: str, environment: Mapping[str, str]) -> str:
    """Put in what the variables stand for; ``$${`` is a literal ``${``.

    Args:
        text: What stands in the file.
        environment: Values by name.

    Returns:
        A ``Text`` when there was a variable in it.

    Raises:
        Unset: With what to do about it.
    """
    if "${" not in text:
        return text
    expanded = Text(_VARIABLE.sub(lambda match: _value(match, environment), text))
    expanded.template = text
    return expanded


def as_written(value: object) -> str:
    """What stands in the file for a value, for everybody who has to show it."""
    return str(getattr(value, "template", value))


def pieces(template: str) -> list[str | tuple[str, str | None]]:
    """A template cut into literal text and ``(name, default)`` of its variables, in order."""
    found: list[str | tuple[str, str | None]] = []
    end = 0
    for match in _VARIABLE.finditer(template):
        found.append(template[end : match.start()])
        end = match.end()
        if match[1]:
            found.append(match[0][1:])
        else:
            name = _NAME.fullmatch(match[2])
            assert name is not None  # it was expanded before
            found.append((name[1], name[2]))
    found.append(template[end:])
    return [piece for piece in found if piece != ""]


def _value(match: re.Match[str], environment: Mapping[str, str]) -> str:
    if match[1]:
        return match[0][1:]
    name = _NAME.fullmatch(match[2])
    if name is None or not match[3]:
        raise Unset(
            f"{match[0]} is no variable; write ${{NAME}} or ${{NAME:-default}}, or $${{ for the "
            "signs themselves"
        )
    value = environment.get(name[1], "")
    if value:
        return value
    if name[2] is not None:
        return name[2]
    if name[1] in environment:
        return ""
    raise Unset(
        f"variable {name[1]} is not set; export it, or give a default: ${{{name[1]}:-default}}"
    )
