"""A call with the emulator's mind in virtual time: no sockets, no clock, no voice."""

from __future__ import annotations

import base64
import itertools
import random
from dataclasses import dataclass, field

from pipeline_live.audio import INPUT_RATE, OUTPUT_RATE, bytes_of, ms_to_samples, silence
from pipeline_live.emulator.families import adjusted, admit
from pipeline_live.emulator.history import Session
from pipeline_live.emulator.messages import Audio, Content, Message, Setup, ToolResponse, ToolResult
from pipeline_live.emulator.mind import Mind
from pipeline_live.emulator.script import Script
from pipeline_live.emulator.stage import Options, Send, Speak
from pipeline_live.emulator.voice import Speech, Word
from pipeline_live.vad import WINDOW_SAMPLES, Window

WORD_MS = 300
MIC_MS = 20


class LoudIsSpeech:
    """A detector for tests: a window with any sound in it is speech. 16 kHz only."""

    def __init__(self, rate: int) -> None:
        assert rate == INPUT_RATE
        self._pending = b""
        self._windows = 0

    def feed(self, pcm: bytes) -> list[Window]:
        self._pending += pcm
        size, judged = bytes_of(WINDOW_SAMPLES), []
        while len(self._pending) >= size:
            window, self._pending = self._pending[:size], self._pending[size:]
            self._windows += 1
            judged.append(Window(self._windows * WINDOW_SAMPLES, 1.0 if any(window) else 0.0))
        return judged


def loud(ms: int) -> bytes:
    return b"\x01\x10" * ms_to_samples(ms, INPUT_RATE)


def speech_of(text: str) -> Speech:
    """Every word lasts 300 ms."""
    words = [Word(w, n * WORD_MS, (n + 1) * WORD_MS) for n, w in enumerate(text.split())]
    return Speech(silence(len(words) * WORD_MS, OUTPUT_RATE), tuple(words))


