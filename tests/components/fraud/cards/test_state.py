import numpy as np
import pytest

from components.fraud.cards.events import Label, Transaction
from components.fraud.cards.state import LAYOUT_VERSION, EntityState, StateError, apply, card_features
from feature_repo.fraud import CARD_FEATURE_NAMES, HOUR_US

NOON_US = 1_767_268_800_000_000
DAY_US = 24 * HOUR_US


def at(days: float, amount: int = 1000, sequence: int | None = None) -> Transaction:
    return Transaction("a", "x", NOON_US + int(days * DAY_US), amount, sequence)


def fraud(days: float, known_days: float, sequence: int | None = None, is_fraud: bool = True) -> Label:
    occurred = NOON_US + int(days * DAY_US)
    return Label("a", "x", occurred, 1000, is_fraud, NOON_US + int(known_days * DAY_US), sequence)


def folded(*events: Transaction | Label) -> EntityState:
    state = EntityState.empty()
    for event in events:
        apply(event, state, None)
    return state


def feature(name: str, days: float, state: EntityState) -> float:
    return float(card_features(at(days), state, state)[CARD_FEATURE_NAMES.index(name)])


def test_windows_expire_without_a_new_event() -> None:
    state = folded(at(0), at(0))
    counts = [feature("customer_count_1d", days, state) for days in (0, 0.9, 1.1)]
    assert counts == [2, 2, 0]
    assert [feature("customer_count_30d", days, state) for days in (29.9, 30.1)] == [2, 0]
    assert [feature("terminal_count_10m", days, state) for days in (0.005, 0.01)] == [2, 0]


def test_transactions_and_labels_mature_without_a_new_event() -> None:
    state = folded(at(0), at(0.01), fraud(0, 3))
    hour = 1 / 24
    assert [feature("terminal_matured_7d", 7 + wait, state) for wait in (0, hour, 7, 7 + 2 * hour)] == [0, 2, 2, 0]
    assert [feature("terminal_frauds_7d", 7 + wait, state) for wait in (0, hour, 7, 7 + 2 * hour)] == [0, 1, 1, 0]
    assert feature("terminal_risk_7d", 8, state) == 0.5


def test_a_label_that_comes_late_counts_from_when_it_is_known() -> None:
    state = folded(at(0), fraud(0, 20))
    hour = 1 / 24
    assert [feature("terminal_frauds_30d", days, state) for days in (19, 20, 20 + hour, 49, 51)] == [0, 0, 1, 1, 0]


def test_a_genuine_label_changes_no_feature_but_the_sequence() -> None:
    state, without = folded(at(0, sequence=4), fraud(0, 8, 5, is_fraud=False)), folded(at(0, sequence=4))
    assert np.array_equal(card_features(at(9), state, state), card_features(at(9), without, without))
    assert (state.last_sequence, without.last_sequence) == (5, 4)


def test_an_event_that_the_state_holds_is_skipped() -> None:
    state = folded(at(0, sequence=1), at(1, sequence=2), fraud(0, 2, 3))
    before = state.encode()
    for event in (at(0, sequence=1), at(1, sequence=2), fraud(0, 2, 3)):
        apply(event, state, None)
    assert state.encode() == before


def test_each_side_skips_for_itself() -> None:
    customer, terminal = folded(at(0, sequence=1)), EntityState.empty()
    apply(at(0, sequence=1), customer, terminal)
    assert (feature("customer_count_1d", 0.1, customer), feature("customer_count_1d", 0.1, terminal)) == (1, 1)


def test_an_event_without_a_sequence_always_counts() -> None:
    state = folded(at(0, sequence=9), at(0.1))
    assert (feature("customer_count_1d", 0.2, state), state.last_sequence) == (2, 9)


def test_a_late_event_counts_in_its_own_bucket_from_its_commit_on() -> None:
    in_order, late = folded(at(0), at(3), at(5)), folded(at(0), at(5), at(3))
    assert late.encode() == in_order.encode()
    assert feature("customer_count_7d", 3, folded(at(0), at(5))) == 1, "what happened after it is not before it"
    assert feature("customer_seconds_since_last", 3, folded(at(0), at(5))) == 0


def test_a_state_far_behind_the_clock_drops_a_late_event_at_once() -> None:
    state = folded(at(100))
    before = state.encode()
    apply(at(50), state, None)
    assert state.encode() == before


def test_the_encoded_size_is_bounded_for_ever() -> None:
    state, sizes = EntityState.empty(), []
    for hour in range(2500):
        apply(at(hour / 24), state, None)
        apply(fraud(hour / 24 - 8, hour / 24), state, None)
        sizes.append(len(state.encode()))
    assert sizes[-1] == max(sizes) < 40 * 1024
    assert sizes[-1] == sizes[1500], "an old entity is no larger than one of two months"


def test_a_quiet_terminal_whose_labels_keep_coming_stays_bounded() -> None:
    state = folded(at(0))
    for hour in range(3000):
        apply(fraud(0, 8 + hour / 24), state, None)
    assert len(state.encode()) < 40 * 1024


def test_labels_of_the_future_push_no_window_out() -> None:
    """A fraud that is known at once counts only in a week: until then the oldest of the month must stay."""
    state = folded(at(0), fraud(0, 7), at(36), fraud(36, 36))
    assert feature("terminal_frauds_30d", 36.9, state) == 1


def test_encoding_and_decoding_give_the_same_bytes_and_features() -> None:
    state = folded(*(at(day / 3, 1000 + day, day) for day in range(200)), fraud(50, 60, 201))
    again = EntityState.decode(state.encode())
    assert again.encode() == state.encode()
    assert np.array_equal(card_features(at(67), again, again), card_features(at(67), state, state))
    apply(at(67, sequence=300), again, None)
    assert again.last_sequence == 300


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "received no bytes"),
        (bytes([LAYOUT_VERSION + 1]) + bytes(40), f"received layout {LAYOUT_VERSION + 1}.*materialise the states"),
        (folded(at(0)).encode()[:-1], "cut short"),
        (folded(at(0)).encode()[:10], "expected an entity state"),
    ],
)
def test_bytes_that_are_no_state_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(StateError, match=message):
        EntityState.decode(data)


def test_a_state_before_any_event_gives_finite_features() -> None:
    found = card_features(at(0), EntityState.empty(), EntityState.empty())
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
