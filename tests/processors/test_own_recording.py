"""What a bot records of itself is what a sink records that plays it."""

import asyncio
import wave

import numpy as np
from pipecat.frames.frames import StartFrame, TTSAudioRawFrame
from pipelines import Tap, running
from test_hold import Caller, hum
from virtual_time import run_virtual

from pipeline_live.processors import FileSink, Playback, tags
from pipeline_live.session import Call, Timeline
from pipeline_live.turn.events import (
    AudioReceived,
    SpeechDismissed,
    SpeechSuspected,
    StopRequested,
)


def bot_of(path):
    with wave.open(str(path)) as wav:
        return np.frombuffer(wav.readframes(wav.getnframes()), "<i2")[1::2]


def test_it_holds_the_reply_as_the_sink_played_it(tmp_path):
    call = Call(timeline=Timeline.in_folder(tmp_path / "own", sound=True))
    sink, tap = FileSink(tmp_path / "sink.wav"), Tap()

    async def scenario():
        async with running(Caller(call), Playback(), sink, tap) as worker:
            await tap.until(lambda: tap.of(StartFrame))
            call.hear(bytes(640), 16_000)
            sound = hum(2500).tobytes()
            call.apply(AudioReceived(call.now_ms(), len(sound) // 2))
            reply = call.machine.reply
            call.keep_sound(reply, sound)
            frame = TTSAudioRawFrame(sound, 24_000, 1)
            tags.tag_reply(frame, reply)
            await worker.queue_frame(frame)
            await asyncio.sleep(0.7)
            call.apply(SpeechSuspected(call.now_ms(), call.now_ms()))
            await asyncio.sleep(0.25)
            call.apply(SpeechDismissed(call.now_ms()))
            await asyncio.sleep(0.6)
            call.apply(StopRequested(call.now_ms()))
            await asyncio.sleep(0.5)

    run_virtual(scenario())
    call.timeline.close()
    own, played = bot_of(tmp_path / "own" / "call.wav"), bot_of(tmp_path / "sink.wav")
    for one in (own, played):
        loud = np.flatnonzero(one)
        gaps = np.flatnonzero(np.diff(loud) > 24 * 50)
        assert len(gaps) == 1, "one hold"
        gap_ms = (loud[gaps[0] + 1] - loud[gaps[0]]) / 24
        assert 150 <= gap_ms <= 260
    (a, b), (c, d) = (np.flatnonzero(one)[[0, -1]] for one in (own, played))
    assert 0 <= (d - c) - (b - a) <= 24 * 85, "what was under way at the Stop, and a fade"
    assert abs(a - c) <= 24 * 60
    assert np.array_equal(own[a:][: 24 * 600], played[c:][: 24 * 600])
