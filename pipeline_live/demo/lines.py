"""What is said in the demo: the user's lines, and the emulated model's."""

from __future__ import annotations

from pipeline_live.emulator import Reply, Script

INSTRUCTION = "You are a friendly harbour guide on the phone. Answer in a few sentences."
OPENING = "Greet the caller in one short sentence."

QUESTION = "Hello! Can you tell me something about the old harbour?"
BARGE_IN = "Sorry, stop for a moment. When does the ferry leave?"
LAST_QUESTION = "Thank you. And where can I buy a ticket?"

SCRIPT = Script(
    [
        Reply("Hello, this is the harbour guide. What would you like to know?"),
        Reply(
            "The old harbour is almost four hundred years old. It began as a row of wooden huts, "
            "where fishermen dried their nets. Later came the merchants, with ships full of salt, "
            "timber and spices. In seventeen ninety a great fire burned half of it down, and what "
            "you see today was built after that. The red lighthouse at the end of the pier still "
            "works, and on clear evenings you can see its light from thirty kilometres away.",
            heard=QUESTION,
        ),
        Reply(
            "The ferry leaves from pier three. On working days it sails every hour, from six in "
            "the morning until ten at night. On Sundays the first one leaves at eight. The trip "
            "takes about forty minutes, and you may take a bicycle with you for free.",
            heard=BARGE_IN,
        ),
        Reply(
            "You can buy a ticket at the little office by the clock tower, or on board.",
            heard=LAST_QUESTION,
        ),
    ]
)
