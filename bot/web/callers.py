"""Who asks, whether a body may be read, and what kind of answer is wanted. Knows no credentials itself."""

from collections.abc import Awaitable, Callable
from email.message import Message
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException

from bot.errors import NotAllowed
from bot.web.ports import Identify
from retrieval.access import Principal

Caller = Callable[..., Awaitable[Principal]]
"""A FastAPI dependency that gives the principal of a request."""

# Only for the API's description: `identify` reads the header.
_bearer = HTTPBearer(auto_error=False, description="The token the administrator gave you, if the server asks for one.")


def make_caller(identify: Identify) -> Caller:
    """The dependency that asks `identify` who sent a request."""

    async def caller(
        request: Request, _described: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
    ) -> Principal:
        return identify(request.headers.get("authorization"))

    return caller


def make_ingester(identify: Identify, may_ingest: Callable[[str | None], bool]) -> Caller:
    """The dependency that lets only those pass who may start ingests: 401 without a known token, 403 with another one."""

    async def ingester(
        request: Request, _described: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
    ) -> Principal:
        authorization = request.headers.get("authorization")
        if authorization is None:
            raise NotAllowed("This is for programs that may ingest: send the token of one.")
        principal = identify(authorization)
        if not may_ingest(authorization):
            raise HTTPException(
                403, "This token may not ingest: whoever runs Kura can set ingest = true for its client."
            )
        return principal

    return ingester


def accepts(request: Request, media_type: str) -> bool:
    """Whether the client asks for `media_type` by name."""
    ranges = request.headers.get("accept", "").split(",")
    return any(kind.partition(";")[0].strip().lower() == media_type for kind in ranges)


async def json_only(request: Request) -> None:
    """Refuse a body not declared as JSON: a form on another site's page cannot declare that."""
    declared = Message()
    declared["content-type"] = request.headers.get("content-type", "")
    if declared.get_content_type() != "application/json":
        raise HTTPException(415, "The body must be sent with the header Content-Type: application/json.")
