"""Tools: calls, results, and what becomes of both when somebody speaks."""

import re

import pytest
from emulator_call import MODELS, ask, merged, opened, options_of, result_of

from pipeline_live.emulator.messages import ContextUpdate, ToolResponse, ToolResult
from pipeline_live.emulator.script import Reply, ToolUse

BOOK = Reply("It is booked.", tool="book", args={"slot": 3})


def calling(reply=BOOK, *later, **fields):
    call = opened(reply, *later, **options_of("3.8-live", **fields))
    call.say(ask())
    call.wait_for("toolCall")
    return call


def test_a_call_ends_the_turn_and_its_result_is_answered():
    call = calling()
    assert call.kinds() == ["toolCall", "generationComplete", "turnComplete"]
    assert len({said.at_ms for said in call.log}) == 1
    wanted = call.one("toolCall").value["functionCalls"][0]
    assert (wanted["name"], wanted["args"]) == ("book", {"slot": 3})
    call.wait(5000)
    mark = len(call.log)
    call.say(result_of(call))
    call.wait(4000)
    assert call.kinds(since=mark) == ["audio", "generationComplete", "turnComplete"]
    assert call.session.history[-1].text == "It is booked."


def test_a_blocking_call_holds_the_turn():
    call = calling(blocking={"book": True})
    call.wait(3000)
    assert call.kinds() == ["toolCall"]
    call.say(result_of(call))
    call.wait(4000)
    assert call.kinds() == ["toolCall", "audio", "generationComplete", "turnComplete"]


def test_a_blocking_call_that_was_cut_ignores_its_result():
    call = calling(BOOK, "Second.", blocking={"book": True})
    call.talk(600)
    call.say(result_of(call))
    call.pause(5000)
    assert call.count("interrupted") == 1
    assert call.session.ignored_results == 1
    assert [e.text for e in call.session.history if e.role == "model"] == ["Second."]


@pytest.mark.parametrize(
    ("scheduling", "cut", "texts"),
    [
        ("", 0, ["word " * 12 + "end.", "It is booked."]),
        ("WHEN_IDLE", 0, ["word " * 12 + "end.", "It is booked."]),
        ("SILENT", 0, ["word " * 12 + "end."]),
    ],
)
def test_a_result_during_a_reply_waits_its_turn(scheduling, cut, texts):
    call = calling(BOOK, "word " * 12 + "end.")
    call.say(ask())
    call.wait_for("audio")
    call.say(result_of(call, scheduling=scheduling))
    call.wait(12_000)
    assert call.count("interrupted") == cut
    assert [e.text for e in call.session.history if e.role == "model"] == texts


def test_a_result_may_cut_a_reply():
    call = calling(BOOK, "word " * 40)
    call.say(ask())
    call.wait_for("audio")
    call.say(result_of(call, scheduling="INTERRUPT"))
    assert call.count("interrupted") == 1
    call.wait(6000)
    assert call.session.history[-1].text == "It is booked."


def test_a_session_cannot_be_resumed_while_a_tool_is_waited_for():
    """Not even when a reply meanwhile was cut."""
    call = calling(BOOK, "word " * 40, resumption=True)

    def handle():
        return call.all("sessionResumptionUpdate")[-1].value.get("newHandle", "")

    assert not handle()
    call.say(ask())
    call.wait_for("audio")
    call.say(ask(complete=False))
    call.wait(2000)
    assert call.count("interrupted") == 1
    assert not handle()
    call.say(result_of(call))
    call.wait(5000)
    assert call.session.history[-1].text == "It is booked."
    assert handle()


def test_a_result_during_speech_waits_until_the_answer_was_given():
    call = calling(BOOK, "Second.")
    call.talk(500)
    call.say(result_of(call))
    call.talk(500)
    call.pause(9000)
    models = [e.text for e in call.session.history if e.role == "model"]
    assert models == ["Second.", "It is booked."]


def test_an_unknown_result_is_ignored():
    call = opened()
    call.say(ToolResponse((ToolResult("call_1", "book", {}),)))
    call.wait(5000)
    assert call.log == []
    assert call.session.ignored_results == 1


# --- by family -------------------------------------------------------------------------------

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


def test_vertex_knows_a_result_without_an_id_by_its_name():
    call = opened(BOOK, **options_of("vertex-2.5"))
    call.say(ask())
    call.wait_for("toolCall")
    call.say(ToolResponse((ToolResult("", "other", {}), ToolResult("", "book", {}))))
    call.wait_for("audio")
    assert call.session.ignored_results == 1


def test_tools_may_be_declared_anew():
    call = opened(BOOK, **options_of("3.8-live"))
    call.say(ContextUpdate(None, {"book": True}), ask())
    call.wait_for("toolCall")
    call.wait(1000)
    assert call.count("turnComplete") == 0
