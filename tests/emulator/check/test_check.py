"""The check: what it reads, that it finds what differs, and that it finds nothing else."""

import json
import random
from dataclasses import replace

import pytest

from pipeline_live.cli import main
from pipeline_live.emulator.check import check, read_takes
from pipeline_live.emulator.check.compare import measure, order_of
from pipeline_live.emulator.check.events import (
    Event,
    Kind,
    Take,
    restored,
    said_by_client,
    said_by_server,
)
from pipeline_live.emulator.check.replay import replay
from pipeline_live.emulator.recording import Scrubber
from pipeline_live.errors import UsageError

RUNS = 4
SOUND = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": {"bytes": 4800}}}
SETUP = {
    "model": "models/gemini-3.8-live",
    "inputAudioTranscription": {},
    "outputAudioTranscription": {},
}


# --- messages -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "kinds"),
    [
        ({}, ["{}"]),
        ({"serverContent": {}}, ["serverContent {}"]),
        ({"setupComplete": {"sessionId": "x"}}, ["setupComplete"]),
        ({"serverContent": {"outputTranscription": {}}}, ["outputTranscription {}"]),
        (
            {"serverContent": {"outputTranscription": {"finished": True}}},
            ["outputTranscription finished"],
        ),
        (
            {
                "serverContent": {
                    "modelTurn": {"parts": [SOUND, SOUND]},
                    "outputTranscription": {"text": {"chars": 9, "words": 2}},
                }
            },
            ["audio", "audio", "outputTranscription"],
        ),
        (
            {"voiceActivity": {"type": "ACTIVITY_END"}, "serverContent": {}},
            ["ACTIVITY_END"],
        ),
        (
            {
                "serverContent": {"interrupted": True, "turnComplete": True},
                "usageMetadata": {"totalTokenCount": 1},
            },
            ["interrupted", "turnComplete"],
        ),
        ({"somethingNew": 1}, []),
    ],
)
def test_what_a_server_message_says(message, kinds):
    assert [event.kind.value for event in said_by_server(message, 5, 1)] == kinds


@pytest.mark.parametrize(
    ("message", "kinds"),
    [
        ({"setup": {}}, ["setup"]),
        ({"client_content": {"turnComplete": True}}, ["clientContent"]),
        ({"realtime_input": {"audio": {"data": ""}}}, []),
        ({"realtimeInput": {"mediaChunks": []}}, []),
        ({"realtimeInput": {"activityStart": {}}}, ["activityStart"]),
        ({"realtime_input": {"audio_stream_end": True}}, ["other input"]),
        ({"tool_response": {}}, ["toolResponse"]),
    ],
)
def test_what_a_client_message_says(message, kinds):
    assert [event.kind.value for event in said_by_client(message, 5, 1)] == kinds


def test_elided_things_are_replaced_by_as_many_others():
    message = {"clientContent": {"turns": [{"parts": [{"text": "one two three"}]}]}}
    back = restored(Scrubber().clean(message))
    assert back["clientContent"]["turns"][0]["parts"][0]["text"] == "word word word"


# --- a session in virtual time, and what becomes of it when it is bent ---------------------------


def spoken_take():
    """A session of the emulator itself: a spoken question, an answer, and a barge-in."""
    wanted = [
        Event(Kind.SETUP, 0),
        Event(Kind.READY, 325),
        Event(Kind.SPEECH_START, 600),
        Event(Kind.SPEECH_END, 2100),
        Event(Kind.HEARD, 3400, "How is the weather?"),
        Event(Kind.ENDED, 3400),
        Event(Kind.AUDIO, 3700, audio_ms=6000),
        Event(Kind.SPEECH_START, 4300),
        Event(Kind.SPEECH_END, 5200),
        Event(Kind.COMPLETE, 5210),
        Event(Kind.HEARD, 6500, "Wait a moment."),
        Event(Kind.ENDED, 6500),
        Event(Kind.AUDIO, 6800, audio_ms=900),
        Event(Kind.COMPLETE, 7800),
    ]
    return Take("wanted", SETUP, False, tuple(wanted), True)


@pytest.fixture(scope="module")
def played():
    return replace(replay(spoken_take(), seed=99), name="played")


def test_the_emulator_agrees_with_its_own_recording(played):
    order = order_of(played)
    assert order.count("interrupted") == 1
    assert order.count("turnComplete") == 2
    report = check(played)
    assert report.same, str(report)
    assert {interval.name for interval in report.intervals} >= {
        "speech start to ACTIVITY_START",
        "ACTIVITY_END to first sound",
        "end of playback to turnComplete",
        "interrupted to turnComplete",
    }
    assert "played: the same" in str(report)


def without(take, kind):
    return replace(take, events=tuple(event for event in take.events if event.kind is not kind))


