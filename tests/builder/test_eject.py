"""What eject prints is Python, holds no secrets, and behaves like the file."""

from __future__ import annotations

import ast
import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from bots import bot_of

from pipeline_live.audio import INPUT_RATE, OUTPUT_RATE, resample, write_wav
from pipeline_live.builder import build, emulated, run_here
from pipeline_live.builder.eject import python_of
from pipeline_live.builder.expressions import Call, Name, evaluate, source
from pipeline_live.cli import main
from pipeline_live.config.variables import Text
from pipeline_live.emulator import Emulator, Reply, Script, synthesize
from pipeline_live.trial import clock
from pipeline_live.trial.stage import Room

DESK = '''
import asyncio

async def hours(day: str) -> str:
    """When we are open.

    Args:
        day: A day of the week.
    """
    await asyncio.sleep(0.2)
    return f"on {day} until six"
'''
BOT = """
instruction: You are a receptionist, and ${MANNER:-polite}.
greeting: Greet the caller.
voice: Kore
interruption: {hold: {confirm_ms: 320}}
uninterruptible: greeting
transport: {files: {input: question.wav, output: %s, end_after_ms: 2600}}
pipeline:
  - mic
  - silero_vad
  - python: {class: "pipecat.processors.logger:FrameLogger", args: {prefix: heard}}
  - gemini_live: {temperature: 0.5, compress_at_tokens: 9000}
  - speaker: {volume: 0.5}
tools:
  - python: {function: "hours_desk:hours", timeout_ms: 4000}
  - google_search
"""
SCRIPT = Script(
    [Reply("Hello."), Reply("Until six o'clock.", tool="hours", args={"day": "Monday"})]
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "hours_desk.py").write_text(DESK)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "hours_desk", raising=False)
    said = resample(synthesize("When are you open?", "low").pcm, OUTPUT_RATE, INPUT_RATE)
    write_wav(tmp_path / "question.wav", bytes(2 * INPUT_RATE * 2) + said, INPUT_RATE)
    return tmp_path


async def as_run(folder: Path) -> Any:
    bot = bot_of(BOT % "run.wav", folder)
    async with Emulator(SCRIPT) as emulator:
        built = build(bot, emulated(emulator), cancel_on_idle_timeout=False)
        await run_here(built, bot["transport"].options["end_after_ms"])
        return emulator.sessions[-1]


async def as_ejected(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    program = python_of(bot_of(BOT % "ejected.wav", folder))
    async with Emulator(SCRIPT) as emulator:
        monkeypatch.setenv("GEMINI_API_KEY", "any")
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", emulator.base_url)
        monkeypatch.setenv("SSL_CERT_FILE", str(emulator.ca_file))
        names: dict[str, Any] = {"__name__": "ejected", "__file__": str(folder / "ejected.py")}
        exec(compile(program, "ejected.py", "exec"), names)
        await names["main"]()
        return emulator.sessions[-1]


def test_what_is_ejected_behaves_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = clock.run(as_run(folder))
    ejected = clock.run(as_ejected(folder, monkeypatch))
    assert ran.setup == ejected.setup
    assert ran.setup["tools"], "the tools were told"
    said = [(entry.role, entry.text) for entry in ran.history]
    assert said == [(entry.role, entry.text) for entry in ejected.history]
    assert [role for role, _ in said][:2] == ["user", "model"]
    assert said[-1] == ("model", "Until six o'clock.")
    lengths = [(folder / name).stat().st_size for name in ("run.wav", "ejected.wav")]
    assert abs(lengths[0] - lengths[1]) < 0.3 * OUTPUT_RATE * 4, "the calls are as long"


def test_everything_that_was_left_to_us_stands_there(folder: Path) -> None:
    text = python_of(bot_of(BOT % "a.wav", folder))
    for needed in ("LLMContextAggregatorPair(", "LLMRunFrame()", "Playback()", "server_turns("):
        assert needed in text


def test_no_variable_is_shown(folder: Path) -> None:
    text = python_of(
        bot_of(
            "instruction: Be ${MANNER}.\nname: ${N}\n"
            "floor: {local: {end_ms: '${END}'}}\n"
            "pipeline: [mic, {gemini_live: {api_key: '${KEY}', temperature: '${T}'}}, speaker]\n",
            folder,
            MANNER="hush-hush",
            KEY="hunter2",
            END="801",
            N="nobody",
            T="0.123",
        )
    )
    for secret in ("hush-hush", "hunter2", "801", "nobody", "0.123"):
        assert secret not in text
    assert 'api_key=os.environ["KEY"]' in text
    assert 'end_ms=int(os.environ["END"])' in text
    assert 'temperature=float(os.environ["T"])' in text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "transport: browser\n",
        "transport: {telephony: {provider: plivo}}\n",
        "transport: {files: {output: a.wav}}\nfloor: local\n",
        'instruction: "quotes \\" and \\\\ and \'\\nand lines"\nname: "a \\"b\\""\n',
        "pipeline: [mic, {gemini_live_vertex: {project: p}}, speaker]\n",
    ],
)
def test_what_is_ejected_is_python_that_can_be_formatted(text: str, folder: Path) -> None:
    program = python_of(bot_of(text, folder))
    ast.parse(program)
    assert max(map(len, program.splitlines())) <= 100


