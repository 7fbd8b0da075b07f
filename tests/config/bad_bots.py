"""Files with findings: what stands in them, and every finding, in order."""

from __future__ import annotations

from typing import NamedTuple


class Bad(NamedTuple):
    name: str
    text: str | bytes
    findings: tuple[str, ...]


OK = "instruction: Be kind.\n"


def bad(name: str, text: str | bytes, *findings: str, ok: bool = True) -> Bad:
    """A bad bot; with ``ok`` its first line is a good instruction, so the text begins in line 2."""
    whole = OK + text if ok and isinstance(text, str) else text
    return Bad(name, whole, findings)


FIELDS = [
    bad(
        "unknown field",
        "pipeline:\n- mic\n- gemini_live\n- speaker:\n    volumee: 2\n",
        '6:5: unknown field "volumee" in speaker (did you mean "volume"?)',
    ),
    bad(
        "unknown top field",
        "modle: x\n",
        '2:1: unknown field "modle" in a bot (did you mean "model"?)',
    ),
    bad(
        "everything at once",
        "language: english\nfloor: servr\ninterruption: {hold: {limit_ms: 9999}}\n",
        '2:11: "language" in a bot must be text like en-US, not "english"',
        '3:8: unknown floor "servr" (did you mean "server"?)',
        '4:33: "limit_ms" in hold must be a whole number from 100 to 3000, not "9999"',
    ),
    bad(
        "nothing said",
        "name: x\n",
        '1:1: "instruction" is missing in a bot, for example '
        "instruction: You are a friendly receptionist.",
        ok=False,
    ),
    bad(
        "a list of a bot",
        "- instruction\n",
        "1:1: a bot must be a mapping with the fields of a bot, not a list",
        ok=False,
    ),
    bad(
        "number for text",
        "name: 12\n",
        '2:7: "name" in a bot must be text, and 12 is a number; write "12"',
    ),
    bad(
        "boolean for text",
        "name: true\n",
        '2:7: "name" in a bot must be text, and true is a boolean; write "true"',
    ),
    bad("empty text", 'name: ""\n', '2:7: "name" in a bot is empty'),
    bad(
        "no value", "name:\n", '2:6: "name" in a bot has no value; give it text, or delete the line'
    ),
    bad(
        "list for text",
        "name: [a, b]\n",
        '2:7: "name" in a bot must be text, not a list',
    ),
    bad(
        "text for number",
        "floor: {local: {end_ms: long}}\n",
        '2:25: "end_ms" in local must be a whole number from 32 to 60000, not "long"',
    ),
    bad(
        "quoted number",
        'floor: {local: {end_ms: "700"}}\n',
        '2:25: "end_ms" in local must be a whole number from 32 to 60000; drop the quotes around 700',
    ),
    bad(
        "fraction for whole",
        "floor: {local: {end_ms: 7.5}}\n",
        '2:25: "end_ms" in local must be a whole number from 32 to 60000, not "7.5"',
    ),
    bad(
        "unit",
        "floor: {local: {end_ms: 700ms}}\n",
        '2:25: "end_ms" in local must be a whole number from 32 to 60000, not "700ms"; '
        "write the number alone",
    ),
    bad(
        "wrong word",
        "uninterruptible: greetin\n",
        '2:18: "uninterruptible" in a bot must be one of greeting, tool_calls, always, '
        'not "greetin" (did you mean "greeting"?)',
    ),
    bad(
        "option of the other floor",
        "floor: {server: {smart_turn: true}}\n",
        '2:18: unknown field "smart_turn" in server (known: start_sensitivity, end_sensitivity, '
        "prefix_padding_ms, silence_duration_ms, turn_coverage)",
    ),
    bad(
        "field of a component without fields",
        "interruption: {off: {port: 1}}\n",
        '2:22: unknown field "port" in off (its fields: none)',
    ),
    bad(
        "forgotten indentation",
        "pipeline:\n- mic\n- gemini_live\n- speaker:\n  volume: 2\n",
        '6:3: "volume" stands beside "speaker"; indent it to make it an option',
    ),
    bad(
        "two steps in one",
        "pipeline:\n- mic\n- gemini_live\n- {a: 1, b: 2}\n",
        '5:3: step 3 of "pipeline" in a bot must be the name of one, or a name with options below it, '
        "not 2 keys",
    ),
    bad("empty list", "tools: []\n", '2:8: "tools" in a bot is empty; delete it or add a tool'),
    bad(
        "no list",
        "tools: google_search\n",
        '2:8: "tools" in a bot must be a list of tools, each behind a dash, not "google_search"',
    ),
    bad(
        "needs options",
        "tools: [http]\n",
        '2:9: http needs "name": write "http:" and below it, indented, "name: opening_hours"',
    ),
    bad(
        "misspelt voice",
        "voice: charon\n",
        '2:8: unknown "voice" in a bot (did you mean "Charon"?)',
    ),
]

