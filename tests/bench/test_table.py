import json

from pipeline_live.bench.results import compare, in_noise
from pipeline_live.bench.scenarios import Side
from pipeline_live.bench.table import (
    Conditions,
    as_data,
    markdown,
    progress,
    text_table,
)

from .calls_made import outcome, scenarios

CONDITIONS = Conditions("2026-01-02", 2, {"Python": "3.11"}, "made speech", 7, 0, "fine")
PAIR = [
    outcome(side=Side.OURS, to_silence_ms=100),
    outcome(side=Side.OURS, to_silence_ms=140),
    outcome(side=Side.STOCK, to_silence_ms=240),
]
DEAF = [
    outcome("deaf", Side.OURS, to_silence_ms=100),
    outcome("deaf", Side.STOCK, to_silence_ms=9000, silenced=False, decision_ms=None),
]
NOISE = [
    outcome(
        "noise",
        Side.OURS,
        to_silence_ms=None,
        noise_ms=6000,
        holds=2,
        interrupted=False,
        silenced=False,
    ),
    outcome("noise", Side.STOCK, to_silence_ms=None, noise_ms=3000, by_server=True, holds=0),
]


def row(text: str, beginning: str) -> list[str]:
    (found,) = [line for line in text.splitlines() if line.startswith(beginning)]
    return found.split()


def test_a_comparison_counts_each_side_by_itself():
    one = compare(scenarios("server"), PAIR)[0]
    assert (one.ours.count, one.ours.median, one.ours.p95) == (2, 120, 140)
    assert (one.stock.count, one.stock.median) == (1, 240)
    assert one.ratio == 0.5


def test_the_table_shows_counts_medians_and_ratios():
    text = text_table(scenarios("server"), PAIR)
    assert row(text, "server")[-7:] == ["2", "120", "140", "1", "240", "240", "0.50"]
    assert max(map(len, text.splitlines())) <= 100


def test_a_bot_that_was_never_silenced_is_a_lower_bound():
    text = text_table(scenarios("deaf"), DEAF)
    assert row(text, "deaf")[-5:] == ["100", "1", "≥9000", "≥9000", "≤0.01"]
    assert row(text, "          onset to decision")[-4:] == ["0", "-", "-", "-"]


def test_two_lower_bounds_have_no_ratio():
    both = [outcome("deaf", side, to_silence_ms=9000, silenced=False) for side in Side]
    assert row(text_table(scenarios("deaf"), both), "deaf")[-1] == "-"
    assert as_data(scenarios("deaf"), both, CONDITIONS)["figures"][0]["ratio"] is None


def test_stop_counts_from_stop():
    text = text_table(scenarios("stop"), [outcome("stop", side) for side in Side])
    assert "Stop to silence" in text
    assert "onset to silence" not in text


def test_noise_is_counted_per_minute():
    ours, stock = in_noise(scenarios("noise"), NOISE)
    assert (ours.holds_per_minute, ours.interruptions_per_minute, ours.went_on) == (20, 0, 1)
    assert (stock.interruptions_per_minute, stock.went_on) == (20, 0)
    text = text_table(scenarios("noise"), NOISE)
    assert "false holds: 2 (20.0 a minute)" in text
    assert "false interruptions: 1 (20.0 a minute), by the server: 1" in text
    assert in_noise(scenarios("server"), PAIR) == ()


def test_markdown_holds_the_date_the_cores_and_counts():
    chosen = scenarios("server", "noise")
    text = markdown(chosen, [*PAIR, *NOISE], CONDITIONS)
    assert "2026-01-02" in text
    assert "2 shared cores" in text
    assert "| onset to silence | 120 / 140 (2) | 240 / 240 (1) | 0.50 |" in text
    assert "| ours | 6 s | 2 (20.0 a minute) | 0 (0.0 a minute) | 0 | 1 of 1 |" in text
    widths = {line.count("|") for line in text.splitlines() if "---" in line}
    assert widths == {6, 7}


def test_the_data_survive_json():
    data = as_data(scenarios("server", "noise"), [*PAIR, *NOISE], CONDITIONS)
    again = json.loads(json.dumps(data))
    assert again["conditions"]["cores"] == 2
    assert again["figures"][0]["ours"] == {"count": 2, "median": 120.0, "p95": 140}
    assert again["figures"][0]["ratio"] == 0.5
    assert [one["side"] for one in again["trials"]] == ["ours", "ours", "stock", "ours", "stock"]
    assert again["noise"][0]["holds_per_minute"] == 20


def test_progress_is_a_line_for_both_sides():
    line = progress("deaf-1", DEAF)
    assert "ours silent after 100 ms" in line
    assert "stock silent after ≥9000 ms" in line
    assert "went on, 2 holds" in progress("noise-1", NOISE)
    unanswered = outcome("answer", to_silence_ms=None, silenced=False)
    assert "ours no figure" in progress("answer-1", [unanswered])
