"""Order and intervals of a call, in virtual time.

The ranges are those seen in public recordings of gemini-3.8-live
(frontier-on-cloud/gemini-live-stop-test and live-commit-guard, pydantic/pydantic-ai cassettes). The
detector here notices speech at once, where Silero needs one or two windows of 32 ms; so a turn may
begin that much earlier than in the recordings. test_emulator_recording.py holds the real one
against them.
"""

from dataclasses import replace

import pytest
from emulator_call import MIC_MS, Call, loud, opened, speaking

from pipeline_live.audio import INPUT_RATE, silence
from pipeline_live.emulator.hearing import CLEAN
from pipeline_live.emulator.messages import (
    ActivityEnd,
    ActivityStart,
    Audio,
    Content,
    Refused,
    Setup,
    StreamEnd,
    Text,
    Video,
)
from pipeline_live.emulator.script import GREETING, Reply

MODEL = "models/gemini-3.8-live"
SEEDS = range(8)


def setup(**fields):
    return Setup(model=MODEL, input_words=True, output_words=True, **fields)


def ask(text="Go on.", complete=True):
    return Content((("user", text),), complete)


# --- opening ---------------------------------------------------------------------------------


def test_setup_is_answered_and_a_resumption_handle_follows_unasked():
    call = Call()
    call.wait(1000)
    assert call.kinds() == ["setupComplete", "sessionResumptionUpdate"]
    done, update = call.log
    assert 320 <= done.at_ms <= 330
    assert 115 <= update.at_ms - done.at_ms <= 116


def test_nothing_is_heard_before_setup_is_complete():
    call = Call()
    call.say(ask(), Audio(loud(20), INPUT_RATE))
    call.wait(300)
    assert call.log == []
    call.wait_for("audio")


@pytest.mark.parametrize(
    ("model", "asked", "expected"),
    [
        ("models/gemini-3.1-flash-live-preview", False, True),
        ("models/gemini-2.5-flash-native-audio-preview-12-2025", False, False),
        ("models/gemini-2.5-flash-native-audio-preview-12-2025", True, True),
    ],
)
def test_who_gets_a_resumption_handle(model, asked, expected):
    call = Call(setup=Setup(model=model, resumption=asked))
    call.wait(1000)
    assert bool(call.count("sessionResumptionUpdate")) is expected


# --- a spoken turn ---------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_a_spoken_turn(seed):
    call = opened("One two three four five six seven.", seed=seed)
    call.pause(500)
    started_ms = call.now_ms
    call.talk(1500)
    stopped_ms = call.now_ms
    while not call.count("turnComplete"):
        call.pause(MIC_MS)
    order = ["START", "heard", "END", "audio", "generationComplete", "turnComplete"]
    assert call.kinds() == order
    start, heard, end = call.one("START"), call.one("heard"), call.one("END")
    assert 85 <= start.at_ms - started_ms <= 235
    assert heard.at_ms == end.at_ms
    assert 1200 <= end.at_ms - stopped_ms <= 1420
    audio = call.all("audio")
    assert 150 <= audio[0].at_ms - end.at_ms <= 870
    assert sum(part.value for part in audio) == 2100
    assert 3 <= call.one("generationComplete").at_ms - audio[-1].at_ms <= 30
    assert 3 <= call.one("turnComplete").at_ms - (audio[0].at_ms + 2100) <= 9
    assert "".join(w.value for w in call.all("words")) == "One two three four five six seven."


def test_offsets_are_places_in_the_sound_that_was_received():
    call = opened("Yes.")
    call.wait(5000)  # the microphone was off: no sound, no time
    call.pause(480)
    call.talk(1000)
    call.pause(1500)
    start, end = call.one("START"), call.one("END")
    assert start.value in ("0.560s", "0.600s")
    assert 2600 <= float(end.value[:-1]) * 1000 <= 2800


