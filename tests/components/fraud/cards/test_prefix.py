import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from components.fraud.cards.prefix import range_maxima


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.data())
def test_range_maxima_are_those_of_each_slice(values: list[int], data: st.DataObject) -> None:
    edge = st.integers(0, len(values))
    pairs = [sorted(pair) for pair in data.draw(st.lists(st.tuples(edge, edge), min_size=1, max_size=20))]
    start, stop = np.array(pairs).T
    found = range_maxima(np.array(values), start, stop)
    assert found.tolist() == [max(values[a:b], default=0) for a, b in pairs]
