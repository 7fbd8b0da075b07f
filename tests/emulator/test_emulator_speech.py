"""The emulator's ears, mouth and delivery."""

import random
from dataclasses import replace

import numpy as np
import pytest
from emulator_call import LoudIsSpeech, loud, speech_of

from pipeline_live.audio import chunks, resample, silence, to_array
from pipeline_live.emulator import voice
from pipeline_live.emulator.delivery import plan
from pipeline_live.emulator.ears import Ears, Ending, Onset
from pipeline_live.emulator.families import family_of
from pipeline_live.emulator.messages import Setup
from pipeline_live.emulator.voice import (
    FASTEST,
    SLOWEST,
    VOICES,
    Speech,
    lasting,
    synthesize,
    voice_for,
    warm_up,
)
from pipeline_live.vad import SpeechDetector, Window

FAMILY = family_of("gemini-3.8-live")
TEXT = "I am booking the 3 p.m. slot for you now. Would you like me to list what to bring?"


# --- ears ------------------------------------------------------------------------------------


class Given:
    """A detector that reads the probabilities off a list, one per 512 samples."""

    def __init__(self, probabilities):
        self._left = list(probabilities)
        self._samples = 0

    def feed(self, pcm):
        windows = []
        for _ in range(len(pcm) // 1024):
            self._samples += 512
            windows.append(Window(self._samples, self._left.pop(0)))
        return windows


def hear(probabilities, **settings):
    ears = Ears(detector=lambda rate: Given(probabilities), **settings)
    return ears.hear(bytes(1024 * len(probabilities)), 16_000)


SETTINGS = {"prefix_ms": 96, "silence_ms": 128}


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [
        ([0.0] * 20, []),
        ([0.9] * 2 + [0.0] * 20, []),
        ([0.9] * 3, [Onset(96)]),
        ([0.0] * 10 + [0.9] * 3, [Onset(416)]),
        ([0.9, 0.1, 0.9, 0.9, 0.9], [Onset(160)]),
        ([0.6, 0.4, 0.4], [Onset(96)]),
        ([0.4] * 20, []),
        ([0.9] * 3 + [0.0] * 4, [Onset(96), Ending(224, 96)]),
        ([0.9] * 3 + [0.0] * 3 + [0.4] + [0.0] * 4, [Onset(96), Ending(352, 224)]),
        ([0.9] * 3 + [0.0] * 4 + [0.9] * 3, [Onset(96), Ending(224, 96), Onset(320)]),
    ],
)
def test_onsets_and_endings(probabilities, expected):
    assert hear(probabilities, **SETTINGS) == expected


def test_low_sensitivities_want_more_speech_and_more_silence():
    probabilities = [0.6] * 6 + [0.9] * 3 + [0.25] * 60 + [0.1] * 60
    low = Setup(start_low=True, end_low=True)
    for setup, onset_ms in ((Setup(), 96), (low, 288)):
        ears = Ears.from_setup(setup, detector=lambda rate: Given(probabilities))
        onset, ending = ears.hear(bytes(1024 * len(probabilities)), 16_000)
        assert onset.position_ms == onset_ms
        assert ending.speech_ms == (288 if setup is not low else 69 * 32 - 192)


def test_a_flush_ends_an_open_turn_only():
    ears = Ears(detector=LoudIsSpeech, **SETTINGS)
    assert ears.flush() is None
    ears.hear(loud(64), 16_000)
    assert ears.flush() is None
    ears.hear(loud(64), 16_000)
    ears.hear(loud(256), 16_000)
    assert ears.flush() == Ending(384, 320)
    assert ears.flush() is None


def test_the_position_survives_a_change_of_rate():
    ears = Ears()
    ears.hear(silence(1000, 16_000), 16_000)
    ears.hear(silence(1000, 48_000), 48_000)
    ears.skip(silence(500, 8000), 8000)
    ears.hear(silence(500, 8000), 8000)
    assert ears.position_ms == 3000


def user(rate=16_000):
    speech = synthesize("Actually, stop. Do not book it.", "low")
    sound = silence(500, 24_000) + speech.pcm + silence(2000, 24_000)
    return speech, resample(sound, 24_000, rate)


@pytest.mark.parametrize("rate", [8000, 16_000, 22_050, 24_000, 44_100, 48_000])
def test_real_speech_is_noticed_in_time(rate):
    speech, pcm = user(rate)
    onset, ending = Ears().hear(pcm, rate)
    spoken_ms = 500 + speech.words[0].start_ms
    silent_ms = 500 + speech.words[-1].end_ms
    assert 64 <= onset.position_ms - spoken_ms <= 235
    assert 1150 <= ending.position_ms - silent_ms <= 1420
    assert abs(ending.speech_ms - (silent_ms - spoken_ms)) < 200


