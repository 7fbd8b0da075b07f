"""What each fault shows to the client, frame by frame, in virtual time."""

import base64
from dataclasses import replace

import numpy as np
import pytest
from emulator_call import MIC_MS, opened, speaking

from pipeline_live.audio import to_array
from pipeline_live.emulator import Fault
from pipeline_live.emulator.faults.situation import BlockReading, DelayPongs
from pipeline_live.emulator.hearing import CLEAN, PHONE
from pipeline_live.emulator.messages import (
    ActivityEnd,
    ActivityStart,
    Content,
    Refused,
    Setup,
    Text,
    ToolResponse,
    ToolResult,
)
from pipeline_live.emulator.script import Reply
from pipeline_live.emulator.voice import synthesize

MODEL = "models/gemini-3.8-live"
LONG = "word " * 40
BOOK = Reply("It is booked.", tool="book")


def with_faults(*texts):
    return {"faults": tuple(map(Fault.parse, texts))}


def setup(**fields):
    return Setup(model=MODEL, input_words=True, output_words=True, **fields)


def ask(text="Go on.", complete=True):
    return Content((("user", text),), complete)


def turn(call, ms=800):
    """The user speaks, and is silent until the reply is over, or for a long while."""
    done = call.count("turnComplete")
    call.talk(ms)
    for _ in range(400):
        call.pause(MIC_MS)
        if call.count("turnComplete") > done:
            return


def models(call):
    return [entry.text for entry in call.session.history if entry.role == "model"]


def result(call, n=-1):
    wanted = call.all("toolCall")[n].value["functionCalls"][0]
    return ToolResponse((ToolResult(wanted["id"], wanted["name"], {"ok": True}),))


def closed(call, act):
    with pytest.raises(Refused) as refusal:
        act(call)
    return refusal.value.code, refusal.value.reason


# --- interruptions ---------------------------------------------------------------------------


def test_f1_a_phantom_interrupts_and_later_turns_are_mute():
    call = opened(LONG, "Two.", "Three.", **with_faults("F1@turn=1,after_ms=700,mute=yes"))
    call.talk(800)
    call.pause(4000)
    first = call.all("audio")[0].at_ms
    assert call.one("interrupted").at_ms == first + 700
    assert call.count("START") == 1
    turn(call)
    turn(call)
    later = [said.kind for said in call.log if said.at_ms > call.one("interrupted").at_ms]
    assert "audio" not in later
    assert later.count("turnComplete") == 3


def test_f1_without_mute_later_turns_are_as_always():
    call = opened(LONG, "Two.", **with_faults("F1@turn=1"))
    turn(call)
    turn(call)
    assert models(call)[-1] == "Two."


def test_f1_at_a_time_interrupts_nothing_when_nothing_runs():
    call = opened(**with_faults("phantom-interrupt@at_ms=1500"))
    call.wait(3000)
    assert call.kinds() == ["interrupted"]


def test_f2_after_an_interruption_the_model_never_answers():
    call = speaking(LONG, "Two.", **with_faults("silent-after-cut"))
    turn(call)
    assert call.count("interrupted") == 1
    mark = len(call.log)
    call.pause(9000)
    turn(call)
    assert "audio" not in call.kinds(since=mark)


def test_f9_what_is_said_right_after_a_reply_is_not_heard():
    call = speaking("One.", "Two.", **with_faults("deaf-after-reply@within_ms=1000"))
    while not call.count("turnComplete"):
        call.pause(MIC_MS)
    mark = len(call.log)
    call.pause(200)
    call.talk(500)
    call.pause(3000)
    assert call.kinds(since=mark) == []
    turn(call)
    assert models(call) == ["One.", "Two."]


def test_f10_a_pause_ends_the_turn_while_the_user_is_not_done():
    def say(**arguments):
        call = opened("One.", "Two.", **arguments)
        call.talk(800)
        call.pause(1000)
        call.talk(800)
        call.pause(200)
        return call.kinds()

    assert say() == ["START"]
    assert say(**with_faults("hasty-end"))[:3] == ["START", "heard", "END"]


