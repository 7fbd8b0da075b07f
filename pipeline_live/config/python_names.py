"""``module:name`` without importing it: is it there, what is it, what does it take.

Importing a bot's modules would run them, and importing Pipecat takes seconds; so modules are found
on the path and their source is read. What cannot be told that way (compiled modules, names made
while running) is taken as right.
"""

from __future__ import annotations

import ast
import importlib.machinery
import sys
from pathlib import Path

from pipeline_live.config.variables import as_written

_LONGEST = 2_000_000
_Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


class Unusable(Exception):
    """There is no such thing, or not of that sort; the text says why."""


class Parameter:
    """What a function takes.

    Attributes:
        name: Its name.
        required: It has no default.
        annotation: Its type as written; empty without one.
    """

    def __init__(self, name: str, required: bool, annotation: str = "") -> None:
        self.name = name
        self.required = required
        self.annotation = annotation


class Found:
    """What stands behind ``module:name``.

    Attributes:
        path: ``module:name`` as written.
        kind: "class", "function", "coroutine function", or "unknown" when the source does not say.
        parameters: What it takes, without ``self``.
        open: It takes keywords that cannot be known from the source.
        bases: Names of all base classes that were found.
        docstring: The first string in it.
        aliases: Names that its module assigns; a type hint among them can be anything.
    """

    def __init__(
        self,
        path: str,
        kind: str = "unknown",
        parameters: tuple[Parameter, ...] = (),
        open: bool = True,
        bases: frozenset[str] = frozenset(),
        docstring: str = "",
        aliases: frozenset[str] = frozenset(),
    ) -> None:
        self.path = path
        self.kind = kind
        self.parameters = parameters
        self.open = open
        self.bases = bases
        self.docstring = docstring
        self.aliases = aliases


class _Module:
    def __init__(self, name: str, folder: str = "") -> None:
        self.name = name
        self.folder = folder  # of a package
        self.tree: ast.Module | None = None
        self.names: dict[str, _Definition | tuple[str, str] | None] = {}
        self.made_up = False  # a module-level __getattr__ answers for names


