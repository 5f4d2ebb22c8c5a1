from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brain.l20.planning.gantt import gantt
from brain.l20.planning.problem import Mode, Problem, Resource, Schedule, Slot, Task
from brain.l20.planning.profile import critical_path
from tests.support.projects import planned

SVG = "{http://www.w3.org/2000/svg}"


def drawn(problem: Problem, schedule: Schedule) -> ElementTree.Element:
    return ElementTree.fromstring(gantt(problem, schedule))


def titles(root: ElementTree.Element, kind: str) -> list[str]:
    """Titles of the shapes of a class, from top to bottom."""
    shapes = [shape for shape in root.iter() if kind in shape.get("class", "").split()]
    return [title.text or "" for shape in shapes for title in shape.iter(f"{SVG}title")]


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_every_task_has_a_bar_and_the_critical_path_is_marked(
    problems: st.SearchStrategy[Problem], data: st.DataObject
) -> None:
    problem = data.draw(problems)
    schedule = planned(problem, samples=2)
    root = drawn(problem, schedule)
    bars = [title.split(" (")[0] for title in titles(root, "bar")]
    assert sorted(bars) == sorted(problem.order)
    starts = [schedule.slots[name].start for name in bars]
    assert starts == sorted(starts)
    marked = {title.split(" (")[0] for title in titles(root, "critical")}
    assert marked == set(critical_path(problem, schedule))


def test_bars_stand_where_the_times_are(house: Problem) -> None:
    times = {"ground": (0, 3), "walls": (3, 7), "garden": (7, 11), "roof": (11, 13), "done": (13, 13)}
    schedule = Schedule({name: Slot(name, "only", *each) for name, each in times.items()})
    root = drawn(house, schedule)
    bars = {bar[0].text: bar for bar in root.iter(f"{SVG}rect") if "bar" in bar.get("class", "").split()}
    unit = float(bars["ground (only): 0 to 3"].get("width", "0")) / 3
    walls = bars["walls (only): 3 to 7"]
    assert float(walls.get("width", "0")) == pytest.approx(4 * unit, abs=0.2)
    left = float(bars["ground (only): 0 to 3"].get("x", "0"))
    assert float(walls.get("x", "0")) - left == pytest.approx(3 * unit, abs=0.2)
    assert [each.tag for each in root.iter() if each.tag == f"{SVG}polygon"] == [f"{SVG}polygon"]
    assert titles(root, "used") == ["1 of 2, 0 to 7", "2 of 2, 7 to 13"]


def test_names_cannot_break_out_of_the_picture() -> None:
    name = '<script>alert("1")</script> & a very long name'
    problem = Problem((Task(name, (Mode("<m>", 2, {"r&d": 1}),)),), (Resource("r&d", 1),))
    root = drawn(problem, Schedule({name: Slot(name, "<m>", 0, 2)}))
    assert titles(root, "bar") == [f"{name} (<m>): 0 to 2"]
    assert not [each for each in root.iter() if "script" in each.tag]


def test_characters_that_xml_has_not_are_left_out() -> None:
    problem = Problem((Task("a\x00b\ud800", (Mode("m", 1),)),), ())
    root = drawn(problem, Schedule({"a\x00b\ud800": Slot("a\x00b\ud800", "m", 0, 1)}))
    assert titles(root, "bar") == ["a b  (m): 0 to 1"]


def test_nothing_is_drawn_as_an_empty_picture() -> None:
    assert drawn(Problem((), ()), Schedule({})).tag == f"{SVG}svg"
