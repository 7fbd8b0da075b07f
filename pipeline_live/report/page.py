"""A page that plays the call along its picture: one file, no request but the sound beside it.

``page.html`` holds the markup, the style and the script; this module fills in the call.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from string import Template
from urllib.parse import quote

from pipeline_live.report.layout import Row, clock
from pipeline_live.report.measure import CallMeasures, InterruptionMeasure
from pipeline_live.report.reading import CallRecord
from pipeline_live.report.svg import LANE_LEFT, LANE_WIDTH, WIDTH, svg_rows
from pipeline_live.report.table import DEFINITIONS, NOTHING, headline, printable, source_label

# A click on an interruption starts this much before it, so that one hears it happen.
LEAD_MS = 1500


def page(record: CallRecord, measures: CallMeasures, title: str, sound: str = "call.wav") -> str:
    """The page as HTML.

    Args:
        record: The call, for its waveforms.
        measures: What `measure` says about it.
        title: The headline.
        sound: The recording's path, relative to the page.
    """
    rows = svg_rows(record, measures)
    template = Template(files(__package__).joinpath("page.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=_text(title),
        headline=_text(headline(measures)),
        sound=escape(quote(sound)),
        rows="\n".join(drawing for _, drawing in rows),
        interruptions=_interruptions(measures.interruptions),
        definitions=_definitions(),
        call=_data(measures, [row for row, _ in rows]),
    )


def _text(text: str) -> str:
    return escape(" ".join(printable(text).split()))


def _definitions() -> str:
    return "\n".join(
        f"<dt>{_text(term)}</dt><dd>{_text(meaning)}</dd>" for term, meaning in DEFINITIONS
    )


def _interruptions(interruptions: Sequence[InterruptionMeasure]) -> str:
    rows = [_table_row(number, one) for number, one in enumerate(interruptions, 1)]
    return "\n".join(rows) or '<tr><td colspan="7">No interruption in this call.</td></tr>'


def _table_row(number: int, one: InterruptionMeasure) -> str:
    reference = one.at_ms if one.reference_ms is None else one.reference_ms
    from_ms = min(reference, one.at_ms) - LEAD_MS
    quiet = NOTHING if one.time_to_silence_ms is None else str(one.time_to_silence_ms)
    stale = ' class="number bad"' if one.stale_ms else ' class="number"'
    at = clock(one.at_ms, decimals=2)
    return (
        f'<tr data-from="{one.at_ms}" data-until="{one.until_ms}">'
        f'<td><button type="button" data-seek="{from_ms}" '
        f'aria-label="Play interruption {number}, at {at}">'
        f'<span aria-hidden="true">▶</span> {number}</button></td>'
        f"<td>{_text(source_label(one))}</td>"
        f'<td class="number">{at}</td><td class="number">{quiet}</td>'
        f'<td{stale}>{one.stale_ms}</td><td class="number">{one.heard_ms / 1000:.2f}</td>'
        f'<td class="words" dir="auto">{_text(one.heard_text)}</td></tr>'
    )


def _data(measures: CallMeasures, rows: Sequence[Row]) -> str:
    """What the script needs; numbers only, so nothing in it can end the script element."""
    return json.dumps(
        {
            "soundStart": measures.whole.start_ms,
            "rows": [[row.start_ms, row.end_ms] for row in rows],
            "width": WIDTH,
            "laneLeft": LANE_LEFT,
            "laneWidth": LANE_WIDTH,
        }
    )
