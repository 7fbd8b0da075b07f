"""One table of intervals, held against a recording of the real service and against the emulator.

The recording is one session of gemini-3.8-live by frontier-on-cloud/gemini-live-stop-test (MIT): a
tool call, a question, and a barge-in. The emulator plays the same plot with real sound, in virtual
time. ``FACTS`` is such a session made up from what is published about intervals, so that order and
table are tried without the recording too.
"""

import json
from itertools import pairwise

import pytest
from emulator_call import MIC_MS, Call

from pipeline_live.audio import resample, silence
from pipeline_live.emulator import synthesize
from pipeline_live.emulator.messages import Setup
from pipeline_live.emulator.script import Reply
from pipeline_live.vad import SpeechDetector

#: From one event to the next one of another kind: at least, at most (ms).
INTERVALS = {
    ("setupComplete", "sessionResumptionUpdate"): (110, 120),
    ("speech start", "START"): (120, 261),
    ("speech end", "END"): (1200, 1430),
    ("heard", "END"): (0, 1),
    ("END", "first audio"): (147, 870),
    ("last audio", "generationComplete"): (3, 30),
    ("START", "interrupted"): (0, 1),
    ("interrupted", "turnComplete"): (4, 36),
}
#: turnComplete against the moment when a listener has heard the reply.
HEARD_TO_COMPLETE = (0, 12)
DELIVERY_SPEED = (4.0, 4.7)


#: One session as the published intervals have it: (ms, event, ms of audio).
FACTS = [
    (325, "setupComplete", 0),
    (440, "sessionResumptionUpdate", 0),
    (1000, "speech start", 0),
    (1190, "START", 0),
    (3000, "speech end", 0),
    (4250, "heard", 0),
    (4250, "END", 0),
    (4250, "toolCall", 0),
    (4250, "generationComplete", 0),
    (4250, "turnComplete", 0),
    (5000, "speech start", 0),
    (5160, "START", 0),
    (7000, "speech end", 0),
    (8300, "heard", 0),
    (8300, "END", 0),
    (8500, "first audio", 0),
    (9500, "speech start", 0),
    (9600, "last audio", 4740),
    (9620, "generationComplete", 0),
    (9700, "START", 0),
    (9700, "interrupted", 0),
    (9720, "turnComplete", 0),
    (11_700, "speech end", 0),
    (12_950, "heard", 0),
    (12_950, "END", 0),
    (13_500, "first audio", 0),
    (14_020, "last audio", 2240),
    (14_040, "generationComplete", 0),
    (15_745, "turnComplete", 0),
]


