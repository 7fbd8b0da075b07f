"""A Gemini Live server in a process of its own: TLS, binary frames, and it does what a plan says.

It is no simulation: it has no voice, no ears and no opinion, and it shares no code with the package
under test (nor with its emulator). A plan is JSON: for each connection how to answer the setup, and
rules of the form "on the n-th message of a kind, do these steps at these milliseconds". The audio
of reply r, message k is the constant sample value ``1000 * r + k``, so whoever hears a sample can
tell where it comes from. The API key names the plan.

As a script: ``python wire_server.py plans.json``; the first line on stdout says where it listens,
every further line is one message that came or went, with CLOCK_MONOTONIC seconds. It ends with its
stdin.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime
import http
import ipaddress
import json
import ssl
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

Json = dict[str, Any]
Step = tuple[int, Json]

RATE = 24_000
SAMPLES_PER_MS = RATE // 1000


# --- the language of plans ----------------------------------------------------------------------


def value(reply: int, message: int) -> int:
    """Every sample of this message of this reply."""
    return 1000 * reply + message


def sound(reply: int, message: int, ms: int = 100, *, parts: int = 1, **content: Any) -> Json:
    """One server message with ``parts`` parts of audio, numbered on; ``content`` stands beside."""
    audio = [[value(reply, message + part), ms * SAMPLES_PER_MS] for part in range(parts)]
    return {"audio": audio, "content": content}


def said(text: str) -> Json:
    """An output transcript, to stand beside the sound or alone."""
    return {"outputTranscription": {"text": text}}


def content(**fields: Any) -> Json:
    """A serverContent message."""
    return {"json": {"serverContent": fields}}


def words(reply: int, messages: int) -> str:
    """What a whole reply of so many messages says."""
    return "".join(f"r{reply}w{k} " for k in range(messages))


def speech(
    reply: int,
    messages: int,
    *,
    at: int = 0,
    every: int = 25,
    ms: int = 100,
    first: int = 0,
    parts: int = 1,
    text: bool = True,
) -> list[Step]:
    """A reply's sound: 100 ms of audio every 25 ms, four times faster than real time."""
    return [
        (
            at + every * k,
            sound(
                reply,
                first + k * parts,
                ms,
                parts=parts,
                **(said(f"r{reply}w{first + k} ") if text else {}),
            ),
        )
        for k in range(messages)
    ]


GENERATED = content(generationComplete=True)
INTERRUPTED = content(interrupted=True)
COMPLETE: Json = {
    "json": {"serverContent": {"turnComplete": True}, "usageMetadata": {"totalTokenCount": 7}}
}


def whole(reply: int, messages: int, *, at: int = 0, every: int = 25, **how: Any) -> list[Step]:
    """A healthy reply: sound, generationComplete, and turnComplete when it would be played."""
    end = at + every * messages
    return [
        *speech(reply, messages, at=at, every=every, **how),
        (end, GENERATED),
        (max(end + 5, at + messages * how.get("ms", 100) * how.get("parts", 1)), COMPLETE),
    ]


def on(kind: str, n: int, *steps: Step | list[Step], hush: bool = False) -> Json:
    """A rule: at the n-th message of ``kind``, begin these steps.

    Kinds: setup, content (clientContent that completes a turn), seed (one that does not), text
    (realtimeInput.text that is not blank), audio, activityStart, activityEnd, tool, message (any),
    cue (the test's own sign, see ``WireServer.cue``).

    Args:
        kind: What to count.
        n: From 1.
        steps: What to send when, in milliseconds from the trigger.
        hush: First give up all steps that are still under way.
    """
    flat = [s for step in steps for s in (step if isinstance(step, list) else [step])]
    return {"on": kind, "n": n, "steps": flat, "hush": hush}


def connection(
    *rules: Json, setup: Json | None = None, setup_ms: int = 0, keep_audio: bool = False
) -> Json:
    """One connection; ``setup`` is what to answer the setup message with, after ``setup_ms``."""
    answer = setup or {"json": {"setupComplete": {}}}
    rules = (on("setup", 1, (setup_ms, answer)), *rules)
    return {"rules": list(rules), "keep_audio": keep_audio}


