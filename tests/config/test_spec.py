"""The spec and what is made of it: schema, lists, new files. And how fast lint starts."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest
import yaml

from pipeline_live import config
from pipeline_live.cli import main
from pipeline_live.config import spec
from pipeline_live.config.components import Component, ListOf, OneOf
from pipeline_live.config.list import components
from pipeline_live.config.schema import FILE, json_schema

COMPONENTS = list(components())
SCHEMA = json_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def test_the_schema_that_is_shipped_is_the_specs() -> None:
    assert json.loads(FILE.read_text()) == SCHEMA, (
        "run: pipeline-live list --format jsonschema > pipeline_live/config/bot.schema.json"
    )
    VALIDATOR.check_schema(SCHEMA)


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("instruction: x", True),
        ("instruction: x\npipeline: [mic, gemini_live, {speaker: {volume: 2}}]", True),
        ("instruction: x\npipeline: [mic, gemini_live, {speaker: {volumee: 2}}]", False),
        ("instruction: x\npipeline: [mic, gemini_live, {speaker: {volume: 9}}]", False),
        ("instruction: x\npipeline: [mic, {speaker: {volume: '${VOLUME}'}}]", True),
        ("instruction: x\nlanguage: ${LANGUAGE}", True),
        ("instruction: x\nlanguage: english", False),
        ("instruction: x\nvoise: y", False),
        ("voice: Kore", False),
        ("instruction: x\ntests: [{name: a, conversation: [stop]}]", True),
        ("instruction: x\ntests: [{name: a, conversation: [stopp]}]", False),
    ],
)
def test_an_editor_sees_what_lint_sees(text: str, valid: bool) -> None:
    assert VALIDATOR.is_valid(yaml.safe_load(text)) is valid


def test_every_component_and_field_says_what_it_is() -> None:
    for _, component in COMPONENTS:
        assert component.about.endswith("."), component.name
        names = [field.name for field in component.fields]
        assert len(set(names)) == len(names)
        for field in component.fields:
            assert field.about.endswith("."), f"{component.name}.{field.name}"
            if field.required:
                assert field.example is not None, f"{component.name}.{field.name}"
    assert set(spec.EXPECT.one_of) <= {f.name for f in spec.EXPECT.fields}


def test_every_processor_of_the_package_can_be_a_step() -> None:
    """Each is a step, the end of a transport, or what an option or a wrapped filter becomes."""
    from pipecat.processors.frame_processor import FrameProcessor

    from pipeline_live import processors

    ends = {"MicSource", "FileSink", "Volume", "AudioFilter"}
    steps = {step.builds.partition(":")[2] for step in spec.STEPS.components}
    for name in processors.__all__:
        thing = getattr(processors, name)
        if isinstance(thing, type) and issubclass(thing, FrameProcessor):
            assert name in steps | ends, name


def test_list_shows_every_component(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    text = capsys.readouterr().out
    assert main(["list", "--format", "json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(item["group"], item["name"]) for item in listed] == [
        (group, component.name) for group, component in COMPONENTS
    ]
    for item in listed:
        assert item["about"] in text
    assert main(["list", "--format", "jsonschema"]) == 0
    assert json.loads(capsys.readouterr().out) == SCHEMA


def test_list_shows_one_component_with_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "speaker"]) == 0
    assert "volume" in capsys.readouterr().out
    assert main(["list", "speakr"]) == 2
    assert capsys.readouterr().err == (
        'pipeline-live list: no component "speakr" (did you mean "speaker"?)\n'
    )


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["mic,silero_vad,gemini_live,speaker"],
        ["mic,gemini_live_vertex,playback,speaker"],
        ["mic,python,gemini_live,speaker"],
        ["--full"],
        *(["--transport", transport.name] for transport in spec.TRANSPORT.components),
    ],
    ids=str,
)
def test_what_create_prints_has_no_findings(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["create", *arguments]) == 0
    path = tmp_path / "bot.yaml"
    path.write_text(capsys.readouterr().out)
    assert [str(finding) for finding in config.findings_of(path, {})] == []


def test_create_writes_short_bots(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["create"]) == 0
    assert len(capsys.readouterr().out.splitlines()) < 10


def test_create_full_mentions_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["create", "--full"]) == 0
    text = capsys.readouterr().out
    for component in (spec.GEMINI_LIVE, spec.PLAYBACK, spec.SPEAKER, spec.MIC):
        for field in component.fields:
            assert f"# {field.name}:" in text


@pytest.mark.parametrize(
    ("steps", "code", "says"),
    [
        ("mic,silero,gemini_live,speaker", 2, 'no step "silero" (did you mean "silero_vad"?)'),
        ("speaker,gemini_live,mic", 1, "created bot:6:5: gemini_live stands after speaker"),
    ],
)
def test_create_makes_no_bot_that_cannot_run(
    steps: str, code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["create", steps]) == code
    assert says in capsys.readouterr().err


def leaves(component: Component) -> list[OneOf]:
    kinds = [f.kind.item if isinstance(f.kind, ListOf) else f.kind for f in component.fields]
    return [kind for kind in kinds if isinstance(kind, OneOf)]


def test_the_names_of_alternatives_differ() -> None:
    for _, component in COMPONENTS:
        for kind in leaves(component):
            names = [choice.name for choice in kind.components]
            assert len(set(names)) == len(names)


def fastest(*statement: str) -> float:
    """Seconds that a fresh interpreter takes, the fastest of several."""
    times = []
    for _ in range(7):
        begun = time.perf_counter()
        subprocess.run([sys.executable, *statement], check=True, capture_output=True, timeout=50)
        times.append(time.perf_counter() - begun)
    return min(times)


def test_lint_takes_less_than_three_times_what_importing_yaml_takes(tmp_path: Path) -> None:
    path = tmp_path / "bot.yaml"
    path.write_text("instruction: x\npipeline: [mic, silero_vad, gemini_live, speaker]\n")
    lint = fastest("-c", f"from pipeline_live.cli import main; main(['lint', {str(path)!r}])")
    assert lint < 3 * fastest("-c", "import yaml")


def test_the_reference_page_is_the_specs() -> None:
    from pipeline_live.config.reference import page

    path = Path(__file__).parents[2] / "docs" / "yaml-reference.md"
    assert path.read_text() == page(), (
        "run: python -m pipeline_live.config.reference > docs/yaml-reference.md"
    )


def test_the_yaml_of_every_document_has_no_findings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each page beside the files that its fences are."""
    from documents import DOCUMENTS, ROOT, fences_of

    bots = 0
    for document in DOCUMENTS:
        folder = tmp_path / document.replace("/", "-")
        folder.mkdir()
        for fence in fences_of(document):
            bots += fence.language == "yaml"
            if fence.file_name is not None:
                (folder / fence.file_name).write_text(fence.text)
        page = folder / "page.md"
        page.write_text((ROOT / document).read_text())
        assert main(["lint", "--skip-env", str(page)]) == 0, capsys.readouterr().out
    assert bots >= 2


def test_what_the_guide_says_of_its_typos_is_what_lint_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from documents import fences_of

    fences = fences_of("docs/yaml.md")
    (typo,) = (fence for fence in fences if fence.file_name == "typo.yaml")
    (tmp_path / "typo.yaml").write_text(typo.text)
    monkeypatch.chdir(tmp_path)
    assert main(["lint", "typo.yaml"]) == 1
    assert capsys.readouterr().out in [fence.text for fence in fences]
