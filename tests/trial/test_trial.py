"""``pipeline-live test``: conversations that go well, and what is said of those that do not."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from pipeline_live.audio import INPUT_RATE, OUTPUT_RATE, resample, write_wav
from pipeline_live.cli import main
from pipeline_live.config import load, spec
from pipeline_live.emulator import synthesize
from pipeline_live.trial.conversation import _Trial, perform

BOT = """\
name: Desk
instruction: You are a receptionist.
greeting: Greet the caller.
tools:
  - python: trial_desk:hours
  - python: trial_desk:notice
tests:
"""
TOOLS = '''
def hours(day: str) -> str:
    """When we are open."""
    return "until six"

def notice() -> str:
    """What has to be read out."""
    return "read"
'''
LONG = "The harbour is almost four hundred years old and has seen ships of every kind come and go."


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "trial_desk.py").write_text(TOOLS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "trial_desk", raising=False)
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    return tmp_path


def outcome(folder: Path, tests: str, bot: str = BOT) -> str:
    """What went wrong in the one test of a bot, from the line number on."""
    (folder / "bot.yaml").write_text(bot + tests)
    loaded = load(folder / "bot.yaml")
    (test,) = loaded["tests"]
    result = perform(loaded, test, folder)
    assert result.name == test["name"]
    return result.failure.removeprefix(f"{folder / 'bot.yaml'}:")


GOOD = f"""\
  - name: everything
    seed: 7
    replies:
      - Hello, this is the desk.
      - call: hours
        args: {{day: monday}}
        say: We are open until six.
        delay_ms: 900
      - {LONG}
      - Of course.
      - {LONG}
      - You are welcome.
    conversation:
      - silence: 300
        expect: [answered, heard: this is the desk]
      - say: When are you open on Monday?
        expect:
          - tool_called: hours
            with: {{day: monday}}
          - answered
          - heard: We are open until six
      - play: question.wav
        expect: {{heard: four hundred years, within_ms: 15000}}
      - say: Sorry, one moment please.
        expect: {{answered: true}}
      - say: Tell me more about it.
        expect: answered
      - stop
      - noise: 400
        expect:
          - {{answered: true, absent: true, within_ms: 500}}
          - silent
      - say: Thank you.
        expect: {{heard: you are welcome}}
"""


def question(folder: Path) -> None:
    said = resample(synthesize("Tell me about the harbour.", "low").pcm, OUTPUT_RATE, INPUT_RATE)
    write_wav(folder / "question.wav", said, INPUT_RATE)


def test_a_conversation_with_every_kind_of_line(folder: Path) -> None:
    question(folder)
    assert outcome(folder, GOOD) == ""


def test_every_field_of_tests_is_used_in_that_conversation() -> None:
    elsewhere = {"tool_results", "faults", "interrupt_after_ms"}
    for component in (spec.TEST, spec.REPLY, spec.LINE):
        for field in component.fields:
            assert field.name in elsewhere or re.search(rf"\b{field.name}\b", GOOD), field.name


CUT_IN = """\
  - name: cut in
    replies: [Hello there., "%s", Of course.]
    %s
    conversation:
      - say: Tell me about the harbour.
      - say: Sorry, stop for a moment please.
        interrupt_after_ms: 1200
        expect:
          - {interrupted: true, within_ms: 1500}
          - {silent: true, within_ms: 1500}
          - {heard: come and go, absent: true}
