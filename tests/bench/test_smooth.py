"""Smoothness: the device that notes when it ran dry, the table, and bad input."""

import asyncio

import pytest
from pipecat.frames.frames import OutputAudioRawFrame
from virtual_time import run_virtual

from pipeline_live.bench import smooth
from pipeline_live.bench.scenarios import Side
from pipeline_live.bench.smooth import Device, Smoothness, markdown, table
from pipeline_live.cli import main


def chunk() -> OutputAudioRawFrame:
    return OutputAudioRawFrame(bytes(960), 24_000, 1)


def test_a_device_paces_and_notes_when_it_ran_dry():
    device = Device()

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for _ in range(10):
            await device.write_audio_frame(chunk())
        assert round(loop.time() - begun, 3) == 0.16, "200 ms, of which 40 stand in the buffer"
        assert device.bench_dry_ms == []
        await asyncio.sleep(0.1)  # 40 of these are in the buffer
        await device.write_audio_frame(chunk())
        assert [round(ms) for ms in device.bench_dry_ms] == [60]
        assert round(device.lag_ms()) == 60

    run_virtual(scenario())


def test_the_table_counts_per_minute_of_call():
    rounds = [
        Smoothness(Side.OURS, 3, 100.0, 40.0),
        Smoothness(Side.STOCK, 10, 100.0, 38.0),
        Smoothness(Side.OURS, 7, 200.0, 42.0),
        Smoothness(Side.STOCK, 30, 200.0, 42.0),
    ]
    header, gaps, cpu, drift = table(10, rounds, {Side.OURS: 4.4, Side.STOCK: 3.6})
    assert header == ("", "ours", "stock", "ours/stock")
    assert gaps[1:] == ("2.0", "8.0", "0.25")
    assert cpu[1:] == ("41.0", "40.0", "1.02")
    assert drift[1:] == ("4", "4", "-")
    assert "| ours | stock | ours/stock |" in markdown([header, gaps, cpu, drift])
    without = [Smoothness(side, 0, 60.0, 1.0) for side in Side]
    assert table(1, without, {Side.OURS: 0, Side.STOCK: 0})[1][3] == "-"


def test_what_a_run_leaves(monkeypatch, capsys, tmp_path):
    """The calls themselves are left out."""

    async def rounds(calls):
        return [Smoothness(side, calls, 60.0, 1.0) for side in Side]

    async def lags():
        return dict.fromkeys(Side, 0.0)

    monkeypatch.setattr(smooth, "_all_rounds", rounds)
    monkeypatch.setattr(smooth, "_long_replies", lags)
    page = tmp_path / "page.md"
    page.write_text("# Page\n<!-- smooth:begin -->\nold\n<!-- smooth:end -->\nEnd.\n")
    assert main(["bench", "--smooth", "7", "--readme", str(page)]) == 0
    assert "7.0" in capsys.readouterr().out
    assert "old" not in page.read_text()
    assert "| 7.0 | 7.0 | 1.00 |" in page.read_text()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["0"], "must be 1 to"), (["1", "--readme", "nowhere.md"], "cannot be read")],
)
def test_bad_input_is_one_clear_line(capsys, monkeypatch, tmp_path, arguments, says):
    monkeypatch.chdir(tmp_path)
    assert main(["bench", "--smooth", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line