YAML = [
    bad("empty", "", "1:1: the file is empty; begin with instruction: You are ...", ok=False),
    bad(
        "only a comment",
        "# hello\n",
        "1:1: the file is empty; begin with instruction: You are ...",
        ok=False,
    ),
    bad("null", "~\n", "1:1: the file is empty; begin with instruction: You are ...", ok=False),
    bad("duplicate key", "name: a\nname: b\n", '3:1: duplicate key "name" (first in line 2)'),
    bad("tab", "floor:\n\tlocal:\n", "3:1: a tab indents this line; YAML wants spaces"),
    bad(
        "two colons",
        "name: a: b\n",
        '2:8: a second ":" on this line; put the text in quotes, or begin a new line',
    ),
    bad(
        "octal",
        "floor: {local: {end_ms: 012}}\n",
        '2:25: "end_ms" in local must be a whole number from 32 to 60000, not "012"; write 12, '
        "YAML 1.1 takes it as octal",
    ),
    bad(
        "underscores",
        "floor: {local: {end_ms: 1_000}}\n",
        '2:25: "end_ms" in local must be a whole number from 32 to 60000, not "1_000"; write 1000',
    ),
    bad(
        "base 60",
        "floor: {local: {end_ms: 1:30}}\n",
        '2:25: "end_ms" in local must be a whole number from 32 to 60000, not "1:30"; YAML 1.1 '
        "takes that as base 60",
    ),
    bad(
        "hexadecimal",
        "floor: {local: {end_ms: 0xFF}}\n",
        '2:25: "end_ms" in local must be a whole number from 32 to 60000, not "0xFF"',
    ),
    bad(
        "infinity",
        "pipeline: [mic, gemini_live, {speaker: {volume: .inf}}]\n",
        '2:49: "volume" in speaker must be a number from 0 to 4, not ".inf"',
    ),
    bad(
        "octal as text",
        "name: 012\n",
        '2:7: "name" in a bot must be text, and 012 is a number; write "012"',
    ),
    bad(
        "yes",
        "floor: {local: {smart_turn: yes}}\n",
        '2:29: "smart_turn" in local must be true or false, not "yes"; write true',
    ),
    bad(
        "quoted boolean",
        'floor: {local: {smart_turn: "true"}}\n',
        '2:29: "smart_turn" in local must be true or false, not "true"',
    ),
    bad(
        "tag",
        "name: !!python/object/apply:os.system [echo]\n",
        '2:7: "name" in a bot must be text, not a list',
        "2:7: tag !!python/object/apply:os.system is not supported; a bot's file is plain data",
    ),
    bad(
        "include",
        "instruction: !include other.txt\n",
        "1:14: tag !include is not supported; a bot's file is plain data",
        ok=False,
    ),
    bad("second document", "---\nname: b\n", "2:1: a second document; one file describes one bot"),
    bad(
        "alias to nowhere",
        "name: *gone\n",
        "2:7: undefined alias *gone; an anchor &gone comes first",
    ),
    bad("alias of itself", "tools: &t [*t]\n", "2:12: alias *t contains itself"),
    bad("key that is a list", "? [a]\n: b\n", "2:3: a key must be a word, not a list or a mapping"),
    bad(
        "merge of a word",
        "floor:\n  local:\n    <<: x\n",
        '4:9: "<<" takes a mapping, for example <<: *name',
    ),
    bad(
        "not closed",
        "tools: [a\n",
        "3:1: not YAML: while parsing a flow sequence, did not find expected ',' or ']'",
    ),
    bad("control character", "name: a\x07b\n", "2:8: control character U+0007; delete it"),
    bad(
        "not UTF-8",
        b"instruction: caf\xe9\n",
        "1:17: this is not UTF-8 text; save the file as UTF-8",
    ),
    bad(
        "a key of two lines",
        '"a\\nb": c\n',
        '2:1: unknown field "a b" in a bot (its fields: name, instruction, greeting, model, voice, language, '
        "floor, interruption, uninterruptible, transport, pipeline, tools, tests)",
    ),
    bad(
        "a line end of Unicode's own",
        "name: a\u2028b\n",
        "2:8: control character U+2028; delete it",
    ),
    bad("nul bytes", b"\x00\x00\x00\x00", "1:1: control character U+0000; delete it"),
]

