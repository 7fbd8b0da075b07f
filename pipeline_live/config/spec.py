"""Everything a bot's file can say: the one place that parsing, lint, list, schema and docs read.

Each component names the class that it becomes; the builder makes it, and a test shows that every
field here has an effect there.
"""

from __future__ import annotations

from pipeline_live.config.components import Component, Field, ListOf, MapOf, OneOf
from pipeline_live.config.faults import FAULT
from pipeline_live.config.kinds import Boolean, Choice, Data, File, Number, Text, whole
from pipeline_live.config.names import FUNCTION_NAME, PythonName

_LANGUAGE = r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?"
_LOCALHOST = "localhost"
_MS = 60_000

CLASS = Field(
    "class",
    PythonName(("class", "function")),
    "Class or function that makes it, as `module:name`.",
    required=True,
    example="pipecat.processors.logger:FrameLogger",
)
ARGS = Field(
    "args",
    MapOf(Data(), "argument"),
    "Keyword arguments; `{python: module:name}` among them becomes an object.",
    example="{prefix: heard}",
)

# --- the model --------------------------------------------------------------------------------

_GENERATION = (
    Field("temperature", Number(0, 2), "How freely it chooses words.", example=0.7),
    Field("top_p", Number(0, 1), "Choose among words of this total probability.", example=0.95),
    Field("top_k", whole(1, 1000), "Choose among so many words.", example=40),
    Field("max_tokens", whole(1, 65_536), "Longest answer, in tokens.", default=4096),
    Field("seed", whole(0, 2**31 - 1), "The same seed gives more similar answers.", example=7),
    Field(
        "thinking_level",
        Choice(("minimal", "low", "medium", "high")),
        "How much it thinks (3.1 and extended-thinking).",
    ),
    Field("thinking_budget", whole(-1, 32_768), "Tokens it may think (2.5); 0 is none.", example=0),
    Field("include_thoughts", Boolean(), "Send summaries of what it thinks.", example=True),
    Field("affective_dialog", Boolean(), "Adapt its tone to the user's (2.5).", example=True),
    Field("proactive_audio", Boolean(), "It may stay silent at what is not for it.", example=True),
    Field("modality", Choice(("audio", "text")), "What it answers in.", default="audio"),
    Field("media_resolution", Choice(("low", "medium", "high")), "Resolution of images for it."),
    Field(
        "compress_at_tokens",
        whole(1000, 128_000),
        "Compress the conversation when it is longer; needed beyond 15 minutes.",
        example=32_000,
    ),
)

GEMINI_LIVE = Component(
    "gemini_live",
    "The model, over the Gemini API.",
    (
        Field(
            "api_key",
            Text(secret=True),
            "Key; GEMINI_API_KEY when left out, and the emulator when that is not set.",
            example="${GEMINI_API_KEY}",
        ),
        *_GENERATION,
    ),
    builds="pipeline_live.processors:GeminiLiveService",
)
GEMINI_LIVE_VERTEX = Component(
    "gemini_live_vertex",
    "The model, over Vertex AI.",
    (
        Field("project", Text(), "Google Cloud project.", required=True, example="my-project"),
        Field("location", Text(), "Region.", default="us-central1"),
        Field(
            "credentials",
            File(exists=True, suffix=".json"),
            "Service account file; the application default when left out.",
            example="service-account.json",
        ),
        *_GENERATION,
    ),
    builds="pipeline_live.processors:GeminiLiveVertexService",
)
MODELS = (GEMINI_LIVE, GEMINI_LIVE_VERTEX)

# --- steps ------------------------------------------------------------------------------------

MIC = Component(
    "mic",
    "Where the user's voice comes in: the input of the transport.",
    (Field("sample_rate", whole(8000, 48_000), "Samples per second.", default=16_000),),
)
SILERO_VAD = Component(
    "silero_vad",
    "Hears speech, for steps that want to know; the model's step listens by itself too.",
    builds="pipeline_live.processors:SileroVAD",
)
PLAYBACK = Component(
    "playback",
    "Holds, resumes and drops replies; added before the speaker when left out.",
    (
        Field("chunk_ms", whole(10, 100), "Sound is released in pieces this long.", default=20),
        Field("lead_ms", whole(0, 500), "How long before its time.", default=35),
    ),
    builds="pipeline_live.processors:Playback",
)
SPEAKER = Component(
    "speaker",
    "Where the bot's voice goes out: the output of the transport.",
    (Field("volume", Number(0, 4), "Loudness; 1 leaves it as it is.", default=1.0),),
)
PYTHON_STEP = Component(
    "python",
    "Any Pipecat processor, VAD analyzer, audio filter or transport.",
    (CLASS, ARGS),
    short="class",
)
STEPS = OneOf("step", (MIC, SILERO_VAD, *MODELS, PLAYBACK, SPEAKER, PYTHON_STEP))

