import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_live.audio import INPUT_RATE, write_wav
from pipeline_live.bench.clips import (
    MANIFEST_NAME,
    SPEECH_KINDS,
    Clip,
    Entry,
    load,
    made_noise,
    made_speech,
    parse_manifest,
    pick,
    read_manifest,
    shortened,
)
from pipeline_live.errors import UsageError

from .calls_made import babble

HEAD = "file,kind,speech_onset_ms,onset_confidence,vad_speech_ratio\n"
KINDS = st.sampled_from([*SPEECH_KINDS, "made_up"])
ENTRIES = st.lists(st.builds(Entry, st.text(min_size=1), KINDS, st.integers(0, 500)), unique=True)


def test_only_speech_with_a_sure_onset_and_noise_without_voices_is_taken():
    manifest = parse_manifest(
        HEAD
        + "speech/a.wav,command,300,sure,\n"
        + "speech/b.wav,command,300,unsure onset,\n"
        + "speech/c.wav,farend_voice,300,sure,\n"
        + "noise/d.wav,car,,,0.00\n"
        + "noise/e.wav,babble,,,0.89\n"
        + "labelled/f.wav,meeting,,,\n"
    )
    assert manifest.speech == (Entry("speech/a.wav", "command", 300),)
    assert manifest.noise == (Entry("noise/d.wav", "car", 0),)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no column file, kind, speech_onset_ms, onset_confidence"),
        ("file,kind\na.wav,command\n", "no column speech_onset_ms, onset_confidence"),
        (HEAD + "a.wav,command,soon,sure,\n", "m.csv:2: speech_onset_ms is 'soon'"),
        (HEAD + "a.wav,command,-3,sure,\n", "m.csv:2: speech_onset_ms is '-3'"),
        (HEAD + "a.wav,command,nan,sure,\n", "m.csv:2: speech_onset_ms is 'nan'"),
        (HEAD + "noise/a.wav,car,,,much\n", "m.csv:2: vad_speech_ratio is 'much'"),
        (HEAD + "x" * 200_000, "not CSV"),
        (HEAD + ",command,10,sure,\n", "m.csv:2: file is '', not a file's name"),
        ("kind,speech_onset_ms,onset_confidence,file\ncommand,10,sure\n", "file is None"),
    ],
)
def test_a_broken_manifest_is_told_in_one_line(text, says):
    with pytest.raises(UsageError) as caught:
        parse_manifest(text, "m.csv")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_manifest(tmp_path):
    with pytest.raises(UsageError, match="leave out --audio"):
        read_manifest(tmp_path / "nowhere")
    (tmp_path / MANIFEST_NAME).write_bytes(b"\xff\xfe\xff")
    with pytest.raises(UsageError, match="not UTF-8"):
        read_manifest(tmp_path)


@given(ENTRIES, st.integers(0, 30))
def test_a_choice_is_stable_distinct_and_as_long_as_possible(entries, count):
    chosen = pick(entries, count)
    assert chosen == pick(entries, count + 5)[:count]
    assert len(set(chosen)) == len(chosen) == min(count, len(entries))
    assert set(chosen) <= set(entries)


def test_the_kinds_come_in_turn():
    entries = [Entry(f"{kind}{n}", kind, 0) for kind in SPEECH_KINDS for n in range(4)]
    assert [entry.kind for entry in pick(entries, 6)] == [*SPEECH_KINDS, SPEECH_KINDS[0]]


def test_clips_are_loaded_and_shortened(tmp_path):
    write_wav(tmp_path / "a.wav", babble(900), INPUT_RATE)
    (clip,) = load(tmp_path, [Entry("a.wav", "command", 100)], longest_ms=500)
    assert (clip.name, clip.onset_ms, clip.duration_ms) == ("a", 100, 600)
    with pytest.raises(UsageError, match="ends before its onset"):
        load(tmp_path, [Entry("a.wav", "command", 900)], longest_ms=500)
    with pytest.raises(UsageError, match="no such file"):
        load(tmp_path, [Entry("b.wav", "command", 0)], longest_ms=500)


def test_a_clip_without_sound_after_its_onset_is_named(tmp_path):
    """The proof and the judge look for it in the microphone."""
    write_wav(tmp_path / "a.wav", babble(200) + bytes(32_000), INPUT_RATE)
    load(tmp_path, [Entry("a.wav", "command", 100)], longest_ms=500)
    with pytest.raises(UsageError, match=r"a\.wav: holds no sound after its onset at 300 ms"):
        load(tmp_path, [Entry("a.wav", "command", 300)], longest_ms=500)
    load(tmp_path, [Entry("a.wav", "room", 0)], longest_ms=500)


def test_what_comes_long_before_the_onset_is_left_out():
    whole = babble(9000)
    clip = shortened(Clip("a", "made", whole, 8000, 8500), 3000)
    assert (clip.onset_ms, clip.end_ms) == (1000, 1500)
    assert clip.pcm == whole[7000 * 32 :]


def test_a_short_clip_stays_whole():
    clip = Clip("a", "made", babble(300), 100)
    assert shortened(clip, 3000) == clip


def test_made_speech_is_silent_before_its_onset_and_not_after():
    for clip in made_speech(3):
        assert 0 < clip.onset_ms < 300
        assert clip.duration_ms > clip.onset_ms + 1000
        # 30 dB under the voice counts as the beginning.
        before = max(map(abs, memoryview(clip.pcm).cast("h")[: clip.onset_ms * 16]))
        after = max(map(abs, memoryview(clip.pcm).cast("h")[clip.onset_ms * 16 :]))
        assert before < after / 10


def test_made_noise_is_always_the_same():
    assert made_noise(4) == made_noise(4)
    assert len(made_noise(2)) == 2
    assert all(max(memoryview(clip.pcm).cast("h")) > 1000 for clip in made_noise(4))
