"""Everything that the fraud routes work with, built once, and the tasks that run beside them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter

from brain.clients.http import HttpClient
from brain.clients.kserve import KServeClient
from brain.clients.upstream import Upstream
from brain.fraud.analysis import Analyst
from brain.fraud.batch import Batch
from brain.fraud.bell import Bell
from brain.fraud.courier import Courier
from brain.fraud.decision import AlertPolicy
from brain.fraud.drift import DriftBoard
from brain.fraud.feed import AlertFeed
from brain.fraud.ledger import Ledger
from brain.fraud.mirror import CURSOR, Mirror
from brain.fraud.predictor import FraudPredictor
from brain.fraud.settings import FraudSettings
from brain.fraud.shadow import Shadow
from components.fraud.rules import RuleSet, RuleSetError, default_rules, load_rules
from components.fraud.rules.reading import digest
from runtime.decision_log import DecisionLog
from runtime.logs import get_logger
from runtime.problems import Problem

PULSE_SECONDS = 1.0

_log = get_logger(__name__)


class RulesUnusableError(ValueError):
    """A rule set that the settings name cannot be read or breaks the schema."""


@dataclass
class FraudDesk:
    """The parts behind `/api/v1/fraud`."""

    settings: FraudSettings
    predictor: FraudPredictor
    ledger: Ledger
    mirror: Mirror
    analyst: Analyst
    batch: Batch
    bell: Bell
    courier: Courier
    feed: AlertFeed
    drift: DriftBoard

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run what has to run beside requests; close the log at the end."""
        async with self._beside(self._pulse(), self.courier.run(), self.drift.run()):
            yield

    @contextlib.asynccontextmanager
    async def deciding(self) -> AsyncIterator[None]:
        """The same for a process that decides cases and leaves alerts and drift to the gateways."""
        async with self._beside(self._pulse()):
            yield

    @contextlib.asynccontextmanager
    async def _beside(self, *work: Coroutine[None, None, None]) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(one) for one in work]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.ledger.close()

    async def _pulse(self) -> None:
        """Keep the rules in the log, and know how far the feature store is even while nobody asks."""
        kept = False
        while True:
            try:
                if not kept:
                    await self.ledger.run(self._keep_rules)
                    kept = True
                await self.ledger.run(lambda log: self.mirror.settled(log.cursor(CURSOR)))
            except Problem as problem:
                _log.warning("the decision log is away", reason=problem.detail)
            await asyncio.sleep(PULSE_SECONDS)

    def _keep_rules(self, log: DecisionLog) -> None:
        for rules in (self.analyst.rules, self.analyst.shadow.rules):
            if rules is not None:
                log.rule_sets.put(digest(rules.text), rules.text)


def build_desk(
    settings: FraudSettings,
    upstream: Callable[[str, str], Upstream],
    *,
    http: HttpClient,
    registry: CollectorRegistry,
    stopping: Callable[[], bool],
) -> FraudDesk:
    """Wire the parts together; nothing is asked or opened yet.

    Args:
        settings: Where everything is.
        upstream: Makes a service's client from its name and address.
        http: Sends alerts to their receivers.
        registry: Where metrics live.
        stopping: Whether the process is about to end.

    Raises:
        RulesUnusableError: A rule set that is named cannot be used; the message has the line.
    """
    predictor = FraudPredictor(KServeClient(upstream("the fraud predictor", str(settings.predictor_url))))
    challenger = None
    if settings.shadow_url is not None:
        challenger = FraudPredictor(KServeClient(upstream("the fraud challenger", str(settings.shadow_url))))
    rules = default_rules() if settings.rules_path is None else _read(settings.rules_path)
    shadow_rules = None if settings.shadow_rules_path is None else _read(settings.shadow_rules_path)
    ledger = Ledger(lambda: _open_log(settings), threads=settings.database_threads, waiting=settings.database_waiting)
    decided = Counter("brain_fraud_decisions", "Cases decided.", ("kind", "decision"), registry=registry)
    bell = Bell()
    mirror = Mirror(settings.recent_limit, settings.mirror_grace_seconds)
    analyst = Analyst(
        predictor,
        ledger,
        mirror,
        rules,
        AlertPolicy(settings.alert_on, tuple(settings.webhooks)),
        Shadow(challenger, shadow_rules, settings.shadow_seconds),
        explain_seconds=settings.explain_seconds,
        on_alert=bell.ring,
        count=lambda kind, decision: decided.labels(kind, decision).inc(),
    )
    outcomes = Counter(
        "brain_fraud_deliveries", "Attempts to deliver alerts.", ("target", "outcome"), registry=registry
    )
    return FraudDesk(
        settings,
        predictor,
        ledger,
        mirror,
        analyst,
        Batch(analyst, settings.batch_chunk_rows),
        bell,
        Courier(ledger, http, settings, bell, outcomes),
        AlertFeed(ledger, bell, settings.heartbeat_seconds, stopping, settings.most_streams),
        DriftBoard(predictor, ledger, settings, registry),
    )


def _open_log(settings: FraudSettings) -> DecisionLog:
    from runtime.decision_log.factory import open_decision_log

    return open_decision_log(settings.database_url.get_secret_value())


def _read(path: Path) -> RuleSet:
    try:
        return load_rules(path.read_text(), source=str(path))
    except RuleSetError as error:
        raise RulesUnusableError(str(error)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise RulesUnusableError(f"the rule set {path} cannot be read: {error}") from error
