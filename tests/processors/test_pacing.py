"""The plan of an output: the lead, the device that runs dry, and the loop that is late."""

import asyncio
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipecat.audio.mixers.base_audio_mixer import BaseAudioMixer
from pipecat.frames.frames import Frame, TTSStoppedFrame
from pipecat.transports.base_transport import TransportParams
from pipelines import running
from test_playback import Stage, speech
from virtual_time import run_virtual

from pipeline_live.processors import FileSink
from pipeline_live.processors.pacing import (
    MARGIN_MS,
    MEMORY_S,
    MOST_LEAD_MS,
    TOLERATED_MS,
    Pacer,
    Played,
)

CHUNK_S = 0.02


def played(samples: int) -> Played:
    return Played(1, samples)


def test_the_plan_runs_in_real_time_with_a_lead():
    pacer = Pacer(35)
    assert pacer.chunks_due(20, 10.0) == 2, "at the start, all that the lead is"
    pacer.release(0.04, 10.0, played(960))
    assert round(pacer.due_s, 6) == 10.005
    assert pacer.chunks_due(20, 10.005) == 1
    pacer.release(CHUNK_S, 10.005, played(1440))
    assert round(pacer.due_s, 6) == 10.025
    assert list(pacer.played(10.039)) == []
    assert list(pacer.played(10.0401)) == [played(960)]
    assert list(pacer.played(10.1)) == [played(1440)]
    assert pacer.next_played_s is None


def test_a_device_that_ran_dry_delays_what_follows():
    pacer = Pacer(35)
    pacer.release(CHUNK_S, 0.0, played(480))
    pacer.written(CHUNK_S, 0.001)  # a hop later
    assert round(pacer.free_s, 6) == 0.021
    pacer.release(CHUNK_S, 0.01, played(960))
    pacer.written(CHUNK_S, 0.071)  # it was silent for 50 ms
    assert round(pacer.free_s, 6) == 0.091
    assert list(pacer.played(0.09)) == [played(480)]
    assert list(pacer.played(0.0911)) == [played(960)]


def test_what_the_transport_has_not_written_yet_is_in_the_plan():
    pacer = Pacer(150)
    for _ in range(5):
        pacer.release(CHUNK_S, 0.0)
    assert round(pacer.free_s, 6) == 0.1
    pacer.written(CHUNK_S, 0.05)
    assert round(pacer.free_s, 6) == 0.15, "the chunk just written and four behind it"


def test_after_an_interruption_the_plan_is_empty():
    pacer = Pacer(35)
    pacer.release(0.04, 5.0, played(960))
    pacer.forget()
    assert pacer.next_played_s is None
    assert pacer.free_s == 0
    pacer.written(CHUNK_S, 5.01)  # it was on its way already
    pacer.release(CHUNK_S, 5.02)
    assert round(pacer.free_s, 6) == 5.05, "behind it"


def test_one_delay_is_an_accident_and_two_make_the_lead_longer_for_a_while():
    pacer = Pacer(35)
    pacer.woke(50, 1.0)
    assert pacer.lead_ms == 35
    pacer.woke(40, 2.0)
    assert pacer.lead_ms == 40 + MARGIN_MS
    pacer.woke(1, 1.0 + MEMORY_S)
    assert pacer.lead_ms == 35, "the first is forgotten"
    for late_ms in (400, 300):
        pacer.woke(late_ms, 10.0)
    assert pacer.lead_ms == MOST_LEAD_MS
    pacer = Pacer(35)
    assert not any(pacer.woke(TOLERATED_MS, at_s / 10) for at_s in range(100))
    assert pacer.lead_ms == 35
    assert pacer.woke(TOLERATED_MS + 1, 11.0)


@given(st.lists(st.tuples(st.floats(0, 0.2), st.integers(0, 3)), max_size=60))
def test_the_plan_ends_with_the_device_or_one_piece_after_the_lead(steps):
    """Whatever the delays: never before what the device has, and what waits for it, is played."""
    pacer, now_s, device_s, queue, samples = Pacer(35), 0.0, 0.0, 0, 0
    told = 0
    for pause_s, writes in steps:
        now_s += pause_s
        for one in pacer.played(now_s):
            assert one.samples > told
            told = one.samples
        while pacer.due_s <= now_s:
            samples += 480
            pacer.release(CHUNK_S, now_s, played(samples))
            queue += 1
        for _ in range(min(writes, queue)):
            device_s = max(device_s, now_s) + CHUNK_S
            queue -= 1
            pacer.written(CHUNK_S, now_s)
        device_end_s = device_s + queue * CHUNK_S
        assert pacer.free_s >= device_end_s - 1e-6
        assert pacer.free_s <= max(device_end_s, now_s + 0.035 + CHUNK_S) + 1e-6


class Hush(BaseAudioMixer):
    """Music so soft that it is silence; a transport writes it whenever nothing else comes."""

    async def start(self, sample_rate: int) -> None:
        pass

    async def stop(self) -> None:
        pass

    async def process_frame(self, frame: Frame) -> None:
        pass

    async def mix(self, audio: bytes) -> bytes:
        return audio


@pytest.mark.parametrize("device_buffer_ms", [40, 100])
def test_a_reply_is_heard_in_one_piece_over_the_music_of_a_mixer(tmp_path, device_buffer_ms):
    """Goes red when the plan runs behind the music, which never ends."""
    params = TransportParams(
        audio_out_enabled=True,
        audio_out_sample_rate=24_000,
        audio_out_10ms_chunks=2,
        audio_out_mixer=Hush(),
    )
    stage, path = Stage(), tmp_path / "call.wav"
    sink = FileSink(path, device_buffer_ms=device_buffer_ms, params=params)

    async def scenario():
        async with running(stage.caller, stage.playback, stage.after, sink) as worker:
            await asyncio.sleep(0.5)
            await worker.queue_frame(speech(1, 500, stage.reply(500)))
            await worker.queue_frame(TTSStoppedFrame())
            await asyncio.sleep(1)
            assert not stage.call.ledger.waiting()

    run_virtual(scenario())
    with wave.open(str(path)) as wav:
        heard = np.flatnonzero(np.frombuffer(wav.readframes(wav.getnframes()), "<i2")[1::2])
    assert len(heard) == 12_000
    assert heard[-1] - heard[0] == 11_999
