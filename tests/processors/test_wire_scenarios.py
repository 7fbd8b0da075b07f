"""Interruptions end to end: every way in which a server in another process can get them wrong.

All calls run at the same time, once; the tests look at what was heard. Real time, so a call lasts
as long as it would; no test sleeps, every wait is for something to happen and is bounded.
"""

from __future__ import annotations

import base64
import functools
from typing import Any

import hibari
import numpy as np
import pytest
import soxr
from pipecat.frames.frames import CancelFrame, InterruptionFrame, TTSStartedFrame
from pipecat.services.google.gemini_live.llm import GeminiVADParams
from test_wire_calls import MIC_RATE, Call, Played, Scenes
from wire_server import (
    COMPLETE,
    GENERATED,
    INTERRUPTED,
    SAMPLES_PER_MS,
    Json,
    Step,
    connection,
    content,
    on,
    sound,
    speech,
    whole,
    words,
)

from pipeline_live import local_turns

scenes = Scenes()
ASKED = on("text", 1, whole(2, 6))
"""The next reply, to a question in writing."""


@functools.cache
@functools.cache
def question() -> np.ndarray[Any, Any]:
    """Somebody says something, about two seconds, at the microphone's rate."""
    spoken = hibari.Hibari()("Stop please, I have got another question.", seed=7)
    quiet = np.clip(soxr.resample(spoken * 1.5, 24_000, MIC_RATE), -0.98, 0.98)
    return (quiet * 32767).astype(np.int16)


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Played:
    question()
    return scenes.play(tmp_path_factory.mktemp("wire"))


# --- A: stop by a frame -------------------------------------------------------------------------


@scenes.add(
    connection(on("content", 1, speech(1, 120), (3000, GENERATED), (3010, COMPLETE)), ASKED)
)
async def stop_button(call: Call) -> None:
    await call.begin()
    await call.hears(1, 300)
    await call.stop()
    await call.server_sent("turnComplete")
    await call.ask()
    await call.hears(2, 600)


@scenes.add(
    connection(
        on("content", 1, speech(1, 200)),
        on(
            "text",
            1,
            speech(1, 8, every=20, first=200),
            (170, INTERRUPTED),
            (190, COMPLETE),
            whole(2, 6, at=750),
            hush=True,
        ),
    )
)
async def stop_and_ask_at_once(call: Call) -> None:
    await call.begin()
    await call.hears(1, 300)
    await call.stop()
    await call.ask()
    await call.hears(2, 600)


@pytest.mark.parametrize("scene", [stop_button, stop_and_ask_at_once], ids=lambda s: s.__name__)
def test_a_after_the_stop_nothing_of_the_reply_is_heard_and_the_next_is_whole(calls, scene):
    call = calls[scene]
    assert len(call.sent("modelTurn")) > 30, "the server went on"
    assert call.server.sent_after(call.plan, call.stops[0])
    assert call.stale(1) == 0
    assert call.beginning(1, 200)
    assert call.whole(2, 6)


