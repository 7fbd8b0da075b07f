"""``pipeline-live eject``: a bot's file as the Python that does the same."""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

from pipeline_live.builder.expressions import Call, Expression, Name, names, renamed, source
from pipeline_live.builder.plan import Plan, needs_early_access, plan_of
from pipeline_live.config import Bot, load
from pipeline_live.config.variables import as_written
from pipeline_live.errors import UsageError

_PIPELINE = Name("pipecat.pipeline.pipeline:Pipeline")
_WORKER = Name("pipecat.pipeline.worker:PipelineWorker")
_RUNNER = Name("pipecat.workers.runner:WorkerRunner")
_RUN_FRAME = Name("pipecat.frames.frames:LLMRunFrame")
_BEGIN = "begin(worker, transport)"
_HTTP_OPTIONS = Name("google.genai.types:HttpOptions")
# fmt: off
_WRITTEN = (
    "asyncio", "bot", "build", "client", "context", "ending", "float", "int", "main",
    "on_client_connected", "on_client_disconnected", "os", "pair", "pipeline", "runner",
    "runner_args", "service", "transport", "worker",
)
# fmt: on
"""What the ejected module itself calls something."""
_LIBRARIES = ("google", "pipecat", "pipeline_live")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``pipeline-live eject`` to ``parser``."""
    parser.add_argument("file", type=Path, help="the bot's YAML file")
    parser.add_argument(
        "--out", type=Path, metavar="FILE.py", help="write it there (default: print it)"
    )


def run(args: argparse.Namespace) -> int:
    """Print or write the Python.

    Raises:
        ConfigError: The file has findings.
        UsageError: The file cannot be read, or the other one not be written.
    """
    text = python_of(load(args.file))
    if args.out is None:
        sys.stdout.write(text)
        return 0
    try:
        args.out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{args.out}: cannot be written ({error.strerror or error})") from None
    return 0


def python_of(bot: Bot) -> str:
    """A module that builds and runs the bot; what a variable stands for is not in it."""
    transport = bot["transport"].name
    served = transport in ("browser", "telephony")
    plan = _without_clashes(plan_of(bot), bot, served=served)
    build = _build_function(bot, plan)
    tail = _served_tail(bot) if served else _local_tail(bot, plan)
    used = list(_used(bot, plan, served=served))
    head = [
        f'"""{_title(bot)}"""',
        "",
        "from __future__ import annotations",
        "",
        *_imports(used, served=served, tail=tail, build=build),
    ]
    return "\n".join([*head, "", "", *build, "", "", *tail]) + "\n"


def _without_clashes(plan: Plan, bot: Bot, *, served: bool) -> Plan:
    """The plan with an alias for every name of the author's that means something else already."""
    homes = dict.fromkeys([*_WRITTEN, *plan.shared], "")
    used = list(_used(bot, plan, served=served))
    for name in sorted(used, key=lambda name: name.module.split(".")[0] not in _LIBRARIES):
        homes.setdefault(name.imported, name.module)

    def rename(name: Name) -> Name:
        if homes[name.imported] == name.module:
            return name
        return Name(name.path, f"{name.module.replace('.', '_')}_{name.imported}")

    parts = {part.name: renamed(getattr(plan, part.name), rename) for part in fields(plan)}
    return Plan(**parts)


def _title(bot: Bot) -> str:
    title = f"{as_written(bot['name'])}: what pipeline-live made of {bot.path.name}."
    return title.replace('"', "'").replace("\\", "")


def _used(bot: Bot, plan: Plan, *, served: bool) -> Iterable[Name]:
    for expression in (plan.service, plan.context, plan.pair, plan.params):
        yield from names(expression)
    for part in (*plan.steps, *plan.shared.values()):
        yield from names(part)
    yield from (_PIPELINE, _WORKER, _RUNNER)
    yield Name("pipeline_live.builder.running:begin") if _serves_itself(bot) else _RUN_FRAME
    if needs_early_access(bot):
        yield _HTTP_OPTIONS
    if not served:
        yield from names(plan.transport)
        if bot["transport"].name == "files":
            yield Name("pipeline_live.builder.running:end_when_silent")
    else:
        yield Name("pipecat.runner.types:RunnerArguments")
        yield Name("pipeline_live.builder.running:session_transport")


