"""Who stands before or after a processor, in pipelines within pipelines too. Nearest first."""

from __future__ import annotations

from collections.abc import Iterator

from pipecat.processors.frame_processor import FrameProcessor


def before(processor: FrameProcessor) -> Iterator[FrameProcessor]:
    """What frames from the beginning of the pipeline have come through, but for parallel ways."""
    for place in (processor, *_around(processor)):
        one = place.previous
        while one is not None:
            yield from reversed(list(_within(one)))
            one = one.previous


def after(processor: FrameProcessor) -> Iterator[FrameProcessor]:
    """What frames from ``processor`` will come through."""
    for place in (processor, *_around(processor)):
        one = place.next
        while one is not None:
            yield from _within(one)
            one = one.next


def _within(processor: FrameProcessor) -> Iterator[FrameProcessor]:
    yield processor
    for part in processor.processors:
        yield from _within(part)


def _around(processor: FrameProcessor) -> list[FrameProcessor]:
    """The pipelines that ``processor`` is in, from the innermost."""

    def way_from(outer: FrameProcessor) -> list[FrameProcessor]:
        for part in outer.processors:
            if part is processor:
                return [outer]
            if way := way_from(part):
                return [*way, outer]
        return []

    return way_from(processor.pipeline_worker.pipeline)
