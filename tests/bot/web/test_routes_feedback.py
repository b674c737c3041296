from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from bot.feedback import MAX_NOTE, Feedback
from bot.web.metrics import Metrics
from retrieval.access import Principal
from retrieval.errors import NotFound

Site = Callable[..., TestClient]
PLACE = "/v1/answers/a1/feedback"
HR = {"Authorization": "Bearer hr"}


class Book:
    """Keeps verdicts on the one answer `a1`, which hanako got."""

    def __init__(self) -> None:
        self.said: Feedback | None = None

    async def put(self, answer_id: str, feedback: Feedback, *, principal: Principal) -> None:
        self._check(answer_id, principal)
        self.said = feedback

    async def remove(self, answer_id: str, *, principal: Principal) -> None:
        self._check(answer_id, principal)
        self.said = None

    def _check(self, answer_id: str, principal: Principal) -> None:
        if (answer_id, principal.id) != ("a1", "hanako"):
            raise NotFound("There is no such answer of yours.")


@pytest.fixture
def book() -> Book:
    return Book()


def test_a_verdict_is_given_changed_and_taken_back(site: Site, book: Book) -> None:
    client = site(feedback=book)
    given = client.put(PLACE, json={"verdict": "down", "wrong": "old", "right": "190 EUR"}, headers=HR)
    assert (given.status_code, given.content) == (204, b"")
    assert book.said == Feedback("down", "old", "190 EUR")
    assert client.put(PLACE, json={"verdict": "up"}, headers=HR).status_code == 204
    assert book.said == Feedback("up")
    assert client.delete(PLACE, headers=HR).status_code == 204
    assert book.said is None


def test_what_is_somebody_elses_looks_like_what_is_not_there(site: Site, book: Book) -> None:
    client = site(feedback=book)
    answers = [
        client.put(PLACE, json={"verdict": "up"}),
        client.put("/v1/answers/none/feedback", json={"verdict": "up"}, headers=HR),
        client.delete(PLACE),
        client.delete("/v1/answers/none/feedback", headers=HR),
    ]
    assert [answer.status_code for answer in answers] == [404] * 4
    assert len({answer.json()["error"]["sentence"] for answer in answers}) == 1
    assert book.said is None


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"verdict": "sideways"},
        {"verdict": True},
        {"verdict": "down", "wrong": 1},
        {"verdict": "down", "wrong": "x" * (MAX_NOTE + 1)},
        {"verdict": "down", "right": "x" * (MAX_NOTE + 1)},
        {"verdict": "down", "rihgt": "x"},
        [],
    ],
)
def test_a_body_that_cannot_be_meant_is_refused(site: Site, book: Book, body: Any) -> None:
    response = site(feedback=book).put(PLACE, json=body, headers=HR)
    assert response.status_code == 422
    assert response.json()["error"]["sentence"].endswith(".")
    assert book.said is None


def test_half_a_surrogate_pair_is_refused(site: Site, book: Book) -> None:
    headers = {**HR, "Content-Type": "application/json"}
    response = site(feedback=book).put(PLACE, content=rb'{"verdict": "down", "wrong": "\ud800"}', headers=headers)
    assert response.status_code == 422


def test_a_form_of_another_page_and_an_unknown_token_are_turned_away(site: Site, book: Book) -> None:
    client = site(feedback=book)
    assert client.put(PLACE, content=b'{"verdict": "up"}', headers=HR).status_code == 415
    unknown = {"Authorization": "Bearer x"}
    assert client.put(PLACE, json={"verdict": "up"}, headers=unknown).status_code == 401
    assert client.delete(PLACE, headers=unknown).status_code == 401


def test_verdicts_are_counted_and_those_not_taken_are_not(site: Site, book: Book) -> None:
    metrics = Metrics()
    client = site(feedback=book, metrics=metrics)
    for verdict in ("down", "up", "up"):
        client.put(PLACE, json={"verdict": verdict}, headers=HR)
    client.put(PLACE, json={"verdict": "down"})
    shown = client.get("/metrics").text
    assert 'kura_feedback_total{verdict="up"} 2.0' in shown
    assert 'kura_feedback_total{verdict="down"} 1.0' in shown


def test_without_feedback_there_are_no_such_routes(site: Site) -> None:
    assert site().put(PLACE, json={"verdict": "up"}).status_code == 404
    assert PLACE.replace("a1", "{answer_id}") not in site().get("/openapi.json").json()["paths"]
