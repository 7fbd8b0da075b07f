"""The command line: bad input is one line; and one tiny run in real time through all layers."""

import asyncio
from pathlib import Path

import pytest
from virtual_time import run_virtual

from pipeline_live.audio import INPUT_RATE, write_wav
from pipeline_live.bench import command, conversation, schedule
from pipeline_live.bench.clips import shortened
from pipeline_live.bench.proof import prove
from pipeline_live.bench.scenarios import SCENARIOS, Side
from pipeline_live.cli import main
from pipeline_live.report import write_report

from .calls_made import CLIP, outcome
from .test_page import BEGIN, END

REPLY = "The harbour began as a row of huts."


@pytest.fixture
def complaint(capsys):
    def complaint(*arguments: str) -> str:
        assert main(["bench", *arguments]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        return line

    return complaint


def test_bad_input_is_one_line(complaint, tmp_path: Path):
    assert "no scenario 'loud'" in complaint("--scenario", "loud")
    assert "--calls 0" in complaint("--calls", "0")
    assert "MANIFEST.csv" in complaint("--audio", str(tmp_path / "nowhere"))
    assert "cannot be read" in complaint("--readme", str(tmp_path / "README.md"))
    (tmp_path / "README.md").write_text("no marks")
    assert BEGIN in complaint("--readme", str(tmp_path / "README.md"))
    (tmp_path / "file").write_text("in the way")
    assert "--out" in complaint("--out", str(tmp_path / "file" / "deeper"))
    manifest = "file,kind,speech_onset_ms,onset_confidence\n"
    (tmp_path / "MANIFEST.csv").write_text(manifest)
    assert "no clip with a sure onset" in complaint("--audio", str(tmp_path))
    (tmp_path / "MANIFEST.csv").write_text(manifest + "a.wav,command,10,sure\n")
    assert "a.wav: no such file" in complaint("--audio", str(tmp_path))


@pytest.mark.parametrize("keep", [[], ["--keep-calls"]], ids=["numbers only", "calls too"])
def test_what_a_run_leaves(monkeypatch, capsys, tmp_path: Path, keep: list[str]):
    """The run itself is left out."""

    async def hold_all(trials, speech, folder, together):
        (folder / "a call").write_text("its sound")
        assert len(trials) == 2
        assert not together
        return [outcome(side=side) for side in Side], "fine"

    monkeypatch.setattr(command, "_hold_all", hold_all)
    readme, out = tmp_path / "README.md", tmp_path / "out"
    readme.write_text(f"# Bench\n{BEGIN}\nold\n{END}\nEnd.\n")
    arguments = ["--scenario", "server", "--calls", "2", "--out", str(out), "--in-turn", *keep]
    assert main(["bench", *arguments, "--readme", str(readme)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("2 calls with each bot, one after the other, in real time")
    kept = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    calls = {"calls/a call"} if keep else set()
    assert kept == {"bench.json", "bench.png", "bench.txt"} | calls
    assert "onset to silence" in said
    assert "onset to silence" in readme.read_text()
    assert readme.read_text().endswith(f"{END}\nEnd.\n")


def test_it_says_when_clips_are_missing_or_made(monkeypatch, capsys, tmp_path: Path):
    async def hold_all(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "_hold_all", hold_all)
    for name in "ab":
        write_wav(tmp_path / f"{name}.wav", CLIP.pcm, INPUT_RATE)
    (tmp_path / "MANIFEST.csv").write_text(
        "file,kind,speech_onset_ms,onset_confidence\na.wav,command,100,sure\nb.wav,read,100,sure\n"
    )
    wanted = [
        word for name in ("server", "stop", "noise", "answer") for word in ("--scenario", name)
    ]
    arguments = ["bench", "--audio", str(tmp_path), "--out", str(tmp_path / "out"), *wanted]
    assert main([*arguments, "--calls", "5"]) == 130
    said = capsys.readouterr().out
    assert "with recorded speech, made noise, made questions: about" in said
    assert "there are fewer clips than --calls 5: server 2, noise 4\n" in said
    assert main([*arguments, "--calls", "2"]) == 130
    assert "fewer" not in capsys.readouterr().out


def test_ctrl_c_ends_with_130(monkeypatch, capsys, tmp_path: Path):
    async def hold_all(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "_hold_all", hold_all)
    assert main(["bench", "--calls", "1", "--out", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "stopped\n"


def test_a_trial_that_the_loop_disturbed_is_repeated_one_bot_at_a_time(monkeypatch, tmp_path):
    held = []

    async def hold(trial, sides, folder, reply):
        held.append(list(sides))
        return 21 if len(sides) == 2 else 9

    def judged(trial, side, folder, reply, late_ms, together):
        return outcome(side=side, loop_late_ms=late_ms, together=together)

    monkeypatch.setattr(command, "hold", hold)
    monkeypatch.setattr(command, "_judged", judged)
    (trial,) = schedule.schedule(SCENARIOS[:1], [CLIP], [], 1)
    ours, stock = asyncio.run(command.measured(trial, tmp_path, together=True))
    assert held == [[Side.OURS, Side.STOCK], [Side.OURS], [Side.STOCK]]
    assert (ours.side, stock.side) == (Side.OURS, Side.STOCK)
    assert not ours.together
    assert ours.loop_late_ms == 9


def test_a_tiny_run_in_real_time(monkeypatch, tmp_path: Path):
    """One Stop on both sides, over real sockets."""
    monkeypatch.setattr(schedule, "WATCHED_MS", 900)  # the judge looks at the last 700
    monkeypatch.setattr(conversation, "QUIET_MS", 300)
    stop = next(scenario for scenario in SCENARIOS if scenario.name == "stop")
    trial = schedule.Trial(stop, 0, None, 300)

    outcomes = asyncio.run(command.measured(trial, tmp_path, together=True, reply=REPLY))
    assert [one.side for one in outcomes] == [Side.OURS, Side.STOCK]
    for one in outcomes:
        assert one.interrupted
        assert one.decision_ms is not None
        assert one.to_silence_ms is not None
        report = write_report(tmp_path / trial.name / one.side)
        assert report.measures.bot, "a call of the bench can be shown"
    ours, _ = outcomes
    assert ours.silenced
    assert ours.stale_ms <= ours.loop_late_ms, "only a stalled loop can be late here"


def test_the_proof_in_virtual_time(tmp_path: Path):
    assert "stops at 300 ms" in run_virtual(prove(shortened(CLIP, 200), tmp_path))
