"""Scripts as YAML files.

::

    voice: low                  # heart or low; without it, as the client asks
    speed: 1.1                  # how many times faster than usual
    greeting: Hello! What can I do for you?
    turns:                      # the n-th answers the user's n-th turn
      - It is sunny.
      - say: The harbour is old. It began as a row of huts.
        heard: Tell me about the harbour.     # what the model understood
        interim: Let me think.  # said first; extended thinking makes it a turn of its own
        delay_ms: 300           # from the end of the user's turn to the first sound
        length_ms: 20000        # over and over, for so long
        voice: heart
        speed: 0.9
      - say: It is booked.
        tool: {name: book, args: {slot: 3}}   # called first; a list for several at once
      - null                    # left to the patterns
    patterns:                   # the first whose words the user said
      - when: weather|rain      # a regular expression, upper and lower case alike
        say: It will rain.
    default: I do not know.     # all other turns; a list is taken in turn
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from pipeline_live.emulator.names import unknown_name
from pipeline_live.emulator.script import Pattern, Reply, Script, ToolUse
from pipeline_live.emulator.voice import FASTEST, SLOWEST, VOICES
from pipeline_live.errors import UsageError

_LONGEST_MS = 600_000


def read_script(path: Path) -> Script:
    """The script in a YAML file.

    Args:
        path: The file.

    Raises:
        UsageError: It cannot be read, or is no script; with line and column.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; give a script in YAML") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 text (byte {error.start})") from None
    return parse_script(text, str(path))


