"""Takes alerts to their receivers: signed, retried, and at last a dead letter that can be seen.

Every delivery carries these headers:

    X-Alert-ID            the alert; the same for every attempt, so that a receiver can drop repetitions
    X-Alert-Attempt       1 for the first
    X-Signature-Timestamp Unix seconds
    X-Signature           `sha256=` and the HMAC-SHA256, in hex, of `<timestamp>.<body>` under the receiver's secret
"""

import asyncio
import hashlib
import hmac
import json
import random
import time
from collections.abc import Mapping

from prometheus_client import Counter

from brain.clients.http import HttpClient, HttpError
from brain.fraud.bell import Bell
from brain.fraud.ledger import Ledger
from brain.fraud.settings import FraudSettings, Webhook
from runtime.decision_log import Alert, Delivery, LeaseLostError
from runtime.logs import get_logger
from runtime.problems import Problem

AT_A_TIME = 16
LOOK_SECONDS = 1.0
LEASE_MARGIN_SECONDS = 10.0

_LONGEST_ERROR = 300
_log = get_logger(__name__)


class Courier:
    """Delivers what is due, as long as it runs.

    Args:
        ledger: Where deliveries are claimed and attempts recorded.
        http: Sends.
        settings: Receivers, attempts, pauses.
        bell: Rung when an alert was raised in this process.
        outcomes: Counts attempts by target and outcome.
    """

    def __init__(
        self, ledger: Ledger, http: HttpClient, settings: FraudSettings, bell: Bell, outcomes: Counter
    ) -> None:
        self._ledger = ledger
        self._http = http
        self._settings = settings
        self._bell = bell
        self._outcomes = outcomes

    async def run(self) -> None:
        """Deliver until cancelled; what is in hand then is claimed again once its lease ends."""
        while True:
            try:
                delivered = await self.deliver_due()
            except Problem as problem:
                _log.warning("alerts cannot be delivered", reason=problem.detail)
                delivered = 0
            if not delivered:
                await self._bell.wait(LOOK_SECONDS)

    async def deliver_due(self) -> int:
        """Send what is due now, each once; returns how many were tried."""
        lease = self._settings.webhook_seconds + LEASE_MARGIN_SECONDS
        due = await self._ledger.run(lambda log: log.deliveries.claim(AT_A_TIME, lease))
        await asyncio.gather(*(self._deliver(delivery) for delivery in due))
        return len(due)

    async def _deliver(self, delivery: Delivery) -> None:
        webhook = self._settings.webhooks.get(delivery.target)
        error = await self._send(delivery, webhook) if webhook else "no receiver of this name is configured any more"
        self._outcomes.labels(delivery.target, "failed" if error else "delivered").inc()
        try:
            if not error:
                await self._ledger.run(lambda log: log.deliveries.delivered(delivery))
                return
            pause, most = self._pause(delivery.attempts), self._settings.webhook_attempts
            left = await self._ledger.run(lambda log: log.deliveries.failed(delivery, error, pause, most))
        except LeaseLostError as lost:
            _log.warning("a delivery was taken over by another gateway", reason=str(lost))
            return
        level = _log.error if left.state == "dead" else _log.warning
        level(
            "an alert was not delivered", target=delivery.target, alert=delivery.alert.id, state=left.state, why=error
        )

    async def _send(self, delivery: Delivery, webhook: Webhook) -> str:
        """One attempt; what went wrong, or nothing."""
        body = json.dumps(alert_document(delivery.alert), ensure_ascii=False, separators=(",", ":")).encode()
        headers = {
            "Content-Type": "application/json",
            "X-Alert-ID": delivery.alert.id,
            "X-Alert-Attempt": str(delivery.attempts + 1),
            **signature(webhook.secret.get_secret_value(), int(time.time()), body),
        }
        try:
            async with asyncio.timeout(self._settings.webhook_seconds):
                answer = await self._http.send("POST", str(webhook.url), headers, body=body, most_bytes=None)
        except TimeoutError:
            return f"no answer within {self._settings.webhook_seconds:g} s"
        except HttpError as error:
            return str(error)[:_LONGEST_ERROR]
        return "" if 200 <= answer.status < 300 else f"answered with status {answer.status}"

    def _pause(self, attempts: int) -> float:
        """Seconds before the next attempt: doubled each time, bounded, a random half taken off."""
        first, longest = self._settings.webhook_first_pause_seconds, self._settings.webhook_longest_pause_seconds
        return min(longest, first * 2.0 ** min(attempts, 32)) * (0.5 + random.random() / 2)  # noqa: S311


def signature(secret: str, timestamp: int, body: bytes) -> Mapping[str, str]:
    """The two headers by which a receiver knows who sent a body and when."""
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Signature-Timestamp": str(timestamp), "X-Signature": f"sha256={digest}"}


def alert_document(alert: Alert) -> dict[str, object]:
    """An alert as receivers and callers read it."""
    at = alert.acknowledged_at
    return {
        "id": alert.id,
        "sequence": alert.sequence,
        "severity": alert.severity,
        "raised_at": alert.raised_at.isoformat(),
        "state": alert.state,
        "acknowledged_at": None if at is None else at.isoformat(),
        "acknowledged_by": alert.acknowledged_by,
        "note": alert.note,
        **alert.body,
    }
