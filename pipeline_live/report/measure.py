"""How fast the bot fell silent, and whether it stayed silent, from the sound itself.

The timeline only says *when* to look; what was heard comes from the samples. Of each interruption:

- the **reference** is the moment the user wanted silence: the true onset of their speech, or the
  moment Stop was requested;
- the **last audible sample** is looked for from the interrupted reply's beginning to the next
  reply's. The next reply is the border, not a pause: pauses between words would end the search too
  early, and a leak a second later is still the old reply;
- the **allowed tail** after the decision is one chunk of the sink plus its device's buffer (samples
  that nobody could call back) and 10 ms for the interruption's way to the sink. All sound from
  there to the next reply is **stale**.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from pipeline_live.report.reading import QUEUES_MS, SAMPLES_PER_MS, CallRecord, Interruption
from pipeline_live.report.speech import PAUSE_MS, Span, audible_spans, speech_spans
from pipeline_live.report.story import Segment

# A cause lies at most this long before its effect.
CAUSE_MS = 3000
# The local VAD's onset and the energy's describe the same speech when this close.
SAME_ONSET_MS = 500
# What the local ears call a turn can begin this much after what the energy shows.
TURN_MARGIN_MS = 200


@dataclass(frozen=True, slots=True)
class InterruptionMeasure:
    """One interruption, measured. Moments are call time.

    Attributes:
        reply: Number of the interrupted reply.
        source: Who confirmed it: ``local_speech``, ``server``, ``stop`` or ``text``.
        held_ms: When playout was held before that; None when it was not.
        at_ms: When it was confirmed.
        onset_ms: True onset of the user's speech; None for Stop, and when no speech is near.
        reference_ms: What time to silence counts from: the onset, or Stop's request.
        silence_ms: When the reply's last audible sample ended; None when none was ever heard.
        time_to_silence_ms: From reference to silence; 0 when the bot was silent already, None
            without a reference.
        stale_ms: Audible sound after the allowed tail and before the next reply, rounded up; None
            when nothing was recorded at the sink.
        allowed_until_ms: Where the allowed tail ends.
        until_ms: Where the next reply begins, or the recording ends.
        heard_ms: How much of the reply the ledger says was heard.
        received_ms: How much of it had been received; None when that was not noted.
        heard_text: The words that the ledger says were heard.
    """

    reply: int
    source: str
    held_ms: int | None
    at_ms: int
    onset_ms: int | None
    reference_ms: int | None
    silence_ms: int | None
    time_to_silence_ms: int | None
    stale_ms: int | None
    allowed_until_ms: int
    until_ms: int
    heard_ms: int
    received_ms: int | None
    heard_text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply to something that the user said.

    Attributes:
        reply: The reply's number.
        span: From the end of the user's speech to the reply's first sound.
    """

    reply: int
    span: Segment


@dataclass(frozen=True, slots=True)
class Stage:
    """How long one stage took, each time; all in milliseconds, never empty.

    Attributes:
        name: From what to what.
        times_ms: In order of time.
    """

    name: str
    times_ms: tuple[int, ...]

    @property
    def median_ms(self) -> int:
        """The middle of the times."""
        return round(median(self.times_ms))

    @property
    def worst_ms(self) -> int:
        """The longest of the times."""
        return max(self.times_ms)


@dataclass(frozen=True, slots=True)
class CallMeasures:
    """One call, measured.

    Attributes:
        whole: The recorded stretch.
        user: Where the user spoke.
        bot: Where the bot was heard.
        stale: Where the bot was heard although it had to be silent.
        interruptions: One measure for each, in order of time.
        answers: Replies to what the user said.
        stages: What took how long; stages that did not happen are not there.
        measured: Whether all this comes from a recording at the sink.
    """

    whole: Segment
    user: tuple[Segment, ...]
    bot: tuple[Segment, ...]
    stale: tuple[Segment, ...]
    interruptions: tuple[InterruptionMeasure, ...]
    answers: tuple[Answer, ...]
    stages: tuple[Stage, ...]
    measured: bool


