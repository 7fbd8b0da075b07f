"""A bot as a YAML file: one spec, read strictly, every finding with its line and column.

Nothing here loads Pipecat, google-genai or numpy; ``lint`` takes a tenth of a second. The builder
makes the bot.
"""

from pipeline_live.config.check import Bot, findings_of, load
from pipeline_live.config.components import Chosen
from pipeline_live.config.findings import Finding

__all__ = ["Bot", "Chosen", "Finding", "findings_of", "load"]
