"""The reference page, made from the spec: ``python -m pipeline_live.config.reference``."""

from __future__ import annotations

import sys

from pipeline_live.config.components import Component, Field
from pipeline_live.config.faults import FAULT, TRIGGERS
from pipeline_live.config.list import components

_HEAD = """\
# Reference: a bot's file

Made from the spec by `python -m pipeline_live.config.reference`; `pipeline-live list` prints the
same in the terminal. How to write such a file is in the [guide](yaml.md).

A step, floor, interruption, transport, tool or fault is a name, or a name with options below it.
"""

_TITLES = {
    "bot": "The bot",
    "floor": "Floor",
    "interruption": "Interruption",
    "transport": "Transport",
    "step": "Steps of the pipeline",
    "tool": "Tools",
    "tests": "Tests",
    "replies": "Replies of a test",
    "conversation": "Lines of a conversation",
    "expect": "Expectations",
}


def page() -> str:
    """The page as Markdown."""
    parts = [_HEAD]
    before = ""
    for group, component in components():
        if group == FAULT.noun:
            continue
        if group != before:
            parts.append(f"## {_TITLES[group]}\n")
            before = group
        parts += _section(component, titled=group not in ("bot", "tests", "replies"))
    parts += ["## Faults\n", "Every fault takes these, and those given must all hold:\n"]
    parts.append(_table(TRIGGERS))
    common = {field.name for field in TRIGGERS}
    rows = [
        f"| `{fault.name}` | {_plain(fault.about)} | "
        f"{', '.join(_setting(field) for field in fault.fields if field.name not in common)} |"
        for fault in FAULT.components
    ]
    parts.append("\n".join(["| fault | what happens | settings |", "|---|---|---|", *rows]) + "\n")
    return "\n".join(parts)


def _section(component: Component, *, titled: bool) -> list[str]:
    parts = [f"### `{component.name}`\n"] if titled else []
    note = f" A single value stands for `{component.short}`." if component.short else ""
    if component.builds:
        note += f" Becomes `{component.builds.partition(':')[2]}`."
    parts.append(f"{component.about}{note}\n")
    if component.fields:
        parts.append(_table(component.fields))
    return parts


def _table(fields: tuple[Field, ...]) -> str:
    rows = [
        f"| `{field.name}` | {_plain(field.kind.article)} | {_default(field)} | "
        f"{_plain(field.about)} |"
        for field in fields
    ]
    head = ["| field | value | when left out | what it does |", "|---|---|---|---|"]
    return "\n".join([*head, *rows]) + "\n"


def _default(field: Field) -> str:
    if field.required:
        return "*required*"
    if field.default is None:
        return "not set"
    if isinstance(field.default, list):
        return ", ".join(f"`{item}`" for item in field.default)
    shown = str(field.default).lower() if isinstance(field.default, bool) else field.default
    return f"`{shown}`"


def _setting(field: Field) -> str:
    return f"`{field.name}: {field.default}`"


def _plain(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page())
