"""docs/emulator.md says what the code says. ``python tests/emulator/test_emulator_docs.py`` writes
its table of faults."""

import re
from pathlib import Path

import pytest

from pipeline_live.bench.page import with_section
from pipeline_live.emulator import Limits
from pipeline_live.emulator.command import KEY_VARIABLE
from pipeline_live.emulator.families import FAMILIES
from pipeline_live.emulator.faults import KINDS
from pipeline_live.emulator.script_file import parse_script
from pipeline_live.emulator.wire import _MOST_PARTS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "emulator.md"


def fault_table():
    rows = ["| | name | what the client sees | settings |", "|---|---|---|---|"]
    for kind in KINDS.values():
        settings = [
            f"{key}={'/'.join(value) if isinstance(value, tuple) else value}"
            for key, value in kind.values.items()
        ]
        said = " ".join(kind.summary.replace("|", "/").split())
        rows.append(f"| {kind.number} | `{kind.name}` | {said} | {', '.join(settings)} |")
    rows += [
        "",
        "Every fault also takes `at_ms` (from that time after setupComplete), `turn` (the user's "
        "n-th),\n`probability` with `seed`, `times` (at most so often) and `connection` (the "
        "emulator's n-th); those\ngiven must all hold. Without any it strikes at every chance.",
    ]
    return "\n".join(rows)


def section(name):
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    return PAGE.read_text().partition(begin)[2].partition(end)[0]


def test_the_faults_are_those_of_the_code():
    assert section("faults").strip() == fault_table(), f"run: python {Path(__file__).name}"


def test_the_script_on_the_page_is_one():
    [text] = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    script = parse_script(text, "page")
    assert script.reply(0).text == "It is sunny."
    assert script.reply(9, "Will there be rain?").text == "It will rain."


def test_the_limits_are_those_of_the_code():
    text = PAGE.read_text()
    limits = Limits()
    assert f"{limits.message_bytes // 2**20} MiB, and {_MOST_PARTS:,} parts" in text
    assert f"within {limits.setup_ms // 1000} s" in text
    assert f"| connections at once | {limits.sessions} " in text
    assert KEY_VARIABLE in text
    lives = {(family.connection_ms, family.go_away_ms, family.vertex) for family in FAMILIES}
    assert lives == {(600_000, 50_000, False), (600_000, 60_000, True)}


@pytest.mark.parametrize(
    ("name", "rows"),
    [("clients", ["google-genai, API key", "google-genai, Vertex", "Pipecat", "@google/genai"]),
     ("pacing", ["sessions at once", "message after its time", "turnComplete after playback"])],
)  # fmt: skip
def test_what_was_measured_is_there(name, rows):
    text = section(name)
    assert re.search(r"on \d{4}-\d\d-\d\d", text)
    for row in rows:
        assert f"| {row}" in text


if __name__ == "__main__":
    PAGE.write_text(with_section(PAGE.read_text(), fault_table(), PAGE.name, mark="faults"))
