"""Kinds of values: what a field accepts. Each reads a node, and describes itself as JSON Schema.

A kind never raises: what does not fit becomes a finding, and the value is ``MISSING``.
"""

from __future__ import annotations

import abc
import re

from pipeline_live.config import variables
from pipeline_live.config.findings import Report, did_you_mean
from pipeline_live.config.reading import Mapping, Node, Scalar, Sequence

TYPE_CHECKING = False  # lint starts faster without the module typing
if TYPE_CHECKING:
    from collections.abc import Mapping as Environment
    from pathlib import Path
    from typing import Any, Final

    from pipeline_live.config.python_names import Library

    Json = dict[str, Any]


class Missing:
    """The kind of ``MISSING``."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()
"""A value that a finding was made about."""

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
# What YAML 1.1 or 1.2 would read as a number.
_LIKE_NUMBER = re.compile(
    r"[-+]?([0-9][0-9_]*(\.[0-9_]*)?|\.[0-9]+|0x[0-9a-f_]+|0o[0-7]+|0b[01_]+|\.(inf|nan)|"
    r"[0-9]+(:[0-5]?[0-9])+)",
    re.IGNORECASE,
)
_TRUE, _FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")
_OLD_BOOLEANS = ("yes", "no", "on", "off", "y", "n")


class Context:
    """What reading needs beside the node.

    Attributes:
        report: Where findings go.
        environment: Values of variables; None to take every variable as set.
        folder: Folder of the file, where its Python modules and sounds lie.
    """

    def __init__(
        self, report: Report, environment: Environment[str, str] | None, folder: Path
    ) -> None:
        self.report = report
        self.environment = environment
        self.folder = folder
        self._library: Library | None = None

    @property
    def library(self) -> Library:
        """Looks at Python code without running it."""
        if self._library is None:
            from pipeline_live.config.python_names import Library  # few bots need it

            self._library = Library(self.folder)
        return self._library


class Kind(abc.ABC):
    """What a field accepts."""

    article = "a value"
    """How a finding names it: "must be a value"."""

    @abc.abstractmethod
    def read(self, node: Node, what: str, context: Context) -> Any:
        """The value of ``node``, or ``MISSING`` after a finding.

        Args:
            node: What stands in the file.
            what: What it is, for findings: ``"volume" in speaker``.
            context: The rest.
        """

    @abc.abstractmethod
    def schema(self) -> Json:
        """The same as JSON Schema."""

    def fill(self, default: Any) -> Any:
        """A default as it stands in the spec, made into a value."""
        return default


def shown(node: Node) -> str:
    """What stands there, for a finding: never what a variable stands for."""
    if isinstance(node, Sequence):
        return "a list"
    if isinstance(node, Mapping):
        return "a mapping"
    assert isinstance(node, Scalar)
    if node.empty:
        return "nothing"
    text = " ".join(node.text.split())
    return f'"{text[:37]}..."' if len(text) > 40 else f'"{text}"'


def scalar_text(node: Node, what: str, kind: str, context: Context) -> str | Missing | None:
    """The text of a scalar with its variables put in; None when a variable is taken as set."""
    if not isinstance(node, Scalar):
        context.report.add(node.place, f"{what} must be {kind}, not {shown(node)}")
        return MISSING
    if node.empty:
        context.report.add(node.place, f"{what} has no value; give it {kind}, or delete the line")
        return MISSING
    if "${" in node.text and context.environment is None:
        return None
    try:
        return variables.expand(node.text, context.environment or {})
    except variables.Unset as problem:
        context.report.add(node.place, f"{what}: {problem}")
        return MISSING


class Text(Kind):
    """Text.

    Attributes:
        pattern: A regular expression that all of it must match.
        like: What such text looks like, for findings.
        secret: It is never shown, not even its template.
    """

    def __init__(self, pattern: str = "", like: str = "", secret: bool = False) -> None:
        self.pattern = pattern
        self.like = like
        self.secret = secret

    @property
    def article(self) -> str:  # type: ignore[override]
        """For findings."""
        return f"text like {self.like}" if self.like else "text"

    def read(self, node: Node, what: str, context: Context) -> Any:
        """The text; a number or a boolean has to stand in quotes."""
        text = scalar_text(node, what, self.article, context)
        if text is None or isinstance(text, Missing):
            return text
        assert isinstance(node, Scalar)
        if node.plain and type(text) is str and (other := _other_type(text)):
            context.report.add(
                node.place, f'{what} must be text, and {text} is {other}; write "{text}"'
            )
            return MISSING
        if not text.strip():
            context.report.add(node.place, f"{what} is empty")
            return MISSING
        if self.pattern and not re.fullmatch(self.pattern, text):
            but = "" if self.secret else f", not {shown(node)}"
            context.report.add(node.place, f"{what} must be {self.article}{but}")
            return MISSING
        return text

    def schema(self) -> Json:
        """As JSON Schema; a variable may stand anywhere."""
        if self.pattern:
            return {"type": "string", "pattern": rf"^(?:{self.pattern})$|\$\{{"}
        return {"type": "string"}


def _other_type(text: str) -> str:
    if _LIKE_NUMBER.fullmatch(text) or _NUMBER.fullmatch(text):
        return "a number"
    return "a boolean" if text in (*_TRUE, *_FALSE) else ""


class Choice(Kind):
    """One of a few words.

    Attributes:
        words: The words.
    """

    def __init__(self, words: tuple[str, ...]) -> None:
        self.words = words

    @property
    def article(self) -> str:  # type: ignore[override]
        """For findings."""
        return f"one of {', '.join(self.words)}"

    def read(self, node: Node, what: str, context: Context) -> Any:
        """The word."""
        text = scalar_text(node, what, self.article, context)
        if text is None or isinstance(text, Missing):
            return text
        if text not in self.words:
            hint = did_you_mean(text if type(text) is str else "", self.words)
            said = "" if hint.startswith(" (known") else hint
            context.report.add(
                node.place, f"{what} must be {self.article}, not {shown(node)}{said}"
            )
            return MISSING
        return text

    def schema(self) -> Json:
        """As JSON Schema."""
        return {"enum": list(self.words)}


class Boolean(Kind):
    """Yes or no, written ``true`` or ``false``.

    Attributes:
        flag: Only ``true`` makes sense; the text says what to write instead of ``false``.
    """

    def __init__(self, flag: str = "") -> None:
        self.flag = flag

    article = "true or false"

    def read(self, node: Node, what: str, context: Context) -> Any:
        """The truth."""
        text = scalar_text(node, what, self.article, context)
        if text is None or isinstance(text, Missing):
            return text
        assert isinstance(node, Scalar)
        if (node.plain or type(text) is not str) and text in (*_TRUE, *_FALSE):
            if self.flag and text in _FALSE:
                context.report.add(node.place, f"{what} can only be true; {self.flag}")
                return MISSING
            return text in _TRUE
        hint = ""
        if text.lower() in _OLD_BOOLEANS:
            meant = "true" if text.lower() in ("yes", "on", "y") else "false"
            hint = f"; write {meant}"
        context.report.add(node.place, f"{what} must be true or false, not {shown(node)}{hint}")
        return MISSING

    def schema(self) -> Json:
        """As JSON Schema."""
        return {"const": True} if self.flag else {"type": "boolean"}


class Number(Kind):
    """A number in decimal digits.

    Attributes:
        least: The smallest that makes sense.
        most: The largest.
        whole: Without a fraction.
    """

    def __init__(self, least: float, most: float, whole: bool = False) -> None:
        self.least = least
        self.most = most
        self.whole = whole

    @property
    def article(self) -> str:  # type: ignore[override]
        """For findings."""
        kind = "a whole number" if self.whole else "a number"
        return f"{kind} from {self.least:.12g} to {self.most:.12g}"

    def read(self, node: Node, what: str, context: Context) -> Any:
        """The number; one out of a variable is text in the file, so quotes do not matter there."""
        text = scalar_text(node, what, self.article, context)
        if text is None or isinstance(text, Missing):
            return text
        assert isinstance(node, Scalar)
        if not (_INTEGER if self.whole else _NUMBER).fullmatch(text):
            hint = self._hint(text) if type(text) is str else ""
            context.report.add(
                node.place, f"{what} must be {self.article}, not {shown(node)}{hint}"
            )
            return MISSING
        if not node.plain and type(text) is str:
            context.report.add(
                node.place, f"{what} must be {self.article}; drop the quotes around {text}"
            )
            return MISSING
        number = int(text) if self.whole else float(text)
        if not self.least <= number <= self.most:
            context.report.add(node.place, f"{what} must be {self.article}, not {shown(node)}")
            return MISSING
        return self._with_origin(number, text)

    def _hint(self, text: str) -> str:
        if re.fullmatch(r"[-+]?0[0-9_]+", text):
            return (
                f"; write {text.replace('_', '').lstrip('+-0') or '0'}, YAML 1.1 takes it as octal"
            )
        if re.fullmatch(r"[-+]?[0-9]+(_[0-9]+)+", text):
            return f"; write {text.replace('_', '')}"
        if re.fullmatch(r"[0-9]+(:[0-5]?[0-9])+", text):
            return "; YAML 1.1 takes that as base 60"
        if re.fullmatch(r"[0-9]+ ?(ms|s)", text):
            return "; write the number alone"
        return ""

    def _with_origin(self, number: int | float, text: str) -> int | float:
        if not isinstance(text, variables.Text):
            return number
        kept = variables.Whole(number) if self.whole else variables.Real(number)
        kept.template = text.template
        return kept

    def schema(self) -> Json:
        """As JSON Schema."""
        kind = "integer" if self.whole else "number"
        bounds = {"type": kind, "minimum": self.least, "maximum": self.most}
        return {"anyOf": [bounds, {"type": "string", "pattern": r"\$\{"}]}


def whole(least: int, most: int) -> Number:
    """A whole number between two bounds."""
    return Number(least, most, whole=True)


class Data(Kind):
    """Any plain data, read as YAML 1.2 does: text, numbers, booleans, lists, mappings."""

    article = "plain data"

    def read(self, node: Node, what: str, context: Context) -> Any:
        """The data."""
        if isinstance(node, Sequence):
            read = [self.read(item, what, context) for item in node.items]
            return [value for value in read if value is not MISSING]
        if isinstance(node, Mapping):
            return {
                key: self.read(value, f'"{key}" of {what}', context)
                for key, value in node.pairs.items()
            }
        assert isinstance(node, Scalar)
        if node.empty:
            return None
        text = scalar_text(node, what, self.article, context)
        if text is None or isinstance(text, Missing) or not node.plain or type(text) is not str:
            return text
        if text in (*_TRUE, *_FALSE):
            return text in _TRUE
        if _INTEGER.fullmatch(text):
            return int(text)
        if _NUMBER.fullmatch(text):
            return float(text)
        if _LIKE_NUMBER.fullmatch(text) and re.fullmatch(r"[-+]?0[0-9]+", text):
            context.report.add(
                node.place, f'{what}: is {text} a number or text? write {int(text)} or "{text}"'
            )
            return MISSING
        return text

    def schema(self) -> Json:
        """As JSON Schema: anything."""
        return {}


class File(Kind):
    """A file.

    Attributes:
        exists: It must be there already; otherwise only its folder.
        suffix: How its name ends.
    """

    def __init__(self, exists: bool, suffix: str = ".wav") -> None:
        self.exists = exists
        self.suffix = suffix

    @property
    def article(self) -> str:  # type: ignore[override]
        """For findings."""
        return f"the path of a {self.suffix} file"

    def read(self, node: Node, what: str, context: Context) -> Any:
        """The path as written; it counts from the folder of the bot's file."""
        text = scalar_text(node, what, self.article, context)
        if text is None or isinstance(text, Missing):
            return text
        path = context.folder / text
        if not text.lower().endswith(self.suffix):
            context.report.add(node.place, f"{what} must be {self.article}, not {shown(node)}")
            return MISSING
        if self.exists and not path.is_file():
            context.report.add(node.place, f"{what}: there is no file {shown(node)}")
            return MISSING
        if not self.exists and not path.parent.is_dir():
            context.report.add(node.place, f"{what}: there is no folder for {shown(node)}")
            return MISSING
        return text

    def schema(self) -> Json:
        """As JSON Schema."""
        return {"type": "string"}
