"""Speech at the transport's rate: as if resampled at once, without a gap, every sample counted."""

import asyncio
import wave
from typing import Any

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from pipecat.frames.frames import (
    BotStoppedSpeakingFrame,
    InterruptionFrame,
    TTSAudioRawFrame,
    TTSStoppedFrame,
)
from pipecat.transports.base_transport import TransportParams
from pipelines import Tap, running
from test_playback import Stage
from virtual_time import run_virtual

from pipeline_live.audio import to_array
from pipeline_live.processors import FileSink, tags
from pipeline_live.processors.resampling import Run
from pipeline_live.turn import Reply
from pipeline_live.turn.events import StopRequested

RATES = pytest.mark.parametrize("rate", [8000, 16_000, 24_000, 48_000])


def tone(samples: int) -> np.ndarray[Any, Any]:
    return (8000 * np.sin(2 * np.pi * 700 * np.arange(samples) / 24_000)).astype("<i2")


def piece(pcm: bytes, reply: Reply | None = None) -> TTSAudioRawFrame:
    frame = TTSAudioRawFrame(pcm, 24_000, 1)
    if reply is not None:
        tags.tag_reply(frame, reply)
    return frame


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([8000, 16_000, 24_000, 48_000]), st.lists(st.integers(0, 5000), max_size=12))
def test_whatever_the_pieces_the_sound_is_that_of_the_whole_and_every_sample_is_counted(
    rate, sizes
):
    size_all = sum(sizes) // 2 * 2  # bytes: pieces may end in the middle of a sample
    whole, run, at = tone(size_all // 2), Run(piece(b""), None, rate), 0
    told, sound = 0, b""
    for size in sizes:
        pcm, stands_for = run.feed(whole.tobytes()[at : at + size])
        at, told, sound = min(at + size, size_all), told + stands_for, sound + pcm
        assert told + run.owed == at // 2
        assert run.begun is bool(sound)
    pcm, stands_for = run.rest()
    assert told + stands_for == len(whole)
    assert run.owed == 0
    heard, wanted = to_array(sound + pcm), soxr.resample(whole, 24_000, rate)
    assert abs(len(heard) - len(wanted)) <= 1
    same = min(len(heard), len(wanted))
    assert np.abs(heard[:same].astype(int) - wanted[:same]).max(initial=0) <= 3


class Line:
    """A stage whose transport has a rate of its own; what its file holds was heard."""

    def __init__(self, folder: Any, rate: int) -> None:
        self.path = folder / "call.wav"
        self.stage, self.end = Stage(), Tap()
        params = TransportParams(
            audio_out_enabled=True, audio_out_sample_rate=rate, audio_out_10ms_chunks=2
        )
        self.sink = FileSink(self.path, params=params)

    def run(self, play: Any) -> np.ndarray[Any, Any]:
        async def scenario() -> None:
            stage = self.stage
            steps = (stage.caller, stage.playback, stage.after, self.sink, self.end)
            async with running(*steps) as worker:
                await asyncio.sleep(0.1)
                await play(worker)

        run_virtual(scenario())
        with wave.open(str(self.path)) as wav:
            return np.frombuffer(wav.readframes(wav.getnframes()), "<i2")[1::2]


@RATES
@pytest.mark.parametrize(("ms", "every_ms"), [(100, 25), (40, 40)], ids=["fast", "in real time"])
def test_a_reply_has_no_gap_at_any_rate_of_the_transport(tmp_path, rate, ms, every_ms):
    """Goes red when the transport resamples, block by block, what it gets just in time."""
    line = Line(tmp_path, rate)
    whole = tone(24 * 1000)

    async def play(worker: Any) -> None:
        for begin in range(0, len(whole), 24 * ms):
            pcm = whole[begin : begin + 24 * ms]
            await worker.queue_frame(piece(pcm.tobytes(), line.stage.reply(ms)))
            await asyncio.sleep(every_ms / 1000)
        await worker.queue_frame(TTSStoppedFrame())
        await line.end.until(lambda: line.end.of(BotStoppedSpeakingFrame))
        await asyncio.sleep(0.1)  # what the device holds
        assert line.stage.call.heard_ms() == 1000
        assert not line.stage.call.ledger.waiting()

    heard = line.run(play)
    loud = np.flatnonzero(np.abs(heard.astype(int)) > 200)
    assert np.diff(loud).max() * 1000 / rate < 2
    assert abs(len(loud) * 1000 / rate - 1000) < 25
    assert {frame.sample_rate for frame in line.stage.after.of(TTSAudioRawFrame)} == {rate}


@pytest.mark.parametrize("voice", ["a reply's", "another"])
def test_an_interruption_leaves_nothing_in_the_resampler(tmp_path, voice):
    """Goes red when the rest of what was interrupted sounds at the beginning of what follows."""
    line = Line(tmp_path, 8000)

    async def play(worker: Any) -> None:
        reply = line.stage.reply(1000) if voice == "a reply's" else None
        await worker.queue_frame(piece(tone(24_000).tobytes(), reply))
        await asyncio.sleep(0.3)
        if reply is not None:
            line.stage.call.apply(StopRequested(line.stage.call.now_ms()))
        else:
            await worker.queue_frame(InterruptionFrame())
        await asyncio.sleep(0.2)
        released = len(line.stage.after.speech())
        assert released <= 16 * 350, "the time until then, and a lead"
        await worker.queue_frame(piece(bytes(24_000), reply and Reply(2)))
        await worker.queue_frame(TTSStoppedFrame())
        await asyncio.sleep(1)
        heard = to_array(line.stage.after.speech()[released:])
        assert len(heard) == 4000
        assert np.abs(heard).max() <= 2, "but for the resampler's dither"

    line.run(play)
