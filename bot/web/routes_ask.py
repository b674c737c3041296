"""`POST /v1/ask`: a question in, an answer out, whole or as events."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Depends, Request
from fastapi.sse import format_sse_event
from pydantic import BaseModel, Field
from starlette.responses import Response

from bot.answers import Answer, Delta, Done, Event, Question, Queued, Refused, Searching, Sources
from bot.payloads import AnswerPayload, NearestPayload, answer_payload, nearest_payload
from bot.web.bodies import AskRequest
from bot.web.callers import Caller, accepts, json_only
from bot.web.disconnects import while_connected
from bot.web.event_stream import EventStream
from bot.web.faults import FAULTS, fault_payload
from bot.web.metrics import Metrics
from bot.web.ports import Assistant
from retrieval.access import Audience, Principal

_FORMS = """The answer; or, when asked for with `Accept: text/event-stream`, server-sent events: `searching` {"query", "filters"},
`sources` {"documents"}, `queued` {"position", "seconds"} as often as the place in the model's queue changes, any number of
`delta` {"text"}, and last `done` or `refused` with the answer, or `error`."""


class SearchingPayload(BaseModel):
    """What is searched for; a follow-up is rewritten to stand alone."""

    query: str
    filters: str = Field(description="Which documents are searched, as it would be typed; empty: all.")


class SourcesPayload(BaseModel):
    """The documents the answer will be drawn from, best first; what was searched for, where a word was misspelt."""

    documents: list[NearestPayload]
    searched_for: str


class QueuedPayload(BaseModel):
    """The model is busy with others: the place in its queue (1 is the next), and an estimate of the wait."""

    position: int
    seconds: float


class DeltaPayload(BaseModel):
    """A piece of the answer's text."""

    text: str


def ask_router(*, assistant: Assistant, caller: Caller, metrics: Metrics) -> APIRouter:
    """The route, answering with `assistant` for whoever `caller` says it is."""
    router = APIRouter(prefix="/v1", tags=["answers"], dependencies=[Depends(json_only)])

    @router.post(
        "/ask",
        response_model=AnswerPayload,
        responses={200: {"description": _FORMS, "content": {"text/event-stream": {}}}, **FAULTS},
    )
    async def ask(
        body: AskRequest, request: Request, principal: Annotated[Principal, Depends(caller)]
    ) -> AnswerPayload | Response:
        """Answer a question from the documents the caller may read, with citations, or refuse if they hold none."""
        question = Question(
            id=body.id or uuid4().hex,
            text=body.question,
            principal=principal,
            thread=body.thread,
            origin="discord" if principal.audience is Audience.DISCORD else "http",
            filters=body.filters.filters(),
            shared=body.shared,
        )
        events = assistant.ask(question)
        if accepts(request, "text/event-stream"):
            request_id = request.state.request_id
            return EventStream(
                _encoded(events, metrics), fault_event=lambda error: _fault_event(error, request_id=request_id)
            )
        answer = await while_connected(_answer(events), request.receive)
        metrics.answered_question(answer)
        return answer_payload(answer)

    return router


async def _answer(events: AsyncGenerator[Event, None]) -> Answer:
    """The answer the events end with."""
    async with aclosing(events):
        async for event in events:
            if isinstance(event, (Done, Refused)):
                return event.answer
    raise _NoAnswerError


async def _encoded(events: AsyncGenerator[Event, None], metrics: Metrics) -> AsyncGenerator[bytes, None]:
    """The events in wire format, up to and with the answer."""
    async with aclosing(events):
        async for event in events:
            name, payload = _named(event)
            if isinstance(event, (Done, Refused)):
                metrics.answered_question(event.answer)
            yield format_sse_event(event=name, data_str=payload.model_dump_json())
            if isinstance(event, (Done, Refused)):
                return
    raise _NoAnswerError


def _named(event: Event) -> tuple[str, BaseModel]:
    match event:
        case Searching(query, filters):
            return "searching", SearchingPayload(query=query, filters=str(filters))
        case Sources(documents, searched_for):
            nearest = [nearest_payload(near) for near in documents]
            return "sources", SourcesPayload(documents=nearest, searched_for=searched_for)
        case Queued(position, seconds):
            return "queued", QueuedPayload(position=position, seconds=seconds)
        case Delta(text):
            return "delta", DeltaPayload(text=text)
        case Done(answer):
            return "done", answer_payload(answer)
        case Refused(answer):
            return "refused", answer_payload(answer)


def _fault_event(error: Exception, *, request_id: str) -> bytes:
    payload, _ = fault_payload(error, request_id=request_id)
    return format_sse_event(event="error", data_str=payload.model_dump_json(exclude_none=True))


class _NoAnswerError(Exception):
    """The assistant's events ended without `Done` or `Refused`: a fault of the assistant, unforeseen here."""
