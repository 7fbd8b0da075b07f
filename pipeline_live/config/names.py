"""``module:name`` as a kind of value: looked up without running it."""

from __future__ import annotations

import re

from pipeline_live.config.kinds import MISSING, Context, Kind, Text, scalar_text, shown
from pipeline_live.config.variables import as_written

TYPE_CHECKING = False  # lint starts faster without the module typing
if TYPE_CHECKING:
    from typing import Any

    from pipeline_live.config.kinds import Json
    from pipeline_live.config.python_names import Found
    from pipeline_live.config.reading import Node

FUNCTION_NAME = r"[A-Za-z_][A-Za-z0-9_]{0,63}"
_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_TYPES = ("str", "int", "float", "bool", "list", "dict", "Literal", "Optional", "Annotated", "None")


class PythonName(Kind):
    """A class or function, as ``module:name``.

    Attributes:
        kinds: What it may be.
        tool: It is a function for the model: it needs a docstring and type hints.
    """

    def __init__(self, kinds: tuple[str, ...], tool: bool = False) -> None:
        self.kinds = kinds
        self.tool = tool

    article = "a name like module:name"

    def read(self, node: Node, what: str, context: Context) -> Any:
        """The name."""
        text = scalar_text(node, what, self.article, context)
        if text is None or text is MISSING:
            return text
        assert isinstance(text, str)
        if not _PATH.fullmatch(text):
            context.report.add(node.place, f"{what} must be {self.article}, not {shown(node)}")
            return MISSING
        from pipeline_live.config.python_names import Unusable

        try:
            found = context.library.find(text)
        except Unusable as problem:
            context.report.add(node.place, f"{what}: {problem}")
            return MISSING
        if found.kind != "unknown" and found.kind not in self.kinds:
            context.report.add(
                node.place, f"{what}: {shown(node)} is a {found.kind}, not a {self.kinds[0]}"
            )
            return MISSING
        if self.tool and (problem_text := _no_tool(found)):
            context.report.add(node.place, f"{what}: {problem_text}")
            return MISSING
        return text

    def schema(self) -> Json:
        """As JSON Schema."""
        return Text(pattern=_PATH.pattern).schema()


def last_name(path: str) -> str:
    """What stands behind the colon, to be shown; all that stands in the file with a variable."""
    return path.rpartition(":")[2] if type(path) is str else as_written(path)


def _no_tool(found: Found) -> str:
    """Why the model could not call this function; empty when it can."""
    if found.kind == "unknown" or found.open and not found.parameters:
        return ""
    name = last_name(found.path)
    if not found.docstring.strip():
        return f"{name} has no docstring; the model knows from it when to call it"
    for parameter in found.parameters:
        if parameter.annotation.rpartition(".")[2] == "FunctionCallParams":
            continue
        if not parameter.annotation:
            return f"parameter {parameter.name} of {name} has no type hint; for example: str"
        words = set(
            re.findall(r"[A-Za-z_]\w*", re.sub(r"Literal\[[^\]]*\]", "", parameter.annotation))
        )
        words -= {"typing", "t", "Any"}
        if "Annotated" in words:
            continue
        strange = sorted(words - {*_TYPES} - found.aliases)
        if strange:
            return (
                f"parameter {parameter.name} of {name} is a {parameter.annotation}; the model can "
                "give str, int, float, bool, list, dict and Literal"
            )
    return ""
