from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from models.chat import Call
from models.engine import Finished, TokenLogprob, TokenUsage
from models.errors import EngineBusy, EngineFailed, ModelConfigError, ModelError, PromptTooLong, WrongServer
from models.served_protocol import (
    LONGEST_RETRY_AFTER_S,
    RETRY_AFTER_S,
    AnswerReader,
    chat_body,
    refusal,
    vectors,
)
from models.templates import Message

URL = "http://gpu1:8000/v1"


def read(*events: Any) -> tuple[str, Finished]:
    pieces: list[str] = []
    reader = AnswerReader("m", pieces.append)
    for event in events:
        reader.take(event if isinstance(event, str) else json.dumps(event), URL)
    assert reader.complete
    return "".join(pieces), reader.finished()


def piece(text: str | None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": text}, **more}]}


def test_a_request_says_only_what_somebody_set() -> None:
    body = chat_body("m", [Message("user", "hi")], Call(max_tokens=5, deadline_s=1, sampling={"temperature": 0.0}))

    assert body == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "max_tokens": 5,
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.0,
    }


def test_no_text_of_people_and_documents_forges_a_role_on_the_server() -> None:
    said = [Message("system", "<|x|>"), Message("user", "a<|im_end|>"), Message("assistant", "</s>")]
    body = chat_body("m", said, Call(max_tokens=5, deadline_s=1))

    assert [message["content"] for message in body["messages"]] == ["<|x|>", "a< |im_end|>", "< /s>"]


def test_every_argument_has_its_name_in_the_protocol() -> None:
    call = Call(
        max_tokens=5,
        deadline_s=1,
        stop=("a", "b"),
        response_format={"type": "json_object"},
        sampling={"top_k": 3, "min_p": 0.1, "seed": 4, "penalty_window": 9, "logprobs": 2},
    )
    body = chat_body("m", [], call)

    assert (body["stop"], body["response_format"]) == (["a", "b"], {"type": "json_object"})
    assert (body["top_k"], body["min_p"], body["seed"], body["repeat_last_n"]) == (3, 0.1, 4, 9)
    assert (body["logprobs"], body["top_logprobs"]) == (True, 2)
    assert "logprobs" not in chat_body("m", [], Call(max_tokens=5, deadline_s=1, sampling={"logprobs": 0}))


def test_pieces_usage_and_reason_are_read() -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}
    text, finished = read(
        {"choices": [{"delta": {"role": "assistant", "content": None}}]},
        piece("he"),
        piece("llo", finish_reason="length"),
        {"choices": [], "usage": usage},
        "[DONE]",
    )

    assert text == "hello"
    assert finished == Finished("length", TokenUsage(9, 4, 2))


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None, "prompt_tokens_details": None}])
def test_usage_that_is_not_told_is_zero(usage: Any) -> None:
    assert read(piece("a"), {"choices": None, "usage": usage}, "[DONE]")[1] == Finished("stop", TokenUsage())


def test_log_probabilities_are_read_with_or_without_bytes() -> None:
    content = [
        {"token": "é", "bytes": None, "logprob": -1.0, "top_logprobs": []},
        {
            "token": "?",
            "bytes": [0xE3],
            "logprob": -2.0,
            "top_logprobs": [{"token": "x", "bytes": [999], "logprob": -3}],
        },
    ]
    finished = read(piece("é?", logprobs={"content": content}), "[DONE]")[1]

    assert finished.logprobs == (
        TokenLogprob("é".encode(), -1.0, ()),
        TokenLogprob(b"\xe3", -2.0, ((b"x", -3.0),)),
    )


@pytest.mark.parametrize(
    "garbage",
    ["", "{", "null", "[]", "7", '{"choices": [1]}', '{"choices": {"a": 1}}', '{"choices": [{"delta": {"content": 7}}]}',
     "[" * 100_000],
)  # fmt: skip
def test_what_is_no_event_is_a_fault_of_the_server(garbage: str) -> None:
    with pytest.raises(EngineFailed, match="no part of an answer"):
        AnswerReader("m", print).take(garbage, URL)


def test_an_error_in_the_stream_is_told_apart_before_the_first_token_only() -> None:
    too_long = json.dumps({"error": {"code": 400, "type": "exceed_context_size_error", "message": "..."}})
    reader = AnswerReader("m", lambda _: None)
    with pytest.raises(PromptTooLong):
        reader.take(too_long, URL)
    reader.take(json.dumps(piece("a")), URL)
    with pytest.raises(EngineFailed):
        reader.take(too_long, URL)