def _imports(used: list[Name], *, served: bool, tail: list[str], build: list[str]) -> list[str]:
    by_module: dict[str, set[str]] = defaultdict(set)
    for name in used:
        if name.module != "os":
            alias = f" as {name.alias}" if name.alias else ""
            by_module[name.module].add(f"{name.imported}{alias}")
    body = "\n".join([*build, *tail])
    plain = [module for module in ("asyncio", "os") if f"{module}." in body]
    lines = [f"import {module}" for module in plain]
    if lines:
        lines.append("")
    for module in sorted(by_module):
        imported = ", ".join(sorted(by_module[module]))
        line = f"from {module} import {imported}"
        if len(line) > 100:
            inner = "".join(f"    {name},\n" for name in sorted(by_module[module]))
            line = f"from {module} import (\n{inner})"
        lines.append(line)
    return lines


def _build_function(bot: Bot, plan: Plan) -> list[str]:
    """``build(transport)``: the worker and the service."""
    lines = [
        "def build(transport):",
        '    """Make the pipeline: everything that the file left to pipeline-live stands here."""',
    ]
    key = _key(bot)
    service = _with(plan.service, api_key=key, http_options=_options(bot))
    lines += _assignment("service", service)
    lines += _assignment("context", plan.context)
    lines += _assignment("pair", plan.pair)
    for name, expression in plan.shared.items():
        lines += _assignment(name, expression)
    lines += _assignment("pipeline", Call(_PIPELINE, (plan.steps,)))
    lines += _assignment(
        "worker", Call(_WORKER, (_Verbatim("pipeline"),), {"params": plan.params} | _idle(bot))
    )
    lines.append("    return worker, service")
    return lines


def _idle(bot: Bot) -> dict[str, Expression]:
    if bot["transport"].name in ("browser", "telephony"):
        return {}
    return {"cancel_on_idle_timeout": False}


def _key(bot: Bot) -> Expression:
    own = bot.model_step.options.get("api_key")
    return own if own is not None else _Verbatim('os.environ["GEMINI_API_KEY"]')


def _options(bot: Bot) -> Expression | None:
    if not needs_early_access(bot):
        return None
    return Call(_HTTP_OPTIONS, keywords={"api_version": "v1alpha"})


def _with(call: Expression, *, api_key: Expression, http_options: Expression | None) -> Call:
    assert isinstance(call, Call)
    keywords = dict(call.keywords)
    if "api_key" in keywords:
        keywords["api_key"] = api_key
    if http_options is None:
        del keywords["http_options"]
    else:
        keywords["http_options"] = http_options
    return Call(call.what, call.args, keywords)


class _Verbatim:
    """Python that is written down as it stands."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _assignment(name: str, expression: Expression) -> list[str]:
    return f"    {name} = {source(expression, 4, 7 + len(name))}".split("\n")


def _serves_itself(bot: Bot) -> bool:
    """Whether the transport is any of Pipecat's, so that people may have to connect first."""
    return bool(bot["transport"].name == "python")


def _local_tail(bot: Bot, plan: Plan) -> list[str]:
    lines = ["async def main() -> None:"]
    lines += _assignment("transport", plan.transport)
    lines += [
        "    worker, service = build(transport)",
        f"    await {_BEGIN if _serves_itself(bot) else 'worker.queue_frame(LLMRunFrame())'}",
        "    runner = WorkerRunner()",
        "    await runner.add_workers(worker)",
    ]
    if bot["transport"].name == "files":
        after_ms = bot["transport"].options["end_after_ms"]
        lines += [
            "    ending = asyncio.create_task("
            f"end_when_silent(worker, service, transport, {source(after_ms)}))",
            "    await runner.run()",
            "    ending.cancel()",
        ]
    else:
        lines.append("    await runner.run()")
    return [*lines, "", "", 'if __name__ == "__main__":', "    asyncio.run(main())"]


def _served_tail(bot: Bot) -> list[str]:
    hang_up = ", hang_up=True" if bot["transport"].options.get("hang_up") else ""
    return [
        "async def bot(runner_args: RunnerArguments) -> None:",
        f"    transport = await session_transport(runner_args{hang_up})",
        "    worker, _ = build(transport)",
        "",
        '    @transport.event_handler("on_client_connected")',
        "    async def on_client_connected(transport, client):",
        "        await worker.queue_frame(LLMRunFrame())",
        "",
        '    @transport.event_handler("on_client_disconnected")',
        "    async def on_client_disconnected(transport, client):",
        "        await worker.cancel()",
        "",
        "    runner = WorkerRunner(handle_sigint=runner_args.handle_sigint)",
        "    await runner.add_workers(worker)",
        "    await runner.run()",
        "",
        "",
        'if __name__ == "__main__":',
        "    from pipecat.runner.run import main",
        "",
        "    main()",
    ]
