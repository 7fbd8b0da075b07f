"""The timeline: every fact and action as a line of JSON; words only when asked for."""

import dataclasses
import inspect
import json

import pytest

from pipeline_live.errors import UsageError
from pipeline_live.session import Call, Timeline
from pipeline_live.turn import Reply
from pipeline_live.turn import events as e
from pipeline_live.turn.policy import Floor

EVENTS = [
    kind
    for _, kind in inspect.getmembers(e, inspect.isclass)
    if issubclass(kind, (e.Fact, e.Action)) and kind not in (e.Fact, e.Action)
]
VALUES = {
    "int": 7,
    "bytes": b"sound",
    "int | None": 7,
    "str": "a secret",
    "bool": True,
    "Reply": Reply(3),
    "Reply | None": Reply(3),
    "tuple[Reply, ...]": (Reply(3), Reply(4)),
    "Source": e.Source.STOP,
}


def example(kind: type) -> e.Fact | e.Action:
    return kind(**{f.name: VALUES[f.type] for f in dataclasses.fields(kind)})


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("words", [True, False])
def test_every_event_becomes_a_line_with_all_its_fields(tmp_path, kind, words):
    path = tmp_path / "t.jsonl"
    timeline = Timeline(path, words=words)
    event = example(kind)
    if isinstance(event, e.Fact):
        timeline.fact(event)
    else:
        timeline.action(event, 7)
    timeline.close()
    line = json.loads(path.read_text())
    assert (line["t_ms"], line["name"]) == (7, kind.__name__)
    assert line["kind"] == ("fact" if isinstance(event, e.Fact) else "action")
    names = {f.name for f in dataclasses.fields(kind) if f.type != "bytes"} - {"at_ms"}
    assert {name.removesuffix("_chars") for name in line} >= names
    if not words and {"text", "heard_text"} & names:
        assert "secret" not in path.read_text()
    assert "sound" not in path.read_text()
    assert timeline.counts[kind.__name__] == 1


def test_lines_are_on_disk_at_once_and_nothing_is_written_after_the_end(tmp_path):
    path = tmp_path / "t.jsonl"
    timeline = Timeline(path)
    timeline.note("SoundStarted", 12)
    assert json.loads(path.read_text()) == {"t_ms": 12, "kind": "note", "name": "SoundStarted"}
    timeline.close()
    timeline.note("Late", 13)
    assert len(path.read_text().splitlines()) == 1


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    with pytest.raises(UsageError, match="choose another place"):
        Timeline(tmp_path / "no" / "t.jsonl")


def test_a_call_needs_a_loop_and_a_floor_has_three_holders():
    with pytest.raises(RuntimeError):
        Call().now_ms()
    assert [floor.value for floor in Floor] == ["server", "local", "program"]
