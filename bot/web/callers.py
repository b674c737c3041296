"""Who asks and for whom, whether a body may be read, and what kind of answer is wanted. Knows no credentials itself."""

import re
from collections.abc import Awaitable, Callable
from email.message import Message
from typing import Annotated
from urllib.parse import unquote

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException

from bot.errors import NotAllowed
from bot.web.ports import Identify, OnDiscord
from retrieval.access import Principal

Caller = Callable[..., Awaitable[Principal]]
"""A FastAPI dependency that gives the principal of a request."""

# Only for the API's description: `identify` reads the header.
_bearer = HTTPBearer(auto_error=False, description="The token the administrator gave you, if the server asks for one.")


FOR, GROUPS = "kura-for", "kura-groups"
"""The headers with which a bot says for whom on Discord it asks: `discord:ID`, and groups, each percent-encoded."""

_FOR = re.compile(r"discord:([1-9][0-9]{0,18})")
_NOT_FOR_OTHERS = "This token may not ask for others: whoever runs Kura can set discord = true for its client."
_FOR_NOBODY = f"The header {FOR} must be discord: and the number of a person."


def make_caller(identify: Identify, on_discord: OnDiscord | None = None) -> Caller:
    """The dependency that asks `identify` who sent a request, and `on_discord` for whom, if it says so.

    403 for a client that may not, or if nobody may.
    """

    async def caller(
        request: Request, _described: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
    ) -> Principal:
        return _principal(request, identify, on_discord)

    return caller


def _principal(request: Request, identify: Identify, on_discord: OnDiscord | None) -> Principal:
    authorization, asked_for = request.headers.get("authorization"), request.headers.getlist(FOR)
    if not asked_for:
        return identify(authorization)
    person = _FOR.fullmatch(asked_for[0]) if len(asked_for) == 1 else None
    if person is None:
        raise HTTPException(422, _FOR_NOBODY)
    groups = [unquote(name.strip()) for name in ",".join(request.headers.getlist(GROUPS)).split(",") if name.strip()]
    found = on_discord(authorization, int(person[1]), groups) if on_discord else None
    if found is None:
        raise HTTPException(403, _NOT_FOR_OTHERS)
    return found


def make_discord_client(identify: Identify, may_ask: Callable[[str | None], bool]) -> Caller:
    """The dependency that lets only bots pass: 401 without a known token, 403 with another one."""

    async def client(
        request: Request, _described: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
    ) -> Principal:
        authorization = request.headers.get("authorization")
        if authorization is None:
            raise NotAllowed("This is for bots on Discord: send the token of one.")
        principal = identify(authorization)
        if not may_ask(authorization):
            raise HTTPException(403, _NOT_FOR_OTHERS)
        return principal

    return client


def make_ingester(
    identify: Identify, may_ingest: Callable[[str | None], bool], on_discord: OnDiscord | None = None
) -> Caller:
    """The dependency that lets only those pass who may start ingests: 401 without a known token, 403 with another one."""

    async def ingester(
        request: Request, _described: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
    ) -> Principal:
        authorization = request.headers.get("authorization")
        if authorization is None:
            raise NotAllowed("This is for programs that may ingest: send the token of one.")
        principal = _principal(request, identify, on_discord)
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
