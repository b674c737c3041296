"""Who asks, and whether a body may be read: the two things routes depend on. Knows no credentials itself."""

from collections.abc import Awaitable, Callable
from email.message import Message
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException

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


async def json_only(request: Request) -> None:
    """Refuse a body not declared as JSON: a form on another site's page cannot declare that."""
    declared = Message()
    declared["content-type"] = request.headers.get("content-type", "")
    if declared.get_content_type() != "application/json":
        raise HTTPException(415, "The body must be sent with the header Content-Type: application/json.")
