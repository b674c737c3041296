from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.embeddings import Embeddings
from langchain_core.messages import HumanMessage
from pydantic import BaseModel, SecretStr

from bot.errors import SettingsError
from bot.settings import Settings, load
from bot.wiring.components import ComponentChat, make_component
from bot.wiring.embedders import made_index, make_embedder
from models.errors import EngineBusy, EngineFailed
from models.fakes import HashingEmbeddings, ScriptedChat

HERE = "tests.bot.wiring.test_components"


class KeyedEmbeddings(HashingEmbeddings):
    """A component that is given a key."""

    def __init__(self, api_key: str = "", model: str = "") -> None:
        super().__init__()


class DeadEmbeddings(Embeddings):
    """A component whose server is not there."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        raise ConnectionError("refused, with the key k3y")

    def embed_query(self, text: str) -> list[float]:
        raise ConnectionError("refused, with the key k3y")


class Strict(BaseModel):
    """A component that checks its arguments."""

    port: int
    api_key: SecretStr


class Telling:
    """A component that tells in its fault what it was given."""

    def __init__(self, api_key: str, url: str) -> None:
        raise RuntimeError(f"no model for {api_key} at {url}")


def embedding_with(component: str, **arguments: Any) -> Settings:
    return load(overrides={"embedder": {"component": f"{HERE}.{component}", "arguments": arguments}})


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("Strict", {"port": "k3y", "api_key": ["k3y"]}),
        ("Telling", {"api_key": "k3y", "url": "http://mori:k3y2@here/v1"}),
    ],
)
def test_what_a_component_is_given_is_never_in_its_fault(name: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=r"model\.component: .* cannot be made") as caught:
        make_component(f"{HERE}.{name}", arguments, Embeddings, "model.component")
    assert "k3y" not in str(caught.value)
    assert caught.value.__suppress_context__  # nor in a traceback


def test_a_component_is_refused_that_is_no_component() -> None:
    with pytest.raises(SettingsError, match="is no Embeddings"):
        make_component("builtins.dict", {}, Embeddings, "embedder.component")
    with pytest.raises(SettingsError, match="cannot be made"):
        make_component("no_such_package.Thing", {}, Embeddings, "embedder.component")


def test_a_new_key_makes_no_new_embedder_and_a_new_model_does() -> None:
    first, second, other = (
        embedding_with("KeyedEmbeddings", api_key=key, model=model)
        for key, model in (("old", "m"), ("new", "m"), ("old", "n"))
    )
    fingerprint = make_embedder(first).fingerprint
    assert make_embedder(second).fingerprint == fingerprint
    assert make_embedder(other).fingerprint != fingerprint
    assert [made_index(one, fingerprint) for one in (first, second, other)] == [True, True, False]


def test_an_embedder_that_does_not_answer_is_said_without_what_it_says() -> None:
    embedder = make_embedder(embedding_with("DeadEmbeddings"))
    for work in (
        lambda: embedder.embed_query("x"),
        lambda: embedder.embed_documents(["x"]),
        lambda: embedder.dimensions,
    ):
        with pytest.raises(EngineFailed, match=r"embedder\.component .*ConnectionError.*check that it runs") as caught:
            work()
        assert "k3y" not in str(caught.value)


async def written_by(chat: ComponentChat) -> str:
    return "".join([str(chunk.text) async for chunk in chat.astream([HumanMessage("x")], {}, max_tokens=5)])


def test_a_chat_model_that_does_not_answer_is_said_and_one_that_does_is_passed_through() -> None:
    chat = ComponentChat(ScriptedChat(answers=["Here you are.", ConnectionError("k3y"), EngineBusy("Full.")]), "a.B")
    assert asyncio.run(written_by(chat)) == "Here you are."
    with pytest.raises(EngineFailed, match=r"model\.component \(a\.B\) did not answer \(ConnectionError\)"):
        asyncio.run(written_by(chat))
    with pytest.raises(EngineBusy, match="Full"):
        asyncio.run(written_by(chat))


def test_a_chat_component_bound_to_a_schema_answers_in_it_and_tells_its_faults_in_a_sentence() -> None:
    chat = ComponentChat(
        ScriptedChat(answers=['{"question": "q"}', ConnectionError("refused, with the key k3y")]), "a.Chat"
    )
    bound = chat.with_structured_output({"type": "object"})
    assert asyncio.run(bound.ainvoke([HumanMessage("?")], {})) == {"question": "q"}
    with pytest.raises(EngineFailed, match=r"a\.Chat\) did not answer \(ConnectionError\)") as caught:
        asyncio.run(bound.ainvoke([HumanMessage("?")], {}))
    assert "k3y" not in str(caught.value)