def test_noise_and_a_scrap_of_a_word_are_no_turn_and_a_longer_one_is():
    """In real calls 100 ms of noise did not interrupt, and 400 ms of a word did (ANC)."""
    speech, pcm = user()
    at = (500 + speech.words[0].start_ms) * 32
    noise = np.random.default_rng(0).normal(0, 3000, 1600).astype("<i2").tobytes()
    for sound, events in ((noise, 0), (pcm[at:][: 100 * 32], 0), (pcm[at:][: 400 * 32], 2)):
        heard = silence(500, 16_000) + sound + silence(2000, 16_000)
        assert len(Ears().hear(heard, 16_000)) == events


def test_the_pieces_of_the_sound_do_not_matter():
    _, pcm = user()
    heard = []
    for size in (321, 640, 1024, 3200, len(pcm)):
        ears = Ears()
        heard.append([e for piece in chunks(pcm, size) for e in ears.hear(piece, 16_000)])
        assert ears.position_ms == len(pcm) // 32
    assert len(heard[0]) == 2
    assert all(events == heard[0] for events in heard)


# --- voice -----------------------------------------------------------------------------------


@pytest.mark.parametrize("voice", VOICES)
def test_words_are_those_of_the_text_in_order_and_in_the_sound(voice):
    speech = synthesize(TEXT, voice)
    assert [word.text for word in speech.words] == TEXT.split()
    edges = [edge for word in speech.words for edge in (word.start_ms, word.end_ms)]
    assert edges == sorted(edges)
    assert edges[-1] <= speech.duration_ms
    assert all(word.end_ms > word.start_ms for word in speech.words)


@pytest.mark.parametrize("speed", [0.8, 1.0, 1.25])
def test_words_begin_where_their_sound_begins(speed):
    """Plosives after a pause burst out of silence, most of them at the start of a word."""
    speech = synthesize("Pat, cat, tap, cop, top, kick.", speed=speed)
    loud_ms = np.flatnonzero(np.abs(to_array(speech.pcm).astype(int)) > 800) // 24
    bursts = loud_ms[1:][np.diff(loud_ms) > 25]
    off_ms = [int(np.abs(bursts - word.start_ms).min()) for word in speech.words[1:]]
    assert np.median(off_ms) <= 20


@pytest.mark.parametrize("text", ["In 2026 I paid $3.50 for it.", "Dr. Smith's 24/7 e-mail!"])
def test_words_that_are_spoken_as_several_keep_their_place(text):
    speech = synthesize(text)
    assert [word.text for word in speech.words] == text.split()
    assert speech.words[-1].end_ms <= speech.duration_ms


def pitch_hz(speech: Speech) -> float:
    """Median fundamental of the voiced parts, by autocorrelation."""
    sound = to_array(speech.pcm).astype(np.float64)
    found = []
    for start in range(0, len(sound) - 1920, 1920):
        part = sound[start : start + 1920]
        if np.abs(part).max() < 3000:
            continue
        correlation = np.correlate(part, part, "full")[1919:]
        lag = 60 + int(np.argmax(correlation[60:300]))
        if correlation[lag] > 0.6 * correlation[0]:
            found.append(24_000 / lag)
    return float(np.median(found))


def test_low_is_lower_at_about_the_same_pace():
    heart, low = (synthesize(TEXT, voice) for voice in VOICES)
    assert 0.75 < pitch_hz(low) / pitch_hz(heart) < 0.92
    assert 0.95 < low.duration_ms / heart.duration_ms < 1.15


def test_the_same_text_is_spoken_once():
    assert synthesize(TEXT) is synthesize(TEXT)


@pytest.mark.parametrize("voice", VOICES)
@pytest.mark.parametrize("speed", [SLOWEST, 0.8, 1.25, FASTEST])
def test_speed_is_a_rough_factor(voice, speed):
    speech = synthesize(TEXT, voice, speed)
    assert 0.85 <= synthesize(TEXT, voice).duration_ms / speech.duration_ms / speed <= 1.18
    assert [word.text for word in speech.words] == TEXT.split()
    assert speech.words[-1].end_ms <= speech.duration_ms


