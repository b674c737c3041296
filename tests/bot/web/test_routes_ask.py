from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
import structlog
from fastapi import FastAPI
from starlette.testclient import TestClient
from starlette.types import Message

from bot.answers import Answer, Delta, Done, Nearest, Refused, Searching, Sources
from bot.errors import BadQuestion, Overloaded
from bot.fakes import ScriptedAssistant
from bot.payloads import answer_payload
from models.errors import EngineFailed
from retrieval.filters import Filters

Site = Callable[..., TestClient]
STREAM = {"Accept": "text/event-stream"}


def parse(stream: str) -> list[tuple[str, Any]]:
    """The named events of a stream, with their data."""
    events = []
    for block in stream.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        events.append((fields["event"], json.loads(fields["data"])))
    return events


def test_an_answer_comes_as_json(site: Site, answer: Answer) -> None:
    assistant = ScriptedAssistant([Searching("宿泊費"), Delta(answer.text), Done(answer)])
    response = site(assistant).post("/v1/ask", json={"question": "宿泊費の上限は?", "id": "q1", "thread": "t"})
    assert response.status_code == 200
    assert response.json() == answer_payload(answer).model_dump()
    (question,) = assistant.questions
    assert (question.id, question.text, question.thread) == ("q1", "宿泊費の上限は?", "t")
    assert (question.origin, question.principal.id) == ("http", "guest")


def test_a_question_without_an_id_gets_one(site: Site, answer: Answer) -> None:
    assistant = ScriptedAssistant([Done(answer)])
    client = site(assistant)
    client.post("/v1/ask", json={"question": "a"})
    client.post("/v1/ask", json={"question": "a"})
    first, second = assistant.questions
    assert first.id
    assert first.id != second.id


def test_a_refusal_is_an_answer_and_names_the_nearest_documents(site: Site, refusal: Answer) -> None:
    response = site(ScriptedAssistant([Refused(refusal)])).post("/v1/ask", json={"question": "Who won?"})
    assert response.status_code == 200
    assert response.json()["refused"] is True
    assert response.json()["nearest"] == [{"document_id": "d2", "title": "Hotels", "address": "hotels.md", "owner": ""}]


def test_an_answer_comes_as_events(site: Site, answer: Answer) -> None:
    near = Nearest("d1", "出張規程", "travel.md")
    script = [
        Searching("宿泊費", Filters(languages=frozenset({"ja"}))),
        Sources((near,), "宿泊費の上限"),
        Delta("上限は\n"),
        Delta("18,000 円"),
        Done(answer),
    ]
    response = site(ScriptedAssistant(script)).post("/v1/ask", json={"question": "宿泊費は?"}, headers=STREAM)
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    assert parse(response.text) == [
        ("searching", {"query": "宿泊費", "filters": "lang:ja"}),
        (
            "sources",
            {
                "documents": [{"document_id": "d1", "title": "出張規程", "address": "travel.md", "owner": ""}],
                "searched_for": "宿泊費の上限",
            },
        ),
        ("delta", {"text": "上限は\n"}),
        ("delta", {"text": "18,000 円"}),
        ("done", answer_payload(answer).model_dump()),
    ]


def test_a_refusal_comes_as_an_event(site: Site, refusal: Answer) -> None:
    response = site(ScriptedAssistant([Refused(refusal)])).post("/v1/ask", json={"question": "a"}, headers=STREAM)
    assert parse(response.text) == [("refused", answer_payload(refusal).model_dump())]


@pytest.mark.parametrize("accept", ["application/json, text/event-stream;q=0.5", "Text/Event-Stream"])
def test_events_are_sent_whenever_the_client_can_read_them(site: Site, answer: Answer, accept: str) -> None:
    response = site(ScriptedAssistant([Done(answer)])).post(
        "/v1/ask", json={"question": "a"}, headers={"Accept": accept}
    )
    assert response.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize("headers", [{}, STREAM])
def test_a_bad_question_gets_its_sentence_and_422_streamed_or_not(site: Site, headers: dict[str, str]) -> None:
    sentence = "The question is empty: type one."
    response = site(ScriptedAssistant([BadQuestion(sentence)])).post("/v1/ask", json={"question": ""}, headers=headers)
    assert response.status_code == 422
    assert response.json()["error"]["sentence"] == sentence


