"""Scripts: which reply is chosen, and how they are read from YAML."""

import re

import pytest
from emulator_call import opened

from pipeline_live.emulator import Pattern, Reply, Script, ToolUse, read_script, synthesize
from pipeline_live.emulator.messages import Content, Text
from pipeline_live.emulator.script import ANSWERS, GREETING
from pipeline_live.emulator.script_file import parse_script
from pipeline_live.errors import UsageError

# --- choosing --------------------------------------------------------------------------------


def test_replies_come_in_order_then_the_defaults_over_and_over():
    script = Script(["a", Reply("b")], default=["x", "y"])
    assert [script.reply(n).text for n in range(6)] == ["a", "b", "x", "y", "x", "y"]
    assert Script(["a"], default="x").reply(7) == Reply("x")
    assert Script(default=[]).reply(0) == Reply("")


def test_the_model_greets_when_nothing_else_is_given():
    assert Script().reply(0, greet=True).text == GREETING
    assert Script(["a"]).reply(0, greet=True).text == "a"
    assert Script(default="x").reply(0, greet=True).text == "x"
    assert [Script().reply(n).text for n in range(len(ANSWERS))] == list(ANSWERS)
    greeting = Script(["a"], greeting="Hi.")
    assert greeting.reply(0, greet=True).text == "Hi."
    assert greeting.reply(0, "Hello?", greet=True).text == "a"


def test_some_made_up_answers_are_long():
    assert any(synthesize(text).duration_ms > 10_000 for text in ANSWERS)


PATTERNS = Script(
    ["First.", None],
    default="Else.",
    patterns=[Pattern.of("weather|rain", "Rain."), Pattern.of(r"\brains?\b", "Never.")],
)


@pytest.mark.parametrize(
    ("turn", "said", "text"),
    [
        (0, "Will it rain?", "First."),
        (1, "Will it RAIN?", "Rain."),
        (1, "Hello?", "Else."),
        (1, "", "Else."),
        (7, "The weather, please.", "Rain."),
    ],
)
def test_a_turn_comes_before_a_pattern_and_that_before_the_rest(turn, said, text):
    assert PATTERNS.reply(turn, said).text == text


def test_what_is_likely_is_told_once_each():
    assert [r.text for r in Script(["a", "a", ""], default="b").likely(4)] == ["a", "b"]
    assert [r.text for r in PATTERNS.likely(9)] == ["First.", "Else.", "Rain.", "Never."]


def test_patterns_answer_what_was_typed_and_what_the_script_has_heard():
    script = Script(
        [None, None, Reply("Third.", heard="Rain?")],
        default="Else.",
        patterns=PATTERNS.patterns,
    )
    call = opened(script=script)
    for message in (Text("Rain?"), Content((("user", "And the weather?"),), True)):
        call.say(message)
        call.wait_for("turnComplete")
    call.talk(600)
    call.pause(6000)
    models = [entry.text for entry in call.session.history if entry.role == "model"]
    assert models == ["Rain.", "Rain.", "Third."]
    assert [said.value for said in call.all("heard")] == ["Rain?"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"voice": "hart"}, "no voice 'hart'; did you mean heart?"),
        ({"speed": 3}, "speed 3 of a reply; give 0.5 to 1.75"),
        ({"delay_ms": -1}, "delay_ms -1 of a reply"),
        ({"length_ms": -1}, "length_ms -1 of a reply"),
    ],
)
def test_a_reply_that_makes_no_sense(fields, words):
    with pytest.raises(UsageError) as refusal:
        Reply("Yes.", **fields)
    assert words in str(refusal.value)


# --- reading ---------------------------------------------------------------------------------

WHOLE = """\
voice: low
speed: 1.1
greeting: Hello!
turns:
  - It is sunny.
  - say: The harbour is old.
    heard: Tell me about the harbour.
    interim: Let me think.
    delay_ms: 300
    length_ms: 20000
    voice: heart
    speed: 0.9
  - say: It is booked.
    tool: {name: book, args: {slot: 3, notes: [a, null, true, 1.5]}}
  - say: Both are on.
    tool: [{name: light}, door]
  - null
  -
patterns:
  - {when: weather|rain, say: It will rain.}
default: [I do not know., ""]
"""


