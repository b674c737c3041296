"""The JSON of a server (`bot/payloads.py`, `bot/web/`) as the values it was made from. Knows no connection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from bot.answers import (
    Answer,
    Citation,
    Copy,
    Delta,
    Done,
    Event,
    Nearest,
    Queued,
    Refused,
    Searching,
    Sources,
    Timings,
    Usage,
)
from bot.discord_bot.ports import SourceView
from bot.payloads import (
    HEADING_SEPARATOR,
    AnswerPayload,
    CitationPayload,
    CopyPayload,
    HitPayload,
    NearestPayload,
)
from retrieval.documents import Hit

_OF_UPLOADS = "/v1/documents/"
"""How the address of an upload begins: it is opened at the server."""


@dataclass(frozen=True, slots=True)
class RemoteDocument:
    """A document as it is now."""

    title: str
    address: str
    text: str


class _Nearest(BaseModel):
    documents: list[NearestPayload]
    searched_for: str


def event_of(name: str, said: Any) -> Event | None:
    """An event of an answer; None for one that this version does not know."""
    read = _EVENTS.get(name)
    return read(said) if read else None


def answer_of(said: Any) -> Answer:
    """A whole answer."""
    told = AnswerPayload.model_validate(said)
    return Answer(
        id=told.id,
        question=told.question,
        text=told.answer,
        style=told.style,
        citations=tuple(_citation(one) for one in told.citations),
        nearest=tuple(_nearest(one) for one in told.nearest),
        model=told.model,
        usage=Usage(**told.usage.model_dump()),
        timings=Timings(**told.timings.model_dump()),
        trace_id=told.trace_id,
        thread=told.thread,
        prompt=told.prompt,
    )


def hit_of(said: Any) -> Hit:
    """A passage; its scores of words and vectors stay with the server."""
    told = HitPayload.model_validate(said)
    return Hit(
        document_id=told.document_id,
        chunk_id=told.chunk_id,
        title=told.title,
        heading=_heading(told.heading),
        address=told.address,
        language=told.language,
        line=told.line,
        page=told.page,
        start=told.start,
        end=told.end,
        text=told.text,
        score=told.score,
        words=0.0,
        similarity=None,
        source_kind=_kind(told.address),
        changed=told.changed,
        rerank=told.rerank,
        dated=told.dated,
    )


def document_of(said: Any) -> RemoteDocument:
    """A whole document."""
    return RemoteDocument(str(said["title"]), str(said["address"]), str(said["text"]))


def source_of(said: Any) -> SourceView:
    """A source."""
    synced_at = said["synced_at"]
    return SourceView(
        str(said["name"]), int(said["documents"]), datetime.fromisoformat(synced_at) if synced_at else None
    )


def _citation(told: CitationPayload) -> Citation:
    return Citation(
        n=told.n,
        document_id=told.document_id,
        chunk_id=told.chunk_id,
        title=told.title,
        heading=_heading(told.heading),
        address=told.address,
        line=told.line,
        page=told.page,
        quote=told.quote,
        start=told.start,
        end=told.end,
        changed=told.changed,
        dated=told.dated,
        source_kind=_kind(told.address),
        also=tuple(_copy(one) for one in told.also),
    )


def _copy(told: CopyPayload) -> Copy:
    return Copy(told.document_id, told.title, told.address, _kind(told.address))


def _nearest(told: NearestPayload) -> Nearest:
    return Nearest(told.document_id, told.title, told.address, _kind(told.address), told.owner)


def _heading(joined: str) -> tuple[str, ...]:
    return tuple(joined.split(HEADING_SEPARATOR)) if joined else ()


def _kind(address: str) -> str:
    return "upload" if address.startswith(_OF_UPLOADS) else ""


def _sources(said: Any) -> Sources:
    told = _Nearest.model_validate(said)
    return Sources(tuple(_nearest(one) for one in told.documents), told.searched_for)


_EVENTS: dict[str, Callable[[Any], Event]] = {
    "searching": lambda said: Searching(str(said["query"])),
    "sources": _sources,
    "queued": lambda said: Queued(int(said["position"]), float(said["seconds"])),
    "delta": lambda said: Delta(str(said["text"])),
    "done": lambda said: Done(answer_of(said)),
    "refused": lambda said: Refused(answer_of(said)),
}
