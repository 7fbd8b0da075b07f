"""``pipeline-live show``: what it takes, what it leaves, and what it says about bad input."""

from __future__ import annotations

import json
import os
import webbrowser
from pathlib import Path

import pytest

from pipeline_live.cli import main

from .calls import example

LEFT = ["index.html", "picture.png", "summary.json"]


@pytest.fixture
def call(tmp_path: Path) -> Path:
    """The folder of a call."""
    folder = tmp_path / "monday"
    folder.mkdir()
    (folder / "call.wav").write_bytes(example().wav())
    (folder / "timeline.jsonl").write_text(example().timeline())
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_call_s_folder_gets_its_report(call, capsys) -> None:
    assert main(["show", str(call)]) == 0
    said = capsys.readouterr().out
    assert names(call) == sorted([*LEFT, "call.wav", "timeline.jsonl"])
    assert said.startswith(f"{call / 'timeline.jsonl'}, with {call / 'call.wav'}\n")
    assert "1  local speech  2.18" in said
    assert "speech to silence            2          535         840" in said
    assert "Call monday" in (call / "index.html").read_text()


def test_a_timeline_alone_is_drawn_elsewhere(call, tmp_path, capsys) -> None:
    lonely = tmp_path / "lonely.jsonl"
    (call / "timeline.jsonl").rename(lonely)
    out = tmp_path / "deep" / "er"
    assert main(["show", str(lonely), "--out", str(out), "--title", "My <call>"]) == 0
    assert "without sound" in capsys.readouterr().out
    assert names(out) == LEFT
    page = (out / "index.html").read_text()
    assert "My &lt;call&gt;" in page
    assert "<audio" not in page
    assert 'type="range"' in page


def test_the_sound_may_lie_elsewhere_and_is_found_beside_a_timeline_of_its_name(
    call, tmp_path
) -> None:
    (call / "call.wav").rename(tmp_path / "a.wav")
    (call / "timeline.jsonl").rename(tmp_path / "a.jsonl")
    out = tmp_path / "out"
    for arguments in ([], ["--sound", str(tmp_path / "a.wav")]):
        assert main(["show", str(tmp_path / "a.jsonl"), "--out", str(out), *arguments]) == 0
        assert 'src="../a.wav"' in (out / "index.html").read_text()


def test_of_many_calls_the_latest_is_shown(call, tmp_path, capsys) -> None:
    later = tmp_path / "later"
    later.mkdir()
    (later / "timeline.jsonl").write_text(example().timeline())
    never_begun = tmp_path / "never begun"
    never_begun.mkdir()
    (never_begun / "timeline.jsonl").touch()
    for number, folder in enumerate((never_begun, later, call)):
        os.utime(folder / "timeline.jsonl", (0, 2_000_000_000 - number))
    assert main(["show", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith(f"{later / 'timeline.jsonl'}, without sound\n")


@pytest.mark.parametrize(
    ("arguments", "rows"),
    [
        ([], [[0, 12_000]]),
        (["--from", "4", "--to", "6"], [[4000, 6000]]),
        (["--from", "9"], [[9000, 12_000]]),
        (["--from", "-5", "--to", "3"], [[0, 3000]]),
    ],
)
def test_a_stretch_is_drawn_closer_but_the_numbers_are_the_call_s(
    call, capsys, arguments, rows
) -> None:
    assert main(["show", str(call), *arguments]) == 0
    page = (call / "index.html").read_text()
    assert json.loads(page.partition('id="call">')[2].partition("</script>")[0])["rows"] == rows
    assert "3 interruptions" in page
    assert "3  stop" in capsys.readouterr().out


def test_a_stretch_beside_the_call_is_refused(call, capsys) -> None:
    for arguments in (["--from", "12"], ["--to", "0"], ["--from", "5", "--to", "5"]):
        assert main(["show", str(call), *arguments]) == 2
        assert "it lasts from 0.0 s to 12.0 s" in capsys.readouterr().err


def test_the_page_is_opened_when_asked(call, monkeypatch, capsys) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url))
    assert main(["show", str(call), "--open"]) == 0
    assert opened == [(call / "index.html").resolve().as_uri()]
    assert f"open {call / 'index.html'} yourself" in capsys.readouterr().out


def line(number: int, text: str) -> bytes:
    good = b'{"t_ms": 0, "kind": "note", "name": "SoundStarted"}\n'
    return good * (number - 1) + text.encode() + b"\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "t.jsonl: holds no line"),
        (b"\n\n", "t.jsonl: holds no line"),
        (line(3, '{"t_ms": 5, "kind": "fa'), "t.jsonl:3: not JSON"),
        (line(2, '{"timestamp": 5, "event": "x"}'), 't.jsonl:2: a timeline line needs "t_ms"'),
        (line(2, '{"t_ms": 5, "kind": "span", "name": "x"}'), 't.jsonl:2: kind is "span", not'),
        (line(4, '{"t_ms": 1e12, "kind": "fact", "name": "x"}'), "t.jsonl:4: a timeline line"),
        (line(2, '{"t_ms": 90000000, "kind": "fact", "name": "x"}'), "t.jsonl:2: t_ms is 90000000"),
        (line(2, f'{{"t_ms": 1{"0" * 5000}, "kind": "fact", "name": "x"}}'), "t.jsonl:2: not JSON"),
        (
            line(2, f'{{"t_ms": 1, "kind": "fact", "name": "AudioReceived", "samples": {10**99}}}'),
            "t.jsonl:2: AudioReceived has 10000000000000000000",
        ),
        (b"\x89PNG\r\n\x1a\n\0", "t.jsonl:1: not UTF-8"),
        (line(3, "ok") + b"\xff", "t.jsonl:4: not UTF-8"),
        (b"[1, 2]\n", "t.jsonl:1: a timeline line is a JSON object, found list"),
    ],
)
def test_a_broken_or_foreign_file_is_one_line_with_its_number(
    tmp_path, capsys, content, says
) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(content)
    assert main(["show", str(path)]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"pipeline-live show: {tmp_path}/{says}")
    assert len(said) < 300 + len(str(tmp_path))
    assert names(tmp_path) == ["t.jsonl"], "nothing is left of a report that failed"


def test_what_is_not_there_and_what_cannot_be_written_is_said(call, tmp_path, capsys) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    (tmp_path / "file").write_text("in the way")
    for arguments, says in [
        ([str(tmp_path / "none")], "none: no such file; give"),
        ([str(empty)], "empty: holds no timeline.jsonl, nor does a folder in it; give"),
        ([str(call), "--sound", str(tmp_path / "none.wav")], "none.wav: no such file"),
        ([str(call), "--sound", str(tmp_path / "file")], "file: not a PCM WAV file"),
        ([str(call), "--out", str(tmp_path / "file")], "file: cannot be made"),
    ]:
        assert main(["show", *arguments]) == 2
        (said,) = capsys.readouterr().err.splitlines()
        assert says in said
