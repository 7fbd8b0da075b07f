"""A bot's file, read and checked: what one field cannot know about the others."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline_live.config import families, spec
from pipeline_live.config.components import Chosen
from pipeline_live.config.findings import Finding, Place, Report, did_you_mean
from pipeline_live.config.kinds import MISSING, Context
from pipeline_live.config.names import last_name
from pipeline_live.config.reading import Mapping as MappingNode
from pipeline_live.config.reading import Node, Scalar, Sequence, read
from pipeline_live.config.variables import as_written
from pipeline_live.errors import UsageError

TYPE_CHECKING = False  # lint starts faster without the module typing
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_PIPECAT_BASES = {
    "FrameProcessor": "processor",
    "VADAnalyzer": "VAD analyzer",
    "BaseAudioFilter": "audio filter",
    "BaseTransport": "transport",
}
_CREDENTIALS = {
    "twilio": ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"),
    "telnyx": ("TELNYX_API_KEY",),
    "plivo": ("PLIVO_AUTH_ID", "PLIVO_AUTH_TOKEN"),
}
_ORDER = ("mic", "silero_vad", "the model", "playback", "speaker")
_JSON_TYPES = ("string", "number", "integer", "boolean", "array", "object", "null")
_MODEL_NAMES = tuple(model.name for model in spec.MODELS)


class Bot:
    """A checked file.

    Attributes:
        path: The file.
        values: Every field of ``spec.BOT`` by name, defaults filled in.
    """

    def __init__(self, path: Path, values: dict[str, Any]) -> None:
        self.path = path
        self.values = values

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    @property
    def folder(self) -> Path:
        """Where the file lies; its paths and modules count from there."""
        return self.path.resolve().parent

    @property
    def model_step(self) -> Chosen:
        """The step of the model."""
        steps: list[Chosen] = self.values["pipeline"]
        return next(step for step in steps if step.name in _MODEL_NAMES)


def load(path: Path | str, environment: Mapping[str, str] | None = None) -> Bot:
    """Read and check a file; what ``lint`` finds is what this refuses.

    Args:
        path: The file.
        environment: Values of variables; the process's own when not given.

    Raises:
        ConfigError: With all findings.
        UsageError: The file cannot be read.
    """
    report, values = check_file(path, os.environ if environment is None else environment)
    report.raise_if_any()
    assert values is not None
    return Bot(Path(path), values)


def check_file(
    path: Path | str, environment: Mapping[str, str] | None
) -> tuple[Report, dict[str, Any] | None]:
    """Read and check a file.

    Args:
        path: The file.
        environment: Values of variables; None to take every variable as set.

    Raises:
        UsageError: The file cannot be read.
    """
    report = Report(str(path))
    return report, check_text(read_bytes(path), report, Path(path).parent, environment)


def read_bytes(path: Path | str) -> bytes:
    """The file's content.

    Raises:
        UsageError: It cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return file.read(4 * 2**20)
    except OSError as error:
        why = "there is no such file" if isinstance(error, FileNotFoundError) else error.strerror
        raise UsageError(f"{path}: {why}; name a bot's YAML file") from None


def check_text(
    text: str | bytes, report: Report, folder: Path, environment: Mapping[str, str] | None
) -> dict[str, Any] | None:
    """Check YAML text.

    Args:
        text: The text.
        report: Where findings go.
        folder: Where paths and Python modules count from.
        environment: Values of variables; None to take every variable as set.

    Returns:
        Every field of ``spec.BOT``; meaningful only when nothing was found.
    """
    node = read(text, report)
    if node is None:
        if not report.findings:
            report.add(Place(1, 1), "the file is empty; begin with instruction: You are ...")
        return None
    if isinstance(node, Scalar) and node.empty:
        report.add(node.place, "the file is empty; begin with instruction: You are ...")
        return None
    context = Context(report, environment, folder)
    values = spec.BOT.read(node, "a bot", context)
    if values is MISSING:
        return None
    assert isinstance(node, MappingNode)
    _Rules(node, values, context).check()
    return values  # type: ignore[no-any-return]


def findings_of(path: Path | str, environment: Mapping[str, str] | None = None) -> list[Finding]:
    """All findings of a file; none when it can be run.

    Raises:
        UsageError: The file cannot be read.
    """
    return check_file(path, os.environ if environment is None else environment)[0].findings


