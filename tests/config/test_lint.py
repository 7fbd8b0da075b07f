"""Every finding: where, what, and that nobody's secrets are in it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from bad_bots import BAD, ENVIRONMENT, MODULES, Bad

from pipeline_live import config
from pipeline_live.cli import main
from pipeline_live.config import reading
from pipeline_live.config.check import check_text
from pipeline_live.config.findings import Report
from pipeline_live.errors import ConfigError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the Python modules that bad bots name."""
    folder = tmp_path_factory.mktemp("bots")
    for name, text in MODULES.items():
        (folder / name).write_text(text)
    return folder


def findings(text: str | bytes, folder: Path = Path(), **environment: str) -> list[str]:
    """What is found in a text, without the file's name."""
    report = Report("bot.yaml")
    check_text(text, report, folder, environment)
    return [str(finding).removeprefix("bot.yaml:") for finding in report.findings]


@pytest.mark.parametrize("bad", BAD, ids=[bad.name for bad in BAD])
def test_each_bad_bot_has_exactly_its_findings(bad: Bad, folder: Path) -> None:
    assert findings(bad.text, folder, **ENVIRONMENT) == list(bad.findings)


@pytest.mark.parametrize("bad", BAD, ids=[bad.name for bad in BAD])
def test_lint_and_loading_refuse_the_same(
    bad: Bad, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    path = folder / "bot.yaml"
    path.write_bytes(bad.text if isinstance(bad.text, bytes) else bad.text.encode())
    expected = [f"{path}:{finding}" for finding in bad.findings]
    assert main(["lint", str(path)]) == 1
    assert capsys.readouterr().out.splitlines() == expected
    with pytest.raises(ConfigError) as refused:
        config.load(path)
    assert refused.value.findings == expected


GOOD = {
    "one line": "instruction: Be kind.\n",
    "a step without options": "instruction: x\npipeline: [mic, gemini_live, {speaker: }]\n",
    "words that YAML 1.1 misreads": "instruction: x\nname: no\nlanguage: no\ninterruption: off\n",
    "a variable with a default": "instruction: Be ${HOW:-kind}.\nmodel: ${M:-gemini-3.8-live}\n",
    "a number out of a variable": 'instruction: x\nfloor: {local: {end_ms: "${END:-700}"}}\n',
    "a provider alone": "instruction: x\ntransport: {telephony: plivo}\n",
    "literal signs": "instruction: Say $${NAME}.\n",
    "anchors": "instruction: x\nfloor:\n  local: &waits\n    end_ms: 900\n",
    "merge": """
instruction: x
tests:
  - &base {name: a, seed: 1, conversation: [stop]}
  - <<: *base
    name: b
""",
    "byte order mark": b"\xef\xbb\xbfinstruction: x\n",
    "letters of many languages": "instruction: |\n  \u0645\u06cc\u200c\u062e\u0648\n"
    "  \u3053\u3093\u306b\u3061\u306f\u3000\u4e16\u754c\n  Bonjour\u202f!\n  soft\u00adhyphen\n"
    "  \U0001f469\u200d\U0001f4bb \U0001fae8 \U0001fadf\n",
    "windows lines": "instruction: x\r\nname: y\r\n",
    "a processor of Pipecat": """
instruction: x
pipeline:
  - mic
  - gemini_live
  - python: pipecat.processors.logger:FrameLogger
  - speaker
""",
    "a VAD, a filter, arguments and objects": """
instruction: x
pipeline:
  - mic
  - python: pipecat.audio.vad.silero:SileroVADAnalyzer
  - python:
      class: pipecat.processors.audio.vad_processor:VADProcessor
      args:
        vad_analyzer:
          python: pipecat.audio.vad.silero:SileroVADAnalyzer
          args: {sample_rate: 16000}
  - gemini_live
  - speaker
""",
    "a transport of Pipecat as the ends": """
instruction: x
transport:
  python:
    class: pipecat.transports.websocket.server:WebsocketServerTransport
    args:
      params: {python: "pipecat.transports.websocket.server:WebsocketServerParams"}
""",
    "thinking where it is known": "instruction: x\nmodel: gemini-3.1-flash-live-preview\n"
    "pipeline: [mic, {gemini_live: {thinking_level: minimal}}, speaker]\n",
    "a model that nobody knows yet": "instruction: x\nmodel: gemini-4-live\n"
    "pipeline: [mic, {gemini_live: {thinking_level: low, modality: text}}, speaker]\n",
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_a_good_bot_has_no_findings(text: str | bytes) -> None:
    assert findings(text) == []


def test_a_norwegian_bot_is_not_false() -> None:
    report = Report("bot.yaml")
    values = check_text("instruction: x\nlanguage: no\ninterruption: off\n", report, Path(), {})
    assert values is not None
    assert values["language"] == "no"
    assert values["interruption"].name == "off"


def test_secrets_are_never_shown() -> None:
    for bad in BAD:
        shown = "\n".join(findings(bad.text, **ENVIRONMENT))
        for secret in ENVIRONMENT.values():
            assert secret not in shown


def test_a_variable_that_is_set_to_nothing_takes_the_default() -> None:
    report = Report("bot.yaml")
    values = check_text("instruction: ${A:-x}${B}y\n", report, Path(), {"A": "", "B": ""})
    assert values is not None
    assert values["instruction"] == "xy"
    assert values["instruction"].template == "${A:-x}${B}" + "y"


def test_a_value_cannot_bring_structure_with_it() -> None:
    hostile = "x\nfloor: local"
    assert findings("instruction: ${HOSTILE}\n", HOSTILE=hostile) == []
    report = Report("bot.yaml")
    values = check_text("instruction: ${HOSTILE}\n", report, Path(), {"HOSTILE": hostile})
    assert values is not None
    assert values["instruction"] == hostile
    assert values["floor"].name == "server"


def test_without_an_environment_every_variable_counts_as_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bot.yaml"
    path.write_text(
        "instruction: ${NOBODY_SETS_THIS}\nfloor: {local: {end_ms: '${NOR_THIS}'}}\n"
        "pipeline: [mic, {python: {class: 'pipecat.processors.logger:FrameLogger',\n"
        "  args: {prefix: {python: '${NOR_THAT}'}}}}, gemini_live, speaker]\n"
    )
    assert main(["lint", str(path)]) == 1
    capsys.readouterr()
    assert main(["lint", "--skip-env", str(path)]) == 0
    assert capsys.readouterr().out == "1 bot checked, nothing found\n"


# --- hostile documents --------------------------------------------------------------------------

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 10)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=False)
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[" * 100_000, "nested deeper than"),
        ("a: " + "{a: " * 50_000, "nested deeper than"),
        ("- " * 50_000, "nested deeper than"),
        (LAUGHS, "more than"),
        ("a: &a [x]\n" + "b: [" + "*a, " * 20_000 + "]", "more than"),
        ("- x\n" * 40_000, "more than"),
        ("x" * 300_000, "larger than"),
        ("a: 'x" + "y" * 200_000, "not YAML"),
    ],
    ids=["lists", "mappings", "dashes", "laughs", "many aliases", "many", "large", "open quote"],
)
def test_a_hostile_document_is_one_finding(text: str, says: str) -> None:
    (found,) = findings(text)
    assert says in found


