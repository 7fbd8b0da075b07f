"""What the emulator says in ``pipeline-live talk``; it hears when somebody speaks, but no words."""

from __future__ import annotations

from pipeline_live.emulator import Script

INSTRUCTION = "You are talking with somebody by voice. Answer in a few short sentences."
OPENING = "Greet me in one short sentence."

SCRIPT = Script(
    [
        "Hello, this is the emulator, which stands in for Gemini. I hear that you speak, but I do "
        "not understand a word. Say anything, and I will tell you about an old harbour. "
        "Interrupt me whenever you like.",
        "The old harbour is almost four hundred years old. It began as a row of wooden huts, where "
        "fishermen dried their nets. Later came the merchants, with ships full of salt, timber and "
        "spices. In seventeen ninety a great fire burned half of it down, and what you see today "
        "was built after that. Cough, and I will wait for a moment and go on.",
        "The red lighthouse at the end of the pier still works. On clear evenings you can see its "
        "light from thirty kilometres away. Its keeper was a quiet man, who wrote down every ship "
        "that passed, for forty years, with the weather and the time of day.",
        "The ferry leaves from pier three. On working days it sails every hour, from six in the "
        "morning until ten at night. On Sundays the first one leaves at eight. The trip takes "
        "about forty minutes, and you may take a bicycle with you for free.",
    ]
)
