import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_live.bench.statistics import Figures, figures, per_minute, ratio

VALUES = st.lists(st.one_of(st.none(), st.integers(0, 20_000)), max_size=60)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], Figures(0, None, None)),
        ([None, None], Figures(0, None, None)),
        ([7], Figures(1, 7, 7)),
        ([4, None, 2], Figures(2, 3, 4)),
        ([3, 1, 2], Figures(3, 2, 3)),
        (list(range(1, 21)), Figures(20, 10.5, 19)),
        (list(range(1, 101)), Figures(100, 50.5, 95)),
    ],
)
def test_figures(values, expected):
    assert figures(values) == expected


@given(VALUES)
def test_figures_lie_among_the_values_in_any_order(values):
    found = figures(values)
    known = [value for value in values if value is not None]
    assert found == figures(list(reversed(values)))
    assert found.count == len(known)
    if known:
        assert min(known) <= found.median <= found.p95 <= max(known)
        assert found.p95 in known
        assert sum(value <= found.p95 for value in known) >= 0.95 * len(known)


@pytest.mark.parametrize(
    ("ours", "stock", "expected"),
    [(100, 200, 0.5), (0, 200, 0), (100, 0, None), (None, 200, None), (100, None, None)],
)
def test_ratio(ours, stock, expected):
    assert ratio(ours, stock) == expected


def test_per_minute():
    assert per_minute(3, 30_000) == 6
    assert per_minute(0, 30_000) == 0
    assert per_minute(0, 0) is None