VARIABLES = [
    bad(
        "unset",
        "name: ${NOBODY_SETS_THIS}\n",
        '2:7: "name" in a bot: variable NOBODY_SETS_THIS is not set; export it, or give a default: '
        "${NOBODY_SETS_THIS:-default}",
    ),
    bad(
        "malformed",
        "name: ${1NAME}\n",
        '2:7: "name" in a bot: ${1NAME} is no variable; write ${NAME} or ${NAME:-default}, or $${ for '
        "the signs themselves",
    ),
    bad(
        "not closed variable",
        'name: "${NAME"\n',
        '2:7: "name" in a bot: ${NAME is no variable; write ${NAME} or ${NAME:-default}, or $${ for '
        "the signs themselves",
    ),
    bad(
        "secret as number",
        'floor: {local: {end_ms: "${SECRET}"}}\n',
        '2:25: "end_ms" in local must be a whole number from 32 to 60000, not "${SECRET}"',
    ),
    bad(
        "secret as word",
        "uninterruptible: ${SECRET}\n",
        '2:18: "uninterruptible" in a bot must be one of greeting, tool_calls, always, not "${SECRET}"',
    ),
    bad(
        "secret as boolean",
        'floor: {local: {smart_turn: "${SECRET}"}}\n',
        '2:29: "smart_turn" in local must be true or false, not "${SECRET}"',
    ),
    bad(
        "secret as language",
        "language: ${SECRET}\n",
        '2:11: "language" in a bot must be text like en-US, not "${SECRET}"',
    ),
    bad(
        "secret as step",
        'pipeline: [mic, gemini_live, "${SECRET}"]\n',
        '2:30: unknown step "${SECRET}" (known: mic, silero_vad, gemini_live, gemini_live_vertex, '
        "playback, speaker, python)",
    ),
    bad(
        "secret as class",
        "pipeline: [mic, {python: 'json:${SECRET}'}, {python: {class: '${JSON}:x'}}, gemini_live, speaker]\n",
        '2:26: "class" in python must be a name like module:name, not "json:${SECRET}"',
        '2:62: "class" in python: "${JSON}:x" leads to nothing that can be imported',
    ),
    bad(
        "secret as a class that is no step",
        "pipeline: [mic, {python: {class: 'desk:${CLASS}'}}, gemini_live, speaker]\n",
        "2:34: desk:${CLASS} is no step: it must be a Pipecat audio filter, transport, processor, VAD "
        "analyzer",
    ),
    bad(
        "secret as an object in arguments",
        "pipeline: [mic, {python: {class: 'pipecat.processors.logger:FrameLogger', args: {prefix: {python: 'json:${NOBODY}'}}}}, gemini_live, speaker]\n",
        '2:99: "python": "json:${NOBODY}" leads to nothing that can be imported',
    ),
    bad(
        "secret as tool and test",
        "tools: [{http: &a {name: '${NOBODY}', description: x, url: 'https://x'}}, {http: *a}]\n"
        "tests: [&t {name: '${SECRET}', conversation: [{stop: true, expect: {tool_called: '${SECRET}'}}]}, *t]\n",
        '2:75: a second tool named "${NOBODY}"',
        '3:19: a second test named "${SECRET}"',
        '3:82: unknown tool "${SECRET}" (known: ${NOBODY})',
    ),
    bad(
        "secret as file",
        'transport: {files: {input: "${SECRET}"}}\n',
        '2:28: "input" in files must be the path of a .wav file, not "${SECRET}"',
    ),
]

