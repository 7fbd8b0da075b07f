"""Which family serves whom, what it refuses, and how each frames a turn."""

import itertools
import re

import pytest
from emulator_call import Call, opened, speaking

from pipeline_live.emulator.families import (
    FAMILIES,
    Words,
    adjusted,
    admit,
    family_of,
    parse_profile,
)
from pipeline_live.emulator.messages import (
    Compression,
    Content,
    ContextUpdate,
    Refused,
    Setup,
    StreamEnd,
    ToolResponse,
    ToolResult,
    Video,
)
from pipeline_live.emulator.script import Reply, ToolUse
from pipeline_live.errors import UsageError

MODELS = {
    "3.8-live": "models/gemini-3.8-live",
    "3.8-live-extended-thinking": "models/gemini-3.8-live-extended-thinking",
    "3.1-flash-live": "models/gemini-3.1-flash-live-preview",
    "2.5-native-audio": "models/gemini-2.5-flash-native-audio-preview-12-2025",
    "vertex-2.5": "publishers/google/models/gemini-live-2.5-flash",
    "vertex-3.8": "projects/p/locations/l/publishers/google/models/gemini-3.8-live",
}
LEVELS = {"3.8-live-extended-thinking": "LOW"}


def setup_of(name, **fields):
    usual = {"input_words": True, "output_words": True, "thinking_level": LEVELS.get(name, "")}
    return Setup(model=MODELS[name], **{**usual, **fields})


def options_of(name, **fields):
    return {"setup": setup_of(name, **fields), "vertex": name.startswith("vertex")}


def ask(text="Go on.", complete=True):
    return Content((("user", text),), complete)


def result_of(call, n=-1, **fields):
    wanted = call.all("toolCall")[n].value["functionCalls"][0]
    return ToolResponse((ToolResult(wanted["id"], wanted["name"], {"ok": True}, **fields),))


# --- who is served ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "vertex", "family"),
    [
        *((model, name.startswith("vertex"), name) for name, model in MODELS.items()),
        ("gemini-3.8-live", False, "3.8-live"),
        ("models/gemini-2.5-flash-native-audio-latest", False, "2.5-native-audio"),
        ("google/gemini-live-2.5-flash-native-audio", True, "vertex-2.5"),
        ("models/gemini-2.5-flash", False, None),
        ("models/gemini-3.8-live-next", False, None),
        ("models/gemini-live-2.5-flash-preview", False, None),  # shut down in December 2025
        ("models/gemini-live-2.5-flash-preview", True, None),
        ("models/gemini-live-2.5-flash", False, None),
        ("publishers/google/models/gemini-3.1-flash-live-preview", True, None),
        ("", False, None),
    ],
)
def test_which_family(model, vertex, family):
    found = family_of(model, vertex=vertex)
    assert (found and found.name) == family


def test_family_names_are_unique():
    assert {family.name for family in FAMILIES} == set(MODELS)
    assert len(FAMILIES) == len(MODELS)


AFFECTIVE_ON_BETA = "Unknown name \"enableAffectiveDialog\" at 'setup.generation_config'"


@pytest.mark.parametrize(
    ("name", "fields", "code", "words"),
    [
        ("3.8-live", {"modalities": ("TEXT",)}, 1007, "Cannot extract voices from a non-audio"),
        ("2.5-native-audio", {"modalities": ("TEXT",)}, 1007, "Cannot extract voices"),
        ("3.8-live", {"modalities": ("AUDIO", "TEXT")}, 1007, "modalities (AUDIO, TEXT)"),
        ("3.8-live", {"thinking_level": "LOW"}, 1007, "Thinking level"),
        ("3.8-live", {"proactive": False}, 1007, "invalid argument"),
        ("3.8-live", {"affective": True}, 1007, "invalid argument"),
        ("3.8-live", {"affective": False}, 1007, "invalid argument"),
        ("3.8-live-extended-thinking", {"thinking_level": ""}, 1007, "Thinking level"),
        ("3.8-live-extended-thinking", {"thinking_level": "MINIMAL"}, 1007, "Thinking level"),
        ("3.8-live-extended-thinking", {"blocking": {"f": True}}, 1007, "BLOCKING"),
        ("3.1-flash-live", {"affective": True}, 1007, "invalid argument"),
        ("3.1-flash-live", {"proactive": True}, 1007, "invalid argument"),
        ("2.5-native-audio", {"affective": True}, 1007, AFFECTIVE_ON_BETA),
        ("2.5-native-audio", {"proactive": True}, 1007, "\"proactivity\" at 'setup'"),
    ],
)
def test_setups_that_are_not_admitted(name, fields, code, words):
    with pytest.raises(Refused) as refusal:
        admit(setup_of(name, **fields))
    assert refusal.value.code == code
    assert words in refusal.value.reason


