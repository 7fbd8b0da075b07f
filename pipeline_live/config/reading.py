"""YAML text to nodes that know their place. What YAML can do beyond data is refused here.

A bot's file comes from people, so it is read as they mean it: ``no`` is a word, ``012`` is a
mistake, a key that stands twice is a mistake too. It may also come from somebody who means harm:
size, depth and the number of values are bounded, aliases counted as often as they are used, and no
tag ever makes an object.
"""

from __future__ import annotations

import re

import yaml

from pipeline_live.config.findings import Place, Report

TYPE_CHECKING = False  # lint starts faster without the module typing
if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_NODES = 20_000

# What no text of a person holds. Joiners, wide blanks and signs newer than this Python are text.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
# The parser in C, where PyYAML was built with it; both know the same YAML.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Node:
    """A value in the text.

    Attributes:
        place: Where it begins.
    """

    __slots__ = ("place",)

    def __init__(self, place: Place) -> None:
        self.place = place


class Scalar(Node):
    """A single value, as text.

    Attributes:
        text: What stands there; the spec decides what it is read as.
        plain: It stands without quotes, so ``5`` is a number and ``true`` is no text.
    """

    __slots__ = ("plain", "text")

    def __init__(self, place: Place, text: str, plain: bool) -> None:
        super().__init__(place)
        self.text = text
        self.plain = plain

    @property
    def empty(self) -> bool:
        """Nothing stands there, or YAML's word for nothing."""
        return self.plain and self.text in ("", "~", "null", "Null", "NULL")


class Sequence(Node):
    """A list.

    Attributes:
        items: Its values.
    """

    __slots__ = ("items",)

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.items: list[Node] = []


class Mapping(Node):
    """Keys and values; each key once.

    Attributes:
        pairs: Value by key.
        keys: Place of each key.
    """

    __slots__ = ("keys", "pairs")

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.pairs: dict[str, Node] = {}
        self.keys: dict[str, Place] = {}


def read(text: str | bytes, report: Report) -> Node | None:
    """Read one document.

    Args:
        text: The text; bytes must be UTF-8.
        report: Where findings go.

    Returns:
        The document's value; None when it could not be read, which the report then says.
    """
    decoded = _decoded(text, report)
    if decoded is None:
        return None
    try:
        return _Reader(report).document(yaml.parse(decoded, Loader=_Loader))
    except _TooMuch as limit:
        report.add(limit.place, str(limit))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(1, 1) if mark is None else Place(mark.line + 1, mark.column + 1)
        report.add(place, _in_our_words(error, decoded, place))
    return None


def _decoded(text: str | bytes, report: Report) -> str | None:
    if len(text) > MAX_BYTES:
        report.add(Place(1, 1), f"the file is larger than {MAX_BYTES // 1024} kB; this is no bot")
        return None
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            before = error.object[: error.start]
            place = Place(before.count(b"\n") + 1, len(before) - before.rfind(b"\n"))
            report.add(place, "this is not UTF-8 text; save the file as UTF-8")
            return None
    found = _CONTROL.search(text)
    if found is not None:
        above = text[: found.start()]
        place = Place(above.count("\n") + 1, len(above) - above.rfind("\n"))
        report.add(place, f"control character U+{ord(found[0]):04X}; delete it")
        return None
    return text


def _in_our_words(error: yaml.MarkedYAMLError, text: str, place: Place) -> str:
    """YAML's complaint, with what to do for the frequent ones."""
    lines = text.split("\n")
    line = lines[place.line - 1] if place.line <= len(lines) else ""
    problem = error.problem or "this is not YAML"
    if "\t" in line[: place.column] or "\\t" in problem:
        return "a tab indents this line; YAML wants spaces"
    if "mapping values are not allowed" in problem:
        return 'a second ":" on this line; put the text in quotes, or begin a new line'
    if "could not find expected ':'" in problem:
        return 'a ":" is missing in the line above; a key looks like "key: value"'
    if "found undefined alias" in problem:
        return f"{problem.replace('found undefined', 'undefined')}; an anchor &name comes first"
    if error.context:
        return f"not YAML: {error.context}, {problem}"
    return f"not YAML: {problem}"


class _TooMuch(Exception):
    def __init__(self, place: Place, text: str) -> None:
        super().__init__(text)
        self.place = place


