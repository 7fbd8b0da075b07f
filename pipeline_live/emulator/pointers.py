"""How to point a client at an emulator: what ``pipeline-live emulate`` prints, ready to paste."""

from __future__ import annotations

import shlex
import textwrap
from urllib.parse import quote

PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"

SNIPPETS = {
    "google-genai": """\
        from google import genai
        client = genai.Client(api_key={key!r}, http_options={{"base_url": "{url}"}})
        """,
    "google-genai, as Vertex": """\
        from google import genai
        client = genai.Client(vertexai=True, api_key={key!r}, http_options={{"base_url": "{url}"}})
        """,
    "Pipecat": """\
        from google.genai.types import HttpOptions
        from pipecat.services.google.gemini_live.llm import GeminiLiveLLMService
        service = GeminiLiveLLMService(api_key={key!r}, http_options=HttpOptions(base_url="{url}"))
        """,
    "any WebSocket client": """\
        import json, ssl
        from websockets.sync.client import connect
        trust = ssl.create_default_context(cafile="{ca}")
        with connect("{wss}{path}?key={quoted}", ssl=trust) as socket:
            socket.send(json.dumps({{"setup": {{"model": "models/gemini-3.8-live"}}}}))
            answer = json.loads(socket.recv())
        """,
}
"""Python for each kind of client, by name; a test runs them all."""

_FRAME = """\
Gemini Live emulator on {url}

Clients trust it, and those without an address of their own find it, by

  export SSL_CERT_FILE={ca} GOOGLE_GEMINI_BASE_URL={url} GEMINI_API_KEY={key}

{snippets}
Ctrl-C stops it.
"""


def pointers(url: str, ca: str, key: str) -> str:
    """Say where an emulator serves and how to reach it.

    Args:
        url: Its ``https`` address.
        ca: The certificate to trust.
        key: The key that it accepts.
    """
    wss = url.replace("https", "wss", 1)
    parts = []
    for name, code in SNIPPETS.items():
        filled = textwrap.dedent(code).format(
            url=url, wss=wss, ca=ca, key=key, quoted=quote(key), path=PATH
        )
        parts.append(f"{name}:\n\n{textwrap.indent(filled, '  ')}")
    return _FRAME.format(url=url, ca=ca, key=shlex.quote(key), snippets="\n".join(parts))