def test_thoughts_count_as_begun_and_are_not_shown() -> None:
    pieces: list[str] = []
    reader = AnswerReader("m", pieces.append)
    reader.take(json.dumps({"choices": [{"delta": {"reasoning_content": "hm"}}]}), URL)

    assert reader.begun
    assert pieces == []


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (400, {"error": {"type": "exceed_context_size_error", "message": "request (9 tokens) exceeds"}}, PromptTooLong, "m"),
        (400, {"error": {"message": "This model's maximum context length is 9 tokens.", "code": 400}}, PromptTooLong, "of m;"),
        (400, {"error": {"message": "x", "code": "context_length_exceeded"}}, PromptTooLong, "of m;"),
        (500, {"error": {"message": "Context size has been exceeded.", "type": "server_error"}}, PromptTooLong, "of m;"),
        (400, {"object": "error", "message": "longer than the maximum model length of 9"}, PromptTooLong, "of m;"),
        (400, {"error": {"message": "bad", "type": "invalid_request_error"}}, ModelConfigError, "invalid_request_error"),
        (500, {"error": {"message": "input (9 tokens) is too large to process. increase"}}, PromptTooLong, "of m;"),
        (413, {"error": "Input validation error"}, PromptTooLong, "of m;"),
        (422, {"detail": [{"input": "secret"}]}, ModelConfigError, "422"),
        (401, {"error": {"message": "Invalid API Key"}}, WrongServer, "api_key_file"),
        (403, None, WrongServer, "api_key_file"),
        (404, {"error": "model 'm' not found"}, WrongServer, "no model m"),
        (429, None, EngineBusy, "try again in"),
        (503, {"error": {"type": "unavailable_error", "message": "Loading model"}}, EngineBusy, "unavailable_error"),
        (500, "<html>", EngineFailed, "500"),
        (307, [], EngineFailed, "307"),
        (200, {"choices": []}, EngineFailed, "200"),
    ],
)  # fmt: skip
def test_a_refusal_becomes_the_error_that_it_means(status: int, body: Any, kind: type[ModelError], said: str) -> None:
    error = refusal(URL, "m", status, body)

    assert type(error) is kind
    assert said in str(error)
    assert kind is not PromptTooLong or URL not in str(error)  # whoever wrote the text is told


def test_a_refusal_quotes_nothing_of_what_the_server_says() -> None:
    for status in (200, 400, 401, 404, 422, 429, 500):
        for place in ("message", "type", "code", "detail"):
            assert "salary of" not in str(refusal(URL, "m", status, {"error": {place: "the salary of Ann is 9"}}))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0", 1.0),
        ("-3", 1.0),
        ("86400", LONGEST_RETRY_AFTER_S),
        ("nan", RETRY_AFTER_S),
        ("inf", RETRY_AFTER_S),
        ("soon", RETRY_AFTER_S),
        ("", RETRY_AFTER_S),
        (None, RETRY_AFTER_S),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 1.0),
        ("Wed, 21 Oct 2015 07:28:00 -0000", RETRY_AFTER_S),
    ],
)
def test_a_busy_server_says_when_to_come_back(header: str | None, seconds: float) -> None:
    error = refusal(URL, "m", 503, None, header)

    assert isinstance(error, EngineBusy)
    assert error.retry_after_s == seconds


def test_a_busy_server_may_give_a_date() -> None:
    error = refusal(URL, "m", 503, None, format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True))

    assert isinstance(error, EngineBusy)
    assert 30 < error.retry_after_s <= 60


def test_vectors_come_in_the_order_of_the_texts() -> None:
    body = {"data": [{"index": 1, "embedding": [3, 4]}, {"index": 0, "embedding": [1, 2]}]}
    assert vectors(json.dumps(body).encode(), 2, URL) == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"{}", b'{"data": []}', b'{"data": [{"index": 0, "embedding": [null]}]}', b'{"data": null}']
)
def test_missing_vectors_are_a_fault_of_the_server(body: bytes) -> None:
    with pytest.raises(EngineFailed, match="vector for each text"):
        vectors(body, 1, URL)
