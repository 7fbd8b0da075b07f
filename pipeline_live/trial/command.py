"""``pipeline-live test``: hold the conversations of bots' files, say what was unexpected."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from pipeline_live.config import Bot, load
from pipeline_live.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``pipeline-live test`` to ``parser``."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="bots' YAML files")
    parser.add_argument("-k", metavar="WORDS", help="only tests with these words in their name")
    parser.add_argument(
        "--real-time",
        action="store_true",
        help="take as long as the conversations would; otherwise the clock jumps over waiting",
    )
    parser.add_argument("--junit", type=Path, metavar="FILE.xml", help="write a JUnit report")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="keep the sound of each conversation there"
    )


def run(args: argparse.Namespace) -> int:
    """Hold all conversations.

    Returns:
        0 when all were as expected, 1 otherwise.

    Raises:
        ConfigError: A file has findings.
        UsageError: A file cannot be read, or has no such test.
    """
    bots = [load(path) for path in args.files]
    chosen = [(bot, test) for bot in bots for test in bot["tests"] or () if _wanted(test, args.k)]
    if not chosen:
        why = f'no test with "{args.k}" in its name' if args.k else "no tests"
        raise UsageError(f"{', '.join(map(str, args.files))}: {why}; write some under tests:")
    from pipeline_live.trial.conversation import Result, perform

    results: list[tuple[Bot, Result]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for number, (bot, test) in enumerate(chosen, 1):
            folder = _folder(args.out or Path(scratch), number, str(test["name"]))
            result = perform(bot, test, folder, real_time=args.real_time)
            results.append((bot, result))
            _tell(bot, result)
    failed = sum(bool(result.failure) for _, result in results)
    sys.stdout.write(f"{len(results) - failed} passed, {failed} failed\n")
    if args.junit is not None:
        from pipeline_live.trial.junit import write_junit

        write_junit(args.junit, results)
    return 1 if failed else 0


def _wanted(test: object, words: str | None) -> bool:
    assert isinstance(test, dict)
    return words is None or words.casefold() in str(test["name"]).casefold()


def _folder(out: Path, number: int, name: str) -> Path:
    words = "".join(letter if letter.isalnum() else "-" for letter in name.lower()).strip("-")
    folder = out / f"{number:02d}-{words[:60]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{folder}: cannot be made ({error.strerror or error}); choose another with --out"
        ) from None
    return folder


def _tell(bot: Bot, result: object) -> None:
    from pipeline_live.trial.conversation import Result

    assert isinstance(result, Result)
    verdict = "FAILED" if result.failure else "passed"
    sys.stdout.write(
        f"{verdict}  {bot['name']}: {result.name} "
        f"({result.call_ms / 1000:.1f} s of conversation in {result.took_s:.1f} s)\n"
    )
    if result.failure:
        sys.stdout.write(f"        {result.failure}\n")
    sys.stdout.flush()
