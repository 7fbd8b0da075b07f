"""Things with fields, lists of them, and the choice among several: what a spec is made of."""

from __future__ import annotations

from pipeline_live.config.findings import Place, did_you_mean
from pipeline_live.config.kinds import MISSING, Context, Kind, Missing, scalar_text, shown
from pipeline_live.config.reading import Mapping, Node, Scalar, Sequence

TYPE_CHECKING = False  # lint starts faster without the module typing
if TYPE_CHECKING:
    from typing import Any

    from pipeline_live.config.kinds import Json


class ListOf(Kind):
    """A list.

    Attributes:
        item: What is in it.
        noun: What one of them is called, for findings.
        single: One value may stand without the list.
        least: How many there are at least.
    """

    def __init__(self, item: Kind, noun: str, single: bool = False, least: int = 1) -> None:
        self.item = item
        self.noun = noun
        self.single = single
        self.least = least

    @property
    def article(self) -> str:  # type: ignore[override]
        """For findings."""
        return f"a list of {self.noun}s"

    def fill(self, default: Any) -> Any:
        """Each of them."""
        return None if default is None else [self.item.fill(value) for value in default]

    def read(self, node: Node, what: str, context: Context) -> Any:
        """The list, ``MISSING`` in the places of values that a finding was made about."""
        if self.single and not isinstance(node, Sequence):
            value = self.item.read(node, what, context)
            return value if value is MISSING else [value]
        if not isinstance(node, Sequence):
            context.report.add(
                node.place, f"{what} must be {self.article}, each behind a dash, not {shown(node)}"
            )
            return MISSING
        if len(node.items) < self.least:
            context.report.add(node.place, f"{what} is empty; delete it or add a {self.noun}")
            return MISSING
        return [
            self.item.read(item, f"{self.noun} {number} of {what}", context)
            for number, item in enumerate(node.items, 1)
        ]

    def schema(self) -> Json:
        """As JSON Schema."""
        many = {"type": "array", "items": self.item.schema(), "minItems": self.least}
        return {"anyOf": [self.item.schema(), many]} if self.single else many


class MapOf(Kind):
    """Names that the author chooses, each with a value.

    Attributes:
        value: What each is.
        noun: What one of them is called.
    """

    def __init__(self, value: Kind, noun: str) -> None:
        self.value = value
        self.noun = noun

    @property
    def article(self) -> str:  # type: ignore[override]
        """For findings."""
        return f"a mapping of {self.noun}s"

    def read(self, node: Node, what: str, context: Context) -> Any:
        """Values by name."""
        if not isinstance(node, Mapping):
            context.report.add(node.place, f"{what} must be {self.article}, not {shown(node)}")
            return MISSING
        read = {
            key: self.value.read(value, f'{self.noun} "{key}" of {what}', context)
            for key, value in node.pairs.items()
        }
        return {key: value for key, value in read.items() if value is not MISSING}

    def schema(self) -> Json:
        """As JSON Schema."""
        return {"type": "object", "additionalProperties": self.value.schema()}


class Field:
    """A field of a component.

    Attributes:
        name: Its key.
        kind: What it accepts.
        about: One sentence for people.
        default: What holds when it is left out; None when then nothing is set.
        required: It cannot be left out.
        example: A value as an author would write it.
    """

    def __init__(
        self,
        name: str,
        kind: Kind,
        about: str,
        default: Any = None,
        required: bool = False,
        example: Any = None,
    ) -> None:
        self.name = name
        self.kind = kind
        self.about = about
        self.default = default
        self.required = required
        self.example = example

    def schema(self) -> Json:
        """As JSON Schema."""
        described = {**self.kind.schema(), "description": self.about}
        if self.default is not None and not isinstance(self.default, dict | list):
            described["default"] = self.default
        return described


class Fields(dict[str, Any] if TYPE_CHECKING else dict):  # type: ignore[misc]
    """What was said about a component, by field.

    Attributes:
        place: Where it stands.
    """

    place = Place(1, 1)