def later(take, kind, ms):
    """The same with every event of this kind ``ms`` later, whatever comes between."""
    moved = [
        replace(event, at_ms=event.at_ms + ms) if event.kind is kind else event
        for event in take.events
    ]
    return replace(take, events=tuple(moved))


@pytest.mark.parametrize(
    ("bend", "says"),
    [
        (lambda take: without(take, Kind.GENERATED), "the emulator sent generationComplete"),
        (lambda take: without(take, Kind.EMPTY), "the emulator sent {}, the service never did"),
        (lambda take: without(take, Kind.RESUMPTION), "the emulator sent sessionResumptionUpdate"),
        (
            lambda take: replace(
                take, events=(*take.events[:2], Event(Kind.THOUGHT, 400), *take.events[2:])
            ),
            "after setupComplete (event 1) the service sent thought, the emulator did not",
        ),
        (lambda take: later(take, Kind.STARTED, 700), "speech start to ACTIVITY_START"),
        (lambda take: later(take, Kind.COMPLETE, 400), "end of playback to turnComplete"),
        (lambda take: later(take, Kind.RESUMPTION, 900), "sessionResumptionUpdate"),
    ],
    ids=["generated", "noise", "resumption", "thought", "late start", "late end", "late handle"],
)
def test_what_differs_is_named(played, bend, says):
    report = check(bend(played), RUNS)
    assert not report.same
    found = [*report.order, *(str(one) for one in report.intervals if one.outside)]
    assert any(says in line for line in found), found
    assert "played: DIFFERS" in str(report)


def test_a_session_that_the_emulator_refuses(played):
    report = check(replace(played, setup={"model": "models/none"}), RUNS)
    assert not report.same
    assert "refused" in str(report)


def test_intervals_by_hand():
    events = [
        Event(Kind.SETUP, 0),
        Event(Kind.READY, 300),
        Event(Kind.CONTENT, 400),
        Event(Kind.AUDIO, 1000, audio_ms=100),
        Event(Kind.AUDIO, 1040, audio_ms=300),
        Event(Kind.AUDIO, 1110, audio_ms=300),
        Event(Kind.AUDIO, 1200, audio_ms=300),
        Event(Kind.GENERATED, 1220),
        Event(Kind.CONTENT, 1300),
        Event(Kind.INTERRUPTED, 1350),
        Event(Kind.COMPLETE, 1360),
    ]
    assert measure(events) == {
        "setup to setupComplete": [300],
        "clientContent to first sound": [600],
        "last sound to generationComplete": [20],
        "delivery, % of real time": [500],
        "sound in a message, mean ms": [250],
        "clientContent to interrupted": [50],
        "interrupted to turnComplete": [10],
    }


