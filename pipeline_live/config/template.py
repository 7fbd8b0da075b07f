"""The text of a bot's file to begin with; what it may hold comes from the spec."""

from __future__ import annotations

from pathlib import Path

from pipeline_live.config import spec
from pipeline_live.config.check import check_text
from pipeline_live.config.components import Component, Field, ListOf, OneOf
from pipeline_live.config.findings import Report, did_you_mean
from pipeline_live.errors import UsageError

_INSTRUCTION = "You are a friendly assistant on the phone. Answer in one or two sentences."
_GREETING = "Greet the caller in one short sentence."


def bot_yaml(steps: str | None, *, transport: str | None = None, full: bool = False) -> str:
    """The text of a bot's file.

    Args:
        steps: Steps with commas between them; None for the usual ones, which then need no line.
        transport: How people talk to it; None leaves the line out.
        full: Also write every option that was left out, as a comment.

    Raises:
        UsageError: There is no such step.
        ConfigError: No bot can be made of these steps in this order.
    """
    lines = [
        "name: assistant",
        f"instruction: {_INSTRUCTION}",
        f"greeting: {_GREETING}",
    ]
    if transport is not None:
        lines += _choice("transport", spec.TRANSPORT, transport)
    if steps is not None or full:
        lines.append("pipeline:")
        for step in _steps(steps):
            lines += _step(step, full=full)
    if full:
        lines += _comments(spec.BOT, "", {"name", "instruction", "greeting", "pipeline"})
    text = "\n".join(lines) + "\n"
    report = Report("created bot")
    check_text(text, report, Path(), None)
    report.raise_if_any()
    return text


def _steps(steps: str | None) -> list[Component]:
    names = [name.strip() for name in steps.split(",")] if steps else list(spec.DEFAULT_STEPS)
    known = [step.name for step in spec.STEPS.components]
    for name in names:
        if name not in known:
            raise UsageError(f'no step "{name}"{did_you_mean(name, known)}')
    return [spec.STEPS.component(name) for name in names]


def _step(step: Component, *, full: bool) -> list[str]:
    needed = [field for field in step.fields if field.required]
    comments = _comments(step, "      ", {field.name for field in needed}) if full else []
    if not needed and not comments:
        return [f"  - {step.name}"]
    return [f"  - {step.name}:", *(_line(field, "      ") for field in needed), *comments]


def _choice(name: str, kind: OneOf, chosen: str) -> list[str]:
    needed = [field for field in kind.component(chosen).fields if field.required]
    if not needed:
        return [f"{name}: {chosen}"]
    return [f"{name}:", f"  {chosen}:", *(_line(field, "    ") for field in needed)]


def _line(field: Field, indent: str) -> str:
    return f"{indent}{field.name}: {field.example}"


def _comments(component: Component, indent: str, done: set[str]) -> list[str]:
    lines = []
    for field in component.fields:
        value = field.default if field.default is not None else field.example
        if field.name in done or isinstance(field.kind, ListOf) and value is None:
            continue
        shown = str(value).lower() if isinstance(value, bool) else value
        lines.append(f"{indent}# {field.name}: {'' if shown is None else shown}  # {field.about}")
    return lines