# --- the server ---------------------------------------------------------------------------------


class _Server:
    def __init__(self, plans: dict[str, list[Json]]) -> None:
        self._plans = plans
        self._connections: Counter[str] = Counter()
        self._current: dict[str, Callable[[str], None]] = {}

    def check(self, connection: Any, request: Any) -> Any:
        """Refuse during the HTTP upgrade, where a plan says so."""
        key = request.headers.get("x-goog-api-key", "")
        if self._plans.get(key):
            return None
        _log(key, 0, "out", "http")
        return connection.respond(http.HTTPStatus.UNAUTHORIZED, "API key not valid\n")

    def cue(self, plan: str) -> None:
        """Let the plan's newest connection see the test's sign."""
        self._current[plan]("cue")

    async def serve(self, ws: Any) -> None:
        from websockets.exceptions import ConnectionClosed

        key = ws.request.headers["x-goog-api-key"]
        number = self._connections[key]
        self._connections[key] += 1
        plan = self._plans[key][min(number, len(self._plans[key]) - 1)]
        counts: Counter[str] = Counter()
        under_way: list[asyncio.Task[None]] = []

        def count(kind: str) -> None:
            counts[kind] += 1
            for rule in plan["rules"]:
                if (rule["on"], rule["n"]) == (kind, counts[kind]):
                    if rule["hush"]:
                        for task in under_way:
                            task.cancel()
                    steps = self._follow(ws, key, number, rule["steps"])
                    under_way.append(asyncio.create_task(steps))

        self._current[key] = count
        try:
            async for raw in ws:
                for kind, extra in _kinds(json.loads(raw), plan["keep_audio"]):
                    _log(key, number, "in", kind, **extra)
                    count(kind)
                    count("message")
        except ConnectionClosed:
            pass
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)
            _log(key, number, "in", "gone", code=ws.close_code)

    async def _follow(self, ws: Any, key: str, number: int, steps: list[Step]) -> None:
        from websockets.exceptions import ConnectionClosed

        begun = asyncio.get_running_loop().time()
        with contextlib.suppress(ConnectionClosed):
            for at_ms, item in sorted(steps, key=lambda step: step[0]):
                wait = begun + at_ms / 1000 - asyncio.get_running_loop().time()
                if wait > 0:
                    await asyncio.sleep(wait)
                await self._do(ws, key, number, item)

    async def _do(self, ws: Any, key: str, number: int, item: Json) -> None:
        if "close" in item:
            code, reason = item["close"]
            _log(key, number, "out", "close", code=code)
            await ws.close(code, reason)
            return
        if "abort" in item:
            _log(key, number, "out", "abort")
            ws.transport.abort()
            return
        if "raw" in item:
            _log(key, number, "out", "raw")
            await ws.send(item["raw"].encode())
            return
        message = item.get("json")
        if message is None:
            parts = [_part(*audio) for audio in item["audio"]]
            message = {"serverContent": {"modelTurn": {"parts": parts}, **item["content"]}}
        fields = [*message.get("serverContent", message)]
        values = [audio[0] for audio in item.get("audio", [])]
        # Logged before it is sent: nobody can have heard it earlier.
        _log(key, number, "out", "message", fields=fields, values=values)
        await ws.send(json.dumps(message).encode())


def _part(constant: int, samples: int) -> Json:
    pcm = constant.to_bytes(2, "little", signed=True) * samples
    data = base64.b64encode(pcm).decode()
    return {"inlineData": {"mimeType": f"audio/pcm;rate={RATE}", "data": data}}


