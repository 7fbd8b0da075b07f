"""Time to silence as a metric: for Pipecat's observers, and for OpenTelemetry when traced."""

from __future__ import annotations

from pipecat.frames.frames import MetricsFrame
from pipecat.metrics.metrics import MetricsData

from pipeline_live.session import InterruptionReport

HISTOGRAM = "pipeline_live.interruption.stage"
"""Name of the OpenTelemetry histogram, in ms; attributes ``stage`` and ``source``."""


class InterruptionMetricsData(MetricsData):
    """How long the stages of an interruption took.

    Parameters:
        source: Who ended the reply: ``local_speech``, ``server`` or ``stop``.
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


def record(report: InterruptionReport) -> None:
    """Record the stages in an OpenTelemetry histogram; without effect where it is not installed."""
    try:
        from opentelemetry import metrics
    except ImportError:
        return
    histogram = metrics.get_meter("pipeline_live").create_histogram(
        HISTOGRAM, unit="ms", description="Duration of an interruption's stages"
    )
    for stage, ms in report.stages().items():
        histogram.record(ms, {"stage": stage, "source": report.source.value})
