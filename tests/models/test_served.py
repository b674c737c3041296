from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.load import dumps
from langchain_core.messages import HumanMessage, SystemMessage
from pydantic import BaseModel

from models.embedders import Embedder
from models.errors import EngineBusy, EngineFailed, ModelConfigError
from models.langchain_embeddings import NamedEmbeddings
from models.served import EMBED_BATCH, ChatServed, EmbeddingsServed
from tests.models.model_server import Exchange, ModelServer, answer, raw, refusal

KEY = "sk-very-secret-1234"


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as running:
        yield running


@pytest.fixture
def chat(server: ModelServer) -> Iterator[ChatServed]:
    model = ChatServed(base_urls=(server.url,), model="served")
    yield model
    model.close()


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(KEY + "\n")
    return path


def vectors(exchange: Exchange) -> None:
    """Replies with vectors that tell the texts' lengths, in the wrong order."""
    texts = exchange.body["input"]
    data = [{"index": index, "embedding": [len(text), 1]} for index, text in enumerate(texts)]
    exchange.whole(200, {"data": data[::-1]})


def test_the_four_ways_to_ask_give_the_same_answer_usage_and_finish_reason(
    server: ModelServer, chat: ChatServed
) -> None:
    server.replies.extend([answer("hel", "lo", reason="length")] * 4)

    async def collect() -> list[Any]:
        return [chunk async for chunk in chat.astream("hi")]

    streamed, astreamed = list(chat.stream("hi")), asyncio.run(collect())
    assert [chunk.text for chunk in streamed] == [chunk.text for chunk in astreamed] == ["hel", "lo", ""]
    for last in (streamed[-1], astreamed[-1], chat.invoke("hi"), asyncio.run(chat.ainvoke("hi"))):
        assert last.text in {"", "hello"}
        assert last.usage_metadata == {
            "input_tokens": 7,
            "output_tokens": 2,
            "total_tokens": 9,
            "input_token_details": {"cache_read": 3},
        }
        assert last.response_metadata == {"finish_reason": "length", "model_name": "served"}


def test_messages_and_arguments_are_sent_in_the_protocol(server: ModelServer, chat: ChatServed) -> None:
    chat.bind(stop="\n", top_k=3).invoke(
        [SystemMessage("be brief"), HumanMessage("<|im_end|>")], seed=4, grammar="root ::= [a]", principal_key="ann"
    )

    [asked] = server.posts
    assert asked.path == "/v1/chat/completions"
    assert asked.body == {
        "model": "served",
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "< |im_end|>"}],
        "max_tokens": 512,
        "temperature": 0.0,
        "top_k": 3,
        "seed": 4,
        "grammar": "root ::= [a]",
        "stop": ["\n"],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_any_text_can_be_sent(server: ModelServer, chat: ChatServed) -> None:
    texts = ["", "\x00", "経費 🙂", "\ud800", "年休、" * 10_000]
    for text in texts:
        chat.invoke([HumanMessage(text)])

    assert [asked.body["messages"][0]["content"] for asked in server.posts] == texts


def test_characters_cut_by_the_network_come_whole(server: ModelServer, chat: ChatServed) -> None:
    stream = 'data: {"choices": [{"delta": {"content": "経🙂"}}]}\r\n\r\ndata: [DONE]\n\n'.encode()
    server.replies.append(raw(*(stream[at : at + 1] for at in range(len(stream)))))

    assert [chunk.text for chunk in chat.stream("hi")] == ["経🙂", ""]


def test_a_server_that_counts_nothing_leaves_the_usage_out(server: ModelServer, chat: ChatServed) -> None:
    server.replies.append(answer("a", usage=None))

    assert chat.invoke("hi").usage_metadata is None


def test_structured_output_is_asked_for_in_the_form_of_openai(server: ModelServer, chat: ChatServed) -> None:
    class City(BaseModel):
        name: str

    server.replies.append(answer('{"name": ', '"Bergen"}'))

    assert chat.with_structured_output(City).invoke("where?") == City(name="Bergen")
    assert server.posts[0].body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "City", "schema": City.model_json_schema(), "strict": True},
    }


def test_an_adapter_and_an_unknown_argument_are_refused(server: ModelServer, chat: ChatServed) -> None:
    with pytest.raises(ModelConfigError, match="adapter"):
        chat.invoke("hi", adapter="tone")
    with pytest.raises(ModelConfigError, match="logit_bias"):
        chat.invoke("hi", logit_bias={})
    with pytest.raises(ModelConfigError, match="not JSON"):
        chat.invoke("hi", top_k=object())
    assert not server.asked


def test_the_key_is_sent_read_anew_and_shown_nowhere(server: ModelServer, key_file: Path) -> None:
    chat = ChatServed(base_urls=(server.url,), model="served", api_key_file=key_file)
    chat.invoke("hi")
    key_file.write_text("sk-new")
    server.replies.append(refusal(401, {"error": {"message": "wrong key sk-new"}}))
    with pytest.raises(ModelConfigError, match="api_key_file") as caught:
        chat.invoke("my secret question")
    chat.close()

    assert [asked.headers["Authorization"] for asked in server.posts] == [f"Bearer {KEY}", "Bearer sk-new"]
    shown = "".join(map(str, [repr(chat), dumps(chat), chat.model_dump(), chat._identifying_params, caught.value]))
    assert str(key_file) in shown
    assert not [secret for secret in (KEY, "sk-new", "secret question") if secret in shown]


def test_no_key_means_no_header(server: ModelServer, chat: ChatServed) -> None:
    chat.invoke("hi")
    assert "Authorization" not in server.posts[0].headers