class _Reader:
    """Builds nodes from YAML's events, without recursion of its own."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._anchors: dict[str, Node] = {}
        self._sizes: dict[int, int] = {}  # of finished nodes, aliases counted as often as used
        self._open: list[tuple[Node, list[str | None]]] = []
        self._starts: list[int] = []
        self._count = 0
        self._merges: dict[int, list[Node]] = {}

    def document(self, events: Iterator[yaml.Event]) -> Node | None:
        """Take all events in; return the one document's value."""
        root: Node | None = None
        documents = 0
        for event in events:
            mark = event.start_mark
            place = Place(1, 1) if mark is None else Place(mark.line + 1, mark.column + 1)
            match event:
                case yaml.DocumentStartEvent():
                    documents += 1
                    if documents > 1:
                        self._report.add(place, "a second document; one file describes one bot")
                        return root
                case yaml.ScalarEvent():
                    self._refuse_tag(event.tag, place)
                    scalar = Scalar(place, event.value, not event.style)
                    root = self._put(scalar, event.anchor, 1) or root
                case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                    self._refuse_tag(event.tag, place)
                    kind: type[Sequence] | type[Mapping] = (
                        Sequence if isinstance(event, yaml.SequenceStartEvent) else Mapping
                    )
                    self._enter(kind(place), event.anchor)
                case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                    root = self._leave() or root
                case yaml.AliasEvent():
                    node = self._known(event.anchor or "", place)
                    root = self._put(node, None, self._sizes.get(id(node), 1)) or root
                case _:
                    pass
        return root

    def _refuse_tag(self, tag: str | None, place: Place) -> None:
        if tag is not None and tag != "!":
            shown = tag.replace("tag:yaml.org,2002:", "!!")
            self._report.add(place, f"tag {shown} is not supported; a bot's file is plain data")

    def _enter(self, node: Sequence | Mapping, anchor: str | None) -> None:
        if len(self._open) >= MAX_DEPTH:
            raise _TooMuch(node.place, f"nested deeper than {MAX_DEPTH} levels")
        self._tally(node.place, 1)
        self._open.append((node, [None]))
        self._starts.append(self._count - 1)
        if anchor is not None:
            self._anchors[anchor] = node

    def _leave(self) -> Node | None:
        node, _ = self._open.pop()
        size = self._count - self._starts.pop()
        self._sizes[id(node)] = size
        if isinstance(node, Mapping):
            self._merge(node)
        return self._attach(node)

    def _put(self, node: Node, anchor: str | None, size: int) -> Node | None:
        self._tally(node.place, size)
        if anchor is not None:
            self._anchors[anchor] = node
        return self._attach(node)

    def _tally(self, place: Place, size: int) -> None:
        self._count += size
        if self._count > MAX_NODES:
            raise _TooMuch(place, f"more than {MAX_NODES} values, aliases counted; this is no bot")

    def _known(self, anchor: str, place: Place) -> Node:
        node = self._anchors.get(anchor)
        if node is None:
            raise _TooMuch(place, f"undefined alias *{anchor}; an anchor &{anchor} comes first")
        if any(node is parent for parent, _ in self._open):
            raise _TooMuch(place, f"alias *{anchor} contains itself")
        return node

    def _attach(self, node: Node) -> Node | None:
        """Hang a finished node into its parent; return it when it has none."""
        if not self._open:
            return node
        parent, pending = self._open[-1]
        if isinstance(parent, Sequence):
            parent.items.append(node)
        elif isinstance(parent, Mapping):
            if pending[0] is None:
                pending[0] = self._key(parent, node)
            else:
                self._value(parent, pending[0], node)
                pending[0] = None
        return None

    def _key(self, parent: Mapping, node: Node) -> str:
        if not isinstance(node, Scalar):
            self._report.add(node.place, "a key must be a word, not a list or a mapping")
            return ""
        if node.text == "<<" and node.plain:
            return "<<"
        first = parent.keys.get(node.text)
        if first is not None:
            self._report.add(
                node.place, f'duplicate key "{node.text}" (first in line {first.line})'
            )
        else:
            parent.keys[node.text] = node.place
        return node.text

    def _value(self, parent: Mapping, key: str, node: Node) -> None:
        if key == "<<":
            self._merges.setdefault(id(parent), []).append(node)
        elif key:
            parent.pairs.setdefault(key, node)

    def _merge(self, node: Mapping) -> None:
        """``<<: *defaults``: take over the keys that do not stand here."""
        for source in self._merges.pop(id(node), ()):
            parts = source.items if isinstance(source, Sequence) else [source]
            for part in parts:
                if not isinstance(part, Mapping):
                    self._report.add(part.place, '"<<" takes a mapping, for example <<: *name')
                    continue
                for key, value in part.pairs.items():
                    if key not in node.pairs:
                        node.pairs[key] = value
                        node.keys[key] = part.keys[key]
