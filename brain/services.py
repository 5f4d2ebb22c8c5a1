"""What routes work with: built once when the gateway starts, closed when it ends."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property

from prometheus_client import CollectorRegistry
from starlette.requests import Request

from brain.capabilities import Registry, build_registry
from brain.clients.http import HttpClient
from brain.clients.upstream import Upstream
from brain.clients.upstreams import Upstreams
from brain.crypto.predictor import CryptoPredictor
from brain.fraud.desk import FraudDesk, build_desk
from brain.l20.analytics import gauges
from brain.l20.resources.live import Demand
from brain.l20.strategy.commission import Commission
from brain.l20.strategy.matchers import build_matcher, library_of
from brain.runs import metrics as run_metrics
from brain.runs.desk import RunDesk
from brain.runs.doorbell import Doorbell
from brain.runs.factory import open_run_store
from brain.runs.feed import RunFeed
from brain.security.auth import Authenticator
from brain.security.keys.port import KeyStore
from brain.security.limits import RateLimiter
from brain.security.sessions import Sessions
from brain.settings import BrainSettings


@dataclass
class Services:
    """The gateway's parts."""

    settings: BrainSettings
    keys: KeyStore
    sessions: Sessions | None
    authenticator: Authenticator
    limiter: RateLimiter
    http: HttpClient
    predictors: Mapping[str, CryptoPredictor]
    """By timeframe."""

    fraud: FraudDesk
    runs: RunDesk
    run_feed: RunFeed
    mlflow: Upstream
    registry: CollectorRegistry
    """Every metric of this gateway."""

    started_at: float = field(default_factory=time.time)
    draining: bool = False

    @cached_property
    def capabilities(self) -> Registry:
        """What runs can be made of; the gateway checks requests against it, and calls none."""
        return build_registry(self)

    @cached_property
    def demand(self) -> Demand:
        """Measures what comes to the predictors."""
        return Demand(self.settings.l20_resources, self.registry, self.started_at)

    @cached_property
    def commission(self) -> Commission:
        """Takes orders for plans; `PlaybookError` or `FullTextMissingError` where it cannot."""
        settings = self.settings.l20
        served = tuple(one.type for one in self.capabilities.served())
        return Commission(library_of(settings), build_matcher(settings, self.http), served)


def services_of(request: Request) -> Services:
    """The services of the gateway that answers this request."""
    services: Services = request.app.state.services
    return services


def build_services(settings: BrainSettings, keys: KeyStore) -> Services:
    """Wire the parts together; nothing is asked or opened yet."""
    registry = CollectorRegistry()
    http = HttpClient(connect_seconds=settings.connect_timeout_seconds, connections=settings.upstream_connections)
    upstreams = Upstreams(settings, http, registry)
    sessions = None
    if settings.auth_required:
        sessions = Sessions(
            settings.resolved_session_secret, seconds=settings.session_seconds, secure=settings.secure_cookies
        )
    limits = {
        "requests": settings.rate_limit,
        "predict": settings.predict_rate_limit,
        "login": settings.login_rate_limit,
        "analyze": settings.fraud.rate_limit,
    }
    runs = _run_desk(settings, lambda: services.draining)
    services = Services(
        settings=settings,
        keys=keys,
        sessions=sessions,
        authenticator=Authenticator(
            keys, sessions, required=settings.auth_required, cache_seconds=settings.key_cache_seconds
        ),
        limiter=RateLimiter(limits, settings.redis_url.get_secret_value()),
        http=http,
        predictors=upstreams.crypto_predictors(),
        fraud=build_desk(
            settings.fraud, upstreams.guarded, http=http, registry=registry, stopping=lambda: services.draining
        ),
        runs=runs,
        run_feed=RunFeed(
            runs,
            heartbeat_seconds=settings.runs.heartbeat_seconds,
            progress_seconds=settings.runs.progress_seconds,
            most=settings.runs.most_streams,
        ),
        mlflow=upstreams.open("MLflow", settings.resolved_mlflow_url),
        registry=registry,
    )
    run_metrics.install(registry, runs, lambda: services.run_feed.open)
    gauges.install(registry, runs, settings.l20_metrics)
    return services


def _run_desk(settings: BrainSettings, stopping: Callable[[], bool]) -> RunDesk:
    url, own = settings.resolved_runs_url, settings.runs
    return RunDesk(
        lambda: open_run_store(url),
        Doorbell(url),
        stopping,
        threads=own.database_threads,
        waiting=own.database_waiting,
        most_waits=own.most_waits,
    )


@asynccontextmanager
async def running(services: Services) -> AsyncIterator[None]:
    """Close connections when the gateway ends."""
    try:
        async with services.fraud.running(), services.runs.running():
            yield
    finally:
        await services.http.aclose()
        services.keys.close()
