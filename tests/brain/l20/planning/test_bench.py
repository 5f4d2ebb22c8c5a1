"""What the bench writes down and works out, on rows made by hand; the reader of PSPLIB has its own tests."""

from pathlib import Path

import pytest

from bench.plan.instances import INSTANCES
from bench.plan.methods import METHODS, Run, measured
from bench.plan.psplib import available, load
from bench.plan.record import Case, Record, Row
from bench.plan.table import ordered, table
from brain.l20.planning.problem import Problem


def row(instance: str, method: str, makespan: int | None, bound: int = 0) -> Row:
    return Row(Case(instance, method, 1.0, 2), Run(makespan, bound, 2.0, 3.0), "abc", 0.25)


ROWS = [
    row("x1", "plain CP-SAT", 110, 110),
    row("x2", "plain CP-SAT", 100),
    row("x1", "ours", 100, 100),
    row("x2", "ours", 121),
    row("y1", "ours", None),
]


def test_what_was_recorded_is_read_again(tmp_path: Path) -> None:
    record = Record(tmp_path / "new" / "rows.jsonl")
    for each in ROWS:
        record.add(each)
    assert Record(tmp_path / "new" / "rows.jsonl").rows == {each.case: each for each in ROWS}


def test_a_line_that_a_kill_cut_short_is_dropped_and_the_next_row_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    Record(path).add(ROWS[0])
    with path.open("a", encoding="utf-8") as file:
        file.write('{"case": {"instance": "x2", "meth')
    record = Record(path)
    assert list(record.rows.values()) == ROWS[:1]
    record.add(ROWS[1])
    assert list(Record(path).rows.values()) == ROWS[:2]


def test_the_table_has_mean_gaps_proofs_and_how_often_plain_was_better() -> None:
    lines = table(ROWS, lambda name: name[0], lambda name: 100, lambda name: 50).splitlines()[2:]
    assert lines == [
        "| x, 2 | plain CP-SAT | 2 | 5.00 | 110.00 | 50 | - | 2.00 | 1.50 |",
        "| x, 2 | ours | 2 | 10.50 | 121.00 | 50 | 1 | 2.00 | 1.50 |",
        "| y, 1 | ours | 0 | - | - | 0 | 0 | 2.00 | 1.50 |",
    ]


def test_rows_stand_by_set_and_method_whatever_the_order_of_their_making() -> None:
    cases = [each.case for each in ROWS]
    mixed = [ROWS[4], ROWS[3], ROWS[0], ROWS[2], ROWS[1], row("z1", "ours", 1)]
    assert ordered(mixed, cases, lambda name: name[0]) == ROWS


def test_every_class_of_a_set_is_measured_once() -> None:
    for name, classes in (("j30", 48), ("j60", 48), ("j120", 60)):
        found = {each.removeprefix(name).split("_")[0] for each in INSTANCES[name]}
        assert found == {str(number) for number in range(1, classes + 1)}
        assert len(INSTANCES[name]) == classes


def test_every_name_is_an_instance() -> None:
    if reason := available():
        pytest.skip(reason)
    for names in INSTANCES.values():
        for each in names[-3:]:
            assert len(load(each).tasks) > 30


@pytest.mark.parametrize("method", METHODS)
def test_every_method_solves_the_house(house: Problem, method: str) -> None:
    run = measured(method, house, 5.0, 1)
    assert run.makespan == 13
    assert run.bound == (11 if method == "heuristic" else 13)
    assert run.cpu_seconds > 0
    assert run.seconds < 5
