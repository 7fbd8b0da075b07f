"""What Pipecat's context holds of a reply: the words that were heard, in the right place.

Three things would go wrong otherwise. Transcripts run ahead of their sound. An InterruptionFrame
closes the assistant's message before the last words have come through the queues on the way, and
before the user's question is written, which waits a second for late words. And whoever interrupts
from behind the sink is first at the aggregator.

So ``Playback`` hands words on when they were heard, as ``HeardTextFrame``; the service has the
question written before it passes an interruption on; and a ``ContextCorrectionFrame`` follows the
interruption and looks whether the message holds what the ledger says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pipecat.frames.frames import LLMMessagesTransformFrame, SystemFrame, TTSTextFrame
from pipecat.processors.aggregators.llm_response_universal import LLMUserAggregator
from pipecat.processors.frame_processor import FrameProcessor

from pipeline_live.processors import tags
from pipeline_live.processors.neighbours import before
from pipeline_live.session import Call
from pipeline_live.turn import Reply

_WHOLE_PHRASES = "sentence"  # the kind that the base service gives its transcripts


@dataclass
class HeardTextFrame(TTSTextFrame, SystemFrame):
    """Words of a reply that the user has just heard.

    A system frame, for words that stand in a queue when an InterruptionFrame comes are thrown away.
    """


@dataclass
class ContextCorrectionFrame(LLMMessagesTransformFrame):
    """Puts right what the context holds of an interrupted reply."""

    interruptible: bool = field(default=False, init=False)


class Words:
    """Hands on the words of a call's replies, each when it was heard.

    Args:
        call: Its ledger knows what was heard.
    """

    def __init__(self, call: Call) -> None:
        self._ledger = call.ledger
        self._reply: Reply | None = None
        self._told = 0  # characters of its transcript
        self._last: HeardTextFrame | None = None

    def replaces(self, frame: TTSTextFrame) -> bool:
        """Whether ``frame`` holds words that will be handed on in its place."""
        reply = tags.reply_of(frame)
        return reply is not None and bool(self._ledger.transcript(reply.number))

    def heard(self, reply: Reply | None) -> HeardTextFrame | None:
        """The words of ``reply`` that were heard since the last question; None when there are none.

        One reply after the other.
        """
        return None if reply is None else self._up_to(reply, self._ledger.heard_chars(reply.number))

    def rest(self, reply: Reply) -> HeardTextFrame | None:
        """All words of ``reply`` that were not handed on yet, for a reply at its end."""
        return self._up_to(reply, len(self._ledger.transcript(reply.number)))

    def take_back(self) -> None:
        """The assistant's message was closed already: words on the way belong to no message."""
        if self._last is not None:
            self._last.append_to_context = False

    def _up_to(self, reply: Reply, chars: int) -> HeardTextFrame | None:
        if reply is not self._reply:
            self._reply, self._told = reply, 0
        text = self._ledger.transcript(reply.number)[self._told : chars]
        if not text:
            return None
        self._told = chars
        frame = HeardTextFrame(text, _WHOLE_PHRASES)
        frame.includes_inter_frame_spaces = True
        tags.tag_reply(frame, reply)
        self._last = frame
        return frame


def user_aggregator_before(processor: FrameProcessor) -> LLMUserAggregator | None:
    """The aggregator of the user's words in front of ``processor``, if there is one."""
    found = (one for one in before(processor) if isinstance(one, LLMUserAggregator))
    return next(found, None)


def correction(spoken: str, heard: str, question: str = "") -> ContextCorrectionFrame:
    """A frame that corrects the context once the aggregator has closed the reply's message.

    Args:
        spoken: The whole transcript of the reply.
        heard: The words of it that were heard.
        question: What the user had said before it, if it was written only now.
    """

    def transform(messages: list[Any]) -> list[Any]:
        return corrected(messages, spoken, heard, question)

    return ContextCorrectionFrame(transform=transform, run_llm=False)


def corrected(messages: list[Any], spoken: str, heard: str, question: str = "") -> list[Any]:
    """``messages`` with the words of an interrupted reply replaced by those that were heard.

    The reply's message is looked for from the end, no further than to the user's last words before
    it; where it is missing it is added, where nothing was heard it is taken out.

    Args:
        messages: A context's messages.
        spoken: The whole transcript of the reply.
        heard: The words of it that were heard.
        question: A user's message with these words belongs before the reply.
    """
    spoken, heard = _plain(spoken), _plain(heard)
    after: list[Any] = []  # the question, where it was written behind the reply
    for index in range(len(messages) - 1, -1, -1):
        words = _words_of(messages[index])
        role = messages[index].get("role") if isinstance(messages[index], dict) else None
        if role == "user":
            if not question or words != _plain(question):
                break
            after = [messages[index]]
        elif role == "assistant" and words and (begin := spoken.find(words)) >= 0:
            rest = [message for message in messages[index + 1 :] if message not in after]
            left = heard[begin:].strip()
            if left == words and not after:
                return messages
            own = [{**messages[index], "content": left}] if left else []
            return [*messages[:index], *after, *own, *rest]
    return [*messages, {"role": "assistant", "content": heard}] if heard else messages


def _words_of(message: Any) -> str:
    content = message.get("content") if isinstance(message, dict) else None
    return _plain(content) if isinstance(content, str) else ""


def _plain(text: str) -> str:
    return " ".join(text.split())
