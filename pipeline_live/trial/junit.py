"""Results as a JUnit report, which CI systems read."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from pipeline_live.config import Bot
from pipeline_live.errors import UsageError
from pipeline_live.trial.conversation import Result


def write_junit(path: Path, results: Sequence[tuple[Bot, Result]]) -> None:
    """Write one suite for each bot.

    Raises:
        UsageError: The file cannot be written.
    """
    root = ET.Element("testsuites")
    for bot, group in groupby(results, key=lambda pair: pair[0]):
        own = [result for _, result in group]
        suite = ET.SubElement(
            root,
            "testsuite",
            name=str(bot["name"]),
            tests=str(len(own)),
            failures=str(sum(bool(result.failure) for result in own)),
            time=f"{sum(result.took_s for result in own):.3f}",
        )
        for result in own:
            case = ET.SubElement(
                suite,
                "testcase",
                name=_plain(result.name),
                classname=str(bot.path),
                time=f"{result.took_s:.3f}",
            )
            if result.failure:
                text = _plain(result.failure)
                ET.SubElement(case, "failure", message=text).text = text
    try:
        ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror or error})") from None


def _plain(text: str) -> str:
    """Without the control characters that XML cannot hold."""
    return "".join(letter for letter in text if letter.isprintable() or letter in "\n\t")
