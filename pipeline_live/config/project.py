"""A folder with a bot that runs and tests at once: ``create --project``."""

from __future__ import annotations

import json
from pathlib import Path

from pipeline_live.config.schema import json_schema
from pipeline_live.config.template import bot_yaml
from pipeline_live.errors import UsageError

_TOOLS_AND_TESTS = """\
tools:
  - python: tools:opening_hours
tests:
  - name: tells when it is open
    replies:
      - Hello, what can I do for you?
      - call: opening_hours
        args: {day: sunday}
        say: On Sundays we are open from ten to four.
    conversation:
      - silence: 500
        expect: {heard: what can I do}
      - say: When are you open on Sunday?
        expect:
          - tool_called: opening_hours
            with: {day: sunday}
          - heard: from ten to four
  - name: falls silent when the caller cuts in
    replies:
      - Hello, what can I do for you today? I can tell you when we are open on each day of the week.
      - Of course.
    conversation:
      - say: Sorry, one moment please.
        interrupt_after_ms: 1500
        expect:
          - interrupted
          - answered
"""

_TOOLS = '''\
"""What the bot can do. Its file names these functions; the model reads their docstrings."""

_HOURS = {"saturday": "ten to six", "sunday": "ten to four"}


def opening_hours(day: str) -> str:
    """When we are open.

    Args:
        day: A day of the week, in English.
    """
    return _HOURS.get(day.lower(), "nine to eight")
'''

_BOT = '''\
"""The bot for Pipecat's runner and Pipecat Cloud: ``python bot.py`` serves it."""

from pathlib import Path

from pipeline_live.builder import bot_from

bot = bot_from(Path(__file__).with_name("bot.yaml"))

if __name__ == "__main__":
    from pipecat.runner.run import main

    main()
'''

_README = """\
# {name}

A voice bot in one file: [bot.yaml](bot.yaml).

```sh
pip install -r requirements.txt
pipeline-live lint bot.yaml
pipeline-live test bot.yaml
pipeline-live run bot.yaml
```

`run` talks to Gemini when GEMINI_API_KEY is set, and to an emulator when it is not; `test` always
talks to the emulator. `python bot.py` serves the bot by Pipecat's runner.
"""

_SCHEMA = "bot.schema.json"


def write_project(folder: Path, steps: str | None, transport: str | None) -> list[str]:
    """Write the project; return the names of its files.

    Args:
        folder: Where; it may exist when it is empty.
        steps: As for ``bot_yaml``.
        transport: As for ``bot_yaml``.

    Raises:
        UsageError: The folder holds something, or cannot be written.
    """
    files = {
        "bot.yaml": f"# yaml-language-server: $schema={_SCHEMA}\n"
        + bot_yaml(steps, transport=transport)
        + _TOOLS_AND_TESTS,
        "tools.py": _TOOLS,
        "bot.py": _BOT,
        "requirements.txt": "pipecat-pipeline-live[local,web]\n",
        "README.md": _README.format(name=folder.resolve().name),
        _SCHEMA: json.dumps(json_schema(), indent=2) + "\n",
    }
    try:
        if folder.is_dir() and any(folder.iterdir()):
            raise UsageError(f"{folder}: holds files already; name a new folder")
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{folder}: cannot be written ({error.strerror or error}); choose another folder"
        ) from None
    return list(files)