def test_f11_the_model_talks_on():
    call = speaking("word " * 20, "Two.", **with_faults("missed-interrupt"))
    mark = len(call.log)
    call.talk(1500)
    assert call.kinds(since=mark)[:1] == ["audio"]
    call.pause(6000)
    assert call.count("interrupted") == 0
    assert call.count("START") == 1


@pytest.mark.parametrize(("faults", "cuts"), [((), 0), (("interrupts-anyway",), 1)])
def test_f12_no_interruption_is_ignored(faults, cuts):
    call = speaking(LONG, setup=setup(interrupts=False), **with_faults(*faults))
    call.talk(800)
    assert call.count("interrupted") == cuts


def test_f28_a_note_cuts_the_reply_and_the_rest_comes_as_a_new_one():
    words = [f"w{n}" for n in range(40)]
    call = speaking(" ".join(words), "Unused.", **with_faults("note-flips"))
    call.say(ask("A note."))
    call.wait(15_000)
    assert call.count("interrupted") == 1
    first, rest = models(call)
    assert first.split() + rest.split() == words
    assert len(rest.split()) > 5


# --- replies ---------------------------------------------------------------------------------


def test_f3_sound_stops_and_nothing_follows():
    call = opened(LONG, "Two.", **with_faults("stall@turn=1,after_ms=800"))
    call.talk(800)
    call.pause(9000)
    first, last = call.all("audio")[0], call.all("audio")[-1]
    assert 500 <= last.at_ms - first.at_ms <= 800
    turn(call)
    contents = [said for said in call.log if said.kind not in ("START", "END")]
    assert contents[-1].at_ms <= last.at_ms
    assert len(models(call)[0].split()) < 30


def test_f3_for_a_while():
    calm, stalled = (
        opened(LONG, **with_faults(*faults)) for faults in ((), ("stall@after_ms=800,for_ms=2000",))
    )
    for call in (calm, stalled):
        call.talk(800)
        call.pause(20_000)
    gaps = [np.diff([said.at_ms for said in call.all("audio")]).max() for call in (calm, stalled)]
    assert gaps[0] < 200
    assert 2000 <= gaps[1] < 2300
    assert stalled.one("turnComplete").at_ms - calm.one("turnComplete").at_ms == 2000


@pytest.mark.parametrize(("keep_ms", "some"), [(0, False), (600, True)])
def test_f4_a_turn_is_complete_too_early(keep_ms, some):
    call = opened(LONG, **with_faults(f"cut-short@keep_ms={keep_ms}"))
    turn(call)
    assert bool(call.count("audio")) is some
    assert sum(said.value for said in call.all("audio")) < 3000
    assert call.kinds()[-2:] == ["generationComplete", "turnComplete"]


def test_f5_a_turn_is_rejected_as_often_as_asked():
    call = opened("One.", "Two.", "Three.", **with_faults("rejected@turn=1,times=2"))
    for _ in range(3):
        turn(call)
    contents = [frame.get("serverContent", {}) for frame in call.frames]
    reasons = [c.get("turnCompleteReason") for c in contents if c.get("turnComplete")]
    assert reasons == ["RESPONSE_REJECTED", "RESPONSE_REJECTED", None]
    assert models(call) == ["", "", "Three."]
    usage = call.all("turnComplete")[0].value
    assert usage["responseTokenCount"] == 0


def test_f5_may_want_more_input():
    call = opened("One.", **with_faults("F5@reason=NEED_MORE_INPUT"))
    turn(call)
    assert call.frames[-1]["serverContent"]["turnCompleteReason"] == "NEED_MORE_INPUT"


def loudness(call):
    pcm = b"".join(
        base64.b64decode(part["inlineData"]["data"])
        for frame in call.frames
        for part in frame.get("serverContent", {}).get("modelTurn", {}).get("parts", ())
    )
    return len(pcm), float(np.sqrt(np.mean(to_array(pcm).astype(float) ** 2)))


