"""What docs/telemetry.md promises is what is emitted, no more and no less."""

import asyncio
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pipecat.processors.frame_processor import FrameProcessorSetup
from pipecat.utils.tracing.tracing_context import TracingContext
from pipelines import Lines, Tap, running, service_over
from prometheus_client import REGISTRY, generate_latest
from virtual_time import run_virtual

from pipeline_live.processors import Playback, telemetry
from pipeline_live.session import Call
from pipeline_live.turn.events import (
    AudioReceived,
    GenerationCompleted,
    Interrupted,
    SpeechDismissed,
    SpeechEnded,
    SpeechStarted,
    SpeechSuspected,
    StopRequested,
    TurnCompleted,
)

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "telemetry.md").read_text()
SECRET = "the words that were heard"


def rows(section: str) -> list[list[str]]:
    """The cells of the first table that follows ``section`` on the page."""
    table = re.search(r"^\|.*?(?=^[^|])", PAGE.partition(section)[2] + "\n.", re.M | re.S)
    assert table
    lines = table[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


STAGES = [names(row[0])[0] for row in rows("nobody could time, is not recorded:")]


class Watched:
    """A call whose telemetry is kept."""

    def __init__(self, monkeypatch, **options):
        self.metrics = InMemoryMetricReader()
        self.prometheus = PrometheusMetricReader()
        self.spans = InMemorySpanExporter()
        meters = MeterProvider([self.metrics, self.prometheus], shutdown_on_exit=False)
        tracers = TracerProvider(shutdown_on_exit=False)
        tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        monkeypatch.setattr("opentelemetry.metrics.get_meter", meters.get_meter)
        monkeypatch.setattr("opentelemetry.trace.get_tracer", tracers.get_tracer)
        self.tracers = tracers
        self.context = TracingContext()
        options = {"enable_metrics": True, "enable_tracing": True, **options}
        self.setup = SimpleNamespace(tracing_context=self.context, **options)
        self.call = Call()
        self.hand = None

    def run(self):
        """A hold for nothing, a barge-in with all stages, an answer, a Stop, an anomaly."""

        async def scenario():
            call = self.call
            self.hand = telemetry.watch(call, self.setup)
            wait = asyncio.sleep

            async def say(*kinds, onset_ago_ms=60):
                for kind in kinds:
                    now = call.now_ms()
                    heard = kind in (SpeechSuspected, SpeechStarted)
                    call.apply(kind(now, now - onset_ago_ms) if heard else kind(now))

            async def reply():
                call.apply(AudioReceived(call.now_ms(), 24 * 9000))
                call.ledger.transcribe(call.machine.reply, SECRET)
                await wait(1)

            await reply()
            await say(SpeechSuspected)
            call.fall_silent(call.now_ms() + 45)
            await wait(0.2)
            await say(SpeechDismissed)
            await wait(0.2)
            await say(SpeechSuspected)
            call.fall_silent(call.now_ms() + 45)
            await wait(0.1)
            await say(SpeechStarted, Interrupted, TurnCompleted, onset_ago_ms=160)
            await wait(1)
            await say(SpeechEnded)
            await wait(0.7)
            await reply()
            await say(StopRequested, GenerationCompleted)
            call.report("uplink full")
            call.end()

        run_virtual(scenario())
        return self

    def points(self):
        """Name, unit, kind and each point's attributes, of everything recorded."""
        data = self.metrics.get_metrics_data()
        scopes = [s for r in (data.resource_metrics if data else []) for s in r.scope_metrics]
        assert {scope.scope.name for scope in scopes} <= {"pipeline_live"}
        return {
            m.name: (m.unit, m.data, list(m.data.data_points)) for s in scopes for m in s.metrics
        }


@pytest.fixture
def watched(monkeypatch):
    made = []

    def make(**options):
        made.append(Watched(monkeypatch, **options))
        return made[-1].run()

    yield make
    for one in made:
        REGISTRY.unregister(one.prometheus._collector)


def test_the_metrics_are_those_of_the_page(watched):
    one = watched()
    found = one.points()
    exposed = generate_latest(REGISTRY).decode()
    documented = rows("## Metrics")
    assert {names(row[0])[0] for row in documented} == set(found)
    for row in documented:
        unit, data, points = found[names(row[0])[0]]
        assert unit == names(row[3])[0]
        assert type(data).__name__ == {"histogram": "Histogram", "counter": "Sum"}[row[2]]
        assert points
        for point in points:
            assert list(point.attributes) == names(row[4])
        kind = re.search(rf"^# TYPE {names(row[1])[0]} (\w+)$", exposed, re.M)
        assert kind, row[1]
        assert kind[1] == row[2]
    assert set(re.findall(r"^# TYPE (pipeline_live\w+)", exposed, re.M)) == {
        names(row[1])[0] for row in documented
    }
    assert SECRET not in exposed


def test_the_values_are_those_of_the_call(watched):
    found = watched().points()
    stages = {
        (p.attributes["source"], p.attributes["stage"]): p.sum
        for p in found["pipeline_live.interruption.stage"][2]
    }
    assert {stage for _, stage in stages} == set(STAGES)
    assert stages["local_speech", "onset_to_held"] == 60
    assert stages["local_speech", "onset_to_decided"] == 160
    assert stages["local_speech", "onset_to_silent"] == 105
    assert ("stop", "onset_to_decided") not in stages
    (held,) = found["pipeline_live.false_alarm.held"][2]
    assert (held.sum, held.count, held.attributes) == (200, 1, {"expired": False})
    (delay,) = found["pipeline_live.answer.delay"][2]
    assert delay.sum == 700
    assert [point.count for point in found["pipeline_live.interruption.heard"][2]] == [1, 1]
    assert [point.value for point in found["pipeline_live.anomalies"][2]] == [1]


def test_the_spans_are_those_of_the_page(watched):
    one = watched()
    ((span_cell, attributes, events),) = rows("## Spans")
    spoken, stopped = one.spans.get_finished_spans()
    stage_names = [f"pipeline_live.{stage}_ms" for stage in STAGES]
    fixed = [name for name in names(attributes) if name not in ("pipeline_live.", "_ms")]
    assert {spoken.name, stopped.name} == set(names(span_cell))
    assert list(spoken.attributes) == [*fixed, *stage_names]
    assert set(stopped.attributes) < set(spoken.attributes)
    assert [event.name for event in spoken.events] == ["held", "silent", "decided", "flushed"]
    assert {event.name for event in spoken.events} == set(names(events))
    assert SECRET not in spoken.to_json() + stopped.to_json()
    begin, decided = spoken.start_time, spoken.events[2].timestamp
    assert (decided - begin) // 1_000_000 == 160
    assert spoken.end_time >= max(event.timestamp for event in spoken.events)
    assert spoken.instrumentation_scope.name == "pipeline_live"


@pytest.mark.parametrize("where", ["turn", "conversation", None])
def test_a_span_belongs_to_the_turn_that_is_interrupted(monkeypatch, where):
    one = Watched(monkeypatch)
    parent = one.tracers.get_tracer("test").start_span("parent")
    if where:
        getattr(one.context, f"set_{where}_context")(parent.get_span_context())
    one.run()
    for span in one.spans.get_finished_spans():
        assert (span.parent and span.parent.span_id) == (
            parent.get_span_context().span_id if where else None
        )
    REGISTRY.unregister(one.prometheus._collector)


def test_in_a_pipeline_that_is_traced_the_span_stands_below_pipecats_turn(monkeypatch):
    one = Watched(monkeypatch)
    monkeypatch.setattr(
        "pipecat.utils.tracing.turn_trace_observer.trace.get_tracer", one.tracers.get_tracer
    )
    service, after = service_over(Lines()), Tap()

    async def scenario():
        traced = {"enable_tracing": True, "enable_turn_tracking": True}
        async with running(service, Playback(), after, **traced):
            await asyncio.sleep(0.1)
            service.call.apply(AudioReceived(service.call.now_ms(), 24_000))
            await asyncio.sleep(0.3)
            service.call.stop()

    run_virtual(scenario())
    spans = {span.name: span for span in one.spans.get_finished_spans()}
    assert spans["interruption"].parent.span_id == spans["turn"].context.span_id
    assert spans["interruption"].attributes["pipeline_live.source"] == "stop"
    REGISTRY.unregister(one.prometheus._collector)


def test_metrics_need_no_tracing_and_nothing_is_recorded_unasked(watched):
    one = watched(enable_tracing=False)
    assert one.points()
    assert not one.spans.get_finished_spans()
    quiet = watched(enable_tracing=False, enable_metrics=False)
    assert quiet.hand is None
    assert not quiet.points()


def test_without_opentelemetry_nothing_is_recorded(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry.trace", None)
    setup = SimpleNamespace(enable_metrics=True, enable_tracing=True, tracing_context=None)
    assert telemetry.watch(Call(), setup) is None


@pytest.mark.parametrize("asked", [True, False])
def test_the_service_watches_its_call_as_the_pipeline_asks(monkeypatch, asked):
    seen = []
    monkeypatch.setattr(telemetry, "watch", lambda call, setup: seen.append((call, setup)))
    service, after = service_over(Lines()), Tap()

    async def scenario():
        async with running(service, Playback(), after, enable_metrics=asked):
            pass

    run_virtual(scenario())
    ((call, setup),) = seen
    assert call is service.call
    assert isinstance(setup, FrameProcessorSetup)
    assert (setup.enable_metrics, setup.enable_tracing) == (asked, False)
