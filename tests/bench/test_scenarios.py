import pytest

from pipeline_live.audio import OUTPUT_RATE, samples_of, samples_to_ms, to_array
from pipeline_live.bench.scenarios import SCENARIOS, chosen, reply_pcm, script
from pipeline_live.errors import UsageError
from pipeline_live.report.speech import audible_spans


def test_the_reply_is_long_and_without_a_pause():
    pcm = reply_pcm()
    assert 12_000 <= samples_to_ms(samples_of(pcm), OUTPUT_RATE) <= 16_000
    assert len(audible_spans(to_array(pcm), gap_ms=100)) == 1


def test_one_reply_and_nothing_after_it():
    said = script("Hello.")
    assert said.reply(0, greet=True).text == "Hello."
    assert [said.reply(turn).text for turn in (1, 2, 3)] == ["", "", ""]


def test_scenarios_are_chosen_by_name_in_the_order_of_the_table():
    assert chosen([]) == SCENARIOS
    assert [one.name for one in chosen(["deaf", "server", "deaf"])] == ["server", "deaf"]
    with pytest.raises(UsageError, match="no scenario 'loud'; choose from server, prompt"):
        chosen(["server", "loud"])
