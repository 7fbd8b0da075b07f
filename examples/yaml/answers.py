"""Where the survey's answers go."""

from __future__ import annotations

ANSWERS: dict[str, str] = {}


def consent() -> str:
    """The text that has to be read before the first answer is stored."""
    return "Your answers are stored for one year and are deleted when you ask for it in writing."


def store(question: str, answer: str) -> str:
    """Store the answer to a question.

    Args:
        question: Which question.
        answer: What the caller said, in a few words.
    """
    ANSWERS[question] = answer
    return "stored"