def test_empty_messages_come_before_a_reply_and_before_its_audio():
    call = speaking("One two three.")
    call.pause(1500)
    log = [said.kind for said in call.log if said.kind != "words"]
    reply = log[log.index("END") + 1 :]
    assert reply[:4] == ["empty", "emptyContent", "empty", "audio"]
    assert reply.count("empty") == reply.count("audio") + 1


def test_words_are_sent_only_to_those_who_asked():
    call = speaking("One two three.", setup=Setup(model=MODEL))
    assert call.count("audio")
    assert call.count("words") == call.count("heard") == 0


def test_silence_and_short_clicks_are_no_turn():
    call = opened()
    for _ in range(5):
        call.talk(30)
        call.pause(400)
    call.pause(2000)
    assert call.log == []


@pytest.mark.parametrize(("silence_ms", "least", "most"), [(100, 100, 200), (700, 700, 800)])
def test_the_client_sets_how_much_silence_ends_a_turn(silence_ms, least, most):
    call = opened("Yes.", setup=setup(silence_ms=silence_ms))
    call.talk(800)
    stopped_ms = call.now_ms
    call.pause(1500)
    assert least <= call.one("END").at_ms - stopped_ms <= most


def test_the_client_sets_how_much_speech_begins_a_turn():
    call = opened("Yes.", setup=setup(prefix_ms=400))
    call.talk(380)
    call.pause(1500)
    assert call.count("START") == 0
    call.talk(480)
    assert call.count("START") == 1


def test_the_end_of_the_stream_ends_an_open_turn_at_once():
    call = opened("Yes.")
    call.talk(800)
    call.say(StreamEnd())
    call.wait(60)
    assert call.kinds() == ["START", "heard", "END"]
    call.wait_for("audio")


def test_the_end_of_the_stream_without_a_turn_means_nothing():
    call = opened("Yes.")
    call.pause(200)
    call.say(StreamEnd())
    call.wait(3000)
    assert call.log == []


def test_a_burst_is_heard_about_four_times_faster_than_it_lasts():
    call = opened("Yes.", setup=setup())
    began_ms = call.now_ms
    call.say(*[Audio(loud(40), INPUT_RATE)] * 50, *[Audio(silence(40, INPUT_RATE), 16000)] * 40)
    end = call.wait_for("END")
    assert 700 <= end.at_ms - began_ms <= 1100
    assert call.kinds() == ["START", "heard", "END"]


def test_what_was_heard_is_the_scripts_or_its_length():
    call = opened(Reply("Yes.", heard="Is it raining?"), "No.")
    for _ in range(2):
        call.talk(1824)
        call.pause(4000)
    assert [said.value for said in call.all("heard")] == ["Is it raining?", "(1.8 s of speech)"]


def test_a_voice_that_is_late_makes_the_reply_late_and_nothing_else():
    call = opened("One two three.", voice_takes_ms=2000)
    call.talk(800)
    call.pause(6000)
    end, audio = call.one("END"), call.all("audio")
    assert audio[0].at_ms >= end.at_ms + 2000
    assert sum(part.value for part in audio) == 900
    assert call.kinds()[-1] == "turnComplete"


def test_an_empty_reply_completes_without_sound():
    call = opened(Reply(""))
    call.talk(800)
    call.pause(3000)
    assert call.kinds() == ["START", "heard", "END", "generationComplete", "turnComplete"]


def test_what_a_search_found_comes_before_the_reply_is_complete():
    found = {"groundingChunks": [{"web": {"uri": "https://harbour.example"}}]}
    call = opened(Reply("Yes.", grounding=found))
    call.talk(800)
    call.pause(3000)
    assert call.one("found").value == found
    assert call.kinds()[-4:] == ["audio", "found", "generationComplete", "turnComplete"]


def test_the_same_seed_gives_the_same_call():
    def run(seed):
        call = speaking(seed=seed)
        call.talk(800)
        call.pause(3000)
        return call.log

    assert run(3) == run(3)
    assert run(3) != run(4)


