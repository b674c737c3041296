"""The platform behind a running server's HTTP API: what `kura discord` asks, as a client that may ask for people on Discord.

The token goes to that server alone: no redirect is followed, no proxy of the environment used, and nothing of it logged.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import aiohttp
import structlog

from bot.answers import Event, Question
from bot.discord_bot.job_views import job_view
from bot.discord_bot.payloads import document_of, event_of, hit_of, source_of
from bot.discord_bot.ports import DocumentText, JobView, SourceView, Statistics
from bot.errors import BadQuestion, BotError, SettingsError
from bot.feedback import Feedback
from ingest.errors import SourceError
from models.errors import EngineBusy
from retrieval.access import Principal
from retrieval.documents import Hit
from retrieval.errors import NotFound
from retrieval.filters import Filters

_log = structlog.get_logger(__name__)

CONNECT_S = 10.0
SILENCE_S = 60.0
"""A stream says something every 15 s: a server silent for this long is not there any more."""
_LINE = 16 * 2**20
"""Bytes of one event at most: an answer with its quotes."""


class ServerGone(BotError):
    """The server does not answer, or not as Kura does."""


class RemotePlatform:
    """See `bot.discord_bot.ports.Platform`. Lives in one event loop, and is closed there."""

    def __init__(self, server: str, token: str) -> None:
        """`server` is the beginning of its addresses: `https://kura.example.com`."""
        self._server = server.rstrip("/")
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {token}"},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=SILENCE_S),
            connector=aiohttp.TCPConnector(limit=0),  # how many may ask at once is the server's to say
            trust_env=False,
            read_bufsize=_LINE,
        )
        self._shown: frozenset[str] = frozenset()

    async def close(self) -> None:
        """Let go of the connections."""
        await self._session.close()

    async def check(self) -> None:
        """Returns if the server lets this client ask for people. Raises SettingsError, ServerGone."""
        await self._status()

    async def ask(self, question: Question) -> AsyncGenerator[Event, None]:
        body = {
            "question": question.text,
            "id": question.id,
            "thread": question.thread,
            "shared": question.shared,
            "filters": _filters(question.filters),
        }
        async with self._answered(
            "POST", "/v1/ask", principal=question.principal, body=body, accept="text/event-stream"
        ) as response:
            name = ""
            async for raw in response.content:
                line = raw.decode().rstrip("\r\n")
                if line.startswith("event:"):
                    name = line.removeprefix("event:").strip()
                elif line.startswith("data:"):
                    said = json.loads(line.removeprefix("data:"))
                    if name == "error":
                        raise _failure(500, said)
                    event = event_of(name, said)
                    if event is not None:
                        yield event

    async def search(self, text: str, *, principal: Principal, k: int, filters: Filters) -> Sequence[Hit]:
        body = {"question": text, "k": k, "filters": _filters(filters)}
        return [hit_of(one) for one in (await self._json("POST", "/v1/search", principal, body))["hits"]]

    async def document(self, document_id: str, *, principal: Principal) -> DocumentText:
        return document_of(await self._json("GET", f"/v1/documents/{quote(document_id, safe='')}", principal))

    async def sources(self, *, principal: Principal) -> Sequence[SourceView]:
        return [source_of(one) for one in (await self._json("GET", "/v1/sources", principal))["sources"]]

    async def put_feedback(self, answer_id: str, feedback: Feedback, *, principal: Principal) -> None:
        body = {"verdict": feedback.verdict, "wrong": feedback.wrong, "right": feedback.right}
        await self._json("PUT", _feedback(answer_id), principal, body)

    async def remove_feedback(self, answer_id: str, *, principal: Principal) -> None:
        await self._json("DELETE", _feedback(answer_id), principal)

    async def forget(self, *, principal: Principal) -> int:
        return int((await self._json("DELETE", "/v1/conversations", principal))["answers"])

    async def statistics(self, days: int) -> Statistics:
        return Statistics(**await self._json("GET", f"/v1/discord/statistics?days={days}"))

    async def status(self) -> Sequence[str]:
        return [str(one) for one in (await self._status())["sentences"]]

    async def reingest(self, source: str, *, by: Principal) -> JobView:
        await self._status()  # which sources may be named
        try:
            begun = await self._json("POST", "/v1/ingest", by, {"sources": [source] if source else []})
        except BadQuestion as refused:  # whatever the server could not take: of an ingest, only its source
            raise SourceError(str(refused)) from refused
        return job_view(begun["job"], begun["state"], progress=(), faults={}, fault="", shown=self._shown)

    async def job(self, job_id: str) -> JobView:
        told = await self._json("GET", f"/v1/ingest/{quote(job_id, safe='')}")
        return job_view(
            told["job"],
            told["state"],
            progress=[(one["source"], one["done"], one["total"], one["failed_count"]) for one in told["progress"]],
            faults=told["faults"],
            fault=told["fault"],
            shown=self._shown,
        )

    async def last_ingest(self) -> str:
        return str((await self._status())["last_ingest"])

    async def _status(self) -> Any:
        told = await self._json("GET", "/v1/discord/status")
        self._shown = frozenset(told["shown"])
        return told

    async def _json(
        self, method: str, path: str, principal: Principal | None = None, body: dict[str, Any] | None = None
    ) -> Any:
        """What the server answers; None if it answers without a body."""
        async with self._answered(method, path, principal=principal, body=body) as response:
            return None if response.status == 204 else await response.json()

    @asynccontextmanager
    async def _answered(
        self,
        method: str,
        path: str,
        *,
        principal: Principal | None,
        body: dict[str, Any] | None,
        accept: str = "application/json",
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The server's answer, if it is none of a fault; its connection is closed at the end if it was not read to its own.

        Raises what the fault was, as the parts of Kura raise it here.
        """
        headers = {"Accept": accept} | (_for(principal) if principal else {})
        try:
            async with self._session.request(
                method, self._server + path, json=body, headers=headers, allow_redirects=False
            ) as response:
                if not 200 <= response.status < 300:
                    raise _failure(response.status, await _said(response))
                yield response
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError, TypeError) as error:
            _log.warning("the server does not answer", server=self._server, reason=type(error).__name__)
            raise ServerGone("Kura's server does not answer just now: ask again in a minute.") from error


def _for(principal: Principal) -> dict[str, str]:
    return {"Kura-For": principal.id, "Kura-Groups": ",".join(quote(one, safe="") for one in sorted(principal.groups))}


def _feedback(answer_id: str) -> str:
    return f"/v1/answers/{quote(answer_id, safe='')}/feedback"


def _filters(filters: Filters) -> dict[str, Any]:
    return {
        "sources": sorted(filters.sources),
        "languages": sorted(filters.languages),
        "after": filters.after.isoformat() if filters.after else None,
        "before": filters.before.isoformat() if filters.before else None,
    }


async def _said(response: aiohttp.ClientResponse) -> Any:
    try:
        return await response.json()
    except (aiohttp.ContentTypeError, ValueError):
        return None


def _failure(status: int, said: Any) -> Exception:
    """A fault that the server told of, as the exception it is here."""
    try:
        fault = said["error"]
        sentence = str(fault["sentence"])
    except (TypeError, KeyError):
        return ServerGone(f"What answers in Kura's place is something else (status {status}): ask again in a minute.")
    if status in (401, 403):
        return SettingsError(f"Kura's server refuses the token of this bot: {sentence}")
    if status == 404:
        return NotFound(sentence)
    if status in (413, 422):
        return BadQuestion(sentence)
    if (retry_after_s := fault.get("retry_after_s")) is not None:
        return EngineBusy(sentence, float(retry_after_s))
    return BotError(sentence)
