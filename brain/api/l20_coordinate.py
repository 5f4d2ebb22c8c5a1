"""Work across domains as runs."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from brain.api.accepted import ACCEPTED, accepted
from brain.api.orchestrate import SUBMISSION_PARAMETERS, SUBMISSION_PROBLEMS, checked, submission
from brain.json_body import JsonRoute
from brain.l20.coordination import coordination
from brain.orchestration.request import CoordinateRequest
from brain.services import services_of

router = APIRouter(prefix="/api/v1/l20", tags=["l20"], route_class=JsonRoute)


@router.post(
    "/coordinate",
    summary="Run work across domains",
    status_code=202,
    responses={**ACCEPTED, **SUBMISSION_PROBLEMS},
    response_class=Response,
    openapi_extra=SUBMISSION_PARAMETERS,
)
async def coordinate(body: CoordinateRequest, request: Request) -> Response:
    """Runs every domain that is served and has a spec: each after those whose results it uses, the rest side by side.

    The result has an entry for each domain: what it came to, `unavailable` where the platform does not serve it, or
    `missing_spec`. Where nothing of it is served the run fails with reason `nothing_served`.
    """
    by, registry = submission(request, body), services_of(request).capabilities
    return await accepted(request, await checked(request, lambda: coordination(body, registry, by)))
