"""``make clients``: every client holds the conversation in real time; the table says what was seen.

Clients from npm must be installed in a folder (``--npm``); the Makefile does that.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import datetime
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "pipecat")]

from client_conversation import (  # noqa: E402
    AGAIN,
    BARGE_IN,
    HELLO,
    MODEL,
    QUESTION,
    RESULT,
    SCRIPT,
    TOOL,
    WEATHER,
    Seen,
    Turn,
    judge,
    sound_of,
)
from genai_client import GenaiClient  # noqa: E402
from loguru import logger  # noqa: E402
from pipecat_client import LOSES_THE_LINE, PipecatClient  # noqa: E402

from pipeline_live.bench.page import with_section  # noqa: E402
from pipeline_live.emulator import Emulator  # noqa: E402

CHUNK_S = 0.02
LIMIT_S = 120
Client = Callable[[Emulator], Awaitable[Seen]]


def in_node(folder: Path) -> Client:
    """The client of @google/genai, installed in ``folder``."""

    async def converse(emulator: Emulator) -> Seen:
        told = {
            "base_url": emulator.base_url,
            "model": MODEL,
            "tool": TOOL,
            "result": RESULT,
            "hello": HELLO,
            "weather": WEATHER,
            "again": AGAIN,
            "question": base64.b64encode(sound_of(QUESTION)).decode(),
            "barge_in": base64.b64encode(sound_of(BARGE_IN)).decode(),
        }
        process = await asyncio.create_subprocess_exec(
            "node",
            "genai_js_client.mjs",
            cwd=folder,
            env={**os.environ, "NODE_EXTRA_CA_CERTS": emulator.ca_file},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        out, _ = await process.communicate(json.dumps(told).encode())
        if process.returncode:
            raise RuntimeError(f"node ended with {process.returncode}")
        said = json.loads(out)
        turns = {key: Turn(**value) for key, value in said.items() if isinstance(value, dict)}
        return Seen(said["client"], said["version"], **turns)

    return converse


async def one(client: Client, faults: list[str]) -> tuple[str, dict[str, str]]:
    async with Emulator(SCRIPT, faults=faults) as emulator:
        async with asyncio.timeout(LIMIT_S):
            seen = await client(emulator)
        print(f"{seen.client} {seen.version}", flush=True)
        return f"{seen.client} {seen.version}", judge(seen, emulator.sessions)


async def all_of_them(npm: Path | None) -> list[tuple[str, dict[str, str]]]:
    clients: list[tuple[Client, list[str]]] = [
        (lambda e: GenaiClient(e, vertex=False, chunk_s=CHUNK_S).converse(), []),
        (lambda e: GenaiClient(e, vertex=True, chunk_s=CHUNK_S).converse(), []),
        (lambda e: PipecatClient(e, chunk_s=CHUNK_S).converse(), [LOSES_THE_LINE]),
    ]
    if npm is not None:
        clients.append((in_node(npm), []))
    return [await one(client, faults) for client, faults in clients]


def table(verdicts: list[tuple[str, dict[str, str]]]) -> str:
    columns = list(verdicts[0][1])
    rows = [
        f"| {name} | {' | '.join(verdict[column] for column in columns)} |"
        for name, verdict in verdicts
    ]
    return "\n".join(
        [
            f"Run on {datetime.date.today().isoformat()} by `make clients`.\n",
            f"| client | {' | '.join(columns)} |",
            f"|---|{'---|' * len(columns)}",
            *rows,
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--npm", type=Path, help="folder with the clients from npm")
    parser.add_argument("--docs", type=Path, help="Markdown file with the clients marks")
    args = parser.parse_args()
    logger.remove()
    verdicts = asyncio.run(all_of_them(args.npm))
    section = table(verdicts)
    print(section)
    if args.docs is not None:
        text = args.docs.read_text(encoding="utf-8")
        args.docs.write_text(with_section(text, section, str(args.docs), mark="clients"))
    return 0 if all(set(verdict.values()) == {"yes"} for _, verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