def _kinds(message: Json, keep_audio: bool) -> list[tuple[str, Json]]:
    if "setup" in message:
        return [("setup", {"setup": message["setup"]})]
    turns = message.get("clientContent") or message.get("client_content")
    if turns is not None:
        complete = turns.get("turnComplete") or turns.get("turn_complete")
        return [("content" if complete else "seed", {"turns": turns.get("turns")})]
    if "toolResponse" in message or "tool_response" in message:
        return [("tool", {})]
    given = message.get("realtimeInput") or message.get("realtime_input") or {}
    found: list[tuple[str, Json]] = []
    for field, sent in given.items():
        if field == "audio":
            pcm = base64.b64decode(sent["data"].translate(str.maketrans("-_", "+/")))
            kept = {"data": base64.b64encode(pcm).decode()} if keep_audio else {}
            found.append(("audio", {"bytes": len(pcm), **kept}))
        elif field == "text":
            found.append(("text" if sent.strip() else "nudge", {"text": sent}))
        else:
            kind = {"activity_start": "activityStart", "activity_end": "activityEnd"}
            found.append((kind.get(field, field), {}))
    return found or [("unknown", {"fields": list(message)})]


def _log(plan: str, number: int, way: str, kind: str, **more: Any) -> None:
    line = {"t": time.monotonic(), "plan": plan, "conn": number, "way": way, "kind": kind, **more}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _certificate(folder: Path) -> tuple[Path, Path]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "wire_server")])
    now = datetime.datetime.now(datetime.UTC)
    public = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .add_extension(public, False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(public), False
        )
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "certificate.pem", folder / "key.pem"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate_file, key_file


async def _main(plans: dict[str, list[Json]], folder: Path) -> None:
    from websockets.asyncio.server import serve

    certificate_file, key_file = _certificate(folder)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate_file, key_file)
    server = _Server(plans)
    async with serve(
        server.serve, "127.0.0.1", 0, ssl=tls, process_request=server.check, close_timeout=1
    ) as listening:
        port = listening.sockets[0].getsockname()[1]
        sys.stdout.write(json.dumps({"port": port, "ca": str(certificate_file)}) + "\n")
        sys.stdout.flush()
        cues = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(cues)
        await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
        async for line in cues:
            server.cue(line.decode().strip())


# --- the server, seen from a test ---------------------------------------------------------------


class WireServer:
    """The other process: where it listens and what it says that came and went."""

    def __init__(self, address: str, ca_file: str, cues: asyncio.StreamWriter) -> None:
        self.address = address
        self._cues = cues
        self.tls = ssl.create_default_context(cafile=ca_file)
        self.lines: dict[str, list[Json]] = {}
        self._changed = asyncio.Event()

    def cue(self, plan: str) -> None:
        """Give the plan its next cue."""
        self._cues.write(plan.encode() + b"\n")

    def log(self, plan: str, way: str, *kinds: str, conn: int | None = None) -> list[Json]:
        """Messages of a plan, in order; ``way`` is "in" (from the client) or "out"."""
        return [
            line
            for line in self.lines.get(plan, ())
            if line["way"] == way
            and (not kinds or line["kind"] in kinds)
            and (conn is None or line["conn"] == conn)
        ]

    def sent_after(self, plan: str, moment: float) -> set[int]:
        """Sample values of the messages that the server sent after ``moment`` (monotonic)."""
        late = [line for line in self.log(plan, "out", "message") if line["t"] > moment]
        return {sample for line in late for sample in line["values"]}

    async def until(self, condition: Callable[[], Any]) -> None:
        """Wait until ``condition()`` holds; looked at whenever the server did something."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    async def follow(self, output: asyncio.StreamReader) -> None:
        async for raw in output:
            line = json.loads(raw)
            self.lines.setdefault(line["plan"], []).append(line)
            self._changed.set()


@asynccontextmanager
async def wire_server(plans: dict[str, list[Json]], folder: Path) -> AsyncIterator[WireServer]:
    """Run the server with these plans, one list of connections each, for the length of a block."""
    plans_file = folder / "plans.json"
    plans_file.write_text(json.dumps(plans))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, str(plans_file), stdin=pipe, stdout=pipe, limit=1 << 20
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        told = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
        server = WireServer(f"https://127.0.0.1:{told['port']}", told["ca"], process.stdin)
        following = asyncio.create_task(server.follow(process.stdout))
        yield server
        process.stdin.close()
        await asyncio.wait_for(asyncio.gather(process.wait(), following), 10)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


if __name__ == "__main__":
    given = Path(sys.argv[1])
    asyncio.run(_main(json.loads(given.read_text()), given.parent))
