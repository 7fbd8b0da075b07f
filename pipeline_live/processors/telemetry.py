"""What a call tells machines: Pipecat's metrics, and OpenTelemetry's spans and metrics.

Names, units and attributes are documented in ``docs/telemetry.md``. Words and sound are never in
them. Where OpenTelemetry is not installed, or nobody set a provider, nothing is recorded.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pipecat.frames.frames import MetricsFrame
from pipecat.metrics.metrics import MetricsData
from pipecat.processors.frame_processor import FrameProcessorSetup

from pipeline_live.session import Call, InterruptionReport
from pipeline_live.turn.events import (
    Action,
    EndUserTurn,
    ReportAnomaly,
    ReportFalseAlarm,
    ReportInterruption,
    StartReply,
    StartUserTurn,
)

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import Histogram

SCOPE = "pipeline_live"
"""Name of the meter and of the tracer."""
SPAN = "interruption"
_NS_PER_MS = 1_000_000
_BOUNDS_MS = (20, 40, 60, 80, 100, 120, 150, 200, 250, 300, 400, 500, 750, 1000, 2000, 5000, 10000)
"""Buckets of the histograms: fine where a barge-in happens."""


class InterruptionMetricsData(MetricsData):
    """How long the stages of an interruption took.

    Parameters:
        source: Who ended the reply: ``local_speech``, ``server``, ``stop`` or ``text``.
        stages_ms: By name, as ``InterruptionReport.stages()`` tells them.
        heard_ms: How much of the reply was heard.
    """

    source: str
    stages_ms: dict[str, int]
    heard_ms: int


def metrics_frame(report: InterruptionReport, processor: str) -> MetricsFrame:
    """The report as a frame for Pipecat's metrics."""
    data = InterruptionMetricsData(
        processor=processor,
        source=report.source.value,
        stages_ms=report.stages(),
        heard_ms=report.heard_ms,
    )
    return MetricsFrame(data=[data])


def watch(call: Call, setup: FrameProcessorSetup) -> Telemetry | None:
    """Record ``call`` with OpenTelemetry from now on, as far as ``setup`` asks for it.

    Metrics with ``enable_metrics`` or ``enable_tracing`` of the pipeline, spans with the latter.

    Returns:
        The call's new hand; None when nothing is asked for or OpenTelemetry is not installed.
    """
    if not (setup.enable_metrics or setup.enable_tracing):
        return None
    try:
        import opentelemetry.metrics
        import opentelemetry.trace  # noqa: F401
    except ImportError:
        return None
    telemetry = Telemetry(call, setup)
    call.attach(telemetry)
    return telemetry


class Telemetry:
    """A hand of the call that performs nothing and records what the others do."""

    def __init__(self, call: Call, setup: FrameProcessorSetup) -> None:
        from opentelemetry import metrics, trace

        self._call = call
        self._tracer = trace.get_tracer(SCOPE) if setup.enable_tracing else None
        self._tracing = setup.tracing_context
        meter = metrics.get_meter(SCOPE)

        def histogram(name: str, description: str) -> Histogram:
            return meter.create_histogram(
                f"{SCOPE}.{name}",
                unit="ms",
                description=description,
                explicit_bucket_boundaries_advisory=_BOUNDS_MS,
            )

        self._stage = histogram("interruption.stage", "Duration of an interruption's stages")
        self._heard = histogram("interruption.heard", "How much of an interrupted reply was heard")
        self._held = histogram("false_alarm.held", "How long playout was held for nothing")
        self._delay = histogram("answer.delay", "From the end of a user turn to the reply")
        self._anomalies = meter.create_counter(
            f"{SCOPE}.anomalies", unit="{anomaly}", description="Unexpected events"
        )
        self._asked_ms: int | None = None

    def perform(self, action: Action, at_ms: int) -> None:
        """Record what concerns people who watch many calls."""
        match action:
            case ReportInterruption() if self._call.interruption is not None:
                self._interrupted(self._call.interruption)
            case ReportFalseAlarm(held_for_ms=held_for_ms, expired=expired):
                self._held.record(held_for_ms, {"expired": expired})
            case ReportAnomaly():
                self._anomalies.add(1)
            case StartUserTurn():
                self._asked_ms = None
            case EndUserTurn():
                self._asked_ms = at_ms
            case StartReply():
                if self._asked_ms is not None:
                    self._delay.record(at_ms - self._asked_ms)
                self._asked_ms = None
            case _:
                pass

    def _interrupted(self, report: InterruptionReport) -> None:
        source = report.source.value
        for stage, ms in report.stages().items():
            self._stage.record(ms, {"stage": stage, "source": source})
        self._heard.record(report.heard_ms, {"source": source})
        if self._tracer is not None:
            self._trace(report)

    def _trace(self, report: InterruptionReport) -> None:
        """A span from the user's first sound (or the decision) to the last one of the reply."""
        assert self._tracer is not None
        moments = {
            "held": report.held_ms,
            "decided": report.decided_ms,
            "flushed": report.flushed_ms,
            "silent": report.silent_ms,
        }
        known = {name: at_ms for name, at_ms in moments.items() if at_ms is not None}
        begin_ms = min(known.values()) if report.onset_ms is None else report.onset_ms
        zero_ns = time.time_ns() - self._call.now_ms() * _NS_PER_MS
        span = self._tracer.start_span(
            SPAN,
            context=self._context(),
            start_time=zero_ns + begin_ms * _NS_PER_MS,
            attributes={
                f"{SCOPE}.reply": report.reply,
                f"{SCOPE}.source": report.source.value,
                f"{SCOPE}.heard_ms": report.heard_ms,
                **{f"{SCOPE}.{stage}_ms": ms for stage, ms in report.stages().items()},
            },
        )
        for name, at_ms in sorted(known.items(), key=lambda moment: moment[1]):
            span.add_event(name, timestamp=zero_ns + at_ms * _NS_PER_MS)
        span.end(zero_ns + max(begin_ms, *known.values()) * _NS_PER_MS)

    def _context(self) -> Context | None:
        """Pipecat's turn that is interrupted, else its conversation."""
        if self._tracing is None:
            return None
        return self._tracing.get_turn_context() or self._tracing.get_conversation_context()
