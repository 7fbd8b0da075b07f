"""The emulator's pacing: what the bench says of it, and one small run through all layers."""

import asyncio
import os
import re
import signal
from dataclasses import replace

import pytest

from pipeline_live.bench import punctuality
from pipeline_live.bench.emulating import Served, emulating
from pipeline_live.bench.punctuality import Pacing, measure
from pipeline_live.bench.statistics import figures
from pipeline_live.cli import main
from pipeline_live.emulator import Emulator
from pipeline_live.errors import PipelineLiveError


def found(p99_ms):
    late = figures([0, 1, 1, 2])
    return Pacing(20, True, late, 9, p99_ms, figures([5]), figures([180]), 0.4, 300, 60)


@pytest.mark.parametrize(("p99_ms", "code", "says"), [(20, 0, "holds"), (21, 1, "DOES NOT HOLD")])
def test_what_a_run_says_and_leaves(monkeypatch, capsys, tmp_path, p99_ms, code, says):
    monkeypatch.setattr(punctuality, "measure", lambda sessions: found(p99_ms))
    page = tmp_path / "page.md"
    page.write_text("# Page\n<!-- pacing:begin -->\nold\n<!-- pacing:end -->\nEnd.\n")
    assert main(["bench", "--emulator", "20", "--readme", str(page)]) == code
    said = capsys.readouterr().out
    assert f"pacing {says}" in said
    assert re.search(rf"worst +1 / 2 / {p99_ms} / 9\n", said)
    assert page.read_text().endswith("<!-- pacing:end -->\nEnd.\n")
    assert "old" not in page.read_text()
    assert f"| 1 / 2 / {p99_ms} / 9 |" in page.read_text()


def test_bad_input_is_one_clear_line(capsys, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("no marks")
    for arguments, says in (
        (["--emulator", "0"], "must be 1 to"),
        (["--emulator", "5", "--readme", str(page)], "pacing:begin"),
        (["--emulator", "5", "--readme", str(tmp_path / "none.md")], "cannot be read"),
    ):
        assert main(["bench", *arguments]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert says in line


def test_a_session_that_is_never_answered_is_one_clear_line(monkeypatch):
    monkeypatch.setattr(punctuality, "_TURN_S", 0.2)
    with Emulator() as emulator:
        served = Served(0, emulator.base_url, emulator.ca_file)
        with pytest.raises(PipelineLiveError, match="session 1 of 1 did not come to its end"):
            asyncio.run(punctuality._hold_all(served, 1, b"", b""))


def test_an_emulator_that_does_not_start_is_one_clear_line():
    with pytest.raises(PipelineLiveError, match="did not start"), emulating("--port", "70000"):
        pass


def test_the_emulator_does_not_outlive_a_bench_that_is_told_to_end():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), emulating() as served:
        signal.raise_signal(signal.SIGTERM)
    with pytest.raises(ProcessLookupError):
        os.kill(served.pid, 0)
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_did_not_happen_has_no_figures():
    nothing = replace(found(5), to_interrupted_ms=figures([]))
    assert nothing.rows()[4][1] == "none"


def test_two_sessions_are_really_held(monkeypatch):
    """Short ones. How well is for the bench to say, on a quiet machine."""
    monkeypatch.setattr(punctuality, "_QUESTION", "Hello?")
    monkeypatch.setattr(punctuality, "_BARGE_IN", "Stop.")
    monkeypatch.setattr(punctuality, "_BARGE_IN_MS", 200)
    monkeypatch.setattr(punctuality, "_REPLIES", ("This is a reply that is long enough.", "Yes."))
    measured = measure(2)
    assert measured.late_ms.count > 20
    assert measured.to_interrupted_ms.count == 2
    assert measured.after_playback_ms.count == 2
    assert measured.sound_s > 2
    assert 0 <= measured.late_ms.median <= measured.p99_ms <= measured.latest_ms
