"""The JSON of answers and searches, the same from the command line and over HTTP. Knows no front end.

Field names are an interface: programs outside read them. New fields may come, these stay.
Offsets are in characters (code points); times in milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Literal

from pydantic import BaseModel, Field

from bot.answers import Answer, Citation, Copy, Nearest
from retrieval.documents import Hit

HEADING_SEPARATOR = " › "

_DATED = "The day its document is of: as it says itself, else of its last change; null if neither is known."
_ADDRESS = "The path or link of the source document; of an upload, the path of its text on this server."


class CopyPayload(BaseModel):
    """Another document that says the same in the same words."""

    document_id: str
    title: str
    address: str = Field(description=_ADDRESS)


class CitationPayload(BaseModel):
    """A cited span: `quote` is the document's text from `start` to `end`, to the character."""

    n: int = Field(description="The number this citation has in the answer's text, as [n].")
    document_id: str
    chunk_id: str
    title: str
    heading: str = Field(description="The headings the span stands under, outermost first, joined by ' › '.")
    address: str = Field(description=_ADDRESS)
    line: int = Field(description="1-based line of the document's text.")
    page: int | None = Field(description="1-based page, if the document has pages.")
    quote: str
    start: int
    end: int
    dated: date | None = Field(description=_DATED)
    changed: bool = Field(description="The file has changed since it was read, or cannot be looked at now.")
    also: list[CopyPayload] = Field(description="Where the quote stands too; copies are not cited each by itself.")


class NearestPayload(BaseModel):
    """A document that came near the question."""

    document_id: str
    title: str
    address: str = Field(description=_ADDRESS)
    owner: str = Field(description="Whom to ask about it, as the settings of its source say; may be empty.")


class UsagePayload(BaseModel):
    """Tokens the model read and wrote."""

    prompt_tokens: int
    completion_tokens: int


class TimingsPayload(BaseModel):
    """Milliseconds since the question was taken up."""

    search_ms: float
    first_token_ms: float
    total_ms: float


class AnswerPayload(BaseModel):
    """A whole answer. A refusal has no citations and names the nearest documents instead; a courtesy has neither."""

    id: str
    question: str
    answer: str
    refused: bool
    style: Literal["quote", "generate", "refusal", "courtesy"]
    citations: list[CitationPayload]
    nearest: list[NearestPayload]
    model: str
    usage: UsagePayload
    timings: TimingsPayload
    trace_id: str
    thread: str
    prompt: str = Field(
        description="Name, version and hash of the model's prompt; empty if no model was asked to write."
    )


class HitPayload(BaseModel):
    """A passage: `text` is the document's text from `start` to `end`. `score` orders the hits of one search only."""

    document_id: str
    chunk_id: str
    title: str
    heading: str
    address: str = Field(description=_ADDRESS)
    language: str
    line: int
    page: int | None
    start: int
    end: int
    text: str
    score: float
    dated: date | None = Field(description=_DATED)
    changed: bool = Field(description="The file has changed since it was read, or cannot be looked at now.")
    also: list[CopyPayload] = Field(description="Copies in other documents that the caller may read.")
    rerank: float | None = Field(description="What the reranker says of it, from 0 to 1; null if none was asked.")


class SearchPayload(BaseModel):
    """The passages found for a question, best first."""

    id: str
    question: str
    hits: list[HitPayload]


def public_address(document_id: str, address: str, source_kind: str) -> str:
    """What opens a document. Uploads lie where only the server looks: they are opened there, by whoever may read them."""
    return f"/v1/documents/{document_id}" if source_kind == "upload" else address


def answer_payload(answer: Answer) -> AnswerPayload:
    """The JSON shape of `answer`."""
    return AnswerPayload(
        id=answer.id,
        question=answer.question,
        answer=answer.text,
        refused=answer.refused,
        style=answer.style,
        citations=[_citation(citation) for citation in answer.citations],
        nearest=[nearest_payload(near) for near in answer.nearest],
        model=answer.model,
        usage=UsagePayload(prompt_tokens=answer.usage.prompt_tokens, completion_tokens=answer.usage.completion_tokens),
        timings=TimingsPayload(
            search_ms=answer.timings.search_ms,
            first_token_ms=answer.timings.first_token_ms,
            total_ms=answer.timings.total_ms,
        ),
        trace_id=answer.trace_id,
        thread=answer.thread,
        prompt=answer.prompt,
    )


def nearest_payload(near: Nearest) -> NearestPayload:
    """The JSON shape of a document that came near."""
    return NearestPayload(
        document_id=near.document_id,
        title=near.title,
        address=public_address(near.document_id, near.address, near.source_kind),
        owner=near.owner,
    )


def search_payload(id: str, question: str, hits: Sequence[Hit]) -> SearchPayload:  # noqa: A002  the JSON's own name
    """The JSON shape of a search; `hits` best first."""
    return SearchPayload(id=id, question=question, hits=[_hit(hit) for hit in hits])


def _citation(citation: Citation) -> CitationPayload:
    return CitationPayload(
        n=citation.n,
        document_id=citation.document_id,
        chunk_id=citation.chunk_id,
        title=citation.title,
        heading=HEADING_SEPARATOR.join(citation.heading),
        address=public_address(citation.document_id, citation.address, citation.source_kind),
        line=citation.line,
        page=citation.page,
        quote=citation.quote,
        start=citation.start,
        end=citation.end,
        dated=citation.dated,
        changed=citation.changed,
        also=[_copy(one) for one in citation.also],
    )


def _copy(copy: Copy | Hit) -> CopyPayload:
    return CopyPayload(
        document_id=copy.document_id,
        title=copy.title,
        address=public_address(copy.document_id, copy.address, copy.source_kind),
    )


def _hit(hit: Hit) -> HitPayload:
    return HitPayload(
        document_id=hit.document_id,
        chunk_id=hit.chunk_id,
        title=hit.title,
        heading=HEADING_SEPARATOR.join(hit.heading),
        address=public_address(hit.document_id, hit.address, hit.source_kind),
        language=hit.language,
        line=hit.line,
        page=hit.page,
        start=hit.start,
        end=hit.end,
        text=hit.text,
        score=hit.score,
        dated=hit.dated,
        changed=hit.changed,
        also=[_copy(one) for one in hit.also],
        rerank=hit.rerank,
    )
