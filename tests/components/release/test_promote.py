import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from components.release.candidate import make_bundle
from components.release.errors import PromotionRefusedError, SmokeError
from components.release.promote import (
    BundleStep,
    nothing_to_materialise,
    previous_champion,
    promote,
    reconcile,
    rollback,
)
from components.release.register import register_candidate
from components.release.smoke import smoke_score
from runtime.bundle import Bundle
from runtime.promotion_log import Promotion, PromotionConflictError, PromotionLog
from runtime.promotion_log.sql_log import SqlPromotionLog
from runtime.registry import CHAMPION, ModelRegistry, ModelVersionNotFoundError, open_registry
from runtime.registry.mlflow_registry import MlflowRegistry
from runtime.signature import window_signature

RegisterVersion = Callable[..., str]


@pytest.fixture
def register_version(
    registry: ModelRegistry,
    write_candidate: Callable[..., Path],
    report_html: Path,
    tmp_path: Path,
    name: str,
    run_id: str,
) -> RegisterVersion:
    """A function that registers one more eligible version and returns its number."""
    made: list[str] = []

    def register(**fields: object) -> str:
        number = len(made) + 1
        candidate = write_candidate(f"candidate{number}", **({"metrics": {"number": number}} | fields))
        output = tmp_path / f"bundle{number}"
        bundle = make_bundle(candidate, output, family="tiny", name=name, report_html=report_html)
        made.append(register_candidate(registry, bundle.path, run_id=run_id).version)
        return made[-1]

    return register


@pytest.fixture
def move(name: str, registry: ModelRegistry, log: PromotionLog) -> Callable[[str], Promotion]:
    def to(version: str) -> Promotion:
        return promote(
            name,
            version,
            actor="ann",
            reason="better",
            registry=registry,
            log=log,
            materialise=nothing_to_materialise,
        )

    return to


def _champion(registry: ModelRegistry, name: str) -> str | None:
    found = registry.by_alias(name, CHAMPION)
    return None if found is None else found.version


def test_a_promotion_goes_through_its_steps_in_order(
    name: str, registry: ModelRegistry, log: PromotionLog, register_version: RegisterVersion
) -> None:
    steps: list[tuple[str, str | None, int]] = []

    def step(what: str) -> Callable[[Bundle], None]:
        def note(bundle: Bundle) -> None:
            assert bundle.manifest.name == name
            steps.append((what, _champion(registry, name), len(log.history(name))))

        return note

    register_version()
    made = promote(
        name,
        "1",
        actor="ann",
        reason="first",
        registry=registry,
        log=log,
        materialise=step("materialise"),
        smoke=step("smoke"),
    )
    assert steps == [("materialise", None, 0), ("smoke", None, 0)]
    assert (made.state, made.from_version, made.to_version, made.actor, made.reason) == (
        "done",
        None,
        "1",
        "ann",
        "first",
    )
    assert _champion(registry, name) == "1"
    assert log.history(name) == [made]


def test_promoting_the_champion_again_changes_nothing(
    name: str, log: PromotionLog, register_version: RegisterVersion, move: Callable[[str], Promotion]
) -> None:
    register_version()
    first = move("1")
    assert move("1") == first
    assert log.history(name) == [first]


@pytest.mark.parametrize("status", ["candidate", "rejected"])
def test_a_version_that_is_not_eligible_is_refused(
    name: str,
    registry: ModelRegistry,
    log: PromotionLog,
    register_version: RegisterVersion,
    move: Callable[[str], Promotion],
    status: str,
) -> None:
    register_version()
    registry.set_tag(name, "1", "status", status)
    with pytest.raises(PromotionRefusedError, match=f"has status '{status}'"):
        move("1")
    assert (_champion(registry, name), log.history(name)) == (None, [])


def test_a_version_that_is_not_there_and_a_promotion_without_a_reason_are_refused(
    name: str,
    registry: ModelRegistry,
    log: PromotionLog,
    register_version: RegisterVersion,
    move: Callable[[str], Promotion],
) -> None:
    register_version()
    with pytest.raises(ModelVersionNotFoundError):
        move("2")
    with pytest.raises(PromotionRefusedError, match="give an actor and a reason"):
        promote(name, "1", actor="ann", reason=" ", registry=registry, log=log, materialise=nothing_to_materialise)
    assert log.history(name) == []


def test_a_version_that_fails_its_smoke_test_is_rejected_and_the_champion_stays(
    name: str,
    registry: ModelRegistry,
    log: PromotionLog,
    register_version: RegisterVersion,
    move: Callable[[str], Promotion],
) -> None:
    register_version()
    move("1")
    register_version(signature=window_signature(4, 2, 24, 3).model_dump())  # the graph answers three bars
    with pytest.raises(SmokeError, match="manifest says"):
        move("2")
    assert _champion(registry, name) == "1"
    assert registry.version(name, "2").tags["status"] == "rejected"
    assert len(log.history(name)) == 1


def test_features_that_cannot_be_brought_online_stop_the_promotion_and_it_may_be_tried_again(
    name: str,
    registry: ModelRegistry,
    log: PromotionLog,
    register_version: RegisterVersion,
    move: Callable[[str], Promotion],
) -> None:
    def broken(_bundle: Bundle) -> None:
        raise ConnectionError("no online store")

    register_version()
    with pytest.raises(ConnectionError):
        promote(name, "1", actor="ann", reason="x", registry=registry, log=log, materialise=broken)
    assert (_champion(registry, name), log.history(name)) == (None, [])
    assert move("1").state == "done"