@pytest.mark.parametrize("headers", [{}, STREAM])
def test_a_full_queue_says_when_to_come_back(site: Site, headers: dict[str, str]) -> None:
    busy = Overloaded("Too many questions at once: try again later.")
    response = site(ScriptedAssistant([busy])).post("/v1/ask", json={"question": "a"}, headers=headers)
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) > 0


def test_a_fault_after_the_start_becomes_an_event_with_a_sentence(site: Site) -> None:
    assistant = ScriptedAssistant([Delta("The "), EngineFailed("The model stopped answering: ask again.")])
    response = site(assistant).post("/v1/ask", json={"question": "a"}, headers=STREAM)
    assert response.status_code == 200
    request_id = response.headers["x-request-id"]
    sentence = "Kura cannot do this just now: try again in a moment; whoever runs it will find the reason in its log."
    error = {"sentence": sentence, "request_id": request_id, "retry_after_s": 5}
    assert parse(response.text) == [("delta", {"text": "The "}), ("error", {"error": error})]
    assert assistant.closed.is_set()


def test_an_unforeseen_fault_after_the_start_shows_no_internals(site: Site) -> None:
    assistant = ScriptedAssistant([Delta("The "), LookupError("/srv/secret.db")])
    with structlog.testing.capture_logs() as log:
        response = site(assistant).post("/v1/ask", json={"question": "a"}, headers=STREAM)
    assert "secret" not in response.text
    assert "Something went wrong" in response.text
    assert (
        "LookupError: /srv/secret.db" in next(line for line in log if line["event"] == "unforeseen fault")["exception"]
    )


@pytest.mark.parametrize("headers", [{}, STREAM])
def test_events_that_end_without_an_answer_are_a_fault(site: Site, headers: dict[str, str]) -> None:
    response = site(ScriptedAssistant([])).post("/v1/ask", json={"question": "a"}, headers=headers)
    assert response.status_code == 500
    assert "Something went wrong" in response.json()["error"]["sentence"]


def test_wrong_credentials_ask_nothing(site: Site, answer: Answer) -> None:
    assistant = ScriptedAssistant([Done(answer)])
    client = site(assistant)
    response = client.post("/v1/ask", json={"question": "a"}, headers={"Authorization": "Bearer wrong"})
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert assistant.questions == []
    client.post("/v1/ask", json={"question": "a"}, headers={"Authorization": "Bearer hr"})
    assert assistant.questions[0].principal.groups == {"all", "hr"}


def test_a_client_that_goes_while_it_is_sent_to_closes_the_assistants_events(
    make_app: Callable[..., FastAPI], answer: Answer
) -> None:
    assistant = ScriptedAssistant([Searching("a"), Done(answer)])

    async def run() -> None:
        sending = asyncio.Event()
        body = [{"type": "http.request", "body": b'{"question": "a"}'}]

        async def receive() -> Message:
            if body:
                return body.pop()
            await sending.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message.get("body"):
                sending.set()
                await asyncio.Event().wait()  # a full pipe

        headers = [(b"host", b"localhost"), (b"content-type", b"application/json"), (b"accept", b"text/event-stream")]
        scope = {"type": "http", "method": "POST", "path": "/v1/ask", "query_string": b"", "headers": headers}
        await make_app(assistant)(scope, receive, send)
        assert assistant.closed.is_set()

    asyncio.run(run())


def test_filters_beside_a_question_reach_the_assistant(site: Site, answer: Answer) -> None:
    assistant = ScriptedAssistant([Done(answer)])
    given = {"sources": ["People team"], "languages": ["ja"], "after": "2025-01", "before": "2026"}
    site(assistant).post("/v1/ask", json={"question": "宿泊費は?", "filters": given})
    (question,) = assistant.questions
    assert question.filters == Filters(
        frozenset({"People team"}), frozenset({"ja"}), date(2025, 1, 1), date(2026, 1, 1)
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"after": "2025-02-30"}, "names no day"),
        ({"languages": ["xx"]}, "lang:en or lang:ja"),
        ({"source": ["a"]}, "not known here"),
        ({"sources": "a"}, "cannot be used"),
    ],
)
def test_filters_that_cannot_be_are_refused_in_one_sentence(site: Site, given: Any, said: str) -> None:
    client = site(ScriptedAssistant())
    for path in ("/v1/ask", "/v1/search"):
        response = client.post(path, json={"question": "a", "filters": given})
        assert response.status_code == 422
        assert said in response.json()["error"]["sentence"]
