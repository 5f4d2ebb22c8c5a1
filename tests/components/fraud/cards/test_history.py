import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.fraud.cards.history import OtherDefinitionsError, build_history, final_states, read_card_features
from components.fraud.cards.table import TransactionsError
from feature_repo.fraud import CARD_FEATURE_NAMES, HOUR_US, LABEL_DELAY_US, MINUTE_US, card_feature_digest
from tests.components.fraud.cards.conftest import Row, stream, write_rows

FIRST_US = 1_767_225_600_000_000
DAY_US = 24 * HOUR_US

Write = Callable[[Sequence[Row]], Path]

waits = st.one_of(
    st.sampled_from([0, 0, 1, MINUTE_US, 10 * MINUTE_US, HOUR_US, HOUR_US - 1, DAY_US, 7 * DAY_US, 30 * DAY_US]),
    st.integers(0, 40 * DAY_US),
)
amounts = st.one_of(st.sampled_from([0, 1, 99, 10**12]), st.integers(0, 1_000_000))


@st.composite
def histories(draw: st.DrawFn) -> list[Row]:
    """Sorted rows of few entities, many at one moment, with labels that come early, on time, late or never."""
    rows, at = [], FIRST_US + draw(st.integers(0, HOUR_US))
    for index in range(draw(st.integers(1, 40))):
        at += draw(waits)
        fraud = draw(st.sampled_from([None, False, True, True]))
        known = None if fraud is None else draw(st.one_of(st.none(), waits.map(lambda wait, at=at: at + wait)))
        customer, terminal = draw(st.sampled_from("abc")), draw(st.sampled_from("xy"))
        rows.append(Row(f"T{index:03}", at, customer, terminal, draw(amounts), fraud, known))
    return rows


def built(rows: Sequence[Row], **sizes: int) -> np.ndarray:
    """The features `[N, F]` of the vectorised way, through files."""
    with tempfile.TemporaryDirectory() as name:
        source = write_rows(Path(name) / "transactions.parquet", rows, row_group_size=6)
        build_history(source, Path(name) / "features.parquet", **sizes)
        table = read_card_features(Path(name) / "features.parquet")
    return np.column_stack([table[feature].to_numpy() for feature in CARD_FEATURE_NAMES])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories())
def test_history_and_stream_agree_to_the_bit(rows: list[Row]) -> None:
    streamed, _ = stream(rows)
    from_history = built(rows, partition_rows=7, chunk_rows=5)
    differing = (streamed.view(np.uint32) != from_history.view(np.uint32)).any(axis=0)
    assert not differing.any(), np.array(CARD_FEATURE_NAMES)[differing]
    assert np.isfinite(streamed).all()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories(), st.floats(0, 1.2))
def test_final_states_are_the_bytes_that_the_fold_leaves(rows: list[Row], share: float) -> None:
    until = rows[0].occurred_us + int((rows[-1].occurred_us - rows[0].occurred_us) * share)
    _, states = stream(rows, until)
    for state in states.values():
        state.last_sequence = -1
    with tempfile.TemporaryDirectory() as name:
        source = write_rows(Path(name) / "transactions.parquet", rows)
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=until)
        found = {(kind, entity): state for kind, entity, state in final_states(source, at, partition_rows=9)}
    assert {key: state.encode() for key, state in found.items()} == {key: s.encode() for key, s in states.items()}


def test_the_table_keeps_its_columns_and_carries_the_digest(transactions_file: Write, tmp_path: Path) -> None:
    rows = [Row(f"T{i}", FIRST_US + i * HOUR_US, "a", "x", 100 * i, i == 2, FIRST_US + DAY_US) for i in range(4)]
    source, output = transactions_file(rows), tmp_path / "features.parquet"
    report = build_history(source, output)
    table = pq.read_table(output)
    assert table.select(pq.read_schema(source).names).equals(pq.read_table(source))
    assert table.column_names[-len(CARD_FEATURE_NAMES) :] == list(CARD_FEATURE_NAMES)
    assert (report.rows, report.frauds, report.feature_digest) == (4, 1, card_feature_digest())
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".history")] == []


def test_features_of_other_definitions_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "features.parquet"
    pq.write_table(pa.table({"amount": [1.0]}), path)
    with pytest.raises(OtherDefinitionsError, match="definitions none.*build the features again"):
        read_card_features(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"amount_minor": -1}, "row 2 .* negative amount: 'T2'"),
        ({"occurred_us": FIRST_US - 1}, "row 2 .* does not come after"),
        ({"transaction_id": "T1", "occurred_us": FIRST_US + HOUR_US}, "row 2 .* does not come after"),
        ({"fraud": True, "known_us": FIRST_US}, "row 2 .* label from before it happened"),
    ],
)
def test_rows_that_no_history_holds_are_named(
    transactions_file: Write, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    rows = [Row(f"T{i}", FIRST_US + i * HOUR_US, "a", "x", 100) for i in range(4)]
    rows[2] = replace(rows[2], **change)  # type: ignore[arg-type]
    with pytest.raises(TransactionsError, match=message):
        build_history(transactions_file(rows), tmp_path / "features.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["transactions.parquet"]


def test_an_empty_table_says_what_to_do(transactions_file: Write, tmp_path: Path) -> None:
    with pytest.raises(TransactionsError, match="simulate or load"):
        build_history(transactions_file([]), tmp_path / "features.parquet")


def test_a_label_that_nobody_knows_yet_changes_nothing(tmp_path: Path) -> None:
    rows = [Row(f"T{i}", FIRST_US + i * DAY_US, "a", "x", 100, True, FIRST_US + 60 * DAY_US) for i in range(20)]
    unlabelled = [replace(row, fraud=None, known_us=None) for row in rows]
    assert np.array_equal(built(rows), built(unlabelled))


def test_a_later_row_never_changes_an_earlier_one() -> None:
    rows = [
        Row(
            f"T{i:02}",
            FIRST_US + i * 13 * HOUR_US,
            "ab"[i % 2],
            "x",
            100 * i,
            True,
            FIRST_US + i * 13 * HOUR_US + LABEL_DELAY_US,
        )
        for i in range(60)
    ]
    assert np.array_equal(built(rows)[:30], built(rows[:30]))