def test_an_unknown_model_is_not_admitted():
    with pytest.raises(Refused) as refusal:
        admit(Setup(model="models/gemini-9-live"))
    assert (refusal.value.code, refusal.value.reason) == (
        1008,
        "models/gemini-9-live is not found for API version v1beta, or is not supported for "
        "bidiGenerateContent. Call ListModels to s",
    )


@pytest.mark.parametrize(
    ("name", "fields", "version"),
    [
        ("3.8-live", {"modalities": ("AUDIO",), "blocking": {"f": True}}, "v1beta"),
        ("3.8-live", {"proactive": True}, "v1beta"),
        ("3.8-live", {"thinking_budget": 0}, "v1beta"),
        ("3.8-live-extended-thinking", {"thinking_level": "HIGH"}, "v1beta"),
        ("3.1-flash-live", {"thinking_level": "MINIMAL"}, "v1beta"),
        ("2.5-native-audio", {"affective": True, "proactive": True}, "v1alpha"),
        ("vertex-2.5", {"affective": True, "proactive": True}, "v1beta1"),
    ],
)
def test_setups_that_are_admitted(name, fields, version):
    vertex = name.startswith("vertex")
    assert admit(setup_of(name, **fields), version, vertex=vertex).name == name


# --- facts that are changed ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("cancels_calls=true", ("cancels_calls", True)),
        ("cut_ms=4..36", ("cut_ms", (4, 36))),
        ("think_ms=1..9..5", ("think_ms", (1, 9, 5))),
        ("speed=3.3", ("speed", 3.3)),
        ("audio_mean_ms=160", ("audio_mean_ms", 160)),
        ("words=apart", ("words", Words.APART)),
        ("call_id=fc_{}", ("call_id", "fc_{}")),
    ],
)
def test_a_fact_can_be_changed(text, fact):
    assert parse_profile(text) == fact
    name, value = fact
    assert getattr(adjusted(FAMILIES[0], {name: value}), name) == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cancel_calls=true", "did you mean cancels_calls?"),
        ("name=x", "no fact of a model family 'name'"),
        ("cancels_calls=maybe", "cancels_calls of a model family is for example true"),
        ("cut_ms=9", "for example 4..36"),
        ("cut_ms=9..3", "for example 4..36"),
        ("speed=fast", "for example 4.3"),
        ("words=loud", "for example bundled or apart or first"),
        ("audio_mean_ms", "for example 316"),
    ],
)
def test_a_change_that_makes_no_sense_is_one_line(text, words):
    with pytest.raises(UsageError) as refusal:
        parse_profile(text)
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


# --- how a turn looks ------------------------------------------------------------------------

SPOKEN = "One two three four five six seven eight nine ten."
ACTIVITY_ORDER = ["START", "heard", "END", "audio", "generationComplete", "turnComplete"]
TURNS = {
    "3.8-live": ACTIVITY_ORDER,
    "3.8-live-extended-thinking": ACTIVITY_ORDER,
    "3.1-flash-live": ["heard", "audio", "generationComplete", "turnComplete"],
    "2.5-native-audio": ["heard", "thought", "audio", "generationComplete", "turnComplete"],
    "vertex-2.5": ["heard", "audio", "generationComplete", "turnComplete"],
    "vertex-3.8": ACTIVITY_ORDER,
}


def merged(kinds):
    return [kind for kind, _ in itertools.groupby(kinds)]