# --- interruptions by voice ------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_speech_while_generating_cuts_the_reply(seed):
    call = speaking(seed=seed)
    began_ms, mark = call.now_ms, len(call.log)
    call.talk(1000)
    call.pause(200)
    kinds = [kind for kind in call.kinds(since=mark) if kind != "audio"]
    assert kinds[:3] == ["START", "interrupted", "turnComplete"]
    start, cut = call.all("START")[-1], call.one("interrupted")
    assert start.at_ms == cut.at_ms
    assert 85 <= cut.at_ms - began_ms <= 235
    assert 4 <= call.one("turnComplete").at_ms - cut.at_ms <= 36
    assert call.count("generationComplete") == 0
    assert all(audio.at_ms <= cut.at_ms for audio in call.all("audio"))


def test_speech_after_generation_but_before_the_turn_is_complete_cuts_too():
    call = speaking("word " * 20)
    while not call.count("generationComplete"):
        call.pause(MIC_MS)
    assert call.count("turnComplete") == 0
    mark = len(call.log)
    call.talk(600)
    assert call.kinds(since=mark) == ["START", "interrupted", "turnComplete"]


def test_speech_after_the_turn_is_complete_cuts_nothing():
    call = speaking("One two three.")
    while not call.count("turnComplete"):
        call.pause(MIC_MS)
    mark = len(call.log)
    call.talk(600)
    assert call.kinds(since=mark) == ["START"]


def test_speech_before_the_first_sound_cuts_a_reply_without_content():
    call = opened(Reply("One two three.", delay_ms=800), "Second.")
    call.talk(800)
    while not call.count("END"):
        call.pause(MIC_MS)
    mark = len(call.log)
    call.talk(600)
    assert call.kinds(since=mark) == ["START", "interrupted", "turnComplete"]
    call.pause(4000)
    assert "".join(w.value for w in call.all("words")) == "Second."


def test_the_history_keeps_of_a_cut_reply_what_was_sent():
    call = speaking(" ".join(str(n) for n in range(60)), "Fine.")
    call.talk(800)
    call.pause(4000)
    cut, fine = (e for e in call.session.history if e.role == "model")
    sent = "".join(w.value for w in call.all("words")).removesuffix("Fine.")
    assert cut.cut
    assert cut.text == sent
    assert 4 < len(cut.text.split()) < 40
    assert (fine.text, fine.cut) == ("Fine.", False)
    assert call.session.interruptions == 1


def test_the_history_says_when_each_word_was_sent_and_when_it_sounds():
    call = speaking(" ".join(str(n) for n in range(60)))
    call.talk(800)
    (cut,) = (e for e in call.session.history if e.role == "model")
    sounds = call.all("audio")
    assert cut.first_audio_ms == sounds[0].at_ms
    assert cut.audio_ms == sum(sound.value for sound in sounds)
    assert " ".join(word.text for word in cut.words) == cut.text.strip()
    assert [word.start_ms for word in cut.words] == [300 * n for n in range(len(cut.words))]
    heard_ms = call.one("interrupted").at_ms - cut.first_audio_ms
    assert heard_ms < cut.audio_ms < cut.words[-1].end_ms  # sent ahead, words most of all


def test_the_transcript_of_interrupting_words_comes_after_the_reply_was_closed():
    call = speaking()
    mark = len(call.log)
    call.talk(800)
    call.pause(1500)
    kinds = call.kinds(since=mark)
    assert kinds.index("turnComplete") < kinds.index("heard") < kinds.index("END")


def test_no_interruption_lets_the_reply_finish_and_answers_afterwards():
    call = speaking("word " * 20, "Second.", setup=setup(interrupts=False))
    mark = len(call.log)
    call.talk(800)
    call.pause(9000)
    assert call.count("interrupted") == 0
    assert call.kinds(since=mark) == [
        *["audio", "START", "audio", "generationComplete", "heard", "END", "turnComplete"],
        *["audio", "generationComplete", "turnComplete"],
    ]