"""


def test_faults_are_the_emulators(folder: Path) -> None:
    """A bot that leaves interruptions to a Gemini who misses them is not stopped; ours is."""
    missed = CUT_IN % (LONG, "faults: [missed-interrupt]")
    assert outcome(folder, missed) == ""
    only_gemini = BOT.replace("greeting:", "interruption: off\ngreeting:")
    assert outcome(folder, missed, only_gemini).endswith(
        "expected an interruption within 1500 ms; no reply was interrupted"
    )


@pytest.mark.parametrize(
    ("conversation", "says"),
    [
        (
            "- say: Hello?\n        expect: {heard: good bye, within_ms: 2500}",
            'expected to hear "good bye" within 2500 ms; heard: "Fine, thank you."',
        ),
        (
            "- say: Hello?\n        expect: {tool_called: hours, within_ms: 900}",
            "expected a call of hours within 900 ms; no tool was called",
        ),
        (
            "- say: Hello?\n        interrupt_after_ms: 3000",
            "no reply was heard for 3000 ms, so nothing could be interrupted; is the reply long "
            "enough?",
        ),
        (
            "- silence: 300\n        expect: {heard: nobody says this, within_ms: 100}",
            'expected to hear "nobody says this" within 100 ms; heard: "Hello there."',
        ),
    ],
)
def test_a_failure_names_its_line(folder: Path, conversation: str, says: str) -> None:
    said = outcome(
        folder,
        f"  - name: a\n    replies: [Hello there., 'Fine, thank you.']\n    conversation:\n"
        f"      {conversation}\n",
    )
    line, column, text = re.fullmatch(r"(\d+):(\d+): (.*)", said).groups()  # type: ignore[union-attr]
    assert text == says
    assert int(line) in (11, 12)
    assert int(column) > 1


def test_tools_can_be_answered_in_their_place(folder: Path) -> None:
    canned = BOT.replace(
        "python: trial_desk:notice", "http: {name: web, description: d, url: 'http://127.0.0.1:1/'}"
    )
    test = """\
  - name: canned
    replies: [Hello., {call: web, say: Done.}]
    tool_results: {web: {ok: true}}
    conversation:
      - say: Ask the web.
        expect: [tool_called: web, heard: done]
"""
    assert outcome(folder, test, canned) == ""


def test_a_part_that_cannot_be_interrupted(folder: Path) -> None:
    """The caller speaks into the notice, which is read to its end."""
    protected = BOT.replace(
        "python: trial_desk:notice",
        "python: {function: trial_desk:notice, uninterruptible: true}",
    )
    test = f"""\
  - name: notice
    replies: [Hello there., {{call: notice, say: "{LONG}"}}, Of course.]
    conversation:
      - say: Go on.
        expect: {{tool_called: notice}}
      - say: Sorry, stop please.
        interrupt_after_ms: 800
        expect:
          - {{interrupted: true, absent: true, within_ms: 3000}}
          - heard: come and go
"""
    assert outcome(folder, test, protected) == ""
    assert "expected not an interruption" in outcome(folder, test)


def test_the_script_of_a_test(folder: Path) -> None:
    question(folder)
    (folder / "bot.yaml").write_text(BOT + GOOD)
    bot = load(folder / "bot.yaml")
    replies = _Trial(bot, bot["tests"][0], folder)._script().replies
    assert [reply.heard for reply in replies][:3] == [  # type: ignore[union-attr]
        None,
        "When are you open on Monday?",
        "Sorry, one moment please.",
    ]
    assert (replies[1].tool, replies[1].args, replies[1].delay_ms) == (
        "hours",
        {"day": "monday"},
        900,
    )  # type: ignore[union-attr]


def test_the_command_tells_what_passed_and_failed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "bot.yaml"
    path.write_text(
        BOT
        + """\
  - name: well
    replies: [Hello there., Fine.]
    conversation: [{say: How are you?, expect: {heard: fine}}]
  - name: badly
    replies: [Hello there., Fine.]
    conversation: [{say: How are you?, expect: {heard: awful, within_ms: 3000}}]