@pytest.mark.parametrize("name", MODELS)
def test_the_order_of_a_spoken_turn(name):
    call = speaking(SPOKEN, **options_of(name))
    call.pause(5000)
    assert merged(call.kinds()) == TURNS[name]
    assert "".join(words.value for words in call.all("words")) == SPOKEN


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [("3.8-live", 260, 370), ("3.1-flash-live", 120, 200), ("2.5-native-audio", 55, 75)],
)
def test_how_much_sound_a_message_holds(name, least, most):
    call = speaking("word " * 80, **options_of(name))
    call.pause(10_000)
    sizes = [said.value for said in call.all("audio")][1:-1]
    assert least <= sum(sizes) / len(sizes) <= most


@pytest.mark.parametrize("name", ["2.5-native-audio", "vertex-2.5"])
def test_2_5_sends_one_kind_of_content_per_message(name):
    call = speaking(SPOKEN, **options_of(name))
    call.pause(4000)
    for frame in call.frames:
        content = frame.get("serverContent", {})
        assert len(content) == 1 or set(content) == {"turnComplete", "groundingMetadata"}
    assert not call.count("empty")
    assert not call.count("emptyContent")


def test_2_5_sends_words_in_pieces_ahead_of_their_sound():
    call = speaking(SPOKEN, **options_of("2.5-native-audio"))
    call.pause(4000)
    pieces = [said.value for said in call.all("words")]
    assert all(1 <= len(piece.split()) <= 2 for piece in pieces)
    assert call.all("words")[1].at_ms == call.all("audio")[0].at_ms
    assert len(call.all("heard")) > 1
    assert "".join(said.value for said in call.all("heard")) == "(0.8 s of speech)"


def test_a_thinking_budget_of_nothing_stops_thoughts():
    call = speaking(SPOKEN, **options_of("2.5-native-audio", thinking_budget=0))
    call.pause(4000)
    assert call.count("thought") == 0
    assert "thoughtsTokenCount" not in call.one("turnComplete").value
    thinking = speaking(SPOKEN, **options_of("2.5-native-audio"))
    thinking.pause(4000)
    assert thinking.one("turnComplete").value["thoughtsTokenCount"] > 0


def test_3_x_bundles_words_with_sound_and_now_and_then_two_parts():
    call = speaking("word " * 80, profile={"parts_share": 0.3}, **options_of("3.8-live"))
    call.pause(10_000)
    contents = [frame["serverContent"] for frame in call.frames if "serverContent" in frame]
    sounds = [content for content in contents if "modelTurn" in content]
    assert any("outputTranscription" in content for content in sounds)
    assert all("modelTurn" in content for content in contents if "outputTranscription" in content)
    parts = {len(content["modelTurn"]["parts"]) for content in sounds}
    assert parts == {1, 2}
    assert sum(said.value for said in call.all("audio")) == 80 * 300


def test_vertex_2_5_tells_all_words_before_the_sound():
    call = speaking("It is foggy.", **options_of("vertex-2.5"))
    call.pause(4000)
    reply = [frame["serverContent"] for frame in call.frames][-99:]
    words = [c["outputTranscription"] for c in reply if "outputTranscription" in c]
    assert words == [{}, {"text": "It"}, {"text": " is foggy."}, {"finished": True}]
    keys = [next(iter(content)) for content in reply if "inputTranscription" not in content]
    assert merged(keys) == [
        *["outputTranscription", "modelTurn", "generationComplete", "turnComplete"]
    ]
    turn = next(content["modelTurn"] for content in reply if "modelTurn" in content)
    assert turn["role"] == "model"
    assert turn["parts"][0]["inlineData"]["mimeType"] == "audio/pcm"
    assert reply[-1] == {"turnComplete": True, "groundingMetadata": {}}