def test_f6_sound_of_full_length_that_nobody_hears():
    def said(*faults):
        call = opened("Hello there.", voice=synthesize, **with_faults(*faults))
        turn(call)
        return loudness(call)

    (length, loud), (same, faint) = said(), said("faint")
    assert same == length
    assert loud > 500
    assert faint < 10


def test_f7_a_turn_is_heard_and_never_answered():
    call = opened("One.", "Two.", "Three.", **with_faults("unanswered@turn=1"))
    call.talk(800)
    call.pause(9000)
    assert call.kinds() == ["START", "heard", "END"]
    turn(call)
    assert call.count("audio") == 0
    assert call.one("turnComplete").value["responseTokenCount"] == 0
    turn(call)
    assert models(call)[-1] == "Three."


def test_f8_the_end_comes_late_after_the_users_words_once_more():
    call = opened(Reply("One.", heard="Are you there?"), **with_faults("late-complete"))
    call.talk(800)
    call.pause(60_000)
    first = call.all("audio")[0].at_ms
    assert call.one("turnComplete").at_ms >= first + 50_000
    assert [said.value for said in call.all("heard")] == ["Are you there?"] * 2
    assert call.kinds()[-2:] == ["heard", "turnComplete"]


# --- rules -----------------------------------------------------------------------------------

INVALID = (1007, "Request contains an invalid argument.")


def test_f13_content_next_to_sound_is_fatal():
    call = opened("One.", **with_faults("content-race"))
    call.say(ask())
    call.wait_for("turnComplete")
    call.talk(400)
    assert closed(call, lambda call: call.say(ask())) == INVALID


def test_f14_content_on_a_resumed_session_is_fatal():
    call = opened(setup=setup(handle="h"), **with_faults("reseed-refused"))
    assert closed(call, lambda call: call.say(ask())) == INVALID
    opened(**with_faults("reseed-refused")).say(ask())


@pytest.mark.parametrize("message", [ActivityStart(), ActivityEnd()])
def test_f15_marks_are_fatal_whatever_the_mode(message):
    call = opened(setup=setup(manual=True), **with_faults("activity-refused"))
    code, reason = closed(call, lambda call: call.say(message))
    assert code == 1007
    assert reason.startswith("Explicit activity control is not supported")


def test_f26_text_is_lost():
    call = opened("One.", **with_faults("text-lost@turn=1"))
    call.say(Text("Hello?"))
    call.wait(5000)
    assert call.log == []
    assert call.session.history == []


# --- tools -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "after_ms", "ending"),
    [
        ("F16", 0, (1008, "Operation is not implemented, or supported, or enabled.")),
        (
            "tool-call-fails@after_ms=400,code=1011,reason=internal",
            400,
            (1011, "Internal error encountered."),
        ),
    ],
)
def test_f16_a_tool_call_is_fatal(fault, after_ms, ending):
    call = opened(BOOK, **with_faults(fault))
    call.say(ask())
    assert closed(call, lambda call: call.wait(5000)) == ending
    assert call.now_ms - call.one("toolCall").at_ms == after_ms


def test_f16_a_tools_result_is_fatal():
    call = opened(BOOK, **with_faults("tool-result-fails@turn=1"))
    call.say(ask())
    call.wait_for("turnComplete")
    ending = closed(call, lambda call: call.say(result(call)))
    assert ending == (1008, "Requested entity was not found")


def test_f22_a_call_that_was_cut_is_made_again_under_a_new_id():
    call = opened(
        BOOK, "Two.", setup=setup(blocking={"book": True}), **with_faults("tool-reissued")
    )
    call.say(ask())
    call.wait_for("toolCall")
    call.talk(600)
    call.say(result(call))
    call.pause(3000)
    first, second = (said.value["functionCalls"][0] for said in call.all("toolCall"))
    assert first["name"] == second["name"]
    assert first["id"] != second["id"]
    assert call.all("toolCall")[1].at_ms - call.all("END")[-1].at_ms == 200
    assert call.count("toolCallCancellation") == 0
    assert call.session.ignored_results == 1
    call.say(result(call))
    call.wait_for("audio")