def test_a_whole_script():
    script = parse_script(WHOLE)
    usual = {"voice": "low", "speed": 1.1}
    assert script == Script(
        replies=(
            Reply("It is sunny.", **usual),
            Reply(
                "The harbour is old.",
                heard="Tell me about the harbour.",
                interim="Let me think.",
                delay_ms=300,
                length_ms=20_000,
                voice="heart",
                speed=0.9,
            ),
            Reply(
                "It is booked.",
                tool=(ToolUse("book", {"slot": 3, "notes": ["a", None, True, 1.5]}),),
                **usual,
            ),
            Reply("Both are on.", tool=(ToolUse("light"), ToolUse("door")), **usual),
            None,
            None,
        ),
        default=(Reply("I do not know.", **usual), Reply("", **usual)),
        patterns=(
            Pattern(re.compile("weather|rain", re.IGNORECASE), Reply("It will rain.", **usual)),
        ),
        greeting=Reply("Hello!", **usual),
    )


@pytest.mark.parametrize("text", ["default: yes", "default: 42", "default: 2026-11-25"])
def test_words_are_words_whatever_yaml_makes_of_them(text):
    assert parse_script(text).default.text == text.removeprefix("default: ")


BROKEN = [
    ("", "1:1: the script is empty"),
    ("- a", "1:1: a script has fields here, for example `voice: ...`"),
    ("hello", "1:1: a script has fields here"),
    ("turn: []", "1:1: no field of a script 'turn'; did you mean turns?"),
    ("default: a\ndefault: b", "2:1: default is given twice"),
    ("turns: hello", "1:8: turns is a list; begin each entry with `- `"),
    ("turns:\n  - sya: Hello.", "2:5: no field of a reply 'sya'; did you mean say?"),
    ("turns:\n  - delay_ms: 3", "2:5: a reply needs `say`"),
    ("turns:\n  - say: [a]", "2:10: say is text here"),
    ("turns:\n  - say: a\n    delay_ms: soon", "3:15: delay_ms is a number of milliseconds, 0 to"),
    ("turns:\n  - say: a\n    delay_ms: -1", "3:15: delay_ms is"),
    ("turns:\n  - say: a\n    length_ms: 600001", "3:16: length_ms is"),
    ("turns:\n  - say: a\n    speed: 9", "3:12: speed is a number from 0.5 to 1.75"),
    ("voice: hart", "1:8: no voice 'hart'; did you mean heart?"),
    ("turns:\n  - say: a\n    tool: {nme: f}", "3:12: no field of a tool 'nme'; did you mean name"),
    ("turns:\n  - say: a\n    tool: {}", "3:11: a tool needs `name`"),
    ("turns:\n  - say: a\n    tool: {name: f, args: 3}", "3:27: args has fields here"),
    ("turns:\n  - say: a\n    tool: {name: f, args: {d: 2026-11-25}}", "3:27: args holds a value"),
    ("turns:\n  - say: a\n    tool: {name: f, args: {d: .nan}}", "3:27: args holds a value"),
    ("turns:\n  - say: a\n    tool: {name: f, args: &a {d: *a}}", "3:27: args cannot refer to"),
    ("turns:\n  - say: a\n    tool: {name: f, args: {[a]: 1}}", "3:27: args: found unhashable"),
    ("patterns:\n  - say: a", "2:5: a pattern needs `when`"),
    ("patterns:\n  - when: '('\n    say: a", "2:5: when is no regular expression: missing )"),
    ("patterns: {when: a}", "1:11: patterns is a list"),
    ("default: [[a]]", "1:11: a reply has fields here"),
    ("? [a]\n: b", "1:3: no field of a script '?'"),
    ("turns: &a\n  - *a", "1:8: a reply has fields here"),
    ("turns: *b", "1:8: found undefined alias 'b'"),
    ("turns: [a", "1:10: expected ',' or ']'"),
    ("a: b\n---\nc: d", "2:1: but found another document"),
    ("default: 'a", "1:12: found unexpected end of stream"),
    ("default: a\ndefault: \x00", "2:10: special characters are not allowed"),
    ("default: " + "[" * 1000, "1:1: the script is nested too deep"),
]


@pytest.mark.parametrize(("text", "words"), BROKEN)
def test_a_broken_script_is_one_line_with_its_place(text, words):
    with pytest.raises(UsageError) as refusal:
        parse_script(text, "talk.yaml")
    message = str(refusal.value)
    assert message.startswith(f"talk.yaml:{words}")
    assert "\n" not in message


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(UsageError, match=r"none.yaml: No such file or directory; give a script"):
        read_script(tmp_path / "none.yaml")
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"default: Gr\xfc\xdfe")
    with pytest.raises(UsageError, match=r"latin.yaml: not UTF-8 text \(byte 11\)"):
        read_script(latin)
    latin.write_text("default: Hello.")
    assert read_script(latin).reply(0).text == "Hello."
