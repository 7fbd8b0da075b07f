"""``pipeline-live emulate`` as a process, and what it prints."""

import argparse
import asyncio
import json
import re
import signal
import ssl
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from pipeline_live.emulator import Emulator
from pipeline_live.emulator.command import KEY_VARIABLE, add_arguments, run, serve_forever
from pipeline_live.emulator.pointers import PATH, SNIPPETS, pointers
from pipeline_live.errors import UsageError

SETUP = json.dumps({"setup": {"model": "models/gemini-3.8-live"}})

PROGRAM = """
import argparse, sys
from pipeline_live.emulator.command import add_arguments, run
parser = argparse.ArgumentParser()
add_arguments(parser)
sys.exit(run(parser.parse_args()))
"""


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_line_tells_where_and_a_signal_ends_it(number):
    with start("--json", "--reply", "Hello.", "--speed", "10") as process:
        facts = json.loads(process.stdout.readline())
        assert facts["base_url"] == f"https://127.0.0.1:{facts['port']}"
        ca_file = Path(facts["ca_file"])
        ssl.create_default_context(cafile=ca_file)
        process.send_signal(number)
        assert process.wait(10) == 0
        assert process.stdout.read() == ""
    assert not ca_file.parent.exists()


def test_people_are_told_how_to_point_a_client_at_it():
    with start("--key", "secret") as process:
        lines = []
        while not lines or not lines[-1].startswith("Ctrl-C"):
            lines.append(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    text = "".join(lines)
    assert "SSL_CERT_FILE=" in text
    assert "'secret'" in text


def test_a_key_of_the_environment_is_asked_for_and_not_shown(monkeypatch, capsys):
    monkeypatch.setenv(KEY_VARIABLE, "hush")
    parser = argparse.ArgumentParser()
    add_arguments(parser)

    async def call():
        serving = asyncio.create_task(serve_forever(parser.parse_args([])))
        while "Ctrl-C" not in (said := capsys.readouterr().out):
            await asyncio.sleep(0.01)
        url, ca = (
            re.search(pattern, said)[1] for pattern in (r"(https://\S+)", r"CERT_FILE=(\S+)")
        )
        trust = ssl.create_default_context(cafile=ca)
        async with connect(url.replace("https", "wss") + PATH + "?key=any", ssl=trust) as socket:
            await socket.send(SETUP)
            with pytest.raises(ConnectionClosed, match="API key not valid"):
                await socket.recv()
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        return said

    assert "hush" not in asyncio.run(call())


def test_scripts_faults_and_facts_come_from_the_command_line(tmp_path):
    script = tmp_path / "talk.yaml"
    script.write_text("patterns:\n  - {when: weather, say: Rain., tool: look}\ndefault: Else.")
    options = ["--script", str(script), "--family", "2.5-native-audio", "--profile", "call_id=c-{}"]
    options += ["--fault", "unknown-message@at_ms=150,key=newThing", "--hearing", "phone"]
    question = {"realtimeInput": {"text": "And the weather?"}}

    async def call(url, ca_file):
        context = ssl.create_default_context(cafile=ca_file)
        async with connect(url.replace("https", "wss") + PATH + "?key=x", ssl=context) as socket:
            await socket.send(json.dumps({"setup": {"model": "models/next-year"}}))
            await socket.send(json.dumps(question))
            seen = {}
            while not {"newThing", "toolCall"} <= seen.keys():
                seen |= json.loads(await socket.recv())
            return seen["toolCall"]["functionCalls"][0]

    with start("--json", *options) as process:
        facts = json.loads(process.stdout.readline())
        wanted = asyncio.run(call(facts["base_url"], facts["ca_file"]))
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert wanted["name"] == "look"
    assert re.fullmatch(r"c-\d+", wanted["id"])


@pytest.fixture(scope="module")
def told():
    """The pointers of a running emulator, its own certificate trusted by the environment."""
    with Emulator(key="a 'key'") as emulator, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", emulator.ca_file)
        yield pointers(emulator.base_url, emulator.ca_file, "a 'key'")


@pytest.mark.parametrize("name", SNIPPETS)
def test_each_snippet_that_is_printed_reaches_it(told, name):
    code = told.partition(f"{name}:\n\n")[2].partition("\n\n")[0]
    made: dict = {}
    exec(textwrap.dedent(code), made)  # what a person would paste

    async def hello(client, model):
        async with client.aio.live.connect(model=model) as session:
            assert session is not None

    if "service" in made:
        asyncio.run(hello(made["service"]._client, "gemini-3.8-live"))
    elif "client" in made:
        model = "gemini-live-2.5-flash" if "Vertex" in name else "gemini-3.8-live"
        asyncio.run(hello(made["client"], model))
    else:
        assert made["answer"] == {"setupComplete": {}}


def test_beyond_loopback_a_key_must_be_given():
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    with pytest.raises(UsageError, match="without a key"):
        run(parser.parse_args(["--host", "0.0.0.0"]))
    with pytest.raises(UsageError, match="no address of this machine"):
        run(parser.parse_args(["--host", "192.0.2.1", "--key", "k"]))
    with pytest.raises(UsageError, match="0 sessions: must be 1 or more"):
        run(parser.parse_args(["--max-sessions", "0"]))


def test_a_taken_port_is_a_usage_error():
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    with Emulator() as emulator:
        args = parser.parse_args(["--port", str(emulator.port)])
        with pytest.raises(UsageError, match=str(emulator.port)):
            run(args)