STEPS = [
    bad(
        "a greeting to wait for",
        "uninterruptible: [always, greeting]\n",
        '2:18: "greeting" cannot be uninterruptible without a greeting: nobody would be heard; '
        "add greeting: Greet the caller.",
    ),
    bad(
        "no model",
        "pipeline: [mic, speaker]\n",
        "2:11: no model in the pipeline; add the step gemini_live",
    ),
    bad(
        "no mic",
        "pipeline: [gemini_live, speaker]\n",
        "2:11: nothing brings in the user's voice; add the step mic",
    ),
    bad(
        "no speaker",
        "pipeline: [mic, gemini_live]\n",
        "2:11: nothing lets the bot be heard; add the step speaker",
    ),
    bad(
        "speaker first",
        "pipeline: [speaker, mic, gemini_live]\n",
        "2:21: mic stands after speaker, so it gets nothing to work with; the order is mic, "
        "silero_vad, the model, playback, speaker",
        "2:26: gemini_live stands after speaker, so it gets nothing to work with; the order is mic, "
        "silero_vad, the model, playback, speaker",
    ),
    bad(
        "ears behind the model",
        "pipeline: [mic, gemini_live, silero_vad, speaker]\n",
        "2:30: silero_vad stands after the model, so it gets nothing to work with; the order is mic, "
        "silero_vad, the model, playback, speaker",
    ),
    bad(
        "playback behind the speaker",
        "pipeline: [mic, gemini_live, speaker, playback]\n",
        "2:39: playback stands after speaker, so it gets nothing to work with; the order is mic, "
        "silero_vad, the model, playback, speaker",
    ),
    bad(
        "two models",
        "pipeline: [mic, gemini_live, {gemini_live_vertex: {project: p}}, speaker]\n",
        "2:31: a second gemini_live_vertex; a pipeline has one",
    ),
    bad(
        "unknown step",
        "pipeline: [mic, silero, gemini_live, speaker]\n",
        '2:17: unknown step "silero" (did you mean "silero_vad"?)',
    ),
]


TRANSPORTS = [
    bad(
        "hanging up without credentials",
        "transport: {telephony: {hang_up: true}}\n",
        '2:34: "hang_up" with twilio needs TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN; export them',
    ),
]


def with_model(model: str, options: str) -> str:
    return f"model: {model}\npipeline: [mic, {{gemini_live: {{{options}}}}}, speaker]\n"


FAMILIES = [
    bad(
        "thinking on 3.8",
        with_model("gemini-3.8-live", "thinking_level: low"),
        '3:48: gemini-3.8-live does not take "thinking_level": this model refuses any; drop it, or '
        "choose gemini-3.8-live-extended-thinking",
    ),
    bad(
        "minimal thinking",
        with_model("gemini-3.8-live-extended-thinking", "thinking_level: minimal"),
        '3:48: gemini-3.8-live-extended-thinking does not take "thinking_level": this model thinks; '
        "write low or higher",
    ),
    bad(
        "affective on 3.8",
        with_model("gemini-3.8-live", "affective_dialog: true"),
        '3:50: gemini-3.8-live does not take "affective_dialog": it was removed with 3.8; drop it',
    ),
    bad(
        "not proactive on 3.8",
        with_model("models/gemini-3.8-live", "proactive_audio: false"),
        '3:49: gemini-3.8-live does not take "proactive_audio": it is always on with 3.8, and false '
        "is refused; drop it",
    ),
    bad(
        "affective on 3.1",
        with_model("gemini-3.1-flash-live-preview", "affective_dialog: true"),
        '3:50: gemini-3.1-flash-live does not take "affective_dialog": 3.1 does not know it; drop it',
    ),
    bad(
        "text on 2.5",
        with_model("gemini-2.5-flash-native-audio-preview-12-2025", "modality: text"),
        '3:42: gemini-2.5-flash-native-audio does not take "modality": every Live model answers in '
        "sound only; drop it",
    ),
    bad(
        "a model that is gone",
        "model: gemini-2.0-flash-live-001\n",
        '2:8: "model" in a bot: it was shut down on 2025-12-09; use gemini-3.8-live',
    ),
    bad(
        "a model that is not Live",
        "model: gemini-3.5-pro\n",
        '2:8: "model" in a bot: it is no Live model; use gemini-3.8-live',
    ),
    bad(
        "a misspelt model",
        "model: gemini-3.8-lvie\n",
        '2:8: "model" in a bot: did you mean "gemini-3.8-live"?',
    ),
]

LOGGER = "pipecat.processors.logger:FrameLogger"