"""
    )
    report = folder / "report.xml"
    assert main(["test", str(path), "--junit", str(report), "--out", str(folder / "out")]) == 1
    out = capsys.readouterr().out
    assert re.search(r"(?m)^passed  Desk: well \(\d+\.\d s of conversation in \d+\.\d s\)$", out)
    assert re.search(r"(?m)^FAILED  Desk: badly ", out)
    failure = f'{path}:13:48: expected to hear "awful" within 3000 ms; heard: "Fine."'
    assert f"        {failure}\n" in out
    assert out.endswith("1 passed, 1 failed\n")
    (suite,) = ET.parse(report).getroot()
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == ("Desk", "2", "1")
    assert [case.get("name") for case in suite] == ["well", "badly"]
    assert suite[1][0].text == failure
    assert (folder / "out" / "01-well" / "call.wav").stat().st_size > 100_000

    assert main(["test", str(path), "-k", "NOTHING LIKE THAT"]) == 2
    assert 'no test with "NOTHING LIKE THAT" in its name' in capsys.readouterr().err


def test_nothing_to_test(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "bot.yaml"
    path.write_text("instruction: x\n")
    assert main(["test", str(path)]) == 2
    assert "no tests; write some under tests:" in capsys.readouterr().err


def test_a_file_with_findings_is_not_tested(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "bot.yaml"
    path.write_text("instruction: x\nvoise: y\n")
    for command in ("test", "run", "eject"):
        assert main([command, str(path)]) == 1
        assert capsys.readouterr().err == (
            f'{path}:2:1: unknown field "voise" in a bot (did you mean "voice"?)\n'
        )


def test_the_faults_of_a_file_are_those_of_the_emulator() -> None:
    """Names, settings and what they usually are; each can be made, with all that can be said.

    All but that of the handshake, which a conversation of a file does not have.
    """
    from pipeline_live.config.components import Chosen
    from pipeline_live.config.faults import FAULT, LATE_INTERRUPT, TABLE, TRIGGERS
    from pipeline_live.emulator.faults import KINDS
    from pipeline_live.emulator.faults.kinds import Moment
    from pipeline_live.trial.conversation import _fault

    assert {name: settings for name, _, settings in TABLE} == {
        name: dict(kind.values)
        for name, kind in KINDS.items()
        if kind.moment is not Moment.HANDSHAKE
    }
    triggers = {"at_ms": 5, "turn": 2, "probability": 0.5, "times": 3, "connection": 1, "seed": 4}
    assert {trigger.name for trigger in TRIGGERS} == set(triggers)
    for component in FAULT.components:
        if component.name == LATE_INTERRUPT:
            continue
        said = {**component.defaults(), **triggers}
        own = [field for field in component.fields if field.name not in triggers]
        for field in own:
            words = getattr(field.kind, "words", None)
            said[field.name] = words[-1] if words else (1001 if field.name == "code" else 0)
            if isinstance(field.default, str) and not words:
                said[field.name] = "other"
        made = _fault(Chosen(component.name, said))
        assert made.name == component.name
        assert {name: getattr(made, name) for name in triggers} == triggers
        changed = {f.name: said[f.name] for f in own if said[f.name] != f.default}
        assert dict(made.values) == changed


@pytest.mark.parametrize(
    ("file", "module"),
    [("twin_tools.py", "twin_tools"), ("twin_package/tools.py", "twin_package.tools")],
    ids=["a file", "a package"],
)
def test_two_bots_may_have_modules_of_the_same_name(
    file: str,
    module: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    paths = []
    for name in ("one", "two"):
        (tmp_path / name / file).parent.mkdir(parents=True)
        (tmp_path / name / "twin_package").mkdir(exist_ok=True)
        (tmp_path / name / "twin_package" / "__init__.py").touch()
        (tmp_path / name / file).write_text(
            f'def {name}() -> str:\n    """Tool."""\n    return "x"\n'
        )
        paths.append(tmp_path / name / "bot.yaml")
        paths[-1].write_text(
            f"instruction: x\ntools: [python: '{module}:{name}']\ntests:\n"
            f"- {{name: a, replies: [{{call: {name}, say: Fine.}}],\n"
            f"   conversation: [{{say: Hello?, expect: {{tool_called: {name}}}}}]}}\n"
        )
    assert main(["test", *map(str, paths), str(paths[0])]) == 0, capsys.readouterr().out
    assert [sys.path.count(str(path.parent.resolve())) for path in paths] == [1, 1]


def test_a_bot_that_cannot_be_built_leaves_no_file_open(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "ghost.py").write_text("def __getattr__(name):\n    raise AttributeError(name)\n")
    path = folder / "bot.yaml"
    path.write_text(
        "instruction: x\npipeline: [mic, {python: 'ghost:Step'}, gemini_live, speaker]\n"
        "tests: [{name: a, conversation: [stop]}]\n"
    )
    assert main(["test", str(path)]) == 2
    assert "the bot cannot be built: Step" in capsys.readouterr().err