def test_the_limits_let_a_large_bot_through() -> None:
    line = "  - {name: test %d, conversation: [{say: hello there, expect: answered}]}\n"
    text = "instruction: x\ntests:\n" + "".join(line % n for n in range(1500))
    assert len(text) < reading.MAX_BYTES
    assert findings(text) == []


# --- the command --------------------------------------------------------------------------------


def test_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", "nobody.yaml"]) == 2
    assert capsys.readouterr().err == (
        "pipeline-live lint: nobody.yaml: there is no such file; name a bot's YAML file\n"
    )


def test_the_yaml_in_markdown_is_checked_with_the_lines_of_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# Bots\n\n```yaml\ninstruction: x\nvoise: y\n```\n\n1. A list\n\n"
        "   ~~~yml\n   instruction: x\n   flor: local\n   ~~~\n\n"
        "```yaml no-lint\nvoice: 5\n```\n\n```yaml\nanother: thing\n```\n\n```python\nx: 1\n```\n"
    )
    assert main(["lint", str(page)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f'{page}:5:1: unknown field "voise" in a bot (did you mean "voice"?)',
        f'{page}:12:4: unknown field "flor" in a bot (did you mean "floor"?)',
    ]


def test_many_files_are_all_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text("instruction: x\nnam: y\n")
    assert main(["lint", str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml")]) == 1
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.parametrize("word", ["127.0.0.1", "1st floor", "12.5.2026", "e3", "0xyz", "1,5"])
def test_what_only_looks_a_little_like_a_number_is_text(word: str) -> None:
    assert findings(f"instruction: {word}\n") == []


LIKE_A_BOT = st.lists(
    st.sampled_from(
        [
            *("instruction: x", "pipeline:", "- mic", "  - speaker:", "    volume: 2", "floor: {"),
            *(
                "}",
                "&a ",
                "*a",
                "<<: *a",
                "tests:",
                "- {",
                "name: a",
                "[",
                "]",
                ",",
                "!!int 5",
                "|",
            ),
            *("? ", ": ", "'", '"', "\t", "#", "---", "...", "${A}", "${", "0x1", "012", "no", "~"),
        ]
    ),
    max_size=12,
).map(lambda parts: "\n".join(parts))


@settings(max_examples=150, deadline=None)
@given(st.one_of(LIKE_A_BOT, st.text(max_size=60), st.binary(max_size=60)))
def test_whatever_stands_in_a_file_is_read_or_is_a_finding(text: str | bytes) -> None:
    report = Report("bot.yaml")
    values = check_text(text, report, Path(), {"A": "x"})
    assert values is not None or report.findings
    for finding in report.findings:
        assert finding.place.line >= 1
        assert finding.place.column >= 1
        assert "\n" not in finding.text