def parse_script(text: str, name: str = "script") -> Script:
    """The script in a text.

    Args:
        text: YAML.
        name: What errors call it.

    Raises:
        UsageError: It is no script; with line and column.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise UsageError(f"{name}{where}: {error.problem or error.context}") from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        column = error.position - (before.rfind("\n") + 1) + 1
        where = f"{before.count(chr(10)) + 1}:{column}"
        raise UsageError(f"{name}:{where}: {error.reason}") from None
    except RecursionError:
        raise UsageError(f"{name}:1:1: the script is nested too deep") from None
    if root is None:
        raise UsageError(f"{name}:1:1: the script is empty; say for example `default: Hello.`")
    return _Reader(name).script(root)


@dataclass
class _Reader:
    """Turns nodes into a script. Every reading takes a node and complains at its place."""

    name: str
    _usual: dict[str, Any] = field(default_factory=dict)

    def script(self, root: yaml.Node) -> Script:
        known = ("voice", "speed", "greeting", "turns", "patterns", "default")
        fields = self._fields(root, "a script", known)
        if "voice" in fields:
            self._usual["voice"] = self._voice(fields["voice"])
        if "speed" in fields:
            self._usual["speed"] = self._speed(fields["speed"])
        read: dict[str, Any] = {}
        if "greeting" in fields:
            read["greeting"] = self._reply(fields["greeting"])
        if "turns" in fields:
            read["replies"] = self._list(fields["turns"], "turns", self._turn)
        if "patterns" in fields:
            read["patterns"] = self._list(fields["patterns"], "patterns", self._pattern)
        if "default" in fields:
            read["default"] = self._default(fields["default"])
        return Script(**read)

    # --- replies -----------------------------------------------------------------------------

    def _turn(self, node: yaml.Node) -> Reply | None:
        return None if _is_null(node) else self._reply(node)

    def _default(self, node: yaml.Node) -> Reply | tuple[Reply, ...]:
        if isinstance(node, yaml.SequenceNode):
            return self._list(node, "default", self._reply)
        return self._reply(node)

    def _pattern(self, node: yaml.Node) -> Pattern:
        fields = self._fields(node, "a pattern", ("when", *_REPLY))
        if "when" not in fields:
            raise self._wrong(node, "a pattern needs `when`, the words it answers")
        when = self._text(fields.pop("when"), "when")
        try:
            return Pattern.of(when, self._reply_of(node, fields))
        except re.error as error:
            place = next(key for key, _ in node.value if key.value == "when")
            raise self._wrong(place, f"when is no regular expression: {error}") from None

    def _reply(self, node: yaml.Node) -> Reply:
        if isinstance(node, yaml.ScalarNode):
            return Reply(self._text(node, "a reply"), **self._usual)
        return self._reply_of(node, self._fields(node, "a reply", tuple(_REPLY)))

    def _reply_of(self, node: yaml.Node, fields: Mapping[str, yaml.Node]) -> Reply:
        if "say" not in fields:
            raise self._wrong(node, "a reply needs `say`, its words (empty for none)")
        read = {_REPLY[key]: self._setting(key, value) for key, value in fields.items()}
        return Reply(**{**self._usual, **read})

    def _setting(self, key: str, node: yaml.Node) -> Any:
        match key:
            case "say" | "heard" | "interim":
                return self._text(node, key)
            case "delay_ms" | "length_ms":
                return self._whole(node, key)
            case "voice":
                return self._voice(node)
            case "speed":
                return self._speed(node)
            case "tool" if isinstance(node, yaml.SequenceNode):
                return self._list(node, "tool", self._tool)
            case "tool":
                return (self._tool(node),)
            case _:
                return self._plain(node, "grounding")

    def _tool(self, node: yaml.Node) -> ToolUse:
        if isinstance(node, yaml.ScalarNode):
            return ToolUse(self._text(node, "tool"))
        fields = self._fields(node, "a tool", ("name", "args"))
        if "name" not in fields:
            raise self._wrong(node, "a tool needs `name`")
        args = self._plain(fields["args"], "args") if "args" in fields else {}
        return ToolUse(self._text(fields["name"], "name"), args)

    # --- values ------------------------------------------------------------------------------

    def _text(self, node: yaml.Node, what: str) -> str:
        if not isinstance(node, yaml.ScalarNode) or _is_null(node):
            raise self._wrong(node, f"{what} is text here")
        return str(node.value)

    def _whole(self, node: yaml.Node, what: str) -> int:
        text = self._text(node, what)
        if not re.fullmatch(r"[0-9]{1,7}", text) or int(text) > _LONGEST_MS:
            raise self._wrong(node, f"{what} is a number of milliseconds, 0 to {_LONGEST_MS}")
        return int(text)

    def _speed(self, node: yaml.Node) -> float:
        text = self._text(node, "speed")
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) and SLOWEST <= float(text) <= FASTEST:
            return float(text)
        raise self._wrong(node, f"speed is a number from {SLOWEST} to {FASTEST}")

    def _voice(self, node: yaml.Node) -> str:
        text = self._text(node, "voice")
        if text not in VOICES:
            raise self._wrong(node, unknown_name("voice", text, VOICES))
        return text

    def _list(
        self, node: yaml.Node, what: str, read: Callable[[yaml.Node], Any]
    ) -> tuple[Any, ...]:
        if not isinstance(node, yaml.SequenceNode):
            raise self._wrong(node, f"{what} is a list; begin each entry with `- `")
        return tuple(map(read, node.value))

    def _fields(self, node: yaml.Node, what: str, known: tuple[str, ...]) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            raise self._wrong(node, f"{what} has fields here, for example `{known[0]}: ...`")
        fields: dict[str, yaml.Node] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value not in known:
                written = key.value if isinstance(key, yaml.ScalarNode) else "?"
                raise self._wrong(key, unknown_name(f"field of {what}", written, known))
            if key.value in fields:
                raise self._wrong(key, f"{key.value} is given twice")
            fields[key.value] = value
        return fields

    def _plain(self, node: yaml.Node, what: str) -> dict[str, Any]:
        """Values that JSON can carry."""
        if not isinstance(node, yaml.MappingNode):
            raise self._wrong(node, f"{what} has fields here")
        self._check_tree(node, what, set())
        loader = yaml.SafeLoader("")
        try:
            value = dict(loader.construct_document(node))
            json.dumps(value, allow_nan=False)
        except yaml.MarkedYAMLError as error:
            raise self._wrong(node, f"{what}: {error.problem}") from None
        except (TypeError, ValueError):
            problem = f"{what} holds a value that JSON has not; put it in quotes"
            raise self._wrong(node, problem) from None
        finally:
            loader.dispose()
        return value

    def _check_tree(self, node: yaml.Node, what: str, seen: set[int]) -> None:
        """References could make a few lines endless."""
        if id(node) in seen:
            raise self._wrong(node, f"{what} cannot refer to other places (&, *)")
        seen.add(id(node))
        inner = node.value if isinstance(node, yaml.CollectionNode) else ()
        for child in inner:
            for one in child if isinstance(child, tuple) else (child,):
                self._check_tree(one, what, seen)

    def _wrong(self, node: yaml.Node, problem: str) -> UsageError:
        mark = node.start_mark
        return UsageError(f"{self.name}:{mark.line + 1}:{mark.column + 1}: {problem}")


#: Fields of a reply and the attributes that they set.
_REPLY = {
    "say": "text",
    "heard": "heard",
    "interim": "interim",
    "delay_ms": "delay_ms",
    "length_ms": "length_ms",
    "voice": "voice",
    "speed": "speed",
    "tool": "tool",
    "grounding": "grounding",
}
assert set(_REPLY.values()) <= {one.name for one in dataclasses.fields(Reply)}


def _is_null(node: yaml.Node) -> bool:
    return node.tag == "tag:yaml.org,2002:null"
