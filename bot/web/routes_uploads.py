"""`/v1/sources/{source}/files`: what people upload to a source. Only for clients that may ingest.

A file goes to disk as it comes: no body is held in memory.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from io import RawIOBase
from pathlib import PurePath
from typing import Annotated, Any, BinaryIO, cast

import anyio.from_thread
import anyio.to_thread
from anyio import CapacityLimiter
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from bot.errors import Overloaded
from bot.ingesting import IngestRequest
from bot.jobs import Job
from bot.web.callers import Caller
from bot.web.disconnects import Disconnected
from bot.web.faults import FAULTS, FaultPayload, NotThere
from bot.web.job_payloads import KeptPayload, accepted
from bot.web.ports import Ingestion
from bot.web.routes_ingest import NOT_THERE, REFUSALS
from ingest.loaders import SUFFIXES
from ingest.sources.folder import MAX_BYTES
from ingest.sources.uploads import MAX_ARCHIVE_BYTES, Uploads, safe_name
from retrieval.access import Principal

MOST_AT_ONCE = 4
"""Uploads being written; each holds a thread."""
ARCHIVE = ".zip"
SILENCE_S = 60.0
"""How long an upload may send nothing, before its thread is for others."""

_BODY: dict[str, Any] = {"requestBody": {"content": {"application/octet-stream": {}}, "required": True}}
_REFUSED: dict[int | str, dict[str, Any]] = {
    **{status: FAULTS[status] for status in (413, 422, 503)},
    415: {"model": FaultPayload, "description": "Kura does not read files of this kind."},
}
_NO_SOURCE = "There is no source of this name that takes uploads."


class FilesPayload(BaseModel):
    """The names of the files of a source."""

    files: list[str]


def uploads_router(*, ingestion: Ingestion, ingester: Caller) -> APIRouter:
    """The routes, for whoever `ingester` lets pass."""
    router = APIRouter(prefix="/v1/sources/{source}/files", tags=["ingestion"], responses=REFUSALS | NOT_THERE)
    writers: list[CapacityLimiter] = []  # made at the first use: it belongs to the event loop

    def uploads_of(source: str) -> Uploads:
        if source not in ingestion.uploads:
            raise NotThere(_NO_SOURCE)
        return ingestion.uploads[source]

    @router.get("", dependencies=[Depends(ingester)])
    def names(source: str) -> FilesPayload:  # in a thread: the folder is read
        """The files that were uploaded to a source."""
        return FilesPayload(files=uploads_of(source).names())

    @router.put("/{name:path}", status_code=202, response_model=KeptPayload, responses=_REFUSED, openapi_extra=_BODY)
    async def put(
        source: str, name: str, request: Request, principal: Annotated[Principal, Depends(ingester)]
    ) -> Response:
        """Keep a file (the body, as it is), in place of one of the same name, and take it into the index in a job.

        Of a `.zip`, each member is a document.
        """
        uploads = uploads_of(source)
        name = safe_name(name)
        _check_kind(name)
        if not writers:
            writers.append(CapacityLimiter(MOST_AT_ONCE))
        async with aclosing(_pieces(request, most=_most(name))) as pieces:
            content = cast(BinaryIO, _Arriving(pieces))
            try:
                kept = await anyio.to_thread.run_sync(uploads.put, name, content, limiter=writers[0])
            except ClientDisconnect as gone:
                raise Disconnected from gone
        job = _submit(ingestion, IngestRequest(sources=(source,)), principal, f"{kept} is kept")
        return accepted(KeptPayload(job=job.id, state=job.state, name=kept))

    @router.delete("/{name:path}", status_code=202, response_model=KeptPayload)
    def remove(source: str, name: str, principal: Annotated[Principal, Depends(ingester)]) -> Response:
        """Delete a file, and take it out of the index in a job."""
        uploads = uploads_of(source)
        name = safe_name(name)
        if name not in uploads.names():
            raise NotThere("There is no file of this name: GET the list without a name.")
        uploads.remove(name)
        # Whoever deletes a file by its name has said that it is to go: however large its share of the source is.
        request = IngestRequest(sources=(source,), confirmed=True)
        job = _submit(ingestion, request, principal, f"{name} is deleted")
        return accepted(KeptPayload(job=job.id, state=job.state, name=name))

    return router


def _submit(ingestion: Ingestion, request: IngestRequest, principal: Principal, done: str) -> Job:
    try:
        return ingestion.jobs.submit(request, by=principal.id)
    except Overloaded as error:
        raise Overloaded(
            f"{done}, but the index does not know yet: too many ingests are waiting, send it again."
        ) from error


def _check_kind(name: str) -> None:
    """Raises HTTPException (415) for a file that no ingest would read."""
    if PurePath(name).suffix.lower() not in SUFFIXES | {ARCHIVE}:
        known = " ".join(sorted(SUFFIXES | {ARCHIVE}))
        raise HTTPException(415, f"{name}: no loader for this kind of file; known are {known}.")


def _most(name: str) -> int:
    return MAX_ARCHIVE_BYTES if name.lower().endswith(ARCHIVE) else MAX_BYTES


async def _pieces(request: Request, *, most: int) -> AsyncGenerator[bytes, None]:
    """The body as it comes. Raises HTTPException: 413 as soon as it is too large, 408 if nothing comes."""
    too_large = HTTPException(413, f"The file is larger than {most // 2**20} MiB: split it.")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and len(declared) < 20 and int(declared) > most:
        raise too_large
    arrived = 0
    async with aclosing(request.stream()) as stream:
        while True:
            try:
                async with asyncio.timeout(SILENCE_S):
                    piece = await anext(stream, None)
            except TimeoutError as error:
                raise HTTPException(408, f"Nothing came for {SILENCE_S:.0f} seconds: send the file again.") from error
            if piece is None:
                return
            arrived += len(piece)
            if arrived > most:
                raise too_large
            if piece:
                yield piece


class _Arriving(RawIOBase):
    """The pieces as a file that a thread reads: each read waits on the event loop for what comes next."""

    def __init__(self, pieces: AsyncGenerator[bytes, None]) -> None:
        self._pieces = pieces

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """At least `size` bytes, unless there are no more: pieces are kept whole. `size` must be positive."""
        return anyio.from_thread.run(self._gathered, size)

    async def _gathered(self, size: int) -> bytes:
        gathered = bytearray()
        while len(gathered) < size and (piece := await anext(self._pieces, b"")):
            gathered += piece
        return bytes(gathered)
