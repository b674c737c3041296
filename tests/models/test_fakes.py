from __future__ import annotations

import asyncio
import threading

import pytest
from langchain_core.messages import HumanMessage

from models.engine import ChatEngine, Finished, Request, Score, TokenUsage
from models.errors import EngineBusy, EngineFailed
from models.fakes import HashingEmbeddings, ScriptedChat, ScriptedEngine
from models.templates import Segment

REQUEST = Request((Segment("hi"),), principal_key="", max_tokens=5, deadline_s=1)


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


def test_a_scripted_engine_answers_each_request_and_remembers_it() -> None:
    engine = ScriptedEngine(["one ", "two"], ending=Finished("stop", TokenUsage(2, 0, 2)))
    port: ChatEngine = engine

    assert [port.generate(REQUEST).text() for _ in range(2)] == ["one two"] * 2
    assert engine.asked == [REQUEST] * 2
    assert port.state().requests == 2
    assert (port.count_tokens(REQUEST.segments), port.context_length) == (2, 100)
    assert port.score([], ["a", "bcd"], deadline_s=1) == [Score(-1.0, 1), Score(-3.0, 3)]


def test_a_scripted_engine_can_be_led_by_hand_and_fail() -> None:
    engine = ScriptedEngine(["one "], ending=None)
    generation = engine.generate(REQUEST)
    engine.channels[0].put("two")
    engine.channels[0].put(EngineFailed("It broke."))
    pieces = iter(generation)

    assert [next(pieces), next(pieces)] == ["one ", "two"]
    with pytest.raises(EngineFailed, match="It broke"):
        next(pieces)
    with pytest.raises(EngineBusy, match="full"):
        ScriptedEngine(fault=EngineBusy("full")).generate(REQUEST)
    with pytest.raises(EngineBusy, match="full"):
        ScriptedEngine(fault=EngineBusy("full")).score([], ["a"], deadline_s=1)


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