def test_rolling_back_twice_goes_back_two_champions(
    name: str,
    registry: ModelRegistry,
    log: PromotionLog,
    register_version: RegisterVersion,
    move: Callable[[str], Promotion],
) -> None:
    def back(**more: str) -> Promotion:
        return rollback(
            name,
            actor="bob",
            reason="worse in use",
            registry=registry,
            log=log,
            materialise=nothing_to_materialise,
            **more,
        )

    for _ in range(3):
        move(register_version())
    first = back()
    assert (first.from_version, first.to_version, first.reason) == ("3", "2", "rollback: worse in use")
    assert back().to_version == "1"
    assert previous_champion(name, log) is None
    with pytest.raises(PromotionRefusedError, match="name a version"):
        back()
    assert back(to_version="3").from_version == "1"
    assert _champion(registry, name) == "3"


def test_of_two_promotions_at_once_one_wins_and_the_other_is_told(
    name: str, registry: ModelRegistry, log: PromotionLog, register_version: RegisterVersion
) -> None:
    register_version()
    register_version()
    both_ready, outcomes = threading.Barrier(2), []

    def meet(_bundle: Bundle) -> None:
        both_ready.wait(timeout=60)

    def run(version: str) -> None:
        try:
            made = promote(name, version, actor=version, reason="race", registry=registry, log=log, materialise=meet)
            outcomes.append(made.state)
        except PromotionConflictError:
            outcomes.append("conflict")

    threads = [threading.Thread(target=run, args=(version,)) for version in ("1", "2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["conflict", "done"]
    (done,) = [promotion for promotion in log.history(name) if promotion.state == "done"]
    assert _champion(registry, name) == done.to_version
    assert log.pending(name) == []


def test_a_promotion_prepared_against_a_champion_that_is_gone_is_refused(
    name: str,
    registry: ModelRegistry,
    log: PromotionLog,
    register_version: RegisterVersion,
    move: Callable[[str], Promotion],
) -> None:
    register_version()
    register_version()
    with pytest.raises(PromotionConflictError, match="went from version None to 1 in the meantime"):
        promote(
            name, "2", actor="bob", reason="better", registry=registry, log=log, materialise=lambda _bundle: move("1")
        )
    assert _champion(registry, name) == "1"
    assert [(p.to_version, p.state) for p in log.history(name)] == [("2", "abandoned"), ("1", "done")]


@pytest.mark.parametrize(
    ("where", "champion", "pending", "reconciled"),
    [
        ("materialise", "1", 0, []),
        ("smoke", "1", 0, []),
        ("intend", "1", 0, []),
        ("set_alias", "1", 1, ["abandoned"]),
        ("done", "2", 1, ["done"]),
    ],
)
def test_a_promotion_killed_before_any_step_is_reconciled_and_can_be_repeated(
    killed_in_fork: Callable[..., None],
    mlflow_server: str,
    log_url: str,
    name: str,
    registry: ModelRegistry,
    log: PromotionLog,
    register_version: RegisterVersion,
    move: Callable[[str], Promotion],
    where: str,
    champion: str,
    pending: int,
    reconciled: list[str],
) -> None:
    move(register_version())
    register_version()

    def work(die: Callable[..., None]) -> None:
        steps: dict[str, BundleStep] = {"materialise": nothing_to_materialise, "smoke": smoke_score}
        if where in steps:
            steps[where] = die
        else:
            owner = MlflowRegistry if where == "set_alias" else SqlPromotionLog
            setattr(owner, where, die)
        own_log, own_registry = SqlPromotionLog(log_url), open_registry(mlflow_server)
        promote(name, "2", actor="ann", reason="better", registry=own_registry, log=own_log, **steps)

    killed_in_fork(work)
    assert _champion(registry, name) == champion
    assert len(log.pending(name)) == pending
    assert [promotion.state for promotion in reconcile(registry, log)] == reconciled
    assert _champion(registry, name) == champion
    assert log.pending() == []
    assert (move("2").state, _champion(registry, name)) == ("done", "2")
    ended = [(p.from_version, p.to_version, p.state) for p in log.history(name)]
    assert ended[0] == ("1", "2", "done")
    assert [state for _, _, state in ended].count("done") == 2


def test_the_same_promotion_called_again_after_a_kill_ends_its_own_intent_at_once(
    name: str,
    registry: ModelRegistry,
    log: PromotionLog,
    register_version: RegisterVersion,
    move: Callable[[str], Promotion],
) -> None:
    register_version()
    intent = log.intend(model=name, alias=CHAMPION, from_version=None, to_version="1", actor="ann", reason="better")
    ended = move("1")
    assert (ended.id, ended.state) == (intent.id, "done")
    assert _champion(registry, name) == "1"


def test_anothers_fresh_intent_is_left_alone_and_told_of(
    name: str,
    registry: ModelRegistry,
    log: PromotionLog,
    register_version: RegisterVersion,
    move: Callable[[str], Promotion],
) -> None:
    register_version()
    register_version()
    log.intend(model=name, alias=CHAMPION, from_version=None, to_version="2", actor="bob", reason="other")
    assert reconcile(registry, log, name=name, older_than=timedelta(minutes=5)) == []
    with pytest.raises(PromotionConflictError, match="bob is moving 'champion'"):
        move("1")
    assert [promotion.state for promotion in reconcile(registry, log)] == ["abandoned"]
    assert move("1").state == "done"
