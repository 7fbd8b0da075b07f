"""The page: complete, self-contained, escaped, reachable without a mouse."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest

from pipeline_live.report.layout import rows_of
from pipeline_live.report.measure import measure
from pipeline_live.report.page import LEAD_MS, page
from pipeline_live.report.svg import LANE_LEFT, LANE_WIDTH, svg_rows

from .calls import Call, eventful, example

EVIL = '</script><img src=x onerror="alert(1)">&amp;$title'


class Elements(HTMLParser):
    """All elements of a page with their attributes, and all text outside of scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self._inside not in ("script", "style"):
            self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def written(call: Call, title: str = "A call", sound: str = "call.wav") -> str:
    record = call.record()
    return page(record, measure(record), title, sound)


def test_it_plays_the_sound_beside_it_and_asks_for_nothing_else() -> None:
    html = written(example())
    elements = Elements(html)
    (audio,) = elements.all("audio")
    assert (audio["src"], "controls" in audio) == ("call.wav", True)
    assert [e["href"] for e in elements.all("link")] == ["data:,"]
    assert not elements.all("img")
    assert not elements.all("iframe")
    assert all("src" not in script for script in elements.all("script"))
    assert not re.search(r"https?:|@import|fetch\(|XMLHttp", html)


def test_an_odd_file_name_stays_a_file_name() -> None:
    (audio,) = Elements(written(Call(), sound='../a b"<c>.wav')).all("audio")
    assert audio["src"] == "../a%20b%22%3Cc%3E.wav"


def test_every_text_is_escaped() -> None:
    call = Call().interrupted(500, source=EVIL, text=EVIL + "\ud800")
    html = written(call, title=EVIL)
    elements = Elements(html)
    assert not elements.all("img")
    assert len(elements.all("script")) == 2
    shown = "".join(elements.texts)
    assert shown.count(EVIL) == 3  # title element, headline, heard words
    html.encode()


def test_each_interruption_has_a_button_that_leads_into_it() -> None:
    elements = Elements(written(example()))
    buttons = elements.all("button")
    assert [button["data-seek"] for button in buttons] == [
        str(moment - LEAD_MS) for moment in (2000, 4800, 8000)
    ]
    assert [button["aria-label"] for button in buttons] == [
        "Go to interruption 1, at 0:02.18",
        "Go to interruption 2, at 0:05.05",
        "Go to interruption 3, at 0:08.01",
    ]
    rows = [row for row in elements.all("tr") if "data-from" in row]
    assert [(row["data-from"], row["data-until"]) for row in rows] == [
        ("2180", "4000"),
        ("5050", "7000"),
        ("8010", "9000"),
    ]
    assert "No interruption in this call." in "".join(Elements(written(Call())).texts)


def test_what_else_happened_is_told_and_leads_there() -> None:
    html = written(eventful())
    elements = Elements(html)
    assert [button["aria-label"] for button in elements.all("button")] == [
        "Go to interruption 1, at 0:05.00",
        "Go to 0:03.24: held 240 ms for nothing",
        "Go to 0:06.00: uplink full",
        "Go to 0:06.50: function called",
    ]
    shown = [text.strip() for text in elements.texts if text.strip()]
    assert "Martian" in shown
    assert "end of speech to answer" in shown
    assert [e["style"] for e in elements.all("i")] == ["left:0.0%", "left:48.0%", "left:100.0%"]
    (drawing,) = [e for e in elements.all("svg") if e.get("class") == "row"]
    assert drawing["aria-label"] == (
        "Who spoke when, from 0:00 to 0:12. Interruptions: 1 · stop · 0 ms. "
        "Also: held 240 ms for nothing; uplink full; function called"
    )
    for name in ("held", "waiting", "dropped", "answer"):
        assert re.search(rf'<(rect|path) class="{name}"', html), name


def test_without_sound_a_slider_moves_the_call_time() -> None:
    record = eventful().silent_record()
    elements = Elements(page(record, measure(record), "A call"))
    assert not elements.all("audio")
    (slider,) = elements.all("input")
    assert (slider["type"], slider["min"], slider["max"]) == ("range", "0", "6600")
    assert slider["aria-label"] == "Call time"
    assert any("No sound was recorded" in text for text in elements.texts)


def test_a_recording_that_was_not_made_at_the_sink_says_so() -> None:
    call = eventful()
    call.lines[0]["measured"] = False
    assert any("stale sound cannot be told" in t for t in Elements(written(call)).texts)
    assert not any("stale sound cannot" in t for t in Elements(written(eventful())).texts)


def test_every_text_of_an_event_is_escaped() -> None:
    call = Call().action("ReportAnomaly", 10, what=EVIL).action(f"Report{EVIL}", 20)
    elements = Elements(written(call.note(EVIL, 30)))
    assert not elements.all("img")
    assert len(elements.all("script")) == 2


def test_the_script_gets_the_rows_as_they_are_drawn() -> None:
    call = Call(duration_ms=45_000, start_ms=300)
    html = written(call)
    data = re.search(r'<script type="application/json" id="call">(.*?)</script>', html)
    assert data is not None
    assert json.loads(data[1]) == {
        "start": 300,
        "end": 45_300,
        "rows": [[0, 16_000], [16_000, 32_000], [32_000, 48_000]],
        "width": 1200,
        "laneLeft": LANE_LEFT,
        "laneWidth": LANE_WIDTH,
    }
    assert html.count('<svg class="row"') == 3


def test_drawings_are_well_formed_and_in_place() -> None:
    record = example().record()
    measures = measure(record)
    ((row, drawing),) = svg_rows(record, measures)
    assert row == rows_of(measures.whole, LANE_LEFT, LANE_WIDTH)[0]
    root = ET.fromstring(drawing)
    assert root.get("aria-label") == (
        "Who spoke when, from 0:00 to 0:12. Interruptions: 1 · local speech · 230 ms; "
        "2 · server · 840 ms · 140 ms stale; 3 · stop · 50 ms"
    )

    def boxes(name: str) -> list[tuple[float, float]]:
        found = [e for e in root.iter("rect") if e.get("class") == name]
        return [(float(e.get("x", "")), float(e.get("width", ""))) for e in found]

    length = LANE_WIDTH / 12_000
    ((x, width),) = boxes("bar stale")
    assert (x, width) == (pytest.approx(row.x(5500), abs=0.1), pytest.approx(140 * length, abs=0.1))
    assert len(boxes("bar user")) == 2
    assert len(boxes("bar bot")) == 5
    assert len(boxes("silent")) == len(boxes("reaction")) == len(boxes("label cut")) == 3
    assert len([e for e in root.iter("line") if e.get("class") == "playhead"]) == 1