@pytest.mark.parametrize("blocking", [True, False])
def test_f23_the_model_never_speaks_after_a_result(blocking):
    call = opened(
        BOOK, "Two.", setup=setup(blocking={"book": blocking}), **with_faults("silent-after-tool")
    )
    call.say(ask())
    call.wait_for("toolCall")
    call.say(result(call))
    call.wait(60_000)
    assert call.count("audio") == 0


# --- the line --------------------------------------------------------------------------------


def test_f17_an_error_out_of_nothing():
    call = opened(**with_faults("F17@at_ms=2000,reason=deadline"))
    ending = closed(call, lambda call: call.wait(5000))
    assert ending == (1011, "Deadline expired before operation could complete.")
    assert call.session.resumable is False


def test_f17_in_the_middle_of_a_reply():
    call = opened("One.", LONG, **with_faults("server-error@turn=2,after_ms=300,resumable=yes"))
    turn(call)
    assert closed(call, turn)[0] == 1011
    assert call.session.resumable is True
    assert call.count("audio") > 3


@pytest.mark.parametrize(("handle", "saw_video"), [("h", True), ("h", False), ("", True)])
def test_f18_only_a_resumed_session_that_saw_video_falls(handle, saw_video):
    call = opened(
        setup=setup(handle=handle), saw_video=saw_video, **with_faults("video-resume@after_ms=1500")
    )
    if handle and saw_video:
        assert closed(call, lambda call: call.wait(5000))[0] == 1011
    else:
        call.wait(5000)


def test_f20_and_f21_are_left_to_the_connection():
    faults = with_faults("late-pongs@at_ms=1500,by_ms=9000", "blocked-writes@after_ms=2000")
    call = opened(**faults)
    call.wait(3000)
    assert call.done == [DelayPongs(9000), BlockReading(2300)]


def test_f25_a_message_that_no_sdk_knows():
    call = opened(**with_faults("unknown-message@at_ms=2000,key=newThing,value=1"))
    call.wait(3000)
    assert call.frames[-1] == {"newThing": "1"}


def test_go_away_and_the_end():
    call = opened(**with_faults("go-away@at_ms=2000,left_ms=1500"))
    code, reason = closed(call, lambda call: call.wait(9000))
    assert call.one("goAway").value == {"timeLeft": "1.500s"}
    assert code == 1008
    assert "GoAway" in reason


# --- ears like those of a phone ----------------------------------------------------------------


def cut_lags(count, hearing):
    lags = []
    for seed in range(count):
        call = speaking("word " * 60, seed=seed, hearing=hearing)
        began_ms = call.now_ms
        call.talk(3600)
        lags += [said.at_ms - began_ms for said in call.all("interrupted") if said.at_ms > began_ms]
    return lags


def test_a_phone_line_is_noticed_as_late_as_in_real_calls():
    """18 phone calls (ANC): median 420 ms, 90th percentile 560-1296 ms, at most 2970 ms."""
    lags = cut_lags(60, replace(PHONE, miss_rate=0.0, phantom_rate=0.0))
    assert len(lags) >= 58
    assert 300 <= np.median(lags) <= 560
    assert 560 <= np.percentile(lags, 90) <= 1500
    assert max(lags) <= 3000


def test_misses_and_phantoms_come_at_the_rates_of_the_hearing():
    deaf = cut_lags(40, replace(CLEAN, miss_rate=0.5))
    assert 10 <= len(deaf) <= 30
    startled = 0
    for seed in range(40):
        call = opened(LONG, seed=seed, hearing=replace(CLEAN, phantom_rate=0.5))
        call.talk(800)
        call.pause(6000)
        startled += call.count("interrupted")
    assert 10 <= startled <= 30


def test_thresholds_differ_from_session_to_session():
    enters = {
        round(opened(seed=seed, hearing=PHONE).mind._listener._ears._enter, 6) for seed in range(8)
    }
    assert len(enters) == 8
    assert all(0.5 <= enter <= 0.7 for enter in enters)
