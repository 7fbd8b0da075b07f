from hypothesis import given
from hypothesis import strategies as st

from pipeline_live.bench.chart import LEFT, RIGHT, chart, x_of
from pipeline_live.bench.scenarios import SCENARIOS, Side
from pipeline_live.report.picture import WIDTH

from .calls_made import outcome, scenarios

DURATIONS = st.integers(0, 60_000)


@given(DURATIONS, DURATIONS)
def test_longer_is_further_right_and_never_outside(one, other):
    assert LEFT <= x_of(min(one, other)) <= x_of(max(one, other)) <= RIGHT


def test_a_chart_grows_with_what_was_tried():
    outcomes = [
        outcome(scenario.name, side, silenced=silenced)
        for scenario in SCENARIOS
        for side in Side
        for silenced in (True, False)
    ]
    whole = chart(SCENARIOS, outcomes, "a day")
    part = chart(scenarios("server"), outcomes, "a day")
    assert whole.width == part.width == WIDTH
    assert whole.height > part.height


def test_a_chart_of_noise_alone_or_of_nothing_can_be_drawn():
    only_noise = chart(scenarios("noise"), [outcome("noise", to_silence_ms=None)], "")
    empty = chart(scenarios("server"), [], "")
    assert only_noise.height > 100
    assert empty.height > 100