@pytest.mark.parametrize("content", [None, b"", b"two words", b"two\nlines", b"\xff", "schlüssel".encode()])
def test_a_key_file_without_a_key_is_named_and_its_content_is_not(
    server: ModelServer, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    chat = ChatServed(base_urls=(server.url,), model="served", api_key_file=path)
    with pytest.raises(ModelConfigError) as caught:
        chat.invoke("hi")

    assert str(path) in str(caught.value)
    assert "words" not in str(caught.value)
    assert not server.asked


@pytest.mark.parametrize(
    "url",
    ["", "gpu1:8000", "ftp://gpu1", "http://", "http://user:pw@gpu1", "http://gpu1/v1?key=pw", "http://gpu1:99999", "http://[x"],
)  # fmt: skip
def test_an_address_that_cannot_be_one_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ModelConfigError, match="base_urls") as caught:
        ChatServed(base_urls=(url,), model="served")
    assert "pw" not in str(caught.value)
    with pytest.raises(ModelConfigError, match="No model server"):
        ChatServed(base_urls=(), model="served")


def test_the_version_is_added_to_an_address_without_a_path(server: ModelServer) -> None:
    chat = ChatServed(base_urls=(server.url.removesuffix("/v1") + "/",), model="served")
    chat.invoke("hi")
    chat.close()

    assert server.posts[0].path == "/v1/chat/completions"


def test_nothing_is_opened_before_the_first_request(server: ModelServer, key_file: Path) -> None:
    before = threading.active_count()
    ChatServed(base_urls=(server.url,), model="served", api_key_file=key_file, ca_file=key_file)
    EmbeddingsServed([server.url], "served")

    assert threading.active_count() == before
    assert not server.asked


def test_certificates_that_are_none_are_refused_at_the_first_request(server: ModelServer, key_file: Path) -> None:
    for path in (key_file, key_file.parent / "missing"):
        chat = ChatServed(base_urls=(server.url,), model="served", ca_file=path)
        with pytest.raises(ModelConfigError, match="ca_file"):
            chat.invoke("hi")


def test_proxies_of_the_environment_are_not_used(
    server: ModelServer, chat: ChatServed, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert chat.invoke("hi").text == "hello"


def test_tokens_are_estimated_on_the_safe_side(chat: ChatServed) -> None:
    assert chat.get_num_tokens("abcdef") == 3
    assert chat.get_num_tokens("\ud800") >= 1
    assert chat.get_num_tokens_from_messages([HumanMessage("経費")]) >= 3


def test_texts_are_embedded_in_batches_and_in_order(server: ModelServer) -> None:
    server.replies.extend([vectors] * 3)
    embedder = EmbeddingsServed([server.url], "served", query_prefix="q: ", passage_prefix="p: ")
    got = embedder.embed_documents(["x" * size for size in range(EMBED_BATCH + 5)])

    assert got == [[3.0 + size, 1.0] for size in range(EMBED_BATCH + 5)]
    assert [len(asked.body["input"]) for asked in server.posts] == [EMBED_BATCH, 5]
    assert asyncio.run(embedder.aembed_query("abc")) == [6.0, 1.0]
    assert server.posts[-1].path == "/v1/embeddings"
    assert server.posts[-1].body == {"model": "served", "input": ["q: abc"], "encoding_format": "float"}
    assert embedder.embed_documents([]) == []
    embedder.close()


def test_served_vectors_serve_as_an_embedder(server: ModelServer) -> None:
    server.replies.extend([vectors] * 2)
    served = EmbeddingsServed([server.url], "served")
    embedder: Embedder = NamedEmbeddings(served, name="served")

    assert embedder.dimensions == 2
    assert math.hypot(*embedder.embed_query("abc")) == pytest.approx(1)
    served.close()


def test_an_embedder_sends_its_key_and_says_what_is_wrong_with_it(server: ModelServer, key_file: Path) -> None:
    server.replies.append(vectors)
    embedder = EmbeddingsServed([server.url], "served", api_key_file=str(key_file))  # as settings give it
    embedder.embed_query("abc")
    key_file.unlink()
    with pytest.raises(ModelConfigError, match="cannot be read"):
        embedder.embed_query("abc")
    embedder.close()

    assert [asked.headers["Authorization"] for asked in server.posts] == [f"Bearer {KEY}"]


def test_embedding_goes_on_at_another_server_and_says_what_is_wrong(server: ModelServer) -> None:
    with ModelServer(refusal(500), refusal(429, None, Retry_After="9")) as other:
        server.replies.extend([vectors, refusal(200, b"{}")])
        embedder = EmbeddingsServed([other.url, server.url], "served")

        assert embedder.embed_query("abc") == [3.0, 1.0]
        assert [len(each.posts) for each in (other, server)] == [1, 1]
        with pytest.raises(EngineFailed, match="vector for each text"):
            EmbeddingsServed([server.url], "served").embed_query("abc")
        with pytest.raises(EngineBusy) as caught:
            EmbeddingsServed([other.url], "served").embed_query("abc")
        assert 5 < caught.value.retry_after_s <= 9
        embedder.close()


def test_health_is_told_for_each_server(server: ModelServer) -> None:
    with ModelServer() as ill:
        ill.well = False
        chat = ChatServed(base_urls=(server.url, ill.url), model="served")
        well, problem = chat.check()
        chat.close()

    assert (well.url, well.problem, well.under_way) == (server.url, "", 0)
    assert "not ready (500)" in problem.problem
    assert [asked.path for asked in (*server.asked, *ill.asked)] == ["/v1/models"] * 2
