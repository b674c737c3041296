from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage
from pydantic import BaseModel, Field

from models.chat import ChatKura
from models.engine import Finished, TokenUsage
from models.errors import ModelConfigError
from models.fakes import ScriptedEngine
from models.structured import json_schema_of


class Cap(BaseModel):
    """A hotel cap."""

    city: str
    amount: int = Field(gt=0)
    inner: list[Cap] = []


class CapDict(TypedDict):
    """A hotel cap."""

    city: Annotated[str, ..., "where"]
    amount: int


JSON_SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WHOLE = ('{"city": "Ber', 'gen", "amount": 19', "00}")


def chat(*pieces: str, reason: Any = "stop") -> tuple[ChatKura, ScriptedEngine]:
    engine = ScriptedEngine(pieces, ending=Finished(reason, TokenUsage(5, 0, 3)))
    return ChatKura(engine=engine, model_name="scripted"), engine


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (Cap, Cap(city="Bergen", amount=1900)),
        (CapDict, {"city": "Bergen", "amount": 1900}),
        (JSON_SCHEMA, {"city": "Bergen", "amount": 1900}),
    ],
)
def test_an_answer_becomes_what_the_schema_is(schema: Any, expected: Any) -> None:
    model, engine = chat(*WHOLE)

    assert model.with_structured_output(schema).invoke("cap?") == expected
    assert asyncio.run(model.with_structured_output(schema).ainvoke("cap?")) == expected
    bound = json.loads(engine.asked[0].sampling.json_schema)
    assert "city" in json.dumps(bound)
    assert "parameters" not in bound


def test_the_schema_of_a_model_that_holds_itself_stays_whole() -> None:
    model, engine = chat(*WHOLE)
    model.with_structured_output(Cap).invoke("cap?")

    assert json.loads(engine.asked[0].sampling.json_schema) == Cap.model_json_schema()


def test_json_mode_binds_to_any_object_and_still_parses() -> None:
    model, engine = chat(*WHOLE)

    assert model.with_structured_output(Cap, method="json_mode").invoke("cap?") == Cap(city="Bergen", amount=1900)
    assert engine.asked[0].sampling.json_schema == json_schema_of({"type": "json_object"})


def test_other_arguments_of_a_call_still_hold() -> None:
    model, engine = chat(*WHOLE)
    model.with_structured_output(Cap, strict=False).invoke("cap?", principal_key="ann", max_tokens=9)

    assert (engine.asked[0].principal_key, engine.asked[0].max_tokens) == ("ann", 9)


@pytest.mark.parametrize("text", ["", "no JSON", '{"city": "Bergen"}', '{"city": "Bergen", "amount": -1}', "[]"])
def test_an_answer_of_another_shape_is_a_parsing_failure(text: str) -> None:
    model, _ = chat(text)

    with pytest.raises(OutputParserException) as caught:
        model.with_structured_output(Cap).invoke("cap?")
    assert caught.value.llm_output == text
    kept = model.with_structured_output(Cap, include_raw=True).invoke("cap?")
    assert (kept["raw"].text, kept["parsed"]) == (text, None)
    assert isinstance(kept["parsing_error"], OutputParserException)


@pytest.mark.parametrize("reason", ["length", "deadline", "cancelled"])
def test_an_answer_that_was_cut_off_is_not_closed_and_taken(reason: str) -> None:
    model, _ = chat('{"city": "Bergen", "amount": 19', reason=reason)

    for schema in (Cap, CapDict, JSON_SCHEMA):
        with pytest.raises(OutputParserException, match=reason):
            model.with_structured_output(schema).invoke("cap?")


def test_the_raw_message_comes_beside_the_parsed_one() -> None:
    model, _ = chat(*WHOLE)
    kept = model.with_structured_output(CapDict, include_raw=True).invoke("cap?")

    assert isinstance(kept["raw"], AIMessage)
    assert kept["raw"].usage_metadata["output_tokens"] == 3
    assert (kept["parsed"], kept["parsing_error"]) == ({"city": "Bergen", "amount": 1900}, None)


def test_a_stream_gives_what_has_come_so_far() -> None:
    model, _ = chat(*WHOLE)
    parts = list(model.with_structured_output(CapDict).stream("cap?"))

    assert parts[0] == {"city": "Ber"}
    assert parts[-1] == {"city": "Bergen", "amount": 1900}
    assert list(model.with_structured_output(Cap).stream("cap?"))[-1] == Cap(city="Bergen", amount=1900)


def test_what_cannot_be_a_schema_or_a_method_is_refused_at_once() -> None:
    model, _ = chat()
    with pytest.raises(ModelConfigError, match="No JSON schema"):
        model.with_structured_output({"function": {}})
    with pytest.raises(ModelConfigError, match="no method 'xml'"):
        model.with_structured_output(Cap, method="xml")
    with pytest.raises(ModelConfigError, match="tools"):
        model.with_structured_output(Cap, tools=[])


def test_a_schema_that_is_not_json_is_refused() -> None:
    with pytest.raises(ModelConfigError, match="not JSON"):
        json_schema_of({"type": "json_schema", "json_schema": {"schema": {"type": object()}}})
    with pytest.raises(ModelConfigError, match="not known"):
        json_schema_of({"type": "json_schema", "json_schema": {"name": "no schema"}})
