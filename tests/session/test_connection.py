"""Why a connection could not be opened, whether trying again can help, and what to do."""

import pytest
from google.genai import errors

from pipeline_live.session.connection import explain

REFUSALS = [
    (1011, "Token has been used too many times", True, "make a new ephemeral token"),
    (1011, "Auth token has expired.", True, "make a new ephemeral token"),
    (1007, "Missing or malformed auth token.", True, "make a new ephemeral token"),
    (1007, "API key not valid. Please pass a valid API key.", True, "check GEMINI_API_KEY"),
    (1008, "models/nope is not found for API version v1beta", True, "choose a Live model"),
    (1007, "Request contains an invalid argument.", True, "see the reason"),
    (1007, "The input token count exceeds the maximum number of tokens", True, "see the reason"),
    (1008, "", True, "closed during the set-up"),
    (1011, "Internal error encountered.", False, "Internal error"),
    (1011, "The service is currently unavailable.", False, "unavailable"),
    (1011, "", False, "closed during the set-up"),
    (1006, "", False, "closed during the set-up"),
]


@pytest.mark.parametrize(("code", "reason", "terminal", "said"), REFUSALS)
def test_a_refusal_is_explained(code, reason, terminal, said):
    failure = explain(errors.APIError(code, reason, None))
    assert (failure.code, failure.terminal) == (code, terminal)
    assert said in str(failure)
    assert str(failure).startswith(f"no Gemini Live connection ({code}): ")
    assert len(str(failure).splitlines()) == 1