def measure(record: CallRecord) -> CallMeasures:
    """Measure a call: on its recording, or as its timeline tells where nothing was recorded."""
    user, bot = record.story.user, record.story.bot
    if record.sound is not None:
        user = _segments(record, speech_spans(record.sound.user))
        bot = _segments(record, audible_spans(record.sound.bot, PAUSE_MS))
    interruptions = tuple(
        _measure_one(record, user, interruption) for interruption in record.interruptions
    )
    answers = tuple(_answers(record, user, bot))
    measured = record.sound is not None and record.measured
    return CallMeasures(
        whole=record.whole,
        user=user,
        bot=bot,
        stale=tuple(
            segment
            for one in interruptions
            if measured
            for segment in _segments(record, _bot_spans(record, one.allowed_until_ms, one.until_ms))
        ),
        interruptions=interruptions,
        answers=answers,
        stages=_stages(record, interruptions, answers),
        measured=measured,
    )


def _stages(
    record: CallRecord,
    interruptions: tuple[InterruptionMeasure, ...],
    answers: tuple[Answer, ...],
) -> tuple[Stage, ...]:
    spoken = [(one, one.onset_ms) for one in interruptions if one.onset_ms is not None]
    stopped = [one for one in interruptions if one.source == "stop"]
    # Without a recording the end of speech is known as late as the ears are sure of it.
    asked = "end of turn" if record.sound is None else "end of speech"
    times: dict[str, list[int | None]] = {
        "speech to hold": [
            one.held_ms - onset
            for one, onset in spoken
            if one.held_ms is not None and one.held_ms >= onset
        ],
        "speech to decision": [one.at_ms - onset for one, onset in spoken],
        "speech to silence": [one.time_to_silence_ms for one, _ in spoken],
        "Stop to silence": [one.time_to_silence_ms for one in stopped],
        "held for nothing": [hold.span.duration_ms for hold in record.story.holds if hold.resumed],
        f"{asked} to answer": [answer.span.duration_ms for answer in answers],
    }
    known = {name: tuple(t for t in some if t is not None) for name, some in times.items()}
    return tuple(Stage(name, some) for name, some in known.items() if some)


def _answers(
    record: CallRecord, user: tuple[Segment, ...], bot: tuple[Segment, ...]
) -> Iterable[Answer]:
    """Each reply that follows speech of the user's which no earlier reply followed."""
    spoken = [segment for segment in user if _is_a_turn(record, segment)]
    asked_from = record.whole.start_ms
    for start in record.replies:
        sounds = [segment.start_ms for segment in bot if segment.end_ms > start.at_ms]
        first_ms = max(min(sounds, default=start.at_ms), start.at_ms)
        ends = [s.end_ms for s in spoken if asked_from <= s.start_ms < first_ms]
        if ends and ends[-1] <= first_ms:
            yield Answer(start.reply, Segment(ends[-1], first_ms))
        asked_from = first_ms


def _is_a_turn(record: CallRecord, speech: Segment) -> bool:
    """Whether the ears took this for speech as well; without ears all of it counts."""
    turns = record.story.user
    return not turns or any(
        turn.start_ms - TURN_MARGIN_MS < speech.end_ms and speech.start_ms < turn.end_ms
        for turn in turns
    )


