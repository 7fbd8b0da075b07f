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
from pipeline_live.report.measure import CallMeasures, InterruptionMeasure, Stage
from pipeline_live.report.reading import CallRecord
from pipeline_live.report.story import Event, Kind, Segment
from pipeline_live.report.svg import LANE_LEFT, LANE_WIDTH, WIDTH, svg_rows
from pipeline_live.report.table import DEFINITIONS, NOTHING, headline, printable, source_label

# A click on an interruption starts this much before it, so that one hears it happen.
LEAD_MS = 1500
NO_SOUND = (
    "No sound was recorded: the drawing shows what the timeline tells, and nothing can be played."
)
NOT_MEASURED = (
    "The bot's sound is what was handed to the sink, at the time at which it counted as played; "
    "what the sink did with it is not in it, so stale sound cannot be told."
)


def page(
    record: CallRecord,
    measures: CallMeasures,
    title: str,
    sound: str = "call.wav",
    view: Segment | None = None,
) -> str:
    """The page as HTML.

    Args:
        record: The call, for its waveforms.
        measures: What `measure` says about it.
        title: The headline.
        sound: The recording's path, relative to the page; without effect when there is none.
        view: The stretch to draw, in whole seconds; all of the call by default.
    """
    rows = svg_rows(record, measures, view)
    template = Template(files(__package__).joinpath("page.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=_text(title),
        headline=_text(headline(measures)),
        player=_slider(measures) if record.sound is None else _audio(sound),
        note=_note(record),
        verb="show" if record.sound is None else "play",
        rows="\n".join(drawing for _, drawing in rows),
        interruptions=_interruptions(measures.interruptions),
        definitions=_definitions(),
        events=_events(record.story.events),
        stages=_stages(measures),
        longest=max((stage.worst_ms for stage in measures.stages), default=0),
        counts=_counts(record),
        call=_data(measures, [row for row, _ in rows]),
    )


def _text(text: str) -> str:
    return escape(" ".join(printable(text).split()))


def _audio(sound: str) -> str:
    return (
        f'<audio id="sound" src="{escape(quote(sound))}" controls preload="metadata" '
        'aria-label="Recording of the call: the user left, the bot right"></audio>'
    )


def _slider(measures: CallMeasures) -> str:
    whole = measures.whole
    return (
        f'<input id="sound" type="range" min="{whole.start_ms}" max="{whole.end_ms}" '
        f'value="{whole.start_ms}" step="20" aria-label="Call time">'
    )


def _note(record: CallRecord) -> str:
    if record.sound is not None and record.measured:
        return ""
    return f'<p class="note">{_text(NO_SOUND if record.sound is None else NOT_MEASURED)}</p>'


def _definitions() -> str:
    return "\n".join(
        f"<dt>{_text(term)}</dt><dd>{_text(meaning)}</dd>" for term, meaning in DEFINITIONS
    )


def _interruptions(interruptions: Sequence[InterruptionMeasure]) -> str:
    rows = [_table_row(number, one) for number, one in enumerate(interruptions, 1)]
    return "\n".join(rows) or '<tr><td colspan="8">No interruption in this call.</td></tr>'


def _table_row(number: int, one: InterruptionMeasure) -> str:
    reference = one.at_ms if one.reference_ms is None else one.reference_ms
    from_ms = min(reference, one.at_ms) - LEAD_MS
    quiet = NOTHING if one.time_to_silence_ms is None else str(one.time_to_silence_ms)
    stale = ' class="number bad"' if one.stale_ms else ' class="number"'
    stale_ms = NOTHING if one.stale_ms is None else str(one.stale_ms)
    received = NOTHING if one.received_ms is None else f"{one.received_ms / 1000:.2f}"
    at = clock(one.at_ms, decimals=2)
    return (
        f'<tr data-from="{one.at_ms}" data-until="{one.until_ms}">'
        f'<td><button type="button" data-seek="{from_ms}" '
        f'aria-label="Go to interruption {number}, at {at}">'
        f'<span aria-hidden="true">▶</span> {number}</button></td>'
        f"<td>{_text(source_label(one))}</td>"
        f'<td class="number">{at}</td><td class="number">{quiet}</td>'
        f'<td{stale}>{stale_ms}</td><td class="number">{one.heard_ms / 1000:.2f}</td>'
        f'<td class="number">{received}</td>'
        f'<td class="words" dir="auto">{_text(one.heard_text)}</td></tr>'
    )


def _events(events: Sequence[Event]) -> str:
    rows = [_event_row(event) for event in events]
    return "\n".join(rows) or '<tr><td colspan="3">Nothing out of the ordinary.</td></tr>'


def _event_row(event: Event) -> str:
    at, text = clock(event.at_ms, decimals=2), _text(event.text)
    bad = " bad" if event.kind is Kind.FAULT else ""
    return (
        f'<tr data-from="{event.at_ms}" data-until="{event.at_ms + 1000}">'
        f'<td><button type="button" data-seek="{event.at_ms - LEAD_MS}" '
        f'aria-label="Go to {at}: {text}"><span aria-hidden="true">▶</span></button></td>'
        f'<td class="number">{at}</td><td class="words{bad}" dir="auto">{text}</td></tr>'
    )


def _stages(measures: CallMeasures) -> str:
    longest = max((stage.worst_ms for stage in measures.stages), default=0)
    rows = [
        f"<tr><td>{_text(stage.name)}</td><td>{_dots(stage, longest)}</td>"
        f'<td class="number">{len(stage.times_ms)}</td>'
        f'<td class="number">{stage.median_ms}</td><td class="number">{stage.worst_ms}</td></tr>'
        for stage in measures.stages
    ]
    return "\n".join(rows) or '<tr><td colspan="5">Nothing to time in this call.</td></tr>'


def _dots(stage: Stage, longest_ms: int) -> str:
    """A dot for each time of a stage, on a line from 0 to ``longest_ms``."""
    dots = (
        f'<i style="left:{100 * time_ms / max(longest_ms, 1):.1f}%"></i>'
        for time_ms in stage.times_ms
    )
    return f'<div class="dots" aria-hidden="true">{"".join(dots)}</div>'


def _counts(record: CallRecord) -> str:
    return "\n".join(
        f'<tr><td>{_text(kind)}</td><td>{_text(name)}</td><td class="number">{count}</td></tr>'
        for kind, name, count in record.story.counts
    )


def _data(measures: CallMeasures, rows: Sequence[Row]) -> str:
    """What the script needs; numbers only, so nothing in it can end the script element."""
    return json.dumps(
        {
            "start": measures.whole.start_ms,
            "end": measures.whole.end_ms,
            "rows": [[row.start_ms, row.end_ms] for row in rows],
            "width": WIDTH,
            "laneLeft": LANE_LEFT,
            "laneWidth": LANE_WIDTH,
        }
    )
