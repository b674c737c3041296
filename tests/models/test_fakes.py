from __future__ import annotations

import asyncio
import threading

import pytest
from langchain_core.messages import HumanMessage

from models.errors import EngineBusy
from models.fakes import HashingEmbeddings, ScriptedChat


def test_scripted_answers_come_in_order_and_prompts_are_remembered() -> None:
    chat = ScriptedChat(answers=["one", "two"])

    assert [chat.invoke("first").text, asyncio.run(chat.ainvoke("second")).text] == ["one", "two"]
    assert [prompt[0].text for prompt in chat.prompts] == ["first", "second"]
    with pytest.raises(AssertionError, match="no answer left"):
        chat.invoke("third")


def test_a_scripted_answer_streams_in_pieces_with_usage_at_the_end() -> None:
    chunks = list(ScriptedChat(answers=[" The cap is 180\nEUR "]).stream("what is it?"))

    assert [chunk.text for chunk in chunks] == [" ", "The ", "cap ", "is ", "180\n", "EUR ", ""]
    assert chunks[-1].usage_metadata == {"input_tokens": 3, "output_tokens": 5, "total_tokens": 8}
    assert chunks[-1].response_metadata["finish_reason"] == "stop"


def test_a_scripted_error_is_raised() -> None:
    chat = ScriptedChat(answers=[EngineBusy("full"), "ok"])
    with pytest.raises(EngineBusy):
        chat.invoke([HumanMessage("a")])
    assert chat.invoke("b").text == "ok"


def test_a_blocked_answer_waits_for_its_release() -> None:
    release = threading.Event()
    chat = ScriptedChat(answers=["one two"], release=release)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.extend(chunk.text for chunk in chat.stream("a")))
    reader.start()
    assert chat.started.wait(20) or got
    assert "".join(got) in {"", "one "}
    release.set()
    reader.join()

    assert "".join(got) == "one two"


def test_hashed_vectors_are_stable_unit_and_near_for_similar_texts() -> None:
    embedder = HashingEmbeddings()
    cap, same, other, ja, ja_same = embedder.embed_documents(
        ["the hotel cap is 180", "hotel cap", "databases and locks", "出張の宿泊費", "宿泊費の上限"]
    )

    def dot(left: list[float], right: list[float]) -> float:
        return sum(a * b for a, b in zip(left, right, strict=True))

    assert dot(cap, cap) == pytest.approx(1)
    assert dot(cap, same) > dot(cap, other)
    assert dot(ja, ja_same) > dot(ja, other)
    assert embedder.embed_query("hotel cap") == same
    assert dot(embedder.embed_query(""), embedder.embed_query("")) == pytest.approx(1)
