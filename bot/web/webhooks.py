"""`POST /v1/hooks/{source}`: a code host tells of a push, and the source is brought up to date in a job.

GitHub (and what speaks like it) signs the body, GitLab sends the secret. Nothing of the body but the branch is used: what
is read is the source as configured. A source without a secret has no hook, as one that does not exist.
"""

import asyncio
import hmac
import json
import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from bot.errors import NotAllowed
from bot.ingesting import IngestRequest
from bot.web.callers import json_only
from bot.web.disconnects import Disconnected
from bot.web.faults import FAULTS, FaultPayload
from bot.web.job_payloads import StartedPayload, accepted
from bot.web.ports import Hook, Ingestion
from bot.web.routes_ingest import NOT_THERE

MOST_IN_MINUTE = 30
"""Jobs that one hook may ask for: replaying an old message is harmless, and must not keep the worker from other sources."""
MOST_AT_ONCE = 2
"""Bodies in memory: whoever sends one has not shown yet that they know the secret."""
BODY_S = 20.0
"""Seconds a body may take, before its place is for others."""

_SIGNATURE = re.compile(r"sha256=([0-9a-f]{64})")
_MINUTE_S = 60.0
_NO_COMMIT = "0" * 40
_NOTHING = "nothing to do"


class NothingPayload(BaseModel):
    """What was told of is nothing to this source."""

    said: str


@dataclass(frozen=True, slots=True)
class _Told:
    """What a message says, whichever host it comes from. `branch` is empty for what is no push to a branch."""

    event: str
    branch: str
    default_branch: str


class _Rate:
    """How often within the last minute."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._times: deque[float] = deque()

    def wait_s(self) -> float:
        """Count one more, and return 0; or the seconds until one more may come."""
        now = self._clock()
        while self._times and self._times[0] <= now - _MINUTE_S:
            self._times.popleft()
        if len(self._times) >= MOST_IN_MINUTE:
            return self._times[0] + _MINUTE_S - now
        self._times.append(now)
        return 0.0


def hooks_router(*, ingestion: Ingestion, clock: Callable[[], float] = time.monotonic) -> APIRouter:
    """The route. `clock` gives seconds that only go forward."""
    router = APIRouter(prefix="/v1/hooks", tags=["ingestion"])
    rates = {source: _Rate(clock) for source in ingestion.hooks}
    places = asyncio.Semaphore(MOST_AT_ONCE)

    @router.post(
        "/{source}",
        status_code=202,
        response_model=StartedPayload | NothingPayload,
        responses={status: FAULTS[status] for status in (401, 413, 415, 503)}
        | NOT_THERE
        | {429: {"model": FaultPayload, "description": "Too many pushes in a minute."}},
    )
    async def push(source: str, request: Request) -> Response:
        """A push, told by GitHub (`X-Hub-Signature-256`) or GitLab (`X-Gitlab-Token`)."""
        hook = ingestion.hooks.get(source)
        if hook is None:
            raise HTTPException(404)
        _refuse_unsigned(request, hook)
        async with places:
            told = _told(request, await _checked_body(request, hook))
        if told.event == "ping":
            return JSONResponse({"said": "pong"})
        if (
            told.event != "push"
            or not told.branch
            or told.branch != (hook.branch or told.default_branch or told.branch)
        ):
            return JSONResponse({"said": _NOTHING}, 202)
        wait_s = rates[source].wait_s()
        if wait_s:
            raise HTTPException(
                429, "Too many pushes in a minute: send this again.", {"Retry-After": f"{wait_s + 1:.0f}"}
            )
        job = ingestion.jobs.submit(IngestRequest(sources=(source,)), by="hook")
        return accepted(StartedPayload(job=job.id, state=job.state))

    return router


def _refuse_unsigned(request: Request, hook: Hook) -> None:
    """Refuse, before its body is read, what cannot turn out to be signed. Raises NotAllowed."""
    signature = request.headers.get("x-hub-signature-256")
    if signature is not None:
        if _SIGNATURE.fullmatch(signature):
            return
    elif hmac.compare_digest(_bytes(request.headers.get("x-gitlab-token", "")), hook.secret):
        return
    raise _not_signed()


async def _checked_body(request: Request, hook: Hook) -> bytes:
    """The body as it was signed. Raises NotAllowed; HTTPException if it does not come, or is no JSON by its header."""
    try:
        async with asyncio.timeout(BODY_S):
            body = await request.body()
    except TimeoutError as error:
        raise HTTPException(408, "The body took too long: send it again.") from error
    except ClientDisconnect as gone:
        raise Disconnected from gone
    signature = _SIGNATURE.fullmatch(request.headers.get("x-hub-signature-256", ""))
    if signature and not hmac.compare_digest(hmac.new(hook.secret, body, sha256).hexdigest(), signature[1]):
        raise _not_signed()
    await json_only(request)
    return body


def _told(request: Request, body: bytes) -> _Told:
    """What a signed message says. Raises HTTPException (400) if it is no JSON object."""
    try:
        said: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400) from error
    if not isinstance(said, dict):
        raise HTTPException(400)
    event = request.headers.get("x-github-event") or request.headers.get("x-gitlab-event", "")
    names = {"push": "push", "ping": "ping", "Push Hook": "push"}
    ref = said.get("ref")
    branch = ref.removeprefix("refs/heads/") if isinstance(ref, str) and ref.startswith("refs/heads/") else ""
    if said.get("deleted") is True or said.get("after") == _NO_COMMIT:  # the branch is gone: there is nothing to read
        branch = ""
    return _Told(names.get(event, ""), branch, _default_branch(said))


def _default_branch(said: dict[str, Any]) -> str:
    for key in ("repository", "project"):  # GitHub's word, GitLab's word
        about = said.get(key)
        if isinstance(about, dict) and isinstance(about.get("default_branch"), str):
            return str(about["default_branch"])
    return ""


def _not_signed() -> NotAllowed:
    return NotAllowed("This message is not signed as it must be.")


def _bytes(header: str) -> bytes:
    """A header's bytes as they came."""
    return header.encode("latin-1", "replace")