def _measure_one(
    record: CallRecord, user: tuple[Segment, ...], interruption: Interruption
) -> InterruptionMeasure:
    by_stop = interruption.source == "stop"
    onset_ms = None if by_stop else _onset(record, user, interruption)
    reference_ms = _stop_request(record, interruption.at_ms) if by_stop else onset_ms
    until_ms = _next_reply(record, interruption)
    measured = record.sound is not None and record.measured
    silence_ms = (
        _silence(record, _this_reply(record, interruption), until_ms)
        if measured
        else _told_silence(record, interruption)
    )
    # Who measured nothing cannot say that the bot was silent already.
    time_to_silence_ms = (
        _time_to_silence(reference_ms, silence_ms) if measured or silence_ms is not None else None
    )
    allowed_until_ms = interruption.at_ms + record.allowed_tail_ms
    stale_ms = None
    if measured:
        stale = sum(span.samples for span in _bot_spans(record, allowed_until_ms, until_ms))
        stale_ms = -(-stale // SAMPLES_PER_MS)
    return InterruptionMeasure(
        reply=interruption.reply,
        source=interruption.source,
        held_ms=interruption.held_ms,
        at_ms=interruption.at_ms,
        onset_ms=onset_ms,
        reference_ms=reference_ms,
        silence_ms=silence_ms,
        time_to_silence_ms=time_to_silence_ms,
        stale_ms=stale_ms,
        allowed_until_ms=allowed_until_ms,
        until_ms=until_ms,
        heard_ms=interruption.heard_ms,
        received_ms=record.story.received_ms.get(interruption.reply),
        heard_text=interruption.heard_text,
    )


def _time_to_silence(reference_ms: int | None, silence_ms: int | None) -> int | None:
    if reference_ms is None:
        return None
    return 0 if silence_ms is None else max(0, silence_ms - reference_ms)


def _onset(record: CallRecord, user: tuple[Segment, ...], interruption: Interruption) -> int | None:
    """True onset of the speech behind a decision: a clip's, else the energy's near the VAD's."""
    at_ms = interruption.at_ms
    clip = _latest((clip.onset_ms for clip in record.clips), at_ms)
    if clip is not None:
        return clip
    # The server may decide before the local VAD is sure; the latter's word then comes later.
    heard = _latest(record.speech_onset_ms, at_ms + SAME_ONSET_MS)
    if heard is None:
        heard = interruption.onset_ms
    if heard is None:
        return None
    near = [s.start_ms for s in user if abs(s.start_ms - heard) <= SAME_ONSET_MS]
    begun = [start for start in near if start <= at_ms]
    if begun:
        return min(begun, key=lambda start: abs(start - heard))
    # Far from every energy onset (speech out of steady noise) the VAD's word is the best there is.
    return heard if heard <= at_ms else None


def _stop_request(record: CallRecord, at_ms: int) -> int:
    """When Stop was requested; the decision itself when no request was noted."""
    requested = _latest(record.stop_ms, at_ms)
    return at_ms if requested is None else requested


def _latest(moments: Iterable[int], at_ms: int) -> int | None:
    """The last of ``moments`` that can have caused something at ``at_ms``."""
    return max((t for t in moments if at_ms - CAUSE_MS <= t <= at_ms), default=None)


def _this_reply(record: CallRecord, interruption: Interruption) -> int:
    """Where the interrupted reply began; the recording's start when that was not noted."""
    begun = (
        start.at_ms
        for start in record.replies
        if start.reply == interruption.reply and start.at_ms <= interruption.at_ms
    )
    return max(begun, default=record.whole.start_ms)


def _next_reply(record: CallRecord, interruption: Interruption) -> int:
    """Where the bot may sound again."""
    following = (
        start.at_ms
        for start in record.replies
        if start.reply != interruption.reply and start.at_ms >= interruption.at_ms
    )
    return min(following, default=record.whole.end_ms)


def _silence(record: CallRecord, start_ms: int, end_ms: int) -> int | None:
    spans = _bot_spans(record, start_ms, end_ms)
    return record.to_ms(spans[-1].end) if spans else None


def _told_silence(record: CallRecord, interruption: Interruption) -> int | None:
    """When the reply's last sample was over, as whoever played it said at the hold or the flush."""
    first_ms = interruption.at_ms if interruption.held_ms is None else interruption.held_ms
    told = (
        silent_ms
        for at_ms, silent_ms in record.silent_ms
        if first_ms <= at_ms <= interruption.at_ms + QUEUES_MS
    )
    return max(told, default=None)


def _bot_spans(record: CallRecord, start_ms: int, end_ms: int) -> tuple[Span, ...]:
    """Audible spans of the bot between two moments; nothing outside counts or bridges."""
    if record.sound is None:
        return ()
    start, end = record.to_sample(start_ms), record.to_sample(end_ms)
    inside = audible_spans(record.sound.bot[start:end])
    return tuple(Span(start + span.start, start + span.end) for span in inside)


def _segments(record: CallRecord, spans: tuple[Span, ...]) -> tuple[Segment, ...]:
    return tuple(Segment(record.to_ms(span.start), record.to_ms(span.end)) for span in spans)
