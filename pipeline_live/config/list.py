"""``pipeline-live list``: what a bot's file can say, as text, JSON or JSON Schema."""

from __future__ import annotations

import argparse
import sys

from pipeline_live.config import spec
from pipeline_live.config.components import Component, ListOf, OneOf
from pipeline_live.config.findings import did_you_mean
from pipeline_live.errors import UsageError

TYPE_CHECKING = False  # lint starts faster without the module typing
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pipeline_live.config.kinds import Kind

_INDENT = "  "


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``pipeline-live list`` to ``parser``."""
    parser.add_argument("name", nargs="?", help="show this component only, for example: speaker")
    parser.add_argument(
        "--format",
        choices=["text", "json", "jsonschema"],
        default="text",
        help="text for people, json for programs, jsonschema for editors (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Print the spec.

    Raises:
        UsageError: There is no component of that name.
    """
    import json

    if args.format == "jsonschema" and args.name is None:
        from pipeline_live.config.schema import json_schema

        sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
        return 0
    chosen = [
        (group, component)
        for group, component in components()
        if args.name in (None, component.name)
    ]
    if not chosen:
        names = sorted({component.name for _, component in components()})
        raise UsageError(f'no component "{args.name}"{did_you_mean(args.name, names)}')
    if args.format == "text":
        _print_text(chosen, full=args.name is not None)
    elif args.format == "json":
        described = [describe(group, component) for group, component in chosen]
        sys.stdout.write(json.dumps(described, indent=2) + "\n")
    else:
        sys.stdout.write(json.dumps(chosen[0][1].schema(), indent=2) + "\n")
    return 0


def components() -> Iterator[tuple[str, Component]]:
    """Every component of the spec with the group that it belongs to, the bot first."""
    yield "bot", spec.BOT
    yield from _below(spec.BOT)


def _below(component: Component) -> Iterator[tuple[str, Component]]:
    for field in component.fields:
        kind: Kind = field.kind
        if isinstance(kind, ListOf):
            kind = kind.item
        if isinstance(kind, OneOf):
            for choice in kind.components:
                yield kind.noun, choice
        elif isinstance(kind, Component):
            yield field.name, kind
            yield from _below(kind)


def describe(group: str, component: Component) -> dict[str, Any]:
    """A component as plain data."""
    return {
        "group": group,
        "name": component.name,
        "about": component.about,
        "builds": component.builds or None,
        "fields": [
            {
                "name": field.name,
                "kind": field.kind.article,
                "about": field.about,
                "required": field.required,
                "default": field.default,
            }
            for field in component.fields
        ],
    }


def _print_text(chosen: list[tuple[str, Component]], *, full: bool) -> None:
    before = ""
    for group, component in chosen:
        if group != before:
            sys.stdout.write(f"{group}\n")
            before = group
        sys.stdout.write(f"{_INDENT}{component.name:<22} {component.about}\n")
        if full or component is spec.BOT:
            for field in component.fields:
                note = " (required)" if field.required else ""
                if isinstance(field.default, str | int | float):
                    value = str(field.default).lower() if field.default in (True, False) else None
                    note = f" (default: {value or field.default})"
                sys.stdout.write(f"{_INDENT * 2}{field.name:<20} {field.about}{note}\n")
                sys.stdout.write(f"{_INDENT * 2}{'':<20} {field.kind.article}\n")
    if not full:
        sys.stdout.write("\npipeline-live list NAME shows the fields of one of them.\n")