class Library:
    """Finds modules in a folder first, then on Python's path.

    Args:
        folder: Folder of the bot's file.
    """

    def __init__(self, folder: Path) -> None:
        self._path = [str(folder), *(entry for entry in sys.path if entry)]
        self._modules: dict[str, _Module] = {}

    def find(self, path: str) -> Found:
        """Look at ``module:name``.

        Raises:
            Unusable: It is not there.
        """
        module_name, _, name = path.partition(":")
        try:
            module = self._module(module_name)
            self._need_imports(module)
            return Found(path) if module.tree is None else self._describe(path, module, name, 0)
        except Unusable:
            if type(path) is str:
                raise
            raise Unusable(f'"{as_written(path)}" leads to nothing that can be imported') from None

    def _describe(self, path: str, module: _Module, name: str, depth: int) -> Found:
        if name not in module.names:
            if module.made_up or self._is_submodule(module, name):
                return Found(path)
            from pipeline_live.config.findings import did_you_mean

            hint = did_you_mean(name, module.names)
            near = hint if "did you mean" in hint else ""
            raise Unusable(f"module {module.name} has no {name}{near}")
        what = module.names[name]
        if what is None or depth > 8 or (isinstance(what, tuple) and not what[1]):
            return Found(path)
        if isinstance(what, tuple):
            try:
                other = self._module(what[0])
            except Unusable:
                return Found(path)
            if other.tree is None:
                return Found(path)
            return self._describe(path, other, what[1], depth + 1)
        if isinstance(what, ast.ClassDef):
            return self._class(path, module, what, depth)
        kind = "coroutine function" if isinstance(what, ast.AsyncFunctionDef) else "function"
        parameters, is_open = _parameters(what, skip_first=False)
        plain = not what.decorator_list
        return Found(
            path,
            kind,
            parameters,
            is_open or not plain,
            docstring=ast.get_docstring(what) or "",
            aliases=frozenset(name for name, value in module.names.items() if value is None),
        )

    def _class(self, path: str, module: _Module, what: ast.ClassDef, depth: int) -> Found:
        bases: set[str] = set()
        above: list[Found] = []
        for base in what.bases:
            base = base.value if isinstance(base, ast.Subscript) else base
            name = ast.unparse(base)
            bases.add(name.rpartition(".")[2])
            if isinstance(base, ast.Name):
                try:
                    above.append(self._describe(path, module, base.id, depth + 1))
                except Unusable:
                    above.append(Found(path))
            else:
                above.append(Found(path))
        for found in above:
            bases |= found.bases
        own = next(
            (n for n in what.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None
        )
        unknown_above = any(found.kind == "unknown" for found in above)
        if unknown_above:
            bases.add("?")
        if own is None:
            first = above[0] if above else None
            if first is None or what.decorator_list:
                return Found(path, "class", bases=frozenset(bases), open=bool(what.decorator_list))
            return Found(path, "class", first.parameters, first.open, frozenset(bases))
        parameters, passes_on = _parameters(own, skip_first=True)
        is_open = False
        if passes_on:
            mine = {parameter.name for parameter in parameters}
            for found in above:
                parameters += tuple(
                    Parameter(p.name, False, p.annotation)
                    for p in found.parameters
                    if p.name not in mine
                )
            is_open = not above or any(found.open for found in above)
        return Found(
            path, "class", parameters, is_open, frozenset(bases), ast.get_docstring(what) or ""
        )

    def _is_submodule(self, module: _Module, name: str) -> bool:
        if not module.folder:
            return False
        return (
            importlib.machinery.PathFinder.find_spec(f"{module.name}.{name}", [module.folder])
            is not None
        )

    def _module(self, name: str) -> _Module:
        if name not in self._modules:
            self._modules[name] = self._load(name)
        return self._modules[name]

    def _load(self, name: str) -> _Module:
        path: list[str] | None = self._path
        spec = None
        parts = name.split(".")
        if parts[0] in sys.builtin_module_names:
            return _Module(name)
        for number in range(1, len(parts) + 1):
            partial = ".".join(parts[:number])
            spec = None if path is None else importlib.machinery.PathFinder.find_spec(partial, path)
            if spec is None:
                where = "" if number == 1 else f" in {'.'.join(parts[: number - 1])}"
                raise Unusable(f"there is no module {parts[number - 1]}{where}")
            locations = spec.submodule_search_locations
            path = list(locations) if locations is not None else None
        assert spec is not None
        module = _Module(name, path[0] if path else "")
        origin = spec.origin or ""
        if origin.endswith(".py"):
            module.tree = _parse(Path(origin))
            _collect(module.tree.body, module)
        return module

    def _need_imports(self, module: _Module) -> None:
        """A module whose own imports are missing cannot be imported."""
        for name in _needed(module.tree.body if module.tree is not None else ()):
            if name in sys.stdlib_module_names or name in sys.builtin_module_names:
                continue
            if importlib.machinery.PathFinder.find_spec(name, self._path) is None:
                raise Unusable(f"module {module.name} needs {name}, which is not installed")


def _parse(path: Path) -> ast.Module:
    try:
        source = path.read_bytes()
        if len(source) > _LONGEST:
            return ast.Module([], [])
        return ast.parse(source)
    except OSError as error:
        raise Unusable(f"{path.name} cannot be read ({error.strerror or error})") from None
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        raise Unusable(f"{path.name}{f', line {line}' if line else ''}: {error}") from None


def _collect(body: list[ast.stmt], module: _Module) -> None:
    """Note every name that the statements define at module level."""
    for node in body:
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                module.names[node.name] = node
                module.made_up = module.made_up or node.name == "__getattr__"
            case ast.Import():
                for alias in node.names:
                    module.names[alias.asname or alias.name.partition(".")[0]] = (alias.name, "")
            case ast.ImportFrom():
                source = _absolute(node, module)
                for alias in node.names:
                    if alias.name == "*":
                        module.made_up = True
                    module.names[alias.asname or alias.name] = (source, alias.name)
            case ast.Assign() | ast.AnnAssign():
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for target in targets:
                    for part in ast.walk(target):
                        if isinstance(part, ast.Name):
                            module.names[part.id] = None
            case ast.If() | ast.Try() | ast.With() | ast.For() | ast.While():
                for field_name in ("body", "orelse", "finalbody"):
                    _collect(getattr(node, field_name, []), module)
                for handler in getattr(node, "handlers", []):
                    _collect(handler.body, module)
            case _:
                pass


def _absolute(node: ast.ImportFrom, module: _Module) -> str:
    if not node.level:
        return node.module or ""
    package = module.name if module.folder else module.name.rpartition(".")[0]
    for _ in range(node.level - 1):
        package = package.rpartition(".")[0]
    return ".".join(filter(None, (package, node.module)))


def _needed(body: list[ast.stmt] | tuple[()]) -> list[str]:
    """Top-level packages without which the module cannot be imported."""
    names: list[str] = []
    for node in body:
        match node:
            case ast.Import():
                names += [alias.name.partition(".")[0] for alias in node.names]
            case ast.ImportFrom(level=0, module=str(module)):
                names.append(module.partition(".")[0])
            case ast.Try() if all(_gives_up(handler) for handler in node.handlers):
                names += _needed(node.body)
            case _:
                pass
    return names


def _gives_up(handler: ast.ExceptHandler) -> bool:
    return any(isinstance(node, ast.Raise) for node in handler.body)


def _parameters(
    function: ast.FunctionDef | ast.AsyncFunctionDef, *, skip_first: bool
) -> tuple[tuple[Parameter, ...], bool]:
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = len(positional) - len(arguments.defaults)
    found = [
        Parameter(argument.arg, number < defaults, _annotation(argument))
        for number, argument in enumerate(positional)
    ]
    found = found[1:] if skip_first else found
    found += [
        Parameter(argument.arg, default is None, _annotation(argument))
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    return tuple(found), arguments.kwarg is not None


def _annotation(argument: ast.arg) -> str:
    return ast.unparse(argument.annotation) if argument.annotation is not None else ""