class Component(Kind):
    """A thing with fields.

    Attributes:
        name: What it is called, in the file and in findings.
        about: One sentence for people.
        fields: What can be said about it.
        short: Name of the field that a single value stands for.
        builds: Class that it becomes, as ``module:name``; empty when it is none.
        one_of: Of these fields exactly one is given.
        flags: Names of boolean fields that may stand alone, as a word.
    """

    def __init__(
        self,
        name: str,
        about: str,
        fields: tuple[Field, ...] = (),
        short: str = "",
        builds: str = "",
        one_of: tuple[str, ...] = (),
        flags: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.about = about
        self.fields = fields
        self.short = short
        self.builds = builds
        self.one_of = one_of
        self.flags = flags

    @property
    def article(self) -> str:  # type: ignore[override]
        """For findings."""
        return f"a mapping with the fields of {self.name}"

    def field(self, name: str) -> Field:
        """The field of that name."""
        return next(field for field in self.fields if field.name == name)

    def defaults(self) -> dict[str, Any]:
        """All fields, as they are when nothing is said."""
        return {field.name: field.kind.fill(field.default) for field in self.fields}

    def read(self, node: Node, what: str, context: Context) -> Any:
        """All fields by name, with defaults where nothing stands."""
        values = Fields(self.defaults())
        values.place = node.place
        if isinstance(node, Scalar) and node.plain and node.text in self.flags:
            values[node.text] = True
            return values
        if self.short and not isinstance(node, Mapping):
            field = self.field(self.short)
            value = field.kind.read(node, f'"{field.name}" in {self.name}', context)
            missing = [f.name for f in self.fields if f.required and f is not field]
            if missing:
                self._complain_of(missing, node.place, context)
                return MISSING
            values[field.name] = value
            return MISSING if value is MISSING else values
        if not isinstance(node, Mapping):
            word = node.text if isinstance(node, Scalar) else ""
            hint = did_you_mean(word, self.flags) if self.flags and word.isalpha() else ""
            context.report.add(
                node.place, f"{what} must be {self.article}, not {shown(node)}{hint}"
            )
            return MISSING
        known = {field.name: field for field in self.fields}
        for key, value_node in node.pairs.items():
            if key not in known:
                names = ", ".join(known) or "none"
                hint = did_you_mean(key, known) or f" (its fields: {names})"
                context.report.add(node.keys[key], f'unknown field "{key}" in {self.name}{hint}')
                continue
            value = known[key].kind.read(value_node, f'"{key}" in {self.name}', context)
            if value is not MISSING:
                values[key] = value
        missing = [f.name for f in self.fields if f.required and f.name not in node.pairs]
        self._complain_of(missing, node.place, context)
        self._count_alternatives(node, context)
        return values

    def _complain_of(self, missing: list[str], place: Place, context: Context) -> None:
        for name in missing:
            field = self.field(name)
            like = f", for example {name}: {field.example}" if field.example is not None else ""
            context.report.add(place, f'"{name}" is missing in {self.name}{like}')

    def _count_alternatives(self, node: Mapping, context: Context) -> None:
        given = [name for name in self.one_of if name in node.pairs]
        if not self.one_of or len(given) == 1:
            return
        names = ", ".join(self.one_of)
        if not given:
            context.report.add(node.place, f"{self.name} needs one of: {names}")
        for name in given[1:]:
            context.report.add(
                node.keys[name], f'"{name}" beside "{given[0]}": {self.name} takes one of {names}'
            )

    def schema(self) -> Json:
        """As JSON Schema; left-out fields and unknown ones as when reading."""
        described: Json = {
            "type": "object",
            "description": self.about,
            "additionalProperties": False,
            "properties": {field.name: field.schema() for field in self.fields},
        }
        required = [field.name for field in self.fields if field.required]
        if required:
            described["required"] = required
        words: list[Json] = [{"enum": list(self.flags)}] if self.flags else []
        short = [self.field(self.short).kind.schema()] if self.short else []
        if not words and not short:
            return described
        return {"anyOf": [*words, *short, described], "description": self.about}


class Chosen:
    """A component out of several, with its options.

    Attributes:
        name: Which.
        options: Its fields.
        place: Where it stands.
    """

    def __init__(
        self, name: str, options: dict[str, Any] | None = None, place: Place | None = None
    ) -> None:
        self.name = name
        self.options = options if options is not None else {}
        self.place = place or Place(1, 1)


class OneOf(Kind):
    """One component out of several: its name, or a mapping from its name to its options.

    Attributes:
        noun: What they are, for findings.
        components: The alternatives.
    """

    def __init__(self, noun: str, components: tuple[Component, ...]) -> None:
        self.noun = noun
        self.components = components

    @property
    def article(self) -> str:  # type: ignore[override]
        """For findings."""
        return "the name of one, or a name with options below it"

    def fill(self, default: Any) -> Any:
        """The component of that name, with its defaults."""
        return None if default is None else Chosen(default, self.component(default).defaults())

    def component(self, name: str) -> Component:
        """The component of that name."""
        return next(component for component in self.components if component.name == name)

    def read(self, node: Node, what: str, context: Context) -> Any:
        """Which one, with its options."""
        if isinstance(node, Mapping):
            return self._with_options(node, what, context)
        name = scalar_text(node, what, self.article, context)
        if name is None or isinstance(name, Missing):
            return name
        component = self._known(name, shown(node), node.place, context)
        if component is None:
            return MISSING
        needed = [field.name for field in component.fields if field.required]
        if needed:
            first = component.field(needed[0])
            context.report.add(
                node.place,
                f'{name} needs "{needed[0]}": write "{name}:" and below it, indented, '
                f'"{needed[0]}: {first.example if first.example is not None else "..."}"',
            )
            return MISSING
        return Chosen(name, component.defaults(), node.place)

    def _with_options(self, node: Mapping, what: str, context: Context) -> Any:
        names = {component.name for component in self.components}
        if len(node.pairs) != 1:
            self._explain(node, names, what, context)
            return MISSING
        ((name, options),) = node.pairs.items()
        component = self._known(name, f'"{name}"', node.keys[name], context)
        if component is None:
            return MISSING
        if isinstance(options, Scalar) and options.empty:
            options = Mapping(node.keys[name])
        values = component.read(options, component.name, context)
        return MISSING if values is MISSING else Chosen(name, values, node.keys[name])

    def _explain(self, node: Mapping, names: set[str], what: str, context: Context) -> None:
        mine = [key for key in node.pairs if key in names]
        if len(mine) != 1:
            context.report.add(
                node.place, f"{what} must be {self.article}, not {len(node.pairs)} keys"
            )
            return
        for key, place in node.keys.items():
            if key != mine[0]:
                context.report.add(
                    place, f'"{key}" stands beside "{mine[0]}"; indent it to make it an option'
                )

    def _known(
        self, name: str, as_written: str, place: Place, context: Context
    ) -> Component | None:
        found = [component for component in self.components if component.name == name]
        if found:
            return found[0]
        names = [component.name for component in self.components]
        hint = did_you_mean(name if type(name) is str else "", names)
        if ":" in name and "python" in names and type(name) is str:
            hint = f' (write "python: {name}")'
        if name in ("true", "false", "yes", "no", "on") and "off" in names:
            hint = f" (known: {', '.join(names)})"
        context.report.add(place, f"unknown {self.noun} {as_written}{hint}")
        return None

    def schema(self) -> Json:
        """As JSON Schema."""
        bare = [c.name for c in self.components if not any(f.required for f in c.fields)]
        with_options = [
            {
                "type": "object",
                "additionalProperties": False,
                "required": [component.name],
                "properties": {
                    component.name: {
                        "anyOf": [component.schema(), {"type": "null"}],
                        "description": component.about,
                    }
                },
            }
            for component in self.components
        ]
        return {"anyOf": [{"enum": bare}, *with_options] if bare else with_options}
