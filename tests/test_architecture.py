"""What the import contracts cannot see: what is really loaded, and rules about names and sizes."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import pipeline_live

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "pipeline_live"
LONGEST_FILE = 600


def loaded_by(statement: str) -> set[str]:
    """Names of all modules that a fresh interpreter holds after ``statement``."""
    shown = subprocess.run(
        [sys.executable, "-c", f"{statement}\nimport sys\nprint(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
        timeout=50,
    ).stdout
    return set(shown.splitlines()[-1].split())


def packages(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


# --- what is loaded -----------------------------------------------------------------------------


def test_importing_the_package_loads_next_to_nothing() -> None:
    foreign = packages(loaded_by("import pipeline_live")) - packages(loaded_by("pass"))
    assert foreign - set(sys.stdlib_module_names) == {"pipeline_live"}


@pytest.mark.parametrize("layer", ["session", "emulator", "report", "vad"])
def test_what_plain_programs_use_never_loads_pipecat(layer: str) -> None:
    loaded = packages(loaded_by(f"import pipeline_live.{layer}"))
    assert "pipecat" not in loaded
    assert layer == "session" or "google" not in loaded


def test_a_live_client_never_loads_pipecat() -> None:
    loaded = packages(loaded_by("from pipeline_live import LiveClient"))
    assert "google" in loaded
    assert "pipecat" not in loaded


def test_the_turn_core_loads_the_standard_library_only_and_no_loop() -> None:
    loaded = loaded_by("import pipeline_live.turn")
    assert packages(loaded) - packages(loaded_by("pass")) <= sys.stdlib_module_names | {
        "pipeline_live"
    }
    for impure in ("asyncio", "logging", "random", "socket", "threading", "numpy", "google"):
        assert impure not in loaded - loaded_by("pass"), impure
    ours = {name for name in loaded if name.startswith("pipeline_live.")}
    assert {name.split(".")[1] for name in ours} == {"turn"}


HEAVY = {"google", "pipecat", "numpy", "onnxruntime", "hibari", "PIL", "loguru", "asyncio"}


def test_the_command_line_starts_without_the_heavy_packages() -> None:
    assert not packages(loaded_by("import pipeline_live.cli")) & HEAVY


@pytest.mark.parametrize("command", ["lint --skip-env README.md", "list", "create", "eject"])
def test_what_only_reads_bots_loads_next_to_nothing(command: str, tmp_path: Path) -> None:
    words = command.split()
    if command == "eject":
        (tmp_path / "bot.yaml").write_text("instruction: x\n")
        words.append(str(tmp_path / "bot.yaml"))
    loaded = packages(loaded_by(f"from pipeline_live.cli import main\nassert main({words!r}) == 0"))
    assert "yaml" in loaded
    assert not loaded & (
        (HEAVY if command != "eject" else {"pipecat", "google", "numpy"}) | {"websockets"}
    )


# --- public names -------------------------------------------------------------------------------


def test_the_public_names_are_sorted_and_lead_somewhere() -> None:
    names = pipeline_live.__all__
    assert names == sorted(names)
    for name in names:
        home = importlib.import_module(pipeline_live._HOMES[name])
        assert getattr(pipeline_live, name) is getattr(home, name)
        assert name in home.__all__
    assert set(pipeline_live._HOMES) == set(names)


def test_the_type_checker_sees_the_same_public_names() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    [guarded] = [
        node for node in tree.body if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node)
    ]
    seen = {
        alias.name: node.module
        for node in guarded.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == pipeline_live._HOMES


def test_the_readme_lists_the_public_names() -> None:
    section = (ROOT / "README.md").read_text().partition("## Names")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == pipeline_live.__all__


@pytest.mark.parametrize(
    "layer", ["builder", "config", "emulator", "processors", "report", "session", "turn"]
)
def test_each_folder_exports_what_it_says(layer: str) -> None:
    module = importlib.import_module(f"pipeline_live.{layer}")
    assert len(set(module.__all__)) == len(module.__all__)
    for name in module.__all__:
        assert hasattr(module, name)


# --- processors ---------------------------------------------------------------------------------


def test_each_processor_says_how_frames_fare() -> None:
    from pipecat.processors.frame_processor import FrameProcessor

    from pipeline_live import processors

    for name in processors.__all__:
        thing = getattr(processors, name)
        said = " ".join((thing.__doc__ or "").split())
        assert said, f"{name} has no docstring"
        if not inspect.isclass(thing) or not issubclass(thing, FrameProcessor):
            continue
        if said.startswith("The same over"):
            continue
        for part in ("Passes through: ", "Adds: ", "On interruption"):
            assert part in said, f"{name} does not say {part!r}"


def private_names(cls: type) -> set[str]:
    """Private names that a class defines, or sets on ``self``."""
    names = set()
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(cls)))):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.add(name)
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                names.add(name)
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case ast.Assign(targets=[ast.Name(id=name)]):
                names.add(name)
            case _:
                pass
    return {name for name in names if name.startswith("_") and not name.endswith("__")}


# What Pipecat's base leaves to create_client() to set; everything else goes through
# processors/compatibility.py.
SEAM = {"_client"}


def our_pipecat_classes() -> list[type]:
    """Classes in ``processors`` with a base class in Pipecat."""
    found = {}
    for path in (PACKAGE / "processors").glob("*.py"):
        stem = "" if path.stem == "__init__" else f".{path.stem}"
        module = importlib.import_module(f"pipeline_live.processors{stem}")
        for thing in vars(module).values():
            if inspect.isclass(thing) and thing.__module__ == module.__name__:
                found[thing] = any(base.__module__.startswith("pipecat.") for base in thing.__mro__)
    return [cls for cls, inherits in found.items() if inherits]


def test_our_private_names_never_meet_those_of_pipecat() -> None:
    """Neither on purpose, which compatibility.py is for, nor by accident."""
    checked = set()
    for cls in our_pipecat_classes():
        theirs: set[str] = set()
        for base in cls.__mro__:
            if base.__module__.startswith("pipecat."):
                theirs |= private_names(base)
        assert private_names(cls) & theirs <= SEAM, cls.__name__
        checked.add(cls.__name__)
    assert {"_Live", "MicSource", "Playback", "SileroVAD", "FileSink"} <= checked


def test_only_compatibility_touches_private_names_of_others() -> None:
    """``x._name`` with x anything but ``self`` or ``cls``, and ``super()._name``."""
    found = []
    for path in sorted((PACKAGE / "processors").glob("*.py")):
        if path.name == "compatibility.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Attribute) or not re.match(r"_[a-z]", node.attr):
                continue
            if isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"):
                continue
            found.append(f"{path.name}:{node.lineno}: {ast.unparse(node)}")
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pipecat"):
                found += [
                    f"{path.name}: {alias.name}"
                    for alias in node.names
                    if alias.name.startswith("_")
                ]
    assert not found


# --- files --------------------------------------------------------------------------------------


def test_no_file_is_too_long() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in PACKAGE.rglob("*.py")
    }
    assert lengths
    assert {name: n for name, n in lengths.items() if n > LONGEST_FILE} == {}


# Pieces, so that this file does not find itself.
DEVELOPERS_OWN = re.compile(
    "|".join(
        (
            r"(?<![\w.:/-])/" + r"(?:home|Users|root|work|srv|mnt)/\w",
            r"[A-Z]:\\" + r"Users",
            r"(?:extra-)?index-" + r"url",
            r"PIP_(?:EXTRA_)?" + "INDEX",
            r"://(?!pypi\.org)[\w.-]*(?:py" + r"pi|regis" + r"try|mir" + r"ror)",
            r"artifact" + r"ory|\bnex" + r"us\b|dev" + r"pi\b|/simp" + r"le\b",
        )
    )
)


def test_no_tracked_file_knows_a_developers_machine() -> None:
    """No absolute path of somebody's disk, no package registry of somebody's network."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    found = []
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        if not path.is_file():
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [
            f"{name}:{number}: {match[0]}"
            for number, line in enumerate(text.splitlines(), 1)
            if (match := DEVELOPERS_OWN.search(line))
        ]
    assert not found