@pytest.mark.parametrize("length_ms", [100, 1500, 5000, 61_234])
def test_a_speech_can_be_made_to_last(length_ms):
    once = synthesize("Yes, of course.")
    long = lasting(once, length_ms)
    assert long.duration_ms == length_ms
    assert all(word.end_ms <= length_ms for word in long.words)
    for n, word in enumerate(long.words):
        first = once.words[n % 3]
        at = (n // 3) * (once.duration_ms + 250)
        assert (word.text, word.start_ms) == (first.text, first.start_ms + at)
        sound = slice(word.start_ms * 48, first.end_ms * 48 + at * 48)
        assert long.pcm[sound] == once.pcm[first.start_ms * 48 : first.end_ms * 48]


def test_nothing_lasts_as_silence():
    assert lasting(Speech(b"", ()), 700) == Speech(silence(700, 24_000), ())


def test_sentences_are_parted_by_a_pause():
    speech = synthesize("Yes. No.")
    assert speech.words[1].start_ms - speech.words[0].end_ms >= 250


def test_nothing_to_say_is_no_sound():
    assert synthesize("") == Speech(b"", ())


def test_warm_up_speaks():
    warm_up()
    assert voice._synthesize.cache_info().currsize


@pytest.mark.parametrize(
    ("name", "voice"),
    [
        ("heart", "heart"),
        ("low", "low"),
        ("Charon", "low"),
        ("puck", "low"),
        ("Kore", "heart"),
        ("", "heart"),
        ("Nobody", "heart"),
    ],
)
def test_gemini_voices_are_played_by_ours(name, voice):
    assert voice_for(name) == voice


# --- delivery --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_a_delivery_looks_like_a_recorded_one(seed):
    speech = speech_of("word " * 60)  # 18 s
    delivery = plan(speech, FAMILY, 4.3, random.Random(seed))
    parcels = delivery.parcels
    assert b"".join(parcel.pcm for parcel in parcels) == speech.pcm
    assert sum(parcel.audio_ms for parcel in parcels) == speech.duration_ms
    sizes = [parcel.audio_ms for parcel in parcels]
    assert sizes[0] == 100
    assert all(size % 40 == 0 and 40 <= size <= 680 for size in sizes[1:-1])
    assert 260 <= np.mean(sizes[1:-1]) <= 370
    gaps = np.diff([parcel.offset_ms for parcel in parcels])
    assert gaps.min() >= 21
    assert gaps.max() <= 186
    assert 4.1 <= speech.duration_ms / parcels[-1].offset_ms <= 4.5
    assert 3 <= delivery.generated_ms - parcels[-1].offset_ms <= 30
    assert 3 <= delivery.played_ms - speech.duration_ms <= 9


@pytest.mark.parametrize("model", ["gemini-3.8-live", "gemini-2.5-flash-native-audio-latest"])
def test_words_run_ahead_of_their_sound(model):
    speech = speech_of(" ".join(str(n) for n in range(40)))
    delivery = plan(speech, family_of(model), 4.3, random.Random(0))
    text, sent_ms = "", 0
    for parcel in delivery.parcels:
        text += parcel.words
        heard = [word.text for word in speech.words if word.end_ms <= sent_ms - 700]
        assert len(text.split()) >= len(heard)
        sent_ms += parcel.audio_ms
    assert text == " ".join(word.text for word in speech.words)


def test_words_ride_on_about_a_third_of_the_messages():
    delivery = plan(speech_of("word " * 60), FAMILY, 4.3, random.Random(0))
    share = sum(bool(parcel.words) for parcel in delivery.parcels) / len(delivery.parcels)
    assert 0.25 <= share <= 0.45


def test_a_faster_model_delivers_faster():
    delivery = plan(speech_of("word " * 60), FAMILY, 100.0, random.Random(0))
    assert 90 <= 18_000 / delivery.parcels[-1].offset_ms <= 110


def test_an_odd_tail_is_sent_whole():
    speech = Speech(silence(1234, 24_000) + b"\x01\x00", ())
    delivery = plan(speech, FAMILY, 4.3, random.Random(0))
    assert b"".join(parcel.pcm for parcel in delivery.parcels) == speech.pcm


def test_no_message_is_without_sound_however_short_the_longest_may_be():
    family = replace(FAMILY, audio_most_ms=FAMILY.audio_step_ms - 1)
    delivery = plan(Speech(silence(1000, 24_000), ()), family, 4.3, random.Random(0))
    assert all(parcel.audio_ms for parcel in delivery.parcels)


def test_no_sound_is_no_message():
    delivery = plan(Speech(b"", ()), FAMILY, 4.3, random.Random(0))
    assert delivery.parcels == ()
    assert delivery.played_ms >= delivery.generated_ms > 0


def test_the_detector_is_the_shared_one():
    assert isinstance(Ears()._make_detector(16_000), SpeechDetector)
