"""The gateway as an ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from prometheus_client import GCCollector, PlatformCollector, ProcessCollector

from brain import errors
from brain.api import (
    crypto,
    fraud,
    fraud_alerts,
    fraud_batch,
    fraud_feedback,
    health,
    l20_coordinate,
    l20_metrics,
    l20_plans,
    l20_prioritize,
    l20_resources,
    l20_strategize,
    orchestrate,
    run_events,
    runs,
)
from brain.api.problem_model import ProblemDocument, problems
from brain.console import pages
from brain.express import Express
from brain.middleware import AnswerMiddleware, ByPath, DeadlineMiddleware, GateMiddleware
from brain.parts import StatusBoard
from brain.security.origins import OriginPolicy
from brain.services import Services, running
from brain.version import gateway_version
from runtime.asgi import BodyLimitMiddleware, RequestContextMiddleware
from runtime.metrics import HttpMetrics

if TYPE_CHECKING:
    from starlette.types import ASGIApp

DESCRIPTION = """Forecasts with their uncertainty, and the state of the platform that makes them.

Errors are [problem details](https://www.rfc-editor.org/rfc/rfc9457) (`application/problem+json`): what was wrong, what
was received, what to do. Every answer carries `X-Request-ID`; send one to follow a request through the logs. A request
has a deadline, which `X-Timeout-Seconds` shortens. Where keys are asked for, send `Authorization: Bearer KEY`.
"""

TAGS: list[dict[str, object]] = [
    {"name": "crypto", "description": "Price distributions of coins."},
    {"name": "fraud", "description": "Decisions about card transactions, network connections and crypto accounts."},
    {"name": "orchestration", "description": "Graphs of tasks that survive whatever stops a process."},
    {"name": "l20", "description": "Plans, priorities, allocation of resources, figures of the work done."},
    {"name": "runs", "description": "All long work: read, followed, cancelled and retried in one place."},
    {"name": "health", "description": "Probes, state of the parts, metrics."},
]

ANYWHERE = (400, 408, 421, 504)
"""Problems that any request may meet before its route: an unreadable deadline, another host, a late body or answer."""

HEADERS: dict[str, object] = {
    "timeout": {
        "name": "X-Timeout-Seconds",
        "in": "header",
        "description": "a shorter deadline than the gateway's own",
        "schema": {"type": "number", "exclusiveMinimum": 0},
    },
    "request": {
        "name": "X-Request-ID",
        "in": "header",
        "description": "kept in logs, answers and calls to predictors",
        "schema": {"type": "string", "maxLength": 128},
    },
}


def create_app(services: Services) -> "ASGIApp":
    """Build the whole application: routes within, and around them what every request passes."""
    settings = services.settings
    api = create_api(services)
    usual = BodyLimitMiddleware(DeadlineMiddleware(api, settings.default_timeout_seconds), settings.body_limit_bytes)
    batch = BodyLimitMiddleware(
        DeadlineMiddleware(api, settings.fraud.batch_seconds), settings.fraud.batch_body_limit_bytes
    )
    express = BodyLimitMiddleware(
        DeadlineMiddleware(Express(api, fraud.ANALYZE_PATH, fraud.analyze), settings.default_timeout_seconds),
        settings.body_limit_bytes,
    )
    ranking = BodyLimitMiddleware(
        DeadlineMiddleware(api, settings.l20_priority.timeout_seconds), settings.l20_priority.body_limit_bytes
    )
    app: ASGIApp = ByPath(usual, {fraud_batch.PATH: batch, fraud.ANALYZE_PATH: express, l20_prioritize.PATH: ranking})
    app = GateMiddleware(
        app,
        origins=OriginPolicy(settings.host_names, settings.allowed_origins),
        authenticator=services.authenticator,
        limiter=services.limiter,
        own_limits={fraud.ANALYZE_PATH: "analyze"},
        open_paths=frozenset() if settings.metrics_require_key else frozenset({"/metrics"}),
    )
    app = AnswerMiddleware(app, HttpMetrics("gateway", services.registry), access_log=settings.access_log)
    return RequestContextMiddleware(app)


def create_api(services: Services) -> FastAPI:
    """The routes alone, as the API's description shows them."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with running(services):
            yield

    api = FastAPI(
        title="AI Orchestration",
        version=gateway_version(),
        description=DESCRIPTION,
        openapi_tags=TAGS,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=services.registry)
    api.state.services = services
    api.state.board = StatusBoard(services)
    areas = (  # tried in this order: what is asked most often comes first
        fraud.router,
        crypto.router,
        health.router,
        fraud_batch.router,
        fraud_feedback.router,
        fraud_alerts.router,
        runs.router,
        run_events.router,
        orchestrate.router,
        l20_coordinate.router,
        l20_metrics.router,
        l20_prioritize.router,
        l20_resources.router,
        l20_strategize.router,
        l20_plans.router,
    )
    for area in areas:
        api.include_router(area)
    pages.mount(api)
    errors.install(api, [getattr(route, "path", "") for area in areas for route in area.routes])
    _describe(api)
    return api


def _describe(api: FastAPI) -> None:
    """Add to the API's description what the framework cannot know: keys, and how errors look."""

    def openapi() -> dict[str, object]:
        if api.openapi_schema is None:
            document = get_openapi(
                title=api.title, version=api.version, description=DESCRIPTION, routes=api.routes, tags=TAGS
            )
            _extend(document)
            api.openapi_schema = document
        return api.openapi_schema

    api.openapi = openapi  # type: ignore[method-assign]


def _extend(document: dict[str, object]) -> None:
    components = document.setdefault("components", {})
    paths = document.get("paths")
    if not isinstance(components, dict) or not isinstance(paths, dict):
        raise TypeError("the framework's OpenAPI document has no components or paths")
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "an API key"},
        "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    schemas: dict[str, object] = components.setdefault("schemas", {})
    problem = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas[ProblemDocument.__name__] = problem
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    components["parameters"] = HEADERS
    for operations in paths.values():
        for operation in operations.values():
            operation.setdefault("parameters", []).extend(
                {"$ref": f"#/components/parameters/{name}"} for name in HEADERS
            )
            for status, answer in problems(*ANYWHERE).items():
                operation["responses"].setdefault(str(status), answer)
    document["security"] = [{"bearer": []}, {"key": []}, {}]
    for path in ("/health", "/ready"):
        for operation in paths[path].values():
            operation["security"] = []