DEFAULT_STEPS = ("mic", "gemini_live", "playback", "speaker")

# --- floor and interruption -------------------------------------------------------------------

_SENSITIVITY = Choice(("high", "low"))
FLOOR = OneOf(
    "floor",
    (
        Component(
            "server",
            "Gemini's automatic voice detection decides when the user has spoken.",
            (
                Field("start_sensitivity", _SENSITIVITY, "How easily speech begins."),
                Field("end_sensitivity", _SENSITIVITY, "How easily speech ends."),
                Field(
                    "prefix_padding_ms",
                    whole(0, _MS),
                    "Speech needed before it counts.",
                    example=100,
                ),
                Field(
                    "silence_duration_ms",
                    whole(0, _MS),
                    "Silence after which the user has finished.",
                    example=800,
                ),
                Field(
                    "turn_coverage",
                    Choice(("activity", "all_input", "audio_activity_and_all_video")),
                    "What belongs to a user's turn.",
                ),
            ),
        ),
        Component(
            "local",
            "The ears here decide, and tell Gemini.",
            (
                Field(
                    "smart_turn",
                    Boolean(),
                    "Ask a model at each pause whether the sentence sounds complete.",
                    default=True,
                ),
                Field("pause_ms", whole(32, _MS), "Silence after which it is asked.", default=160),
                Field(
                    "end_ms",
                    whole(32, _MS),
                    "Silence that ends a turn, without smart_turn.",
                    default=700,
                ),
                Field(
                    "patience_ms",
                    whole(32, _MS),
                    "Silence that ends a turn that does not sound complete.",
                    default=2000,
                ),
            ),
        ),
    ),
)

_EARS = (
    Field("threshold", Number(0, 1), "Probability that counts as speech.", default=0.4),
    Field("release", Number(0, 1), "Below it speech in progress pauses.", default=0.35),
    Field(
        "confirm_ms",
        whole(32, 5000),
        "Speech that ends a reply, in steps of 32 ms; longer lets hesitations pass.",
        default=288,
    ),
    Field("bridge_ms", whole(0, 2000), "A gap up to this long is no pause.", default=160),
)
_PHANTOM = Field(
    "phantom",
    Choice(("end", "play_on")),
    "What Gemini's `interrupted` does while nobody is heard to speak: it ends the reply, or what "
    "was received plays on.",
    default="end",
)
INTERRUPTION = OneOf(
    "interruption",
    (
        Component(
            "hold",
            "Suspected speech holds the reply, lasting speech ends it.",
            (
                *_EARS,
                Field("certain", Number(0, 1), "Holds after one window.", default=0.75),
                Field("suspect_ms", whole(32, 1000), "Speech that holds a reply.", default=64),
                Field("limit_ms", whole(100, 3000), "Longest hold.", default=1500),
                _PHANTOM,
            ),
        ),
        Component("cut", "Lasting speech ends the reply; nothing is held.", (*_EARS, _PHANTOM)),
        Component("off", "Only Gemini ends a reply; on the local floor lasting speech does."),
    ),
)

UNINTERRUPTIBLE = ListOf(
    Choice(("greeting", "tool_calls", "always")), "uninterruptible part", single=True
)

# --- transports -------------------------------------------------------------------------------