PYTHON = [
    bad(
        "no such module",
        "pipeline: [mic, gemini_live, {python: nobody.has.this:Thing}, speaker]\n",
        '2:39: "class" in python: there is no module nobody',
    ),
    bad(
        "no such submodule",
        "pipeline: [mic, gemini_live, {python: pipecat.processors.logr:X}, speaker]\n",
        '2:39: "class" in python: there is no module logr in pipecat.processors',
    ),
    bad(
        "no such class",
        "pipeline: [mic, gemini_live, {python: pipecat.processors.logger:FrameLoger}, speaker]\n",
        '2:39: "class" in python: module pipecat.processors.logger has no FrameLoger (did you mean '
        '"FrameLogger"?)',
    ),
    bad(
        "no path",
        "pipeline: [mic, gemini_live, {python: FrameLogger}, speaker]\n",
        '2:39: "class" in python must be a name like module:name, not "FrameLogger"',
    ),
    bad(
        "no processor",
        "pipeline: [mic, gemini_live, {python: 'pipecat.frames.frames:TextFrame'}, speaker]\n",
        "2:39: pipecat.frames.frames:TextFrame is no step: it must be a Pipecat audio filter, "
        "transport, processor, VAD analyzer",
    ),
    bad(
        "unknown argument",
        f"pipeline:\n- mic\n- gemini_live\n- python:\n    class: {LOGGER}\n    args: {{prefx: a}}\n- speaker\n",
        '7:12: unknown argument "prefx" of FrameLogger (did you mean "prefix"?)',
    ),
    bad(
        "missing argument",
        "pipeline: [mic, gemini_live, {python: 'pipecat.processors.audio.vad_processor:VADProcessor'}, speaker]\n",
        '2:39: VADProcessor needs "vad_analyzer" in its args',
    ),
    bad(
        "missing argument of an object",
        "pipeline: [mic, gemini_live, {python: {class: 'pipecat.processors.audio.vad_processor:VADProcessor',\n"
        "  args: {vad_analyzer: {python: 'pipecat.processors.audio.vad_processor:VADProcessor'}}}}, speaker]\n",
        '3:33: VADProcessor needs "vad_analyzer" in its args',
    ),
    bad(
        "broken object",
        "pipeline:\n- mic\n- python:\n    class: pipecat.processors.audio.vad_processor:VADProcessor\n"
        "    args: {vad_analyzer: {python: nope:X, arg: 1}}\n- gemini_live\n- speaker\n",
        '6:35: "python": there is no module nope',
    ),
    bad(
        "package that is not installed",
        "pipeline: [mic, {python: 'needs_more:Step'}, gemini_live, speaker]\n",
        '2:26: "class" in python: module needs_more needs a_package_that_nobody_has, which is not '
        "installed",
    ),
    bad(
        "broken module",
        "tools: [{python: 'broken:f'}]\n",
        '2:18: "function" in python: broken.py, line 1: invalid syntax (<unknown>, line 1)',
    ),
    bad(
        "tool without docstring",
        "tools: [{python: 'desk:silent'}]\n",
        '2:18: "function" in python: silent has no docstring; the model knows from it when to call it',
    ),
    bad(
        "tool without hints",
        "tools: [{python: 'desk:untyped'}]\n",
        '2:18: "function" in python: parameter day of untyped has no type hint; for example: str',
    ),
    bad(
        "tool with a strange type",
        "tools: [{python: 'desk:strange'}]\n",
        '2:18: "function" in python: parameter when of strange is a datetime; the model can give str, '
        "int, float, bool, list, dict and Literal",
    ),
    bad(
        "tool that is a class",
        "tools: [{python: 'desk:Desk'}]\n",
        '2:18: "function" in python: "desk:Desk" is a class, not a function',
    ),
    bad(
        "the same tool twice",
        "tools: [{python: 'desk:hours'}, {python: 'desk:hours'}]\n",
        '2:33: a second tool named "hours"',
    ),
    bad(
        "http tool with a bad schema",
        "tools:\n- http: {name: a, description: b, url: 'http://x', parameters: {type: string}}\n",
        '3:64: "parameters" in http must be a JSON Schema: type: object, properties: ...',
    ),
    bad(
        "http tool with bad parameters",
        "tools:\n- http:\n    name: a\n    description: b\n    url: http://x\n    parameters:\n"
        "      type: object\n      properties: {day: string, hour: {type: strng}, odd: 012}\n"
        "      required: [days, [day], ~]\n",
        '9:25: "day" must be a JSON Schema, for example type: string',
        '9:46: unknown type "strng" of "hour" (did you mean "string"?)',
        '9:59: "odd" of "properties" of "parameters" in http: is 012 a number or text? write 12 or "012"',
        '10:18: "days" in "required" is no parameter (did you mean "day"?)',
        '10:24: "[\'day\']" in "required" is no parameter (known: day, hour, odd)',
    ),
    bad(
        "http tool with a word for a list",
        "tools:\n- http: {name: a, description: b, url: 'http://x', parameters: {type: object,\n"
        "    properties: {day: {type: STRING}}, required: day}}\n",
        '4:50: "required" in parameters must be a list of names',
    ),
    bad(
        "http tool with a hole",
        "tools:\n- http: {name: a, description: b, url: 'http://x/{day}'}\n",
        '3:40: {day} in "url" is no parameter',
    ),
]