@pytest.mark.parametrize("name", MODELS)
def test_usage_adds_up_under_the_name_that_the_service_gives_it(name):
    call = speaking(SPOKEN, **options_of(name))
    call.pause(4000)
    usage = call.one("turnComplete").value
    reply, other = ("candidates", "response") if "vertex" in name else ("response", "candidates")
    assert f"{other}TokenCount" not in usage
    assert usage["totalTokenCount"] == usage["promptTokenCount"] + usage[f"{reply}TokenCount"]
    for side in ("prompt", reply):
        details = usage[f"{side}TokensDetails"]
        assert sum(d["tokenCount"] for d in details) == usage[f"{side}TokenCount"]
    modalities = {d["modality"] for d in usage[f"{reply}TokensDetails"]}
    assert modalities == ({"TEXT", "AUDIO"} if "vertex" in name else {"AUDIO"})


def test_voice_activity_sometimes_brings_an_empty_content():
    frames = []
    for seed in range(8):
        call = speaking("Yes.", seed=seed, **options_of("3.8-live"))
        frames += [frame for frame in call.frames if "voiceActivity" in frame]
    beside = [frame["serverContent"] for frame in frames if "serverContent" in frame]
    assert 0 < len(beside) < len(frames)
    assert all(content == {} for content in beside)


def test_vertex_signals_speech_to_those_who_ask():
    call = speaking("Yes.", **options_of("vertex-2.5", vad_signals=True))
    signals = [said.value for said in call.all("voiceActivityDetectionSignal")]
    assert signals == [
        {"vadSignalType": "VAD_SIGNAL_TYPE_SOS"},
        {"vadSignalType": "VAD_SIGNAL_TYPE_EOS"},
    ]


# --- extended thinking -----------------------------------------------------------------------


def statuses(call):
    contents = [frame.get("serverContent", {}) for frame in call.frames]
    return [c["interactionStatus"] for c in contents if c.get("turnComplete")]


def test_extended_thinking_is_idle_only_when_nothing_is_owed():
    reply = Reply("It is booked.", tool="book")
    call = opened(reply, **options_of("3.8-live-extended-thinking"))
    call.say(ask())
    call.wait_for("turnComplete")
    (called,) = (frame for frame in call.frames if "toolCall" in frame)
    assert called["interactionStatus"] == "IN_PROGRESS"
    call.say(result_of(call, scheduling="SILENT"))  # it knows no scheduling
    call.wait_for("turnComplete")
    assert statuses(call) == ["IN_PROGRESS", "IDLE"]


# --- clientContent ---------------------------------------------------------------------------


def test_3_1_takes_content_until_the_model_has_spoken():
    call = opened("One.", **options_of("3.1-flash-live"))
    call.say(ask(complete=False), ask())
    call.wait_for("turnComplete")
    with pytest.raises(Refused) as refusal:
        call.say(ask())
    assert (refusal.value.code, refusal.value.reason) == (
        1007,
        "Request contains an invalid argument.",
    )


def test_3_1_takes_content_any_time_when_the_profile_says_so():
    call = opened("One.", "Two.", profile={"content_later": True}, **options_of("3.1-flash-live"))
    for _ in range(2):
        call.say(ask())
        call.wait_for("turnComplete")


@pytest.mark.parametrize(("name", "fatal"), [("2.5-native-audio", True), ("3.8-live", False)])
def test_content_without_turns_after_an_interruption(name, fatal):
    call = speaking(**options_of(name))
    call.say(ask("Stop.", complete=False))
    call.wait(200)
    assert call.count("interrupted") == 1
    if fatal:
        with pytest.raises(Refused):
            call.say(Content((), complete=True))
    else:
        call.say(Content((), complete=True))
        call.wait_for("audio")


def test_the_end_of_the_stream_leaves_an_open_turn_of_3_1_alone():
    call = opened("Yes.", **options_of("3.1-flash-live"))
    call.talk(800)
    call.say(StreamEnd())
    call.wait(3000)
    assert call.log == []


# --- tools -----------------------------------------------------------------------------------

