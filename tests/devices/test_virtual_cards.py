"""Real programs on virtual sound cards: round trip, echo, barge-in, cards that vanish."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from documents import ROOT
from virtual_cards import Cards

from pipeline_live.audio import INPUT_RATE, OUTPUT_RATE, resample, to_array, to_pcm
from pipeline_live.devices import Kind, LocalAudio, devices, keeper, sound_cards
from pipeline_live.emulator import synthesize
from pipeline_live.errors import UsageError

EXAMPLE = ROOT / "examples" / "05_microphone_and_speaker.py"


@pytest.fixture(autouse=True)
def here(cards: Cards, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lead this process to the virtual cards, and to no others."""
    for name in ("PULSE_SERVER", "HOME"):
        monkeypatch.setenv(name, cards.environment[name])


class Tone:
    """What a loudspeaker pulls: 1 kHz, when it is on."""

    def __init__(self) -> None:
        self.on = True
        self.samples = 0

    def pull(self, samples: int) -> bytes:
        at = np.arange(self.samples, self.samples + samples)
        self.samples += samples
        return to_pcm((self.on * 8000 * np.sin(2 * np.pi * 1000 * at / OUTPUT_RATE)).astype("i2"))


def test_the_cards_are_listed() -> None:
    assert [each.name for each in devices(Kind.OUTPUT)] == ["Speaker", "Room"]
    assert "Mic" in [each.name for each in devices(Kind.INPUT)]


def test_what_is_played_is_heard_and_nothing_is_left_open(cards: Cards) -> None:
    heard = bytearray()
    said: list[str] = []
    tone = Tone()

    async def until_heard() -> None:
        async with LocalAudio(
            tone.pull, microphone="mic", loudspeaker="1", echo=False, tell=said.append
        ) as audio:
            assert audio.names == ("Mic", "Speaker")
            async for chunk in audio.chunks():
                assert len(chunk) == 640
                heard.extend(chunk)
                if np.count_nonzero(to_array(bytes(heard))) > INPUT_RATE // 2:
                    return

    with cards.echo():
        asyncio.run(asyncio.wait_for(until_heard(), 20))
    spectrum = np.abs(np.fft.rfft(to_array(bytes(heard[-8000:]))))
    assert abs(int(spectrum.argmax()) * 4 - 1000) <= 20, "a busy machine may drop some samples"
    assert said == []
    assert cards.clients() == []
    taken = tone.samples
    time.sleep(0.05)
    assert tone.samples == taken, "somebody still pulls"


def test_the_bot_does_not_interrupt_itself_but_a_user_does(cards: Cards, tmp_path: Path) -> None:
    """The example for plain google-genai, with the loudspeaker in the microphone's room."""
    environment = cards.environment | {"PIPELINE_LIVE_TIMELINE": str(tmp_path)}
    with cards.echo():
        talking = cards.start(
            sys.executable, str(EXAMPLE), "40", env=environment, stdout=subprocess.PIPE
        )
        try:
            timeline = Watched(tmp_path)
            timeline.until(lambda: timeline.heard_ms() > 4000)
            assert timeline.of("ReportInterruption") == []
            before = len(timeline.of("HoldPlayout"))
            for _ in range(3):  # a card that just stalled is deaf for a second: say it again
                user = cards.say(voice("Sorry, please stop for a moment."))
                if timeline.within(5, lambda: timeline.of("ReportInterruption")):
                    break
            user.wait(10)
        finally:
            talking.terminate()
            said, _ = talking.communicate(timeout=10)
    interruption = timeline.of("ReportInterruption")[0]
    assert interruption["heard_ms"] > 4000
    assert interruption["onset_ms"] is not None
    assert len(timeline.of("HoldPlayout")) > before, "it was not held before it was decided"
    assert said.startswith("GEMINI_API_KEY is not set: talking to the embedded emulator")


def test_a_card_that_vanishes_is_replaced_and_the_call_goes_on(
    cards: Cards, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "STARTS_WITHIN_S", 2.5)
    said: list[str] = []
    tone = Tone()

    async def until_replaced(number: str) -> None:
        async with LocalAudio(
            tone.pull, microphone="nothing", loudspeaker="Extra", echo=False, tell=said.append
        ) as audio:
            assert audio.names == ("nothing", "Extra")
            await until(lambda: tone.samples > OUTPUT_RATE // 10)
            cards.pactl("unload-module", number)
            await until(lambda: said)
            taken = tone.samples
            await until(lambda: tone.samples > taken + OUTPUT_RATE // 10)
            assert audio.names == ("nothing", "default")

    sink = ("module-null-sink", "sink_name=extra", "sink_properties=device.description=Extra")
    with cards.loaded(*sink) as number:
        asyncio.run(asyncio.wait_for(until_replaced(number), 20))
    assert said == ["the loudspeaker 'Extra' is gone; using 'default'"]
    assert cards.clients() == []


def test_without_a_card_the_call_goes_on_until_there_is_one(
    cards: Cards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    tone = Tone()
    monkeypatch.setattr(sound_cards, "_backends", pulse_only)
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path}/nobody")

    async def until_found() -> None:
        async with LocalAudio(tone.pull, echo=False, tell=said.append) as audio:
            await until(lambda: len(said) == 2)
            await until(lambda: tone.samples > OUTPUT_RATE // 5)
            assert audio.names == ("nothing", "nothing")
            monkeypatch.setenv("PULSE_SERVER", cards.environment["PULSE_SERVER"])
            await until(lambda: len(said) == 4)
            assert audio.names == ("default", "default")

    asyncio.run(asyncio.wait_for(until_found(), 20))
    assert said == [
        "no loudspeaker found; the call goes on, but you hear nothing; plug one in",
        "no microphone found; the call goes on, but nobody hears you; plug one in",
        "the loudspeaker is back: 'default'",
        "the microphone is back: 'default'",
    ]


def test_a_name_that_fits_nothing_is_an_error_that_lists_the_cards() -> None:
    async def open_it() -> None:
        async with LocalAudio(Tone().pull, loudspeaker="hdmi"):
            pass

    with pytest.raises(UsageError, match="no loudspeaker 'hdmi': .* 1 Speaker; 2 Room"):
        asyncio.run(open_it())


def test_without_miniaudio_one_line_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    sound_cards._miniaudio.cache_clear()
    monkeypatch.setitem(sys.modules, "miniaudio", None)
    with pytest.raises(UsageError, match=r"need miniaudio, .* 'pipecat-pipeline-live\[local\]'"):
        devices(Kind.INPUT)


# --- helpers ------------------------------------------------------------------------------------


class Watched:
    """The timeline that a running program leaves."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.lines: list[dict[str, Any]] = []

    def until(self, condition: Callable[[], object]) -> None:
        assert self.within(30, condition), f"it does not come; last seen: {self.lines[-3:]}"

    def within(self, limit_s: float, condition: Callable[[], object]) -> bool:
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            for path in self._folder.glob("*/timeline.jsonl"):
                whole = path.read_text().rpartition("\n")[0]
                self.lines = [json.loads(line) for line in whole.splitlines()]
            if condition():
                return True
            time.sleep(0.1)
        return False

    def of(self, name: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["name"] == name]

    def heard_ms(self) -> int:
        return max([line["samples"] // 24 for line in self.of("PlayoutAdvanced")], default=0)


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.02)


def voice(words: str) -> bytes:
    return resample(synthesize(words, "low").pcm, OUTPUT_RATE, INPUT_RATE)


def pulse_only() -> list[Any]:
    return [sound_cards._miniaudio().Backend.PULSEAUDIO]
