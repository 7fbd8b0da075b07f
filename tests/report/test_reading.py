"""Reading a call: what is understood, what is ignored, and what is said about broken files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline_live.errors import AudioFormatError, UsageError
from pipeline_live.report.lines import parse_timeline
from pipeline_live.report.reading import (
    Interruption,
    ReplyStart,
    UserClip,
    make_record,
    parse_sound,
    read_call,
)
from pipeline_live.report.story import Segment

from .calls import Call, wav_bytes

GOOD = '{"t_ms": 0, "kind": "note", "name": "SoundStarted"}'


def test_every_known_line_is_kept() -> None:
    record = (
        Call(start_ms=250)
        .note("PlayoutConfigured", 0, chunk_ms=10, device_buffer_ms=80)
        .reply(300, 7)
        .clip(400, 900, "no")
        .speech(1000, 910)
        .fact("StopRequested", 1050)
        .interrupted(1100, 7, "stop", "Well")
        .record()
    )
    assert record.sound_start_ms == 250
    assert record.whole == Segment(250, 10_250)
    assert record.measured
    assert record.allowed_tail_ms == 100
    assert record.replies == (ReplyStart(300, 7),)
    assert record.clips == (UserClip(400, 900, "no"),)
    assert record.speech_onset_ms == (910,)
    assert record.stop_ms == (1050,)
    assert record.interruptions == (Interruption(1100, 7, "stop", None, None, 1500, "Well"),)


def test_unknown_names_and_fields_are_ignored() -> None:
    known = Call().reply(300, 1).interrupted(900)
    plain = known.record()
    known.fact("Martian", 10, reply="?").fact("StartReply", 20).note("Interrupted", 30)
    for line in known.lines:
        line["extra"] = [1, 2]
    record = known.record()
    assert record.replies == plain.replies
    assert record.interruptions == plain.interruptions


def test_lines_come_in_order_of_time_and_keep_the_file_s_order_within_a_millisecond() -> None:
    text = "\n".join(
        f'{{"t_ms": {t}, "kind": "note", "name": "{name}"}}'
        for t, name in [(5, "c"), (1, "a"), (1, "b")]
    )
    assert [line.name for line in parse_timeline(text + "\n\n")] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"t_ms": 1, "kind": "no', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1]", "found list"),
        ('{"kind": "fact", "name": "X"}', '"t_ms" of type int, it is missing'),
        ('{"t_ms": 1.5, "kind": "fact", "name": "X"}', '"t_ms" of type int, found 1.5'),
        ('{"t_ms": true, "kind": "fact", "name": "X"}', '"t_ms" of type int, found true'),
        ('{"t_ms": 1, "name": "X"}', '"kind" of type str, it is missing'),
        ('{"t_ms": 1, "kind": "fact", "name": null}', '"name" of type str, found null'),
        ('{"t_ms": 1, "kind": "action", "name": "StartReply"}', 'StartReply needs "reply"'),
        (
            '{"t_ms": 1, "kind": "action", "name": "ReportInterruption", "reply": 1}',
            'ReportInterruption needs "source"',
        ),
        ('{"t_ms": 1, "kind": "note", "name": "UserClip"}', 'UserClip needs "onset_ms"'),
        (
            '{"t_ms": 1, "kind": "fact", "name": "SpeechStarted", "onset_ms": "2"}',
            'SpeechStarted needs "onset_ms" of type int, found "2"',
        ),
    ],
)
def test_a_broken_line_is_named_with_its_place_and_a_remedy(line: str, said: str) -> None:
    sound = parse_sound(Call(duration_ms=10).wav())
    with pytest.raises(UsageError) as caught:
        make_record(parse_timeline(f"{GOOD}\n\n{line}\n", "my.jsonl"), sound)
    message = str(caught.value)
    assert message.startswith("my.jsonl:3: ")
    assert said in message
    assert "the line or record the call again" in message
    assert "\n" not in message


def test_a_timeline_that_does_not_place_the_sound_is_refused() -> None:
    with pytest.raises(UsageError, match=r"my\.jsonl: no line says when the sound started; add"):
        make_record((), parse_sound(Call(duration_ms=10).wav()), name="my.jsonl")


def test_left_is_the_user_and_right_the_bot() -> None:
    sound = parse_sound(wav_bytes(np.array([[1, -2], [3, -4]], np.int16).tobytes()))
    assert sound.user.tolist() == [1, 3]
    assert sound.bot.tolist() == [-2, -4]
    assert not sound.user.flags.writeable


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "the file ends too early"),
        (b"ID3 not a wav at all", "not a PCM WAV file"),
        (wav_bytes(bytes(8)).replace(b"fmt \x10", b"fmt \x7f"), "ends too early"),
        (wav_bytes(b""), "holds no sound"),
        (wav_bytes(bytes(8), rate=16_000), "16000 Hz, 2 channels, 16 bit"),
        (wav_bytes(bytes(8), channels=1), "24000 Hz, 1 channels, 16 bit"),
        (wav_bytes(bytes(8), width=1), "24000 Hz, 2 channels, 8 bit"),
    ],
)
def test_another_kind_of_file_is_refused_with_a_remedy(data: bytes, said: str) -> None:
    with pytest.raises(AudioFormatError) as caught:
        parse_sound(data, "my.wav")
    assert str(caught.value).startswith("my.wav: ")
    assert said in str(caught.value)
    assert "again" in str(caught.value)


def test_a_call_is_read_from_its_two_files(tmp_path: Path) -> None:
    call = Call(duration_ms=100).reply(10, 1)
    (tmp_path / "a.wav").write_bytes(call.wav())
    # A byte order mark is what some editors leave behind.
    (tmp_path / "a.jsonl").write_text("\ufeff" + call.timeline(), encoding="utf-8")
    record = read_call(tmp_path / "a.wav", tmp_path / "a.jsonl")
    assert record.replies == (ReplyStart(10, 1),)
    assert record.sound.duration_ms == 100


def test_missing_and_unreadable_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(Call(duration_ms=10).wav())
    (tmp_path / "latin.jsonl").write_bytes(json.dumps({"x": 1}).encode() + b"\xe9")
    with pytest.raises(UsageError, match=r"none\.wav: no such file; give"):
        read_call(tmp_path / "none.wav", tmp_path / "latin.jsonl")
    with pytest.raises(UsageError, match=r"latin\.jsonl:1: not UTF-8"):
        read_call(tmp_path / "a.wav", tmp_path / "latin.jsonl")
    with pytest.raises(UsageError, match="cannot be read"):
        read_call(tmp_path / "a.wav", tmp_path)