BOOK = Reply("It is booked.", tool="book", args={"slot": 3})
CALL_IDS = {
    "3.8-live": r"call_\d+",
    "3.8-live-extended-thinking": r"call_\d+",
    "3.1-flash-live": r"fc_\d+",
    "2.5-native-audio": r"function-call-\d+",
    "vertex-2.5": r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}",
    "vertex-3.8": r"call_\d+",
}
ANSWERED = ["audio", "generationComplete", "turnComplete"]
APART = ["toolCall", "generationComplete", "turnComplete", *ANSWERED]
ROUNDS = {
    "3.8-live": APART,
    "3.8-live-extended-thinking": APART,
    "3.1-flash-live": ["toolCall", *ANSWERED],
    "2.5-native-audio": ["toolCall", *ANSWERED],
    "vertex-2.5": ["outputTranscription", *APART],
    "vertex-3.8": APART,
}


@pytest.mark.parametrize("name", MODELS)
def test_a_tool_round_of_each_family(name):
    call = opened(BOOK, **options_of(name))
    call.say(ask())
    wanted = call.wait_for("toolCall").value["functionCalls"][0]
    assert re.fullmatch(CALL_IDS[name], wanted["id"])
    call.wait(3000)
    call.say(result_of(call))
    call.wait(5000)
    order = [kind for kind in call.kinds() if kind != "outputTranscription"]
    assert order == [kind for kind in ROUNDS[name] if kind != "outputTranscription"]


def test_a_tool_round_of_vertex_2_5_as_recorded():
    """pydantic-ai's cassette test_text_tool_round_parity[gateway-google]."""
    call = opened(Reply("It is foggy.", tool="get_weather"), **options_of("vertex-2.5"))
    call.say(ask())
    call.wait_for("toolCall")
    call.say(result_of(call))
    call.wait(5000)
    keys = [next(iter(frame.get("serverContent") or frame)) for frame in call.frames]
    assert merged(keys) == [
        *["outputTranscription", "toolCall"],
        *["outputTranscription", "generationComplete", "turnComplete"],
        *["outputTranscription", "modelTurn", "generationComplete", "turnComplete"],
    ]
    called, answered = (said.value for said in call.all("turnComplete"))
    assert [d["modality"] for d in called["candidatesTokensDetails"]] == ["TEXT"]
    assert [d["modality"] for d in answered["candidatesTokensDetails"]] == ["TEXT", "AUDIO"]


@pytest.mark.parametrize(
    ("name", "declared", "holds"),
    [
        ("3.8-live", None, False),
        ("3.8-live", True, True),
        ("2.5-native-audio", None, True),
        ("2.5-native-audio", False, False),
        ("3.1-flash-live", False, True),
    ],
)
def test_who_holds_the_reply_back_for_a_tool(name, declared, holds):
    call = opened(BOOK, **options_of(name, blocking={"book": declared}))
    call.say(ask())
    call.wait_for("toolCall")
    call.wait(1000)
    assert call.count("turnComplete") == (not holds)


@pytest.mark.parametrize(
    ("profile", "cancelled"), [({}, 0), ({"cancels_calls": True}, 1)], ids=["3.8", "switched on"]
)
def test_a_cut_call_is_cancelled_only_by_those_who_do(profile, cancelled):
    call = opened(
        BOOK, "Second.", profile=profile, **options_of("3.8-live", blocking={"book": True})
    )
    call.say(ask())
    wanted = call.wait_for("toolCall").value["functionCalls"][0]
    call.talk(600)
    assert call.count("interrupted") == 1
    ids = [said.value["ids"] for said in call.all("toolCallCancellation")]
    assert ids == [[wanted["id"]]] * cancelled


def test_several_calls_go_out_in_one_message_and_are_answered_together():
    calls = [ToolUse("light", {"on": True}), ToolUse("door")]
    call = opened(Reply("Done.", tool=calls), **options_of("3.8-live"))
    call.say(ask())
    wanted = call.wait_for("toolCall").value["functionCalls"]
    assert [(w["name"], w["args"]) for w in wanted] == [("light", {"on": True}), ("door", {})]
    first, second = (ToolResult(w["id"], w["name"], {}) for w in wanted)
    call.say(ToolResponse((first,)))
    call.wait(3000)
    assert call.count("audio") == 0
    call.say(ToolResponse((second,)))
    call.wait_for("audio")


