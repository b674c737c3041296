"""Whatever is sent, the server answers with a sentence and never breaks."""

from __future__ import annotations

import json
from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from bot.answers import Answer, Done
from bot.fakes import ScriptedAssistant

Site = Callable[..., TestClient]

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=30)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)
ALMOST_RIGHT = st.fixed_dictionaries(
    {"question": ANY_TEXT | ANY_JSON},
    optional={"k": st.integers(-5, 200) | ANY_JSON, "id": ANY_TEXT | ANY_JSON, "thread": ANY_TEXT | ANY_JSON},
)
BODIES = st.binary(max_size=80) | (ANY_JSON | ALMOST_RIGHT).map(lambda value: json.dumps(value).encode())

FEW = settings(
    max_examples=100, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FEW
@given(body=BODIES)
def test_any_body_of_a_search_is_answered(site: Site, body: bytes) -> None:
    response = site().post("/v1/search", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code in {200, 400, 422}
    assert response.status_code == 200 or response.json()["error"]["sentence"].endswith(".")


@FEW
@given(body=BODIES, accept=st.sampled_from(["*/*", "text/event-stream"]))
def test_any_body_of_a_question_is_answered(site: Site, answer: Answer, body: bytes, accept: str) -> None:
    client = site(ScriptedAssistant([Done(answer)]))
    response = client.post("/v1/ask", content=body, headers={"Content-Type": "application/json", "Accept": accept})
    assert response.status_code in {200, 400, 422}


@FEW
@given(document_id=ANY_TEXT.map(lambda text: text.encode("utf-8", "replace").hex("%")))
def test_any_document_id_is_answered(site: Site, document_id: str) -> None:
    # "%" between the bytes: every other one is percent-encoded, as a careless client might send it
    response = site().get(f"/v1/documents/{document_id}")
    assert response.status_code in {307, 404, 405}


@FEW
@given(
    headers=st.dictionaries(
        st.sampled_from(["Authorization", "Accept", "Content-Type", "X-Request-Id", "Content-Length", "Host"]),
        st.binary(max_size=40).map(lambda raw: raw.replace(b"\r", b"").replace(b"\n", b"")),
    )
)
def test_any_headers_are_answered(site: Site, answer: Answer, headers: dict[str, bytes]) -> None:
    client = site(ScriptedAssistant([Done(answer)]))
    response = client.post("/v1/ask", content=b'{"question": "a"}', headers=headers)  # type: ignore[arg-type]
    assert response.status_code in {200, 401, 413, 415, 421}
