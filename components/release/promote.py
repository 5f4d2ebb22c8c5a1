"""Moving an alias: in an order that a kill at any point leaves explainable, and undoable by a person."""

import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from components.release.errors import PromotionRefusedError, SmokeError
from components.release.register import ELIGIBLE, REJECTED, STATUS
from components.release.smoke import smoke_score
from runtime.bundle import Bundle, read_bundle
from runtime.logs import get_logger
from runtime.promotion_log import Promotion, PromotionConflictError, PromotionLog
from runtime.registry import CHAMPION, ModelRegistry, ModelVersion

BundleStep = Callable[[Bundle], object]
"""Something that a family does with a verified bundle: bring its features online, or score one request."""

STALE_INTENT = timedelta(minutes=5)
"""An intent without an end is taken for a dead process's after this; a live one moves the alias within seconds."""

_log = get_logger(__name__)


def nothing_to_materialise(_bundle: Bundle) -> None:
    """For a family that keeps no features online."""


def promote(
    name: str,
    version: str,
    *,
    actor: str,
    reason: str,
    registry: ModelRegistry,
    log: PromotionLog,
    materialise: BundleStep,
    smoke: BundleStep = smoke_score,
    alias: str = CHAMPION,
) -> Promotion:
    """Make a version the champion: materialise its features, smoke-score it, write the intent, move the alias, end.

    Calling it again after a kill goes on where it stopped; calling it for the champion changes nothing and returns the
    promotion that made it champion.

    Args:
        name: Registered model.
        version: Its version.
        actor: Who asks.
        reason: Why.
        registry: Where the version is.
        log: Where it is written down.
        materialise: Brings online what the version needs; idempotent.
        smoke: Scores one request; `SmokeError` rejects the version for good.
        alias: Which alias moves.

    Raises:
        PromotionRefusedError: The version is not eligible, or no reason was given.
        SmokeError: The bundle does not answer as a model must.
        PromotionConflictError: Another promotion of this alias is under way, or ended while this one was prepared.
        ModelVersionNotFoundError: There is no such version.
    """
    if not (actor.strip() and reason.strip()):
        raise PromotionRefusedError("a promotion names who asks and why; give an actor and a reason")
    reconcile(registry, log, name=name, older_than=STALE_INTENT)
    found = registry.version(name, version)
    _check_eligible(found)
    current = registry.by_alias(name, alias)
    open_intent = _open_intent(log, name, alias, version)
    if current is not None and current.version == version and open_intent is None:
        already = _made_champion(log, name, alias, version)
        if already is not None:
            return already
    if open_intent is None:
        _rehearse(found, registry, materialise, smoke)
        open_intent = log.intend(
            model=name,
            alias=alias,
            from_version=None if current is None else current.version,
            to_version=version,
            actor=actor,
            reason=reason,
        )
    _check_unmoved(open_intent, registry, log)
    registry.set_alias(name, alias, version)
    ended = log.done(open_intent.id)
    _log.info("alias moved", model=name, alias=alias, version=version, previous=ended.from_version, actor=actor)
    return ended


def rollback(
    name: str,
    *,
    actor: str,
    reason: str,
    registry: ModelRegistry,
    log: PromotionLog,
    materialise: BundleStep,
    smoke: BundleStep = smoke_score,
    alias: str = CHAMPION,
    to_version: str = "",
) -> Promotion:
    """Give the alias back to the champion before this one, or to `to_version`; as careful as a promotion.

    Rolling back twice goes back two champions, not forth again.

    Raises:
        PromotionRefusedError: There is no champion before this one; name a version.
    """
    reconcile(registry, log, name=name, older_than=STALE_INTENT)
    target = to_version or previous_champion(name, log, alias=alias)
    if not target:
        raise PromotionRefusedError(f"the log knows no {alias} of {name!r} before this one; name a version")
    return promote(
        name,
        target,
        actor=actor,
        reason=f"rollback: {reason}" if reason.strip() else reason,
        registry=registry,
        log=log,
        materialise=materialise,
        smoke=smoke,
        alias=alias,
    )