# --- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("none.jsonl", None, "cannot be read"),
        ("a.jsonl", "", "holds no session"),
        ("a.jsonl", '{"session": 1, "at_ms": 0}\n{"session', ":2:2: not a JSON object"),
        ("a.jsonl", "[]", ":1: not a JSON object"),
        ("a.jsonl", '{"t_ms": 0, "event": "connect"}', "names no model"),
        ("a.jsonl", '{"t_ms": 0}\n{"t_ms": "x"}', ":2: t_ms must be a number"),
        (
            "a.jsonl",
            '{"t_ms": 0, "model": "m"}\n{"t_ms": 1, "event": "model_audio_last", "chunks": null}',
            "event 2 is broken",
        ),
        (
            "a.jsonl",
            '{"t_ms": 0, "model": "m", "event": "model_audio_last", "chunks": 1000000000000}',
            "event 1 is broken",
        ),
        ("a.jsonl", '{"session": 1, "at_ms": null}', ":1: at_ms must be a number"),
        (
            "a.jsonl",
            '{"session": 1, "at_ms": 7, "from": "server", "message": {"serverContent": [1]}}',
            "step 1 of a.jsonl, at 7 ms is no Live message",
        ),
        ("a.jsonl", '{"session": 1, "at_ms": 0, "event": "open"}', "has no setup message"),
        ("a.yaml", "a: [1,\nb: }", ":2:"),
        ("a.yaml", "version: 1", "has no list of interactions"),
        ("a.yaml", "interactions: []", "has no setup message"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_recording_is_one_clear_line(tmp_path, capsys, name, text, says):
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError):
        read_takes(path)
    assert main(["emulate", "--check", str(path)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert says in line
    assert str(path) in line


def test_a_microphone_that_runs_slow_is_played_as_slow(tmp_path):
    """Else its user's silences would look like a server that is late."""
    path = tmp_path / "slow.jsonl"
    blob = {"mimeType": "audio/pcm;rate=16000", "data": {"bytes": 640}}
    sound = {"session": 1, "from": "client", "message": {"realtimeInput": {"audio": blob}}}
    lines = [*lines_of(spoken_take(), 1), *({**sound, "at_ms": 25 * n} for n in range(100))]
    path.write_text("\n".join(map(json.dumps, lines)))
    [take] = read_takes(path)
    assert (take.chunk_ms, round(take.every_ms)) == (20, 25)

    def silence_ms(one):
        return min(measure(one.events)["speech end to ACTIVITY_END"])

    wanted = replace(spoken_take(), every_ms=25.0)
    assert 1.2 < silence_ms(replay(wanted, 1)) / silence_ms(replay(spoken_take(), 1)) < 1.3


def lines_of(take, session):
    """A take as ``record`` would have written it."""
    yield {"session": session, "at_ms": 0, "event": "open", "path": "/ws/x"}
    yield {"session": session, "at_ms": 0, "from": "client", "message": {"setup": take.setup}}
    blob = {"mimeType": "audio/pcm;rate=16000", "data": {"bytes": 3200}}
    message = {"realtimeInput": {"audio": blob}}
    yield {"session": session, "at_ms": 400, "from": "client", "message": message}
    for event in take.events:
        line = {"session": session, "at_ms": event.at_ms}
        match event.kind:
            case Kind.SPEECH_START | Kind.SPEECH_END:
                yield {**line, "event": "speech", "state": event.kind.value.split()[1]}
                continue
            case Kind.AUDIO:
                sound = {"bytes": event.audio_ms * 48}
                content = {"modelTurn": {"parts": [{"inlineData": {"data": sound}}]}}
                message = {"serverContent": content}
            case Kind.HEARD:
                words = {"chars": len(event.text), "words": len(event.text.split())}
                message = {"serverContent": {"inputTranscription": {"text": words}}}
            case Kind.ENDED | Kind.STARTED:
                message = {"voiceActivity": {"type": event.kind.value}}
            case Kind.READY:
                message = {"setupComplete": {}}
            case Kind.COMPLETE:
                message = {"serverContent": {"turnComplete": True}}
            case _:
                continue
        yield {**line, "from": "server", "message": message}


@pytest.mark.parametrize("seed", range(3))
def test_a_bent_recording_is_checked_or_refused_in_one_line(tmp_path, seed):
    """Whatever somebody's file says: a report or a UsageError, never a traceback."""
    rng = random.Random(seed)
    path = tmp_path / "bent.jsonl"
    lines = list(lines_of(spoken_take(), 1))
    outcomes = set()
    for _ in range(60):
        bent = json.loads(json.dumps(lines))
        for _ in range(rng.randint(1, 3)):
            line = rng.choice(bent)
            while True:
                key = rng.choice(list(line))
                if not isinstance(line[key], dict) or not line[key] or rng.random() < 0.3:
                    break
                line = line[key]
            line[key] = rng.choice([None, 1, -1, "x", [], {}, [[]], {"bytes": "x"}, 10**30, True])
        path.write_text("\n".join(map(json.dumps, bent)))
        try:
            for take in read_takes(path):
                order_of(take)
                measure(take.events)
            outcomes.add("read")
        except UsageError as error:
            outcomes.add("refused")
            assert str(path) in str(error)  # noqa: PT017 - the other outcome is as good
    assert outcomes == {"read", "refused"}


def test_two_sessions_of_our_own_in_one_file(tmp_path):
    path = tmp_path / "two.jsonl"
    wanted = spoken_take()
    end = {"session": 2, "at_ms": 9000, "event": "close"}
    lines = [*lines_of(wanted, 1), *lines_of(wanted, 2), end]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    first, second = read_takes(path)
    assert (first.name, second.name) == ("two.jsonl, session 1", "two.jsonl, session 2")
    assert first.setup == SETUP
    assert first.chunk_ms == 100
    assert [event.kind for event in first.events] == [event.kind for event in wanted.events]
    assert [event.at_ms for event in first.events] == [event.at_ms for event in wanted.events]
    assert [event.audio_ms for event in first.events if event.audio_ms] == [6000, 900]


@pytest.mark.shared
def test_the_emulator_fits_all_recordings_of_the_real_service(shared):
    paths = sorted(p for p in (shared / "recordings").iterdir() if p.suffix != ".md")
    assert len(paths) == 5
    reports = {path.name: check(take) for path in paths for take in read_takes(path)}
    for report in reports.values():
        assert report.same, str(report)
        assert report.fields == (), str(report)
    assert len(reports["gemini-3.8-live-barge-in.jsonl"].intervals) >= 10


@pytest.mark.shared
def test_the_exit_code_says_whether_it_differs(shared, capsys, tmp_path):
    same = shared / "recordings" / "gemini-2.5-text-in-audio-out.yaml"
    assert main(["emulate", "--check", str(same)]) == 0
    bent = tmp_path / "bent.yaml"
    bent.write_text(same.read_text().replace("generationComplete: true", "interrupted: true"))
    assert main(["emulate", "--check", str(same), "--check", str(bent)]) == 1
    said = capsys.readouterr().out
    assert "bent.yaml: DIFFERS" in said
    assert "the service sent interrupted, the emulator generationComplete" in said
