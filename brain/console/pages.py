"""The console's pages: the forecast, plans and runs, the log-in, the API's description."""

import html
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from brain.console.frames import DOCS, FORECAST, LOGIN, PLANS, Page, framed
from brain.services import Services, services_of
from brain.settings import BrainSettings
from brain.version import gateway_version
from runtime.logs import get_logger
from runtime.problems import Problem

if TYPE_CHECKING:
    from fastapi import FastAPI

HERE = Path(__file__).resolve().parent
DEFAULT_TIMEFRAME = "1h"

router = APIRouter(include_in_schema=False)
_log = get_logger(__name__)


class RevalidatedFiles(StaticFiles):
    """Files that a browser keeps but asks about each time, so that a new release shows at once."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        """The file with `Cache-Control: no-cache`."""
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers["Cache-Control"] = "no-cache"
        return response


def mount(api: "FastAPI") -> None:
    """Add the pages and their files."""
    api.include_router(router)
    api.mount("/static", RevalidatedFiles(directory=HERE / "static"), name="static")
    api.mount("/docs/assets", RevalidatedFiles(directory=swagger_folder()), name="docs-assets")


def swagger_folder() -> Path:
    """Where fastapi-offline keeps Swagger UI; found without importing it, which would cost a third of a second."""
    found = find_spec("fastapi_offline")
    if found is None or not found.submodule_search_locations:
        raise RuntimeError("fastapi-offline is not installed; install the extra 'gateway'")
    return Path(found.submodule_search_locations[0]) / "static"


@router.get("/")
async def index(request: Request) -> Response:
    """The console."""
    services = services_of(request)
    predictors = services.predictors
    timeframe = DEFAULT_TIMEFRAME if DEFAULT_TIMEFRAME in predictors else next(iter(predictors), DEFAULT_TIMEFRAME)
    return _page(FORECAST, timeframe=timeframe, **_of_header(services.settings))


@router.get("/plans")
async def plans(request: Request) -> Response:
    """Where an objective becomes a plan, and a run is watched."""
    return _page(PLANS, **_of_header(services_of(request).settings))


@router.get("/login")
async def login_page(request: Request) -> Response:
    """Where a person enters a key; without authentication there is nothing to enter."""
    if services_of(request).sessions is None:
        return RedirectResponse("/", 303)
    return _page(LOGIN, error="", error_hidden="hidden")


@router.post("/login")
async def login(request: Request) -> Response:
    """Exchange a key for a session."""
    services = services_of(request)
    if services.sessions is None:
        return RedirectResponse("/", 303)
    await services.limiter.hit("login", request.client.host if request.client else "unknown")
    presented = parse_qs((await request.body()).decode("utf-8", "replace")).get("key", [""])[0].strip()
    try:
        key = await services.authenticator.check(presented)
    except Problem as problem:
        if problem.status != 401:
            raise
        return _page(LOGIN, 401, error="This key is unknown, revoked or past its end.", error_hidden="")
    _log.info("logged in", caller=key.id)
    return RedirectResponse("/", 303, {"Set-Cookie": services.sessions.issue(key.id)})


@router.post("/logout")
async def logout(request: Request) -> Response:
    """End the session in this browser."""
    return RedirectResponse("/login", 303, _forget(services_of(request)))


@router.get("/docs")
async def docs() -> Response:
    """The API's description, tried out in the browser; its script comes from this process."""
    return _page(DOCS)


@router.get("/favicon.ico")
async def favicon() -> Response:
    """The icon, for browsers that ask for it by this name."""
    return RedirectResponse("/static/icon.svg", 301)


def _forget(services: Services) -> dict[str, str]:
    return {} if services.sessions is None else {"Set-Cookie": services.sessions.end()}


def _of_header(settings: BrainSettings) -> dict[str, str]:
    return {
        "mlflow": settings.public_mlflow_url or settings.resolved_mlflow_url,
        "logout": "" if settings.auth_required else "hidden",
    }


def _page(page: Page, status: int = 200, /, **values: str) -> HTMLResponse:
    safe = {key: html.escape(value) for key, value in values.items()}
    return HTMLResponse(framed(page).substitute(version=html.escape(gateway_version()), **safe), status)
