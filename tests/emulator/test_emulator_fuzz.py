"""Whatever a client sends: its own connection ends with a close code, and nobody else notices."""

import asyncio
import base64
import copy
import json
import random
import time

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from pipeline_live.audio import OUTPUT_RATE, silence
from pipeline_live.emulator import Emulator, Limits, Reply, Script, Speech, frames, synthesize
from pipeline_live.emulator.families import admit
from pipeline_live.emulator.history import Session
from pipeline_live.emulator.messages import Refused, Setup
from pipeline_live.emulator.mind import Mind
from pipeline_live.emulator.recording import Recording, Scrubber
from pipeline_live.emulator.stage import Speak
from pipeline_live.emulator.wire import read_message
from pipeline_live.vad import Window

INPUTS = 10_000
ATTACKERS, AT_ONCE = 48, 12
DEVELOPER = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
SOUND = base64.b64encode(b"\x01\x10" * 1600).decode()
BLOB = {"mimeType": "audio/pcm;rate=16000", "data": SOUND}
SETUP = {
    "model": "models/gemini-3.8-live",
    "generationConfig": {
        "responseModalities": ["AUDIO"],
        "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Puck"}}},
    },
    "systemInstruction": {"parts": [{"text": "Be brief."}]},
    "tools": [{"functionDeclarations": [{"name": "f", "behavior": "BLOCKING"}]}],
    "realtimeInputConfig": {
        "automaticActivityDetection": {"prefixPaddingMs": 20, "silenceDurationMs": 100}
    },
    "sessionResumption": {"handle": ""},
    "contextWindowCompression": {"triggerTokens": 1000, "slidingWindow": {"targetTokens": 10}},
    "inputAudioTranscription": {},
    "outputAudioTranscription": {},
}
VALID = [
    {"setup": SETUP},
    {"clientContent": {"turns": [{"role": "user", "parts": [{"text": "Hi."}]}]}},
    {"client_content": {"turns": [], "turnComplete": True}},
    {"realtimeInput": {"audio": BLOB}},
    {"realtime_input": {"video": {"mime_type": "image/jpeg", "data": "AAAA"}}},
    {"realtimeInput": {"text": "What is the weather?"}},
    {"realtimeInput": {"mediaChunks": [BLOB]}},
    {"realtimeInput": {"activityStart": {}}},
    {"realtimeInput": {"activityEnd": {}}},
    {"realtimeInput": {"audioStreamEnd": True}},
    {"toolResponse": {"functionResponses": [{"id": "1", "name": "f", "response": {"a": [1]}}]}},
    {"contextUpdate": {"systemInstruction": {"parts": [{"text": "Be kind."}]}}},
]
ODD = [
    None, True, False, 0, -1, 2**63, 10**400, 1e308, float("nan"), float("inf"), "", " ", "\x00",
    "\ud800", "ü" * 300, "x" * 5000, [], {}, [[]], [None], {"": None}, {"a": {"a": {"a": {}}}},
    "audio/pcm;rate=0000", "audio/pcm;rate=99999999999999999999", "audio/pcm;rate=1", "AAA", "====",
    "é===", {"text": 1}, [{"text": "x"}], "START_SENSITIVITY_LOW", {"parts": [{"inlineData": {}}]},
]  # fmt: skip
DEEP = (
    '{"toolResponse":{"functionResponses":[{"id":"1","response":' + '{"a":' * 900 + "1" + "}" * 903
)


def odd(rng):
    return copy.deepcopy(rng.choice(ODD))


