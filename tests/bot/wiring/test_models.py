from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from bot.errors import SettingsError
from bot.generating import ModelCall
from bot.identity import ANONYMOUS
from bot.settings import Settings, load
from bot.wiring.embedders import make_embedder, model_library
from bot.wiring.models import (
    ADAPTER,
    LocalChat,
    answer_model,
    answer_prompt,
    engine_options,
    fast_card,
    make_engine,
    make_rewriter,
    measure_speed,
    model_card,
    speed_book,
)
from models.cards import starter_chat
from models.errors import ModelFileError
from models.library import Use
from models.llamacpp import LlamaEngine
from models.process import ProcessEngine
from models.served import ChatServed
from models.speed import Speed
from retrieval.access import Principal
from tests.models.gguf_files import tiny_llama, tiny_lora

CALL = ModelCall(Principal("ann", frozenset({"all"})), "thread", 9, lambda _: None)


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A tiny chat model of one's own."""
    return tiny_llama(tmp_path / "house.gguf")


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def having(section: str = "model", **values: Any) -> Settings:
    return load(overrides={section: values})


def test_a_name_is_looked_up_among_the_installed_models(house: Path) -> None:
    chosen = having(name="house")
    with pytest.raises(ModelFileError, match="house"):
        model_card(chosen)
    model_library(chosen).add(house, Use(kind="chat", template="chatml", answer_style="generate"), name="house")

    assert model_card(chosen).name == fast_card(chosen).name == "house"
    with pytest.raises(ModelFileError, match="house"):  # suggested
        model_card(having(name="hose"))


def test_a_model_of_another_kind_is_refused(house: Path) -> None:
    model_library(load()).add(house, Use(kind="embedding"), name="words")
    with pytest.raises(SettingsError, match=r"model\.name: words is no chat model"):
        model_card(having(name="words"))
    model_library(load()).add(house, Use(kind="chat", template="chatml", answer_style="generate"), name="prose")
    with pytest.raises(SettingsError, match=r"embedder\.name: prose"):
        make_embedder(having("embedder", name="prose"))


def test_an_installed_embedder_brings_its_prefixes_and_pooling(house: Path) -> None:
    use = Use(kind="embedding", pooling="mean", query_prefix="q: ", passage_prefix="p: ")
    model_library(load()).add(house, use, name="words")
    plain, ours = (
        make_embedder(having("embedder", name="words", **more)) for more in ({}, {"query_prefix": "other: "})
    )

    assert plain.embed_query("x") == pytest.approx(plain.embed_query("x"))
    assert plain.embed_query("x") != pytest.approx(ours.embed_query("x"))
    assert plain.fingerprint != ours.fingerprint
    for embedder in (plain, ours):
        embedder.close()  # type: ignore[attr-defined]


def test_whatever_answers_is_told_the_prompt_of_the_settings(house: Path, stack: ExitStack) -> None:
    Path("answer.md").write_text(
        "---\nname: answer\nversion: 2\npurpose: p\n---\nBe brief: {{not_there}}", encoding="utf-8"
    )
    chosen = [{"path": house}, {"servers": ["http://127.0.0.1:1/v1"], "served_model": "big"}]
    for model in [{"component": "models.fakes.ScriptedChat"}, *chosen]:
        settings = load(overrides={"model": model, "answer": {"prompts": Path()}})
        told = answer_model(settings, stack, style="generate", alone=True).system
        assert told == answer_prompt(settings)
        assert told.text.startswith("Be brief")


def test_without_a_model_it_is_the_starter() -> None:
    assert model_card(load()) == starter_chat()


def test_one_person_is_served_in_this_process_and_several_in_a_child(house: Path) -> None:
    chosen = having(path=house)
    card = model_card(chosen)
    alone, served = (make_engine(chosen, card, alone=alone) for alone in (True, False))

    assert isinstance(alone, LlamaEngine)
    assert isinstance(served, ProcessEngine)
    assert engine_options(chosen, card, alone=True).slots == 1
    assert engine_options(chosen, card, alone=False).slots == 0


def test_servers_answer_with_the_thread_as_their_conversation(stack: ExitStack) -> None:
    chosen = having(servers=["http://127.0.0.1:1/v1"], served_model="big")
    model = answer_model(chosen, stack, style=None, alone=True)

    assert (model.name, model.style) == ("big", "generate")
    assert isinstance(model.chat(), ChatServed)
    arguments = model.arguments(CALL)
    assert arguments["conversation"].endswith("ann/thread")
    assert arguments["max_tokens"] == 9


