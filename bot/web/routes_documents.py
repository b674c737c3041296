"""`POST /v1/search`, `GET /v1/documents/{document_id}` and `GET /v1/sources`: passages, the whole text a citation counts in,
and where there is something to read.
"""

from datetime import datetime
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from bot.payloads import SearchPayload, public_address, search_payload
from bot.web.bodies import SearchRequest
from bot.web.callers import Caller, json_only
from bot.web.disconnects import while_connected
from bot.web.faults import FAULTS, FaultPayload
from bot.web.ports import Assistant
from retrieval.access import Principal


class DocumentPayload(BaseModel):
    """A whole document; `text[start:end]` of a citation is its quote, counted in characters (code points)."""

    document_id: str
    title: str
    address: str
    language: str
    text: str


class SourcePayload(BaseModel):
    """A source, and how many of its documents the caller may read."""

    name: str
    documents: int
    synced_at: datetime | None = Field(description="When it was read last.")


class SourcesPayload(BaseModel):
    """By name."""

    sources: list[SourcePayload]


def documents_router(*, assistant: Assistant, caller: Caller) -> APIRouter:
    """The routes, reading through `assistant` for whoever `caller` says it is."""
    router = APIRouter(prefix="/v1", tags=["documents"])

    @router.post("/search", responses=FAULTS, dependencies=[Depends(json_only)])
    async def search(
        body: SearchRequest, request: Request, principal: Annotated[Principal, Depends(caller)]
    ) -> SearchPayload:
        """Find the passages nearest to a question, among the documents the caller may read. Runs no chat model."""
        found = assistant.search(body.question, principal=principal, k=body.k, filters=body.filters.filters())
        return search_payload(body.id or uuid4().hex, body.question, await while_connected(found, request.receive))

    @router.get("/documents/{document_id}", responses={401: FAULTS[401], 404: {"model": FaultPayload}})
    async def document(document_id: str, principal: Annotated[Principal, Depends(caller)]) -> DocumentPayload:
        """The whole text of a document, to check a citation against. One the caller may not read is not found."""
        found = await assistant.document(document_id, principal=principal)
        return DocumentPayload(
            document_id=found.id,
            title=found.title,
            address=public_address(found.id, found.address, found.source_kind),
            language=found.language,
            text=found.text,
        )

    @router.get("/sources", responses={401: FAULTS[401]})
    async def sources(principal: Annotated[Principal, Depends(caller)]) -> SourcesPayload:
        """The sources with a document that the caller may read."""
        found = await assistant.sources(principal=principal)
        return SourcesPayload(
            sources=[SourcePayload(name=s.name, documents=s.documents, synced_at=s.synced_at) for s in found]
        )

    return router
