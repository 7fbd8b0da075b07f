"""The promise about heard words, kept; and the table that tells of it."""

from __future__ import annotations

import pytest

from pipeline_live.bench import heard
from pipeline_live.bench.heard import ORDERS, REPLIES, Cut, Score, markdown, scores, table
from pipeline_live.cli import main
from pipeline_live.turn.playout import PlayoutLedger

FAST = [order for order in ORDERS if order.speed == 4]


def test_the_heard_words_are_within_one_in_95_of_100_cuts_in_every_voice_and_order():
    found = scores(REPLIES[:2] + REPLIES[4:6], orders=FAST)
    assert len({score.voice for score in found}) >= 2
    for score in found:
        assert min(score.ended, score.begun) >= 0.95, score
        assert score.cuts > 300


def test_a_ledger_that_does_not_listen_fails_it(monkeypatch):
    """What an even speed of speech would give, without a look at the sound."""
    deaf = PlayoutLedger.receive
    monkeypatch.setattr(
        PlayoutLedger,
        "receive",
        lambda self, reply, samples, at_ms, _: deaf(self, reply, samples, 0),
    )
    found = scores([REPLIES[5]], orders=FAST[2:3])
    assert min(score.ended for score in found) < 0.95


def test_words_are_counted_by_either_truth():
    cuts = [Cut(3, 3, 4), Cut(4, 3, 4), Cut(5, 3, 4), Cut(6, 3, 4), Cut(1, 3, 4)]
    score = heard._score("heart", "3.8", cuts)
    assert (score.ended, score.begun, score.worst) == (2 / 5, 3 / 5, 2)


def test_the_table_is_written_between_the_marks(tmp_path, capsys, monkeypatch):
    found = [Score("heart", "3.8", 1045, 0.989, 0.991, 2)]
    monkeypatch.setattr(heard, "scores", lambda: found)
    page = tmp_path / "page.md"
    page.write_text("# Page\n<!-- heard:begin -->\nold\n<!-- heard:end -->\nEnd.\n")
    assert main(["bench", "--heard", "--readme", str(page)]) == 0
    assert "98.9%" in capsys.readouterr().out
    text = page.read_text()
    assert markdown(table(found)) in text
    assert "old" not in text
    assert text.endswith("End.\n")


@pytest.mark.parametrize("name", ["none.md", "unmarked.md"])
def test_a_page_that_cannot_take_the_table_is_told_before_anything_is_measured(tmp_path, name):
    (tmp_path / "unmarked.md").write_text("# Page\n")
    assert main(["bench", "--heard", "--readme", str(tmp_path / name)]) == 2