def test_a_result_that_will_continue_leaves_the_call_open():
    call = opened(BOOK, **options_of("3.8-live"))
    call.say(ask())
    call.wait_for("toolCall")
    call.say(result_of(call, will_continue=True))
    call.wait(3000)
    assert call.count("audio") == 0
    call.say(result_of(call))
    call.wait_for("audio")
    assert call.session.ignored_results == 0


@pytest.mark.parametrize(("name", "over"), [("2.5-native-audio", True), ("3.8-live", False)])
def test_a_result_that_interrupts_while_the_user_speaks(name, over):
    declared = {"book": False}
    call = opened(BOOK, "Second.", **options_of(name, blocking=declared))
    call.say(ask())
    call.wait_for("turnComplete")
    call.talk(400)
    call.say(result_of(call, scheduling="INTERRUPT"))
    call.talk(1500)
    assert bool(call.count("audio")) is over


def test_tools_may_be_declared_anew():
    call = opened(BOOK, **options_of("3.8-live"))
    call.say(ContextUpdate(None, {"book": True}), ask())
    call.wait_for("toolCall")
    call.wait(1000)
    assert call.count("turnComplete") == 0


# --- the context -----------------------------------------------------------------------------


def prompts(call):
    return [said.value["promptTokenCount"] for said in call.all("turnComplete")]


def talked(**fields):
    call = opened(default="word " * 10, **options_of("3.8-live", **fields))
    for _ in range(5):
        call.talk(1000)
        call.pause(6000)
    return call


def test_compression_shortens_the_context():
    grown = prompts(talked())
    assert grown == sorted(grown)
    kept = prompts(talked(compression=Compression(300, 100)))
    assert max(kept) <= 300
    assert kept != sorted(kept)
    halved = prompts(talked(compression=Compression(300)))
    assert min(halved[2:]) >= 100


def test_what_counts_as_the_users_turn():
    active, everything = talked(), talked(coverage="TURN_INCLUDES_ALL_INPUT")
    assert prompts(everything)[0] - prompts(active)[0] >= 20
    assert prompts(everything)[-1] > prompts(active)[-1] + 400


@pytest.mark.parametrize(
    ("name", "coverage", "counted"),
    [
        ("3.8-live", "", True),
        ("2.5-native-audio", "", False),
        ("2.5-native-audio", "TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO", True),
    ],
)
def test_pictures_between_turns_cost_where_they_are_part_of_the_turn(name, coverage, counted):
    call = opened("Yes.", **options_of(name, coverage=coverage))
    call.say(Video())
    call.talk(800)
    call.pause(3000)
    details = call.one("turnComplete").value["promptTokensDetails"]
    assert ({"modality": "VIDEO", "tokenCount": 258} in details) is counted


def test_low_sensitivity_is_the_default_of_vertex():
    for name, low in (("3.8-live", False), ("vertex-3.8", True)):
        call = Call("Yes.", **options_of(name))
        ears = call.mind._listener._ears
        assert (ears._enter == 0.75) is low
        assert (ears._leave == 0.2) is low


# --- how long it may last --------------------------------------------------------------------


def ends(call):
    """When goAway came and when the connection was cut, in seconds."""
    with pytest.raises(Refused) as refusal:
        call.wait(3_000_000)
    assert refusal.value.code == 1008
    warned_s = [said.at_ms // 1000 for said in call.all("goAway")]
    assert [said.value for said in call.all("goAway")] == [{"timeLeft": "50s"}] * len(warned_s)
    return warned_s[0], call.now_ms // 1000


@pytest.mark.parametrize(
    ("fields", "spent_ms", "video", "ending"),
    [
        ({}, 0, False, (550, 600)),
        ({"compression": Compression()}, 0, True, (550, 600)),
        ({}, 600_000, False, (250, 300)),
        ({"compression": Compression()}, 600_000, False, (550, 600)),
        ({}, 0, True, (70, 120)),
    ],
)
def test_a_connection_and_a_session_have_their_ends(fields, spent_ms, video, ending):
    call = opened(spent_ms=spent_ms, **options_of("3.8-live", **fields))
    if video:
        call.say(Video())
    assert ends(call) == ending