def test_a_served_bot_is_ejected_as_a_bot_for_the_runner(folder: Path) -> None:
    text = python_of(bot_of("transport: browser\n", folder))
    assert "async def bot(runner_args: RunnerArguments)" in text
    names: dict[str, Any] = {"__name__": "ejected"}
    exec(compile(text, "ejected.py", "exec"), names)
    assert asyncio.iscoroutinefunction(names["bot"])


TWINS = """
from pipecat.frames.frames import Frame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

class Playback(FrameProcessor):
    home = __name__

def context(day: str) -> str:
    \"\"\"What was said on a day.\"\"\"
    return __name__

def build(what: str) -> str:
    \"\"\"Build it.\"\"\"
    return __name__
"""


def test_names_of_the_authors_may_be_anybodys(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "any")
    for twin in ("eject_a", "eject_b"):
        (folder / f"{twin}.py").write_text(TWINS)
    program = python_of(
        bot_of(
            "pipeline:\n- mic\n- python: eject_a:Playback\n- gemini_live\n"
            "- python: eject_b:Playback\n- speaker\n"
            "tools: [python: 'eject_a:context', python: 'eject_b:build']\n"
            "transport: {files: {output: a.wav}}\n",
            folder,
        )
    )
    assert "from eject_b import Playback as eject_b_Playback, build as eject_b_build\n" in program
    names: dict[str, Any] = {"__name__": "ejected", "__file__": str(folder / "ejected.py")}
    exec(compile(program, "ejected.py", "exec"), names)
    monkeypatch.setitem(names, "PipelineWorker", lambda pipeline, **_: pipeline)
    pipeline, service = names["build"](Room(folder / "a.wav"))
    assert [step.home for step in pipeline.processors if hasattr(step, "home")] == [
        "eject_a",
        "eject_b",
    ]
    assert type(service).__name__ == "GeminiLiveService"


def test_eject_writes_a_file(folder: Path) -> None:
    (folder / "bot.yaml").write_text("instruction: Be kind.\n")
    assert main(["eject", str(folder / "bot.yaml"), "--out", str(folder / "bot.py")]) == 0
    assert (folder / "bot.py").read_text().startswith('"""bot: what pipeline-live made of bot.yaml')


@pytest.mark.parametrize(
    ("expression", "python", "value"),
    [
        ("a", '"a"', "a"),
        ('say "x"', "'say \"x\"'", 'say "x"'),
        (1.5, "1.5", 1.5),
        (True, "True", True),
        ([1, "a"], '[1, "a"]', [1, "a"]),
        ({"a": 1}, '{"a": 1}', {"a": 1}),
        (Name("math:pi"), "pi", 3.141592653589793),
        (Call(Name("math:sqrt"), (16,)), "sqrt(16)", 4.0),
        (Call(Name("builtins:dict"), keywords={"a": 1}), "dict(a=1)", {"a": 1}),
    ],
)
def test_an_expression_is_what_it_writes(expression: Any, python: str, value: Any) -> None:
    assert source(expression) == python
    assert evaluate(expression, {}) == value


def test_long_text_is_cut_into_lines_that_mean_the_same() -> None:
    text = "word " * 100 + "\nand another line\n" + "x" * 200
    assert ast.literal_eval(source(text)) == text


def test_text_out_of_the_environment_reads_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    text = Text("hello world!")
    text.template = "hello ${WHO:-nobody}$${x}"
    monkeypatch.setenv("WHO", "you")
    import os

    assert eval(source(text), {"os": os}) == "hello you${x}"
    monkeypatch.setenv("WHO", "")
    assert eval(source(text), {"os": os}) == "hello nobody${x}"