_SERVER = (
    Field("host", Text(), "Address to listen on.", default=_LOCALHOST),
    Field("port", whole(1, 65_535), "TCP port.", default=7860),
)
FILES = Component(
    "files",
    "A recording speaks, and the call is recorded as heard: user left, bot right.",
    (
        Field("input", File(exists=True), "What the user says.", example="question.wav"),
        Field("output", File(exists=False), "The recording.", default="call.wav"),
        Field("device_buffer_ms", whole(0, 1000), "What a sound card would hold.", default=40),
        Field(
            "end_after_ms",
            whole(100, 600_000),
            "The call ends when both have been silent for so long.",
            default=3000,
        ),
    ),
)
TRANSPORT = OneOf(
    "transport",
    (
        Component(
            "local",
            "Microphone and loudspeaker of this machine.",
            (
                Field("microphone", Text(), "Number or part of a name.", example="USB"),
                Field("loudspeaker", Text(), "Number or part of a name.", example="USB"),
                Field(
                    "echo_cancellation",
                    Boolean(),
                    "Take the bot's voice out of what the microphone hears.",
                    default=True,
                ),
                Field(
                    "device_buffer_ms",
                    whole(5, 1000),
                    "What the loudspeaker keeps ahead.",
                    default=30,
                ),
            ),
        ),
        Component("browser", "A page in the browser, over WebRTC.", _SERVER),
        Component(
            "telephony",
            "Phone calls over a WebSocket.",
            (
                Field(
                    "provider",
                    Choice(("twilio", "telnyx", "plivo", "exotel")),
                    "Who carries the calls.",
                    default="twilio",
                ),
                *_SERVER,
                Field(
                    "hang_up",
                    Boolean(),
                    "End the call at the provider when the bot ends; takes its credentials.",
                    default=False,
                ),
                Field(
                    "public_host",
                    Text(pattern=r"[A-Za-z0-9.-]+(:[0-9]+)?", like="bot.example.com"),
                    "Name under which the provider reaches this machine.",
                    example="bot.example.com",
                ),
            ),
            short="provider",
        ),
        FILES,
        Component(
            "python",
            "Any Pipecat transport.",
            (
                Field(
                    CLASS.name,
                    CLASS.kind,
                    CLASS.about,
                    required=True,
                    example="pipeline_live.processors:LocalTransport",
                ),
                ARGS,
            ),
            short="class",
        ),
    ),
)

# --- tools ------------------------------------------------------------------------------------

_TOOL = (
    Field("timeout_ms", whole(1, 600_000), "Give up after so long.", default=10_000),
    Field(
        "cancel_on_interruption",
        Boolean(),
        "An interruption of the bot ends the call of the tool.",
        default=True,
    ),
    Field(
        "uninterruptible",
        Boolean(),
        "From its call until its answer was spoken the user cannot interrupt.",
        default=False,
    ),
)
TOOL = OneOf(
    "tool",
    (
        Component(
            "python",
            "A function; its type hints and docstring tell the model how to call it.",
            (
                Field(
                    "function",
                    PythonName(("function", "coroutine function"), tool=True),
                    "The function, as `module:name`.",
                    required=True,
                    example="desk:book_table",
                ),
                *_TOOL,
            ),
            short="function",
        ),
        Component(
            "http",
            "A web service.",
            (
                Field(
                    "name",
                    Text(pattern=FUNCTION_NAME, like="opening_hours"),
                    "What the model calls it.",
                    required=True,
                    example="opening_hours",
                ),
                Field(
                    "description",
                    Text(),
                    "What it does, for the model.",
                    required=True,
                    example="When the restaurant is open on a day.",
                ),
                Field(
                    "url",
                    Text(pattern=r"https?://.+", like="https://example.com/hours"),
                    "Where; `{name}` in its path is filled from the arguments.",
                    required=True,
                    example="https://example.com/hours",
                ),
                Field(
                    "method",
                    Choice(("GET", "POST", "PUT", "PATCH", "DELETE")),
                    "Arguments go into the query with GET and DELETE, else into a JSON body.",
                    default="GET",
                ),
                Field(
                    "headers",
                    MapOf(Text(), "header"),
                    "Sent along.",
                    example="{Authorization: Bearer ${DESK_TOKEN}}",
                ),
                Field(
                    "parameters",
                    Data(),
                    "JSON Schema of the arguments, of type object.",
                    example="{type: object, properties: {day: {type: string}}}",
                ),
                *_TOOL,
            ),
        ),
        Component("google_search", "Google's search, as a tool of the model."),
    ),
)

# --- tests ------------------------------------------------------------------------------------

