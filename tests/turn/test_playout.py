"""The ledger: what was received, what was heard, which words."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline_live.turn.alignment import RATE
from pipeline_live.turn.playout import PlayoutLedger, Reply


def ledger_with(reply: Reply, seconds: float = 4, *, sink: bool = True) -> PlayoutLedger:
    ledger = PlayoutLedger()
    if sink:
        ledger.attach_sink()
    ledger.start(reply)
    ledger.receive(reply, int(seconds * RATE), at_ms=0)
    return ledger


def test_without_a_sink_playout_runs_in_real_time():
    reply = Reply(1)
    ledger = ledger_with(reply, sink=False)
    ledger.settle(1500)
    assert ledger.heard_ms(reply) == 1500
    ledger.settle(9000)
    assert ledger.heard_ms(reply) == 4000
    assert ledger.waiting() == ()


def test_without_a_sink_replies_play_one_after_the_other():
    first, second = Reply(1), Reply(2)
    ledger = ledger_with(first, 2, sink=False)
    ledger.start(second)
    ledger.receive(second, 2 * RATE, at_ms=100)
    ledger.settle(2500)
    assert (ledger.heard_ms(first), ledger.heard_ms(second)) == (2000, 500)


def test_with_a_sink_nothing_is_assumed():
    reply = Reply(1)
    ledger = ledger_with(reply)
    ledger.settle(9000)
    assert ledger.heard_ms(reply) == 0
    assert ledger.waiting() == (reply,)
    ledger.flush(reply)
    assert ledger.waiting() == ()


def test_words_of_a_complete_reply_are_spread_over_its_sound():
    reply = Reply(1)
    ledger = ledger_with(reply)
    ledger.transcribe(reply, "aaaa bbbb cccc dddd ")
    ledger.complete(reply)
    ledger.play(1, int(2.1 * RATE))
    assert ledger.heard_text(reply) == "aaaa bbbb"
    ledger.play(1, 4 * RATE)
    assert ledger.heard_text(reply) == "aaaa bbbb cccc dddd"


def test_words_do_not_come_before_the_sound_they_came_with():
    reply = Reply(1)
    ledger = PlayoutLedger()
    ledger.attach_sink()
    ledger.start(reply)
    ledger.transcribe(reply, "early ")
    ledger.receive(reply, 4 * RATE, at_ms=0)
    ledger.transcribe(reply, "late ")
    ledger.receive(reply, RATE, at_ms=0)
    ledger.play(1, int(2.7 * RATE))
    assert ledger.heard_text(reply) == "early"


def test_old_accounts_are_forgotten():
    ledger = PlayoutLedger(keep=4)
    for number in range(1, 10):
        ledger.start(Reply(number))
    ledger.play(1, 100)  # unknown by now: no harm
    assert len(ledger._accounts) == 4


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 100_000)), max_size=40))
def test_heard_grows_and_stays_within_what_was_received(steps):
    replies = [Reply(n) for n in range(4)]
    ledger = PlayoutLedger()
    ledger.attach_sink()
    for reply in replies:
        ledger.start(reply)
        ledger.receive(reply, 50_000, at_ms=0)
    before = [0] * 4
    for number, samples in steps:
        ledger.play(number, samples)
        now = [ledger.heard_samples(reply) for reply in replies]
        assert all(old <= new <= 50_000 for old, new in zip(before, now, strict=True))
        before = now


@given(st.text(alphabet="ab ,.", max_size=60), st.integers(0, 4 * RATE), st.booleans())
def test_heard_text_is_whole_words_from_the_beginning(text, played, complete):
    reply = Reply(1)
    ledger = ledger_with(reply)
    ledger.transcribe(reply, text)
    if complete:
        ledger.complete(reply)
    ledger.play(1, played)
    heard = ledger.heard_text(reply).split()
    assert heard == text.split()[: len(heard)]