TESTS = [
    bad(
        "a word that is nearly an expectation",
        "tests: [{name: a, conversation: [{say: hi, expect: answer}]}]\n",
        '2:52: "expect" in line must be a mapping with the fields of expectation, not "answer" '
        '(did you mean "answered"?)',
    ),
    bad(
        "a function that is no tool yet",
        "tools: ['desk:hours']\n",
        '2:9: unknown tool "desk:hours" (write "python: desk:hours")',
    ),
    bad(
        "unknown matcher",
        "tests:\n- name: a\n  conversation:\n  - say: hi\n    expect: [{answerd: true}]\n",
        "6:14: expectation needs one of: answered, heard, tool_called, interrupted, silent",
        '6:15: unknown field "answerd" in expectation (did you mean "answered"?)',
    ),
    bad(
        "matcher without a meaning",
        "tests:\n- name: a\n  conversation:\n  - say: hi\n    expect: {answered: false}\n",
        '6:24: "answered" in expectation can only be true; for the opposite add absent: true',
    ),
    bad(
        "two actions",
        "tests:\n- name: a\n  conversation:\n  - say: hi\n    silence: 100\n",
        '6:5: "silence" beside "say": line takes one of say, play, silence, noise, stop',
    ),
    bad(
        "unknown tool",
        "tools: [{python: 'desk:hours'}]\ntests:\n- name: a\n  replies: [{call: hour}]\n"
        "  conversation: [{say: hi, expect: {tool_called: opening}}]\n",
        '5:20: unknown tool "hour" (did you mean "hours"?)',
        '6:50: unknown tool "opening" (known: hours)',
    ),
    bad(
        "unknown fault",
        "tests: [{name: a, faults: [mised-interrupt], conversation: [stop]}]\n",
        '2:28: unknown fault "mised-interrupt" (did you mean "missed-interrupt"?)',
    ),
    bad(
        "same name twice",
        "tests: [{name: a, conversation: [stop]}, {name: a, conversation: [stop]}]\n",
        '2:49: a second test named "a"',
    ),
    bad(
        "no name",
        "tests: [{conversation: [stop]}]\n",
        '2:9: "name" is missing in test, for example name: books a table',
    ),
    bad(
        "nothing to say",
        "tests: [{name: a, replies: [{delay_ms: 1}], conversation: [stop]}]\n",
        '2:29: reply needs "say" or "call"',
    ),
]

BAD = [*FIELDS, *YAML, *VARIABLES, *STEPS, *TRANSPORTS, *FAMILIES, *PYTHON, *TESTS]

MODULES = {
    "desk.py": '''
from datetime import datetime

class Desk:
    """A desk."""

class Hunter5:
    """What a variable stands for."""

def hours(day: str) -> str:
    """When we are open."""
    return "nine to five"

def silent(day: str) -> str:
    return day

def untyped(day):
    """A day."""
    return day

def strange(when: datetime) -> str:
    """A day."""
    return ""
''',
    "needs_more.py": "import a_package_that_nobody_has\n\nclass Step: ...\n",
    "broken.py": "def f(:\n",
}

ENVIRONMENT = {
    "SECRET": "hunter2-do-not-show",
    "NOBODY": "hunter3_do_not_show",
    "JSON": "hunter4_json",
    "CLASS": "Hunter5",
}
