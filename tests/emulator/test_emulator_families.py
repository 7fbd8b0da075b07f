"""Which family serves whom, what it refuses, and how each frames a turn."""

import pytest
from emulator_call import (
    MODELS,
    Call,
    ask,
    merged,
    opened,
    options_of,
    result_of,
    setup_of,
    speaking,
)

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
    Refused,
    Setup,
    StreamEnd,
    Video,
)
from pipeline_live.emulator.script import Reply
from pipeline_live.errors import UsageError

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
        ("speed=0", "speed of a model family must be more than 0"),
        ("audio_step_ms=0", "audio_step_ms of a model family must be more than 0"),
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


THOUGHTFUL = Reply("It is old.", interim="Let me think.")


def test_extended_thinking_says_something_first_in_a_turn_that_is_not_the_last():
    call = opened(THOUGHTFUL, **options_of("3.8-live-extended-thinking"))
    call.say(ask())
    call.wait(8000)
    assert statuses(call) == ["IN_PROGRESS", "IDLE"]
    assert call.kinds() == ["audio", "generationComplete", "turnComplete"] * 2
    assert [e.text for e in call.session.history][1:] == ["Let me think.", "It is old."]


def test_whoever_cuts_what_is_said_first_never_hears_the_rest():
    call = opened(THOUGHTFUL, "Two.", **options_of("3.8-live-extended-thinking"))
    call.say(ask())
    call.wait_for("audio")
    call.talk(800)
    call.pause(6000)
    assert statuses(call) == ["IDLE", "IDLE"]
    assert call.session.history[-1].text == "Two."
    assert "It is old." not in [entry.text for entry in call.session.history]


def test_others_say_all_of_it_in_one_turn():
    call = opened(THOUGHTFUL, **options_of("3.8-live"))
    call.say(ask())
    call.wait(8000)
    assert call.count("turnComplete") == 1
    assert call.session.history[-1].text == "Let me think. It is old."


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
