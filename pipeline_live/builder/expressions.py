"""Python expressions as data: the builder evaluates them, ``eject`` writes them down.

Because both work from the same expressions, what is ejected cannot differ from what runs.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline_live.config import variables


@dataclass(frozen=True, slots=True)
class Name:
    """A name of a module: a class, a function, a member of an enum.

    Attributes:
        path: ``module:name`` or ``module:name.member``.
        alias: What it is imported as where something else has its name; empty for its own name.
    """

    path: str
    alias: str = ""

    @property
    def module(self) -> str:
        """Where it is imported from."""
        return self.path.partition(":")[0]

    @property
    def imported(self) -> str:
        """What is imported from there."""
        return self.path.partition(":")[2].partition(".")[0]

    @property
    def name(self) -> str:
        """How it is written."""
        return (self.alias or self.imported) + self.path.partition(":")[2][len(self.imported) :]


@dataclass(frozen=True, slots=True)
class Call:
    """A call with keyword arguments.

    Attributes:
        what: What is called.
        args: Positional arguments.
        keywords: Keyword arguments.
    """

    what: Name | Attribute
    args: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Variable:
    """A local variable of the function that builds.

    Attributes:
        name: Its name.
    """

    name: str


@dataclass(frozen=True, slots=True)
class Attribute:
    """``value.name``.

    Attributes:
        value: Of what.
        name: Which.
    """

    value: Any
    name: str


Expression = Any
"""One of the above, a literal, or a list or dict of expressions."""


def evaluate(expression: Expression, local: Mapping[str, Any]) -> Any:
    """The value of an expression.

    Args:
        expression: What to compute.
        local: Values of variables.

    Raises:
        ImportError, AttributeError: A name is not there after all.
    """
    match expression:
        case Name(path):
            module, _, name = path.partition(":")
            value: Any = importlib.import_module(module)
            for part in name.split("."):
                value = getattr(value, part)
            return value
        case Call(what, args, keywords):
            function = evaluate(what, local)
            return function(
                *(evaluate(arg, local) for arg in args),
                **{name: evaluate(value, local) for name, value in keywords.items()},
            )
        case Variable(name):
            return local[name]
        case Attribute(value, name):
            return getattr(evaluate(value, local), name)
        case list():
            return [evaluate(item, local) for item in expression]
        case dict():
            return {name: evaluate(value, local) for name, value in expression.items()}
        case variables.Text():
            return str(expression)
        case variables.Whole():
            return int(expression)
        case variables.Real():
            return float(expression)
        case _:
            return expression


def names(expression: Expression) -> Iterator[Name]:
    """Every module's name in an expression; the module os where a variable is read."""
    match expression:
        case Name():
            yield expression
        case Call(what, args, keywords):
            for part in (what, *args, *keywords.values()):
                yield from names(part)
        case Attribute(value):
            yield from names(value)
        case list():
            for item in expression:
                yield from names(item)
        case dict():
            for value in expression.values():
                yield from names(value)
        case variables.Text() | variables.Whole() | variables.Real():
            yield Name("os:environ")
        case _:
            pass


def renamed(expression: Expression, rename: Callable[[Name], Name]) -> Expression:
    """The same expression with other names in place of its own."""
    match expression:
        case Name():
            return rename(expression)
        case Call(what, args, keywords):
            return Call(
                renamed(what, rename),
                tuple(renamed(arg, rename) for arg in args),
                {name: renamed(value, rename) for name, value in keywords.items()},
            )
        case Attribute(value, name):
            return Attribute(renamed(value, rename), name)
        case list():
            return [renamed(item, rename) for item in expression]
        case dict():
            return {name: renamed(value, rename) for name, value in expression.items()}
        case _:
            return expression


WIDTH = 96


def source(expression: Expression, indent: int = 0, taken: int = 0) -> str:
    """An expression as Python, broken into lines where it is long.

    Args:
        expression: What to write.
        indent: Spaces in front of a continued line.
        taken: Columns that stand before it on its first line.
    """
    one_line = _one_line(expression)
    if len(one_line) + max(indent, taken) <= WIDTH:
        return one_line
    inner = " " * (indent + 4)
    match expression:
        case Call(what, args, keywords) if args or keywords:
            parts = [source(arg, indent + 4) for arg in args]
            parts += [
                f"{name}={source(value, indent + 4, indent + 5 + len(name))}"
                for name, value in keywords.items()
            ]
            return _broken(f"{_one_line(what)}(", parts, ")", indent)
        case list() if expression:
            return _broken("[", [source(item, indent + 4) for item in expression], "]", indent)
        case dict() if expression:
            parts = [
                f"{_literal(name)}: {source(value, indent + 4, indent + 8 + len(name))}"
                for name, value in expression.items()
            ]
            return _broken("{", parts, "}", indent)
        case str() if type(expression) is str:
            pieces = _cut(expression, WIDTH - indent - 8)
            if len(pieces) > 1:
                lines = "".join(f"{inner}{_literal(piece)}\n" for piece in pieces)
                return f"(\n{lines}{' ' * indent})"
            return one_line
        case _:
            return one_line


def _broken(begin: str, parts: list[str], end: str, indent: int) -> str:
    lines = "".join(f"{' ' * (indent + 4)}{part},\n" for part in parts)
    return f"{begin}\n{lines}{' ' * indent}{end}"


def _cut(text: str, width: int) -> list[str]:
    """Text in pieces no longer than ``width``, cut after blanks and line ends."""
    pieces: list[str] = []
    piece = ""
    for word in re.findall(r"\S*\s*", text):
        if piece and (len(piece) + len(word) > width or piece.endswith("\n")):
            pieces.append(piece)
            piece = ""
        piece += word
    return [*pieces, piece] if piece else pieces


def _literal(text: str) -> str:
    """A string literal as Ruff and Black write it."""
    quoted = repr(text)
    if quoted[0] == "'" and '"' not in quoted:
        return f'"{quoted[1:-1]}"'
    return quoted


def _one_line(expression: Expression) -> str:
    match expression:
        case Name():
            return expression.name
        case Call(what, args, keywords):
            parts = [_one_line(arg) for arg in args]
            parts += [f"{name}={_one_line(value)}" for name, value in keywords.items()]
            return f"{_one_line(what)}({', '.join(parts)})"
        case Variable(name):
            return name
        case Attribute(value, name):
            return f"{_one_line(value)}.{name}"
        case list():
            return f"[{', '.join(_one_line(item) for item in expression)}]"
        case dict():
            pairs = (f"{_literal(k)}: {_one_line(v)}" for k, v in expression.items())
            return f"{{{', '.join(pairs)}}}"
        case variables.Text():
            return _from_environment(expression.template)
        case variables.Whole():
            return f"int({_from_environment(expression.template)})"
        case variables.Real():
            return f"float({_from_environment(expression.template)})"
        case str():
            return _literal(expression)
        case _:
            return repr(expression)


def _from_environment(template: str) -> str:
    """``a${B:-c}`` as Python that reads the variable again."""
    parts = []
    for piece in variables.pieces(template):
        if isinstance(piece, str):
            parts.append(_literal(piece))
        elif piece[1] is None:
            parts.append(f'os.environ["{piece[0]}"]')
        else:
            parts.append(f'(os.environ.get("{piece[0]}") or {_literal(piece[1])})')
    return " + ".join(parts) or '""'
