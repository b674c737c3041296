from __future__ import annotations

import errno
from collections.abc import Callable

import pytest
import structlog
from starlette.exceptions import HTTPException
from starlette.testclient import TestClient

from bot.answers import Queued, Searching
from bot.fakes import ScriptedAssistant
from bot.web.faults import NotThere, fault_payload
from models.errors import EngineBusy, EngineFailed
from retrieval.errors import IndexDamaged, NotFound

Site = Callable[..., TestClient]
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"{}", 'The field "question" is missing.'),
        (b'{"question": 3}', 'The field "question" cannot be used: input should be a valid string.'),
        (b'{"question": null}', 'The field "question" cannot be used: input should be a valid string.'),
        (b'{"question": "a", "k": 0}', 'The field "k" cannot be used: input should be greater than or equal to 1.'),
        (b'{"question": "a", "k": 101}', 'The field "k" cannot be used: input should be less than or equal to 100.'),
        (b'{"question": "a", "k": "5"}', 'The field "k" cannot be used: input should be a valid integer.'),
        (b'{"question": "a", "k": true}', 'The field "k" cannot be used: input should be a valid integer.'),
        (b'{"question": "a", "id": ""}', 'The field "id" cannot be used: string should have at least 1 character.'),
        (
            b'{"question": "a", "top_k": 5}',
            'The field "top_k" is not known here: leave it out, or look for its right name in /docs.',
        ),
        (
            b'{"question": "a\\ud83d"}',
            'The field "question" cannot be used: the character at 1 is half a surrogate pair.',
        ),
        (b"", "The body must be a JSON object in UTF-8, and must not be empty."),
        (b"[]", "The body must be a JSON object in UTF-8, and must not be empty."),
        (b"null", "The body must be a JSON object in UTF-8, and must not be empty."),
        (b'{"question"', "The body is not JSON: Expecting ':' delimiter at character 11."),
    ],
)
def test_a_wrong_body_gets_one_sentence_that_names_the_field(site: Site, body: bytes, sentence: str) -> None:
    response = site().post("/v1/search", content=body, headers=JSON)
    assert response.status_code == 422
    assert response.json()["error"]["sentence"] == sentence


@pytest.mark.parametrize("body", [b'{"question": "\xff"}', "質問".encode("shift_jis"), b"[" * 100_000, b"1" * 5000])
def test_bytes_that_are_no_json_get_a_sentence(site: Site, body: bytes) -> None:
    response = site().post("/v1/search", content=body, headers=JSON)
    assert response.status_code in {400, 422}
    assert response.json()["error"]["sentence"].startswith("The body ")


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "json", ""]
)
def test_what_a_form_of_another_site_can_send_is_refused(site: Site, content_type: str) -> None:
    assistant = ScriptedAssistant()
    for path in ("/v1/search", "/v1/ask"):
        response = site(assistant).post(path, content=b'{"question": "a"}', headers={"Content-Type": content_type})
        assert response.status_code == 415
        assert "application/json" in response.json()["error"]["sentence"]
    assert assistant.searches == []
    assert assistant.questions == []


def test_json_may_name_its_encoding(site: Site) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert site().post("/v1/search", content=b'{"question": "a"}', headers=headers).status_code == 200


def test_a_clients_field_name_is_repeated_only_in_part(site: Site) -> None:
    response = site().post("/v1/search", json={"question": "a", "x" * 5000: 1})
    assert response.status_code == 422
    assert len(response.json()["error"]["sentence"]) < 200


def test_a_full_disk_is_said_in_its_own_words(site: Site) -> None:
    assistant = ScriptedAssistant([OSError(errno.ENOSPC, "No space left on device", "/srv/kura.db")])
    response = site(assistant).post("/v1/ask", json={"question": "a"})
    assert response.status_code == 507
    assert "disk is full" in response.json()["error"]["sentence"]


def test_a_sentence_about_an_undecodable_file_name_still_arrives(site: Site) -> None:
    assistant = ScriptedAssistant([NotFound("There is no document \udcff.")])
    response = site(assistant).post("/v1/ask", json={"question": "a"})
    assert response.status_code == 404
    assert response.json()["error"]["sentence"] == "There is no document ?."


def test_where_things_lie_on_the_server_goes_to_the_log_and_not_over_the_network(site: Site) -> None:
    assistant = ScriptedAssistant([IndexDamaged("The index in /data is damaged: rebuild it.")])
    with structlog.testing.capture_logs() as logs:
        response = site(assistant).post("/v1/ask", json={"question": "a"})
    assert response.status_code == 503
    assert "/data" not in response.text
    assert any(log.get("reason") == "The index in /data is damaged: rebuild it." for log in logs)


def test_only_a_404_meant_for_clients_says_what_is_not_there() -> None:
    meant, _ = fault_payload(NotThere("There is no such job."), request_id="r")
    other, status = fault_payload(HTTPException(404, "/srv/kura/secret.md is not there"), request_id="r")
    assert meant.error.sentence == "There is no such job."
    assert (status, other.error.sentence) == (404, "There is nothing at this address: /docs lists what there is.")


def test_a_method_that_is_not_taken_is_answered_with_those_that_are(site: Site) -> None:
    response = site().get("/v1/ask")
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize(("fault", "seconds"), [(EngineBusy("12 wait.", 7.2), 8), (EngineFailed("It ended."), 5)])
def test_a_busy_model_says_when_to_come_back(site: Site, fault: Exception, seconds: int) -> None:
    response = site(ScriptedAssistant([fault])).post("/v1/ask", json={"question": "何?"})

    assert response.status_code == 503
    assert response.headers["retry-after"] == str(seconds)
    assert response.json()["error"]["retry_after_s"] == seconds


def test_a_busy_model_says_so_in_a_stream_too(site: Site) -> None:
    client = site(ScriptedAssistant([Searching("何"), Queued(2, 9.5), EngineBusy("12 wait.", 7.2)]))
    text = client.post("/v1/ask", json={"question": "何?"}, headers={"Accept": "text/event-stream"}).text

    assert 'event: queued\ndata: {"position":2,"seconds":9.5}' in text
    assert '"retry_after_s":8' in text