def kinds_of(frame: dict) -> list[tuple[str, object]]:
    """What a frame says, in a word each; audio with its length in ms."""
    if not frame:
        return [("empty", None)]
    said: list[tuple[str, object]] = []
    for key, value in frame.items():
        if key == "serverContent":
            if not value and len(frame) == 1:
                said.append(("emptyContent", None))
            for part in value.get("modelTurn", {}).get("parts", ()):
                if "inlineData" in part:
                    pcm = base64.b64decode(part["inlineData"]["data"])
                    said.append(("audio", len(pcm) // 48))
                else:
                    said.append(("thought", part["text"]))
            for name in ("interrupted", "generationComplete", "turnComplete"):
                if value.get(name):
                    said.append((name, frame.get("usageMetadata")))
            for name, short in (("inputTranscription", "heard"), ("outputTranscription", "words")):
                if "text" in value.get(name, ()):
                    said.append((short, value[name]["text"]))
            if value.get("groundingMetadata"):
                said.append(("found", value["groundingMetadata"]))
        elif key == "voiceActivity":
            said.append((value["type"].removeprefix("ACTIVITY_"), value["audioOffset"]))
        elif key not in ("usageMetadata", "interactionStatus"):
            said.append((key, value))
    return said


@dataclass
class Said:
    at_ms: int
    kind: str
    value: object = field(compare=False)


class Call:
    """Talks to a mind as a client with an open microphone does."""

    def __init__(
        self,
        *replies,
        setup: Setup | None = None,
        default=None,
        seed: int = 0,
        voice_takes_ms: int = 0,
        detector=LoudIsSpeech,
        voice=None,
        vertex: bool = False,
        profile=None,
        script: Script | None = None,
        saw_video: bool = False,
        spent_ms: int = 0,
        **options,
    ) -> None:
        setup = setup or Setup(input_words=True, output_words=True, model="models/gemini-3.8-live")
        self.session = Session(saw_video=saw_video, spent_ms=spent_ms)
        self.mind = Mind(
            setup,
            adjusted(admit(setup, vertex=vertex), profile or {}),
            self.session,
            script=script or Script(replies, default),
            options=Options(**options),
            rng=random.Random(seed),
            detector=detector,
        )
        self._voice = voice or speech_of
        self.now_ms = 0
        self.log: list[Said] = []
        self.frames: list[dict] = []
        self.done: list = []
        self._voice_takes_ms = voice_takes_ms
        self._spoken: list[tuple[int, Speak]] = []

    def say(self, *messages: Message) -> None:
        for message in messages:
            self.mind.hear(message, self.now_ms)
        self.wait(0)

    def hear(self, pcm: bytes) -> None:
        """The microphone sends this, in real time."""
        size = bytes_of(ms_to_samples(MIC_MS, INPUT_RATE))
        for start in range(0, len(pcm), size):
            self.wait(MIC_MS)
            self.say(Audio(pcm[start : start + size], INPUT_RATE))

    def talk(self, ms: int) -> None:
        self.hear(loud(ms))

    def pause(self, ms: int) -> None:
        self.hear(silence(ms, INPUT_RATE))

    def wait(self, ms: int) -> None:
        """Time passes; the microphone is off."""
        until_ms = self.now_ms + ms
        while True:
            moments = [self.mind.next_due_ms, *(at_ms for at_ms, _ in self._spoken)]
            moment_ms = min((m for m in moments if m is not None), default=None)
            if moment_ms is None or moment_ms > until_ms:
                break
            self.now_ms = max(self.now_ms, moment_ms)
            self._step()
        self.now_ms = until_ms

    def wait_for(self, kind: str, limit_ms: int = 60_000) -> Said:
        """Time passes until the next message of this kind."""
        seen = self.count(kind)
        until_ms = self.now_ms + limit_ms
        while self.now_ms < until_ms:
            due_ms = self.mind.next_due_ms
            self.wait(max((due_ms or until_ms) - self.now_ms, 1))
            if self.count(kind) > seen:
                return self.all(kind)[-1]
        raise AssertionError(f"no {kind} within {limit_ms} ms; got {self.kinds()}")

    def _step(self) -> None:
        for item in self.mind.due(self.now_ms):
            if isinstance(item, Speak):
                self._spoken.append((self.now_ms + self._voice_takes_ms, item))
            elif not isinstance(item, Send):
                self.done.append(item)
            else:
                self.frames.append(item.frame)
                for kind, value in kinds_of(item.frame):
                    self.log.append(Said(item.at_ms, kind, value))
        for at_ms, wanted in list(self._spoken):
            if at_ms <= self.now_ms:
                self._spoken.remove((at_ms, wanted))
                self.mind.spoken(wanted.ticket, self._voice(wanted.text), self.now_ms)

    # --- what was said -------------------------------------------------------------------------

    def all(self, kind: str) -> list[Said]:
        return [said for said in self.log if said.kind == kind]

    def one(self, kind: str) -> Said:
        (said,) = self.all(kind)
        return said

    def count(self, kind: str) -> int:
        return len(self.all(kind))

    def kinds(self, *, since: int = 0, noise: bool = False) -> list[str]:
        """Kinds in order, runs of audio and words as one; without the empty messages."""
        order: list[str] = []
        for said in self.log[since:]:
            kind = "audio" if said.kind == "words" else said.kind
            if kind.startswith("empty") and not noise:
                continue
            if not (kind == "audio" and order[-1:] == ["audio"]):
                order.append(kind)
        return order


def opened(*replies, **arguments) -> Call:
    """A call whose setup is over; its log is empty."""
    call = Call(*replies, **arguments)
    call.wait(1000)
    call.log.clear()
    call.frames.clear()
    return call


def speaking(text: str = "word " * 40, *later, **arguments) -> Call:
    """A call in which the model has begun to speak the answer to a first turn."""
    call = opened(text, *later, **arguments)
    call.talk(800)
    while not call.count("audio"):
        call.pause(MIC_MS)
    call.pause(300)
    return call


# --- families --------------------------------------------------------------------------------

MODELS = {
    "3.8-live": "models/gemini-3.8-live",
    "3.8-live-extended-thinking": "models/gemini-3.8-live-extended-thinking",
    "3.1-flash-live": "models/gemini-3.1-flash-live-preview",
    "2.5-native-audio": "models/gemini-2.5-flash-native-audio-preview-12-2025",
    "vertex-2.5": "publishers/google/models/gemini-live-2.5-flash",
    "vertex-3.8": "projects/p/locations/l/publishers/google/models/gemini-3.8-live",
}
LEVELS = {"3.8-live-extended-thinking": "LOW"}


def setup_of(name, **fields):
    usual = {"input_words": True, "output_words": True, "thinking_level": LEVELS.get(name, "")}
    return Setup(model=MODELS[name], **{**usual, **fields})


def options_of(name, **fields):
    return {"setup": setup_of(name, **fields), "vertex": name.startswith("vertex")}


def ask(text="Go on.", complete=True):
    return Content((("user", text),), complete)


def result_of(call, n=-1, **fields):
    wanted = call.all("toolCall")[n].value["functionCalls"][0]
    return ToolResponse((ToolResult(wanted["id"], wanted["name"], {"ok": True}, **fields),))


def merged(kinds):
    return [kind for kind, _ in itertools.groupby(kinds)]
