from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime

from starlette.testclient import TestClient

from bot.errors import BadQuestion
from bot.fakes import ScriptedAssistant, ScriptedDocument
from bot.payloads import search_payload
from retrieval.documents import Hit
from retrieval.filters import Filters
from retrieval.passages import SourceView

Site = Callable[..., TestClient]
PAY = ScriptedDocument("d1", "Pay", "pay.md", "ja", "給与は 25 日に支払う。𠮷野家")


def test_a_search_gives_passages(site: Site, hit: Hit) -> None:
    assistant = ScriptedAssistant(hits=[hit])
    response = site(assistant).post("/v1/search", json={"question": "宿泊", "k": 3, "id": "s1"})
    assert response.json() == search_payload("s1", "宿泊", [hit]).model_dump()
    ((text, principal, k),) = assistant.searches
    assert (text, principal.id, k) == ("宿泊", "guest", 3)


def test_ten_passages_are_searched_for_unless_told_otherwise(site: Site) -> None:
    assistant = ScriptedAssistant()
    site(assistant).post("/v1/search", json={"question": "a"})
    assert assistant.searches[0][2] == 10


def test_a_search_for_nothing_gets_the_assistants_sentence(site: Site) -> None:
    response = site(ScriptedAssistant(hits=BadQuestion("The question is empty."))).post(
        "/v1/search", json={"question": ""}
    )
    assert (response.status_code, response.json()["error"]["sentence"]) == (422, "The question is empty.")


def test_a_document_is_shown_to_the_character(site: Site) -> None:
    client = site(ScriptedAssistant(documents={PAY: frozenset({"hr"})}))
    response = client.get("/v1/documents/d1", headers={"Authorization": "Bearer hr"})
    assert response.json() == {
        "document_id": "d1",
        "title": "Pay",
        "address": "pay.md",
        "language": "ja",
        "text": PAY.text,
    }


def test_an_uploaded_document_is_at_its_own_address_for_those_who_may_read_it(site: Site) -> None:
    upload = replace(PAY, address="/srv/kura/uploads/pay.md", source_kind="upload")
    client = site(ScriptedAssistant(documents={upload: frozenset({"hr"})}))
    hr = {"Authorization": "Bearer hr"}
    shown = client.get("/v1/documents/d1", headers=hr).json()
    assert client.get(shown["address"], headers=hr).json() == shown
    assert "/srv" not in str(shown)
    assert client.get(shown["address"]).status_code == 404


def test_a_document_that_may_not_be_read_looks_like_one_that_is_not_there(site: Site) -> None:
    hidden = site(ScriptedAssistant(documents={PAY: frozenset({"hr"})})).get("/v1/documents/d1")
    missing = site(ScriptedAssistant()).get("/v1/documents/d1")
    assert hidden.status_code == missing.status_code == 404
    assert hidden.json()["error"]["sentence"] == missing.json()["error"]["sentence"]
    assert set(hidden.headers) == set(missing.headers)


def test_documents_ask_for_credentials_too(site: Site) -> None:
    client = site(ScriptedAssistant(documents={PAY: frozenset({"all"})}))
    assert client.get("/v1/documents/d1", headers={"Authorization": "Basic x"}).status_code == 401
    assert client.post("/v1/search", json={"question": "a"}, headers={"Authorization": "x"}).status_code == 401


def test_filters_beside_a_search_reach_the_assistant(site: Site, hit: Hit) -> None:
    assistant = ScriptedAssistant(hits=[replace(hit, dated=date(2025, 1, 31))])
    response = site(assistant).post("/v1/search", json={"question": "宿泊", "filters": {"sources": ["travel"]}})
    assert assistant.filters == [Filters(frozenset({"travel"}))]
    assert response.json()["hits"][0]["dated"] == "2025-01-31"


def test_the_sources_are_those_that_the_caller_may_read_from(site: Site) -> None:
    pay, handbook = SourceView("pay", 2, None), SourceView("handbook", 3, datetime(2026, 1, 2, 3, 4, tzinfo=UTC))
    client = site(ScriptedAssistant(sources={handbook: frozenset({"all"}), pay: frozenset({"hr"})}))
    assert client.get("/v1/sources").json() == {
        "sources": [{"name": "handbook", "documents": 3, "synced_at": "2026-01-02T03:04:00Z"}]
    }
    named = client.get("/v1/sources", headers={"Authorization": "Bearer hr"}).json()["sources"]
    assert [one["name"] for one in named] == ["handbook", "pay"]
