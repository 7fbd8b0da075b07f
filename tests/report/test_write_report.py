"""From a folder with a call to a folder with a report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from pipeline_live.errors import UsageError
from pipeline_live.report import CallFiles, read_call, table, write_report

from .calls import example


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "call.wav").write_bytes(example().wav())
    (tmp_path / "timeline.jsonl").write_text(example().timeline())
    return tmp_path


def test_a_folder_becomes_a_report(folder: Path) -> None:
    report = write_report(folder, title="Monday <1>")
    assert sorted(path.name for path in folder.iterdir()) == [
        "call.wav",
        "index.html",
        "picture.png",
        "summary.json",
        "timeline.jsonl",
    ]
    assert report.table == table(report.measures)
    assert "Monday &lt;1&gt;" in report.page.read_text(encoding="utf-8")
    with Image.open(report.picture) as image:
        assert image.format == "PNG"
    numbers = json.loads(report.summary.read_text(encoding="utf-8"))
    assert (numbers["title"], numbers["interruptions"], numbers["stale_ms"]) == (
        "Monday <1>",
        3,
        140,
    )
    assert [one["time_to_silence_ms"] for one in numbers["details"]] == [230, 840, 50]


def test_a_record_at_hand_need_not_be_read_again(folder: Path, tmp_path: Path) -> None:
    record = read_call(folder / "call.wav", folder / "timeline.jsonl")
    (folder / "timeline.jsonl").unlink()
    assert len(write_report(folder, record).measures.interruptions) == 3


def test_files_elsewhere_are_played_from_where_they_are(folder: Path) -> None:
    out = folder / "out"
    out.mkdir()
    files = CallFiles(folder / "call.wav", folder / "timeline.jsonl")
    report = write_report(str(out), files)
    assert 'src="../call.wav"' in report.page.read_text(encoding="utf-8")


@pytest.mark.parametrize("blocked", ["picture.png", "index.html", "summary.json"])
def test_a_folder_that_cannot_be_written_is_one_clear_line(folder: Path, blocked: str) -> None:
    (folder / blocked).mkdir()
    with pytest.raises(UsageError) as caught:
        write_report(folder)
    message = str(caught.value)
    assert message.startswith(f"{folder}: the report cannot be written (")
    assert message.endswith("; give an existing folder that you may write to")
    assert "\n" not in message


def test_a_folder_that_is_not_there_is_named(folder: Path) -> None:
    record = read_call(folder / "call.wav", folder / "timeline.jsonl")
    with pytest.raises(UsageError, match="give an existing folder"):
        write_report(folder / "none", record)
    with pytest.raises(UsageError, match=r"none/call\.wav: no such file"):
        write_report(folder / "none")
