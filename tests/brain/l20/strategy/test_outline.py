import copy

import pytest
from pydantic import ValidationError

from brain.l20.strategy.library import PlaybookError, check_links, load_library
from brain.l20.strategy.outline import compose, with_uses
from brain.l20.strategy.playbook import Playbook


def changed(playbook: Playbook, **fields: object) -> Playbook:
    return Playbook.model_validate(copy.deepcopy(playbook.model_dump(mode="json")) | fields)


def test_one_playbook_keeps_its_tasks_and_leaves_links_to_others_out(bread: Playbook, market: Playbook) -> None:
    assert {task.id: task.after for task in compose((bread,)).tasks} == {
        "dough": (),
        "bake": ("dough",),
        "sell": ("bake",),
        "count": ("sell",),
    }
    assert {task.id: task.after for task in compose((market,)).tasks} == {"permit": (), "stall": ("permit",)}


def test_together_links_hold_and_a_replaced_task_gives_its_place_away(bread: Playbook, market: Playbook) -> None:
    outline = compose((bread, market))
    assert {task.id: task.after for task in outline.tasks} == {
        "dough": (),
        "bake": ("dough",),
        "count": ("stall",),
        "permit": (),
        "stall": ("permit", "bake"),
    }
    assert set(outline.means) == {"baker", "oven", "seller"}


def test_an_id_that_two_playbooks_have_gets_its_playbooks_name(bread: Playbook, market: Playbook) -> None:
    again = changed(market, tasks=[{**market.tasks[0].model_dump(), "id": "dough"}])
    assert [task.id for task in compose((bread, again)).tasks][:2] == ["bread_dough", "bake"]


def test_the_larger_team_counts_once(bread: Playbook) -> None:
    other = changed(
        bread, name="rolls", means={**bread.model_dump()["means"], "baker": {"capacity": 3, "rate_minor": 1}}
    )
    baker = compose((bread, other)).means["baker"]
    assert (baker.capacity, baker.rate_minor) == (3, 3000)


def test_a_playbook_brings_those_along_that_it_uses(bread: Playbook, market: Playbook) -> None:
    user = changed(market, uses=["bread"])
    found = with_uses([user], {"bread": bread, "market": user})
    assert [playbook.name for playbook in found] == ["market", "bread"]


def test_links_in_a_circle_are_refused(bread: Playbook, market: Playbook) -> None:
    first = {**bread.tasks[0].model_dump(), "links": ["market.stall"]}
    circular = changed(bread, tasks=[first, *(task.model_dump() for task in bread.tasks[1:])])
    with pytest.raises(PlaybookError, match="circle"):
        compose((circular, market))


def test_two_currencies_do_not_go_together(bread: Playbook, market: Playbook) -> None:
    with pytest.raises(PlaybookError, match="EUR"):
        compose((bread, changed(market, currency="EUR")))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"after": ["nobody"]}, "there is no such task"),
        ({"modes": [{"name": "x", "hours": {"low": 1, "likely": 1, "high": 1}, "needs": {"nobody": 1}}]}, "means"),
        ({"params": {"x": 1}}, "no capability"),
        ({"id": "bake"}, "given twice"),
        ({"colour": "red"}, "Extra inputs"),
    ],
)
def test_what_does_not_fit_together_is_no_playbook(bread: Playbook, change: dict[str, object], message: str) -> None:
    tasks = [task.model_dump() for task in bread.tasks]
    with pytest.raises(ValidationError, match=message):
        changed(bread, tasks=[{**tasks[0], **change}, *tasks[1:]])


def test_tasks_in_a_circle_are_no_playbook(bread: Playbook) -> None:
    tasks = [task.model_dump() for task in bread.tasks]
    with pytest.raises(ValidationError, match="circle"):
        changed(bread, tasks=[{**tasks[0], "after": ["count"]}, *tasks[1:]])


def test_a_link_to_nowhere_is_refused(bread: Playbook) -> None:
    with pytest.raises(PlaybookError, match=r"market\.stall"):
        check_links([bread], {"bread": bread})


def test_a_folder_without_playbooks_and_a_broken_file_are_named(tmp_path) -> None:  # noqa: ANN001
    with pytest.raises(PlaybookError, match="no playbook in"):
        load_library(tmp_path)
    (tmp_path / "odd.yaml").write_text("name: [")
    with pytest.raises(PlaybookError, match=r"odd\.yaml"):
        load_library(tmp_path)