def test_each_person_has_a_key_of_their_own(house: Path, stack: ExitStack) -> None:
    model = answer_model(having(path=house), stack, style=None, alone=True)
    bob = ModelCall(Principal("bob", frozenset({"all"})), "thread", 9, lambda _: None)
    in_channel = ModelCall(Principal("ann", frozenset({"all"}), "discord"), "thread", 9, lambda _: None)

    assert len({model.arguments(call)["principal_key"] for call in (CALL, bob, in_channel)}) == 3


def test_those_without_a_name_share_nothing_but_their_own_conversation(house: Path, stack: ExitStack) -> None:
    model = answer_model(having(path=house), stack, style=None, alone=True)

    def key(thread: str) -> str:
        anonymous = Principal(ANONYMOUS, frozenset({"all"}))
        return str(model.arguments(ModelCall(anonymous, thread, 9, lambda _: None))["principal_key"])

    assert key("") == ""
    assert key("a") == key("a") != key("b")


@pytest.mark.real
def test_an_adapter_is_loaded_over_its_model_and_used(house: Path, tmp_path: Path, stack: ExitStack) -> None:
    adapter = tiny_lora(tmp_path / "tuned.gguf")
    texts = []
    for more in ({}, {"adapter": adapter}):
        model = answer_model(having(path=house, context_length=512, **more), stack, style=None, alone=True)
        arguments = model.arguments(CALL)
        assert arguments["adapter"] == (ADAPTER if more else "")
        texts.append(model.chat().invoke("hello", **arguments).text)

    assert texts[0] != texts[1]


@pytest.mark.real
def test_a_server_measures_the_speed_once_and_plans_by_it(house: Path, stack: ExitStack) -> None:
    chosen = having(path=house, context_length=512, first_token_s=2.0)
    card = model_card(chosen)
    local = LocalChat(chosen, stack, alone=False)
    assert local.state() is None
    budget = local.budget()
    speed = speed_book(chosen).get(card, engine_options(chosen, card, alone=False))

    assert speed is not None
    assert budget.tokens == speed.prompt_tokens_within(2.0)
    assert "2 s at" in budget.why
    state = local.state()
    assert state is not None
    assert state.slots >= 1


@pytest.mark.real
def test_one_question_alone_plans_by_what_was_measured_before(house: Path, stack: ExitStack) -> None:
    chosen = having(path=house, context_length=512)
    assert LocalChat(chosen, stack, alone=True).budget().tokens is None
    card, speed = measure_speed(chosen)

    assert speed.prefill > 0
    assert speed_book(chosen).get(card, engine_options(chosen, card, alone=False)) == speed
    assert LocalChat(chosen, stack, alone=True).budget().tokens == speed.prompt_tokens_within(15.0)


def test_what_runs_on_a_server_is_not_measured_here() -> None:
    with pytest.raises(SettingsError, match="not measured here"):
        measure_speed(having(servers=["http://127.0.0.1:1/v1"], served_model="big"))


def test_a_slow_model_gets_a_plan_from_the_book(house: Path, stack: ExitStack) -> None:
    chosen = having(path=house, context_length=512, first_token_s=1.5)
    card = model_card(chosen)
    speed_book(chosen).put(card, engine_options(chosen, card, alone=True), Speed(100.0, 5.0, ""))

    assert LocalChat(chosen, stack, alone=True).budget().tokens == 150


SERVED = {"servers": ["http://127.0.0.1:1/v1"], "served_model": "big"}


@pytest.mark.parametrize(
    ("model", "answer", "rewrites"),
    [
        (SERVED, {}, True),
        (SERVED, {"rewrite": "off"}, False),
        (SERVED | {"answer_style": "quote"}, {}, False),
        ({"answer_style": "generate"}, {}, False),  # the starter
    ],
)
def test_only_a_capable_model_rewrites_questions(
    model: dict[str, Any], answer: dict[str, Any], rewrites: bool, stack: ExitStack
) -> None:
    chosen = load(overrides={"model": model, "answer": answer})
    made = make_rewriter(chosen, answer_model(chosen, stack, style=None, alone=True))
    assert (made is not None) == rewrites