def previous_champion(name: str, log: PromotionLog, *, alias: str = CHAMPION) -> str | None:
    """The version that was champion before the present one, going back over rollbacks as over steps of a stack."""
    moves = [p for p in reversed(log.history(name, limit=10_000)) if p.alias == alias and p.state == "done"]
    stack = [moves[0].from_version] if moves and moves[0].from_version else []
    for move in moves:
        if move.to_version in stack:
            del stack[stack.index(move.to_version) + 1 :]
        else:
            stack.append(move.to_version)
    return stack[-2] if len(stack) > 1 else None


def reconcile(
    registry: ModelRegistry, log: PromotionLog, *, name: str | None = None, older_than: timedelta = timedelta(0)
) -> Sequence[Promotion]:
    """End the intents that dead processes left: done if the alias did move, abandoned if it did not.

    Args:
        registry: Tells where aliases point.
        log: Holds the intents.
        name: Only this model's.
        older_than: Leave younger intents alone; zero, as at start-up, when nobody else can be promoting.

    Returns:
        What was ended.
    """
    limit = datetime.now(UTC) - older_than
    return [_end(registry, log, intent) for intent in log.pending(name) if intent.created_at <= limit]


def _end(registry: ModelRegistry, log: PromotionLog, intent: Promotion) -> Promotion:
    current = registry.by_alias(intent.model, intent.alias)
    moved = current is not None and current.version == intent.to_version
    detail = f"reconciled: the alias points at {current.version if current else 'nothing'}"
    ended = log.done(intent.id, detail) if moved else log.abandon(intent.id, detail)
    _log.warning("promotion reconciled", model=intent.model, version=intent.to_version, state=ended.state)
    return ended


def _check_eligible(version: ModelVersion) -> None:
    status = version.tags.get(STATUS, "none")
    if status != ELIGIBLE:
        raise PromotionRefusedError(
            f"version {version.version} of {version.name!r} has status {status!r} and only {ELIGIBLE!r} ones become "
            "champion; register it to the end, or choose another"
        )


def _open_intent(log: PromotionLog, name: str, alias: str, version: str) -> Promotion | None:
    """An intent of the same move: a killed call's, which this one ends; one of another move is in the way."""
    for intent in log.pending(name):
        if intent.alias != alias:
            continue
        if intent.to_version == version:
            return intent
        raise PromotionConflictError(
            f"{intent.actor} is moving {alias!r} of {name!r} to version {intent.to_version} since "
            f"{intent.created_at:%Y-%m-%d %H:%M:%S} UTC; wait for it, or reconcile the log if its process died"
        )
    return None


def _check_unmoved(intent: Promotion, registry: ModelRegistry, log: PromotionLog) -> None:
    """While the intent is open nobody else promotes, so what the alias points at now is what it is moved from."""
    current = registry.by_alias(intent.model, intent.alias)
    found = None if current is None else current.version
    if found not in (intent.from_version, intent.to_version):
        detail = f"{intent.alias!r} went from version {intent.from_version} to {found} in the meantime"
        log.abandon(intent.id, detail)
        raise PromotionConflictError(f"{intent.model!r}: {detail}; decide again, against the champion of now")


def _made_champion(log: PromotionLog, name: str, alias: str, version: str) -> Promotion | None:
    moves = (p for p in log.history(name) if p.alias == alias and p.state == "done")
    last = next(moves, None)
    return last if last is not None and last.to_version == version else None


def _rehearse(version: ModelVersion, registry: ModelRegistry, materialise: BundleStep, smoke: BundleStep) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        bundle = read_bundle(registry.download(version, Path(scratch)))
        materialise(bundle)
        try:
            smoke(bundle)
        except SmokeError:
            registry.set_tag(version.name, version.version, STATUS, REJECTED)
            raise