def test_a_the_sink_takes_nothing_of_the_reply_after_the_interruption_frame(calls):
    call = calls[stop_button]
    last = max(t.at for t in call.sink.taken if (t.samples // 1000 == 1).any())
    assert last <= call.sink.cuts[0].at


# --- B, C: the server's interrupted, with or followed by sound ----------------------------------


@scenes.add(
    connection(
        on(
            "content",
            1,
            speech(1, 20),
            (700, sound(1, 20, interrupted=True)),
            (730, COMPLETE),
            whole(2, 6, at=1300),
        )
    )
)
async def bundled(call: Call) -> None:
    await call.begin()
    await call.cut()
    await call.hears(2, 600)


@scenes.add(
    connection(
        on(
            "content",
            1,
            speech(1, 20),
            (700, INTERRUPTED),
            speech(1, 10, at=710, every=50, first=20),
            (1250, COMPLETE),
            whole(2, 6, at=1800),
        )
    )
)
async def late_sound(call: Call) -> None:
    await call.begin()
    await call.cut()
    await call.hears(2, 600)


@scenes.add(
    connection(
        on(
            "content",
            1,
            whole(1, 20, text=True)[:-1],
            (700, INTERRUPTED),
            (704, COMPLETE),
            whole(2, 6, at=1300),
        )
    )
)
async def after_generation(call: Call) -> None:
    await call.begin()
    await call.cut()
    await call.hears(2, 600)


@pytest.mark.parametrize("scene", [bundled, late_sound, after_generation], ids=lambda s: s.__name__)
def test_b_c_after_interrupted_nothing_is_heard_whatever_comes_with_or_after_it(calls, scene):
    call = calls[scene]
    assert call.stale(1) == 0
    assert call.beginning(1, 20)
    assert call.whole(2, 6)
    assert call.order() == "SISE"


# --- D: several parts in a message --------------------------------------------------------------


@scenes.add(connection(on("content", 1, whole(1, 12, parts=3, ms=40))))
async def three_parts(call: Call) -> None:
    await call.begin()
    await call.hears(1, 1440)


@scenes.add(
    connection(
        on("content", 1, speech(1, 60, parts=3, ms=40), (1550, COMPLETE)),
        on("text", 1, whole(2, 6, parts=3, ms=40)),
    )
)
async def three_parts_cut(call: Call) -> None:
    await call.begin()
    await call.hears(1, 100)
    await call.stop()
    await call.server_sent("turnComplete")
    await call.ask()
    await call.hears(2, 720)


def test_d_every_part_of_a_message_is_heard(calls):
    assert calls[three_parts].whole(1, 36, ms=40)


def test_d_no_part_is_heard_after_the_interruption(calls):
    call = calls[three_parts_cut]
    assert call.stale(1) == 0
    assert call.beginning(1, 180, ms=40)
    assert call.whole(2, 18, ms=40)


# --- E: the server notices late -----------------------------------------------------------------


@scenes.add(
    connection(
        on("content", 1, speech(1, 60)),
        on("cue", 1, (1500, INTERRUPTED), (1530, COMPLETE), whole(2, 6, at=3000)),
    ),
    mic=True,
)
async def server_notices_late(call: Call) -> None:
    await call.begin()
    await call.hears(1, 300)
    call.server.cue(call.plan)
    call.mic.say(question())
    await call.hears(2, 600)


def test_e_local_speech_stops_the_reply_long_before_the_server_notices(calls):
    call = calls[server_notices_late]
    (interrupted,) = call.sent("interrupted")
    assert call.sink.cuts[0].at < interrupted["t"]
    assert len(call.sink.cuts) == 1
    assert call.stale(1) == 0
    assert call.beginning(1, 60)
    assert call.whole(2, 6)


# --- F: the server never says that the reply is over --------------------------------------------


@scenes.add(connection(on("content", 1, speech(1, 20)), on("text", 1, whole(2, 6, at=2500))))
async def never_over_but_asked(call: Call) -> None:
    await call.begin()
    await call.hears(1, 300)
    await call.stop()
    await call.ask()
    await call.hears(2, 600)


@scenes.add(connection(on("content", 1, speech(1, 20)), on("cue", 1, whole(2, 6, at=5500))))
async def never_over_and_not_asked(call: Call) -> None:
    await call.begin()
    await call.hears(1, 300)
    await call.stop()
    call.server.cue(call.plan)
    await call.hears(2, 600)


@scenes.add(
    connection(
        on("content", 1, speech(1, 20)),
        on(
            "cue",
            1,
            (2600, content(inputTranscription={"text": "Another question. "})),
            whole(2, 6, at=2800),
        ),
    ),
    mic=True,
)
async def never_over_but_spoken_to(call: Call) -> None:
    await call.begin()
    await call.hears(1, 300)
    call.server.cue(call.plan)
    call.mic.say(question())
    await call.hears(2, 600)


@pytest.mark.parametrize(
    "scene",
    [never_over_but_asked, never_over_and_not_asked, never_over_but_spoken_to],
    ids=lambda s: s.__name__,
)
def test_f_the_gate_does_not_stick_when_the_server_says_nothing(calls, scene):
    call = calls[scene]
    assert not call.sent("interrupted")
    assert call.stale(1) == 0
    assert call.whole(2, 6)
    assert call.order() == "SISE"


# --- G: the wrong order -------------------------------------------------------------------------


@scenes.add(
    connection(
        on("content", 1, speech(1, 80)),
        on("cue", 1, (100, COMPLETE), (300, INTERRUPTED), whole(2, 6, at=1800), hush=True),
    )
)
async def complete_before_interrupted(call: Call) -> None:
    await call.begin()
    await call.hears(1, 300)
    await call.stop()
    call.server.cue(call.plan)
    await call.hears(2, 600)


def test_g_an_interrupted_after_the_end_of_its_turn_costs_the_next_reply_nothing(calls):
    call = calls[complete_before_interrupted]
    assert call.stale(1) == 0
    assert call.whole(2, 6)


# --- H, I: what else a server sends -------------------------------------------------------------

THOUGHT: Json = content(modelTurn={"parts": [{"text": "Hm.", "thought": True}]})
NOISE: list[Json] = [
    {"json": {}},
    {"json": {"serverContent": {}}},
    {"json": {"interactionStatus": "IDLE"}},
    {"json": {"somethingNew": {"of": "2027"}}},
    {"raw": "null"},
    {"raw": "{ broken"},
]


def noisy(steps: list[Step]) -> list[Step]:
    return [
        step
        for n, (at_ms, item) in enumerate(steps)
        for step in ((at_ms, NOISE[n % len(NOISE)]), (at_ms, item))
    ]


@scenes.add(connection(on("content", 1, (0, THOUGHT), whole(1, 6, at=50))))
async def thought_first(call: Call) -> None:
    await call.begin()
    await call.hears(1, 600)


@scenes.add(
    connection(
        on("content", 1, noisy(speech(1, 60)), (1550, GENERATED), (1560, COMPLETE)),
        on("text", 1, noisy(whole(2, 6))),
    )
)
async def noise(call: Call) -> None:
    await call.begin()
    await call.hears(1, 300)
    await call.stop()
    await call.server_sent("turnComplete")
    await call.ask()
    await call.hears(2, 600)


def test_h_a_thought_first_does_not_hide_that_speech_starts(calls):
    call = calls[thought_first]
    assert call.whole(1, 6)
    names = [type(f).__name__ for f in call.sink.frames]
    assert len(call.sink.of(TTSStartedFrame)) == 1
    assert names.index("TTSStartedFrame") < names.index("TTSAudioRawFrame")
    assert call.order() == "SE"


def test_i_unknown_and_broken_messages_change_nothing(calls):
    call = calls[noise]
    assert call.stale(1) == 0
    assert call.beginning(1, 60)
    assert call.whole(2, 6)
    assert call.order() == "SISE"
    assert not call.mic.errors


# --- J: the connection ends ---------------------------------------------------------------------

LATER = connection(ASKED)
GO_AWAY: Json = {"json": {"goAway": {"timeLeft": "1s"}}}
HANDLE: Json = {"json": {"sessionResumptionUpdate": {"newHandle": "h1", "resumable": True}}}


def cut_off(end: Json, *before: Step) -> Json:
    return connection(on("content", 1, *before, speech(1, 8), (250, end)))


@scenes.add(cut_off({"close": [1001, "going away"]}, (0, HANDLE), (100, GO_AWAY)), LATER, mic=True)
async def gone_away(call: Call) -> None:
    await reconnected(call)


@scenes.add(cut_off({"close": [1011, "Internal error encountered."]}), LATER, mic=True)
async def failed(call: Call) -> None:
    await reconnected(call)


@scenes.add(cut_off({"abort": True}), LATER)
async def torn(call: Call) -> None:
    await reconnected(call)


async def reconnected(call: Call) -> None:
    await call.begin()
    await call.server.until(lambda: call.server.log(call.plan, "in", "setup", conn=1))
    await call.hears(1, 800)
    await call.ask()
    await call.hears(2, 600)


@pytest.mark.parametrize("scene", [gone_away, failed, torn], ids=lambda s: s.__name__)
def test_j_a_lost_connection_is_replaced_and_the_bot_answers(calls, scene):
    call = calls[scene]
    assert call.whole(1, 8), "what had come is still played"
    assert call.whole(2, 6)
    assert call.order() == "SESE"
    assert call.said() == [words(1, 8).strip(), words(2, 6).strip()]
    assert not call.mic.errors
    assert call.ended


def test_j_a_resumed_session_is_not_seeded_and_a_fresh_one_is(calls):
    seeds = {
        scene: calls[scene].server.log(scene.__name__, "in", "seed", conn=1)
        for scene in (gone_away, failed)
    }
    assert not seeds[gone_away]
    assert len(seeds[failed]) == 1
    again = calls[gone_away].server.log("gone_away", "in", "setup", conn=1)[0]["setup"]
    assert again["sessionResumption"]["handle"] == "h1"


@scenes.add(
    connection(on("content", 1, speech(1, 40), (1050, {"close": [1011, "Internal error."]}))),
    connection(ASKED, setup_ms=2500),
    mic=True,
)
async def stop_while_reconnecting(call: Call) -> None:
    await call.begin()
    await call.server.until(lambda: call.server.log(call.plan, "in", "setup", conn=1))
    await call.hears(1, call.sink.counts.get(1, 0) // SAMPLES_PER_MS + 100)
    await call.stop()
    await call.server_sent("setupComplete", 2)
    await call.ask()
    await call.hears(2, 600)


def test_j_the_stop_works_while_there_is_no_connection(calls):
    call = calls[stop_while_reconnecting]
    assert call.stale(1) == 0
    assert call.sink.cuts[0].at < call.sent("setupComplete")[1]["t"]
    assert call.whole(2, 6)


@scenes.add(
    connection(on("content", 1, speech(1, 40), (1050, {"close": [1011, "Internal error."]}))),
    connection(setup={"close": [1008, "API key expired. Please renew the API key."]}),
    mic=True,
)
async def refused_when_reconnecting(call: Call) -> None:
    await call.begin()
    await call.sink.until(lambda: call.mic.errors)
    await call.end()


def test_j_a_refused_reconnection_is_told(calls):
    (error,) = calls[refused_when_reconnecting].mic.errors
    assert "GEMINI_API_KEY" in error.error
    assert "\n" not in error.error


def test_j_the_pipeline_ends_on_endframe_after_a_refused_reconnection(calls):
    assert calls[refused_when_reconnecting].ended


# --- K: no connection at all --------------------------------------------------------------------

NO_MODEL = connection(
    setup={"close": [1008, "models/nope is not found for API version v1beta, or is not supported"]}
)


async def refused(call: Call) -> None:
    await call.begin()
    await call.sink.until(lambda: call.mic.errors)
    await call.end()


@scenes.add(mic=True)
async def wrong_key(call: Call) -> None:
    await refused(call)


@scenes.add(NO_MODEL, mic=True)
async def no_model(call: Call) -> None:
    await refused(call)


@pytest.mark.parametrize(
    ("scene", "hint"),
    [(wrong_key, "GEMINI_API_KEY"), (no_model, "choose a Live model")],
    ids=["wrong_key", "no_model"],
)
def test_k_a_refusal_is_told_once_in_one_line(calls, scene, hint):
    (error,) = calls[scene].mic.errors
    assert hint in error.error
    assert "\n" not in error.error


@pytest.mark.parametrize("scene", [wrong_key, no_model], ids=lambda s: s.__name__)
def test_k_the_pipeline_ends_on_endframe_without_a_connection(calls, scene):
    assert calls[scene].ended


# --- L: the end of the pipeline -----------------------------------------------------------------

EARLY: list[Step] = [*speech(1, 15), (400, GENERATED), (410, COMPLETE)]


@scenes.add(connection(on("content", 1, whole(1, 15))))
async def end_while_it_comes(call: Call) -> None:
    await call.begin()
    await call.hears(1, 200)
    await call.end()


@scenes.add(connection(on("content", 1, EARLY)))
async def end_when_all_has_come(call: Call) -> None:
    await call.begin()
    await call.server_sent("turnComplete")
    await call.end()


@scenes.add(connection(on("content", 1, EARLY)))
async def cancel_mid_reply(call: Call) -> None:
    await call.begin()
    await call.server_sent("turnComplete")
    await call.end(CancelFrame())


@pytest.mark.parametrize(
    "scene", [end_while_it_comes, end_when_all_has_come], ids=lambda s: s.__name__
)
def test_l_an_endframe_lets_the_bot_finish(calls, scene):
    call = calls[scene]
    assert call.ended
    assert call.whole(1, 15)


def test_l_a_cancelframe_ends_at_once(calls):
    call = calls[cancel_mid_reply]
    assert call.ended
    assert call.beginning(1, 15)
    assert not call.whole(1, 15), "it does not wait for what was left to be played"


# --- M: at odd moments --------------------------------------------------------------------------


@scenes.add(connection(on("content", 1, speech(1, 60), (1600, COMPLETE)), ASKED))
async def two_in_a_row(call: Call) -> None:
    await call.begin()
    await call.hears(1, 300)
    for _ in range(2):
        await call.worker.queue_frame(InterruptionFrame())
    await call.cut(2)
    await call.server_sent("turnComplete")
    await call.ask()
    await call.hears(2, 600)


@scenes.add(
    connection(
        on("content", 1, speech(1, 20), (700, INTERRUPTED), (710, INTERRUPTED), (730, COMPLETE)),
        on("text", 1, whole(2, 6)),
    )
)
async def frame_and_server_at_once(call: Call) -> None:
    await call.begin()
    await call.server_sent("interrupted")
    await call.worker.queue_frame(InterruptionFrame())
    await call.server_sent("turnComplete")
    await call.ask()
    await call.hears(2, 600)


@scenes.add(connection(on("content", 1, whole(1, 6)), ASKED))
async def with_no_reply(call: Call) -> None:
    await call.stop()
    await call.begin()
    await call.server_sent("turnComplete")
    await call.hears(1, 600)
    await call.stop()
    await call.ask()
    await call.hears(2, 600)


@scenes.add(connection(on("content", 1, speech(1, 60), (1600, COMPLETE)), ASKED))
async def in_the_first_moment(call: Call) -> None:
    await call.begin()
    await call.hears(1, 20)
    await call.stop()
    await call.server_sent("turnComplete")
    await call.ask()
    await call.hears(2, 600)


@scenes.add(connection(on("content", 1, EARLY), ASKED))
async def when_all_has_come(call: Call) -> None:
    await call.begin()
    await call.server_sent("turnComplete")
    await call.hears(1, 600)
    await call.stop()
    await call.ask()
    await call.hears(2, 600)


@pytest.mark.parametrize(
    ("scene", "messages", "cuts"),
    [
        (two_in_a_row, 60, 2),
        (frame_and_server_at_once, 20, None),
        (in_the_first_moment, 60, 1),
        (when_all_has_come, 15, 1),
    ],
    ids=lambda s: getattr(s, "__name__", ""),
)
def test_m_at_any_moment_the_reply_is_over_and_the_next_is_whole(calls, scene, messages, cuts):
    call = calls[scene]
    assert call.stale(1) == 0
    assert call.beginning(1, messages)
    assert call.whole(2, 6)
    assert cuts in (None, len(call.sink.cuts))


def test_m_an_interruption_of_nothing_costs_nothing(calls):
    call = calls[with_no_reply]
    assert call.whole(1, 6)
    assert call.whole(2, 6)


# --- N: what the pipeline and the context see ---------------------------------------------------

CUT_ONCE = [
    stop_button,
    stop_and_ask_at_once,
    bundled,
    late_sound,
    after_generation,
    never_over_but_asked,
    noise,
    in_the_first_moment,
    server_notices_late,
]


@pytest.mark.parametrize(
    "scene",
    [*CUT_ONCE, complete_before_interrupted],
    ids=lambda s: s.__name__,
)
def test_n_every_reply_begins_once_and_ends_once(calls, scene):
    assert calls[scene].order() == "SISE"


@pytest.mark.parametrize("scene", CUT_ONCE, ids=lambda s: s.__name__)
def test_n_the_context_keeps_the_words_of_two_replies_apart(calls, scene):
    said = calls[scene].said()
    assert said[-1] == words(2, 6).strip()
    first = " ".join(said[:-1])
    assert words(1, 300).startswith(first)
    assert len(first.split()) < 15, "no word from far ahead of what was heard"


# --- O, P: other pipelines ----------------------------------------------------------------------


@scenes.add(connection(on("content", 1, speech(1, 60), (1600, COMPLETE)), ASKED))
async def from_behind_playback(call: Call) -> None:
    await call.begin()
    await call.hears(1, 300)
    await call.interrupter.broadcast_interruption()
    await call.cut()
    await call.server_sent("turnComplete")
    await call.ask()
    await call.hears(2, 600)


def test_o_an_interruption_from_behind_playback_counts(calls):
    call = calls[from_behind_playback]
    # The frame reaches the sink before it reaches Playback, which may release a chunk meanwhile.
    assert call.stale(1) <= 80 * SAMPLES_PER_MS
    assert not call.server.sent_after(call.plan, call.sink.cuts[0].at + 0.1) & set(
        call.sink.heard(1).tolist()
    )
    assert call.whole(2, 6)
    assert call.order() == "SISE"


@scenes.add(connection(on("content", 1, speech(1, 60), (1600, COMPLETE)), ASKED), playback=False)
async def without_playback(call: Call) -> None:
    await call.begin()
    await call.hears(1, 300)
    await call.stop()
    await call.server_sent("turnComplete")
    await call.ask()
    await call.hears(2, 600)


def test_p_without_playback_nothing_sent_after_the_interruption_is_heard(calls):
    call = calls[without_playback]
    late = call.server.sent_after(call.plan, call.sink.cuts[0].at) - set(range(2000, 3000))
    assert late
    assert not late & set(call.sink.heard(1).tolist())
    assert call.stale(1) == 0
    assert call.whole(2, 6)
    assert call.order() == "SISE"


# --- Q: the local floor -------------------------------------------------------------------------


@scenes.add(
    connection(
        on("content", 1, speech(1, 40)),
        on("activityStart", 1, (60, INTERRUPTED), (80, COMPLETE)),
        on("activityEnd", 1, whole(2, 6, at=200)),
        keep_audio=True,
    ),
    mic=True,
    vad=GeminiVADParams(disabled=True),
    user_params=local_turns(),
)
async def local_floor(call: Call) -> None:
    await call.begin()
    await call.hears(1, 1000)
    call.note["from"] = len(call.mic.sent)
    call.mic.say(question())
    await call.hears(2, 600)


def detection(call: Call) -> Json:
    """Automatic activity detection as the setup asked for it; the SDK mixes the spellings."""
    (line,) = call.server.log(call.plan, "in", "setup")
    config = line["setup"]["realtimeInputConfig"]
    return config.get("automaticActivityDetection") or config["automatic_activity_detection"]


def test_q_the_local_floor_sends_one_activity_with_all_of_the_speech_in_it(calls):
    call = calls[local_floor]
    log = call.server.log(call.plan, "in", "activityStart", "audio", "activityEnd")
    kinds = [line["kind"] for line in log]
    assert kinds == ["activityStart", *["audio"] * (len(kinds) - 2), "activityEnd"]
    pcm = b"".join(base64.b64decode(line["data"]) for line in log if line["kind"] == "audio")
    begin = call.mic.sent.tobytes().find(pcm) // 2
    assert begin >= 0, "one piece of what the microphone brought, without a hole"
    loud = call.note["from"] + np.flatnonzero(np.abs(question().astype(int)) > 300)
    assert begin <= loud[0], "with a pre-roll"
    assert begin + len(pcm) // 2 >= loud[-1]
    assert detection(call)["disabled"] is True


def test_q_on_the_local_floor_speech_interrupts_and_the_next_reply_is_whole(calls):
    call = calls[local_floor]
    assert call.stale(1) == 0
    assert call.whole(2, 6)
    assert call.order() == "SISE"


def test_q_under_the_server_floor_no_activity_is_ever_sent(calls):
    server = calls[server_notices_late].server
    others = [plan for plan in server.lines if plan != "local_floor"]
    assert len(others) > 20
    for plan in others:
        assert not server.log(plan, "in", "activityStart", "activityEnd"), plan
    assert not detection(calls[server_notices_late]).get("disabled")