REPLY = Component(
    "reply",
    "What the emulated model answers to one user turn.",
    (
        Field("say", Text(), "What it speaks; after the tool's result, with a tool."),
        Field("call", Text(), "Name of a tool that it calls first.", example="book_table"),
        Field("args", MapOf(Data(), "argument"), "Arguments of the call.", example="{people: 2}"),
        Field("delay_ms", whole(0, 30_000), "From the user's last word to its first.", example=300),
    ),
    short="say",
)
_ABSENT = "for the opposite add absent: true"
EXPECT = Component(
    "expectation",
    "What must happen after a line, or with `absent` must not.",
    (
        Field("answered", Boolean(_ABSENT), "The bot begins to speak.", example=True),
        Field("heard", Text(), "These words of the bot were heard.", example="table for two"),
        Field("tool_called", Text(), "This tool was called.", example="book_table"),
        Field("interrupted", Boolean(_ABSENT), "A reply was ended by the user.", example=True),
        Field("silent", Boolean(_ABSENT), "The bot is silent.", example=True),
        Field(
            "with",
            MapOf(Data(), "argument"),
            "Beside `tool_called`: arguments that it had.",
            example="{people: 2}",
        ),
        Field(
            "within_ms",
            whole(1, 120_000),
            "How soon: from the line's end; interruption and silence from its beginning.",
            default=10_000,
        ),
        Field("absent", Boolean(), "It must not happen within that time.", default=False),
    ),
    one_of=("answered", "heard", "tool_called", "interrupted", "silent"),
    flags=("answered", "interrupted", "silent"),
)
LINE = Component(
    "line",
    "One thing that the caller does, and what must follow.",
    (
        Field("say", Text(), "The caller says this.", example="A table for two, please."),
        Field("play", File(exists=True), "The caller says what is recorded.", example="hm.wav"),
        Field(
            "silence",
            whole(1, 120_000),
            "Nobody says anything for so many ms; as the first line it also sees the greeting.",
            example=500,
        ),
        Field("noise", whole(1, 120_000), "It is noisy for so many ms.", example=1000),
        Field("stop", Boolean("leave the line out"), "Somebody presses Stop.", example=True),
        Field(
            "interrupt_after_ms",
            whole(0, 120_000),
            "Do it when so much of the reply was heard; otherwise when the bot is silent.",
            example=1500,
        ),
        Field(
            "expect",
            ListOf(EXPECT, "expectation", single=True),
            "What must follow.",
            example="{answered: true}",
        ),
    ),
    one_of=("say", "play", "silence", "noise", "stop"),
    flags=("stop",),
)
TEST = Component(
    "test",
    "A spoken conversation with the emulator, and what must happen in it.",
    (
        Field("name", Text(), "What it shows.", required=True, example="books a table"),
        Field(
            "replies",
            ListOf(REPLY, "reply"),
            "What the model answers, turn by turn; made-up answers afterwards.",
            example="[Hello!]",
        ),
        Field(
            "conversation",
            ListOf(LINE, "line"),
            "What happens, line by line.",
            required=True,
            example="[{say: Hello?}]",
        ),
        Field(
            "tool_results",
            MapOf(Data(), "tool"),
            "Answers of tools, in place of theirs.",
            example="{book_table: {ok: true}}",
        ),
        Field(
            "faults",
            ListOf(FAULT, "fault"),
            "What the model does wrong.",
            example="[missed-interrupt]",
        ),
        Field("seed", whole(0, 2**31 - 1), "Decides the intervals that vary.", default=0),
    ),
)

# --- the bot ----------------------------------------------------------------------------------

BOT = Component(
    "a bot",
    "A voice bot.",
    (
        Field("name", Text(), "What it is called.", default="bot"),
        Field(
            "instruction",
            Text(),
            "What it is and how it behaves.",
            required=True,
            example="You are a friendly receptionist.",
        ),
        Field(
            "greeting",
            Text(),
            "How it opens the call, as an order to it; without one the user speaks first.",
            example="Greet the caller in one sentence.",
        ),
        Field("model", Text(), "Live model.", default="gemini-3.8-live"),
        Field("voice", Text(), "Voice of the model.", default="Charon"),
        Field(
            "language",
            Text(pattern=_LANGUAGE, like="en-US"),
            "Language that it speaks.",
            default="en-US",
        ),
        Field("floor", FLOOR, "Who decides when the user has spoken.", default="server"),
        Field(
            "interruption", INTERRUPTION, "What the user's voice does to a reply.", default="hold"
        ),
        Field(
            "uninterruptible", UNINTERRUPTIBLE, "When the user is not heard.", example="greeting"
        ),
        Field("transport", TRANSPORT, "How people talk to it.", default="local"),
        Field(
            "pipeline",
            ListOf(STEPS, "step"),
            "The way of the sound, step by step.",
            default=list(DEFAULT_STEPS),
        ),
        Field("tools", ListOf(TOOL, "tool"), "What it can do.", example="[google_search]"),
        Field("tests", ListOf(TEST, "test"), "Conversations for `pipeline-live test`."),
    ),
)