def places(value, path=()):
    """Paths of everything inside a message."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, child in inner:
        yield (*path, key)
        if isinstance(child, dict | list):
            yield from places(child, (*path, key))


def bent(rng):
    """A valid message with one to three parts replaced, renamed, doubled or removed."""
    message = copy.deepcopy(rng.choice(VALID))
    for _ in range(rng.randint(1, 3)):
        found = list(places(message))
        if not found:
            break
        *path, last = rng.choice(found)
        parent = message
        for key in path:
            parent = parent[key]
        match rng.randrange(5):
            case 0:
                parent[last] = odd(rng)
            case 1:
                del parent[last]
            case 2 if isinstance(parent, dict):
                parent[rng.choice(["x", "", "text", "audio", "setup", "a_b_c"])] = parent.pop(last)
            case 3 if isinstance(parent, dict):
                parent[str(odd(rng))[:40]] = odd(rng)
            case _:
                parent[last] = [parent[last]] * rng.randint(1, 3)
    return json.dumps(message)


def broken(rng):
    """Bytes of a message, some of them changed, cut off or repeated."""
    data = bytearray(bent(rng).encode())
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) or 1)
        match rng.randrange(3):
            case 0:
                data[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                del data[at:]
            case _:
                data[at:at] = data[at : at + rng.randrange(50)] * rng.randrange(4)
    return bytes(data)


def anything(rng):
    make = rng.choices([bent, broken, lambda r: r.randbytes(r.randrange(60))], [6, 3, 1])[0]
    return make(rng)


class Loud:
    """Takes any sound for speech, at any rate."""

    def __init__(self, rate):
        self.samples = 0

    def feed(self, pcm):
        self.samples += len(pcm) // 2
        return [Window(self.samples, 1.0 if any(pcm[:64]) else 0.0)]


class Talk:
    """A mind in virtual time; a new one takes over where a session was ended."""

    def __init__(self, rng):
        self.rng = rng
        self.refusals = []
        self.taken = 0
        self.begin(read_message(json.dumps(VALID[0])))

    def begin(self, setup):
        self.now_ms = 0
        self.mind = Mind(
            setup, admit(setup), Session(voice="heart"), rng=self.rng, detector=Loud,
            script=Script((), [Reply("Yes."), Reply("Sure.", tool="f", args={"a": 1})]),
        )  # fmt: skip

    def take(self, frame):
        try:
            message = read_message(frame, vertex=self.rng.random() < 0.3)
            if isinstance(message, Setup):
                self.begin(message)
            else:
                self.mind.hear(message, self.now_ms)
            self.live(self.rng.choice([0, 20, 500]))
            self.taken += 1
        except Refused as refusal:
            self.refusals.append(refusal)
            self.begin(read_message(json.dumps(VALID[0])))

    def live(self, ms):
        self.now_ms += ms
        while self.mind.next_due_ms is not None and self.mind.next_due_ms <= self.now_ms:
            for item in self.mind.due(self.now_ms):
                if isinstance(item, Speak):
                    self.mind.spoken(
                        item.ticket, Speech(silence(500, OUTPUT_RATE), ()), self.now_ms
                    )
                else:
                    frames.encode(item.frame)


def test_ten_thousand_inputs_give_a_message_or_a_refusal(tmp_path):
    rng = random.Random(7)
    talk = Talk(random.Random(8))
    with Recording(tmp_path / "log.jsonl", Scrubber(words=True)) as recording:
        log = recording.session(lambda: 0, "/ws")
        for frame in (DEEP, "[" * 100_000, "{}" * 50_000, '{"setup":' * 50_000):
            talk.take(frame)
        for _ in range(INPUTS):
            frame = anything(rng)
            talk.take(frame)
            log.client(frame)
    # Neither is the rule: the mutations go deep enough to be taken, and far enough to be refused.
    assert talk.taken > INPUTS // 20
    assert len(talk.refusals) > INPUTS // 20
    assert {refusal.code for refusal in talk.refusals} <= {1007, 1008, 1011}
    assert all(len(refusal.reason.encode()) <= 123 for refusal in talk.refusals)
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == INPUTS + 1


# --- over the socket ------------------------------------------------------------------------------

LONG = "The old harbour is almost as old as the town. " * 2


class Bystander:
    """A well-behaved session: how late each of its messages came, as a share of its reply."""

    def __init__(self, socket):
        self.socket = socket
        self.sound = 0
        self.first_s = 0.0

    async def listen(self):
        """Until turnComplete; how long after its sound must have been heard that came, in s."""
        await self.socket.send(
            json.dumps({"realtimeInput": {"text": "Tell me about the harbour."}})
        )
        while True:
            content = json.loads(await self.socket.recv()).get("serverContent", {})
            for part in content.get("modelTurn", {}).get("parts", ()):
                self.first_s = self.first_s or time.monotonic()
                self.sound += len(base64.b64decode(part["inlineData"]["data"]))
            if content.get("turnComplete"):
                return time.monotonic() - self.first_s - self.sound / 2 / OUTPUT_RATE


async def attack(url, context, rng, codes):
    """One client that misbehaves in one way; the code with which it was hung up on is noted."""
    try:
        async with asyncio.timeout(20), connect(url, ssl=context, max_size=None) as socket:
            if rng.random() < 0.7:
                await socket.send(json.dumps(VALID[0]))
            match rng.randrange(5):
                case 0:
                    await socket.send(rng.randbytes(rng.randrange(200_000)))
                case 1:  # too big, and said in pieces
                    await socket.send([b"[" * 60_000] * 30)
                case 2:  # twenty seconds of sound at once
                    sound = base64.b64encode(rng.randbytes(640_000)).decode()
                    blob = {"mimeType": "audio/pcm;rate=16000", "data": sound}
                    await socket.send(json.dumps({"realtimeInput": {"audio": blob}}))
                case 3:  # never reads what it asked for
                    for _ in range(20):
                        await socket.send(json.dumps(VALID[5]))
                    await asyncio.sleep(rng.random() / 3)
                    socket.transport.abort()
                    return
                case _:
                    for _ in range(10):
                        await socket.send(anything(rng))
            await socket.send("{")
            while True:
                await socket.recv()
    except ConnectionClosed as end:
        codes.append(end.rcvd.code if end.rcvd else 1006)


def test_a_healthy_session_does_not_notice_hundreds_of_others():
    async def call():
        rng = random.Random(11)
        script = Script([Reply(LONG, delay_ms=0)])
        limits = Limits(message_bytes=2**20)
        codes: list[int] = []
        async with Emulator(script, limits=limits) as emulator:
            url = emulator.base_url.replace("https", "wss") + DEVELOPER + "?key=any"
            context = emulator.client_ssl_context()
            async with connect(url, ssl=context) as socket:
                await socket.send(json.dumps({"setup": {"model": "models/gemini-3.8-live"}}))
                await socket.recv()
                await asyncio.to_thread(synthesize, LONG)
                bystander = Bystander(socket)
                listening = asyncio.create_task(bystander.listen())
                for _ in range(ATTACKERS // AT_ONCE):
                    seeds = [rng.random() for _ in range(AT_ONCE)]
                    await asyncio.gather(
                        *(attack(url, context, random.Random(seed), codes) for seed in seeds)
                    )
                watched = not listening.done()
                return await listening, bystander.sound, codes, watched

    late_s, sound, codes, watched = asyncio.run(call())
    assert watched, "the reply must be longer than the attacks"
    speech = synthesize(LONG)
    assert sound == len(speech.pcm)
    assert abs(late_s) < speech.duration_ms / 1000 / 10
    assert set(codes) <= {1007, 1008, 1009, 1011}
    assert {1007, 1009} <= set(codes)
    assert len(codes) > ATTACKERS // 2