class _Rules:
    """Rules between fields. What a field's own kind complained about is not looked at again."""

    def __init__(self, node: MappingNode, values: dict[str, Any], context: Context) -> None:
        self._node = node
        self._values = values
        self._context = context
        self._report = context.report

    def check(self) -> None:
        """Apply all rules."""
        self._steps()
        self._model()
        self._voice()
        self._greeting()
        self._hanging_up()
        self._python_things()
        tools = self._tools()
        if tools is not None:
            self._tests(tools)

    def _place(self, *path: str | int) -> Place:
        """Where a value stands; the nearest one around it when it was left out."""
        node: Node = self._node
        for part in path:
            if isinstance(part, int) and not isinstance(node, Sequence):
                continue  # a single value, which stands for a list of one
            below: Node | None = None
            if isinstance(part, str) and isinstance(node, MappingNode):
                below = node.pairs.get(part)
            elif isinstance(part, int) and isinstance(node, Sequence) and part < len(node.items):
                below = node.items[part]
            if below is None:
                break
            node = below
        return node.place

    # --- the pipeline ----------------------------------------------------------------------------

    def _steps(self) -> None:
        steps: list[Chosen] = self._values["pipeline"]
        if any(not isinstance(step, Chosen) for step in steps):
            return  # some step is no step at all; the rest would only confuse
        seen: dict[str, Chosen] = {}
        furthest = -1
        for step in steps:
            kind = "the model" if step.name in _MODEL_NAMES else step.name
            if kind not in _ORDER:
                continue
            if kind in seen:
                self._report.add(step.place, f"a second {step.name}; a pipeline has one")
                continue
            seen[kind] = step
            rank = _ORDER.index(kind)
            if rank < furthest:
                self._report.add(
                    step.place,
                    f"{step.name} stands after {_ORDER[furthest]}, so it gets nothing to work "
                    f"with; the order is {', '.join(_ORDER)}",
                )
            furthest = max(furthest, rank)
        self._missing_steps(steps, seen)

    def _missing_steps(self, steps: list[Chosen], seen: dict[str, Chosen]) -> None:
        place = self._place("pipeline")
        if "the model" not in seen:
            self._report.add(place, "no model in the pipeline; add the step gemini_live")
            return
        names = [step.name for step in steps]
        model = next(n for n, step in enumerate(steps) if step.name in _MODEL_NAMES)
        if "mic" not in seen and "python" not in names[:model]:
            self._report.add(place, "nothing brings in the user's voice; add the step mic")
        if "speaker" not in seen and "python" not in names[model:]:
            self._report.add(place, "nothing lets the bot be heard; add the step speaker")

    # --- the model -------------------------------------------------------------------------------

    def _model(self) -> None:
        model = self._values["model"]
        if not isinstance(model, str):
            return
        objection = families.objection(model)
        if objection:
            self._report.add(self._place("model"), f'"model" in a bot: {objection}')
        family = families.family_of(model)
        steps = enumerate(self._values["pipeline"])
        for number, step in steps:
            if family is None or not isinstance(step, Chosen) or step.name not in _MODEL_NAMES:
                continue
            for refusal in family.refusals:
                value = step.options.get(refusal.field)
                if value is not None and refusal.refused(value):
                    self._report.add(
                        self._place("pipeline", number, step.name, refusal.field),
                        f'{family.name} does not take "{refusal.field}": {refusal.text}',
                    )

    def _voice(self) -> None:
        voice = self._values["voice"]
        if not isinstance(voice, str) or voice in families.KNOWN_VOICES:
            return
        by_lower = {known.lower(): known for known in families.KNOWN_VOICES}
        hint = did_you_mean(voice.lower() if type(voice) is str else "", by_lower)
        if "did you mean" in hint:
            known = by_lower[hint.split('"')[1]]
            self._report.add(
                self._place("voice"), f'unknown "voice" in a bot (did you mean "{known}"?)'
            )

    def _greeting(self) -> None:
        """The user is not heard before the greeting, and without one the bot waits for the user."""
        if "greeting" in self._node.pairs or "greeting" not in (
            self._values["uninterruptible"] or []
        ):
            return
        steps = [step.name for step in self._values["pipeline"] if isinstance(step, Chosen)]
        if "python" not in steps:  # which may speak first
            self._report.add(
                self._place("uninterruptible"),
                '"greeting" cannot be uninterruptible without a greeting: nobody would be heard; '
                "add greeting: Greet the caller.",
            )

    def _hanging_up(self) -> None:
        """Hanging up at the provider takes credentials, which Pipecat reads by itself."""
        transport = self._values["transport"]
        environment = self._context.environment
        if (
            not isinstance(transport, Chosen)
            or transport.name != "telephony"
            or environment is None
        ):
            return
        provider = transport.options["provider"]
        if not transport.options["hang_up"] or provider not in _CREDENTIALS:
            return
        missing = [name for name in _CREDENTIALS[provider] if not environment.get(name)]
        if missing:
            self._report.add(
                self._place("transport", "telephony", "hang_up"),
                f'"hang_up" with {provider} needs {" and ".join(missing)}; export them',
            )

    # --- Python ----------------------------------------------------------------------------------

    def _python_things(self) -> None:
        for number, step in enumerate(self._values["pipeline"]):
            if isinstance(step, Chosen) and step.name == "python":
                at = ("pipeline", number, "python")
                self._python(step, at, ("FrameProcessor", "VADAnalyzer", "BaseAudioFilter"), "step")
        transport = self._values["transport"]
        if isinstance(transport, Chosen) and transport.name == "python":
            self._python(transport, ("transport", "python"), (), "transport")

    def _python(
        self, chosen: Chosen, at: tuple[str | int, ...], bases: tuple[str, ...], role: str
    ) -> None:
        path = chosen.options.get("class")
        if not isinstance(path, str):
            return
        found = self._context.library.find(path)
        wanted = {*bases, "BaseTransport"}
        if found.kind == "class" and "?" not in found.bases and not found.bases & wanted:
            sorts = ", ".join(_PIPECAT_BASES[base] for base in sorted(wanted))
            self._report.add(
                self._place(*at, "class"),
                f"{as_written(path)} is no {role}: it must be a Pipecat {sorts}",
            )
            return
        self._arguments(path, chosen.options.get("args") or {}, (*at, "args"), self._place(*at))

    def _arguments(
        self, path: str, args: dict[str, Any], at: tuple[str | int, ...], place: Place
    ) -> None:
        """Compare arguments with what the class or function takes, objects among them too."""
        found = self._context.library.find(path)
        names = [parameter.name for parameter in found.parameters]
        short = last_name(path)
        for name, value in args.items():
            if name not in names and not found.open:
                where = self._key_place(at, name)
                hint = did_you_mean(name, names) or f" (it takes: {', '.join(names) or 'nothing'})"
                self._report.add(where, f'unknown argument "{name}" of {short}{hint}')
            self._object(value, (*at, name))
        if found.kind == "unknown":
            return
        for parameter in found.parameters:
            if parameter.required and parameter.name not in args:
                self._report.add(place, f'{short} needs "{parameter.name}" in its args')

    def _object(self, value: Any, at: tuple[str | int, ...]) -> None:
        """An argument; ``{python: module:name, ...}`` in it becomes an object."""
        if isinstance(value, list):
            for number, item in enumerate(value):
                self._object(item, (*at, number))
        elif isinstance(value, dict) and "python" not in value:
            for name, item in value.items():
                self._object(item, (*at, name))
        elif isinstance(value, dict):
            from pipeline_live.config.python_names import Unusable

            path = value["python"]
            place = self._place(*at, "python")
            if path is None and self._context.environment is None:
                return  # a variable that is taken as set
            if not isinstance(path, str) or ":" not in path:
                self._report.add(place, '"python" must be a name like module:name')
                return
            try:
                self._context.library.find(path)
            except Unusable as problem:
                self._report.add(place, f'"python": {problem}')
                return
            unknown = sorted(set(value) - {"python", "args"})
            for name in unknown:
                self._report.add(
                    self._key_place(at, name),
                    f'unknown field "{name}" beside "python"; arguments go into args',
                )
            args = value.get("args") or {}
            if not isinstance(args, dict):
                self._report.add(self._place(*at, "args"), '"args" must be a mapping')
            else:
                self._arguments(path, args, (*at, "args"), place)

    def _key_place(self, at: tuple[str | int, ...], name: str) -> Place:
        node: Node = self._node
        for part in at:
            if isinstance(part, str) and isinstance(node, MappingNode) and part in node.pairs:
                node = node.pairs[part]
            elif isinstance(part, int) and isinstance(node, Sequence) and part < len(node.items):
                node = node.items[part]
        if isinstance(node, MappingNode) and name in node.keys:
            return node.keys[name]
        return node.place

    # --- tools and tests -------------------------------------------------------------------------

    def _tools(self) -> dict[str, str] | None:
        """Names of the tools, each as it may be shown; None when some tool is not known."""
        names: dict[str, str] = {}
        tools = self._values["tools"] or []
        for number, tool in enumerate(tools):
            name = tool_name(tool) if isinstance(tool, Chosen) else None
            if name is None:
                return None
            assert isinstance(tool, Chosen)
            as_shown = last_name(tool.options.get("function") or tool.options.get("name") or name)
            if name in names:
                self._report.add(self._place("tools", number), f'a second tool named "{as_shown}"')
            names[name] = as_shown
            if tool.name == "http":
                self._parameters(tool, number)
        return names

    def _parameters(self, tool: Chosen, number: int) -> None:
        parameters = tool.options["parameters"]
        place = self._place("tools", number, "http", "parameters")
        if parameters is not None and (
            not isinstance(parameters, dict)
            or parameters.get("type") != "object"
            or not isinstance(parameters.get("properties"), dict)
        ):
            self._report.add(
                place, '"parameters" in http must be a JSON Schema: type: object, properties: ...'
            )
            return
        known = parameters["properties"] if parameters else {}
        if parameters:
            self._schema(parameters, ("tools", number, "http", "parameters"))
        import string

        url = tool.options["url"]
        template = as_written(url) if isinstance(url, str) else ""
        if "${" in template:
            return
        try:
            holes = [name for _, name, _, _ in string.Formatter().parse(template) if name]
        except ValueError:
            holes = []
        for name in holes:
            if name not in known:
                self._report.add(
                    self._place("tools", number, "http", "url"),
                    f'{{{name}}} in "url" is no parameter{did_you_mean(name, known)}',
                )

    def _schema(self, parameters: dict[str, Any], at: tuple[str | int, ...]) -> None:
        """What would otherwise be refused, or quietly misunderstood, in the middle of a call."""
        known = parameters["properties"]
        for name, described in known.items():
            place = self._place(*at, "properties", name)
            if described is MISSING:
                continue
            if not isinstance(described, dict):
                self._report.add(place, f'"{name}" must be a JSON Schema, for example type: string')
                continue
            kind = described.get("type")
            if isinstance(kind, str) and kind.lower() not in _JSON_TYPES:
                there = self._place(*at, "properties", name, "type")
                near = did_you_mean(kind if type(kind) is str else "", _JSON_TYPES)
                self._report.add(there, f'unknown type "{as_written(kind)}" of "{name}"{near}')
        required = parameters.get("required")
        if required is not None and not isinstance(required, list):
            self._report.add(
                self._place(*at, "required"), '"required" in parameters must be a list of names'
            )
            return
        for index, name in enumerate(required or ()):
            if name is not None and (not isinstance(name, str) or name not in known):
                near = did_you_mean(name if type(name) is str else "", known)
                self._report.add(
                    self._place(*at, "required", index),
                    f'"{as_written(name)}" in "required" is no parameter{near}',
                )

    def _tests(self, tools: dict[str, str]) -> None:
        names: set[str] = set()
        for number, test in enumerate(self._values["tests"] or []):
            if not isinstance(test, dict):
                continue
            name = test["name"]
            if isinstance(name, str) and name in names:
                self._report.add(
                    self._place("tests", number, "name"),
                    f'a second test named "{as_written(name)}"',
                )
            names.add(name)
            for tool in test["tool_results"] or {}:
                if tool not in tools:
                    place = self._key_place(("tests", number, "tool_results"), tool)
                    hint = did_you_mean(tool, tools.values()) or " (the bot has no tools)"
                    self._report.add(place, f'unknown tool "{tool}"{hint}')
            for index, reply in enumerate(test["replies"] or []):
                if isinstance(reply, dict):
                    self._reply(reply, ("tests", number, "replies", index), tools)
            for index, line in enumerate(test["conversation"] or []):
                if isinstance(line, dict):
                    self._expectations(line, ("tests", number, "conversation", index), tools)

    def _reply(
        self, reply: dict[str, Any], at: tuple[str | int, ...], tools: dict[str, str]
    ) -> None:
        self._known_tool(reply["call"], (*at, "call"), tools)
        if reply["args"] is not None and reply["call"] is None:
            self._report.add(self._place(*at, "args"), '"args" without "call" in reply')
        if reply["say"] is None and reply["call"] is None:
            self._report.add(self._place(*at), 'reply needs "say" or "call"')

    def _expectations(
        self, line: dict[str, Any], at: tuple[str | int, ...], tools: dict[str, str]
    ) -> None:
        written = self._place(*at, "expect")
        for index, expected in enumerate(line["expect"] or []):
            if not isinstance(expected, dict):
                continue
            self._known_tool(expected["tool_called"], (*at, "expect", index, "tool_called"), tools)
            if expected["with"] is not None and expected["tool_called"] is None:
                self._report.add(written, '"with" goes with "tool_called"')

    def _known_tool(self, name: Any, at: tuple[str | int, ...], tools: dict[str, str]) -> None:
        if isinstance(name, str) and name not in tools:
            near = did_you_mean(name if type(name) is str else "", tools.values())
            hint = near or " (the bot has no tools)"
            self._report.add(self._place(*at), f'unknown tool "{as_written(name)}"{hint}')


def tool_name(tool: Chosen) -> str | None:
    """What the model calls a tool; None when that is not known."""
    if tool.name == "python":
        function = tool.options.get("function")
        return function.partition(":")[2] if isinstance(function, str) else None
    if tool.name == "http":
        name = tool.options.get("name")
        return name if isinstance(name, str) else None
    return tool.name
