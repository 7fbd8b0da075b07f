"""Whether the emulator keeps its times with many sessions on one core.

``pipeline-live bench --emulator 20`` serves from a process of its own, bound to one core, and holds
so many conversations with it at once from this one: open microphones, real speech to be detected,
replies to be spoken, an interruption in each. Two things are read. The server's log says how late
each message left. The clients, who know nothing of that, hold turnComplete against the moment at
which its reply's sound must have been heard: the emulator promises it 3 to 9 ms later.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime
import json
import os
import platform
import ssl
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from pipeline_live.audio import (
    INPUT_RATE,
    OUTPUT_RATE,
    bytes_of,
    ms_to_samples,
    resample,
    silence,
)
from pipeline_live.bench.emulating import Served, emulating
from pipeline_live.bench.page import page
from pipeline_live.bench.statistics import Figures, figures
from pipeline_live.emulator import synthesize
from pipeline_live.emulator.connection import now_ms
from pipeline_live.emulator.pointers import PATH
from pipeline_live.errors import PipelineLiveError, UsageError

MOST_LATE_MS = 20
"""Pacing holds while 99 of 100 messages leave within so much of their time: one chunk of sound."""
_CHUNK_MS = 20
_BARGE_IN_MS = 1500
_START_GAP_MS = 170
_TURN_S = 60
_MOST_SESSIONS = 100
_MARK = "pacing"
_QUESTION = "What is the weather like in the north today?"
_BARGE_IN = "Wait a moment, please."
_REPLIES = (
    "The weather looks mixed today. This morning there is some rain from the west, with a cold "
    "wind near the coast. Around noon the clouds break up, and later it stays dry and sunny.",
    "Of course, take your time.",
)


@dataclass(slots=True)
class Heard:
    """What one client saw.

    Attributes:
        after_playback_ms: turnComplete after the end of each uncut reply's sound.
        to_interrupted_ms: First sound of the barge-in to ``interrupted``.
        sound_ms: Sound received.
    """

    after_playback_ms: list[int] = field(default_factory=list)
    to_interrupted_ms: list[int] = field(default_factory=list)
    sound_ms: int = 0


@dataclass(frozen=True, slots=True)
class Pacing:
    """The result.

    Attributes:
        sessions: How many were held at once.
        bound: The server was bound to one core.
        late_ms: How late each message of the server left.
        latest_ms: The worst of them.
        p99_ms: What 99 of 100 did not exceed.
        after_playback_ms: turnComplete after the end of playback, as the clients saw it.
        to_interrupted_ms: Onset of the barge-ins to ``interrupted``, likewise.
        cpu_share: Of the core, while the conversations ran.
        memory_mb: The server's most.
        sound_s: Sound that the clients received.
    """

    sessions: int
    bound: bool
    late_ms: Figures
    latest_ms: int
    p99_ms: int
    after_playback_ms: Figures
    to_interrupted_ms: Figures
    cpu_share: float
    memory_mb: int
    sound_s: int

    @property
    def holds(self) -> bool:
        """Whether the emulator kept its times."""
        return self.p99_ms <= MOST_LATE_MS

    def rows(self) -> list[tuple[str, str]]:
        """What was measured, in words and figures."""
        core = "one core" if self.bound else "this machine, not bound to a core"
        return [
            (f"sessions at once, server on {core}", str(self.sessions)),
            ("messages sent / sound", f"{self.late_ms.count} / {self.sound_s} s"),
            (
                "message after its time, ms: median / p95 / p99 / worst",
                f"{_median_and_p95(self.late_ms)} / {self.p99_ms} / {self.latest_ms}",
            ),
            (
                "turnComplete after playback, ms: median / p95 (promised 3 to 9)",
                _median_and_p95(self.after_playback_ms),
            ),
            (
                "barge-in's onset to interrupted, ms: median / p95",
                _median_and_p95(self.to_interrupted_ms),
            ),
            ("server: share of its core / memory", f"{self.cpu_share:.0%} / {self.memory_mb} MB"),
        ]


def _median_and_p95(these: Figures) -> str:
    known = these.median is not None and these.p95 is not None
    return f"{these.median:.0f} / {these.p95:.0f}" if known else "none"


def measure(sessions: int) -> Pacing:
    """Hold so many conversations at once with an emulator of its own.

    Args:
        sessions: How many.

    Raises:
        PipelineLiveError: A conversation did not come to its end.
    """
    question, barge_in = _sound(_QUESTION), _sound(_BARGE_IN)
    with tempfile.TemporaryDirectory(prefix="pipeline-live-pacing-") as folder:
        log = Path(folder) / "log.jsonl"
        with _server(log) as (served, bound):
            before_s, began_s = _cpu_s(served.pid), time.monotonic()
            clients = asyncio.run(_hold_all(served, sessions, question, barge_in))
            wall_s = time.monotonic() - began_s
            cpu_s, memory_mb = _cpu_s(served.pid) - before_s, _memory_mb(served.pid)
        late = _lateness(log)
    ranked = sorted(late)
    return Pacing(
        sessions,
        bound,
        figures(late),
        ranked[-1],
        ranked[min(len(ranked) * 99 // 100, len(ranked) - 1)],
        figures(ms for one in clients for ms in one.after_playback_ms),
        figures(ms for one in clients for ms in one.to_interrupted_ms),
        cpu_s / wall_s,
        memory_mb,
        sum(one.sound_ms for one in clients) // 1000,
    )


def run(sessions: int, document: Path | None) -> int:
    """Measure and say what was found.

    Args:
        sessions: How many at once.
        document: Markdown file between whose pacing marks the table is written, or None.

    Returns:
        0 when the emulator kept its times, 1 when it did not.

    Raises:
        UsageError: The number or the file cannot be used.
        PipelineLiveError: A conversation did not come to its end.
    """
    if not 1 <= sessions <= _MOST_SESSIONS:
        raise UsageError(f"--emulator {sessions}: must be 1 to {_MOST_SESSIONS}")
    leaf = page(document, _MARK)
    found = measure(sessions)
    width = max(len(name) for name, _ in found.rows())
    for name, value in found.rows():
        sys.stdout.write(f"{name:<{width}}  {value}\n")
    sys.stdout.write(
        f"pacing {'holds' if found.holds else 'DOES NOT HOLD'}: 99 of 100 messages within "
        f"{MOST_LATE_MS} ms of their time\n"
    )
    if leaf is not None:
        leaf.write(_markdown(found))
    return 0 if found.holds else 1


def _markdown(found: Pacing) -> str:
    day, cores = datetime.date.today().isoformat(), os.cpu_count() or 1
    python = platform.python_version()
    rows = "\n".join(f"| {name} | {value} |" for name, value in found.rows())
    return (
        f"Measured on {day}, {cores} shared cores, Python {python}.\n\n"
        f"| what | figures |\n|---|---|\n{rows}"
    )


# --- the server ----------------------------------------------------------------------------------


@contextlib.contextmanager
def _server(log: Path) -> Iterator[tuple[Served, bool]]:
    replies = [word for reply in _REPLIES for word in ("--reply", reply)]
    own = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    with emulating("--log", str(log), *replies) as served:
        bound = _bind(served.pid, last=True) and _bind(0, last=False)
        try:
            yield served, bound
        finally:
            if bound:
                os.sched_setaffinity(0, own)


def _bind(pid: int, *, last: bool) -> bool:
    """Bind a process to the last core, or to all others; False where that cannot be done."""
    if not hasattr(os, "sched_setaffinity"):
        return False
    cores = sorted(os.sched_getaffinity(pid))
    if len(cores) < 2:
        return False
    os.sched_setaffinity(pid, cores[-1:] if last else cores[:-1])
    return True


def _cpu_s(pid: int) -> float:
    """CPU time of a process; 0 where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_mb(pid: int) -> int:
    """Most memory that a process held; 0 where the system does not tell."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next(
        int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("VmHWM")
    )


def _lateness(log: Path) -> list[int]:
    lines = map(json.loads, log.read_text(encoding="utf-8").splitlines())
    return [line.get("late_ms", 0) for line in lines if line.get("from") == "server"]


# --- the clients ---------------------------------------------------------------------------------


def _sound(text: str) -> bytes:
    """Speech at 16 kHz from its first to its last word."""
    speech = synthesize(text, "low")
    pcm = resample(speech.pcm, OUTPUT_RATE, INPUT_RATE)
    first, last = speech.words[0].start_ms, speech.words[-1].end_ms
    return pcm[_bytes(first) : _bytes(last)]


def _bytes(ms: int) -> int:
    return bytes_of(ms_to_samples(ms, INPUT_RATE))


async def _hold_all(served: Served, sessions: int, question: bytes, barge_in: bytes) -> list[Heard]:
    context = ssl.create_default_context(cafile=served.ca_file)
    url = served.base_url.replace("https", "wss", 1) + PATH + "?key=any"

    async def one(number: int) -> Heard:
        await asyncio.sleep(number * _START_GAP_MS / 1000)
        try:
            async with connect(url, ssl=context, compression=None) as socket:
                async with asyncio.timeout(_TURN_S):
                    return await _Client(socket, question, barge_in).converse()
        except (OSError, WebSocketException) as error:  # a timeout is an OSError
            raise PipelineLiveError(
                f"session {number + 1} of {sessions} did not come to its end within {_TURN_S} s "
                f"({str(error) or 'timeout'}); close other programs, or try fewer sessions"
            ) from None

    return list(await asyncio.gather(*map(one, range(sessions))))


class _Client:
    """Asks, interrupts the answer, and hears the second one out."""

    def __init__(self, socket: ClientConnection, question: bytes, barge_in: bytes) -> None:
        self._socket = socket
        self._question = question
        self._barge_in = barge_in
        self._pending = bytearray()
        self._heard = Heard()
        self._speaking = asyncio.Event()
        self._onset_ms = 0

    async def converse(self) -> Heard:
        setup = {
            "model": "models/gemini-3.8-live",
            "inputAudioTranscription": {},
            "outputAudioTranscription": {},
        }
        await self._socket.send(json.dumps({"setup": setup}))
        await self._socket.recv()
        self._say(self._question)
        microphone, first = map(asyncio.create_task, (self._stream(), self._turn()))
        try:
            await self._speaking.wait()
            await asyncio.sleep(_BARGE_IN_MS / 1000)
            self._onset_ms = now_ms()
            self._say(self._barge_in)
            await first
            await self._turn()
        finally:
            for task in (microphone, first):
                task.cancel()
            await asyncio.gather(microphone, first, return_exceptions=True)
        return self._heard

    def _say(self, sound: bytes) -> None:
        self._pending += sound

    async def _stream(self) -> None:
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        quiet = silence(_CHUNK_MS, INPUT_RATE)
        while True:
            chunk = bytes(self._pending[: len(quiet)]).ljust(len(quiet), b"\0")
            del self._pending[: len(quiet)]
            blob = {"mimeType": "audio/pcm", "data": base64.b64encode(chunk).decode()}
            await self._socket.send(json.dumps({"realtimeInput": {"audio": blob}}))
            due_s += _CHUNK_MS / 1000
            await asyncio.sleep(due_s - loop.time())

    async def _turn(self) -> None:
        """Receive until turnComplete."""
        first_ms = sound_ms = 0
        cut = False
        async for frame in self._socket:
            content = json.loads(frame).get("serverContent") or {}
            for part in (content.get("modelTurn") or {}).get("parts", ()):
                first_ms = first_ms or now_ms()
                self._speaking.set()
                sound_ms += len(part["inlineData"]["data"]) * 3 // 4 * 1000 // (OUTPUT_RATE * 2)
            if content.get("interrupted"):
                cut = True
                self._heard.to_interrupted_ms.append(now_ms() - self._onset_ms)
            if content.get("turnComplete"):
                self._heard.sound_ms += sound_ms
                if not cut:
                    self._heard.after_playback_ms.append(now_ms() - first_ms - sound_ms)
                return