def recorded(shared):
    """The recording as (ms, event, ms of audio)."""
    names = {
        "setup_complete": "setupComplete",
        "session_resumption_update": "sessionResumptionUpdate",
        "user_audio_start": "speech start",
        "user_audio_end": "speech end",
        "input_transcription": "heard",
        "tool_call": "toolCall",
        "model_audio_first": "first audio",
        "model_audio_last": "last audio",
        "generation_complete": "generationComplete",
        "interrupted": "interrupted",
        "turn_complete": "turnComplete",
    }
    path = shared / "recordings" / "gemini-3.8-live-barge-in.jsonl"
    events = []
    for line in map(json.loads, path.read_text().splitlines()):
        name = names.get(line["event"]) or line.get("type", "").removeprefix("ACTIVITY_")
        if name:
            events.append((line["t_ms"], name, line.get("bytes", 0) // 48))
    return events


def utter(call, events, text):
    """The user says it, with a real voice, and is silent for a moment."""
    speech = synthesize(text, "low")
    events.append((call.now_ms + speech.words[0].start_ms, "speech start", 0))
    events.append((call.now_ms + speech.words[-1].end_ms, "speech end", 0))
    call.hear(resample(speech.pcm, 24_000, 16_000))


def until(call, kind, count):
    while call.count(kind) < count:
        call.hear(silence(MIC_MS, 16_000))


def emulated(seed):
    """The same plot, with the emulator."""
    call = Call(
        Reply("Done.", tool="book_slot", delay_ms=0),
        Reply("I am booking the 3 p.m. slot for you now. Would you like me to list what to bring?"),
        Reply("Okay, I have stopped the booking."),
        detector=SpeechDetector,
        voice=synthesize,
        setup=Setup(model="models/gemini-3.8-live", input_words=True, output_words=True),
        seed=seed,
    )
    call.wait(1000)
    events = []
    utter(call, events, "Book me the three p.m. slot tomorrow, please.")
    until(call, "turnComplete", 1)
    utter(call, events, "What should I bring to the appointment?")
    until(call, "generationComplete", 2)
    # All was sent, but as far as the server knows, the user has not heard it all.
    utter(call, events, "Actually, stop. Do not book it.")
    until(call, "turnComplete", 3)
    return call, events


@pytest.fixture(scope="module", params=[1, 2, 3])
def timeline(request):
    call, events = emulated(request.param)
    sounds: list = []
    for said in call.log:
        if said.kind == "audio":
            sounds.append(said)
            continue
        if said.kind == "generationComplete" and sounds:
            total_ms = sum(sound.value for sound in sounds)
            events.append((sounds[0].at_ms, "first audio", 0))
            events.append((sounds[-1].at_ms, "last audio", total_ms))
            sounds = []
        if not said.kind.startswith("empty") and said.kind != "words":
            events.append((said.at_ms, said.kind, 0))
    return sorted(events, key=lambda event: event[0])


def pairs(events, earlier, later):
    """Times of both events, for each occurrence of the rarer one with the nearest of the other."""
    first = [at_ms for at_ms, name, _ in events if name == earlier]
    second = [at_ms for at_ms, name, _ in events if name == later]
    if len(first) <= len(second):
        return [(at_ms, min(t for t in second if t >= at_ms)) for at_ms in first]
    return [(max(t for t in first if t <= at_ms), at_ms) for at_ms in second]


def check_intervals(events):
    for (earlier, later), (least, most) in INTERVALS.items():
        for earlier_ms, later_ms in pairs(events, earlier, later):
            assert least <= later_ms - earlier_ms <= most, (earlier, later, earlier_ms)


def replies(events):
    """First sound, last sound, duration and turnComplete of every reply that was not cut."""
    spoken = [e for e in events if e[1] in ("first audio", "last audio", "interrupted")]
    for first, last in pairwise(spoken):
        if first[1] == "first audio" and last[1] == "last audio":
            done_ms = next(t for t, name, _ in events if name == "turnComplete" and t >= last[0])
            cut = any(name == "interrupted" and last[0] < t <= done_ms for t, name, _ in events)
            yield first[0], last[0], last[2], None if cut else done_ms


def check_replies(events):
    found = list(replies(events))
    assert found
    for first_ms, last_ms, duration_ms, done_ms in found:
        speed = duration_ms / (last_ms - first_ms)
        assert DELIVERY_SPEED[0] <= speed <= DELIVERY_SPEED[1]
        if done_ms is not None:
            lag_ms = done_ms - first_ms - duration_ms
            assert HEARD_TO_COMPLETE[0] <= lag_ms <= HEARD_TO_COMPLETE[1]


def check(events):
    check_intervals(events)
    check_replies(events)


def order(events):
    ours = ("speech start", "speech end")
    return [name for _, name, _ in events if name not in ours]


def test_the_facts_fit_the_table():
    check(FACTS)


def test_the_recording_fits_the_table(shared):
    check(recorded(shared))


def test_the_emulator_fits_the_table(timeline):
    check(timeline)


def test_the_emulator_plays_the_published_order(timeline):
    assert order(timeline) == order(FACTS)


def test_the_emulator_plays_the_recorded_order(timeline, shared):
    assert order(timeline) == order(recorded(shared))


@pytest.mark.parametrize(
    ("event", "ms"),
    [("interrupted", 9), ("generationComplete", 60), ("sessionResumptionUpdate", 900)],
)
def test_the_table_notices_what_comes_late(event, ms):
    late = [(t + ms if name == event else t, name, audio_ms) for t, name, audio_ms in FACTS]
    with pytest.raises(AssertionError):
        check(late)
