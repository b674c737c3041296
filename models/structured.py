"""Answers in a given shape: OpenAI's `response_format`, and the parsing of what comes back. Knows no engine and no server."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from langchain_core.exceptions import OutputParserException
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import BaseCumulativeTransformOutputParser
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_core.utils.function_calling import convert_to_json_schema
from langchain_core.utils.json import parse_json_markdown
from pydantic import BaseModel

from models.errors import ModelConfigError

METHODS = ("json_schema", "json_mode", "function_calling")
ANY_OBJECT = '{"type": "object"}'


def json_schema_of(response_format: Mapping[str, Any] | None) -> str:
    """The JSON schema (as JSON text) that an answer is bound to; "" if it is not bound. Raises ModelConfigError."""
    match response_format:
        case None | {"type": "text"}:
            return ""
        case {"type": "json_object"}:
            return ANY_OBJECT
        case {"type": "json_schema", "json_schema": {"schema": dict() as schema}}:
            try:
                return json.dumps(schema, ensure_ascii=False)
            except (TypeError, ValueError) as error:
                raise ModelConfigError(f"The schema in response_format is not JSON ({error}); mend it.") from error
    raise ModelConfigError(
        'This response_format is not known; use {"type": "text"}, {"type": "json_object"} or '
        '{"type": "json_schema", "json_schema": {"schema": {...}}}.'
    )


def structured(
    model: BaseChatModel, schema: dict[str, Any] | type, *, include_raw: bool, method: str, strict: bool | None
) -> Runnable[Any, Any]:
    """The model bound to answer in `schema`, and the parser behind it, as `with_structured_output` describes.

    "json_mode" binds the answer to be a JSON object of any shape. Of "function_calling" only the outcome is kept: there
    are no tools here, so the schema binds the answer as with "json_schema". The schema is not shown to the model: say
    in the prompt what the fields mean. An answer cut by `max_tokens` or the deadline is a parsing failure.
    """
    if method not in METHODS:
        raise ModelConfigError(f"There is no method {method!r} of structured output; use one of: {', '.join(METHODS)}.")
    answer_format = {"type": "json_object"} if method == "json_mode" else _response_format(schema, strict)
    bound = model.bind(
        response_format=answer_format,
        ls_structured_output_format={"kwargs": {"method": method}, "schema": schema},
    )
    parser = WholeAnswer(shape=schema if isinstance(schema, type) and issubclass(schema, BaseModel) else None)
    if not include_raw:
        return bound | parser

    def keep(raw: AIMessage) -> dict[str, Any]:
        try:
            return {"raw": raw, "parsed": parser.invoke(raw), "parsing_error": None}
        except OutputParserException as error:
            return {"raw": raw, "parsed": None, "parsing_error": error}

    return bound | RunnableLambda(keep)


class WholeAnswer(BaseCumulativeTransformOutputParser[Any]):
    """The JSON of an answer, as `shape` if there is one; a stream gives what has come so far.

    LangChain's own parsers close what an answer left open; here one that was cut off is a failure.
    """

    shape: type[BaseModel] | None = None

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        if not partial:
            refuse_cut(result)
        try:
            value = parse_json_markdown(result[0].text)
            return value if self.shape is None else self.shape.model_validate(value)
        except ValueError as error:
            if partial:
                return None
            shape = self.shape.__name__ if self.shape else "JSON"
            raise OutputParserException(f"The answer is not {shape}: {error}", llm_output=result[0].text) from error

    def parse(self, text: str) -> Any:
        return self.parse_result([Generation(text=text)])


def refuse_cut(result: list[Generation]) -> None:
    """Raises OutputParserException for an answer that did not come to its own end."""
    answer = result[0]
    if isinstance(answer, ChatGeneration):
        reason = answer.message.response_metadata.get("finish_reason", "stop")
        if reason != "stop":
            raise OutputParserException(
                f"The answer ended early ({reason}), so its JSON is not whole; raise max_tokens or deadline_s.",
                llm_output=answer.text,
            )


def _response_format(schema: dict[str, Any] | type, strict: bool | None) -> dict[str, Any]:
    shape = _json_schema(schema)
    name = re.sub(r"[^\w-]+", "_", str(shape.get("title") or "answer"), flags=re.ASCII)[:64]
    return {"type": "json_schema", "json_schema": {"name": name, "schema": shape, "strict": strict is not False}}


def _json_schema(schema: dict[str, Any] | type) -> dict[str, Any]:
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        return schema.model_json_schema()
    if isinstance(schema, dict) and not {"function", "parameters", "input_schema"} & schema.keys():
        return schema  # a JSON schema; the others are descriptions of a tool
    try:
        return convert_to_json_schema(schema)
    except (ValueError, TypeError) as error:
        raise ModelConfigError(
            f"No JSON schema can be made of {schema!r}; give a pydantic model, a TypedDict or a JSON schema."
        ) from error