def test_a_late_detector_cuts_late():
    on_time, late = speaking(), speaking(hearing=replace(CLEAN, delay_ms=700))
    lags = []
    for call in (on_time, late):
        began_ms = call.now_ms
        call.talk(1500)
        lags.append(call.one("interrupted").at_ms - began_ms)
        assert call.all("START")[-1].at_ms == call.one("interrupted").at_ms
    assert 650 <= lags[1] - lags[0] <= 750


def test_a_late_detector_keeps_start_before_end():
    call = opened("Yes.", hearing=replace(CLEAN, delay_ms=3000))
    call.talk(300)
    call.pause(6000)
    assert call.kinds()[:3] == ["START", "heard", "END"]


def test_a_deaf_model_speaks_on_and_hears_again_when_it_is_done():
    call = speaking("word " * 20, "Second.", hearing=replace(CLEAN, miss_rate=1.0))
    mark = len(call.log)
    call.talk(800)
    while not call.count("turnComplete"):
        call.pause(MIC_MS)
    assert call.kinds(since=mark) == ["audio", "generationComplete", "turnComplete"]
    call.talk(800)
    call.pause(3000)
    assert "".join(w.value for w in call.all("words")).endswith("Second.")


# --- interruptions by text -------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_content_cuts_a_reply_and_gets_its_own(seed):
    call = speaking("word " * 40, "Second.", seed=seed)
    sent_ms, mark = call.now_ms, len(call.log)
    call.say(ask())
    call.wait(6000)
    kinds = call.kinds(since=mark)
    assert [k for k in kinds if k != "audio"] == [
        *["interrupted", "turnComplete", "generationComplete", "turnComplete"]
    ]
    cut = call.one("interrupted")
    assert 12 <= cut.at_ms - sent_ms <= 78
    first = next(a for a in call.all("audio") if a.at_ms > cut.at_ms)
    assert 500 <= first.at_ms - sent_ms <= 1125
    assert call.all("turnComplete")[0].at_ms < first.at_ms


def test_content_that_does_not_complete_a_turn_cuts_and_waits():
    call = speaking("word " * 40, "Second.")
    mark = len(call.log)
    call.say(ask("By the way,", complete=False))
    call.wait(8000)
    assert call.kinds(since=mark)[-2:] == ["interrupted", "turnComplete"]
    call.say(Content((), complete=True))
    call.wait_for("audio")
    assert [e.text for e in call.session.history if e.role == "user"][-1] == "By the way,"


def test_content_for_the_history_is_not_answered():
    call = opened()
    call.say(Content((("user", "Hi."), ("model", "Hello.")), complete=False))
    call.wait(5000)
    assert call.log == []
    assert [(e.role, e.text) for e in call.session.history] == [
        ("user", "Hi."),
        ("model", "Hello."),
    ]


def test_the_opening_content_is_greeted():
    call = opened()
    call.say(Content((), complete=True))
    asked_ms = call.now_ms
    assert 500 <= call.wait_for("audio").at_ms - asked_ms <= 1125
    call.wait_for("turnComplete")
    assert call.session.history[-1].text == GREETING


def test_a_nudge_of_blanks_is_no_turn_and_cuts_nothing():
    """Pipecat sends " " right after clientContent."""
    call = opened("One two three four five.", "Second.")
    call.say(ask(), Text(" "))
    call.wait(200)
    call.say(Text(" \n"))
    call.wait_for("audio")
    call.say(Text(" "))
    call.wait(8000)
    assert call.kinds() == ["audio", "generationComplete", "turnComplete"]
    assert call.session.nudges == 3
    assert call.session.user_turns == 1


def test_text_counts_as_activity():
    call = speaking("word " * 40, "Second.")
    mark = len(call.log)
    call.say(Text("Stop that."))
    call.wait(20)
    kinds = [kind for kind in call.kinds(since=mark) if kind != "audio"]
    assert kinds[0] == "interrupted"
    call.wait(6000)
    assert "".join(w.value for w in call.all("words")).endswith("Second.")


