"""Problems as the API's description shows them."""

from collections.abc import Mapping

from pydantic import BaseModel, Field

from runtime.problems import MEDIA_TYPE

Responses = dict[int | str, dict[str, object]]

_MEANINGS: Mapping[int, str] = {
    400: "The request cannot be read.",
    401: "An API key is needed.",
    403: "The key's scopes do not include this.",
    404: "Unknown; the nearest known name is given.",
    408: "The body did not arrive in time.",
    409: "The key or the id was used for another request, or the state does not allow it.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    421: "The gateway does not answer to this host's name.",
    422: "A value is not valid; each is named by a JSON pointer.",
    429: "Too many requests; see Retry-After.",
    502: "A service behind the gateway broke its contract.",
    503: "A service behind the gateway cannot answer now; see Retry-After.",
    504: "No answer before the deadline.",
}


class ProblemField(BaseModel):
    """What is wrong with one field."""

    pointer: str = Field(description="JSON pointer into the request's body", examples=["/prediction_horizon"])
    detail: str


class ProblemDocument(BaseModel):
    """An error, as RFC 9457 describes it."""

    type: str = "about:blank"
    title: str = Field(examples=["Unprocessable Entity"])
    status: int = Field(examples=[422])
    detail: str = Field(
        default="", examples=["/prediction_horizon: must be a whole number of bars from 1 to 24; received 25"]
    )
    instance: str = Field(default="", description="the request's id")
    errors: list[ProblemField] = Field(default_factory=list)


def problems(*statuses: int) -> Responses:
    """The error answers of a route, for its description."""
    content = {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{ProblemDocument.__name__}"}}}
    return {status: {"description": _MEANINGS[status], "content": content} for status in statuses}