@pytest.mark.parametrize("seed", SEEDS)
def test_the_next_reply_does_not_begin_before_the_cut_one_is_complete(seed):
    call = speaking("word " * 40, Reply("Second.", delay_ms=0), seed=seed)
    call.say(Text("Stop that."))
    call.wait(200)
    kinds = call.kinds()
    after = kinds.index("interrupted") + 1
    assert kinds[after : after + 2] == ["turnComplete", "audio"]


def test_text_during_speech_waits_for_the_end_of_the_turn():
    call = opened("Yes.", "No.")
    call.talk(500)
    call.say(Text("And this."))
    call.talk(500)
    call.pause(4000)
    assert call.count("turnComplete") == 1
    assert call.session.user_turns == 1


def test_pictures_are_not_looked_at():
    call = speaking()
    mark = len(call.log)
    call.say(Video())
    assert call.kinds(since=mark) == []
    call.pause(100)
    assert call.session.pictures == 1


# --- activities marked by the client ---------------------------------------------------------


def manual(*replies, **fields):
    return opened(*replies, setup=setup(manual=True, **fields))


def test_marked_activities_make_a_turn():
    call = manual("One two three.")
    call.talk(500)
    call.say(ActivityStart())
    call.talk(900)
    call.pause(2000)
    assert call.kinds() == ["START"]
    ended_ms = call.now_ms
    call.say(ActivityEnd())
    call.wait(10)
    assert call.one("heard").value == "(2.9 s of speech)"
    assert 150 <= call.wait_for("audio").at_ms - ended_ms <= 880
    call.wait(3000)
    order = ["START", "heard", "END", "audio", "generationComplete", "turnComplete"]
    assert call.kinds() == order


@pytest.mark.parametrize("interrupts", [True, False])
def test_a_marked_start_cuts_unless_told_not_to(interrupts):
    call = manual("word " * 40, "Second.", interrupts=interrupts)
    call.say(ask())
    call.wait_for("audio")
    call.wait(300)
    mark = len(call.log)
    call.say(ActivityStart())
    call.wait(40)
    kinds = [k for k in call.kinds(since=mark) if k != "audio"]
    assert kinds == (["START", "interrupted", "turnComplete"] if interrupts else ["START"])


def test_a_marked_activity_without_sound_is_not_answered():
    call = manual("One.")
    call.say(ActivityStart(), ActivityEnd())
    call.wait(5000)
    assert call.kinds() == ["START", "END"]


def test_speech_alone_means_nothing_when_detection_is_off():
    call = manual("One.")
    call.talk(800)
    call.pause(3000)
    assert call.log == []


@pytest.mark.parametrize("message", [ActivityStart(), ActivityEnd()])
def test_marks_are_refused_while_detection_is_automatic(message):
    call = opened()
    with pytest.raises(Refused) as refusal:
        call.say(message)
    assert refusal.value.code == 1007
    assert refusal.value.reason == (
        "Explicit activity control is not supported when automatic activity detection is enabled."
    )


def test_a_second_setup_is_refused():
    with pytest.raises(Refused) as refusal:
        opened().say(setup())
    assert refusal.value.code == 1007


# --- cost ------------------------------------------------------------------------------------


def test_usage_adds_up_and_grows():
    call = opened("One two three four.", "word " * 10)
    for _ in range(2):
        call.talk(1000)
        call.pause(6000)
    first, second = (said.value for said in call.all("turnComplete"))
    for usage in (first, second):
        parts = usage["promptTokenCount"] + usage["responseTokenCount"]
        assert usage["totalTokenCount"] == parts
        for side in ("prompt", "response"):
            details = usage[f"{side}TokensDetails"]
            assert sum(d["tokenCount"] for d in details) == usage[f"{side}TokenCount"]
    assert first["responseTokenCount"] == 30  # 1.2 s at 25 tokens a second
    assert second["promptTokenCount"] >= first["totalTokenCount"] + 25


def test_a_cut_reply_is_billed_for_what_was_sent():
    call = speaking()
    call.talk(600)
    sent_ms = sum(audio.value for audio in call.all("audio"))
    tokens = call.one("turnComplete").value["responseTokenCount"]
    assert tokens == -(-sent_ms // 40)
